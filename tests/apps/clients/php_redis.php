<?php
/**
 * phpredis, used as PHP applications use it: PHP's own sessions, a cache of serialized values, tagged keys, rate
 * limits, queues, a leaderboard, transactions, messages.
 *
 *     php php_redis.php PORT USE ...     prints each USE when it has been done
 */

$port = (int) $argv[1];

function connect(): Redis
{
    global $port;
    $redis = new Redis();
    $redis->connect('127.0.0.1', $port, 5.0);
    return $redis;
}

function expect($wanted, $found): void
{
    if ($wanted !== $found) {
        throw new Exception('wanted ' . var_export($wanted, true) . ', found ' . var_export($found, true));
    }
}

/** PHP's session handler, with the lock that keeps two requests of one user apart left to PHP's default. */
function session(Redis $redis): void
{
    global $port;
    ini_set('session.save_handler', 'redis');
    ini_set('session.save_path', "tcp://127.0.0.1:$port?prefix=php:");
    ini_set('session.gc_maxlifetime', '100');
    ini_set('session.use_cookies', '0');
    session_cache_limiter('');
    session_id('abc123');
    session_start();
    $_SESSION['user'] = ['name' => 'Ada', 'roles' => ['admin']];
    session_write_close();
    $_SESSION = [];
    expect(true, $redis->ttl('php:abc123') > 90);
    session_start();
    expect(['name' => 'Ada', 'roles' => ['admin']], $_SESSION['user']);
    session_destroy();
    expect(0, $redis->exists('php:abc123'));
}

function cache(Redis $redis): void
{
    $redis->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
    $redis->setOption(Redis::OPT_PREFIX, 'cache:');
    expect(true, $redis->setex('page', 100, ['title' => 'Home', 'hits' => 1]));
    expect(['title' => 'Home', 'hits' => 1], $redis->get('page'));
    expect(true, $redis->hMSet('user', ['name' => 'Ada', 'tags' => ['a', 'b']]));
    expect(['name' => 'Ada', 'tags' => ['a', 'b']], $redis->hGetAll('user'));
    expect(2, $redis->del('page', 'user'));
    $redis->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_NONE);
    $redis->setOption(Redis::OPT_PREFIX, '');
}

function tags(Redis $redis): void
{
    expect(2, $redis->sAdd('tag:news', 'page:1', 'page:2'));
    $redis->mSet(['page:1' => 'one', 'page:2' => 'two']);
    $pages = $redis->sMembers('tag:news');
    sort($pages);
    expect(['page:1', 'page:2'], $pages);
    expect(3, $redis->unlink('tag:news', ...$pages));
    expect(false, $redis->sPop('tag:news'));
}

function rateLimit(Redis $redis): void
{
    $allowed = [];
    for ($i = 0; $i < 5; $i++) {
        [$count] = $redis->multi()->incr('rate')->expire('rate', 60)->exec();
        $allowed[] = $count <= 3;
    }
    expect([true, true, true, false, false], $allowed);
}

function queue(Redis $redis): void
{
    expect(2, $redis->rPush('queue', json_encode(['job' => 1]), json_encode(['job' => 2])));
    expect(['queue', '{"job":1}'], $redis->blPop(['urgent', 'queue'], 2));
    expect('{"job":2}', $redis->bRPopLPush('queue', 'working', 2));
    expect(1, $redis->lRem('working', '{"job":2}', 1));
    expect([], $redis->blPop(['queue'], 1));
}

function leaderboard(Redis $redis): void
{
    expect(3, $redis->zAdd('board', 100, 'ada', 250, 'bob', 175, 'cyd'));
    expect(300.0, $redis->zIncrBy('board', 200, 'ada'));
    expect(['ada' => 300.0, 'bob' => 250.0], $redis->zRevRange('board', 0, 1, true));
    expect(['cyd', 'bob'], $redis->zRangeByScore('board', 100, 299, ['limit' => [0, 10]]));
    expect(2, $redis->zRevRank('board', 'cyd'));
}

function transaction(Redis $redis): void
{
    $redis->set('balance', 100);
    $redis->watch('balance');
    expect([70, 1], $redis->multi()->decrBy('balance', 30)->lPush('history', -30)->exec());
    $redis->watch('balance');
    connect()->set('balance', 0);
    expect(false, $redis->multi()->decrBy('balance', 30)->exec());
    expect('0', $redis->get('balance'));
}

function pipeline(Redis $redis): void
{
    $pipe = $redis->multi(Redis::PIPELINE);
    for ($i = 0; $i < 500; $i++) {
        $pipe->zAdd('many', $i, "member:$i");
    }
    expect(500, array_sum($pipe->exec()));
    $found = [];
    $cursor = null;
    while (($chunk = $redis->zScan('many', $cursor, 'member:1*')) !== false) {
        $found += $chunk;
    }
    expect(111, count($found));
}

/**
 * The messages are published by a process of its own once it sees that this one listens. phpredis's subscribe() calls
 * back for ever: closing the connection is how a program leaves it.
 */
function messages(Redis $redis): void
{
    $publisher = <<<'PHP'
        $redis = new Redis();
        $redis->connect('127.0.0.1', (int) $argv[1]);
        while ($redis->pubsub('numsub', ['end'])['end'] < 1) {
            usleep(1000);
        }
        $redis->publish('news', 'hello');
        $redis->publish('end', 'bye');
        PHP;
    global $port;
    $process = proc_open([PHP_BINARY, '-r', $publisher, '--', (string) $port], [], $pipes);
    $heard = [];
    $subscriber = connect();
    $subscriber->setOption(Redis::OPT_READ_TIMEOUT, 20);
    try {
        $subscriber->subscribe(['news', 'end'], function ($redis, $channel, $message) use (&$heard) {
            $heard[] = "$channel: $message";
            if ($channel === 'end') {
                $redis->close();
            }
        });
    } catch (RedisException $left) {
        expect('Connection closed', $left->getMessage());
    }
    expect(['news: hello', 'end: bye'], $heard);
    expect(0, proc_close($process));
}

$uses = [
    'session' => 'session', 'cache' => 'cache', 'tags' => 'tags', 'rate limit' => 'rateLimit', 'queue' => 'queue',
    'leaderboard' => 'leaderboard', 'transaction' => 'transaction', 'pipeline' => 'pipeline',
    'messages' => 'messages',
];
$redis = connect();
foreach (array_slice($argv, 2) as $name) {
    $uses[$name]($redis);
    fwrite(STDOUT, "$name\n");
}
