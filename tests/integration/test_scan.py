"""SCAN's guarantee: an iteration from cursor 0 back to 0 returns every key that was there all the time, however the
table grows and shrinks meanwhile; and none that was never there."""

import random
import threading

import pytest

from harness.resp import Error
from harness.server import is_sanitized

SCALE = 1 if not is_sanitized() else 10


def scan_all(client, *options, between=None):
    """One full iteration; `between` is called after each step. Returns the keys as they came, repeats included."""
    cursor, keys = b"0", []
    for _ in range(10_000_000):
        cursor, part = client("SCAN", cursor, *options)
        keys += part
        if cursor == b"0":
            return keys
        if between is not None:
            between()
    raise AssertionError("SCAN does not come to an end")


def fill(client, prefix, first, last):
    for start in range(first, last, 1000):
        client.pipeline([("SET", "%s%d" % (prefix, number), "v") for number in range(start, min(start + 1000, last))])


def drop(client, prefix, first, last):
    for start in range(first, last, 1000):
        client("DEL", *("%s%d" % (prefix, number) for number in range(start, min(start + 1000, last))))


@pytest.mark.parametrize("count", ["1", "10", "1000", "1000000"])
def test_an_unchanging_keyspace_is_returned_whole_and_once(client, count):
    fill(client, "k", 0, 3000)
    keys = scan_all(client, "COUNT", count)
    assert len(keys) == 3000 and set(keys) == {b"k%d" % number for number in range(3000)}


def test_an_empty_keyspace(client):
    assert client("SCAN", "0") == [b"0", []]
    assert client("SCAN", "0", "MATCH", "x*", "COUNT", "5") == [b"0", []]


@pytest.mark.parametrize("start, end", [(100, 200_000), (200_000, 100)], ids=["growing", "shrinking"])
def test_keys_that_stay_are_returned_while_the_table_changes_size(client, start, end):
    """In the course of one iteration the table grows two thousandfold, or loses most of 200,000 keys."""
    start, end = start // (1 if start == 100 else SCALE), end // (1 if end == 100 else SCALE)
    stays = {b"stay%d" % number for number in range(2000)}
    fill(client, "stay", 0, 2000)
    fill(client, "come", 0, start)
    now = start
    step = (end - start) // 40

    def change():
        nonlocal now
        then = now + step
        if step > 0 and then <= end:
            fill(client, "come", now, then)
            now = then
        elif step < 0 and then >= end:
            drop(client, "come", then, now)
            now = then

    # Few enough keys a step that the changes fall inside the iteration.
    keys = scan_all(client, "COUNT", str(max(10, (start + 2000) // 60)), between=change)
    assert abs(now - end) <= abs(end - start) / 2, "the iteration ended before the table had changed"
    missing = stays - set(keys)
    assert not missing, "%d of 2000 keys were not returned: %r" % (len(missing), sorted(missing)[:5])


def test_keys_that_stay_are_returned_while_others_come_and_go(server, client):
    """Writers on other connections (and loops) fill and empty the keyspace without pause during ten iterations."""
    stays = {b"stay%d" % number for number in range(5000)}
    fill(client, "stay", 0, 5000)
    stop = threading.Event()
    failures = []

    def churn(name):
        try:
            with server.connect() as writer:
                while not stop.is_set():
                    fill(writer, name, 0, 20_000 // SCALE)
                    drop(writer, name, 0, 20_000 // SCALE)
        except Exception as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=churn, args=("churn%d-" % number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for count in (1, 3, 10, 33, 100, 333, 1000, 3333, 10, 50):
            keys = set(scan_all(client, "COUNT", str(max(count, 10))))
            missing = stays - keys
            assert not missing, "COUNT %d: %d keys were not returned" % (count, len(missing))
            assert all(key.startswith((b"stay", b"churn")) for key in keys)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures


def test_many_iterations_at_once(connect):
    """Cursors carry all the state there is: interleaved iterations do not disturb one another."""
    client = connect()
    fill(client, "k", 0, 5000)
    source = random.Random(5)
    iterations = [{"cursor": b"0", "seen": [], "done": False} for _ in range(20)]
    clients = [connect() for _ in range(4)]
    while not all(one["done"] for one in iterations):
        one = source.choice([one for one in iterations if not one["done"]])
        one["cursor"], keys = source.choice(clients)("SCAN", one["cursor"], "COUNT", str(source.randrange(1, 200)))
        one["seen"] += keys
        one["done"] = one["cursor"] == b"0"
    for one in iterations:
        assert len(set(one["seen"])) == 5000


def test_match_and_type(client):
    fill(client, "a", 0, 300)
    fill(client, "b", 0, 300)
    assert len(set(scan_all(client, "MATCH", "a*"))) == 300
    assert set(scan_all(client, "MATCH", "a1?", "COUNT", "7")) == {b"a1%d" % digit for digit in range(10)}
    assert scan_all(client, "MATCH", "nothing*") == []
    assert len(set(scan_all(client, "TYPE", "string"))) == 600
    assert scan_all(client, "TYPE", "zset") == []
    assert set(scan_all(client, "MATCH", "[ab]7", "TYPE", "string", "COUNT", "1000")) == {b"a7", b"b7"}


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["x"], "ERR invalid cursor"),
        (["0", "COUNT", "0"], "ERR syntax error"),
        (["0", "COUNT", "x"], "ERR value is not an integer or out of range"),
        (["0", "MATCH"], "ERR syntax error"),
        (["0", "NONSENSE", "1"], "ERR syntax error"),
        (["-1"], None),
        (["99999999999999999999999"], "ERR invalid cursor"),
        (["18446744073709551615"], None),
        (["12345678"], None),
    ],
)
def test_cursors_nobody_gave_out(client, arguments, text):
    """An error or an answer; never a crash, never an iteration without end."""
    fill(client, "k", 0, 1000)
    reply = client("SCAN", *arguments)
    if text is not None:
        assert reply == Error(text)
    else:
        assert isinstance(reply, (list, Error))
    assert len(set(scan_all(client))) == 1000


def test_databases_are_scanned_apart(client):
    fill(client, "zero", 0, 100)
    client("SELECT", "9")
    fill(client, "nine", 0, 100)
    assert {key[:4] for key in scan_all(client)} == {b"nine"}
    client("SELECT", "0")
    assert {key[:4] for key in scan_all(client)} == {b"zero"}
