# ruby-redis, used as Rails and its job queues use it: jobs in lists with JSON in them, jobs for later in a sorted set,
# a cache with deadlines, counters, locks by WATCH, messages.
#
#   ruby ruby_redis.rb PORT USE ...     prints each USE when it has been done
require 'json'
require 'redis'

PORT = Integer(ARGV.shift)

def connect
  Redis.new(host: '127.0.0.1', port: PORT)
end

def expect(wanted, found)
  raise "wanted #{wanted.inspect}, found #{found.inspect}" unless wanted == found
end

def jobs(redis)
  first, second = [1, 2].map { |id| JSON.generate('class' => 'Mail', 'args' => [id]) }
  redis.multi do |transaction|
    transaction.sadd?('queues', 'default')
    transaction.lpush('queue:default', [first, second])
  end
  expect ['default'], redis.smembers('queues')
  expect ['queue:default', first], redis.brpop('queue:critical', 'queue:default', timeout: 2)
  expect second, redis.lmove('queue:default', 'queue:working', 'RIGHT', 'LEFT')
  expect 1, redis.lrem('queue:working', -1, second)
  expect nil, redis.brpop('queue:default', timeout: 0.05)
end

def waiting_worker(redis)
  worker = Thread.new { connect.blpop('queue:waiting') }
  Thread.pass until redis.info('clients')['blocked_clients'] == '1'
  redis.rpush('queue:waiting', 'job')
  expect %w[queue:waiting job], worker.value
end

def schedule(redis)
  redis.zadd('schedule', [[1.5, 'early'], [2.5, 'late'], [9.0, 'never']])
  expect ['early', 'late'], redis.zrangebyscore('schedule', '-inf', 3)
  expect [['early', 1.5]], redis.zrange('schedule', 0, 0, with_scores: true)
  expect true, redis.zrem('schedule', 'early')
  expect ['late', 2.5], redis.zpopmin('schedule')
  expect 1, redis.zcard('schedule')
end

def cache(redis)
  redis.setex('views/1', 100, Marshal.dump(['a page', 1]))
  expect ['a page', 1], Marshal.load(redis.get('views/1'))
  expect true, redis.ttl('views/1').between?(90, 100)
  redis.mapped_hmset('user:1', 'name' => 'Ada', 'mail' => 'ada@example.org')
  expect({ 'name' => 'Ada', 'mail' => 'ada@example.org' }, redis.hgetall('user:1'))
  expect({ 'name' => 'Ada' }, redis.mapped_hmget('user:1', 'name'))
  expect 1, redis.unlink('views/1')
end

def counters(redis)
  counts = redis.pipelined do |pipeline|
    3.times { pipeline.hincrby('stat', 'processed', 1) }
    pipeline.incr('stat:total')
    pipeline.pfadd('visitors', %w[ada bob ada])
    pipeline.pfcount('visitors')
  end
  expect [1, 2, 3, 1, true, 2], counts
end

def lock(redis)
  expect true, redis.set('lock', 'mine', nx: true, px: 30_000)
  expect false, redis.set('lock', 'theirs', nx: true, px: 30_000)
  released = redis.watch('lock') do
    redis.get('lock') == 'mine' ? redis.multi { |transaction| transaction.del('lock') } : redis.unwatch
  end
  expect [1], released
  lost = redis.watch('lock') do
    connect.set('lock', 'theirs')
    redis.multi { |transaction| transaction.del('lock') }
  end
  expect nil, lost
end

def messages(redis)
  heard = []
  subscriber = connect
  subscriber.subscribe('news', 'end') do |on|
    on.subscribe { |channel, _| redis.publish('news', 'hello') && redis.publish('end', 'bye') if channel == 'end' }
    on.message do |channel, message|
      heard << [channel, message]
      subscriber.unsubscribe if channel == 'end'
    end
  end
  expect [%w[news hello], %w[end bye]], heard
end

USES = {
  'jobs' => :jobs, 'waiting worker' => :waiting_worker, 'schedule' => :schedule, 'cache' => :cache,
  'counters' => :counters, 'lock' => :lock, 'messages' => :messages
}.freeze

redis = connect
ARGV.each do |name|
  send(USES.fetch(name), redis)
  puts name
end
redis.close
