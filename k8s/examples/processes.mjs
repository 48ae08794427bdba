/**
 * The processes of a demonstration: children that end with the program that started them, and among them
 * Ordinal on a free port. What the examples share; no image has it.
 *
 * Each process is told by the kernel when its starter is gone, by setpriv(1): nothing stays behind even
 * after kill -9.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ORDINAL = resolve(process.env.ORDINAL ?? `${HERE}/../../ordinal`);
const START_MS = 20_000;
const STOP_MS = 5_000;
const RETRY_MS = 20;
const OUTPUT_KEPT = 4000;
const PONG = '+PONG\r\n';

/** Starts `command` (a program and its arguments) as a process that ends when this one does. */
export function spawnBound(command, options) {
  return spawn('setpriv', ['--pdeathsig', 'TERM', ...command], options);
}

/** One child process with the end of its output, for the message when something goes wrong. */
export class Child {
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
    this.process.emit('output', text);
  }

  get running() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  failure(what) {
    return new Error(`${this.name} ${what}\n${this.output}`);
  }

  /** Waits until the output matches `pattern`, and gives the match. */
  async says(pattern) {
    const signal = AbortSignal.timeout(START_MS);
    for (;;) {
      const found = this.output.match(pattern);
      if (found) return found;
      if (!this.running) throw this.failure('ended at its start');
      await Promise.race([once(this.process, 'output', { signal }), this.ended]).catch(() => {
        throw this.failure('did not start in time');
      });
    }
  }

  /** The address that a server of the examples writes once it listens. */
  async address() {
    return (await this.says(/listening on (http:\S+)\n/))[1];
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

  /** Ends the process at once, as a machine that fails does. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** The children of one demonstration, which end together. */
export class Children {
  #children = [];

  add(child) {
    this.#children.push(child);
    return child;
  }

  /** Forgets a child that has ended already. */
  remove(child) {
    this.#children = this.#children.filter((one) => one !== child);
  }

  /** Stops them, the last started first; throws if one did not stop as it should. */
  async stop() {
    for (const child of [...this.#children].reverse()) await child.stop();
  }

  /** The same at once, for a program that is ending already. */
  abandon() {
    for (const child of this.#children.splice(0)) child.process.kill('SIGKILL');
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

/** Whether whoever listens on `port` answers a PING. */
async function pings(port) {
  const socket = connect(port, '127.0.0.1');
  const signal = AbortSignal.timeout(START_MS);
  try {
    socket.write('PING\r\n');
    const [reply] = await once(socket, 'data', { signal });
    return reply.toString() === PONG;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * Starts Ordinal in `folder` and gives its port once it answers. A port that was free may be taken by the
 * time it is used: then another is tried.
 */
export async function startOrdinal(children, folder) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const command = [ORDINAL, '--port', String(port), '--bind', '127.0.0.1'];
    const child = children.add(new Child('ordinal', command, { cwd: folder }));
    const until = performance.now() + START_MS;
    while (child.running && performance.now() < until) {
      if ((await pings(port)) && child.running) return port;
      await delay(RETRY_MS);
    }
    if (attempt === 3 || child.running) throw child.failure('does not answer');
    children.remove(child);
  }
}
