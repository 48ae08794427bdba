"""SHUTDOWN and SIGTERM of a master: its replicas get the end of the log before it ends."""

import signal
import time

import pytest

from harness.resp import Closed, Error
from harness.wait import eventually

pytestmark = pytest.mark.usefixtures("ordinal")

CANNOT = Error("ERR Errors trying to SHUTDOWN. Check logs.")


@pytest.fixture
def pair(start_server):
    master = start_server(repl_diskless_sync_delay=0)
    replica = start_server(replicaof="127.0.0.1 %d" % master.port)
    eventually(lambda: replica.info("replication")["master_link_status"] == "up", replica.log)
    assert master("SET", "k", 1) == "OK"
    assert master("WAIT", 1, 20000) == 1
    yield master, replica
    replica.thaw()


def waits_ms(server):
    return int(server.info("server").get("shutdown_in_milliseconds", -1))


def end_slowly(master, replica):
    """Lets the replica lag, and sends SHUTDOWN; returns the connection that waits."""
    replica.freeze()
    assert master("INCR", "k") == 2
    client = master.connect()
    client.send(b"SHUTDOWN\r\n")
    eventually(lambda: waits_ms(master) > 0, master.log)
    return client


@pytest.mark.parametrize("how", ["SIGTERM", "SHUTDOWN"])
def test_it_ends_when_the_replica_has_everything(pair, how):
    master, replica = pair
    assert master("CONFIG", "SET", "shutdown-timeout", 300) == "OK"
    replica.freeze()
    assert master("INCR", "k") == 2
    if how == "SIGTERM":
        master.signal(signal.SIGTERM)
    else:
        client = master.connect()
        client.send(b"SHUTDOWN\r\n")
    eventually(lambda: waits_ms(master) > 0, master.log)
    assert waits_ms(master) <= 300_000
    with master.connect() as writer:
        writer.send(b"INCR k\r\n")
        assert master("GET", "k") == b"2"  # reads go on, and nothing is written any more
        replica.thaw()
        assert master.wait() == 0
        with pytest.raises((Closed, OSError)):
            writer.read()
    assert replica("GET", "k") == b"2"
    assert "1 of 1 replicas are in sync when shutting down." in master.log()
    assert "Lagging replica" not in master.log()


def test_it_ends_when_its_time_is_over(pair):
    master, replica = pair
    assert master("CONFIG", "SET", "shutdown-timeout", 1) == "OK"
    began = time.monotonic()
    end_slowly(master, replica)
    assert master.wait() == 0
    assert time.monotonic() - began >= 1
    assert "0 of 1 replicas are in sync when shutting down." in master.log()
    assert "Lagging replica 127.0.0.1:%d reported offset " % replica.port in master.log()


@pytest.mark.parametrize("words", [("NOW",), ("NOW", "FORCE"), ("NOSAVE", "NOW")])
def test_now_waits_for_nobody(pair, words):
    master, replica = pair
    assert master("CONFIG", "SET", "shutdown-timeout", 300) == "OK"
    end_slowly(master, replica)
    with pytest.raises((Closed, OSError)):
        master("SHUTDOWN", *words)
    assert master.wait() == 0


def test_no_time_is_no_wait(pair):
    master, replica = pair
    assert master("CONFIG", "SET", "shutdown-timeout", 0) == "OK"
    replica.freeze()
    assert master("INCR", "k") == 2
    master.signal(signal.SIGTERM)
    assert master.wait() == 0
    assert "Waiting for replicas" not in master.log()


def test_it_is_called_off(pair):
    master, replica = pair
    first = end_slowly(master, replica)
    with master.connect() as second, master.connect() as writer:
        second.send(b"SHUTDOWN\r\n")
        eventually(lambda: master.info("clients")["blocked_clients"] == "2", master.log)
        writer.send(b"INCR k\r\n")
        assert master("SHUTDOWN", "ABORT") == "OK"
        assert first.read() == second.read() == CANNOT
        assert writer.read() == 3
    assert waits_ms(master) == -1
    assert "Shutdown manually aborted." in master.log()
    replica.thaw()
    eventually(lambda: replica("GET", "k") == b"3", replica.log)


def test_the_first_append_only_file_is_not_given_up(pair):
    master, replica = pair
    client = end_slowly(master, replica)
    assert master("CONFIG", "SET", "appendonly", "yes") == "OK"
    replica.thaw()
    assert client.read() == CANNOT
    assert "Writing initial AOF, can't exit." in master.log()
    eventually(lambda: master.info("persistence")["aof_rewrite_in_progress"] == "0" and master("WAITAOF", 1, 0, 1)[0] == 1, master.log)


def test_a_signal_waits_for_the_first_append_only_file(start_server):
    server = start_server(rdb_key_save_delay=10000)
    with server.connect() as client:
        for number in range(60):
            client("SET", "k:%d" % number, number)
        assert client("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.signal(signal.SIGTERM)
    eventually(lambda: "Waiting for the first append-only file to be complete" in server.log(), server.log)
    server.stop()
    assert "AOF rewrite finished successfully" in server.log()
    assert "can't exit" not in server.log()


def test_who_follows_without_acknowledging_is_not_waited_for(pair):
    master, _ = pair
    with master.connect() as old:
        old.send(b"SYNC\r\n")
        eventually(lambda: master.info("replication")["connected_slaves"] == "2")
        assert master("INCR", "k") == 2
        master.signal(signal.SIGTERM)
        assert master.wait() == 0
