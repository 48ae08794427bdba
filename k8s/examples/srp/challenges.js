/**
 * The challenges that are open: what a server must remember between `/auth/challenge` and
 * `/auth/authenticate`.
 *
 * They live in Ordinal, for one minute, one for each name (a new one replaces the old). `take` is a GETDEL:
 * whoever asks first has the challenge and nobody can have it again, so that it serves one attempt, be it
 * right or wrong, on whichever server it arrives.
 */
import { createClient } from 'redis';

const COMMAND_TIMEOUT_MS = 5000;

/**
 * The address of the cache from REDIS_URL, or from REDIS_HOST, REDIS_PORT, REDIS_USERNAME and
 * REDIS_PASSWORD.
 */
export function cacheOptions(env) {
  const common = {
    name: env.NAME,
    commandOptions: { timeout: COMMAND_TIMEOUT_MS },
    pingInterval: COMMAND_TIMEOUT_MS,
  };
  const socket = { socketTimeout: 3 * COMMAND_TIMEOUT_MS };
  if (env.REDIS_URL) return { ...common, url: env.REDIS_URL, socket };
  return {
    ...common,
    username: env.REDIS_USERNAME,
    password: env.REDIS_PASSWORD,
    socket: { ...socket, host: env.REDIS_HOST ?? '127.0.0.1', port: Number(env.REDIS_PORT ?? 6379) },
  };
}

export class Challenges {
  /** Open challenges in the cache that `options` names (see cacheOptions), each for `seconds`. */
  constructor(options, seconds) {
    this.seconds = seconds;
    this.cache = createClient(options);
  }

  /** Goes on trying to connect, now and whenever the connection is lost; `report` is given each error. */
  connect(report) {
    this.cache.on('error', report);
    return this.cache.connect();
  }

  static key(name) {
    return `srp:challenge:${name}`;
  }

  /** Keeps the state of the challenge that `name` was given. */
  async put(name, state) {
    const expiration = { type: 'EX', value: this.seconds };
    await this.cache.set(Challenges.key(name), JSON.stringify(state), { expiration });
  }

  /** The state of the challenge of `name`, which is consumed by this, or null if there is none. */
  async take(name) {
    const text = await this.cache.getDel(Challenges.key(name));
    return text === null ? null : JSON.parse(text);
  }

  /** Whether the cache answers. */
  async ready() {
    return this.cache.isReady && (await this.cache.ping()) === 'PONG';
  }

  close() {
    this.cache.destroy();
  }
}
