"""Commands that wait (WAIT), and what ends a wait: its time-out, CLIENT UNBLOCK from any loop, the end of the connection or
of the server."""

import threading
import time

from harness.resp import Error, encode

UNBLOCKED = Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")


def flags(controller, identity):
    return controller("CLIENT", "LIST", "ID", identity).split(b" flags=")[1].split(b" ")[0]


def wait_until_blocked(controller, identities):
    end = time.monotonic() + 20
    while not all(b"b" in flags(controller, identity) for identity in identities):
        assert time.monotonic() < end


def test_wait_without_replicas_takes_its_time(client):
    assert client("WAIT", "0", "0") == 0
    start = time.monotonic()
    assert client("WAIT", "1", "60") == 0
    assert time.monotonic() - start >= 0.06
    assert client("WAIT", "1", "-1") == Error("ERR timeout is negative")
    assert client("WAIT", "1", "x") == Error("ERR timeout is not an integer or out of range")


def test_unblock_reaches_the_clients_of_every_loop(connect):
    controller = connect()
    waiters = [connect() for _ in range(8)]
    identities = [str(waiter("CLIENT", "ID")) for waiter in waiters]
    for reason, reply in (([], 0), (["TIMEOUT"], 0), (["ERROR"], UNBLOCKED)):
        for waiter in waiters:
            waiter.send(encode("WAIT", "1", "0") + encode("PING"))
        wait_until_blocked(controller, identities)
        assert [controller("CLIENT", "UNBLOCK", identity, *reason) for identity in identities] == [1] * 8
        for waiter in waiters:  # what was sent behind the waiting command is served after it
            assert [waiter.read(), waiter.read()] == [reply, "PONG"]
    assert controller("CLIENT", "UNBLOCK", identities[0]) == 0


def test_unblock_that_races_with_the_time_out_ends_one_wait_once(connect):
    controller = connect()
    waiters = [connect() for _ in range(6)]
    identities = [str(waiter("CLIENT", "ID")) for waiter in waiters]
    odd = []

    def work(waiter):
        for number in range(60):
            reply = waiter("WAIT", "1", "1")
            if reply not in (0, UNBLOCKED) or waiter("ECHO", str(number)) != b"%d" % number:
                odd.append(reply)

    threads = [threading.Thread(target=work, args=(waiter,)) for waiter in waiters]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for identity in identities:
            controller("CLIENT", "UNBLOCK", identity, "ERROR")
    assert odd == []


def test_a_silenced_wait_replies_nothing(client):
    client.send(encode("CLIENT", "REPLY", "SKIP") + encode("WAIT", "1", "5") + encode("PING"))
    assert client.read() == "PONG"
    client.send(encode("CLIENT", "REPLY", "OFF") + encode("WAIT", "1", "5") + encode("CLIENT", "REPLY", "ON"))
    assert client.read() == "OK"


def test_a_waiting_client_may_be_killed_leave_or_outlive_the_server(connect, server):
    controller, killed, leaving, staying, paused = (connect() for _ in range(5))
    identities = [str(client("CLIENT", "ID")) for client in (killed, leaving, staying)]
    killed.send(encode("WAIT", "1", "0"))
    leaving.send(encode("WAIT", "1", "0"))
    staying.send(encode("WAIT", "1", "100000"))
    wait_until_blocked(controller, identities)
    assert controller("CLIENT", "KILL", "ID", identities[0]) == 1
    assert killed.until_closed() == b""
    leaving.close()
    assert controller("CLIENT", "PAUSE", "100000", "WRITE") == "OK"
    paused.send(encode("SET", "k", "v"))
    assert paused.is_quiet(0.1)
    server.stop()
