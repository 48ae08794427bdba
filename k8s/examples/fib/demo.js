/**
 * The demonstration: starts a stack (see stack.js), shows every result and each promise, and exits 0 only
 * if all of them were kept.
 *
 *   node demo.js [--tasks 200]
 *
 * ORDINAL names the server's binary.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cache, PENDING, TASKS } from './cache.js';
import { startStack } from './stack.js';

const LIMIT_MS = 120_000;
const TASK_LIMIT_MS = 200;
const WORK_MS = 10; // of the worker that is killed: it is to be in the midst of a task
const TAKEN_BEFORE = 10;
const POLL_MS = 10;

const { values: options } = parseArgs({ options: { tasks: { type: 'string', default: '200' } } });
const tasks = Number(options.tasks);
const first = Array.from({ length: tasks }, (_, index) => index);
const second = first.map((index) => index + tasks);

/** The numbers that are to be found, by addition alone, as a check of the workers' own way. */
function expectedNumbers(count) {
  const numbers = [0n, 1n];
  while (numbers.length < count) numbers.push(numbers.at(-1) + numbers.at(-2));
  return numbers.map(String);
}

const expected = expectedNumbers(2 * tasks);

async function ask(url, options) {
  const response = await fetch(url, options);
  assert.equal(response.status, 200, `${url}: ${response.status}`);
  return response.json();
}

async function submit({ server }, indexes) {
  const headers = { 'content-type': 'application/json' };
  for (const index of indexes) {
    const body = JSON.stringify({ index });
    assert.deepEqual(await ask(`${server}/values`, { method: 'POST', headers, body }), { working: true });
  }
}

function results({ server }) {
  return ask(`${server}/values/current`);
}

/** Waits until `enough()`, which looks at what the workers have told; throws if one of them ends before. */
async function until(stack, enough) {
  while (!enough()) {
    for (const worker of stack.workers) if (!worker.running) throw worker.failure('ended');
    await once(stack, 'worker');
  }
}

/** Waits until the workers have done `count` tasks in all. */
function untilDone(stack, count) {
  return until(stack, () => stack.workers.reduce((sum, worker) => sum + worker.did.length, 0) >= count);
}

async function everyResult(stack) {
  await submit(stack, first);
  await untilDone(stack, tasks);
  const found = await results(stack);
  for (const index of first) console.log(`      fib(${index}) = ${found[index]}`);
  assert.deepEqual(Object.keys(found).length, tasks);
  for (const index of first) assert.equal(found[index], expected[index], `index ${index}`);
  return `${tasks} results`;
}

async function takenByOne({ workers }) {
  const taken = workers.flatMap((worker) => worker.took).sort((a, b) => a - b);
  assert.deepEqual(taken, first);
  const shares = workers.map((worker) => worker.took.length);
  assert.ok(shares.every((share) => share > 0), `shares ${shares}`);
  return `${shares.join(' + ')} = ${tasks}`;
}

/** Waits until every task has been taken from the list. */
async function untilEmpty({ cache }) {
  while ((await cache.ask('llen', TASKS)) > 0) await delay(POLL_MS);
}

/**
 * Kills a worker as soon as it says to have taken its tenth task. The others are told to stop once nothing
 * is left in the list: what they have in their hands they finish, and what is missing after that is lost.
 */
async function killedWorker(stack) {
  await stack.stopWorkers();
  await submit(stack, second);
  await stack.startWorkers({ WORK_MS: String(WORK_MS) });
  const [victim, ...others] = stack.workers;
  await until(stack, () => victim.took.length >= Math.min(TAKEN_BEFORE, tasks / 10));
  await victim.kill();
  await untilEmpty(stack);
  await stack.stopWorkers();
  const found = await results(stack);
  const lost = second.filter((index) => found[index] === PENDING);
  const done = others.flatMap((worker) => worker.did);
  assert.ok(lost.length <= 1, `lost ${lost}`);
  for (const index of second) if (!lost.includes(index)) assert.equal(found[index], expected[index]);
  const kept = [...victim.did, ...done, ...lost].sort((a, b) => a - b);
  assert.ok(kept.length >= tasks - 1 && new Set(kept).size === kept.length, 'a task was taken twice');
  stack.lost = lost;
  return `${victim.took.length} taken by it, ${lost.length} lost: ${lost.map((index) => `fib(${index})`)}`;
}

async function submittedAgain(stack) {
  await stack.startWorkers();
  const again = stack.lost.length > 0 ? stack.lost : [second[0]];
  await submit(stack, again);
  await untilDone(stack, again.length);
  const found = await results(stack);
  for (const index of second) assert.equal(found[index], expected[index], `index ${index}`);
  return `${again.map((index) => `fib(${index})`)}`;
}

async function everySubmissionIsLogged({ server, lost }) {
  const logged = (await ask(`${server}/values/all`)).map(({ number }) => number);
  const again = lost.length > 0 ? lost : [second[0]];
  assert.deepEqual(logged, [...first, ...second, ...again]);
  return `${logged.length} submissions`;
}

const checks = [
  ['every result is there and right', everyResult],
  ['each task is taken by exactly one worker, and each worker takes some', takenByOne],
  ['a worker killed in the midst loses no more than the task in its hands', killedWorker],
  ['a lost task that is submitted again is done', submittedAgain],
  ['every submission is in the log, in order', everySubmissionIsLogged],
];

/** Runs the checks in order, each of which needs those before it; gives whether all were kept. */
async function runChecks(stack) {
  for (const [promise, check] of checks) {
    try {
      console.log(`ok    ${promise} (${await check(stack)})`);
    } catch (error) {
      console.log(`FAIL  ${promise}: ${error.message}`);
      return false;
    }
  }
  return true;
}

/** Ends a demonstration that hangs, whatever it hangs in. */
function limitTime() {
  const giveUp = () => {
    console.log('FAIL  not done in time');
    process.exit(1);
  };
  setTimeout(giveUp, LIMIT_MS + tasks * TASK_LIMIT_MS).unref();
}

limitTime();
const stack = await startStack();
stack.cache = new Cache({ host: '127.0.0.1', port: stack.port }, 'fib-demo', (error) => console.error(error));
try {
  const kept = await runChecks(stack);
  console.log(
    kept ? `PASS  all ${checks.length} promises kept, on Node.js ${stack.nodeVersion}` : 'FAIL  see above',
  );
  process.exitCode = kept ? 0 : 1;
} finally {
  stack.cache.close();
  await stack.stop();
}
