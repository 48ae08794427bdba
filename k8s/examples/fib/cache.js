/**
 * What the server and the workers share: the hash `values`, from an index to its number, and the list
 * `tasks`, from whose right end the workers take what the server pushes at the left.
 *
 * Spoken through version 2 of the npm package `redis`, whose functions take a callback, as the programs do
 * that have not been touched for years. It connects again by itself; a command that was under way when the
 * connection broke ends with an error, since nobody knows whether it was done.
 */
import { promisify } from 'node:util';
import redis from 'redis';

export const VALUES = 'values';
export const TASKS = 'tasks';
export const PENDING = 'Nothing yet!';

const RECONNECT_MS = 200;
const DEFAULT_PORT = 6379;

/**
 * Where reads and where writes go: REDIS_HOST and REDIS_PORT, and for the writes REDIS_HOST2 and
 * REDIS_PORT2, if they are another server's.
 */
export function cacheAddresses(env) {
  const read = { host: env.REDIS_HOST ?? '127.0.0.1', port: Number(env.REDIS_PORT ?? DEFAULT_PORT) };
  const write = { host: env.REDIS_HOST2 ?? read.host, port: Number(env.REDIS_PORT2 ?? read.port) };
  return { read, write };
}

/** One connection to the cache at `address`, known there as `name`; `report` is given each error. */
export class Cache {
  constructor(address, name, report) {
    this.client = redis.createClient({ ...address, retry_strategy: () => RECONNECT_MS });
    this.client.on('error', report);
    this.client.on('ready', () => this.client.client('SETNAME', name));
  }

  /** Sends a command by the client's function of that name; gives what its callback gets. */
  ask(command, ...args) {
    return promisify(this.client[command]).apply(this.client, args);
  }

  /** Whether the cache answers. */
  async ready() {
    return this.client.ready && (await this.ask('ping')) === 'PONG';
  }

  /** Ends the connection at once. */
  close() {
    this.client.end(false);
  }
}
