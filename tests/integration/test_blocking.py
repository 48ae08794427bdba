"""Clients that wait for a list (BLPOP and its kin), on every number of loops: who came first is served first, exactly once, or not
at all when it is gone; and what ends a wait."""

import threading
import time

import pytest
from harness.resp import Closed, Error, encode

UNBLOCKED = Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
LIMIT = 20


@pytest.fixture(params=[1, 2, 3])
def loops(request):
    return request.param


def eventually(check):
    end = time.monotonic() + LIMIT
    while not check():
        assert time.monotonic() < end, "what was waited for has not come"
        time.sleep(0.001)


def blocked(admin):
    return int(admin("INFO", "clients").split(b"blocked_clients:")[1].split(b"\r")[0])


def field(admin, section, name):
    return admin("INFO", section).split(b"%s:" % name)[1].split(b"\r")[0]


def wait(admin, connect, *commands):
    """A client for each command, which has begun to wait before the next one does."""
    clients = []
    before = blocked(admin)
    for command in commands:
        clients.append(connect())
        clients[-1].send(encode(*command))
        eventually(lambda: blocked(admin) == before + len(clients))
    return clients


# ---- who is served, and in which order -------------------------------------------------------------------------


def test_who_came_first_is_served_first_whatever_loop_it_is_on(connect):
    admin = connect()
    waiters = wait(admin, connect, *[("BRPOP", "tasks", "0")] * 12)
    for number in range(12):
        assert admin("LPUSH", "tasks", number) == 1
        assert waiters[number].read() == [b"tasks", b"%d" % number]
    assert admin("EXISTS", "tasks") == 0
    assert blocked(admin) == 0


def test_one_push_of_many_elements_serves_many(connect):
    admin = connect()
    waiters = wait(admin, connect, *[("BLPOP", "tasks", "0")] * 9)
    assert admin("RPUSH", "tasks", *range(12)) == 12
    assert [waiter.read() for waiter in waiters] == [[b"tasks", b"%d" % number] for number in range(9)]
    assert admin("LRANGE", "tasks", 0, -1) == [b"9", b"10", b"11"]


def test_a_client_may_wait_for_many_keys_and_leaves_all_of_them(connect):
    admin = connect()
    (waiter,) = wait(admin, connect, ("BLPOP", "a", "b", "a", "c", "0"))
    assert field(admin, "clients", b"total_blocking_keys") == b"3"
    assert admin("RPUSH", "b", "x") == 1
    assert waiter.read() == [b"b", b"x"]
    assert field(admin, "clients", b"total_blocking_keys") == b"0"
    assert admin("RPUSH", "a", "y") == 1
    assert waiter.is_quiet()
    assert admin("LLEN", "a") == 1


def test_a_wake_up_that_fills_another_list_goes_on(connect):
    admin = connect()
    waiters = wait(
        admin, connect, ("BLMOVE", "a", "b", "LEFT", "RIGHT", "0"), ("BRPOPLPUSH", "b", "c", "0"), ("BLMPOP", "0", "2", "x", "c", "LEFT")
    )
    assert admin("RPUSH", "a", "ball") == 1
    assert [waiter.read() for waiter in waiters] == [b"ball", b"ball", [b"c", [b"ball"]]]
    assert admin("DBSIZE") == 0


def test_a_key_of_another_type_is_waited_out(connect):
    admin = connect()
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    assert admin("SET", "k", "text") == "OK"
    assert admin("DEL", "k") == 1
    assert admin("SETRANGE", "k", "3", "text") == 7
    assert waiter.is_quiet()
    assert admin("DEL", "k") == 1
    assert admin("RPUSH", "k", "x") == 1
    assert waiter.read() == [b"k", b"x"]


def test_a_target_of_the_wrong_type_is_an_error_and_takes_nothing(connect):
    admin = connect()
    admin("SET", "target", "text")
    first, second = wait(admin, connect, ("BLMOVE", "k", "target", "LEFT", "LEFT", "0"), ("BLPOP", "k", "0"))
    assert admin("RPUSH", "k", "x") == 1
    assert first.read().startswith("WRONGTYPE")
    assert second.read() == [b"k", b"x"]


@pytest.mark.parametrize(
    "fill",
    [
        [("RENAME", "other", "k")],
        [("RENAMENX", "other", "k")],
        [("COPY", "other", "k")],
        [("LMOVE", "other", "k", "LEFT", "LEFT")],
        [("SELECT", "1"), ("RPUSH", "k", "x"), ("SWAPDB", "0", "1")],
        [("SELECT", "1"), ("RPUSH", "k", "x"), ("MOVE", "k", "0")],
        [("MULTI",), ("RPUSH", "k", "gone"), ("DEL", "k"), ("RPUSH", "k", "x"), ("EXEC",)],
    ],
    ids=lambda fill: fill[-1][0] if isinstance(fill, list) else None,
)
def test_whatever_makes_the_key_serves_who_waits(connect, fill):
    admin, other = connect(), connect()
    admin("RPUSH", "other", "x")
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    for command in fill:
        assert not isinstance(other(*command), Error)
    assert waiter.read() == [b"k", b"x"]


def test_restore_serves_who_waits(connect):
    admin = connect()
    admin("RPUSH", "other", "x")
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    assert admin("RESTORE", "k", "0", admin("DUMP", "other")) == "OK"
    assert waiter.read() == [b"k", b"x"]


def test_a_transaction_serves_only_when_it_has_ended(connect):
    admin, other = connect(), connect()
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    for command in (("MULTI",), ("RPUSH", "k", "a"), ("LPUSH", "k", "b"), ("LLEN", "k"), ("EXEC",)):
        last = other(*command)
    assert last == [1, 2, 2]
    assert waiter.read() == [b"k", b"b"]
    assert admin("LRANGE", "k", 0, -1) == [b"a"]


def test_inside_a_transaction_nobody_waits(connect):
    client = connect()
    client("MULTI")
    for command in (("BLPOP", "k", "0"), ("BLMOVE", "k", "l", "LEFT", "LEFT", "0"), ("BLMPOP", "0", "1", "k", "LEFT")):
        assert client(*command) == "QUEUED"
    assert client("EXEC") == [None, None, None]


def test_what_stands_behind_the_waiting_command_is_served_after_it(connect):
    admin = connect()
    waiter = connect()
    waiter.send(encode("BLPOP", "k", "0") + encode("ECHO", "after") + encode("BLPOP", "k", "0"))
    for number in (1, 2):
        eventually(lambda: blocked(admin) == 1)
        assert admin("RPUSH", "k", number) == 1
        assert waiter.read() == [b"k", b"%d" % number]
        if number == 1:
            assert waiter.read() == b"after"


def test_resp3_and_the_database_are_the_waiting_clients_own(connect):
    admin = connect()
    waiter = connect()
    waiter("HELLO", "3")
    waiter("SELECT", "5")
    waiter.send(encode("BLPOP", "k", "0.05"))
    assert waiter.read() is None
    waiter.send(encode("BLPOP", "k", "0"))
    eventually(lambda: blocked(admin) == 1)
    assert admin("RPUSH", "k", "not here") == 1
    admin("SELECT", "5")
    assert admin("RPUSH", "k", "x") == 1
    assert waiter.read() == [b"k", b"x"]


# ---- what ends a wait --------------------------------------------------------------------------------------------


def test_time_outs_are_exact(connect):
    client = connect()
    for timeout in (0.01, 0.05, 0.2):
        start = time.monotonic()
        assert client("BLPOP", "k", str(timeout)) is None
        elapsed = time.monotonic() - start
        assert timeout <= elapsed < timeout + 0.1


def test_a_wait_that_timed_out_takes_nothing(connect):
    admin = connect()
    client = connect()
    assert client("BLPOP", "a", "b", "0.001") is None
    assert field(admin, "clients", b"total_blocking_keys") == b"0"
    assert admin("RPUSH", "a", "x") == 1
    assert client.is_quiet()
    assert admin("LLEN", "a") == 1


def test_unblock_ends_a_wait(connect):
    admin = connect()
    waiters = [connect() for _ in range(4)]
    identities = [waiter("CLIENT", "ID") for waiter in waiters]
    for reason, reply in (([], None), (["TIMEOUT"], None), (["ERROR"], UNBLOCKED)):
        for waiter in waiters:
            waiter.send(encode("BLPOP", "k", "0"))
        eventually(lambda: blocked(admin) == 4)
        assert [admin("CLIENT", "UNBLOCK", identity, *reason) for identity in identities] == [1] * 4
        assert blocked(admin) == 0
        assert admin("CLIENT", "UNBLOCK", identities[0]) == 0
        assert [waiter.read() for waiter in waiters] == [reply] * 4
    assert admin("RPUSH", "k", "x") == 1
    assert admin("LLEN", "k") == 1


@pytest.mark.parametrize("how", ["close", "kill", "half"])
def test_what_was_meant_for_a_client_that_is_gone_stays(connect, how):
    admin = connect()
    waiters = [connect() for _ in range(6)]
    identities = [waiter("CLIENT", "ID") for waiter in waiters]
    for number, waiter in enumerate(waiters):
        waiter.send(encode("BLPOP", "k", "0"))
        eventually(lambda: blocked(admin) == number + 1)
    for waiter, identity in list(zip(waiters, identities))[:5]:
        if how == "kill":
            assert admin("CLIENT", "KILL", "ID", identity) == 1
        elif how == "half":
            waiter.shutdown_write()
        else:
            waiter.close()
    assert admin("RPUSH", "k", "x", "y") == 2  # at once: their loops may not have seen it yet
    assert waiters[5].read() == [b"k", b"x"]
    assert admin("LRANGE", "k", 0, -1) == [b"y"]
    eventually(lambda: field(admin, "clients", b"total_blocking_keys") == b"0")


def test_clients_that_come_go_and_are_killed_lose_and_double_nothing(server, connect):
    """Every value is read by one client, or still there; a client that is killed while its value is on its way may be the only
    one to have seen it, and then reads it before its end."""
    stop = threading.Event()
    got, lock = [], threading.Lock()
    admin = connect()

    def worker(number):
        while not stop.is_set():
            client = server.connect()
            try:
                for turn in range(5):
                    timeout = ("0.001", "0.01", "0.1")[(number + turn) % 3]
                    reply = client("BLPOP", "none", "tasks", timeout)
                    if isinstance(reply, list):
                        with lock:
                            got.append(int(reply[1]))
            except Closed:
                pass
            client.close()

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        admin("RPUSH", "tasks", number)
        if number % 50 == 0:
            for line in admin("CLIENT", "LIST").splitlines():
                if b"cmd=blpop" in line:
                    admin("CLIENT", "UNBLOCK", line.split(b"id=")[1].split(b" ")[0])
                    break
    eventually(lambda: admin("LLEN", "tasks") == 0)
    stop.set()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert sorted(got) == list(range(3000))
    assert blocked(admin) == 0


def test_the_server_stops_while_clients_wait(start_server):
    server = start_server()
    waiters = [server.connect() for _ in range(8)]
    for number, waiter in enumerate(waiters):
        waiter.send(encode("BLPOP", "k", "0" if number % 2 else "100"))
    with server.connect() as admin:
        eventually(lambda: blocked(admin) == 8)
    server.stop()
    for waiter in waiters:
        with pytest.raises(Closed):
            waiter.read()
        waiter.close()


# ---- what others see ---------------------------------------------------------------------------------------------


def test_a_waiting_command_is_counted_when_its_wait_ends(connect):
    admin = connect()
    admin("CONFIG", "RESETSTAT")
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    assert b"cmdstat_blpop" not in admin("INFO", "commandstats")
    admin("RPUSH", "k", "x")
    waiter.read()
    waiter("BLPOP", "k", "0.001")
    stats = field(admin, "commandstats", b"cmdstat_blpop")
    assert stats.startswith(b"calls=2,") and stats.endswith(b"rejected_calls=0,failed_calls=0")


def test_monitors_see_a_waiting_command_once(connect):
    admin, monitor = connect(), connect()
    assert monitor("MONITOR") == "OK"
    (waiter,) = wait(admin, connect, ("BLPOP", "k", "0"))
    admin("RPUSH", "k", "x")
    waiter.read()
    admin("ECHO", "end")
    lines = []
    while not lines or '"end"' not in lines[-1]:
        lines.append(monitor.read())
    assert len([line for line in lines if '"BLPOP"' in line]) == 1


def test_no_reply_is_sent_where_none_is_wanted(connect):
    admin, waiter = connect(), connect()
    waiter.send(encode("CLIENT", "REPLY", "SKIP") + encode("BLPOP", "k", "0") + encode("PING"))
    eventually(lambda: blocked(admin) == 1)
    admin("RPUSH", "k", "x")
    assert waiter.read() == "PONG"
    assert admin("EXISTS", "k") == 0


@pytest.mark.long
def test_ten_thousand_waiting_clients_cost_two_kilobytes_each(start_server):
    count = 10000
    server = start_server(maxclients=count + 100)
    with server.connect() as admin:
        waiters = [server.connect() for _ in range(count)]
        for waiter in waiters:
            waiter("PING")
        idle = server.resident()
        for number, waiter in enumerate(waiters):
            waiter.send(encode("BRPOP", "queue:%d" % number, "0" if number % 2 else "3600"))
        eventually(lambda: blocked(admin) == count)
        assert (server.resident() - idle) / count <= 2048
        slow = 0
        for number in range(0, count, 100):
            start = time.monotonic()
            admin("LPUSH", "queue:%d" % number, number)
            assert waiters[number].read() == [b"queue:%d" % number, b"%d" % number]
            slow += time.monotonic() - start > 0.002
        assert slow < 20  # of a hundred, on a machine that others share
        for waiter in waiters:
            waiter.close()
