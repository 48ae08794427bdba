/**
 * A worker: takes a task, looks whether its number is known, computes it if it is not, and goes on to the
 * next. Any number of them share the list; BRPOP gives each task to one.
 *
 * What BRPOP has handed out is in nobody's list any more: a worker that is killed takes the task in its
 * hands with it, and that one only. (BLMOVE to a list of its own would keep even that.) On SIGTERM it ends
 * its wait by CLIENT UNBLOCK rather than by hanging up, which could lose a task that is on its way, finishes
 * what it has, and ends.
 *
 * Settings (environment): NAME, REDIS_HOST, REDIS_PORT, REDIS_HOST2, REDIS_PORT2 (see cache.js), WORK_MS: a
 * pause in each computation, to make it as slow as real work. Each task is told on standard output, as
 * `NAME took INDEX` and `NAME did INDEX`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Cache, PENDING, TASKS, VALUES, cacheAddresses } from './cache.js';
import { fibonacci } from './fibonacci.js';

const RETRY_MS = 200;
const UNBLOCK_MS = 100;

const env = process.env;
const name = env.NAME ?? `fib-worker-${process.pid}`;
const workMs = Number(env.WORK_MS ?? 0);

function report(error) {
  console.error(`${name}: cache: ${error.message}`);
}

const addresses = cacheAddresses(env);
const tasks = new Cache(addresses.write, name, report);
const reads = new Cache(addresses.read, name, report);
const writes = new Cache(addresses.write, name, report);
let connection = 0; // the id of the one that waits, by its server's count
let stopping = false;
let unblocking;

/** Waits for the next task; null when the wait was ended or the connection was lost. */
async function take() {
  try {
    const [id, taken] = [tasks.ask('client', 'ID'), tasks.ask('brpop', TASKS, 0)];
    id.then((number) => (connection = number)).catch(() => {});
    const [, index] = (await taken) ?? [null, null];
    return index;
  } catch (error) {
    report(error);
    await delay(RETRY_MS);
    return null;
  }
}

async function compute(index) {
  if (workMs) await delay(workMs);
  return fibonacci(Number(index));
}

/** Sees to it that the number of `index` is known, however long the cache is away meanwhile. */
async function perform(index) {
  for (;;) {
    try {
      const known = await reads.ask('hget', VALUES, index);
      if (known === null || known === PENDING) await writes.ask('hset', VALUES, index, await compute(index));
      return;
    } catch (error) {
      report(error);
      await delay(RETRY_MS);
    }
  }
}

async function work() {
  while (!stopping) {
    const index = await take();
    if (index === null) continue;
    console.log(`${name} took ${index}`);
    await perform(index);
    console.log(`${name} did ${index}`);
  }
}

/** Ends the wait of `take`, asking as often as it takes: the BRPOP may still be on its way. */
function unblock() {
  writes.ask('client', 'UNBLOCK', connection).catch(report);
}

function stop() {
  stopping = true;
  unblock();
  unblocking = setInterval(unblock, UNBLOCK_MS);
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
tasks.client.once('ready', () => console.log(`${name} waits for tasks on Node.js ${process.version}`));
await work();
clearInterval(unblocking);
for (const cache of [tasks, reads, writes]) cache.close();
