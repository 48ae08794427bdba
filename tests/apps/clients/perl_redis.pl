#!/usr/bin/perl
# libredis-perl, used as its users do: counters, hashes, queues, locks, a leaderboard, replies that are not waited for,
# messages.
#
#   perl perl_redis.pl PORT USE ...     prints each USE when it has been done
use strict;
use warnings;
use Data::Dumper;
use Redis;

$Data::Dumper::Indent = $Data::Dumper::Sortkeys = $Data::Dumper::Terse = 1;
$| = 1;
my $port = shift;

sub connection { return Redis->new(server => "127.0.0.1:$port", read_timeout => 20) }

sub expect {
    my ($wanted, $found) = map { Dumper($_) } @_;
    die "wanted $wanted, found $found" if $wanted ne $found;
}

sub counters {
    my $redis = shift;
    expect(1, $redis->incr('hits') + 0);
    expect(11, $redis->incrby('hits', 10) + 0);
    expect(5, $redis->hincrby('hits:page', 'home', 5) + 0);
    expect(1, $redis->pfadd('visitors', 'ada', 'bob') + 0);
    expect(2, $redis->pfcount('visitors') + 0);
}

sub hash {
    my $redis = shift;
    $redis->hmset('user:1', name => 'Ada', mail => 'ada@example.org');
    expect({ name => 'Ada', mail => 'ada@example.org' }, { $redis->hgetall('user:1') });
    expect([ 'Ada', undef ], [ $redis->hmget('user:1', 'name', 'absent') ]);
    expect(1, $redis->expire('user:1', 100) + 0);
    # A hash as Perl's own, tied to the keys of a prefix.
    require Redis::Hash;
    tie my %settings, 'Redis::Hash', 'settings', server => "127.0.0.1:$port";
    @settings{qw(colour size)} = qw(red 7);
    expect([qw(colour size)], [ sort keys %settings ]);
    expect('red', $redis->get('settings:colour'));
}

sub queue {
    my $redis = shift;
    $redis->lpush('queue', $_) for 1 .. 3;
    expect([ 'queue', '1' ], [ $redis->brpop('urgent', 'queue', 2) ]);
    expect('2', $redis->rpoplpush('queue', 'working'));
    expect([ '3' ], [ $redis->lrange('queue', 0, -1) ]);
    require Redis::List;
    tie my @list, 'Redis::List', 'list', server => "127.0.0.1:$port";
    push @list, qw(a b c);
    expect([qw(c a)], [ pop @list, shift @list ]);
    expect(1, $redis->llen('list') + 0);
}

sub lock {
    my $redis = shift;
    expect('OK', $redis->set('lock', 'mine', 'NX', 'EX', 30));
    expect(undef, scalar $redis->set('lock', 'theirs', 'NX', 'EX', 30));
    $redis->watch('lock');
    $redis->multi;
    expect('QUEUED', $redis->del('lock'));
    expect([ '1' ], [ $redis->exec ]);
    $redis->watch('lock');
    connection()->set('lock', 'theirs');
    $redis->multi;
    $redis->del('lock');
    expect(undef, scalar $redis->exec);
    expect('theirs', $redis->get('lock'));
}

sub leaderboard {
    my $redis = shift;
    $redis->zadd('board', 100, 'ada', 250, 'bob');
    expect('300', $redis->zincrby('board', 200, 'ada'));
    expect([ 'ada', '300', 'bob', '250' ], [ $redis->zrevrange('board', 0, -1, 'WITHSCORES') ]);
    expect([ 'bob' ], [ $redis->zrangebyscore('board', 0, '(300') ]);
}

sub tags {
    my $redis = shift;
    $redis->sadd('tag:red', qw(apple rose fire));
    $redis->sadd('tag:plant', qw(apple rose tree));
    expect([qw(apple rose)], [ sort $redis->sinter('tag:red', 'tag:plant') ]);
    my ($cursor, @found) = (0);
    do {
        ($cursor, my $chunk) = $redis->sscan('tag:red', $cursor);
        push @found, @$chunk;
    } while $cursor ne '0';
    expect([qw(apple fire rose)], [ sort @found ]);
    expect([qw(1 3 7)], [ $redis->sort('numbers') ]) if $redis->sadd('numbers', 7, 1, 3);
}

sub pipeline {
    my $redis = shift;
    my $sum = 0;
    $redis->rpush('pipeline', $_, sub { $sum += $_[0] }) for 1 .. 100;
    $redis->wait_all_responses;
    expect(5050, $sum);
}

sub messages {
    my $redis = shift;
    my $subscriber = connection();
    my @heard;
    my $hear = sub { my ($message, $topic, $subscribed) = @_; push @heard, [ $topic, $message, $subscribed ] };
    $subscriber->subscribe('news', $hear);
    $subscriber->psubscribe('user:*', $hear);
    expect(1, $redis->publish('news', 'hello') + 0);
    expect(1, $redis->publish('user:7', 'here') + 0);
    while (@heard < 2) { $subscriber->wait_for_messages(20) or die 'no message' }
    expect([ [qw(news hello news)], [qw(user:7 here user:*)] ], \@heard);
    $subscriber->unsubscribe('news', $hear);
    expect(0, $redis->publish('news', 'hello') + 0);
}

my %uses = (
    counters => \&counters, hash => \&hash, queue => \&queue, lock => \&lock, leaderboard => \&leaderboard,
    tags => \&tags, pipeline => \&pipeline, messages => \&messages,
);
my $redis = connection();
for my $name (@ARGV) {
    $uses{$name}->($redis);
    print "$name\n";
}
