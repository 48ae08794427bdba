/**
 * The demonstration: starts a stack (see stack.js), shows each promise, and exits 0 only if all of them
 * were kept.
 *
 *   node demo.js [--logins 200] [--long]
 *
 * With `--long`, a challenge of a full minute is waited for as well. ORDINAL names the server's binary.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from 'redis';
import { spawnBound } from '../processes.mjs';
import { Challenges } from './challenges.js';
import { askChallenge, prove, sendProof } from './login.js';
import { startStack } from './stack.js';
import { credentials } from './users.js';

const PARALLEL = 4;
const IDENTICAL = 20;
const MINUTE_MS = 60_000;
const EXPIRY_MARGIN_MS = 2_000;
const LIMIT_MS = 5 * MINUTE_MS;
const LOGIN_LIMIT_MS = 500;

const { values: options } = parseArgs({
  options: { logins: { type: 'string', default: '200' }, long: { type: 'boolean', default: false } },
});

/** A challenge from `base` and the right proof for it. */
async function provenChallenge(base, { name, password }) {
  const challenge = await askChallenge(base, name);
  return prove(name, password, challenge);
}

/** Runs the client against the front and gives its last line; throws if it did not pass. */
async function runClient(front, logins, parallel) {
  const script = fileURLToPath(new URL('client.js', import.meta.url));
  const args = ['--url', front, '--logins', String(logins), '--parallel', String(parallel)];
  const client = spawnBound([process.execPath, script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  client.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const [status] = await once(client, 'close');
  assert.equal(status, 0, output);
  return output.trim().split('\n').at(-1);
}

/**
 * Waits until the challenge of `name` has expired in the cache, at most `limit` ms; gives how long it took.
 */
async function untilExpired(cache, name, limit) {
  const began = performance.now();
  while ((await cache.exists(Challenges.key(name))) === 1) {
    assert.ok(performance.now() - began < limit, `the challenge is still there after ${limit} ms`);
    await delay(10);
  }
  return performance.now() - began;
}

async function everyLoginPasses({ front }) {
  return runClient(front, Number(options.logins), PARALLEL);
}

async function oneAfterTheOther({ front, servers }) {
  const logins = servers.length * 4;
  const line = await runClient(front, logins, 1);
  assert.match(line, new RegExp(`, ${logins} with challenge and authentication on different servers`));
  return line;
}

async function whicheverServer({ servers }) {
  const user = credentials('ordinal', 0);
  for (const first of servers) {
    for (const second of servers) {
      const { status } = await sendProof(second, user.name, await provenChallenge(first, user));
      assert.equal(status, 200, `challenge from ${first}, authentication at ${second}`);
    }
  }
  return `${servers.length ** 2} pairs of servers`;
}

async function replayIsRefused({ servers }) {
  const user = credentials('ordinal', 1);
  const proof = await provenChallenge(servers[0], user);
  assert.equal((await sendProof(servers[1], user.name, proof)).status, 200);
  for (const server of servers) assert.equal((await sendProof(server, user.name, proof)).status, 401, server);
  return `401 from ${servers.length} servers`;
}

async function consumedOnce({ servers }) {
  const user = credentials('ordinal', 2);
  const proof = await provenChallenge(servers[0], user);
  const sends = Array.from({ length: IDENTICAL }, (_, i) =>
    sendProof(servers[i % servers.length], user.name, proof),
  );
  const statuses = (await Promise.all(sends)).map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, ...Array(IDENTICAL - 1).fill(401)]);
  return `1 of ${IDENTICAL} accepted`;
}

async function livesOneMinute({ servers, cache }) {
  const user = credentials('ordinal', 3);
  await askChallenge(servers[0], user.name);
  const left = await cache.pTTL(Challenges.key(user.name));
  assert.ok(left > MINUTE_MS - 10_000 && left <= MINUTE_MS, `${left} ms left`);
  return `${left} ms left`;
}

/** On the server `base`: a fresh challenge is good, an old one is not, with the same right password. */
async function oldIsRefused(base, cache, seconds) {
  const user = credentials('ordinal', 4);
  const fresh = await sendProof(base, user.name, await provenChallenge(base, user));
  assert.equal(fresh.status, 200, 'a fresh challenge');
  const proof = await provenChallenge(base, user);
  const waited = await untilExpired(cache, user.name, seconds * 1000 + EXPIRY_MARGIN_MS);
  assert.equal((await sendProof(base, user.name, proof)).status, 401, 'an old challenge');
  return `401 after ${(waited / 1000).toFixed(1)} s`;
}

async function oldIsRefusedAfterASecond(stack) {
  const server = await stack.startServer({ NAME: 'srp-short', CHALLENGE_SECONDS: '1' });
  return oldIsRefused(server, stack.cache, 1);
}

const checks = [
  ['every login passes, four at a time', everyLoginPasses],
  ['every login passes whose two requests meet different servers', oneAfterTheOther],
  ['whichever server gets which request, the login passes', whicheverServer],
  ['a replayed authentication is refused', replayIsRefused],
  ['of many simultaneous authentications with one proof, one is accepted', consumedOnce],
  ['a challenge lives one minute', livesOneMinute],
  ['a challenge past its life (here one second) is refused', oldIsRefusedAfterASecond],
];
if (options.long) {
  const check = ({ servers, cache }) => oldIsRefused(servers[0], cache, MINUTE_MS / 1000);
  checks.push(['a challenge older than a minute is refused', check]);
}

/** Runs all checks, goes on after one that fails, and gives how many failed. */
async function runChecks(stack) {
  let failures = 0;
  for (const [promise, check] of checks) {
    try {
      console.log(`ok    ${promise}: ${await check(stack)}`);
    } catch (error) {
      failures++;
      console.log(`FAIL  ${promise}: ${error.message}`);
    }
  }
  return failures;
}

/** Ends a demonstration that hangs, whatever it hangs in. */
function limitTime() {
  const giveUp = () => {
    console.log('FAIL  not done in time');
    process.exit(1);
  };
  setTimeout(giveUp, LIMIT_MS + Number(options.logins) * LOGIN_LIMIT_MS).unref();
}

limitTime();
const stack = await startStack();
stack.cache = createClient({ socket: { host: '127.0.0.1', port: stack.port } });
stack.cache.on('error', (error) => console.error(`cache: ${error.message}`));
try {
  await stack.cache.connect();
  const failures = await runChecks(stack);
  console.log(
    failures === 0 ? `PASS  all ${checks.length} promises kept` : `FAIL  ${failures} of ${checks.length}`,
  );
  process.exitCode = failures === 0 ? 0 : 1;
} finally {
  if (stack.cache.isOpen) stack.cache.destroy();
  await stack.stop();
}
