/**
 * node-redis, the newest (RESP3), used as its users do: caches with tags, locks, rate limits, queues,
 * messages, and its client-side cache, which the server tells what has changed.
 *
 *   node node_redis.js PORT USE …       (see uses.js)
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { WatchError, createClient, createClientPool } from 'redis';
import { runUses } from './uses.js';

const POLL_MS = 5;
const LIMIT_MS = 10_000;

/** Does `use` with a second connection like that of `redis`, and closes it. */
async function withSecond(redis, use) {
  const second = redis.duplicate();
  await second.connect();
  try {
    return await use(second);
  } finally {
    second.destroy();
  }
}

async function session(redis) {
  const fields = { user: 'ada', role: 'admin' };
  assert.equal(await redis.hSet('session:1', fields), 2);
  assert.equal(await redis.expire('session:1', 100), 1);
  assert.deepEqual({ ...(await redis.hGetAll('session:1')) }, fields);
  assert.equal(await redis.hGet('session:1', 'role'), 'admin');
  assert.equal(await redis.hDel('session:1', ['user', 'role']), 2);
  assert.equal(await redis.exists('session:1'), 0);
}

/** Waits until `condition()` holds. */
async function until(condition) {
  const end = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < end, 'not in time');
    await delay(POLL_MS);
  }
}

/** Fields with deadlines of their own: here a code that is good for a moment, in a session that stays. */
async function fieldDeadlines(redis) {
  await redis.hSet('session:2', { user: 'ada', code: '123456' });
  assert.deepEqual(await redis.hExpire('session:2', 'code', 100), [1]);
  const [left, never, absent] = await redis.hTTL('session:2', ['code', 'user', 'absent']);
  assert.ok(left > 90 && left <= 100, `${left} s left`);
  assert.deepEqual([never, absent], [-1, -2]);
  assert.deepEqual(await redis.hpExpire('session:2', 'code', 20), [1]);
  await until(async () => (await redis.hExists('session:2', 'code')) === 0);
  assert.deepEqual({ ...(await redis.hGetAll('session:2')) }, { user: 'ada' });
}

async function lock(redis) {
  const expiration = { type: 'PX', value: 30_000 };
  assert.equal(await redis.set('lock:job', 'mine', { expiration, condition: 'NX' }), 'OK');
  assert.equal(await redis.set('lock:job', 'theirs', { expiration, condition: 'NX' }), null);
  const pool = createClientPool({ socket: redis.options.socket });
  await pool.connect();
  try {
    const released = await pool.execute(async (owner) => {
      await owner.watch('lock:job');
      if ((await owner.get('lock:job')) !== 'mine') return null;
      return owner.multi().del('lock:job').exec();
    });
    assert.deepEqual(released, [1]);
    const conflict = pool.execute(async (owner) => {
      await owner.watch('lock:job');
      await redis.set('lock:job', 'theirs');
      return owner.multi().del('lock:job').exec();
    });
    await assert.rejects(conflict, WatchError);
  } finally {
    await pool.close();
  }
  assert.equal(await redis.get('lock:job'), 'theirs');
}

/** A fixed window: a counter that its first request gives a deadline. */
async function rateLimit(redis) {
  const attempt = async () => {
    const [count] = await redis.multi().incr('rate:1').expire('rate:1', 60, 'NX').exec();
    return count <= 3;
  };
  const allowed = [];
  for (let index = 0; index < 5; index++) allowed.push(await attempt());
  assert.deepEqual(allowed, [true, true, true, false, false]);
  assert.ok((await redis.ttl('rate:1')) > 50);
}

async function queue(redis) {
  await withSecond(redis, async (worker) => {
    const waiting = worker.brPop(['urgent', 'jobs'], 0);
    await redis.lPush('jobs', ['one', 'two']);
    assert.deepEqual({ ...(await waiting) }, { key: 'jobs', element: 'one' });
    await redis.lPush('urgent', 'now');
    assert.deepEqual({ ...(await worker.brPop(['urgent', 'jobs'], 0)) }, { key: 'urgent', element: 'now' });
    assert.equal(await worker.rPopLPush('jobs', 'done'), 'two');
    assert.deepEqual(await redis.lRange('done', 0, -1), ['two']);
  });
}

/** What a cache with tags does: sets of the keys that go together. */
async function tags(redis) {
  await redis.sAdd('tag:red', ['apple', 'rose', 'fire']);
  await redis.sAdd('tag:plant', ['apple', 'rose', 'tree']);
  assert.deepEqual([...(await redis.sInter(['tag:red', 'tag:plant']))].sort(), ['apple', 'rose']);
  assert.deepEqual([...(await redis.sDiff(['tag:red', 'tag:plant']))], ['fire']);
  assert.equal(await redis.sInterCard(['tag:red', 'tag:plant'], 1), 1);
  assert.deepEqual(await redis.smIsMember('tag:red', ['rose', 'tree']), [1, 0]);
  assert.equal(await redis.sUnionStore('tag:any', ['tag:red', 'tag:plant']), 4);
  const found = new Set();
  for await (const members of redis.sScanIterator('tag:any')) for (const one of members) found.add(one);
  assert.deepEqual(found, new Set(['apple', 'rose', 'fire', 'tree']));
}

async function leaderboard(redis) {
  const scores = { ada: 100, bob: 250.5, cyd: 175 };
  await redis.zAdd('board', Object.entries(scores).map(([value, score]) => ({ value, score })));
  assert.equal(await redis.zScore('board', 'bob'), 250.5);
  const top = await redis.zRangeWithScores('board', 0, 1, { REV: true });
  assert.deepEqual(
    top.map(({ value, score }) => [value, score]),
    [
      ['bob', 250.5],
      ['cyd', 175],
    ],
  );
  assert.equal(await redis.zRank('board', 'ada'), 0);
  assert.equal(await redis.zIncrBy('board', 200, 'ada'), 300);
  assert.deepEqual(await redis.zRange('board', 200, 400, { BY: 'SCORE' }), ['bob', 'ada']);
}

async function messages(redis) {
  await withSecond(redis, async (subscriber) => {
    const heard = [];
    const hear = (message, channel) => heard.push(`${channel}: ${message}`);
    await subscriber.subscribe('news', hear);
    await subscriber.pSubscribe('user:*', hear);
    await subscriber.sSubscribe('shard', hear);
    assert.equal(await redis.publish('news', 'hello'), 1);
    assert.equal(await redis.publish('user:7', 'logged in'), 1);
    assert.equal(await redis.sPublish('shard', 'local'), 1);
    await until(() => heard.length === 3);
    assert.deepEqual(heard, ['news: hello', 'user:7: logged in', 'shard: local']);
    await subscriber.unsubscribe('news');
    assert.equal(await redis.publish('news', 'hello'), 0);
  });
}

/** Reads are answered from this process's own memory until the server says that the key has changed. */
async function clientSideCache(redis) {
  const { socket } = redis.options;
  const cached = createClient({ socket, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 } });
  await cached.connect();
  try {
    await redis.set('cached', 'old');
    assert.equal(await cached.get('cached'), 'old');
    assert.equal(await cached.get('cached'), 'old');
    assert.equal(cached.clientSideCache.stats().hitCount, 1);
    await redis.set('cached', 'new');
    await until(() => cached.clientSideCache.size() === 0);
    assert.equal(await cached.get('cached'), 'new');
    await redis.hSet('cached:hash', 'field', '1');
    assert.equal(await cached.hGet('cached:hash', 'field'), '1');
    await redis.hIncrBy('cached:hash', 'field', 1);
    await until(async () => (await cached.hGet('cached:hash', 'field')) === '2');
  } finally {
    cached.destroy();
  }
}

const uses = {
  session,
  'field deadlines': fieldDeadlines,
  lock,
  'rate limit': rateLimit,
  queue,
  tags,
  leaderboard,
  messages,
  'client-side cache': clientSideCache,
};

await runUses(uses, (port) => createClient({ RESP: 3, socket: { host: '127.0.0.1', port } }).connect());
