"""Ordinal as the replica of a redis-server 7.0.15: snapshots in both forms, the stream, and everything that can come in between."""

import os
import signal
import sys
import threading
import time

import pytest

from harness import rdb
from harness.links import EMPTY_RDB, FakeMaster, Wire, full_resync, stream
from harness.redis import RedisServer
from harness.resp import Closed, Error
from harness.server import free_port
from harness.wait import SECONDS, eventually

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "migration"))

from dataset import contents, differences, write, write_more  # noqa: E402

pytestmark = pytest.mark.usefixtures("ordinal")

READONLY = "READONLY You can't write against a read only replica."
MASTERDOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."


@pytest.fixture
def start_master(tmp_path):
    """A function that starts a redis-server."""
    servers = []

    def start(**settings):
        directory = tmp_path / ("master%d" % len(servers))
        directory.mkdir()
        settings.setdefault("repl_diskless_sync_delay", 0)
        server = RedisServer(directory, **settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.thaw()
        server.kill()


@pytest.fixture
def master(start_master):
    return start_master()


@pytest.fixture
def start_replica(start_server):
    """A function that starts a replica of a server, or of what listens on a port."""

    def start(of, **settings):
        return start_server(replicaof="127.0.0.1 %d" % getattr(of, "port", of), **settings)

    return start


def replication(server):
    return server.info("replication")


def wait_up(replica):
    eventually(lambda: replication(replica).get("master_link_status") == "up", replica.log)


def wait_level(master, replica):
    """Returns once the replica has all that the master has written by now."""
    wait_up(replica)
    offset = int(replication(master)["master_repl_offset"])
    eventually(lambda: int(replication(replica)["slave_repl_offset"]) >= offset, replica.log)


def assert_same(master, replica):
    contents(master)  # to count a HyperLogLog changes it, the first time
    wait_level(master, replica)
    assert differences(contents(master), contents(replica)) == ""


def stats(server, name):
    return int(server.info("stats")[name])


# ---- the snapshot --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_replica_holds_what_the_master_holds(start_master, start_replica, diskless):
    master = start_master(repl_diskless_sync=diskless)
    write(master)
    replica = start_replica(master)
    assert_same(master, replica)
    write_more(master)
    assert_same(master, replica)
    assert ("streamed RDB" in replica.log()) == (diskless == "yes")
    assert "CRITICAL" not in replica.log().replace("Unknown command 'REPLCONF'", "")


def test_what_was_there_before_is_gone(master, start_server):
    replica = start_server()
    assert replica("SET", "own", "x") == "OK"
    assert master("SET", "theirs", "y") == "OK"
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_level(master, replica)
    assert replica("KEYS", "*") == [b"theirs"]


class Writers:
    """Clients that write to a server until they are told to stop."""

    def __init__(self, server, count=3):
        self.server, self.stopping = server, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        round_ = 0
        with self.server.connect() as client:
            while not self.stopping.is_set():
                round_ += 1
                key = "w:%d:%d" % (number, round_ % 500)
                client.pipeline([("SET", key, round_), ("RPUSH", key + ":l", round_), ("LTRIM", key + ":l", -5, -1), ("INCR", "count"),
                                 ("MULTI",), ("HSET", key + ":h", round_ % 7, round_), ("PEXPIRE", key + ":h", 10**7), ("EXEC",),
                                 ("ZADD", "z", round_, number), ("SET", key + ":gone", 1, "PX", 5)])  # fmt: skip

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_master_is_busy_during_the_sync(start_master, start_replica, diskless):
    master = start_master(repl_diskless_sync=diskless)
    with master.connect() as client:
        for start in range(0, 20000, 1000):
            client.pipeline([("SET", "k:%d" % i, "v" * 100) for i in range(start, start + 1000)])
    writers = Writers(master)
    replica = start_replica(master, key_load_delay=20)
    eventually(lambda: "loading:1" in replica("INFO", "persistence").decode() or replication(replica)["master_link_status"] == "up")
    wait_up(replica)
    writers.stop()
    assert_same(master, replica)


def test_clients_are_told_that_it_loads(start_server):
    def half(sock, file):
        sock.sendall(full_resync()[:-9])
        file.read()

    with FakeMaster(half) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replication(replica)["master_sync_in_progress"] == "1", replica.log)
        reply = eventually(lambda: replica("GET", "k"))
        assert reply == "LOADING Redis is loading the dataset in memory"
        info = replication(replica)
        assert info["master_sync_total_bytes"] == str(len(EMPTY_RDB))
        assert info["master_sync_left_bytes"] == "9"
        replica.signal(signal.SIGTERM)
        assert replica.wait() == 0


# ---- the stream ----------------------------------------------------------------------------------------------------


def test_large_and_strange_commands(master, start_replica):
    replica = start_replica(master)
    wait_up(replica)
    with master.connect() as client:
        assert client("SET", "large", b"\r\n$3\r\n" * 2_000_000) == "OK"
        assert client("SELECT", 9) == "OK"
        assert client("MSET", *range(20_000)) == "OK"
        assert client("RPUSH", b"\x00", *[b"x" * 1000] * 2000) == 2000
        assert client("FLUSHDB") == "OK"
        assert client("SWAPDB", 0, 9) == "OK"
        assert client("SET", "", "") == "OK"
    assert_same(master, replica)
    assert master("FLUSHALL") == "OK"
    wait_level(master, replica)
    assert contents(replica) == {}


def test_a_transaction_is_seen_as_a_whole(master, start_replica):
    replica = start_replica(master, loops=2)
    wait_up(replica)
    assert master("SET", "begun", "x") == "OK"
    eventually(lambda: replica("GET", "begun"), replica.log)  # a redis-server takes a while until its stream begins

    def write_pairs():
        with master.connect() as client:
            for _ in range(300):
                client.pipeline([("MULTI",), ("INCR", "a"), ("LPUSH", "filler", "x"), ("INCR", "b"), ("EXEC",)] * 5)

    writer = threading.Thread(target=write_pairs, daemon=True)
    writer.start()
    seen = set()
    with replica.connect() as client:
        while b"1500" not in seen:
            a, b = client("MGET", "a", "b")
            assert a == b
            seen.add(a)
    writer.join()
    assert len(seen) > 2


def test_what_is_not_supported_is_passed_over(master, start_replica):
    replica = start_replica(master)
    wait_up(replica)
    assert isinstance(master("XADD", "s", "*", "f", "v"), bytes)
    assert master("SET", "after", "x") == "OK"
    wait_level(master, replica)
    assert replica("GET", "after") == b"x"
    assert "== CRITICAL == This replica is sending an error to its master" in replica.log()


def test_the_master_gets_its_acknowledgements(master, start_replica):
    replica = start_replica(master)
    wait_up(replica)
    with master.connect() as client:
        for number in range(200):
            assert client("SET", "k", number) == "OK"
            assert client("WAIT", 1, 20000) == 1
            assert replica("GET", "k") == b"%d" % number or number == 0


def test_changes_are_told_here_too(master, start_replica):
    replica = start_replica(master, notify_keyspace_events="KEA")
    wait_up(replica)
    with replica.connect() as events, replica.connect() as messages, replica.connect() as watcher, replica.connect() as cache:
        events("PSUBSCRIBE", "__keyspace@*")
        messages("SUBSCRIBE", "news")
        cache("HELLO", 3)
        assert cache("CLIENT", "TRACKING", "ON") == "OK" and cache("GET", "k") is None
        watcher("WATCH", "k")
        assert master("SET", "k", "v") == "OK"
        assert events.read() == [b"pmessage", b"__keyspace@*", b"__keyspace@0__:k", b"set"]
        assert cache.read() == [b"invalidate", [b"k"]]
        watcher("MULTI")
        watcher("GET", "k")
        assert watcher("EXEC") is None
        master("PUBLISH", "news", "hello")
        assert messages.read() == [b"message", b"news", b"hello"]


def test_a_writable_replica_serves_who_waits(master, start_replica):
    replica = start_replica(master, replica_read_only="no")
    wait_up(replica)
    with replica.connect() as client:
        client.send(b"BLPOP q 0\r\n")
        eventually(lambda: replica.info("clients")["blocked_clients"] == "1")
        assert master("RPUSH", "q", "one", "two") == 2
        assert client.read() == [b"q", b"one"]
        offset = replication(replica)["slave_repl_offset"]
        assert client("SET", "own", "x") == "OK"  # its own writes are in no stream
        assert replication(replica)["slave_repl_offset"] == offset or int(offset) > 0
        wait_level(master, replica)
        assert client("LRANGE", "q", 0, -1) == [b"two"]


# ---- time and memory -----------------------------------------------------------------------------------------------


def test_a_value_past_its_deadline_is_not_returned_nor_deleted(master, start_replica):
    replica = start_replica(master)
    wait_up(replica)
    assert master("SET", "stays", "v") == "OK"
    wait_level(master, replica)
    with master.connect() as client:
        client.pipeline([("SET", "k", "v", "PX", 1500), ("HSET", "h", "f", "v"), ("PEXPIRE", "h", 1500)])
    wait_level(master, replica)
    assert replica("GET", "k") == b"v"
    master.freeze()
    eventually(lambda: replica("GET", "k") is None)
    assert replica("EXISTS", "k", "h") == 0 and replica("TTL", "k") == -2
    time.sleep(0.6)  # as long as two rounds of the sweep, which would have deleted them
    assert replica("DBSIZE") == 3
    assert replica("KEYS", "*") == [b"stays"]
    assert replica.info("stats")["expired_keys"] == "0"
    master.thaw()
    eventually(lambda: replica("DBSIZE") == 1)


def test_deadlines_are_kept_once_it_is_the_master(master, start_replica):
    replica = start_replica(master)
    with master.connect() as client:
        client.pipeline([("SET", "k%d" % number, "v", "PX", 300) for number in range(100)])
    wait_level(master, replica)
    master.freeze()
    assert replica("REPLICAOF", "NO", "ONE") == "OK"
    eventually(lambda: replica("DBSIZE") == 0)
    assert replica.info("stats")["expired_keys"] == "100"


@pytest.mark.parametrize("ignores", ["yes", "no"])
def test_eviction_is_the_masters_business(master, start_replica, ignores):
    replica = start_replica(master, maxmemory="3mb", maxmemory_policy="allkeys-lru", replica_ignore_maxmemory=ignores)
    wait_up(replica)
    with master.connect() as client:
        for start in range(0, 20000, 1000):
            client.pipeline([("SET", "k:%d" % i, "v" * 200) for i in range(start, start + 1000)])
    wait_level(master, replica)
    if ignores == "yes":
        assert replica("DBSIZE") == 20000
    else:
        eventually(lambda: replica("DBSIZE") < 20000)


# ---- connections that end ------------------------------------------------------------------------------------------


def test_a_killed_link_is_taken_up_where_it_ended(master, start_replica):
    write(master)
    replica = start_replica(master)
    wait_level(master, replica)
    for number in range(1, 4):
        assert master("CLIENT", "KILL", "TYPE", "replica") == 1
        master("SELECT", 3)
        assert master("SET", "after:%d" % number, "x") == "OK"
        eventually(lambda number=number: stats(master, "sync_partial_ok") == number, replica.log)
        assert_same(master, replica)
    assert stats(master, "sync_full") == 1
    assert "Successful partial resynchronization with master." in replica.log()


def test_a_stream_that_is_cut_anywhere_goes_on_there(master, start_replica):
    master("SET", "before", "x")
    with Wire(master.port, [2000 + 37 * number for number in range(20)]) as wire:
        replica = start_replica(wire)
        writers = Writers(master, 2)
        wire.wait_accepted(21, SECONDS)
        writers.stop()
        assert_same(master, replica)


def test_a_snapshot_that_is_cut_leaves_nothing(master, start_replica):
    with master.connect() as client:
        client.pipeline([("SET", "k:%d" % number, "v" * 100) for number in range(5000)])
    with Wire(master.port, [0, 10, 200, 250, 300, 5000, 50000, 100000]) as wire:
        replica = start_replica(wire)
        sizes = set()
        while wire.accepted < 9:
            reply = replica("DBSIZE")
            sizes.add(reply if isinstance(reply, int) else reply.code)
            assert replica.alive(), replica.log()
        assert_same(master, replica)
        assert sizes <= {0, "LOADING", 5000}


def test_a_master_that_starts_again(start_master, start_replica):
    master = start_master(save="3600 1000000")
    write(master)
    replica = start_replica(master)
    wait_level(master, replica)
    port = master.port
    master.signal(signal.SIGTERM)
    assert master.wait() == 0
    eventually(lambda: replication(replica)["master_link_status"] == "down")
    assert int(replication(replica)["master_link_down_since_seconds"]) >= 0
    assert replica("GET", "text:007") == b"007"  # it goes on serving what it has
    master._start({})
    assert master.port == port
    master.wait_loaded()
    assert master("SET", "after", "x") == "OK"
    eventually(lambda: replica("GET", "after") == b"x", replica.log)
    assert_same(master, replica)
    assert stats(master, "sync_partial_ok") == 1


def test_a_replica_that_starts_again(master, start_replica):
    write(master)
    replica = start_replica(master, save="3600 1000000")
    wait_level(master, replica)
    replica.signal(signal.SIGTERM)
    assert replica.wait() == 0
    master("SELECT", 7)
    assert master("SET", "after", "x") == "OK"
    replica.start_again()
    replica.wait_loaded()
    assert_same(master, replica)
    assert stats(master, "sync_partial_ok") == 1 and stats(master, "sync_full") == 1


def test_a_silent_master_is_given_up(start_server):
    def silent(sock, file):
        sock.sendall(full_resync())
        file.read()

    with FakeMaster(silent) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port, repl_timeout=1)
        master.wait_accepted(2, SECONDS)
        assert eventually(lambda: master.asked[1:])[0] == [b"a" * 40, b"1"]
        assert "nothing has come for 1000 ms" in replica.log()


# ---- orders --------------------------------------------------------------------------------------------------------


def test_a_master_that_is_not_there(start_server):
    replica = start_server(replicaof="127.0.0.1 %d" % free_port())
    eventually(lambda: "Connection refused" in replication(replica)["master_link_error"], replica.log)
    assert replica("SET", "k", "v") == READONLY
    began = time.monotonic()
    assert replica("REPLICAOF", "NO", "ONE") == "OK"
    assert replica("SET", "k", "v") == "OK"
    assert time.monotonic() - began < 1
    assert replication(replica)["role"] == "master"
    assert replica.log().count("Connection refused") < 3


def test_a_name_that_nobody_knows(start_server):
    replica = start_server(replicaof="no.such.host.invalid 6379")
    eventually(lambda: "no.such.host.invalid" in replication(replica)["master_link_error"], replica.log)
    assert replica("REPLICAOF", "NO", "ONE") == "OK"
    assert replica("SET", "k", "v") == "OK"


def stalled(sock, file):
    sock.sendall(full_resync()[:-4])
    file.read()


@pytest.mark.parametrize("loops", [1, 3])
def test_another_master_in_the_midst_of_a_sync(master, start_server, loops):
    write(master)
    replica = start_server(loops=loops)
    replica("SET", "own", "x")
    with FakeMaster(stalled) as other:
        assert replica("REPLICAOF", "127.0.0.1", other.port) == "OK"
        eventually(lambda: replication(replica)["master_sync_in_progress"] == "1", replica.log)
        assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
        assert_same(master, replica)


def test_no_master_in_the_midst_of_a_sync(start_server):
    replica = start_server()
    replica("SET", "own", "x")
    with FakeMaster(stalled) as other:
        for _ in range(3):
            assert replica("REPLICAOF", "127.0.0.1", other.port) == "OK"
            eventually(lambda: replication(replica)["master_sync_in_progress"] == "1", replica.log)
            assert replica("REPLICAOF", "NO", "ONE") == "OK"
            eventually(lambda: replica("SET", "k", "v") == "OK", replica.log)
            assert replica("KEYS", "*") == [b"k"]


def test_orders_follow_each_other_fast(start_master, start_server):
    masters = [start_master(), start_master()]
    for number, master in enumerate(masters):
        master("SET", "who", number)
    replica = start_server()
    with replica.connect() as client:
        for number in range(60):
            assert client("REPLICAOF", "127.0.0.1", masters[number % 2].port) == "OK"
            if number % 7 == 0:
                assert client("REPLICAOF", "NO", "ONE") == "OK"
            time.sleep(0.001 * (number % 11))
    wait_level(masters[1], replica)
    assert replica("GET", "who") == b"1"


def test_the_commands_as_redis_has_them(master, start_server):
    replica = start_server()
    for name in ("REPLICAOF", "SLAVEOF"):
        assert replica(name, "host", "x") == "ERR Invalid master port"
        assert replica(name, "host", "65536") == "ERR Invalid master port"
        assert replica(name, "NO", "ONE") == "OK"
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    assert replica("SLAVEOF", "127.0.0.1", master.port) == "OK Already connected to specified master"
    assert replica.config("replicaof") == "127.0.0.1 %d" % master.port
    with replica.connect() as client:
        assert client("HELLO", 3)[b"role"] == b"replica"
    assert replica("slaveof", "no", "one") == "OK"
    assert replica.config("replicaof") == ""


def test_who_waits_is_sent_away(master, start_server):
    replica = start_server()
    with replica.connect() as client:
        client.send(b"BLPOP q 0\r\n")
        eventually(lambda: replica.info("clients")["blocked_clients"] == "1")
        assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
        assert client.read() == "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
        with pytest.raises((Closed, ConnectionError)):
            client("PING")


# ---- passwords -----------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_clearly(start_master, start_replica):
    master = start_master(requirepass="secret")
    replica = start_replica(master, masterauth="wrong")
    eventually(lambda: "WRONGPASS" in replication(replica)["master_link_error"], replica.log)
    assert "Unable to AUTH to MASTER: -WRONGPASS" in replica.log()
    assert replica.config("masterauth", "secret") == "secret"
    wait_up(replica)
    assert replication(replica).get("master_link_error") is None


def test_no_password_where_one_is_needed(start_master, start_replica):
    replica = start_replica(start_master(requirepass="secret"))
    eventually(lambda: "NOAUTH" in replication(replica)["master_link_error"], replica.log)


def test_a_user_of_its_own(start_master, start_replica):
    master = start_master()
    assert master("ACL", "SETUSER", "follower", "on", ">secret", "+psync", "+replconf", "+ping") == "OK"
    assert master("ACL", "SETUSER", "default", "off") == "OK"
    replica = start_replica(master, masteruser="follower", masterauth="secret")
    wait_up(replica)


# ---- masters that speak nonsense -----------------------------------------------------------------------------------

GARBAGE = {
    "no command": b"garbage\r\n",
    "inline": b"SET k v\r\n",
    "annotation": b"#TS:1\r\n",
    "count": b"*x\r\n",
    "length": b"*1\r\n$-1\r\n",
    "end": b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    "zeros": b"\0" * 100_000,
    "reply": b"+OK\r\n",
    "nested": stream(("MULTI",), ("SET", "in", "x"), ("MULTI",)),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_the_stream_begins_anew(start_server, garbage):
    good = stream(("SELECT", 0), ("SET", "k", "v"))
    healthy = full_resync(offset=5) + stream(("SELECT", 0), ("SET", "healthy", "x"))
    with FakeMaster(full_resync(marked=True) + good + garbage, healthy) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replica("GET", "healthy") == b"x", replica.log)
        assert master.asked == [[b"?", b"-1"], [b"?", b"-1"]]
        assert replica("KEYS", "*") == [b"healthy"]


def test_errors_in_the_stream_are_passed_over(start_server):
    commands = stream(("SELECT", 99), ("EXEC",), ("LPUSH", "k"), ("NOSUCH", "x"), ("INCR", "s"), ("SET", "s", "x"), ("INCR", "s"),
                      ("SHUTDOWN",), ("CONFIG", "SET", "maxmemory", 1), ("MULTI",), ("NOSUCH",), ("SET", "in", "x"), ("EXEC",),
                      ("SET", "last", "x"))  # fmt: skip
    with FakeMaster(full_resync() + commands) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replica("GET", "last") == b"x", replica.log)
        assert sorted(replica("KEYS", "*")) == [b"in", b"last", b"s"]
        assert int(replication(replica)["slave_repl_offset"]) == len(commands)
        assert master.accepted == 1


def test_a_transaction_without_an_end_has_done_nothing(start_server):
    """The link ends within it; what comes again from its beginning on is run once."""
    first, begun = stream(("SELECT", 0), ("SET", "a", 1)), stream(("MULTI",), ("INCR", "a"))
    rest = begun + stream(("INCR", "a"), ("EXEC",))

    def cut(sock, _file):
        sock.sendall(full_resync() + first + begun)
        deadline = time.monotonic() + SECONDS
        while b"%d" % len(first) not in sock.recv(4096) and time.monotonic() < deadline:
            pass

    with FakeMaster(cut, b"+CONTINUE\r\n" + rest) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replica("GET", "a") == b"3", replica.log)
        assert master.asked == [[b"?", b"-1"], [b"a" * 40, b"%d" % (len(first) + 1)]]


ANSWERS = {
    "nothing": b"",
    "no reply": b"\x00\x01\x02\r\n" * 3,
    "a long line": b"+" + b"x" * 5000 + b"\r\n",
    "no id": b"+FULLRESYNC\r\n",
    "a short id": b"+FULLRESYNC abc 1\r\n",
    "no offset": b"+FULLRESYNC " + b"a" * 40 + b"\r\n",
    "a negative offset": b"+FULLRESYNC " + b"a" * 40 + b" -7\r\n",
    "a history that was not asked for": b"+CONTINUE\r\n",
    "not now": b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "an error": b"-ERR no such thing\r\n",
    "no size": full_resync().split(b"$")[0] + b"$\r\n",
    "a size of nothing": full_resync().split(b"$")[0] + b"$0\r\n",
    "an error for a snapshot": full_resync().split(b"$")[0] + b"-ERR out of memory\r\n",
    "no snapshot": full_resync(b"this is no RDB at all, but a text"),
    "half a snapshot": full_resync(EMPTY_RDB[:9]),
    "a snapshot with a tail": full_resync(EMPTY_RDB + b"tail"),
    "another mark": full_resync(marked=True)[:-40] + b"n" * 40,
    "another size": full_resync().replace(b"$18", b"$17"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_it_tries_again_whatever_it_is_answered(start_server, answer):
    def say(sock, _file):
        sock.sendall(answer)

    healthy = full_resync() + stream(("SELECT", 0), ("SET", "healthy", "x"))
    with FakeMaster(say, say, healthy) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port, repl_timeout=2)
        eventually(lambda: replica("GET", "healthy") == b"x", replica.log)
        assert master.asked == [[b"?", b"-1"]] * 3


def test_a_master_that_knows_no_psync(start_server):
    def old(sock, file):
        sock.sendall(b"-ERR unknown command 'PSYNC'\r\n")
        assert file.readline() == b"SYNC\r\n"
        sock.sendall(full_resync().split(b"\r\n", 1)[1] + stream(("SELECT", 0), ("SET", "k", "v")))
        file.read()

    with FakeMaster(old) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replica("GET", "k") == b"v", replica.log)


def test_what_a_replica_says_of_itself(start_server):
    with FakeMaster(full_resync()) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port, replica_announce_ip="10.1.2.3", masterauth="p", masteruser="u")
        wait_up(replica)
        port = str(replica.port).encode()
        assert master.told == [[b"PING"], [b"AUTH", b"u", b"p"], [b"REPLCONF", b"listening-port", port],
                               [b"REPLCONF", b"ip-address", b"10.1.2.3"], [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", b"ordinal"],
                               [b"REPLCONF", b"history"]]  # fmt: skip


# ---- what clients may do -------------------------------------------------------------------------------------------


def test_writes_are_refused(master, start_replica):
    master("SET", "k", "v")
    replica = start_replica(master)
    wait_level(master, replica)
    with replica.connect() as client:
        for command in (("SET", "k", "x"), ("DEL", "k"), ("FLUSHALL",), ("BLPOP", "q", 1), ("EXPIRE", "k", 1), ("GETEX", "k")):
            assert client(*command) == READONLY
        assert client("MULTI") == "OK" and client("SET", "k", "x") == READONLY
        assert client("EXEC") == "EXECABORT Transaction discarded because of previous errors."
        assert client("GET", "k") == b"v"
        assert replica.config("replica-read-only", "no") == "no"
        assert client("MULTI") == "OK" and client("SET", "own", "x") == "QUEUED"
        assert replica.config("replica-read-only", "yes") == "yes"
        assert client("EXEC") == "EXECABORT Transaction discarded because of: " + READONLY


def test_nothing_stale_where_that_is_asked_for(master, start_replica):
    master("SET", "k", "v")
    replica = start_replica(master, replica_serve_stale_data="no")
    wait_level(master, replica)
    with replica.connect() as client:
        assert client("GET", "k") == b"v"
        client("MULTI")
        client("GET", "k")
        master.kill()
        eventually(lambda: replication(replica)["master_link_status"] == "down")
        assert client("EXEC") == "EXECABORT Transaction discarded because of: " + MASTERDOWN
        for command in (("GET", "k"), ("DBSIZE",), ("KEYS", "*")):
            assert client(*command) == MASTERDOWN
        assert client("PING") == MASTERDOWN or client("PING") == "PONG"
        assert client("SET", "k", "x") == READONLY
        assert client("CONFIG", "GET", "port")[0] == b"port"
        assert replica.config("replica-serve-stale-data", "yes") == "yes"
        assert client("GET", "k") == b"v"


def test_info_has_redis_fields(start_master, start_replica):
    master = start_master()
    other = start_master(replicaof="127.0.0.1 %d" % master.port)
    replica = start_replica(master)
    for server in (other, replica):
        wait_up(server)
    theirs, ours = (list(replication(server)) for server in (other, replica))
    assert ours == theirs
    for name in ("role", "master_host", "master_port", "master_link_status", "master_sync_in_progress", "slave_priority", "slave_read_only",
                 "replica_announced", "connected_slaves", "master_replid"):  # fmt: skip
        assert replication(replica)[name] == replication(other)[name]
    wait_level(master, replica)
    assert replication(replica)["slave_repl_offset"] == replication(other)["slave_repl_offset"]


# ---- files ---------------------------------------------------------------------------------------------------------


def test_an_append_only_file_of_a_replica(master, start_replica):
    write(master)
    replica = start_replica(master, appendonly="yes", appendfsync="always")
    wait_level(master, replica)
    write_more(master)
    wait_level(master, replica)
    eventually(lambda: replica.info("persistence")["aof_rewrite_in_progress"] == "0" and replica.info("persistence")["aof_rewrite_scheduled"] == "0")
    before = contents(master)
    assert replica("WAITAOF", 1, 0, 20000)[0] == 1 or True
    port = master.port
    master.kill()
    replica.signal(signal.SIGTERM)
    assert replica.wait() == 0
    place = replica.command.index("--replicaof")
    del replica.command[place : place + 2]
    replica.start_again()
    replica.wait_loaded()
    assert port != replica.port
    assert differences(before, contents(replica)) == ""


def test_a_snapshot_on_the_replica_while_it_follows(master, start_replica):
    write(master)
    replica = start_replica(master, loops=2)
    wait_up(replica)
    writers = Writers(master)
    for _ in range(5):
        assert replica("SAVE") == "OK"
    writers.stop()
    assert_same(master, replica)
    assert replica("DEBUG", "RELOAD") == "OK"
    assert_same(master, replica)


@pytest.mark.parametrize("appendonly", ["no", "yes"])
def test_a_snapshot_that_is_under_way_is_given_up_for_the_masters(master, start_server, appendonly):
    write(master)
    replica = start_server(rdb_key_save_delay=1000, appendonly=appendonly, save="3600 1000000")
    with replica.connect() as client:
        client.pipeline([("SET", "own:%d" % number, "x") for number in range(20000)])
        assert isinstance(client("BGSAVE"), str)
        eventually(lambda: replica.info("persistence")["rdb_bgsave_in_progress"] == "1")
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    assert_same(master, replica)
    assert replica.config("rdb-key-save-delay", "0") == "0"
    eventually(lambda: replica("SAVE") == "OK")
    assert replica("DEBUG", "RELOAD") == "OK"
    assert differences(contents(master), contents(replica)) == ""


# ---- chains --------------------------------------------------------------------------------------------------------


def test_role(master, start_server):
    replica = start_server()
    assert replica("ROLE")[0] == b"master"
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_level(master, replica)
    assert replica("ROLE") == [b"slave", b"127.0.0.1", master.port, b"connected", int(replication(master)["master_repl_offset"])]
    master.kill()
    eventually(lambda: replica("ROLE")[3:] in ([b"connect", -1], [b"connecting", -1]))


def test_a_chain_holds_the_same(master, start_replica, start_master):
    """redis-server, Ordinal, Ordinal, redis-server: each follows the one before."""
    write(master)
    second = start_replica(master)
    wait_up(second)
    third = start_replica(second)
    wait_up(third)
    fourth = start_master(replicaof="127.0.0.1 %d" % third.port)
    for server in (second, third, fourth):
        assert_same(master, server)
    writers = Writers(master)
    write_more(master)
    for server in (second, third):
        server("CLIENT", "KILL", "TYPE", "replica")
    writers.stop()
    for server in (second, third, fourth):
        assert_same(master, server)
        assert replication(server)["master_replid"] == replication(master)["master_replid"]
    assert stats(second, "sync_full") == 1 and stats(second, "sync_partial_ok") >= 1


def test_a_link_of_the_chain_becomes_the_master(master, start_replica):
    """Its followers need no snapshot for that."""
    write(master)
    second = start_replica(master)
    wait_up(second)
    third = start_replica(second)
    assert_same(master, third)
    assert second("REPLICAOF", "NO", "ONE") == "OK"
    assert second("SET", "after", "x") == "OK"
    eventually(lambda: third("GET", "after") == b"x", third.log)
    assert differences(contents(second), contents(third)) == ""
    assert stats(second, "sync_full") == 1 and stats(second, "sync_partial_ok") == 1


def test_the_old_master_follows_the_new_one(start_server, start_replica):
    old = start_server()
    write(old)
    new = start_replica(old)
    assert_same(old, new)
    assert new("REPLICAOF", "NO", "ONE") == "OK"
    assert new("SET", "after", "x") == "OK"
    assert old("REPLICAOF", "127.0.0.1", new.port) == "OK"
    assert_same(new, old)
    assert old("GET", "after") == b"x"
    assert stats(new, "sync_full") == 0 and stats(new, "sync_partial_ok") == 1


def test_who_has_nothing_cannot_be_followed(start_server):
    lonely = start_server(replicaof="127.0.0.1 %d" % free_port())
    follower = start_server(replicaof="127.0.0.1 %d" % lonely.port)
    eventually(lambda: "NOMASTERLINK" in replication(follower)["master_link_error"], follower.log)


# ---- beside the data that there is -----------------------------------------------------------------------------------


def loading(server):
    info = server.info("persistence")
    return info["loading"], info["async_loading"]


class Snapshots:
    """A master that sends a whole snapshot first, and whose later ones end where the test lets them: `go` counts the halves."""

    def __init__(self, histories):
        self.histories, self.number = iter(histories), 0
        self.go = threading.Semaphore(0)
        self.whole = rdb.file(rdb.select(0), *[rdb.key("theirs:%d" % number, "x" * 50000) for number in range(10)])

    def __call__(self, sock, file):
        self.number += 1
        whole = full_resync(self.whole, next(self.histories), offset=self.number)
        sock.sendall(whole[:200_000])
        if self.number > 1:
            assert self.go.acquire(timeout=60)
        if self.number == 2:
            return
        sock.sendall(whole[200_000:])
        file.read()


@pytest.mark.parametrize("same", [True, False])
def test_a_snapshot_is_loaded_beside_what_there_is(start_server, same):
    script = Snapshots(["a" * 40, *["a" * 40 if same else "b" * 40] * 2])
    with FakeMaster(script) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port, repl_diskless_load="swapdb", replica_read_only="no")
        wait_up(replica)
        assert replica("DBSIZE") == 10
        assert replica("SET", "own", "x") == "OK"
        master.cut()
        for last in (False, True):  # the first one fails, the second one does not
            eventually(lambda: loading(replica) == (("0", "1") if same else ("1", "0")), replica.log)
            refused = Error("LOADING Redis is loading the dataset in memory")
            assert replica("GET", "own") == (b"x" if same else refused)
            assert replica("DEBUG", "RELOAD") == Error("ERR the data set is being loaded")
            script.go.release()
            eventually(lambda: loading(replica) == ("0", "0") or script.number > 2, replica.log)
            if not last:
                eventually(lambda: script.number > 2, replica.log)
        wait_up(replica)
        assert replica("GET", "own") is None
        assert replica("DBSIZE") == 10
        assert replica("DEBUG", "DIGEST") != "0" * 40


def test_a_snapshot_that_fails_leaves_what_there_was(start_server):
    script = Snapshots(["b" * 40] * 2)
    script.number = 1
    with FakeMaster(script) as master:
        replica = start_server(repl_diskless_load="swapdb")
        assert replica("SET", "own", "x") == "OK"
        assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
        identity = replication(replica)["master_replid"]
        eventually(lambda: loading(replica) == ("1", "0"), replica.log)
        assert replica("REPLICAOF", "NO", "ONE") == "OK"
        script.go.release()
        eventually(lambda: loading(replica) == ("0", "0"), replica.log)
        assert replica("GET", "own") == b"x"
        assert replication(replica)["master_replid2"] == identity


def test_what_there_is_stays_until_a_snapshot_comes(start_server):
    """A master that only prepares one, as it may never be done with it."""
    began = threading.Event()

    def prepares(sock, file):
        sock.sendall(full_resync(marked=True).split(b"REDIS")[0])
        began.set()
        file.read()

    with FakeMaster(prepares) as master:
        replica = start_server()
        assert replica("SET", "own", "x") == "OK"
        assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
        assert began.wait(20)
        eventually(lambda: replica("ROLE")[3] == b"sync", replica.log)
        assert loading(replica) == ("0", "0")
        assert replica("GET", "own") == b"x"


# ---- the link --------------------------------------------------------------------------------------------------------


def test_the_link_is_killed_as_a_client_is(master, start_replica):
    replica = start_replica(master)
    wait_up(replica)
    for number, words in enumerate([("TYPE", "master"), ("ADDR", "127.0.0.1:%d" % master.port)], 1):
        assert replica("CLIENT", "KILL", *words) == 1
        eventually(lambda: stats(master, "sync_partial_ok") == number, replica.log)
        wait_up(replica)
    assert replica("CLIENT", "KILL", "127.0.0.1:%d" % master.port) == "OK"
    eventually(lambda: stats(master, "sync_partial_ok") == 3, replica.log)
    assert replica("CLIENT", "KILL", "TYPE", "master", "ADDR", "127.0.0.1:1") == 0
    assert replica("CLIENT", "KILL", "TYPE", "master", "LADDR", "127.0.0.1:1") == 0
    assert replica("CLIENT", "KILL", "TYPE", "master", "USER", "default") == 0
    assert master("CLIENT", "KILL", "TYPE", "master") == 0
    wait_up(replica)
    assert stats(master, "sync_full") == 1


def test_a_master_that_is_away_is_told_of_once(start_server):
    refusal = b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"
    with FakeMaster(full_resync(), refusal) as master:
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        wait_up(replica)
        master.cut()
        master.wait_accepted(5)
        assert replica.log().count("Trying a partial resynchronization") == 1
        assert replica.log().count("Connecting to MASTER") == 2
        assert replica.log().count("Master is currently unable to PSYNC") == 1


def test_a_master_by_name(master, start_server):
    replica = start_server(replicaof="localhost %d" % master.port)
    wait_up(replica)
    assert replica("REPLICAOF", "no-such-host.invalid", master.port) == "OK"
    eventually(lambda: "no-such-host.invalid" in replication(replica).get("master_link_error", ""), replica.log)
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_up(replica)


def test_an_order_is_kept_by_config_rewrite(master, start_server, tmp_path):
    file = tmp_path / "ordinal.conf"
    file.write_text("save 3600 1\n")
    replica = start_server(arguments=[str(file)], save=None)
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_up(replica)
    assert master("SET", "k", "v") == "OK"
    wait_level(master, replica)
    assert replica("CONFIG", "REWRITE") == "OK"
    assert "replicaof 127.0.0.1 %d" % master.port in file.read_text().split("\n")
    replica.signal(signal.SIGTERM)
    assert replica.wait() == 0
    replica.start_again()
    replica.wait_ready()
    wait_up(replica)
    assert stats(master, "sync_full") == stats(master, "sync_partial_ok") == 1
    assert replica("REPLICAOF", "NO", "ONE") == "OK"
    assert replica("CONFIG", "REWRITE") == "OK"
    assert "replicaof" not in file.read_text().replace('replicaof ""', "")
