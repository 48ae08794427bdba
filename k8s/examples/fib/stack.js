/**
 * Everything that the demonstration needs, as processes of this machine: Ordinal, the server and three
 * workers. `startStack` is for a program; run by itself, this file starts a stack, writes its address, its
 * cache's port and its workers' process ids as one line of JSON, and stops it when its standard input ends,
 * so that it cannot outlive whoever started it.
 */
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, Children, startOrdinal } from '../processes.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const WORKERS = 3;
const WAITING = / waits for tasks on Node.js (\S+)\n/;

/** A worker's process, with the tasks that it says to have taken and done, in their order. */
class Worker extends Child {
  took = [];
  did = [];
  #rest = '';

  constructor(name, command, options) {
    super(name, command, options);
    this.process.stdout.on('data', (text) => this.#read(text));
  }

  #read(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) {
      const [, what, index] = line.match(/ (took|did) (\d+)$/) ?? [];
      if (what) this[what].push(Number(index));
    }
    this.process.emit('told');
  }
}

/** Emits `worker` whenever a worker has told something or has ended. */
class Stack extends EventEmitter {
  #children = new Children();
  #count = 0;
  workers = [];

  async start() {
    this.folder = mkdtempSync(join(tmpdir(), 'ordinal-fib-'));
    this.port = await startOrdinal(this.#children, this.folder);
    const env = { NAME: 'fib-server', PORT: '0', SUBMISSIONS: join(this.folder, 'submissions.db') };
    this.server = await this.#startNode(Child, 'server', env).address();
    await this.startWorkers();
    return this;
  }

  #startNode(Kind, script, env) {
    const command = [process.execPath, join(HERE, `${script}.js`)];
    const cache = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(this.port) };
    const options = { env: { PATH: process.env.PATH, ...cache, ...env } };
    return this.#children.add(new Kind(env.NAME, command, options));
  }

  #startWorker(env) {
    const worker = this.#startNode(Worker, 'worker', { ...env, NAME: `fib-worker-${this.#count++}` });
    for (const event of ['told', 'exit']) worker.process.on(event, () => this.emit('worker'));
    return worker;
  }

  /** Starts three workers, with `env` for further settings, and waits until they wait for tasks. */
  async startWorkers(env) {
    this.workers = Array.from({ length: WORKERS }, () => this.#startWorker(env));
    const versions = await Promise.all(this.workers.map((worker) => worker.says(WAITING)));
    this.nodeVersion = versions[0][1];
  }

  /** Ends those workers that still run, each when it has finished the task that it has taken. */
  async stopWorkers() {
    for (const worker of this.workers) this.#children.remove(worker);
    await Promise.all(this.workers.filter((worker) => worker.running).map((worker) => worker.stop()));
  }

  /** Stops all processes and removes their folder; throws if one did not stop as it should. */
  async stop() {
    try {
      await this.stopWorkers();
      await this.#children.stop();
    } finally {
      this.abandon();
    }
  }

  /** The same at once, for a program that is ending already. */
  abandon() {
    for (const worker of this.workers) worker.process.kill('SIGKILL');
    this.#children.abandon();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Starts a stack: { port, server, workers, startWorkers(env), stopWorkers(), stop() }. It ends with this
 * program at the latest.
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
  const pids = stack.workers.map((worker) => worker.process.pid);
  console.log(JSON.stringify({ port: stack.port, server: stack.server, workers: pids }));
  process.stdin.resume();
  await once(process.stdin, 'end');
  await stack.stop();
}
