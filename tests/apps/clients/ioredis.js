/**
 * ioredis, used as its users do: sessions, locks, rate limits, job queues, messages, leaderboards.
 *
 *   node ioredis.js PORT USE …       (see uses.js)
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { runUses } from './uses.js';

/** Does `use` with a second connection like that of `redis`, and closes it. */
async function withSecond(redis, use) {
  const second = redis.duplicate();
  try {
    return await use(second);
  } finally {
    second.disconnect();
  }
}

async function session(redis) {
  await redis.hset('session:1', { user: 'ada', role: 'admin', visits: 1 });
  await redis.expire('session:1', 100);
  assert.equal(await redis.hincrby('session:1', 'visits', 1), 2);
  assert.deepEqual(await redis.hgetall('session:1'), { user: 'ada', role: 'admin', visits: '2' });
  assert.deepEqual(await redis.hmget('session:1', 'user', 'absent'), ['ada', null]);
  assert.ok((await redis.ttl('session:1')) > 90);
  assert.equal(await redis.del('session:1'), 1);
  assert.deepEqual(await redis.hgetall('session:1'), {});
}

/** Without scripts: whoever holds the lock watches it, and releases it only if it is still theirs. */
async function lock(redis) {
  const token = randomUUID();
  assert.equal(await redis.set('lock:job', token, 'PX', 30_000, 'NX'), 'OK');
  assert.equal(await redis.set('lock:job', 'another', 'PX', 30_000, 'NX'), null);
  await withSecond(redis, async (owner) => {
    await owner.watch('lock:job');
    assert.equal(await owner.get('lock:job'), token);
    await redis.pexpire('lock:job', 60_000);
    assert.equal(await owner.multi().del('lock:job').exec(), null, 'changed under the watch');
    await owner.watch('lock:job');
    assert.deepEqual(await owner.multi().del('lock:job').exec(), [[null, 1]]);
  });
  assert.equal(await redis.exists('lock:job'), 0);
}

/** A sliding window: one sorted set for each client, of the times of its requests. */
async function rateLimit(redis) {
  const [limit, windowMs, start] = [5, 1000, 1_000_000];
  const attempt = async (now) => {
    const replies = await redis
      .multi()
      .zremrangebyscore('rate:1', 0, now - windowMs)
      .zadd('rate:1', now, `${now}`)
      .zcard('rate:1')
      .pexpire('rate:1', windowMs)
      .exec();
    for (const [error] of replies) assert.equal(error, null);
    return replies[2][1] <= limit;
  };
  const allowed = [];
  for (let index = 0; index < 8; index++) allowed.push(await attempt(start + index));
  assert.deepEqual(allowed, [true, true, true, true, true, false, false, false]);
  assert.equal(await attempt(start + 2 * windowMs), true);
}

/** A queue whose jobs survive their worker: each is moved to a list of the worker's until it is done. */
async function queue(redis) {
  await withSecond(redis, async (worker) => {
    const waiting = worker.blmove('jobs', 'jobs:working', 'RIGHT', 'LEFT', 0);
    const jobs = ['a', 'b', 'c'].map((name) => JSON.stringify({ name }));
    await redis.lpush('jobs', ...jobs);
    assert.deepEqual(JSON.parse(await waiting), { name: 'a' });
    assert.deepEqual(await redis.lrange('jobs:working', 0, -1), [jobs[0]]);
    assert.equal(await redis.lrem('jobs:working', 1, jobs[0]), 1);
    assert.deepEqual(await worker.brpop('other', 'jobs', 0), ['jobs', jobs[1]]);
    assert.deepEqual(await worker.lmpop(1, 'jobs', 'RIGHT', 'COUNT', 10), ['jobs', [jobs[2]]]);
    assert.equal(await worker.brpop('jobs', 0.05), null);
  });
}

/** Jobs for later, and what is due of them. */
async function delayedQueue(redis) {
  await redis.zadd('later', 10, 'first', 30, 'third', 20, 'second');
  assert.deepEqual(await redis.zrange('later', '-inf', 25, 'BYSCORE', 'LIMIT', 0, 10), ['first', 'second']);
  assert.deepEqual(await redis.zpopmin('later'), ['first', '10']);
  await withSecond(redis, async (worker) => {
    assert.deepEqual(await worker.bzpopmin('later', 0), ['later', 'second', '20']);
    assert.deepEqual(await worker.bzpopmin('later', 0), ['later', 'third', '30']);
    const waiting = worker.bzpopmin('later', 0);
    await redis.zadd('later', 40, 'fourth');
    assert.deepEqual(await waiting, ['later', 'fourth', '40']);
  });
}

async function messages(redis) {
  await withSecond(redis, async (subscriber) => {
    assert.equal(await subscriber.subscribe('news', 'weather'), 2);
    assert.equal(await subscriber.psubscribe('user:*'), 3);
    const heard = once(subscriber, 'message');
    const matched = once(subscriber, 'pmessage');
    assert.equal(await redis.publish('news', 'hello'), 1);
    assert.equal(await redis.publish('user:7', 'logged in'), 1);
    assert.equal(await redis.publish('nobody', 'listens'), 0);
    assert.deepEqual(await heard, ['news', 'hello']);
    assert.deepEqual(await matched, ['user:*', 'user:7', 'logged in']);
    assert.deepEqual(await redis.pubsub('NUMSUB', 'news', 'weather', 'nobody'), [
      'news',
      1,
      'weather',
      1,
      'nobody',
      0,
    ]);
    assert.equal(await subscriber.unsubscribe('news', 'weather'), 1);
    assert.equal(await subscriber.punsubscribe('user:*'), 0);
    assert.equal(await subscriber.ping(), 'PONG');
  });
}

async function leaderboard(redis) {
  await redis.zadd('board', 100, 'ada', 250, 'bob', 175, 'cyd');
  assert.equal(await redis.zincrby('board', 200, 'ada'), '300');
  assert.deepEqual(await redis.zrevrange('board', 0, 1, 'WITHSCORES'), ['ada', '300', 'bob', '250']);
  assert.equal(await redis.zrevrank('board', 'cyd'), 2);
  assert.equal(await redis.zcount('board', 200, '+inf'), 2);
  assert.equal(await redis.zscore('board', 'nobody'), null);
}

async function pipeline(redis) {
  const batch = redis.pipeline();
  for (let index = 0; index < 1000; index++) batch.hset('batch', `field:${index}`, index);
  batch.incr('batch');
  batch.hlen('batch');
  const replies = await batch.exec();
  assert.equal(replies.length, 1002);
  assert.match(replies[1000][0].message, /^WRONGTYPE /);
  assert.deepEqual(replies[1001], [null, 1000]);
}

/** `*scanStream` walks a whole collection while others go on. */
async function scans(redis) {
  const members = Array.from({ length: 1000 }, (_, index) => `member:${index}`);
  await redis.sadd('tags', members);
  await redis.zadd('ranks', ...members.flatMap((member, index) => [index, member]));
  const found = async (stream) => {
    const all = new Set();
    for await (const chunk of stream) for (const one of chunk) all.add(one);
    return all;
  };
  assert.deepEqual(await found(redis.sscanStream('tags', { count: 37 })), new Set(members));
  const ranks = await found(redis.zscanStream('ranks', { match: 'member:99?' }));
  assert.deepEqual([...ranks].filter((one) => one.startsWith('member:')).sort(), members.slice(990));
  const fields = await found(redis.hscanStream('batch', { match: 'field:1' }));
  assert.deepEqual([...fields], ['field:1', '1']);
  assert.ok((await found(redis.scanStream({ type: 'zset' }))).has('ranks'));
}

const uses = {
  session,
  lock,
  'rate limit': rateLimit,
  queue,
  'delayed queue': delayedQueue,
  messages,
  leaderboard,
  pipeline,
  scans,
};

await runUses(uses, async (port) => new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0 }));
