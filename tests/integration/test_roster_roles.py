"""Nodes of a roster: who is the master, what it takes over when it starts, whom it waits for, and for how long."""

import shutil
import threading
import time

import pytest

from harness import server as harness
from harness.ports import free_port
from harness.resp import Closed, Error

LEASE = 400 if not harness.is_sanitized() else 1500
DEADLINE = 20 if not harness.is_sanitized() else 60


def eventually(what, why=""):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            if what():
                return
        except (OSError, EOFError, Closed):
            pass
        time.sleep(0.01)
    raise AssertionError("not within %d s: %s" % (DEADLINE, why))


def is_error(reply, code):
    assert isinstance(reply, Error), reply
    return reply.code == code


def own_keys(node):
    """How many keys the node itself has: what it may not read it would ask the master for."""
    return int(node.info("keyspace").get("db0", "keys=0").split("keys=")[1].split(",")[0])


class Roster:
    """Nodes that know each other by the setting `roster`."""

    def __init__(self, folder, count, **settings):
        self.folder = folder
        self.ports = [free_port() for _ in range(count)]
        self.settings = {"roster": ",".join("127.0.0.1:%d" % port for port in self.ports), "loops": 2}
        self.settings.update({"read-lease": LEASE, "recovery-timeout": DEADLINE * 1000})
        self.settings.update({name.replace("_", "-"): value for name, value in settings.items()})
        self.nodes = [None] * count

    def start(self, *ordinals, **settings):
        for ordinal in ordinals:
            directory = self.folder / str(ordinal)
            directory.mkdir(exist_ok=True)
            own = {**self.settings, "port": self.ports[ordinal], "roster-self": ordinal}
            own.update({name.replace("_", "-"): value for name, value in settings.items()})
            self.nodes[ordinal] = harness.Server(directory, own, ready=False)

    def wipe(self, ordinal):
        shutil.rmtree(self.folder / str(ordinal))

    def replicas_online(self):
        return self.nodes[0].info("replication")["connected_slaves"], str(self.nodes[0]("INFO", "replication")).count("state=online")

    def wait_in_sync(self):
        """Every node but the first follows it, and has all it has."""
        others = len([node for node in self.nodes[1:] if node is not None and node.alive()])
        eventually(lambda: self.replicas_online()[1] == others, "%d replicas online" % others)
        eventually(lambda: self.nodes[0]("WAIT", others, 1000) == others, "all acknowledge")

    def stop(self):
        failures = []
        for node in self.nodes:
            if node is not None:
                node.thaw()
                try:
                    node.stop()
                except AssertionError as failure:
                    failures.append(failure)
        if failures:
            raise failures[0]


@pytest.fixture
def roster(tmp_path):
    made = []

    def make(count=3, **settings):
        made.append(Roster(tmp_path, count, **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def fill(node, count=500):
    with node.connect() as client:
        for number in range(count):
            client("SET", "key:%d" % number, number)


# ---- roles and recovery ------------------------------------------------------------------------------------------------


def test_ordinal_0_is_the_master_and_the_others_follow_it(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    assert r.nodes[0].info("replication")["role"] == "master"
    for node in r.nodes[1:]:
        assert node.info("replication")["role"] == "slave"
        assert node.info("replication")["master_port"] == str(r.ports[0])
    assert r.nodes[0]("SET", "a", "1") == "OK"
    assert [node("GET", "a") for node in r.nodes] == [b"1"] * 3


def test_an_empty_master_takes_what_the_others_have(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    fill(r.nodes[0])
    r.nodes[0].kill()
    r.wipe(0)
    r.start(0)
    eventually(lambda: r.nodes[0]("DBSIZE") == 500, "the master has what it had")
    r.wait_in_sync()
    assert [node("DBSIZE") for node in r.nodes] == [500] * 3
    assert "has a newer history" in r.nodes[0].log()
    assert "Full resync from master" not in r.nodes[1].log().split("Connection with master lost")[-1]  # it goes on where it was


def test_a_master_with_an_old_disk_takes_the_newer_history(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    fill(r.nodes[0], 10)
    assert r.nodes[0]("SAVE") == "OK"
    fill(r.nodes[0], 300)
    r.nodes[0].kill()
    r.start(0)
    eventually(lambda: r.nodes[0]("DBSIZE") == 300, "the newer history")
    assert r.nodes[1]("DBSIZE") == 300


def test_a_master_with_the_newest_disk_keeps_it(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    fill(r.nodes[0], 300)
    assert r.nodes[0]("SAVE") == "OK"
    r.nodes[1].kill()
    r.nodes[0].kill()
    r.wipe(1)
    r.start(1, 0)
    eventually(lambda: r.nodes[0]("DBSIZE") == 300, "what the disk has")
    eventually(lambda: r.nodes[1]("DBSIZE") == 300, "the empty replica")


def test_members_that_do_not_answer_are_waited_for(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    fill(r.nodes[0], 100)
    r.nodes[0].kill()
    r.wipe(0)
    r.nodes[1].freeze()
    r.start(0)
    eventually(lambda: r.nodes[0]("INFO", "server"), "it answers")
    for command in (("GET", "key:1"), ("SET", "key:1", "x")):
        assert is_error(r.nodes[0](*command), "LOADING")
    r.nodes[1].thaw()
    eventually(lambda: r.nodes[0]("DBSIZE") == 100, "what the other has")


def test_it_serves_without_them_after_the_recovery_timeout(roster):
    r = roster(2, recovery_timeout=700)
    r.start(0)
    eventually(lambda: r.nodes[0]("SET", "a", "1") == "OK", "it serves alone")
    assert "did not answer within recovery-timeout" in r.nodes[0].log()


def test_a_master_that_comes_back_empty_and_alone_empties_nobody(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    fill(r.nodes[0], 100)
    r.nodes[0].kill()
    r.wipe(0)
    r.nodes[1].freeze()
    r.start(0, recovery_timeout=300)
    eventually(lambda: "serving without them" in r.nodes[0].log(), "it serves without the other")
    r.nodes[1].thaw()
    eventually(lambda: "history is older than this node's" in r.nodes[1].log(), "the other refuses to follow")
    eventually(lambda: r.nodes[0]("DBSIZE") == 100, "the master asks again")
    assert own_keys(r.nodes[1]) == 100


def test_one_that_was_written_to_meanwhile_is_left_to_people(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    fill(r.nodes[0], 100)
    r.nodes[0].kill()
    r.wipe(0)
    r.nodes[1].freeze()
    r.start(0, recovery_timeout=300)
    eventually(lambda: r.nodes[0]("SET", "other", "1") == "OK", "it serves without the other")
    r.nodes[1].thaw()
    eventually(lambda: "has to be given up by hand" in r.nodes[0].log(), "the master says so")
    assert own_keys(r.nodes[1]) == 100
    assert own_keys(r.nodes[0]) == 1


# ---- acknowledgements and leases ---------------------------------------------------------------------------------------


def test_a_write_is_seen_on_every_node_once_it_is_acknowledged(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    with r.nodes[0].connect() as writer, r.nodes[1].connect() as one, r.nodes[2].connect() as two:
        for number in range(300):
            assert writer("SET", "k", number) == "OK"
            assert int(one("GET", "k")) == int(two("GET", "k")) == number


def test_a_stopped_replica_holds_writes_up_for_its_lease_and_no_longer(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    with r.nodes[0].connect() as writer:
        assert writer("SET", "k", "before") == "OK"
        r.nodes[2].freeze()
        began = time.monotonic()
        assert writer("SET", "k", "after") == "OK"
        took = time.monotonic() - began
        assert 0.5 * LEASE / 1000 < took < 3 * LEASE / 1000 + 1
        began = time.monotonic()
        assert writer("SET", "k", "again") == "OK"
        assert time.monotonic() - began < LEASE / 1000
        assert r.nodes[1]("GET", "k") == b"again"
    r.nodes[2].thaw()
    eventually(lambda: r.nodes[2]("GET", "k") == b"again", "it has caught up")


def test_other_clients_and_reads_go_on_while_a_write_waits(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    with r.nodes[0].connect() as writer, r.nodes[0].connect() as reader:
        assert writer("SET", "k", "1") == "OK"
        r.nodes[1].freeze()
        thread = threading.Thread(target=writer, args=("SET", "k", "2"))
        thread.start()
        eventually(lambda: reader("GET", "k") == b"2", "the write is done, and not acknowledged")
        assert reader("PING") == "PONG"
        thread.join(DEADLINE)
        assert not thread.is_alive()
    r.nodes[1].thaw()


def test_write_ack_master_waits_for_nobody(roster):
    r = roster(2, write_ack="master")
    r.start(0, 1)
    r.wait_in_sync()
    with r.nodes[0].connect() as writer:
        r.nodes[1].freeze()
        began = time.monotonic()
        assert writer("SET", "k", "1") == "OK"
        assert time.monotonic() - began < LEASE / 2000
    r.nodes[1].thaw()


def test_write_ack_quorum_refuses_writes_without_one(roster):
    r = roster(3, write_ack="quorum", recovery_timeout=500)
    r.start(0)
    eventually(lambda: "serving without them" in r.nodes[0].log(), "it serves")
    assert is_error(r.nodes[0]("SET", "k", "1"), "NOREPLICAS")
    r.start(1)
    eventually(lambda: r.nodes[0]("SET", "k", "1") == "OK", "two of three are a quorum")
    assert r.nodes[1]("GET", "k") == b"1"


def test_acknowledged_writes_go_out_in_the_order_of_their_commands(roster):
    r = roster(2)
    r.start(0, 1)
    r.wait_in_sync()
    with r.nodes[0].connect() as client:
        client.send(b"".join(b"INCR n\r\nGET n\r\nPING\r\n" for _ in range(50)))
        for number in range(1, 51):
            assert [client.read(), client.read(), client.read()] == [number, b"%d" % number, "PONG"]


# ---- planned ends ------------------------------------------------------------------------------------------------------


class Counter(threading.Thread):
    """Counts at one node, one request after the other, and reads each number there."""

    def __init__(self, node, key):
        super().__init__()
        self.node, self.key, self.done, self.count, self.wrong = node, key, threading.Event(), 0, []
        self.start()

    def run(self):
        with self.node.connect() as client:
            while not self.done.is_set():
                self.count += 1
                replies = [client("INCR", self.key), client("GET", self.key)]
                if replies != [self.count, b"%d" % self.count]:
                    self.wrong.append(replies)

    def end(self):
        self.done.set()
        self.join()
        return self.wrong


def test_a_master_that_is_restarted_fails_no_request_at_other_nodes(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    counters = [Counter(r.nodes[1 + number % 2], "n%d" % number) for number in range(6)]
    for _ in range(2):
        seen = counters[0].count
        eventually(lambda: counters[0].count > seen + 20, "it counts")  # noqa: B023
        r.nodes[0].stop()
        r.start(0)
        r.wait_in_sync()
    assert [counter.end() for counter in counters] == [[]] * 6
    assert [int(r.nodes[0]("GET", counter.key)) for counter in counters] == [counter.count for counter in counters]


def test_pops_that_wait_at_a_master_that_is_restarted_go_on_waiting(roster):
    r = roster()
    r.start(0, 1, 2)
    r.wait_in_sync()
    with r.nodes[1].connect() as client:
        client.send(b"BRPOP q 0\r\n")
        eventually(lambda: r.nodes[0].info("clients")["blocked_clients"] == "1", "it waits")
        r.nodes[0].stop()
        r.start(0)
        eventually(lambda: r.nodes[0].info("clients")["blocked_clients"] == "1", "it waits again")
        assert r.nodes[2]("LPUSH", "q", "x") == 1
        assert client.read() == [b"q", b"x"]


def test_a_replica_that_is_restarted_holds_no_write_up(roster):
    r = roster(read_lease=5000)
    r.start(0, 1, 2)
    r.wait_in_sync()
    counter = Counter(r.nodes[0], "n")
    seen = counter.count
    eventually(lambda: counter.count > seen + 20, "it counts")
    r.nodes[2].stop()
    seen, began = counter.count, time.monotonic()
    eventually(lambda: counter.count > seen + 20, "it goes on")
    assert time.monotonic() - began < 2.5
    assert counter.end() == []
