"""Ordinal as the master: of redis-server 7.0.15, which must hold what it holds, and of replicas played by hand, which behave as no
redis-server would."""

import shutil
import subprocess
import threading
import time

import pytest

from harness.contents import contents
from harness.redis import RedisServer
from harness.replica import HandReplica
from harness.resp import Closed, Error, encode
from harness.server import is_sanitized

pytestmark = [
    pytest.mark.usefixtures("ordinal"),
    pytest.mark.skipif(shutil.which("redis-check-rdb") is None, reason="redis-server 7.0 (redis-tools) is not installed"),
]
PATIENCE = 60 if not is_sanitized() else 300


def wait_for(question, what="it"):
    """Until `question` gives something true, which is returned."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, "%s did not come: %r" % (what, answer)
        time.sleep(0.01)


@pytest.fixture
def master(start_server):
    return start_server(repl_diskless_sync_delay=0)


@pytest.fixture
def start_replica(tmp_path):
    """A function that starts a redis-server which follows a server."""
    replicas = []

    def start(of, **settings):
        directory = tmp_path / ("replica%d" % len(replicas))
        directory.mkdir()
        replica = RedisServer(directory, replicaof="127.0.0.1 %d" % of.port, **settings)
        replicas.append(replica)
        return replica

    yield start
    for replica in replicas:
        replica.kill()


def link_is_up(replica):
    return replica.info("replication")["master_link_status"] == "up"


def caught_up(master, replica):
    """The replica has applied all that the master has written by now."""
    offset = int(master.info("replication")["master_repl_offset"])

    def there():
        about = replica.info("replication")
        return about["master_link_status"] == "up" and int(about["slave_repl_offset"]) >= offset

    wait_for(there, "the replica's offset")


def same(master, replica):
    caught_up(master, replica)
    with master.connect() as ours, replica.connect() as theirs:
        left, right = contents(ours), contents(theirs)
    for key in sorted(set(left) | set(right)):
        for about in (left.get(key), right.get(key)):
            if about is not None:
                about.pop("fields", None)
        assert left.get(key) == right.get(key), key
    return len(left)


def syncs(master):
    stats = master.info("stats")
    return tuple(int(stats[name]) for name in ("sync_full", "sync_partial_ok", "sync_partial_err"))


def fill(master):
    """Every type, small and large, with and without deadlines, in several databases."""
    with master.connect() as ask:
        far = int(time.time() * 1000) + 3600_000
        for db in (0, 3, 15):
            assert ask("SELECT", db) == "OK"
            ask.pipeline([("SET", "s%d" % i, "v%d" % i) for i in range(2000)])
            ask.pipeline([("SET", "d%d" % i, "v", "PXAT", far + i) for i in range(500)])
            for size in (3, 3000):
                items = [str(i) for i in range(size)]
                ask("SET", "big%d" % size, "x" * size * 50)
                ask("RPUSH", "list%d" % size, *items)
                ask("SADD", "set%d" % size, *items)
                ask("HSET", "hash%d" % size, *[word for item in items for word in (item, "v" + item)])
                ask("ZADD", "zset%d" % size, *[word for item in items for word in (item, "m" + item)])
            ask("PFADD", "hll", *range(1000))
            ask("GEOADD", "geo", "13.361389", "38.115556", "Palermo")


class Load(threading.Thread):
    """A client that changes the keyspace until it is told to stop."""

    def __init__(self, master, number, flush=False):
        super().__init__(daemon=True)
        self.ask = master.connect()
        self.number, self.flush, self.failed = number, flush, None
        self.over = threading.Event()
        self.start()

    def round(self, count):
        key, far = "w%d:%d" % (self.number, count % 300), int(time.time() * 1000) + 3600_000
        yield from [("SET", key, count), ("SET", key + ":px", count, "PXAT", far), ("INCR", "counter")]
        yield from [("RPUSH", "q%d" % self.number, count), ("LPOP", "q%d" % self.number, 2), ("SADD", "set3000", key)]
        yield from [("HSET", "hash3000", key, count), ("ZADD", "zset3000", count, key), ("APPEND", "big3000", key)]
        yield from [("MULTI",), ("SET", key, "m%d" % count), ("INCR", "counter"), ("EXEC",)]
        yield from [("SELECT", count % 4), ("SET", key, "db"), ("EXPIRE", key, 1000), ("SPOP", "set3"), ("SELECT", 0)]
        if count % 50 == 0:
            yield ("SWAPDB", 1, 2)
        if self.flush and count % 400 == 200:
            yield ("FLUSHALL",)

    def run(self):
        count = 0
        try:
            while not self.over.is_set():
                count += 1
                self.ask.pipeline(list(self.round(count)))
        except Exception as failure:  # shown by the test
            self.failed = failure

    def stop(self):
        self.over.set()
        self.join()
        self.ask.close()
        assert self.failed is None, self.failed


def test_a_replica_that_comes_under_load_ends_equal(start_server, start_replica):
    master = start_server(repl_diskless_sync_delay=0, loops=3)
    fill(master)
    loads = [Load(master, number) for number in range(3)]
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    second = start_replica(master)
    wait_for(lambda: link_is_up(second), "the link")
    for load in loads:
        load.stop()
    assert same(master, replica) > 7500
    assert same(master, second) > 7500


def test_a_flush_during_the_snapshot_leaves_the_replica_equal(start_server, start_replica):
    """The snapshot is given up then, and the replica comes again."""
    master = start_server(repl_diskless_sync_delay=0, rdb_key_save_delay=200)
    fill(master)
    replica = start_replica(master)
    wait_for(lambda: master.info("persistence")["rdb_bgsave_in_progress"] == "1", "the snapshot")
    load = Load(master, 1, flush=True)
    assert master("FLUSHALL") == "OK"
    assert master("CONFIG", "SET", "rdb-key-save-delay", "0") == "OK"
    wait_for(lambda: link_is_up(replica), "the link")
    load.stop()
    same(master, replica)
    assert syncs(master)[0] >= 2


def test_a_cut_link_goes_on_where_it_was(master, start_replica):
    fill(master)
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    load = Load(master, 1)
    for cut in range(1, 6):
        wait_for(lambda: master("CLIENT", "KILL", "TYPE", "replica") == 1, "the replica")
        wait_for(lambda number=cut: syncs(master)[1] >= number, "the next link")
    load.stop()
    same(master, replica)
    assert syncs(master)[0] == 1 and syncs(master)[2] == 0


def test_after_a_restart_with_a_snapshot_the_replica_goes_on(start_server, start_replica):
    master = start_server(repl_diskless_sync_delay=0, save="3600 1")
    fill(master)
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    deadline = int(time.time() * 1000) + 3000
    master("SET", "short", "lived", "PXAT", deadline)
    caught_up(master, replica)
    before = master.info("replication")
    acknowledged = "offset=%s," % before["master_repl_offset"]  # or it is asked for at the end, which moves the offset
    wait_for(lambda: acknowledged in master.info("replication")["slave0"], "the acknowledgement")
    master.stop()
    wait_for(lambda: time.time() * 1000 > deadline, "the deadline")
    master.start_again()
    master.wait_loaded()
    after = master.info("replication")
    assert after["master_replid2"] == before["master_replid"] != after["master_replid"]
    assert int(after["second_repl_offset"]) == int(before["master_repl_offset"]) + 1
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_for(lambda: link_is_up(replica), "the link")
    master("SELECT", "3")
    master("SET", "new", "words")
    wait_for(lambda: master("DBSIZE") == replica("DBSIZE"), "the end of what has expired meanwhile")
    same(master, replica)
    assert syncs(master) == (0, 1, 0)


def test_a_restart_without_a_snapshot_is_another_history(start_server, start_replica):
    master = start_server(repl_diskless_sync_delay=0)
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    master.stop()
    master.start_again()
    master.wait_ready()
    master("SET", "a", "1")
    assert replica("REPLICAOF", "127.0.0.1", master.port) == "OK"
    wait_for(lambda: link_is_up(replica), "the link")
    assert same(master, replica) == 1
    assert syncs(master) == (1, 0, 1)


def test_who_was_away_for_too_long_gets_everything(start_server, start_replica):
    master = start_server(repl_diskless_sync_delay=0, repl_backlog_size=1 << 20)
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    replica("REPLICAOF", "127.0.0.1", "1")
    wait_for(lambda: master.info("replication")["connected_slaves"] == "0", "the end of the link")
    with master.connect() as ask:
        ask.pipeline([("SET", "k%d" % i, "x" * 10000) for i in range(500)])
    replica("REPLICAOF", "127.0.0.1", master.port)
    wait_for(lambda: link_is_up(replica), "the link")
    assert same(master, replica) == 500
    assert syncs(master) == (2, 0, 1)


def test_replicas_that_come_together_share_a_snapshot(start_server, start_replica):
    master = start_server(repl_diskless_sync_delay=600, repl_diskless_sync_max_replicas=3)
    fill(master)
    replicas = [start_replica(master) for _ in range(3)]
    for replica in replicas:
        wait_for(lambda one=replica: link_is_up(one), "the link")
        same(master, replica)
    assert master.log().count("A snapshot for 3 replicas begins") == 1
    assert syncs(master) == (3, 0, 0)


def test_a_replica_that_knows_no_mark_is_told_the_length(start_server, start_replica):
    master = start_server(repl_diskless_sync="no")
    fill(master)
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    master("SET", "a", "1")
    same(master, replica)
    with HandReplica(master, capabilities=()) as old:
        old.link.send(b"SYNC\r\n")
        assert old.read_snapshot().startswith(b"REDIS")
        master("SET", "b", "2")
        old.offset = 0
        old.until(["SET", "b", "2"])


def test_redis_cli_takes_a_snapshot(master, redis_cli, tmp_path):
    fill(master)
    target = tmp_path / "taken.rdb"
    done = subprocess.run([redis_cli, "-p", str(master.port), "--rdb", str(target)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = subprocess.run(["redis-check-rdb", str(target)], capture_output=True, text=True, timeout=60)
    assert "RDB looks OK" in checked.stdout, checked.stdout
    wait_for(lambda: master.info("replication")["connected_slaves"] == "0", "its end")


def test_wait_counts_replicas_that_have_the_write(master, start_replica):
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    with master.connect() as ask:
        assert ask("SET", "a", "1") == "OK"
        assert ask("WAIT", "1", "20000") == 1
        replica.freeze()
        try:
            assert ask("SET", "a", "2") == "OK"
            assert ask("WAIT", "1", "100") == 0
            assert ask("WAIT", "0", "100") == 0
            ask.send(encode("WAIT", "1", "0"))
        finally:
            replica.thaw()
        assert ask.read() == 1
        assert ask("WAIT", "2", "50") == 1
        assert [ask("MULTI"), ask("WAIT", "3", "0"), ask("EXEC")] == ["OK", "QUEUED", [1]]


def test_wait_is_answered_at_once_not_when_replicas_speak_by_themselves(master, start_replica):
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    with master.connect() as ask:
        began = time.monotonic()
        for number in range(50):
            assert ask("SET", "a", number) == "OK"
            assert ask("WAIT", "1", "20000") == 1
        assert time.monotonic() - began < (10 if not is_sanitized() else 40)  # a replica's own acknowledgement comes once a second


def test_waitaof_counts_this_disk_and_those_of_replicas(start_server):
    master = start_server(repl_diskless_sync_delay=0, appendonly="yes")
    with master.connect() as ask, HandReplica(master) as replica:
        replica.synchronise()
        assert ask("SET", "a", "1") == "OK"
        assert ask("WAITAOF", "1", "0", "20000") == [1, 0]
        replica.until(["SET", "a", "1"])
        replica.acknowledge()
        assert ask("WAIT", "1", "20000") == 1
        assert ask("WAITAOF", "1", "1", "50") == [1, 0]  # it has it, but not on its disk
        ask.send(encode("WAITAOF", "1", "1", "0"))
        replica.until(["REPLCONF", "GETACK", "*"])
        replica.acknowledge(synced=replica.offset)
        assert ask.read() == [1, 1]


def test_an_acknowledgement_of_more_than_there_is_counts_for_nothing(master):
    with master.connect() as ask, HandReplica(master) as replica:
        replica.synchronise()
        ask("SET", "a", "1")
        replica.offset += 10**9
        replica.acknowledge()
        assert ask("WAIT", "1", "100") == 0


def test_writes_are_refused_without_enough_good_replicas(master, start_replica):
    refused = Error("NOREPLICAS Not enough good replicas to write.")
    with master.connect() as ask:
        ask("SET", "a", "1")
        assert ask("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "2") == "OK"
        assert ask("SET", "a", "2") == refused
        assert ask("GET", "a") == b"1"
        assert [ask("MULTI"), ask("SET", "a", "3")] == ["OK", refused]
        assert ask("EXEC").code == "EXECABORT"
        replica = start_replica(master)
        wait_for(lambda: ask("SET", "a", "4") == "OK", "a good replica")
        assert ask("INFO", "replication").count(b"min_slaves_good_slaves:1\r\n") == 1
        replica.freeze()
        try:
            wait_for(lambda: ask("SET", "a", "5") == refused, "its silence")
        finally:
            replica.thaw()
        wait_for(lambda: ask("SET", "a", "6") == "OK", "its return")


def test_info_and_role_say_what_redis_says(master, start_replica, tmp_path):
    theirs = RedisServer(tmp_path, repl_diskless_sync_delay=0)
    try:
        found = []
        for of in (theirs, master):
            replica = start_replica(of)
            wait_for(lambda one=of: "state=online" in one.info("replication").get("slave0", ""), "the replica")
            of("SET", "a", "1")
            caught_up(of, replica)
            about = of.info("replication")
            assert about["slave0"].startswith("ip=127.0.0.1,port=%d,state=online,offset=" % replica.port)
            role = wait_for(lambda one=of: one("ROLE")[2] and one("ROLE"), "the role")
            assert role[0] == b"master" and role[1] == int(of.info("replication")["master_repl_offset"])
            assert role[2][0][:2] == [b"127.0.0.1", b"%d" % replica.port] and int(role[2][0][2]) <= role[1]
            found.append((list(about), [pair.split("=")[0] for pair in about["slave0"].split(",")]))
        assert found[0] == found[1]
        line = master("CLIENT", "LIST", "TYPE", "replica")
        assert line.count(b"\n") == 1 and b" flags=S " in line
        assert master("CLIENT", "LIST", "TYPE", "normal").count(b" flags=S ") == 0
    finally:
        theirs.kill()


@pytest.mark.parametrize("limit", ["replica 8mb 0 0", "slave 0 4mb 1"], ids=["hard", "soft"])
def test_a_replica_that_does_not_read_is_cut_and_holds_nobody_up(start_server, limit):
    master = start_server(repl_diskless_sync_delay=0, client_output_buffer_limit=limit, repl_backlog_size=1 << 20)
    with master.connect() as ask, HandReplica(master, receive_buffer=4096) as replica:
        replica.synchronise()
        wait_for(lambda: "state=online" in master.info("replication")["slave0"], "the replica")
        for start in range(0, 4000, 100):
            replies = ask.pipeline([("SET", "k%d" % i, "x" * 10000) for i in range(start, start + 100)])
            assert set(replies) == {"OK"}
        wait_for(lambda: master.info("replication")["connected_slaves"] == "0", "the cut")
        assert "further behind than client-output-buffer-limit allows" in master.log()
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                replica.command()
        ask("SET", "k", "v")
        kept = wait_for(lambda: int(master.info("memory")["mem_replication_backlog"]), "the backlog")
        assert kept < 16 << 20


def test_a_replica_that_does_not_take_its_snapshot_holds_no_other_one_up(start_server, start_replica):
    """What it has not taken goes to the disk: the next snapshot can begin, and memory stays small."""
    master = start_server(repl_diskless_sync_delay=0, rdbcompression="no", repl_timeout=600)
    with master.connect() as ask, HandReplica(master, receive_buffer=4096) as stuck:
        for i in range(64):
            ask("SET", "k%d" % i, "x" * (1 << 20))
        before = master.resident()
        stuck.ask()
        replica = start_replica(master)
        wait_for(lambda: link_is_up(replica), "the link")
        assert same(master, replica) == 64
        assert "wait_bgsave" in master.info("replication")["slave0"] + master.info("replication")["slave1"]
        assert ask("SAVE") == "OK"
        if not is_sanitized():
            assert master.resident() - before < 60 << 20
        assert stuck.answer()[0] == "FULLRESYNC"
        assert len(stuck.read_snapshot()) > 64 << 20
        stuck.acknowledge()
        ask("SET", "after", "1")
        stuck.until(["SET", "after", "1"])


def test_a_replica_that_is_silent_is_given_up(start_server):
    master = start_server(repl_diskless_sync_delay=0, repl_timeout=1)
    with HandReplica(master) as replica:
        replica.synchronise()
        wait_for(lambda: master.info("replication")["connected_slaves"] == "0", "the end")
    assert "Disconnecting timedout replica (streaming sync)" in master.log()


def test_a_replica_that_waits_is_told_that_it_goes_on(start_server):
    master = start_server(repl_diskless_sync_delay=600)
    with HandReplica(master) as replica:
        replica.ask()
        assert replica.link._exactly(2) == b"\n\n"
        assert "state=wait_bgsave" in master.info("replication")["slave0"]
        assert master("CONFIG", "SET", "repl-diskless-sync-delay", "0") == "OK"
        assert replica.answer()[0] == "FULLRESYNC"


def test_without_replicas_the_backlog_goes_and_with_it_the_name(start_server):
    master = start_server(repl_diskless_sync_delay=0, repl_backlog_ttl=1)
    with HandReplica(master) as replica:
        replica.synchronise()
        name = master.info("replication")["master_replid"]
        assert name == replica.identity
    wait_for(lambda: master.info("replication")["repl_backlog_active"] == "0", "the end of the backlog")
    assert master.info("replication")["master_replid"] != name
    master("SET", "a", "1")
    with HandReplica(master) as replica:
        replica.ask(name, 14)
        assert replica.answer()[0] == "FULLRESYNC"


def test_a_named_history_is_gone_on_from_to_the_byte(master):
    with HandReplica(master) as replica:
        replica.synchronise()
        master("SET", "a", "1")
        replica.until(["SET", "a", "1"])
        name, there = replica.identity, replica.offset
    master("SET", "b", "2")
    end = int(master.info("replication")["master_repl_offset"])
    for offset, kind in ((there, "CONTINUE"), (end, "CONTINUE"), (end + 1, "FULLRESYNC"), (there, "FULLRESYNC")):
        with HandReplica(master) as replica:
            replica.ask(name if kind == "CONTINUE" or offset > end else "0" * 40, offset)
            assert replica.answer()[0] == kind
            if kind == "CONTINUE" and offset == there:
                replica.offset = there
                replica.until(["SET", "b", "2"])


def test_pings_come_in_the_stream(start_server):
    master = start_server(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    with HandReplica(master) as replica:
        replica.synchronise()
        replica.until(["PING"])
        replica.until(["PING"])
        assert replica.offset <= int(master.info("replication")["master_repl_offset"])


def test_an_append_only_file_with_words_for_replicas_is_loaded(start_server):
    master = start_server(repl_diskless_sync_delay=0, appendonly="yes", repl_ping_replica_period=1)
    with master.connect() as ask, HandReplica(master) as replica:
        replica.synchronise()
        ask("SET", "a", "1")
        ask("WAIT", "1", "10")
        ask("PUBLISH", "c", "hello")
        ask("SET", "b", "2")
        replica.until(["SET", "b", "2"])
        replica.until(["PING"])
    master.stop()
    master.start_again()
    master.wait_loaded()
    assert master("MGET", "a", "b") == [b"1", b"2"]


def test_messages_reach_subscribers_of_a_replica(master, start_replica):
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    with replica.connect() as listener, master.connect() as ask:
        assert listener("SUBSCRIBE", "c") == [b"subscribe", b"c", 1]
        assert ask.pipeline([("SET", "a", "1"), ("PUBLISH", "c", "hello"), ("SET", "b", "2")]) == ["OK", 0, "OK"]
        assert listener.read() == [b"message", b"c", b"hello"]
        assert ask("WAIT", "1", "20000") == 1
        assert replica("MGET", "a", "b") == [b"1", b"2"]
    same(master, replica)


def test_replconf_and_psync_errors(master):
    with master.connect() as ask:
        assert ask("REPLCONF", "a") == Error("ERR syntax error")
        assert ask("REPLCONF", "what", "now") == Error("ERR Unrecognized REPLCONF option: what")
        assert ask("REPLCONF", "listening-port", "x") == Error("ERR value is not an integer or out of range")
        assert ask("PSYNC", "?", "x") == Error("ERR value is not an integer or out of range")
        assert ask("PSYNC", "?", "-1", "FAILOVER") == Error("ERR PSYNC FAILOVER can't be sent to a master.")
        assert [ask("MULTI"), ask("PSYNC", "?", "-1").code] == ["OK", "ERR"]
    assert master.info("replication")["connected_slaves"] == "0"


def test_expired_keys_go_on_the_replica_too(master, start_replica):
    replica = start_replica(master)
    wait_for(lambda: link_is_up(replica), "the link")
    with master.connect() as ask:
        ask.pipeline([("SET", "k%d" % i, "v", "PX", 50) for i in range(1000)])
        wait_for(lambda: ask("DBSIZE") == 0, "the end of the keys")
        assert ask("SET", "a", "1") == "OK"
        assert ask("WAIT", "1", "20000") == 1
    assert replica("DBSIZE") == 1


@pytest.mark.parametrize("words, name", [(("PING",), "ping"), (("GET", "foo"), "get"), (("SLOWLOG", "GET"), "slowlog|get"), (("XINFO",), "<unknown>")])
def test_a_replica_that_asks_for_something_is_cut(master, words, name):
    with HandReplica(master) as replica:
        replica.synchronise()
        replica.link.send(encode(*words))
        assert replica.link.until_closed() == b""
    wait_for(lambda: master.info("replication")["connected_slaves"] == "0")
    log = master.log()
    assert "Replica generated a reply to command '%s', disconnecting it" % name in log
    assert ("== CRITICAL == This master is sending an error to its replica" in log) == (name in ("get", "<unknown>"))
    assert ("Replica can't interact with the keyspace" in log) == (name == "get")


def test_a_command_is_sent_to_replicas_alone(master, start_replica):
    replica = start_replica(master)
    assert master("SET", "k", "v") == "OK"
    caught_up(master, replica)
    assert master("DEBUG", "REPLICATE", "SET", "theirs", "x") == "OK"
    caught_up(master, replica)
    assert replica("GET", "theirs") == b"x"
    assert master("GET", "theirs") is None
