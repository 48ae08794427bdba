"""Forwarding: a client may talk to a replica as if it were the master. One master and two replicas, all real."""

import itertools
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.links import FakeMaster, Wire
from harness.resp import Closed, Error, Push, encode
from harness.server import is_sanitized
from harness.wait import SECONDS, eventually

pytestmark = pytest.mark.usefixtures("ordinal")

SLOWER = 5 if is_sanitized() else 1


def is_up(replica):
    return replica.info("replication").get("master_link_status") == "up"


class Nodes:
    """A master and its replicas."""

    def __init__(self, start_server, replicas=2, master_settings=None, **settings):
        self.start_server = start_server
        self.master = start_server(repl_diskless_sync_delay=0, **(master_settings or {}))
        settings.setdefault("replica_forward", "yes")
        self.replicas = [
            start_server(replicaof=["127.0.0.1", self.master.port], ready=False, **settings) for _ in range(replicas)
        ]
        for replica in self.replicas:
            replica.wait_ready()
        self.wait_up()

    def wait_up(self):
        for replica in self.replicas:
            eventually(lambda: is_up(replica), replica.log)

    def wait_level(self):
        """Returns once the replicas have applied all that the master has now."""
        offset = int(self.master.info("replication")["master_repl_offset"])
        for replica in self.replicas:
            eventually(lambda: int(replica.info("replication")["master_repl_offset"]) >= offset, replica.log)

    def restart_master(self):
        """After it has ended: as it was started, on its port."""
        self.master.exit_status = None
        self.master._start(self.master.environment)


@pytest.fixture
def nodes(start_server):
    return Nodes(start_server)


@pytest.fixture
def replica(nodes):
    return nodes.replicas[0]


@pytest.fixture
def master(nodes):
    return nodes.master


def forward(server):
    info = server.info("roster")
    return {name[len("forward_") :]: int(value) for name, value in info.items() if name.startswith("forward_")}


# ---- replies -----------------------------------------------------------------------------------------------

EVERY_KIND = [
    line.split()
    for line in """
SET s 1 | GET s | INCR s | INCRBY s 10 | DECR s | INCRBYFLOAT s 0.5 | APPEND s x | INCR s | STRLEN s | SETRANGE s 2 zz | GETRANGE s 0 -1
GETDEL s | GETDEL s | SET s v NX | SET s w NX | SET s w XX GET | SET s v EX 0 | SETEX s 100 v | PSETEX s 0 v | GETEX s PERSIST | TTL s
MSET a 1 b 2 c 3 | MSETNX a 1 d 2 | MGET a b c d | DEL a nokey b | UNLINK c | EXISTS a b c | SETBIT bits 7 1 | BITCOUNT bits
BITFIELD bits SET u8 0 200 INCRBY u8 0 100 | BITOP NOT notbits bits | BITPOS bits 1
RPUSH l a b c d e | LPUSH l z | LRANGE l 0 -1 | LPOP l | RPOP l 2 | LINSERT l BEFORE c x | LSET l 0 q | LSET l 99 q | LREM l 1 q
LTRIM l 0 2 | LMOVE l l2 LEFT RIGHT | RPOPLPUSH l l2 | LMPOP 2 l l2 LEFT COUNT 2 | LPUSHX nolist x | LLEN l2 | LPOS l2 x | LINDEX l2 0
SADD set a b c d | SADD set a | SREM set a | SMOVE set set2 b | SINTERSTORE set3 set set2 | SUNIONSTORE set3 set set2 | SCARD set3
SISMEMBER set c | SMISMEMBER set c zz | SPOP nosetatall | SDIFFSTORE set4 set set2
HSET h f 1 g 2 | HSETNX h f 2 | HMSET h k v | HINCRBY h f 5 | HINCRBYFLOAT h f 0.25 | HDEL h g nofield | HGET h f | HLEN h | HEXISTS h f
HEXPIRE h 100 FIELDS 1 f | HPERSIST h FIELDS 1 f | HGETALL h
ZADD z 1 a 2 b 3 c | ZADD z CH XX 5 a | ZADD z INCR 1.5 a | ZINCRBY z 1 b | ZREM z c | ZPOPMIN z | ZPOPMAX nozset | ZSCORE z a
ZADD z 1 a 2 b 3 c 4 d | ZRANGESTORE z2 z 0 -1 | ZUNIONSTORE z3 2 z z2 WEIGHTS 2 1 | ZINTERSTORE z3 2 z z2 | ZREMRANGEBYRANK z3 0 0
ZRANGE z2 0 -1 WITHSCORES | ZMPOP 1 z2 MAX | ZREMRANGEBYSCORE z2 -inf 1 | ZREMRANGEBYLEX z2 - + | ZDIFFSTORE z4 2 z z2
PFADD hll a b c | PFADD hll a | PFCOUNT hll | PFMERGE hll2 hll | GEOADD geo 13.36 38.11 p 15.08 37.50 q | GEODIST geo p q
GEOSEARCHSTORE geo2 geo FROMMEMBER p BYRADIUS 200 km | GEORADIUS geo 15 37 200 km STORE geo3 | RENAME z zz | RENAMENX zz z2 | COPY zz z5
RENAME nokey x | EXPIRE zz 1000 | PEXPIRE zz 1000000 | PERSIST zz | EXPIREAT zz 1 | EXISTS zz | SORT l2 ALPHA STORE l3 | SORT l2 ALPHA
MOVE s 3 | SELECT 3 | GET s | SET s x | SELECT 0 | SWAPDB 0 3 | GET s | SWAPDB 0 3 | TOUCH s | RANDOMKEYX | TYPE l | DBSIZE
INCR l | LPUSH set x | SET | SET a | INCR a b c | BLPOP nolist abc | ZADD z x y | SETRANGE s -1 x | EXEC | DISCARD
BLPOP l2 l 1 | BRPOP nolist 0.01 | BLMOVE l2 l9 LEFT LEFT 0.01 | BRPOPLPUSH nolist l9 0.01 | BLMPOP 0.01 1 nolist LEFT
BZPOPMIN z5 0.01 | BZPOPMAX nozset 0.01 | BZMPOP 0.01 1 nozset MIN | PUBLISH channel message | SPUBLISH channel message
MULTI | SET m 1 | INCR m | LPUSH m x | GET m | EXEC | MULTI | SET m 1 | DISCARD | MULTI | INCR | EXEC | MULTI | EXEC
WATCH m | GET m | MULTI | SET m 3 | EXEC | WATCH m | UNWATCH | MULTI | MULTI | WATCH m | EXEC | WATCH m | MULTI | DISCARD
MULTI | SELECT 5 | SET five 5 | EXEC | GET five | SELECT 0 | RESTORE r 0 x | FLUSHDB | DBSIZE | FLUSHALL
""".replace("\n", "|").split("|")
    if line.split()
]


@pytest.mark.parametrize("resp", [2, 3])
def test_every_kind_of_command_is_answered_as_at_the_master(nodes, start_server, resp):
    """The same commands at a node of their own: the replies are the same, one by one, and in one pipeline."""
    alone = start_server()
    with alone.connect() as there, nodes.replicas[0].connect() as here:
        there("HELLO", resp)
        here("HELLO", resp)
        for command in EVERY_KIND:
            expected, reply = there(*command), here(*command)
            assert reply == expected and type(reply) is type(expected), (command, reply, expected)
        assert here.pipeline(EVERY_KIND) == there.pipeline(EVERY_KIND)


def test_what_was_written_through_a_replica_is_on_all_nodes(nodes):
    """PFCOUNT is left out: it keeps what it has counted in the value, on whatever node it runs."""
    with nodes.replicas[0].connect() as here:
        here.pipeline([command for command in EVERY_KIND if "FLUSH" not in command[0] and command[0] != "PFCOUNT"])
    nodes.wait_level()
    digests = {server("DEBUG", "DIGEST") for server in [nodes.master, *nodes.replicas]}
    assert len(digests) == 1
    assert nodes.master("DBSIZE") > 10


def test_large_values_go_both_ways(master, replica):
    value = random.Random(1).randbytes(20_000_000)
    with replica.connect() as here:
        assert here("SET", "large", value) == "OK"
        assert master("GET", "large") == value
        assert here("GET", "large") == value
        assert here("SET", "large", "small", "GET") == value
        assert here("RPUSH", "list", *[value[:100_000]] * 50) == 50
        assert here.pipeline([("LPOP", "list", 25), ("PING",), ("LPOP", "list", 25)]) == [
            [value[:100_000]] * 25,
            "PONG",
            [value[:100_000]] * 25,
        ]


@pytest.mark.parametrize("pieces", [1, 7, 100_000])
def test_a_pipeline_of_local_and_carried_commands_is_answered_in_order(replica, pieces):
    commands, expected = [], []
    for i in range(300):
        commands += [("INCR", "n"), ("GET", "n"), ("ECHO", "%d" % i), ("LPUSH", "l", "x"), ("LLEN", "l"), ("SET", "k", i, "GET")]
        expected += [i + 1, b"%d" % (i + 1), b"%d" % i, i + 1, i + 1, b"%d" % (i - 1) if i else None]
    data = b"".join(encode(*command) for command in commands)
    with replica.connect() as here:
        sender = threading.Thread(target=lambda: [here.send(data[at : at + pieces * 10]) for at in range(0, len(data), pieces * 10)])
        sender.start()
        assert [here.read() for _ in commands] == expected
        sender.join()


def test_a_long_pipeline_of_writes_goes_through(nodes, replica):
    """More than a client may have under way: it is served as it is answered."""
    count = 50_000
    with replica.connect() as here:
        data = b"".join(encode("RPUSH", "l", i) for i in range(count))
        sender = threading.Thread(target=here.send, args=(data,))
        sender.start()
        assert [here.read() for _ in range(count)] == list(range(1, count + 1))
        sender.join()
    assert nodes.master("LLEN", "l") == count


def test_a_client_changes_its_database_and_protocol_as_it_likes(nodes, replica):
    with replica.connect() as here:
        for i in range(40):
            assert here("SELECT", i % 16) == "OK"
            here("HELLO", 2 + i % 2)
            assert here("SET", "where", i) == "OK"
            assert here("GET", "where") == b"%d" % i
            assert here("HSET", "h%d" % i, "f", "v") == 1
            assert here("HGETALL", "h%d" % i) == ({b"f": b"v"} if i % 2 else [b"f", b"v"])
    with nodes.master.connect() as there:
        for i in range(24, 40):
            there("SELECT", i % 16)
            assert there("GET", "where") == b"%d" % i


def test_clients_of_different_databases_and_protocols_share_the_way(nodes, replica):
    clients = [replica.connect() for _ in range(64)]
    for number, client in enumerate(clients):
        client.pipeline([("SELECT", number % 16), ("HELLO", 2 + number // 16 % 2)])
    for round_ in range(20):
        for number, client in enumerate(clients):
            client.send(encode("SET", "k%d" % number, round_) + encode("HSET", "h", "f%d" % number, round_) + encode("ZPOPMIN", "z"))
        for client in clients:
            assert [client.read(), client.read(), client.read()] == ["OK", 0 if round_ else 1, []]
    for number, client in enumerate(clients):
        assert client("GET", "k%d" % number) == b"19"
        client.close()
    assert forward(replica)["connections"] <= 2 * 2 * 2  # loops, protocols, and a pool


# ---- reading what was written ------------------------------------------------------------------------------


def test_a_client_reads_what_it_wrote_also_over_another_connection(nodes):
    stop = threading.Event()

    def noise(server):
        with server.connect() as client:
            while not stop.is_set():
                client.pipeline([("SET", "noise%d" % i, "x" * 1000) for i in range(100)])

    threads = [threading.Thread(target=noise, args=(server,)) for server in [nodes.master, nodes.replicas[1]]]
    for thread in threads:
        thread.start()
    stale = []
    try:
        with nodes.replicas[0].connect() as writer, nodes.replicas[0].connect() as reader:
            for i in range(2000 // SLOWER):
                assert writer("SET", "k", i) == "OK"
                if writer("GET", "k") != b"%d" % i or reader("GET", "k") != b"%d" % i:
                    stale.append(i)
                assert writer("GETDEL", "k") == b"%d" % i
                if reader("GET", "k") is not None:
                    stale.append(i)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert stale == []


def test_a_client_reads_what_it_was_told_of(nodes):
    """Somebody else's lock that kept it from setting its own is there when it looks."""
    with nodes.master.connect() as there, nodes.replicas[0].connect() as here:
        for i in range(500 // SLOWER):
            there("SET", "lock", i)
            assert here.pipeline([("SET", "lock", "mine", "NX"), ("GET", "lock")]) == [None, b"%d" % i]


def test_wait_counts_what_was_written_through_a_replica(nodes):
    with nodes.replicas[0].connect() as here:
        assert here("SET", "k", "v") == "OK"
        assert here("WAIT", 2, 0) == 2
        assert here("WAIT", 3, 50) == 2
        assert here("WAITAOF", 0, 0, 10) == [0, 0]


# ---- blocking ----------------------------------------------------------------------------------------------


def waiting(master):
    return int(master.info("clients")["blocked_clients"])


def test_a_pop_waits_at_the_master_and_is_woken_from_any_node(nodes):
    servers = itertools.cycle([nodes.master, *reversed(nodes.replicas)])
    with nodes.replicas[0].connect() as here:
        for i in range(30):
            here.send(encode("BLPOP", "queue", "other", 0) + encode("PING") + encode("LLEN", "queue"))
            eventually(lambda: waiting(nodes.master) == 1)
            assert next(servers)("RPUSH", "queue", i) == 1
            assert [here.read(), here.read(), here.read()] == [[b"queue", b"%d" % i], "PONG", 0]


def test_a_pop_that_gets_nothing_ends_in_time(replica):
    with replica.connect() as here:
        began = time.monotonic()
        assert here("BLPOP", "queue", "0.2") is None
        assert 0.2 <= time.monotonic() - began < 0.2 + SLOWER
        assert here("BZPOPMIN", "queue", "0.01") is None


def test_a_pop_that_waits_longer_than_forward_timeout_goes_on(start_server):
    nodes = Nodes(start_server, replicas=1, forward_timeout=200)
    with nodes.replicas[0].connect() as here:
        here.send(encode("BLPOP", "queue", 0))
        eventually(lambda: waiting(nodes.master) == 1)
        time.sleep(1)
        nodes.master("RPUSH", "queue", "v")
        assert here.read() == [b"queue", b"v"]


def test_a_client_that_is_gone_gets_nothing(nodes, replica):
    for _ in range(20):
        here = replica.connect()
        here.send(encode("BLPOP", "queue", 0))
        eventually(lambda: waiting(nodes.master) == 1)
        here.close()
        eventually(lambda: waiting(nodes.master) == 0)
        assert nodes.master("RPUSH", "queue", "v") == 1
        assert nodes.master("LPOP", "queue") == b"v"


def test_each_value_is_handed_out_once(nodes):
    """Clients on all nodes pop, and some of them go away in the midst."""
    count, taken, lost = 2000 // SLOWER, [], []

    def pop(server, seed):
        rng = random.Random(seed)
        while True:
            with server.connect() as client:
                client.send(encode("BLPOP", "queue", 0))
                if rng.random() < 0.1:
                    client.sock.settimeout(0.001)
                    try:
                        value = client.read()[1]
                    except socket.timeout:  # given up: its value, if any, was on its way
                        lost.append(seed)
                        continue
                else:
                    value = client.read()[1]
            if value == b"end":
                return
            taken.append(value)

    threads = [threading.Thread(target=pop, args=(server, i)) for i, server in enumerate([nodes.master, *nodes.replicas] * 2)]
    for thread in threads:
        thread.start()
    with nodes.replicas[1].connect() as client:
        for i in range(count):
            client("RPUSH", "queue", i)
    eventually(lambda: nodes.master("LLEN", "queue") == 0)
    while any(thread.is_alive() for thread in threads):
        if waiting(nodes.master):
            nodes.master("RPUSH", "queue", "end")
        time.sleep(0.001)
    assert len(taken) == len(set(taken))
    assert count - len(lost) <= len(taken) <= count


# ---- transactions --------------------------------------------------------------------------------------------


def test_transactions_conflict_across_nodes(nodes):
    one, other = nodes.replicas[0].connect(), nodes.replicas[1].connect()
    there = nodes.master.connect()
    for writer in (other, there):
        one("SET", "k", "0")
        assert one("WATCH", "k") == "OK"
        assert one("GET", "k") == b"0"
        assert writer("SET", "k", "1") == "OK"
        assert one.pipeline([("MULTI",), ("SET", "k", "2"), ("EXEC",)]) == ["OK", "QUEUED", None]
        assert one("GET", "k") == b"1"
    assert one.pipeline([("WATCH", "k"), ("MULTI",), ("INCR", "k"), ("GET", "k"), ("EXEC",)])[-1] == [2, b"2"]
    for connection in (one, other, there):
        connection.close()


def test_counters_are_right_when_all_nodes_watch_and_set(nodes):
    rounds = 100 // SLOWER

    def add(server):
        with server.connect() as client:
            for _ in range(rounds):
                while True:
                    client("WATCH", "counter")
                    value = int(client("GET", "counter") or 0)
                    if client.pipeline([("MULTI",), ("SET", "counter", value + 1), ("EXEC",)])[-1] == ["OK"]:
                        break

    threads = [threading.Thread(target=add, args=(server,)) for server in [nodes.master, *nodes.replicas] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert nodes.master("GET", "counter") == b"%d" % (rounds * 6)


def test_a_read_under_watch_sees_what_the_master_has(nodes, replica):
    """However far behind the replica is, what its client reads is not older than what the master watches."""
    with replica.connect() as here, nodes.master.connect() as there:
        for i in range(300 // SLOWER):
            there("SET", "k", i)
            assert here.pipeline([("WATCH", "k"), ("GET", "k"), ("UNWATCH",)]) == ["OK", b"%d" % i, "OK"]


def test_watches_end_as_they_do_at_a_master(nodes, replica):
    with replica.connect() as here, nodes.master.connect() as there:

        def watched():
            return sum(b"watch=0" not in line for line in there("CLIENT", "LIST").splitlines())

        for end in (["UNWATCH"], ["RESET"], ["MULTI", "DISCARD"], ["MULTI", "EXEC"], ["MULTI", "NONSENSE", "EXEC"], ["MULTI", "RESET"]):
            here("WATCH", "a", "b")
            assert watched() == 1, end
            for word in end:
                here(word)
            assert watched() == 0, end
            there("SET", "a", "x")
            assert here.pipeline([("MULTI",), ("SET", "a", "y"), ("EXEC",)])[-1] == ["OK"], end
        here("WATCH", "a")
    eventually(lambda: b"watch=1" not in nodes.master("CLIENT", "LIST"))


def test_transactions_that_only_read_stay_here(nodes, replica):
    with replica.connect() as here:
        here("SET", "k", "v")
        before = forward(replica)["commands"]
        assert here.pipeline([("MULTI",), ("GET", "k"), ("STRLEN", "k"), ("EXEC",)]) == ["OK", "QUEUED", "QUEUED", [b"v", 1]]
        assert forward(replica)["commands"] == before


def test_a_transaction_does_not_act_upon_the_connection_to_the_master(nodes, replica):
    with replica.connect() as here:
        for command in (["CLIENT", "SETNAME", "x"], ["CONFIG", "SET", "timeout", "1"], ["HELLO", "3"], ["CLIENT", "TRACKING", "ON"]):
            replies = here.pipeline([("MULTI",), command, ("SET", "k", "v"), ("EXEC",)])
            assert replies[:3] == ["OK", "QUEUED", "QUEUED"] and replies[3].startswith("EXECABORT"), replies
            here("WATCH", "k")
            replies = here.pipeline([("MULTI",), command, ("SET", "k", "v"), ("EXEC",)])
            assert replies[3].startswith("EXECABORT"), replies
            assert here("GET", "k") is None
    assert nodes.master.config("timeout") == "0"


# ---- the master is away ----------------------------------------------------------------------------------------

DURABLE = {"appendonly": "yes", "appendfsync": "always"}


class Incrementer(threading.Thread):
    """A client that adds to a counter of its own until it is told to stop; counts what it was told."""

    def __init__(self, server, key):
        super().__init__()
        self.server, self.key = server, key
        self.stopping = False
        self.added, self.uncertain, self.failed = 0, 0, []
        self.start()

    def run(self):
        with self.server.connect(timeout=60) as client:
            while not self.stopping:
                reply = client("INCR", self.key)
                if isinstance(reply, Error):
                    self.uncertain += reply.code == "UNCERTAIN"
                    self.failed += [] if reply.code == "UNCERTAIN" else [reply]
                else:
                    self.added += 1
                    value = client("GET", self.key)
                    if value != b"%d" % reply:
                        self.failed.append((reply, value))

    def stop(self):
        self.stopping = True
        self.join()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_writes_wait_while_the_master_restarts(start_server, how):
    nodes = Nodes(start_server, master_settings=DURABLE)
    clients = [Incrementer(replica, "n%d" % i) for i, replica in enumerate(nodes.replicas * 8)]
    for _ in range(3):
        before = sum(client.added for client in clients)
        eventually(lambda: sum(client.added for client in clients) > before + 50)
        nodes.master.signal(how)
        nodes.master.process.wait(SECONDS)
        nodes.restart_master()
        nodes.wait_up()
    before = sum(client.added for client in clients)
    eventually(lambda: sum(client.added for client in clients) > before + 50)
    for client in clients:
        client.stop()
    for i, client in enumerate(clients):
        assert client.failed == []
        assert client.added <= int(nodes.master("GET", "n%d" % i)) <= client.added + client.uncertain
    nodes.master.stop()


def test_a_write_fails_after_forward_timeout(start_server):
    nodes = Nodes(start_server, replicas=1, forward_timeout=300)
    replica = nodes.replicas[0]
    with replica.connect() as here:
        here("SET", "k", "v")
        nodes.master.stop()
        began = time.monotonic()
        replies = here.pipeline([("SET", "k", "w"), ("GET", "k"), ("LPUSH", "l", "x"), ("PING",)])
        assert [reply.code if isinstance(reply, Error) else reply for reply in replies] == ["MASTERDOWN", b"v", "MASTERDOWN", "PONG"]
        assert "has not run" in replies[0]
        assert 0.6 <= time.monotonic() - began < 2 * SLOWER
        assert forward(replica)["timed_out"] == 2
        replica.config("forward-timeout", "60000")
        here.send(encode("SET", "k", "x") + encode("GET", "k"))
        assert here.is_quiet(0.5)
        assert forward(replica)["waiting"] == 1
        nodes.restart_master()
        assert [here.read(), here.read()] == ["OK", b"x"]


def stand_still(server):
    """Stops all its threads."""
    server.freeze()
    tasks = "/proc/%d/task" % server.pid

    def state(task):
        with open("%s/%s/stat" % (tasks, task)) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    eventually(lambda: all(state(task) == "T" for task in os.listdir(tasks)))


def test_what_a_master_that_stands_still_was_sent_is_uncertain(start_server):
    nodes = Nodes(start_server, replicas=1, forward_timeout=300)
    with nodes.replicas[0].connect() as here:
        here("SET", "k", "v")
        stand_still(nodes.master)
        try:
            reply = here("SET", "k", "w")
            assert reply.code == "UNCERTAIN" and "may have run" in reply
            assert here("GET", "k") == b"v"
            assert forward(nodes.replicas[0])["uncertain"] == 1
        finally:
            nodes.master.thaw()
        eventually(lambda: not isinstance(here("SET", "k", "x"), Error))
        assert here("GET", "k") == b"x"


def test_watches_are_void_when_the_master_was_lost(start_server):
    nodes = Nodes(start_server, replicas=1, master_settings=DURABLE)
    with nodes.replicas[0].connect() as here:
        here("SET", "k", "v")
        for commands in ([], ["MULTI"], ["MULTI", "SET k w"]):
            assert here("WATCH", "k") == "OK"
            for command in commands:
                here.ask(command)
            nodes.master.kill()
            nodes.restart_master()
            nodes.wait_up()
            for command in ["MULTI", "SET k w"][len(commands) :]:
                here.ask(command)
            assert here("EXEC") is None
            assert here("GET", "k") == b"v"
        assert here.pipeline([("WATCH", "k"), ("MULTI",), ("SET", "k", "v"), ("EXEC",)])[-1] == ["OK"]
    nodes.master.stop()


def test_a_transaction_without_watches_survives_a_restart_of_the_master(start_server):
    nodes = Nodes(start_server, replicas=1, master_settings=DURABLE)
    with nodes.replicas[0].connect() as here:
        assert here.pipeline([("SET", "k", "1"), ("MULTI",), ("INCR", "k")]) == ["OK", "OK", "QUEUED"]
        nodes.master.kill()
        nodes.restart_master()
        assert here.pipeline([("INCR", "k"), ("EXEC",)]) == ["QUEUED", [2, 3]]
    nodes.master.stop()


def test_a_master_that_loads_runs_nothing_twice_and_nothing_out_of_order(start_server):
    nodes = Nodes(start_server, replicas=1, master_settings={**DURABLE, "key_load_delay": 2000})
    with nodes.replicas[0].connect() as here:
        here.pipeline([("SET", "filler%d" % i, "x") for i in range(500)])
        nodes.master.kill()
        nodes.restart_master()
        assert [here.read() for _ in [here.send(encode("RPUSH", "l", i)) for i in range(100)]] == list(range(1, 101))
        assert here("LRANGE", "l", 0, -1) == [b"%d" % i for i in range(100)]
    nodes.master.stop()


class Draining(Wire):
    """Before a master that refuses what is forwarded to it for a while, as one does that is about to end. It ends a connection
    between two batches (each has write-offset at its end), so that nothing is under way."""

    def __init__(self, port):
        self.draining, self.refused = False, 0
        super().__init__(port)

    def serve(self, sock, number):
        if not self.draining:
            super().serve(sock, number)
            return
        file = sock.makefile("rb")
        command = FakeMaster._read(file)
        while command is not None:
            sock.sendall(self._reply(command))
            if not self.draining and command[:2] == [b"REPLCONF", b"write-offset"]:
                return
            command = FakeMaster._read(file)

    def _reply(self, command):
        if command[:2] == [b"REPLCONF", b"write-offset"]:
            return b"*2\r\n$40\r\n" + b"0" * 40 + b"\r\n:0\r\n"
        if command[0] in (b"REPLCONF", b"SELECT", b"MULTI"):
            return b"+OK\r\n"
        self.refused += 1
        return b"-DRAINING The master is about to end\r\n" if command[0] != b"EXEC" else b"-EXECABORT Transaction discarded\r\n"


def test_what_a_draining_master_refuses_is_sent_again(start_server):
    master = start_server(repl_diskless_sync_delay=0)
    with Draining(master.port) as wire:
        replica = start_server(replicaof=["127.0.0.1", wire.port], replica_forward="yes")
        eventually(lambda: is_up(replica), replica.log)
        wire.draining = True  # the link is there; what comes from here on is refused
        with replica.connect() as here:
            for i in range(10):
                here.send(encode("RPUSH", "l", i))
            here.send(b"".join(map(lambda command: encode(*command), [("MULTI",), ("RPUSH", "l", 10), ("LLEN", "l"), ("EXEC",)])))
            eventually(lambda: wire.refused > 30)
            wire.draining = False
            assert [here.read() for _ in range(14)] == [*range(1, 11), "OK", "QUEUED", "QUEUED", [11, 11]]
            assert here("LRANGE", "l", 0, -1) == [b"%d" % i for i in range(11)]
        assert forward(replica)["refused"] == forward(replica)["uncertain"] == 0


# ---- what a client may ask for --------------------------------------------------------------------------------


def test_replies_that_are_not_wanted_do_not_come(replica):
    with replica.connect() as here:
        here.send(encode("CLIENT", "REPLY", "SKIP") + encode("SET", "k", "1") + encode("GET", "k"))
        assert here.read() == b"1"
        here.send(encode("CLIENT", "REPLY", "OFF") + encode("SET", "k", "2") + encode("GET", "k") + encode("INCR", "k"))
        here.send(encode("CLIENT", "REPLY", "ON") + encode("GET", "k"))
        assert [here.read(), here.read()] == ["OK", b"3"]


def test_a_killed_client_loses_its_pop(nodes, replica):
    with replica.connect() as here:
        number = here("CLIENT", "ID")
        here.send(encode("BLPOP", "queue", 0))
        eventually(lambda: waiting(nodes.master) == 1)
        assert replica("CLIENT", "KILL", "ID", number) == 1
        with pytest.raises((Closed, ConnectionResetError)):
            here.read()
        eventually(lambda: waiting(nodes.master) == 0)


def test_a_pause_holds_what_would_be_carried(nodes, replica):
    with replica.connect() as here, replica.connect() as other:
        other("CLIENT", "PAUSE", 60000, "WRITE")
        here.send(encode("SET", "k", "v") + encode("GET", "k"))
        assert here.is_quiet(0.2)
        assert nodes.master("GET", "k") is None
        other("CLIENT", "UNPAUSE")
        assert [here.read(), here.read()] == ["OK", b"v"]


def test_client_side_caching_is_told_of_writes_and_keeps_nothing_that_was_read_elsewhere(nodes, replica):
    with replica.connect() as here, nodes.replicas[1].connect() as other:
        here("HELLO", 3)
        here("CLIENT", "TRACKING", "ON")
        here("SET", "k", "1")
        assert here("GET", "k") == b"1"
        other("SET", "k", "2")
        assert here.read() == Push([b"invalidate", [b"k"]])
        here("WATCH", "k")
        assert here("GET", "k") == b"2"
        assert here.read() == Push([b"invalidate", None])
        assert here("UNWATCH") == "OK"


def test_published_messages_reach_subscribers_of_all_nodes(nodes):
    subscribers = [server.connect() for server in [nodes.master, *nodes.replicas]]
    for subscriber in subscribers:
        subscriber("SUBSCRIBE", "channel")
    for i, server in enumerate([nodes.master, *nodes.replicas]):
        server("PUBLISH", "channel", i)
    for subscriber in subscribers:
        assert sorted(subscriber.read() for _ in range(3)) == [[b"message", b"channel", b"%d" % i] for i in range(3)]
        subscriber.close()


def test_the_master_shows_who_forwards(nodes, replica):
    with replica.connect() as here:
        here.send(encode("SET", "k", "v") + encode("BLPOP", "queue", 0))
        eventually(lambda: waiting(nodes.master) == 1)
        address = "%s:%d" % here.sock.getsockname()
        lines = nodes.master("CLIENT", "LIST").decode().splitlines()
        names = [line.split(" name=")[1].split()[0] for line in lines]
        node = replica.info("server")["run_id"][:12]
        assert "forward@%s" % node in names and "forward@%s,%s" % (node, address) in names, names


def test_the_master_is_given_its_password(start_server):
    nodes = Nodes(start_server, replicas=0, master_settings={"requirepass": "secret"})
    replica = start_server(replicaof=["127.0.0.1", nodes.master.port], replica_forward="yes", forward_timeout=500, masterauth="secret")
    eventually(lambda: is_up(replica), replica.log)
    with replica.connect() as here:
        assert here.pipeline([("SET", "k", "v"), ("GET", "k"), ("BLPOP", "l", "0.01")]) == ["OK", b"v", None]
        replica.config("masterauth", "wrong")
        with nodes.master.connect() as there:
            there("AUTH", "secret")
            assert there("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") >= 1
        assert here("SET", "k", "w").code == "MASTERDOWN"
        assert "it refuses: WRONGPASS" in replica.log()


def test_reads_are_carried_while_the_replica_may_not_answer_them(start_server):
    """Its link is cut, and replica-serve-stale-data says no; the way for what is forwarded is open."""
    master = start_server(repl_diskless_sync_delay=0)
    with Wire(master.port) as wire:
        replica = start_server(
            replicaof=["127.0.0.1", wire.port], replica_forward="yes", replica_serve_stale_data="no", forward_timeout=60000
        )
        eventually(lambda: is_up(replica), replica.log)
        with replica.connect() as here:
            here("SET", "k", "1")
            assert here.pipeline([("GET", "k"), ("MULTI",), ("GET", "k"), ("EXEC",)]) == [b"1", "OK", "QUEUED", [b"1"]]
            assert master("CLIENT", "KILL", "TYPE", "replica") == 1
            master("SET", "k", "2")
            assert here("GET", "k") == b"2"


def test_a_replica_that_does_not_forward_refuses_writes(start_server):
    nodes = Nodes(start_server, replicas=1, replica_forward="no")
    replica = nodes.replicas[0]
    with replica.connect() as here:
        readonly = "READONLY You can't write against a read only replica."
        assert here("SET", "k", "v") == readonly
        replica.config("replica-forward", "yes")
        assert here.pipeline([("SET", "k", "v"), ("GET", "k")]) == ["OK", b"v"]
        replica.config("replica-forward", "no")
        assert here.pipeline([("SET", "k", "w"), ("GET", "k")]) == [readonly, b"v"]
        replica.config("replica-forward", "auto")  # no roster
        assert here("SET", "k", "w") == readonly


def test_a_node_that_is_promoted_runs_commands_itself(start_server):
    nodes = Nodes(start_server, replicas=2)
    one, other = nodes.replicas
    with one.connect() as here, other.connect() as there:
        assert here("SET", "k", "1") == "OK"
        assert there("SET", "j", "1") == "OK"
        assert here("REPLICAOF", "NO", "ONE") == "OK"
        assert there("REPLICAOF", "127.0.0.1", one.port) == "OK"
        assert here("INCR", "k") == 2
        assert nodes.master("GET", "k") == b"1"
        assert there("INCR", "k") == 3
        assert here("GET", "k") == b"3"
        assert nodes.master("GET", "k") == b"1"


def test_writes_pass_through_a_chain(start_server):
    nodes = Nodes(start_server, replicas=1)
    last = start_server(replicaof=["127.0.0.1", nodes.replicas[0].port], replica_forward="yes")
    eventually(lambda: is_up(last), last.log)
    with last.connect() as here:
        for i in range(100):
            assert here.pipeline([("SET", "k", i), ("GET", "k")]) == ["OK", b"%d" % i]
        assert nodes.master("GET", "k") == b"99"
        assert here("WAIT", 1, 0) == 1


# ---- many, and other programs ------------------------------------------------------------------------------------


def test_a_thousand_clients_share_a_few_connections(nodes, replica):
    clients = [replica.connect() for _ in range(1000)]
    for round_ in range(3):
        for number, client in enumerate(clients):
            client.send(encode("INCR", "n%d" % number) + encode("GET", "n%d" % number))
        for client in clients:
            assert [client.read(), client.read()] == [round_ + 1, b"%d" % (round_ + 1)]
    assert forward(replica)["connections"] <= 2
    for client in clients:
        client.close()


def test_a_thousand_clients_wait_at_the_master(nodes, replica):
    clients = [replica.connect() for _ in range(1000)]
    for number, client in enumerate(clients):
        client.send(encode("BLPOP", "q%d" % number, 0))
    eventually(lambda: waiting(nodes.master) == 1000)
    with nodes.replicas[1].connect() as other:
        other.pipeline([("RPUSH", "q%d" % number, number) for number in range(1000)])
    for number, client in enumerate(clients):
        assert client.read() == [b"q%d" % number, b"%d" % number]
        client.close()
    eventually(lambda: forward(replica)["connections"] <= 2 * (16 + 1))  # a pool for each loop, and one that is shared


def test_python_redis_works_at_a_replica(replica):
    redis = pytest.importorskip("redis")
    client = redis.Redis(port=replica.port, socket_timeout=SECONDS)
    assert client.set("k", 1) and client.incr("k") == 2 and client.get("k") == b"2"
    with client.pipeline() as pipe:
        pipe.watch("k")
        pipe.multi()
        pipe.incr("k").get("k")
        assert pipe.execute() == [3, b"3"]

    def add(pipe):
        value = int(pipe.get("k"))
        pipe.multi()
        pipe.set("k", value + 1)

    assert client.transaction(add, "k") == [True] and client.get("k") == b"4"
    client.rpush("l", "a")
    assert client.blpop("l", 1) == (b"l", b"a")
    assert client.set("lock", "me", nx=True, px=10_000) and not client.set("lock", "other", nx=True)
    client.close()


def test_redis_cli_works_at_a_replica(replica, redis_cli):
    script = "SET k 1\nINCR k\nMULTI\nINCR k\nEXEC\nGET k\nLPUSH l a\nBLPOP l 1\n"
    done = subprocess.run([redis_cli, "-p", str(replica.port)], input=script, capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout.split() == ["OK", "2", "OK", "QUEUED", "3", "3", "1", "l", "a"], done.stdout + done.stderr
