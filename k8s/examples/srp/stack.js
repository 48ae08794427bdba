/**
 * Everything that the demonstration needs, as processes of this machine: Ordinal, three SRP servers and the
 * front, each on a free port. `startStack` is for a program; run by itself, this file starts a stack,
 * writes its addresses as one line of JSON and stops it when its standard input ends, so that it cannot
 * outlive whoever started it.
 *
 * Each process is told by the kernel when this one is gone, by setpriv(1): nothing stays behind even after
 * kill -9.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';

const HERE = dirname(fileURLToPath(import.meta.url));
const ORDINAL = resolve(process.env.ORDINAL ?? join(HERE, '../../../ordinal'));
const SERVERS = 3;
const START_MS = 20_000;
const STOP_MS = 5_000;
const OUTPUT_KEPT = 4000;

/** Starts `command` (a program and its arguments) as a process that ends when this one does. */
export function spawnBound(command, options) {
  return spawn('setpriv', ['--pdeathsig', 'TERM', ...command], options);
}

/** One child process with the end of its output, for the message when something goes wrong. */
class Child {
  constructor(name, command, options) {
    this.name = name;
    this.output = '';
    this.process = spawnBound(command, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.ended = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.#keep(text));
    }
  }

  #keep(text) {
    this.output = (this.output + text).slice(-OUTPUT_KEPT);
    this.process.emit('output');
  }

  get running() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  failure(what) {
    return new Error(`${this.name} ${what}\n${this.output}`);
  }

  /** The address that a server of this folder writes once it listens. */
  async address() {
    const signal = AbortSignal.timeout(START_MS);
    for (;;) {
      const found = this.output.match(/listening on (http:\S+)\n/);
      if (found) return found[1];
      if (!this.running) throw this.failure('ended at its start');
      await Promise.race([once(this.process, 'output', { signal }), this.ended]).catch(() => {
        throw this.failure('did not start in time');
      });
    }
  }

  /** Ends the process; throws if it was gone already, had to be killed, or did not end well. */
  async stop() {
    if (!this.running) throw this.failure('ended before it was told to');
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
    if (this.process.exitCode !== 0) throw this.failure('did not stop cleanly');
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Waits until `child` answers on `port`; false if it ended before. */
async function answers(child, port) {
  const reconnectStrategy = () => (child.running ? 20 : false);
  const cache = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy } });
  cache.on('error', () => {});
  const timer = setTimeout(() => cache.destroy(), START_MS);
  try {
    await cache.connect();
    return (await cache.ping()) === 'PONG' && child.running;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    if (cache.isOpen) cache.destroy();
  }
}

class Stack {
  #children = [];

  async start() {
    this.folder = mkdtempSync(join(tmpdir(), 'ordinal-srp-'));
    this.port = await this.#startOrdinal();
    const names = Array.from({ length: SERVERS }, (_, index) => `srp-${index}`);
    this.servers = await Promise.all(names.map((name) => this.startServer({ NAME: name })));
    this.front = await this.#startNode('front', { BACKENDS: this.servers.join(',') });
    return this;
  }

  /** A port that was free may be taken by the time it is used: then another is tried. */
  async #startOrdinal() {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const command = [ORDINAL, '--port', String(port), '--bind', '127.0.0.1'];
      const child = this.#add(new Child('ordinal', command, { cwd: this.folder }));
      if (await answers(child, port)) return port;
      if (attempt === 3 || child.running) throw child.failure('does not answer');
      this.#children.pop();
    }
  }

  #add(child) {
    this.#children.push(child);
    return child;
  }

  #startNode(script, env) {
    const command = [process.execPath, join(HERE, `${script}.js`)];
    const options = { env: { PATH: process.env.PATH, ...env, PORT: '0' } };
    return this.#add(new Child(env.NAME ?? script, command, options)).address();
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
      for (const child of [...this.#children].reverse()) await child.stop();
    } finally {
      this.abandon();
    }
  }

  /** The same at once, for a program that is ending already. */
  abandon() {
    for (const child of this.#children.splice(0)) child.process.kill('SIGKILL');
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
