"""MULTI and EXEC against every loop: nobody sees the keyspace between two commands of a transaction, and WATCH lets no change
of a key go by, whatever changed it. (Replies and refusals: tests/differential/scripts/transactions.txt.)"""

import threading
import time

import pytest

from harness.resp import Error, encode
from harness.server import is_ordinal, is_sanitized

SCALE = 1 if not is_sanitized() else 10
ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")


@pytest.fixture(params=[1, 2, 3], ids=lambda count: "%d-loops" % count)
def server(start_server, request):
    """What is promised holds whatever the number of loops."""
    return start_server(**({"loops": request.param} if is_ordinal() else {}))


def in_parallel(*works):
    """Runs functions in threads and raises what the first of them raised."""
    failures = []

    def guarded(work):
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def transaction(client, *commands):
    """EXEC's reply to these commands."""
    return client.pipeline([("MULTI",), *commands, ("EXEC",)])[-1]


class Load:
    """Runs `work` in threads of their own until the block ends; it must return soon after `stop` is set."""

    def __init__(self, *works):
        self.stop = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(work,)) for work in works]

    def _run(self, work):
        try:
            while not self.stop.is_set():
                work()
        except BaseException as failure:
            self.failures.append(failure)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures[0]


# ---- atomicity ----------------------------------------------------------------------------------------------------


def test_keys_that_change_together_are_seen_together(server, connect):
    """Keys of many shards, always set to one value: no observer sees two values, however it looks."""
    keys = ["key-%d" % number for number in range(8)]
    server("MSET", *(part for key in keys for part in (key, "0")))
    numbers = iter(range(1, 10**9))
    writers = [connect(), connect()]

    def write(client):
        value = "v%d" % next(numbers)
        assert transaction(client, *(("SET", key, value) for key in keys)) == ["OK"] * len(keys)

    def look(client, *commands):
        reply = transaction(client, *commands) if len(commands) > 1 else client(*commands[0])
        assert len(set(reply)) == 1, reply

    with Load(*(lambda client=client: write(client) for client in writers)):
        observers = [connect() for _ in range(3)]
        for _ in range(600 // SCALE):
            look(observers[0], ("MGET", *keys))
            look(observers[1], *(("GET", key) for key in keys))
            look(observers[2], *(("GET", key) for key in reversed(keys)))


def test_one_writers_keys_are_never_seen_going_back(server, connect):
    """Single GETs of another connection: a key read later is at least as new."""
    writer, observer = connect(), connect()
    numbers = iter(range(1, 10**9))
    server("MSET", "first", "0", "second", "0")

    def write():
        value = str(next(numbers))
        transaction(writer, ("SET", "first", value), ("SET", "second", value))

    with Load(write):
        for _ in range(2000 // SCALE):
            one, other, again = observer.pipeline([("GET", "first"), ("GET", "second"), ("GET", "first")])
            assert int(one) <= int(other) <= int(again)


def test_what_is_moved_between_keys_is_never_lost(server, connect):
    accounts = ["account-%d" % number for number in range(6)]
    server("MSET", *(part for account in accounts for part in (account, "1000")))

    def transfer(client, state):
        state[0] += 1
        source, target = accounts[state[0] % 6], accounts[state[0] * 5 % 6]
        transaction(client, ("DECRBY", source, "7"), ("INCRBY", target, "7"))

    works = [lambda client=connect(), state=[seed]: transfer(client, state) for seed in (0, 1, 2)]
    observer = connect()
    with Load(*works):
        for _ in range(600 // SCALE):
            assert sum(map(int, observer("MGET", *accounts))) == 6000
    assert sum(map(int, observer("MGET", *accounts))) == 6000


# ---- WATCH ----------------------------------------------------------------------------------------------------------


def increment(client, key):
    """Adds one the way that needs WATCH; whether it went through."""
    client("WATCH", key)
    value = int(client("GET", key) or 0)
    return transaction(client, ("SET", key, str(value + 1))) is not None


def test_no_increment_is_lost_under_contention(server, connect):
    rounds = 300 // SCALE
    failed = []

    def work():
        client = connect()
        for _ in range(rounds):
            while not increment(client, "counter"):
                failed.append(1)

    in_parallel(*[work] * 5)
    assert server("GET", "counter") == b"%d" % (5 * rounds)
    assert failed, "nobody was ever in the way of anybody"


def test_a_value_is_taken_once_by_many_that_watch_it(server, connect):
    """A challenge taken with GET and DEL under WATCH: one client of many gets it."""
    clients = [connect() for _ in range(6)]
    for number in range(100 // SCALE):
        key = "challenge-%d" % number
        server("SET", key, "secret")
        for client in clients:
            client("WATCH", key)
        taken = []

        def take(client, key=key, taken=taken):
            value = client("GET", key)
            reply = transaction(client, ("DEL", key))
            if value is not None and reply == [1]:
                taken.append(client)

        in_parallel(*(lambda client=client: take(client) for client in clients))
        assert len(taken) == 1


def test_a_key_that_expires_counts_as_changed(server, connect):
    """Swept away, looked at, or lying there dead at EXEC."""
    client, other = connect(), connect()
    other("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    client("SET", "swept", "1", "PX", "20")
    client("WATCH", "swept")
    until(lambda: other("DBSIZE") == 0)
    assert transaction(client, ("PING",)) is None

    other("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    for looked_at in (True, False):
        client("SET", "dead", "1", "PX", "20")
        client("WATCH", "dead")
        client("SET", "later", "1", "PX", "21")
        until(lambda: other("EXISTS", "later") == 0)
        assert other("DBSIZE") == 1
        if looked_at:
            assert other("GET", "dead") is None
        assert transaction(client, ("PING",)) is None


def test_a_key_that_was_dead_when_it_was_watched_is_none(server, connect):
    client, other = connect(), connect()
    other("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client("SET", "dead", "1", "PX", "20")
    client("SET", "later", "1", "PX", "21")
    until(lambda: other("EXISTS", "later") == 0)
    client("WATCH", "dead")
    other("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    until(lambda: other("DBSIZE") == 0)
    assert transaction(client, ("PING",)) == ["PONG"]
    client("WATCH", "dead")
    other("SET", "dead", "1")
    assert transaction(client, ("PING",)) is None


def test_an_evicted_key_counts_as_changed(server, connect):
    client, other = connect(), connect()
    other("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    client("SET", "watched", "x" * 1000, "EX", "1000")
    client("WATCH", "watched")
    other("CONFIG", "SET", "maxmemory", str(int(server.info("memory")["used_memory"]) + 2_000_000))
    filler = iter(range(10**6))
    until(lambda: other("SET", "filler-%d" % next(filler), "x" * 10_000) is not None and other("EXISTS", "watched") == 0)
    assert int(server.info("stats")["evicted_keys"]) >= 1
    other("CONFIG", "SET", "maxmemory", "0")
    assert transaction(client, ("PING",)) is None


def test_every_watcher_of_a_key_is_told_once(server, connect):
    watchers = [connect() for _ in range(40)]
    for _ in range(5):
        for watcher in watchers:
            assert watcher("WATCH", "shared", "of-%d" % watchers.index(watcher)) == "OK"
        assert server.info("clients")["watching_clients"] == "40"
        assert server.info("clients")["total_watched_keys"] == "41"
        server("SET", "shared", "1")
        server("SET", "shared", "2")
        assert [transaction(watcher, ("PING",)) for watcher in watchers] == [None] * 40
        assert [transaction(watcher, ("PING",)) for watcher in watchers] == [["PONG"]] * 40
    assert server.info("clients")["watching_clients"] == server.info("clients")["total_watched_keys"] == "0"


def test_watches_end_with_the_connection(server):
    for number in range(3):
        with server.connect() as client:
            client("WATCH", *("key-%d" % key for key in range(1000)))
            client.pipeline([("MULTI",), ("SET", "a", "x" * 10_000)])
            assert server.info("clients")["total_watched_keys"] == "1000"
        until(lambda: server.info("clients")["total_watched_keys"] == "0")
        assert server("SET", "key-%d" % number, "1") == "OK"


def test_watching_while_others_write_and_leave(server, connect):
    """The table of watched keys grows and shrinks while it is looked up: no watch is missed, none is left behind."""
    stop = threading.Event()

    def write():
        client = connect()
        number = 0
        while not stop.is_set():
            number += 1
            client.pipeline([("SET", "key-%d" % (number * step % 500), "1") for step in range(1, 40)])

    def watch(name):
        client = connect()
        for number in range(400 // SCALE):
            own = "own-%s-%d" % (name, number)
            client("WATCH", own, *("key-%d" % (number * step % 500) for step in range(1, 20)))
            client("UNWATCH")
            client("WATCH", own)
            client("SET", own, "1")
            assert transaction(client, ("PING",)) is None
            client("WATCH", own)
            assert transaction(client, ("PING",)) == ["PONG"]

    def watch_all():
        try:
            in_parallel(*(lambda name=name: watch(name) for name in "abc"))
        finally:
            stop.set()

    in_parallel(write, watch_all)
    assert server.info("clients")["total_watched_keys"] == "0"


# ---- memory, pauses, replies ----------------------------------------------------------------------------------------


def test_a_full_memory_fails_what_would_take_more(server, connect):
    client, other = connect(), connect()
    client.pipeline([("SET", "a", "1"), ("MULTI",), ("SET", "b", "1")])
    other("CONFIG", "SET", "maxmemory", "1")
    assert client("EXEC") == Error(
        "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."
    )
    assert client("EXEC") == Error("ERR EXEC without MULTI")
    other("CONFIG", "SET", "maxmemory", "0")
    client.pipeline([("MULTI",), ("GET", "a"), ("DEL", "a")])
    other("CONFIG", "SET", "maxmemory", "1")
    assert client("EXEC") == [b"1", 1]
    assert client("MULTI") == "OK"
    assert client("GET", "a") == Error("OOM command not allowed when used memory > 'maxmemory'.")
    assert client("EXEC") == ABORTED
    assert client.pipeline([("MULTI",), ("DISCARD",)]) == ["OK", "OK"]


def test_a_queue_counts_as_its_clients_memory(server, connect):
    client, other = connect(), connect()
    identity = str(client("CLIENT", "ID"))

    def field(name):
        return int(other("CLIENT", "LIST", "ID", identity).split(b" %s=" % name)[1].split()[0])

    before = field(b"tot-mem")
    assert (field(b"multi"), field(b"watch"), field(b"multi-mem")) == (-1, 0, 0)
    client.pipeline([("WATCH", "a", "b"), ("MULTI",), ("SET", "a", "x" * 100_000), ("PING",)])
    assert (field(b"multi"), field(b"watch")) == (2, 2)
    assert 100_000 < field(b"multi-mem") < 140_000
    assert field(b"tot-mem") - before == field(b"multi-mem")
    client("DISCARD")
    assert (field(b"multi"), field(b"watch"), field(b"tot-mem")) == (-1, 0, before)


def test_an_aborted_transaction_keeps_no_more_commands(server, connect):
    client, other = connect(), connect()
    identity = str(client("CLIENT", "ID"))
    client.pipeline([("MULTI",), ("NOSUCH",)] + [("SET", "a", "x" * 1000)] * 100)
    line = other("CLIENT", "LIST", "ID", identity)
    assert b" multi=0 " in line and b" multi-mem=0 " in line
    assert client("EXEC") == ABORTED


def test_a_pause_of_writes_holds_an_exec_that_writes(server, connect):
    writer, reader, controller = connect(), connect(), connect()
    writer.pipeline([("MULTI",), ("SET", "a", "1")])
    reader.pipeline([("MULTI",), ("GET", "a")])
    controller("CLIENT", "PAUSE", "100000", "WRITE")
    assert reader("EXEC") == [None]
    writer.send(encode("EXEC"))
    assert writer.is_quiet()
    assert controller("CLIENT", "UNPAUSE") == "OK"
    assert writer.read() == ["OK"]


def test_replies_that_are_turned_off_inside_leave_the_stream_whole(server, connect):
    client = connect()
    client.send(
        b"".join(
            encode(*command)
            for command in [
                ("MULTI",),
                ("INCR", "a"),
                ("CLIENT", "REPLY", "OFF"),
                ("INCR", "a"),
                ("EXEC",),
                ("INCR", "a"),
                ("CLIENT", "REPLY", "ON"),
                ("GET", "a"),
            ]
        )
    )
    assert [client.read() for _ in range(6)] == ["OK", "QUEUED", "QUEUED", "QUEUED", "OK", b"3"]
    client.send(encode("CLIENT", "REPLY", "SKIP") + encode("MULTI") + encode("INCR", "a") + encode("EXEC"))
    assert [client.read(), client.read()] == ["QUEUED", [4]]


def test_a_long_transaction_in_one_piece(server, connect):
    count = 20_000 // SCALE
    replies = transaction(connect(), *[("INCR", "a")] * count)
    assert replies == list(range(1, count + 1))
    assert int(server.info("memory")["used_memory"]) < 64 << 20


def test_a_reply_over_the_output_limit_cuts_the_client_not_the_transaction(server, connect):
    server("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
    server("SET", "long", "x" * 1_000_000)
    client = server.connect(receive_buffer=4096)
    commands = [("SET", "k", "1"), *[("GET", "long")] * 20, ("INCR", "k")]
    client.send(b"".join(encode(*command) for command in [("MULTI",), *commands, ("EXEC",)]))
    until(lambda: server("GET", "k") == b"2")
    assert len(client.until_closed()) < 20_000_000
    client.close()


def test_a_pause_keeps_dead_keys_until_it_ends(server, connect):
    client = connect()
    before = int(server.info("stats")["expired_keys"])
    assert transaction(client, ("SET", "a", "1", "PX", "20"), ("CLIENT", "PAUSE", "100000", "WRITE")) == ["OK", "OK"]
    assert client("WATCH", "a") == "OK"
    until(lambda: client("GET", "a") is None)
    assert transaction(client, ("EXISTS", "a")) is None
    assert client("DBSIZE") == 1
    assert int(server.info("stats")["expired_keys"]) == before
    client("CLIENT", "UNPAUSE")
    until(lambda: client("DBSIZE") == 0)
    assert int(server.info("stats")["expired_keys"]) == before + 1


def test_a_wrong_command_is_refused_in_a_pause_too(server, connect):
    client = connect()
    client("CLIENT", "PAUSE", "100000", "WRITE")
    assert client("SET", "a") == Error("ERR wrong number of arguments for 'set' command")
    assert client("NOSUCH").code == "ERR"
    client.send(encode("SET", "a", "1"))
    controller = connect()
    until(lambda: server.info("clients")["blocked_clients"] == "1")
    assert controller("CLIENT", "UNPAUSE") == "OK"
    assert client.read() == "OK"


# ---- one key: EXEC needs no more than its shard -----------------------------------------------------------------------


def test_transactions_on_one_key_do_not_mix(server, connect):
    """A counter and its deadline, from several connections: each EXEC's numbers follow each other."""
    rounds = 500 // SCALE

    def work():
        client = connect()
        for _ in range(rounds):
            first, second, third, deadline = transaction(
                client, ("INCR", "counter"), ("INCR", "counter"), ("INCR", "counter"), ("EXPIRE", "counter", "1000")
            )
            assert (second, third, deadline) == (first + 1, first + 2, 1)

    stop = threading.Event()

    def disturb():
        client = connect()
        while not stop.is_set():
            client.pipeline([("INCRBY", "counter", "0"), ("GET", "counter"), ("MGET", "counter", "other")])

    def work_all():
        try:
            in_parallel(*[work] * 3)
        finally:
            stop.set()

    in_parallel(work_all, disturb)
    assert server("GET", "counter") == b"%d" % (9 * rounds)


def test_who_waits_for_a_list_sees_only_what_a_transaction_leaves(server, connect):
    waiter, client = connect(), connect()
    for number in range(100 // SCALE):
        waiter.send(encode("BLPOP", "list", "0"))
        until(lambda: server.info("clients")["blocked_clients"] == "1")
        assert transaction(client, ("RPUSH", "list", "a", "b"), ("DEL", "list")) == [2, 1]
        assert transaction(client, ("RPUSH", "list", "a", "b"), ("LPOP", "list"), ("LLEN", "list")) == [2, b"a", 1]
        assert waiter.read() == [b"list", b"b"]
