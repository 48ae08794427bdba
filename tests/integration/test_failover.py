"""FAILOVER: a master hands its role to a replica, and nothing that was acknowledged is lost; and all that may keep it from that."""

import threading

import pytest

from harness.ports import free_port
from harness.redis import RedisServer
from harness.resp import Error
from harness.wait import eventually

pytestmark = pytest.mark.usefixtures("ordinal")


def replication(server):
    return server.info("replication")


def state(server):
    return replication(server)["master_failover_state"]


def is_level(master, replica):
    info = replication(replica)
    return info["master_link_status"] == "up" and info["slave_repl_offset"] == replication(master)["master_repl_offset"]


def wait_level(master, *replicas):
    for replica in replicas:
        eventually(lambda of=replica: is_level(master, of), replica.log)


def wait_over(server, role):
    eventually(lambda: state(server) == "no-failover", server.log)
    assert replication(server)["role"] == role, server.log()


def sync_counts(server):
    stats = server.info("stats")
    return int(stats["sync_full"]), int(stats["sync_partial_ok"])


@pytest.fixture
def start_pair(start_server):
    """A function that starts a master and a replica which follows it."""

    def start(**settings):
        master = start_server(repl_diskless_sync_delay=0, **settings)
        replica = start_server(repl_diskless_sync_delay=0, replicaof="127.0.0.1 %d" % master.port, **settings)
        wait_level(master, replica)
        return master, replica

    return start


@pytest.fixture
def pair(start_pair):
    return start_pair()


class Counter(threading.Thread):
    """Increments a number at a server until it is told to stop, or is refused."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client, self.over, self.acknowledged, self.refused = server.connect(), threading.Event(), 0, None
        self.start()

    def run(self):
        while not self.over.is_set():
            reply = self.client("INCR", "counter")
            if isinstance(reply, Error):
                self.refused = str(reply)
                return
            self.acknowledged = reply


@pytest.mark.parametrize("named", [False, True])
def test_the_roles_are_exchanged_and_nothing_is_lost(start_pair, start_server, named):
    master, replica = start_pair(replica_forward="no")
    third = start_server(replicaof="127.0.0.1 %d" % master.port)
    wait_level(master, third)
    counter = Counter(master)
    eventually(lambda: counter.acknowledged > 100)
    if not named:
        third.freeze()  # only one can have everything
        before = counter.acknowledged
        eventually(lambda: counter.acknowledged > before + 100)
    assert master("FAILOVER", *(("TO", "127.0.0.1", replica.port) if named else ())) == "OK"
    wait_over(master, "slave")
    third.thaw()
    counter.join(20)
    assert counter.refused == "READONLY You can't write against a read only replica."
    assert replication(replica)["role"] == "master"
    assert replica("GET", "counter") == b"%d" % counter.acknowledged
    wait_level(replica, master)
    assert sync_counts(replica) == (0, 1)
    assert third("REPLICAOF", "127.0.0.1", replica.port) == "OK"
    wait_level(replica, third)
    assert sync_counts(replica) == (0, 2)
    assert replica("SET", "after", "x") == "OK"
    wait_level(replica, master, third)
    assert master("GET", "after") == third("GET", "after") == b"x"


def test_what_was_held_back_goes_to_the_new_master(start_pair):
    master, replica = start_pair(replica_forward="yes")
    counter = Counter(master)
    eventually(lambda: counter.acknowledged > 100)
    assert master("FAILOVER") == "OK"
    wait_over(master, "slave")
    before = counter.acknowledged
    eventually(lambda: counter.acknowledged > before + 100)
    counter.over.set()
    counter.join(20)
    assert counter.refused is None
    assert replica("GET", "counter") == b"%d" % counter.acknowledged


def test_a_redis_server_takes_over(start_server, tmp_path):
    (tmp_path / "redis").mkdir()
    master = start_server(repl_diskless_sync_delay=0)
    replica = RedisServer(tmp_path / "redis", replicaof="127.0.0.1 %d" % master.port)
    try:
        eventually(lambda: replication(replica)["master_link_status"] == "up")
        assert master("SET", "k", "v") == "OK"
        assert master("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 20000) == "OK"
        wait_over(master, "slave")
        assert replication(replica)["role"] == "master"
        assert replica("INCR", "n") == 1
        eventually(lambda: master("GET", "n") == b"1", master.log)
        assert sync_counts(replica) == (0, 1)
    finally:
        replica.kill()


def test_a_redis_server_hands_over(start_server, tmp_path):
    (tmp_path / "redis").mkdir()
    master = RedisServer(tmp_path / "redis", repl_diskless_sync_delay=0)
    try:
        assert master("SET", "k", "v") == "OK"
        replica = start_server(replicaof="127.0.0.1 %d" % master.port)
        eventually(lambda: replication(replica)["master_link_status"] == "up")
        assert master("FAILOVER") == "OK"
        eventually(lambda: replication(master)["role"] == "slave" and state(master) == "no-failover")
        assert replication(replica)["role"] == "master"
        assert replica("SET", "k", "w") == "OK"
        eventually(lambda: master("GET", "k") == b"w")
        assert sync_counts(replica) == (0, 1)
    finally:
        master.kill()


def test_a_replica_that_does_not_catch_up_is_given_up(pair):
    master, replica = pair
    replica.freeze()
    assert master("SET", "k", 1) == "OK"
    with master.connect() as writer:
        assert master("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 300) == "OK"
        assert state(master) == "waiting-for-sync"
        writer.send(b"SET k 2\r\n")
        assert master("GET", "k") == b"1"  # reads go on
        wait_over(master, "master")
        assert writer.read() == "OK"
    replica.thaw()
    wait_level(master, replica)
    assert "aborted: Replica never caught up before timeout" in master.log()
    assert sync_counts(master) == (1, 0)


def test_it_can_be_called_off(pair):
    master, replica = pair
    assert master("FAILOVER", "ABORT") == Error("ERR No failover in progress.")
    replica.freeze()
    assert master("SET", "k", 1) == "OK"
    with master.connect() as writer:
        assert master("FAILOVER") == "OK"
        writer.send(b"SET k 2\r\n")
        assert master("FAILOVER") == Error("ERR FAILOVER already in progress.")
        assert master("REPLICAOF", "NO", "ONE") == Error("ERR REPLICAOF not allowed while failing over.")
        assert master("PSYNC", "?", -1) == Error("NOMASTERLINK Can't SYNC while failing over")
        assert master("CLIENT", "UNPAUSE") == "OK"
        assert master("GET", "k") == b"1"  # it is no pause of a client
        assert master("FAILOVER", "ABORT") == "OK"
        assert writer.read() == "OK"
    assert state(master) == "no-failover"
    replica.thaw()
    wait_level(master, replica)


def test_a_pause_of_a_client_lasts_beyond_it(pair):
    master, replica = pair
    replica.freeze()
    assert master("SET", "k", 1) == "OK"
    with master.connect() as writer:
        assert master("FAILOVER") == "OK"
        assert master("CLIENT", "PAUSE", 100000, "WRITE") == "OK"
        assert master("FAILOVER", "ABORT") == "OK"
        writer.send(b"SET k 2\r\n")
        eventually(lambda: b"flags=b" in master("CLIENT", "LIST"))
        assert master("GET", "k") == b"1"
        assert master("CLIENT", "UNPAUSE") == "OK"
        assert writer.read() == "OK"
    replica.thaw()


def test_by_force_a_replica_takes_over_that_has_less(pair):
    master, replica = pair
    replica.freeze()
    assert master("SET", "k", 1) == "OK"
    assert master("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 200, "FORCE") == "OK"
    eventually(lambda: state(master) == "failover-in-progress", master.log)
    assert replication(master)["role"] == "slave"  # and there is no other master yet
    replica.thaw()
    wait_over(master, "slave")
    assert replication(replica)["role"] == "master"
    wait_level(replica, master)
    assert "time out exceeded, failing over." in master.log()


def test_a_target_that_refuses_leaves_the_master_what_it_is(pair):
    master, replica = pair
    assert replica("CONFIG", "SET", "requirepass", "secret") == "OK"
    assert master("SET", "k", 1) == "OK"
    counter = Counter(master)
    eventually(lambda: counter.acknowledged > 100)
    assert master("FAILOVER") == "OK"
    eventually(lambda: "aborted: Failover target rejected psync request" in master.log(), master.log)
    wait_over(master, "master")
    before = counter.acknowledged
    eventually(lambda: counter.acknowledged > before + 100)
    counter.over.set()
    counter.join(20)
    assert counter.refused is None
    with replica.connect() as client:
        assert client("AUTH", "secret") == "OK"
        eventually(lambda: client("GET", "counter") == b"%d" % counter.acknowledged, replica.log)


def test_what_is_refused(pair, start_server):
    master, replica = pair
    host, port = "127.0.0.1", replica.port
    syntax = Error("ERR syntax error")
    number = Error("ERR value is not an integer or out of range")
    assert start_server()("FAILOVER") == Error("ERR FAILOVER requires connected replicas.")
    assert replica("FAILOVER") == Error("ERR FAILOVER is not valid when server is a replica.")
    assert master("FAILOVER", "TO", "nowhere", port) == Error("ERR FAILOVER target HOST and PORT is not a replica.")
    assert master("FAILOVER", "TO", host, port + 1) == Error("ERR FAILOVER target HOST and PORT is not a replica.")
    assert master("FAILOVER", "TO", host, "x") == number
    assert master("FAILOVER", "TIMEOUT", "x") == number
    assert master("FAILOVER", "TIMEOUT", 0) == Error("ERR FAILOVER timeout must be greater than 0")
    force = Error("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
    assert master("FAILOVER", "FORCE") == master("FAILOVER", "FORCE", "TIMEOUT", 100) == force
    assert master("FAILOVER", "TO", host, port, "FORCE") == force
    for words in (["TO"], ["TO", host], ["TIMEOUT"], ["ABORT", "FORCE"], ["FORCE", "FORCE"], ["TO", host, port, "TO", host, port]):
        assert master("FAILOVER", *words) == syntax
    identity = replication(master)["master_replid"]
    assert master("PSYNC", identity, 1, "FAILOVER") == Error("ERR PSYNC FAILOVER can't be sent to a master.")
    assert replica("PSYNC", "a" * 40, 1, "FAILOVER") == Error("ERR PSYNC FAILOVER replid must match my replid.")
    assert state(master) == state(replica) == "no-failover"


def test_not_in_a_roster(start_server):
    port = free_port()
    nodes = "127.0.0.1:%d,127.0.0.1:%d" % (port, free_port())
    node = start_server(port=port, roster=nodes, roster_self=0, recovery_timeout=1)
    eventually(lambda: isinstance(node("GET", "k"), type(None)), node.log)
    assert node("FAILOVER") == Error("ERR FAILOVER not allowed in a roster: its ordinal 0 is the master.")
