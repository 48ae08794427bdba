/**
 * Everything that the demonstration needs, as processes of this machine: Ordinal, three SRP servers and the
 * front, each on a free port. `startStack` is for a program; run by itself, this file starts a stack,
 * writes its addresses as one line of JSON and stops it when its standard input ends, so that it cannot
 * outlive whoever started it.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, Children, startOrdinal } from '../processes.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVERS = 3;

class Stack {
  #children = new Children();

  async start() {
    this.folder = mkdtempSync(join(tmpdir(), 'ordinal-srp-'));
    this.port = await startOrdinal(this.#children, this.folder);
    const names = Array.from({ length: SERVERS }, (_, index) => `srp-${index}`);
    this.servers = await Promise.all(names.map((name) => this.startServer({ NAME: name })));
    this.front = await this.#startNode('front', { BACKENDS: this.servers.join(',') });
    return this;
  }

  #startNode(script, env) {
    const command = [process.execPath, join(HERE, `${script}.js`)];
    const options = { env: { PATH: process.env.PATH, ...env, PORT: '0' } };
    return this.#children.add(new Child(env.NAME ?? script, command, options)).address();
  }

  /** One more SRP server on the same Ordinal, with `env` for its settings; gives its address. */
  startServer(env) {
    const cache = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(this.port) };
    return this.#startNode('server', { ...cache, ...env });
  }

  /**
   * Stops the processes, the last started first, and removes their folder; throws if one did not stop as it
   * should.
   */
  async stop() {
    try {
      await this.#children.stop();
    } finally {
      this.abandon();
    }
  }

  /** The same at once, for a program that is ending already. */
  abandon() {
    this.#children.abandon();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Starts a stack: { port, servers, front, startServer(env), stop() }. It ends with this program at the
 * latest.
 */
export async function startStack() {
  const stack = new Stack();
  process.once('exit', () => stack.abandon());
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  return stack.start();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stack = await startStack();
  console.log(JSON.stringify({ port: stack.port, servers: stack.servers, front: stack.front }));
  process.stdin.resume();
  await once(process.stdin, 'end');
  await stack.stop();
}
