/**
 * The Fibonacci server: takes indexes, hands them to the workers, and tells what they found.
 *
 *   POST /values  { index }   → { working: true }, or 422
 *   GET  /values/current      → { index: number, … }, "Nothing yet!" where no worker has been
 *   GET  /values/all          → [{ number, submitted }, …], every submission
 *   GET  /healthz, /readyz    → 200 while it runs, while the cache answers
 *
 * Settings (environment): PORT, NAME, REDIS_HOST, REDIS_PORT, REDIS_HOST2, REDIS_PORT2 (see cache.js),
 * SUBMISSIONS (the log's file), MAX_INDEX.
 */
import express from 'express';
import { Cache, PENDING, TASKS, VALUES, cacheAddresses } from './cache.js';
import { Submissions } from './submissions.js';

const env = process.env;
const name = env.NAME ?? `fib-server-${process.pid}`;
const maxIndex = Number(env.MAX_INDEX ?? 10_000);

function report(error) {
  console.error(`${name}: cache: ${error.message}`);
}

const addresses = cacheAddresses(env);
const reads = new Cache(addresses.read, name, report);
const writes = new Cache(addresses.write, name, report);
const submissions = new Submissions(env.SUBMISSIONS ?? 'submissions.db');

async function submit(request, response) {
  const index = Number(request.body?.index ?? NaN);
  if (!Number.isInteger(index) || index < 0 || index > maxIndex) {
    return response.status(422).json({ error: `index must be an integer from 0 to ${maxIndex}` });
  }
  submissions.add(index);
  await writes.ask('hset', VALUES, index, PENDING);
  await writes.ask('lpush', TASKS, index);
  response.json({ working: true });
}

async function current(request, response) {
  response.json((await reads.ask('hgetall', VALUES)) ?? {});
}

async function ready(request, response) {
  const good = (await reads.ready()) && (await writes.ready());
  response.status(good ? 200 : 503).json({ ready: good });
}

/** What Express is told when a request fails; the fourth parameter marks it as such. */
function failed(error, request, response, next) {
  const status = error.status ?? 503;
  if (status >= 500) console.error(`${name}: ${request.method} ${request.url}: ${error.message}`);
  response.status(status).json({ error: status < 500 ? error.message : 'try again' });
}

const app = express();
app.use(express.json({ limit: '4kb' }));
app.post('/values', submit);
app.get('/values/current', current);
app.get('/values/all', (request, response) => response.json(submissions.all()));
app.get('/readyz', ready);
app.get('/healthz', (request, response) => response.json({ alive: true }));
app.use(failed);

const server = app.listen(Number(env.PORT ?? 5000), () =>
  console.log(`${name} listening on http://127.0.0.1:${server.address().port}`),
);

function stop() {
  server.close(() => {
    for (const cache of [reads, writes]) cache.close();
    submissions.close();
  });
  server.closeIdleConnections();
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
