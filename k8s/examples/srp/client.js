/**
 * Logs in again and again, and says how it went: PASS or FAIL with the counts. Exits 0 only if every login
 * passed.
 *
 *   node client.js [--url http://127.0.0.1:8080] [--logins 100] [--parallel 1] [--users 100] [--seed ordinal]
 *                  [--retries 0]
 *
 * Each setting may also come from the environment (URL, LOGINS, PARALLEL, USERS, SEED, RETRIES). `--logins 0`
 * goes on until SIGTERM or SIGINT, with a line of counts every ten seconds: how a rolling update is watched. A
 * name has one challenge at a time, so each of the parallel workers logs in users of its own. With `--retries`
 * a login that fails is begun anew so often, a second later each time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { login } from './login.js';
import { credentials } from './users.js';

const REPORT_MS = 10_000;
const REASONS_SHOWN = 20;
const RETRY_MS = 1000;

function mapNumbers(texts) {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Number(text)]));
}

function settings() {
  const defaults = {
    url: 'http://127.0.0.1:8080',
    logins: '100',
    parallel: '1',
    users: '100',
    seed: 'ordinal',
    retries: '0',
  };
  const options = {};
  for (const [name, value] of Object.entries(defaults)) {
    options[name] = { type: 'string', default: process.env[name.toUpperCase()] ?? value };
  }
  const { url, seed, ...counts } = parseArgs({ options }).values;
  const { logins, parallel, users, retries } = mapNumbers(counts);
  if (!(logins >= 0 && parallel >= 1 && users >= parallel)) {
    throw new Error('needs logins >= 0, parallel >= 1 and at least as many users as parallel logins');
  }
  return { url: url.replace(/\/$/, ''), seed, logins: logins || Infinity, parallel, users, retries };
}

const { url, seed, logins, parallel, users, retries } = settings();
const count = { started: 0, passed: 0, failed: 0, crossed: 0, retried: 0, told: 0 };
const began = performance.now();
let stopped = false;

function tell(index, error) {
  const reason = error.cause?.message ?? error.message;
  if (count.told++ < REASONS_SHOWN) console.log(`${new Date().toISOString()} user-${index}: ${reason}`);
}

async function once(index) {
  for (let left = retries; ; left--) {
    try {
      const { crossed } = await login(url, credentials(seed, index));
      count.passed++;
      if (crossed) count.crossed++;
      return;
    } catch (error) {
      tell(index, error);
      if (left === 0) return void count.failed++;
      count.retried++;
      await delay(RETRY_MS);
    }
  }
}

async function work(worker) {
  for (let index = worker; !stopped && count.started < logins; index += parallel) {
    if (index >= users) index = worker;
    count.started++;
    await once(index);
  }
}

function report(verdict) {
  const rate = (count.passed / ((performance.now() - began) / 1000)).toFixed(1);
  console.log(
    `${verdict}  ${count.passed} logins passed, ${count.failed} failed, ` +
      `${count.crossed} with challenge and authentication on different servers, ` +
      (retries > 0 ? `${count.retried} tried again, ` : '') +
      `${rate}/s`,
  );
}

process.stdout.on('error', () => process.exit(1)); // nobody is there to read the counts
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => (stopped = true));
const reports = setInterval(() => report('....'), REPORT_MS);
await Promise.all(Array.from({ length: parallel }, (_, worker) => work(worker)));
clearInterval(reports);
const good = count.failed === 0 && count.passed > 0;
report(good ? 'PASS' : 'FAIL');
process.exitCode = good ? 0 : 1;
