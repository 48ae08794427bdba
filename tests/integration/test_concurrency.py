"""Several clients on several loops at the same keys: what Redis's single thread promises, every reply must still obey.
Each test states an invariant that holds only if commands take effect one at a time."""

import random
import subprocess
import threading

import pytest

from harness.resp import encode
from harness.server import is_ordinal, is_sanitized

SCALE = 1 if not is_sanitized() else 10


@pytest.fixture(params=[1, 2, 4], ids=lambda count: "%d-loops" % count)
def server(start_server, request):
    """The invariants must hold whatever the number of loops."""
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


def run_programs(helper, server, count, *arguments):
    """So many hiredis clients at once; the numbers that they print."""
    command = [helper("hiredis_client"), "127.0.0.1", str(server.port), *map(str, arguments)]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    outputs = [program.communicate(timeout=240)[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * count
    return [int(output) for output in outputs]


def test_increments_add_up(server, helper):
    """Six C programs; each also checks that the numbers it sees only grow."""
    count = 50_000 // SCALE
    last = run_programs(helper, server, 6, "incr", "counter", count)
    assert server("GET", "counter") == b"%d" % (6 * count)
    assert max(last) == 6 * count and len(set(last)) == 6


def test_getdel_hands_out_each_value_once(server, helper):
    """G2: four C programs take the same keys in the same order."""
    count = 50_000 // SCALE
    with server.connect() as client:
        client.pipeline([("SET", "challenge%d" % number, "v%d" % number, "EX", "1000") for number in range(count)])
    taken = run_programs(helper, server, 4, "getdel", "challenge", count)
    assert sum(taken) == count, taken
    assert server("DBSIZE") == 0


def test_set_get_hands_on_each_value_once(server):
    """SET … GET as a relay: every value written is returned to exactly one writer, but for the last."""
    returned, lock = [], threading.Lock()

    def relay(name):
        with server.connect() as client:
            mine = client.pipeline([("SET", "k", "%s-%d" % (name, number), "GET") for number in range(3000 // SCALE)])
        with lock:
            returned.extend(mine)

    in_parallel(*(lambda name=name: relay(name) for name in "abcd"))
    written = {b"%s-%d" % (name.encode(), number) for name in "abcd" for number in range(3000 // SCALE)}
    values = returned + [server("GET", "k")]
    assert values.count(None) == 1
    assert len(values) == len(written) + 1 and set(values) == written | {None}


def test_nx_lets_one_in(server):
    winners, lock = [], threading.Lock()

    def rush(name):
        with server.connect() as client:
            replies = client.pipeline([("SET", "lock%d" % number, name, "NX") for number in range(3000 // SCALE)])
        with lock:
            winners.append([reply == "OK" for reply in replies])

    in_parallel(*(lambda name=name: rush(name) for name in "abcd"))
    assert [sum(column) for column in zip(*winners)] == [1] * (3000 // SCALE)


def test_counters_of_other_kinds_add_up(server):
    rounds = 2000 // SCALE

    def work():
        with server.connect() as client:
            client.send(
                (
                    encode("APPEND", "text", "x")
                    + encode("INCRBYFLOAT", "float", "0.5")
                    + encode("BITFIELD", "bits", "INCRBY", "u32", "#3", "1")
                    + encode("DECRBY", "down", "3")
                )
                * rounds
            )
            for _ in range(4 * rounds):
                client.read()

    in_parallel(*[work] * 4)
    assert server("STRLEN", "text") == 4 * rounds
    assert float(server("GET", "float")) == 2 * rounds
    assert server("BITFIELD", "bits", "GET", "u32", "#3") == [4 * rounds]
    assert server("GET", "down") == b"%d" % (-12 * rounds)


def test_mset_is_seen_whole(server):
    """Keys far apart (in many shards): MGET never sees a part of an MSET."""
    keys = ["key-%d" % number for number in range(20)]
    stop = threading.Event()

    def write(name):
        with server.connect() as client:
            for number in range(1500 // SCALE):
                value = "%s%d" % (name, number)
                assert client("MSET", *(part for key in keys for part in (key, value))) == "OK"

    def write_all():
        try:
            in_parallel(lambda: write("a"), lambda: write("b"))
        finally:
            stop.set()

    def read():
        with server.connect() as client:
            while not stop.is_set():
                assert len(set(client("MGET", *keys))) == 1

    in_parallel(write_all, read, read)


def test_rename_moves_in_one_step(server):
    """The value is always at exactly one of two names."""
    assert server("SET", "left", "v") == "OK"
    stop = threading.Event()

    def move():
        try:
            with server.connect() as client:
                for _ in range(2000 // SCALE):
                    assert client.pipeline([("RENAME", "left", "right"), ("RENAME", "right", "left")]) == ["OK", "OK"]
        finally:
            stop.set()

    def watch():
        with server.connect() as client:
            while not stop.is_set():
                assert client("EXISTS", "left", "right") == 1
                assert sorted(client("MGET", "left", "right"), key=str) == [None, b"v"]

    in_parallel(move, watch, watch)


def test_flushall_swapdb_and_writes_at_once(server):
    """Whole-keyspace commands among single-key ones: no lost reply, and counts that fit at the end."""
    stop = threading.Event()

    def write(name):
        with server.connect() as client:
            number = 0
            while not stop.is_set():
                replies = client.pipeline(
                    [("SET", "%s%d" % (name, number + offset), "v", "PX", "5") for offset in range(50)]
                    + [("INCR", name), ("DEL", name)]
                )
                assert replies[:50] == ["OK"] * 50
                number += 50

    def upset():
        try:
            with server.connect() as client:
                for number in range(600 // SCALE):
                    command = (("FLUSHALL",), ("SWAPDB", "0", "1"), ("FLUSHDB", "ASYNC"), ("DBSIZE",), ("KEYS", "*"))
                    reply = client(*command[number % 5])
                    assert reply == "OK" or isinstance(reply, (int, list))
        finally:
            stop.set()

    in_parallel(upset, lambda: write("a"), lambda: write("b"))
    with server.connect() as client:
        assert client("FLUSHALL") == "OK"
        assert client("DBSIZE") == 0
        client.pipeline([("SET", "k%d" % number, "v") for number in range(1000)])
        assert client("DBSIZE") == 1000
        assert len(client("KEYS", "*")) == 1000


def test_random_commands_at_once_leave_a_consistent_keyspace(server):
    """Every kind of string and key command on a few keys by eight clients; afterwards DBSIZE, KEYS, SCAN and EXISTS
    agree."""

    def work(seed):
        source = random.Random(seed)
        keys = ["k%d" % number for number in range(30)]

        def command():
            key, other = source.choice(keys), source.choice(keys)
            return source.choice(
                [
                    ("SET", key, "v" * source.randrange(200)), ("SET", key, "v", "PX", str(source.randrange(1, 20))),
                    ("GET", key), ("GETDEL", key), ("DEL", key, other), ("UNLINK", key), ("APPEND", key, "tail"),
                    ("RENAME", key, other), ("COPY", key, other, "REPLACE"), ("EXPIRE", key, "1"), ("PERSIST", key),
                    ("INCR", key), ("SETRANGE", key, "100", "x"), ("MSET", key, "1", other, "2"), ("MGET", key, other),
                    ("EXISTS", key, other), ("TYPE", key), ("RANDOMKEY",), ("DBSIZE",), ("MOVE", key, "1"),
                    ("BITOP", "OR", key, other, key), ("GETEX", key, "PX", "10"), ("SETBIT", key, "1000", "1"),
                    ("SCAN", "0", "COUNT", "5"), ("OBJECT", "ENCODING", key), ("STRLEN", key), ("LCS", key, other),
                ]
            )

        with server.connect() as client:
            for _ in range(60 // min(SCALE, 6)):
                assert len(client.pipeline([command() for _ in range(100)])) == 100

    in_parallel(*(lambda seed=seed: work(seed) for seed in range(8)))
    with server.connect() as client:
        for number in range(30):  # what has expired is gone once it was asked for
            client("PERSIST", "k%d" % number)
        keys = client("KEYS", "*")
        assert client("DBSIZE") == len(keys) == len(set(keys))
        assert client("EXISTS", *keys, "absent") == len(keys)
        scanned, cursor = set(), b"0"
        while True:
            cursor, part = client("SCAN", cursor)
            scanned.update(part)
            if cursor == b"0":
                break
        assert scanned == set(keys)
        assert client("FLUSHALL") == "OK"


def test_connections_are_spread_over_loops(server):
    """Clients that work at once are all served, however they were dealt out."""

    def work(name):
        with server.connect() as client:
            for number in range(500 // SCALE):
                assert client("SET", name, str(number)) == "OK"
                assert client("GET", name) == b"%d" % number

    in_parallel(*(lambda name="c%d" % number: work(name) for number in range(24)))
    assert server("DBSIZE") == 24
