"""Hashes beyond what the comparison with Redis 7.0 can see: deadlines of fields (Redis 7.4 and 8.0), HSCAN's promise, payloads of
every encoding, hostile ones among them, and hashes of many fields."""

import random
import struct
import time

import pytest

from harness.resp import Error
from test_wall_clock import HOUR, clock, stepped  # noqa: F401

NO_FIELD, NO_DEADLINE, NOT_MET, DONE, GONE = -2, -1, 0, 1, 2
EARLY = LATE = 0.0011  # deadlines count whole milliseconds
SMALL, LARGE = 3, 600  # fields


@pytest.fixture
def client(server):
    with server.connect() as connection:
        yield connection


def fill(client, key, fields):
    """A hash of f0: v0, f1: v1, …"""
    words = [word % i for i in range(fields) for word in ("f%d", "v%d")]
    assert client("HSET", key, *words) == fields


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.005)


def flat(reply):
    """HGETALL's reply as a dict."""
    return dict(zip(reply[::2], reply[1::2]))


# ---- deadlines of fields -------------------------------------------------------------------------------------------


def test_a_field_past_its_deadline_is_never_returned_and_none_is_lost_before(client):
    failures = []
    for lifetime in (1, 2, 5, 20, 50, 100):
        before = time.monotonic()
        assert client("HSETEX", "h", "PX", lifetime, "FIELDS", 1, "f", "v") == 1
        after = time.monotonic()
        while True:
            asked = time.monotonic()
            value = client("HGET", "h", "f")
            answered = time.monotonic()
            if value is not None and asked > after + lifetime / 1000 + LATE:
                failures.append("%d ms: returned past its deadline" % lifetime)
            if value is None and answered < before + lifetime / 1000 - EARLY:
                failures.append("%d ms: lost before its deadline" % lifetime)
            if asked > after + lifetime / 1000 + 0.02:
                break
    assert not failures, failures[:5]


PAST = [
    (("HGET", "h", "f0"), None),
    (("HMGET", "h", "f0", "f1"), [None, b"v1"]),
    (("HEXISTS", "h", "f0"), 0),
    (("HSTRLEN", "h", "f0"), 0),
    (("HLEN", "h"), 1),
    (("HGETALL", "h"), [b"f1", b"v1"]),
    (("HKEYS", "h"), [b"f1"]),
    (("HVALS", "h"), [b"v1"]),
    (("HRANDFIELD", "h", "10"), [b"f1"]),
    (("HRANDFIELD", "h"), b"f1"),
    (("HSCAN", "h", "0", "COUNT", "1000"), [b"0", [b"f1", b"v1"]]),
    (("HDEL", "h", "f0"), 0),
    (("HTTL", "h", "FIELDS", "1", "f0"), [NO_FIELD]),
    (("HPEXPIRETIME", "h", "FIELDS", "1", "f0"), [NO_FIELD]),
    (("HPERSIST", "h", "FIELDS", "1", "f0"), [NO_FIELD]),
    (("HEXPIRE", "h", "10", "FIELDS", "1", "f0"), [NO_FIELD]),
    (("HGETDEL", "h", "FIELDS", "1", "f0"), [None]),
    (("HGETEX", "h", "PERSIST", "FIELDS", "1", "f0"), [None]),
    (("HSETEX", "h", "FXX", "FIELDS", "1", "f0", "new"), 0),
    (("HSETNX", "h", "f0", "new"), 1),
    (("HSET", "h", "f0", "new"), 1),
    (("HINCRBY", "h", "f0", "5"), 5),
    (("HINCRBYFLOAT", "h", "f0", "1.5"), b"1.5"),
]


@pytest.mark.parametrize("command,reply", PAST, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_every_command_takes_a_field_past_its_deadline_as_gone(client, command, reply):
    """With the sweep off, so that the field is still there."""
    client("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    fill(client, "h", 2)
    assert client("HPEXPIRE", "h", 1, "FIELDS", 1, "f0") == [DONE]
    until(lambda: client("HPTTL", "h", "FIELDS", 1, "f0") == [NO_FIELD])
    assert client(*command) == reply


@pytest.mark.parametrize("command", [("EXISTS", "h"), ("DEL", "h"), ("TYPE", "h"), ("RENAME", "h", "x"), ("DUMP", "h"),
                                     ("KEYS", "*"), ("SCAN", "0"), ("RANDOMKEY",), ("COPY", "h", "x"), ("HLEN", "h")])  # fmt: skip
def test_a_hash_whose_fields_are_all_past_their_deadlines_is_gone(server, command):
    """To every command, though it was not swept yet."""
    with server.connect() as one, server.connect() as two:
        two("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        fill(two, "other", 2)
        two("DEL", "other")
        expected = one(*command)
        fill(one, "h", 5)
        until_ms = int(time.time() * 1000) + 40
        assert one("HPEXPIREAT", "h", until_ms, "FIELDS", 5, "f0", "f1", "f2", "f3", "f4") == [DONE] * 5
        time.sleep(0.1)
        assert one(*command) == expected
        assert one("EXISTS", "h") == 0


@pytest.mark.parametrize("fields", [1, SMALL, LARGE])
def test_the_memory_of_fields_comes_back_within_a_second_untouched(server, client, fields):
    fill(client, "h", fields + 1)
    fill(client, "all", fields)
    assert client("HPEXPIRE", "h", 50, "FIELDS", fields, *["f%d" % i for i in range(fields)]) == [DONE] * fields
    assert client("HPEXPIRE", "all", 50, "FIELDS", fields, *["f%d" % i for i in range(fields)]) == [DONE] * fields
    began = time.monotonic()
    until(lambda: server.info("stats").get("expired_subkeys") == str(2 * fields), 1.2)
    assert time.monotonic() - began < 1.2
    assert client("DBSIZE") == 1
    assert client("HGETALL", "h") == [b"f%d" % fields, b"v%d" % fields]
    assert server.info("stats")["expired_keys"] == "0"


def test_random_fields_are_found_among_many_that_have_passed(client):
    """While nothing sweeps them: three fields live among twenty thousand."""
    count, living = 20000, [b"a", b"b", b"c"]
    client("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    deadline = int(time.time() * 1000) + 1000
    for at in range(0, count, 1000):
        words = [word % i for i in range(at, at + 1000) for word in ("f%d", "v%d")]
        client("HSETEX", "h", "PXAT", deadline, "FIELDS", 1000, *words)
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    until(lambda: client("HLEN", "h") == 3)
    for wanted in (1, 2, 3, 4):
        drawn = client("HRANDFIELD", "h", wanted)
        assert len(drawn) == len(set(drawn)) == min(wanted, 3)
        assert set(drawn) <= set(living)
    drawn = client("HRANDFIELD", "h", -3000)
    assert len(drawn) == 3000
    assert all(drawn.count(field) > 800 for field in living)
    assert client("HRANDFIELD", "h") in living


def test_fields_that_pass_at_once_stall_nobody(client):
    """A hundred thousand fields of one hash pass together: they go in steps, between commands."""
    count = 100000
    began = time.time()
    for at in range(0, count, 1000):
        words = [word % i for i in range(at, at + 1000) for word in ("f%d", "v%d")]
        client("HSETEX", "h", "PXAT", 99999999999999 // 10, "FIELDS", 1000, *words)
    client("HSET", "h", "stays", "v")
    took = time.time() - began  # to set them: to give them deadlines takes about as long
    deadline = int((time.time() + 1 + 3 * took) * 1000)
    for at in range(0, count, 1000):
        client("HPEXPIREAT", "h", deadline, "FIELDS", 1000, *["f%d" % i for i in range(at, at + 1000)])
    assert client("HLEN", "h") == count + 1
    while time.time() * 1000 < deadline + 5:
        client("PING")
    assert client("HLEN", "h") == 1
    assert client("HGETALL", "h") == [b"stays", b"v"]
    until(lambda: client("MEMORY", "USAGE", "h") < 10000, 5)
    assert client("HGET", "h", "stays") == b"v"


def test_replies_of_hexpire(client):
    fill(client, "h", SMALL)
    client("HEXPIRE", "h", 1000, "FIELDS", 1, "f0")
    assert client("HEXPIRE", "h", 100, "FIELDS", 3, "f0", "f1", "no") == [DONE, DONE, NO_FIELD]
    assert client("HEXPIRE", "h", 50, "NX", "FIELDS", 2, "f0", "f2") == [NOT_MET, DONE]
    assert client("HPERSIST", "h", "FIELDS", 2, "f2", "no") == [DONE, NO_FIELD]
    assert client("HEXPIRE", "h", 50, "XX", "FIELDS", 2, "f0", "f2") == [DONE, NOT_MET]
    assert client("HEXPIRE", "h", 60, "GT", "FIELDS", 3, "f0", "f1", "f2") == [DONE, NOT_MET, NOT_MET]
    assert client("HEXPIRE", "h", 55, "LT", "FIELDS", 3, "f0", "f1", "f2") == [DONE, DONE, DONE]
    assert client("HTTL", "h", "FIELDS", 4, "f0", "f1", "f2", "no") == [55, 55, 55, NO_FIELD]
    assert client("HPERSIST", "h", "FIELDS", 1, "f1") == [DONE]
    assert client("HPERSIST", "h", "FIELDS", 1, "f1") == [NO_DEADLINE]
    assert client("HTTL", "h", "FIELDS", 1, "f1") == [NO_DEADLINE]
    assert client("HEXPIRE", "h", 0, "FIELDS", 2, "f0", "no") == [GONE, NO_FIELD]
    assert client("HPEXPIREAT", "h", 1, "NX", "FIELDS", 3, "f0", "f1", "f2") == [NO_FIELD, GONE, NOT_MET]
    assert client("HGETALL", "h") == [b"f2", b"v2"]
    assert client("HEXPIREAT", "h", 1, "FIELDS", 1, "f2") == [GONE]
    assert client("EXISTS", "h") == 0
    assert client("HEXPIRE", "h", 5, "FIELDS", 2, "a", "b") == [NO_FIELD, NO_FIELD]
    assert client("HTTL", "h", "FIELDS", 2, "a", "b") == [NO_FIELD, NO_FIELD]
    assert client("HPERSIST", "h", "FIELDS", 1, "a") == [NO_FIELD]


def test_times_of_fields(client):
    fill(client, "h", SMALL)
    client("HPEXPIRE", "h", 90500, "FIELDS", 1, "f0")
    assert client("HTTL", "h", "FIELDS", 1, "f0") == [91]
    assert 89000 < client("HPTTL", "h", "FIELDS", 1, "f0")[0] <= 90500
    client("HEXPIREAT", "h", 4102444800, "FIELDS", 1, "f1")
    assert client("HEXPIRETIME", "h", "FIELDS", 1, "f1") == [4102444800]
    assert abs(client("HPEXPIRETIME", "h", "FIELDS", 1, "f1")[0] - 4102444800000) <= 1
    client("HPEXPIREAT", "h", 4102444800001, "FIELDS", 1, "f2")
    assert client("HEXPIRETIME", "h", "FIELDS", 1, "f2") == [4102444801]


ERRORS = [
    (("HEXPIRE", "h", "-1", "FIELDS", "1", "f"), "ERR invalid expire time, must be >= 0"),
    (("HEXPIRE", "h", "x", "FIELDS", "1", "f"), "ERR value is not an integer or out of range"),
    (("HEXPIRE", "h", 2**46, "FIELDS", "1", "f"), "ERR invalid expire time in 'hexpire' command"),
    (("HPEXPIRE", "h", 2**46, "FIELDS", "1", "f"), "ERR invalid expire time in 'hpexpire' command"),
    (("HPEXPIREAT", "h", 2**46, "FIELDS", "1", "f"), "ERR invalid expire time in 'hpexpireat' command"),
    (("HEXPIREAT", "h", 2**63 - 1, "FIELDS", "1", "f"), "ERR invalid expire time in 'hexpireat' command"),
    (("HEXPIRE", "h", "1", "FELDS", "1", "f"), "ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HEXPIRE", "h", "1", "ZZ", "FIELDS", "1", "f"), "ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HEXPIRE", "h", "1", "FIELDS", "0", "f"), "ERR Parameter `numFields` should be greater than 0"),
    (("HEXPIRE", "h", "1", "FIELDS", "2", "f"), "ERR The `numfields` parameter must match the number of arguments"),
    (("HEXPIRE", "h", "1", "NX", "FIELDS", "1"), "ERR The `numfields` parameter must match the number of arguments"),
    (("HEXPIRE", "h", "1", "FIELDS", "1"), "ERR wrong number of arguments for 'hexpire' command"),
    (("HTTL", "h", "FIELDS", "0", "f"), "ERR Number of fields must be a positive integer"),
    (("HTTL", "h", "FIELDS", "2", "f"), "ERR The `numfields` parameter must match the number of arguments"),
    (("HPERSIST", "h", "F", "1", "f"), "ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HGETDEL", "h", "FIELDS", "-1", "f"), "ERR Number of fields must be a positive integer"),
    (("HGETEX", "h", "EX", "10", "1"), "ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HGETEX", "h", "PX", "-1", "FIELDS", "1", "f"), "ERR invalid expire time, must be >= 0"),
    (("HGETEX", "h", "PXAT", 2**46, "FIELDS", "1", "f"), "ERR invalid expire time in 'hgetex' command"),
    (("HGETEX", "h", "PERSIST", "EX", "10", "FIELDS", "1", "f"),
     "ERR Mandatory argument FIELDS is missing or not at the right position"),
    (("HSETEX", "h", "FIELDS", "2", "f", "v"), "ERR wrong number of arguments for 'hsetex' command"),
    (("HSETEX", "h", "FIELDS", "0", "f", "v"), "ERR invalid number of fields"),
    (("HSETEX", "h", "NX", "FIELDS", "1", "f", "v"), "ERR unknown argument: NX"),
    (("HSETEX", "h", "FNX", "FXX", "FIELDS", "1", "f", "v"), "ERR Only one of FXX or FNX arguments can be specified"),
    (("HSETEX", "h", "EX", "10", "KEEPTTL", "FIELDS", "1", "f", "v"),
     "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
    (("HSETEX", "h", "EX", "10", "EX", "10", "FIELDS", "1", "f", "v"),
     "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
    (("HSETEX", "h", "EX", "FIELDS", "1", "f", "v"), "ERR value is not an integer or out of range"),
    (("HSETEX", "h", "KEEPTTL", "FNX", "KEEPTTL", "FNX"),
     "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
    (("HSETEX", "h", "KEEPTTL", "FNX", "FIELDS", "1"), "ERR wrong number of arguments for 'hsetex' command"),
    (("HTTL", "s", "FIELDS", "1", "f"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("HEXPIRE", "s", "1", "FIELDS", "1", "f"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("HPERSIST", "s", "FIELDS", "1", "f"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("HGETDEL", "s", "FIELDS", "1", "f"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("HGETEX", "s", "FIELDS", "1", "f"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("HSETEX", "s", "FIELDS", "1", "f", "v"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
]  # fmt: skip


@pytest.mark.parametrize("command,error", ERRORS, ids=lambda value: " ".join(map(str, value[:4])) if isinstance(value, tuple) else "")
def test_errors_of_the_commands_about_deadlines(client, command, error):
    client("SET", "s", "v")
    reply = client(*command)
    assert isinstance(reply, Error) and str(reply) == error
    assert client("EXISTS", "h") == 0


def test_hsetex(client):
    assert client("HSETEX", "h", "FXX", "FIELDS", 1, "a", 1) == 0
    assert client("EXISTS", "h") == 0
    assert client("HSETEX", "h", "FNX", "EX", 100, "FIELDS", 2, "a", 1, "b", 2) == 1
    assert client("HTTL", "h", "FIELDS", 2, "a", "b") == [100, 100]
    assert client("HSETEX", "h", "FNX", "FIELDS", 2, "b", 3, "c", 3) == 0
    assert client("HSETEX", "h", "FXX", "FIELDS", 2, "b", 3, "c", 3) == 0
    assert client("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "a", "x", "c", 3) == 1
    assert client("HTTL", "h", "FIELDS", 3, "a", "b", "c") == [100, 100, NO_DEADLINE]
    assert client("HSETEX", "h", "FIELDS", 1, "a", "y") == 1
    assert client("HTTL", "h", "FIELDS", 1, "a") == [NO_DEADLINE]
    assert client("HSETEX", "h", "PX", 5000, "FXX", "FIELDS", 1, "a", "z") == 1
    assert flat(client("HGETALL", "h")) == {b"a": b"z", b"b": b"2", b"c": b"3"}
    assert client("HSETEX", "h", "EXAT", 1, "FIELDS", 2, "a", "gone", "c", "gone") == 1
    assert client("HGETALL", "h") == [b"b", b"2"]
    assert client("HSETEX", "h", "PXAT", 0, "FIELDS", 1, "b", "gone") == 1
    assert client("EXISTS", "h") == 0


@pytest.mark.parametrize("fields", [SMALL, LARGE])
def test_hgetex_and_hgetdel(client, fields):
    fill(client, "h", fields)
    assert client("HGETEX", "h", "FIELDS", 2, "f0", "no") == [b"v0", None]
    assert client("HGETEX", "h", "EX", 100, "FIELDS", 2, "f0", "no") == [b"v0", None]
    assert client("HTTL", "h", "FIELDS", 2, "f0", "f1") == [100, NO_DEADLINE]
    assert client("HGETEX", "h", "PERSIST", "FIELDS", 2, "f0", "f1") == [b"v0", b"v1"]
    assert client("HTTL", "h", "FIELDS", 2, "f0", "f1") == [NO_DEADLINE, NO_DEADLINE]
    assert client("HGETEX", "h", "PXAT", 1, "FIELDS", 2, "f0", "f0") == [b"v0", None]
    assert client("HLEN", "h") == fields - 1
    assert client("HGETDEL", "h", "FIELDS", 3, "f1", "f1", "no") == [b"v1", None, None]
    assert client("HLEN", "h") == fields - 2
    rest = ["f%d" % i for i in range(2, fields)]
    assert client("HGETDEL", "h", "FIELDS", len(rest), *rest) == [b"v" + name[1:].encode() for name in rest]
    assert client("EXISTS", "h") == 0
    assert client("HGETDEL", "h", "FIELDS", 1, "f") == [None]
    assert client("HGETEX", "h", "PERSIST", "FIELDS", 1, "f") == [None]


def test_a_write_takes_the_deadline_away_but_a_number_keeps_it(client):
    client("HSETEX", "h", "EX", 100, "FIELDS", 3, "a", 1, "b", 2, "c", 3)
    client("HSET", "h", "a", 5)
    client("HINCRBY", "h", "b", 5)
    client("HINCRBYFLOAT", "h", "c", "0.5")
    assert client("HTTL", "h", "FIELDS", 3, "a", "b", "c") == [NO_DEADLINE, 100, 100]
    assert client("HMGET", "h", "a", "b", "c") == [b"5", b"7", b"3.5"]


@pytest.mark.parametrize("offset", [HOUR, -HOUR, 24 * HOUR])
def test_a_step_of_the_wall_clock_expires_no_field_early_and_keeps_none_late(stepped, clock, offset):  # noqa: F811
    before = time.monotonic()
    assert stepped("HSETEX", "h", "PX", 800, "FIELDS", 1, "short", "v") == 1
    assert stepped("HSETEX", "h", "EX", 100, "FIELDS", 1, "long", "v") == 1
    after = time.monotonic()
    clock.step(offset)
    while True:
        asked = time.monotonic()
        value = stepped("HGET", "h", "short")
        answered = time.monotonic()
        assert value is None or asked <= after + 0.8 + LATE
        assert value is not None or answered >= before + 0.8 - EARLY
        if asked > after + 0.85:
            break
    assert stepped("HGET", "h", "long") == b"v"
    assert 95 <= stepped("HTTL", "h", "FIELDS", 1, "long")[0] <= 100
    at = int(clock.now()) + 50
    assert stepped("HEXPIREAT", "h", at, "FIELDS", 1, "long") == [DONE]
    assert 40 <= stepped("HTTL", "h", "FIELDS", 1, "long")[0] <= 51


def test_deadlines_go_along_with_copies_names_and_databases(client):
    client("HSETEX", "h", "PX", 400, "FIELDS", 1, "short", "v")
    client("HSETEX", "h", "EX", 100, "FIELDS", 1, "long", "v")
    client("COPY", "h", "copy")
    client("COPY", "h", "moved")
    client("RENAME", "h", "renamed")
    client("MOVE", "moved", 1)
    client("EXPIRE", "copy", 1000)
    client("PERSIST", "copy")
    for database, key in ((0, "copy"), (0, "renamed"), (1, "moved")):
        client("SELECT", database)
        assert client("HLEN", key) == 2
        assert client("HTTL", key, "FIELDS", 1, "long") == [100]
    client("SELECT", 0)
    until(lambda: client("HLEN", "copy") == client("HLEN", "renamed") == 1, 2)
    client("SELECT", 1)
    assert client("HKEYS", "moved") == [b"long"]


EVENTS = [
    (("HSETEX", "h", "EX", 100, "FIELDS", 2, "a", 1, "b", 2), ["hset", "hexpire"]),
    (("HSETEX", "h", "KEEPTTL", "FIELDS", 1, "a", 1), ["hset"]),
    (("HEXPIRE", "h", 50, "FIELDS", 2, "a", "no"), ["hexpire"]),
    (("HEXPIRE", "h", 50, "NX", "FIELDS", 1, "a"), []),
    (("HPERSIST", "h", "FIELDS", 2, "a", "no"), ["hpersist"]),
    (("HPERSIST", "h", "FIELDS", 1, "a"), []),
    (("HGETEX", "h", "FIELDS", 1, "a"), []),
    (("HGETEX", "h", "PX", 100000, "FIELDS", 1, "a"), ["hexpire"]),
    (("HGETEX", "h", "PERSIST", "FIELDS", 2, "a", "b"), ["hpersist"]),
    (("HINCRBY", "h", "a", 1), ["hincrby"]),
    (("HINCRBYFLOAT", "h", "a", 1), ["hincrbyfloat"]),
    (("HEXPIRE", "h", 0, "FIELDS", 1, "a"), ["hdel"]),
    (("HGETDEL", "h", "FIELDS", 2, "a", "b"), ["hdel", "del"]),
    (("HSETNX", "h", "a", 1), ["hset"]),
    (("HGETEX", "h", "PXAT", 1, "FIELDS", 1, "a"), ["hdel", "del"]),
    (("HSETEX", "h", "PXAT", 1, "FIELDS", 1, "a", 1), ["hset", "hdel", "del"]),
]


@pytest.mark.parametrize("sweeping", [0, 1])
def test_what_happens_to_fields_is_published(start_server, sweeping):
    """The events of each command; and that fields have expired, found by the sweep or by a command."""
    server = start_server(notify_keyspace_events="EA")
    with server.connect() as listener, server.connect() as client:
        assert listener("PSUBSCRIBE", "__keyevent@0__:*")[0] == b"psubscribe"
        client("DEBUG", "SET-ACTIVE-EXPIRE", sweeping)

        def expect(events):
            for event in events:
                assert listener.read()[2:] == [b"__keyevent@0__:" + event.encode(), b"h"], event
            client("PUBLISH", "__keyevent@0__:end", "")
            assert listener.read()[3] == b""

        for command, events in EVENTS:
            client(*command)
            expect(events)
        client("HSET", "h", "stays", 1)
        client("HSETEX", "h", "PX", 1, "FIELDS", 2, "a", 1, "b", 2)
        until(lambda: client("HLEN", "h") == 1 and client("HGET", "h", "a") is None)
        expect(["hset", "hset", "hexpire", "hexpired"])
        client("HPEXPIRE", "h", 1, "FIELDS", 1, "stays")
        until(lambda: client("EXISTS", "h") == 0)
        expect(["hexpire", "hexpired", "del"])


# ---- HSCAN ---------------------------------------------------------------------------------------------------------


def scan_all(client, key, step, *options):
    """The fields of a whole iteration; `step` is run between its calls."""
    found, cursor = [], b"0"
    while True:
        cursor, items = client("HSCAN", key, cursor, *options)
        found += items
        if cursor == b"0":
            return found
        step()


@pytest.mark.parametrize("start,end", [(2000, 20000), (20000, 700), (5000, 5000)])
def test_hscan_returns_every_field_that_stays_while_the_hash_grows_and_shrinks(client, start, end):
    rng = random.Random(start)
    stay = {b"stay%d" % i for i in range(500)}
    for name in stay:
        client("HSET", "h", name, "v")
    others = ["o%d" % i for i in range(max(start, end))]
    client.pipeline([("HSET", "h", name, "v") for name in others[:start]])
    now = start

    def step():
        nonlocal now
        for _ in range(30):
            if now == end:
                client("HDEL", "h", others[0])
                client("HSET", "h", others[0], "v")
                return
            grow = now < end
            at = min(300, abs(end - now))
            names = others[now : now + at] if grow else others[now - at : now]
            client.pipeline([("HSET", "h", name, "v") if grow else ("HDEL", "h", name) for name in names])
            now += at if grow else -at
            if rng.random() < 0.5:
                return

    found = set(scan_all(client, "h", step, "COUNT", 20, "NOVALUES"))
    assert stay <= found
    assert all(name in stay or name.startswith(b"o") for name in found)


@pytest.mark.parametrize("fields", [SMALL, LARGE])
def test_hscan_with_options(client, fields):
    fill(client, "h", fields)
    assert flat(scan_all(client, "h", lambda: None)) == flat(client("HGETALL", "h"))
    assert set(scan_all(client, "h", lambda: None, "NOVALUES")) == set(client("HKEYS", "h"))
    assert flat(scan_all(client, "h", lambda: None, "MATCH", "f1", "COUNT", 1000)) == {b"f1": b"v1"}
    assert scan_all(client, "h", lambda: None, "NOVALUES", "MATCH", "f1") == [b"f1"]
    assert isinstance(client("HSCAN", "h", 0, "NOVALUE"), Error)
    assert isinstance(client("SCAN", 0, "NOVALUES"), Error)


# ---- payloads ------------------------------------------------------------------------------------------------------

POLYNOMIAL = 0x95AC9329AC4BC9B5


def crc64(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc


def payload(kind, value, version=12):
    body = bytes([kind]) + value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def length(n):
    return bytes([n]) if n < 64 else struct.pack(">BI", 0x80, n)


def string(data):
    return length(len(data)) + data


def lp_element(data):
    if isinstance(data, int):
        body = b"\xf4" + struct.pack("<q", data)
    else:
        body = bytes([0x80 | len(data)]) + data
    return body + bytes([len(body)])


def listpack(*elements):
    body = b"".join(map(lp_element, elements))
    return string(struct.pack("<IH", len(body) + 7, len(elements)) + body + b"\xff")


def ziplist(*elements):
    body, before = b"", 0
    for data in elements:
        entry = bytes([before, len(data)]) + data
        body, before = body + entry, len(entry)
    tail = 10 + len(body) - before
    return string(struct.pack("<IIH", 11 + len(body), tail, len(elements)) + body + b"\xff")


def zipmap(*pairs, count=None, free=0):
    body = b"".join(bytes([len(f)]) + f + bytes([len(v), free]) + v + bytes(free) for f, v in pairs)
    return string(bytes([len(pairs) if count is None else count]) + body + b"\xff")


def ms(n):
    return struct.pack("<Q", n)


FAR = 4102444800000
WANTED = {b"a": b"1", b"b": b"two"}
GOOD = {
    "plain": payload(4, length(2) + string(b"a") + string(b"1") + string(b"b") + string(b"two"), 10),
    "zipmap": payload(9, zipmap((b"a", b"1"), (b"b", b"two")), 6),
    "zipmap with free bytes": payload(9, zipmap((b"a", b"1"), (b"b", b"two"), free=3), 6),
    "ziplist": payload(13, ziplist(b"a", b"1", b"b", b"two"), 9),
    "listpack": payload(16, listpack(b"a", b"1", b"b", b"two"), 10),
    "listpack of numbers": payload(16, listpack(b"a", 1, b"b", b"two"), 11),
    "metadata": payload(24, ms(FAR) + length(2) + length(1) + string(b"a") + string(b"1") + length(0) + string(b"b")
                        + string(b"two")),
    "metadata, no deadline": payload(24, ms(0) + length(2) + length(0) + string(b"a") + string(b"1") + length(0)
                                     + string(b"b") + string(b"two")),
    "listpack ex": payload(25, ms(FAR) + listpack(b"a", b"1", FAR, b"b", b"two", 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("entries", [128, 1, 0])
def test_payloads_of_every_encoding_are_read(client, name, entries):
    client("CONFIG", "SET", "hash-max-listpack-entries", entries)
    assert client("RESTORE", "h", 0, GOOD[name]) == "OK"
    assert flat(client("HGETALL", "h")) == WANTED
    timed = name in ("metadata", "listpack ex")
    assert client("OBJECT", "ENCODING", "h") == (b"listpack" if entries == 128 and not timed else b"hashtable")
    times = client("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b")
    assert abs(times[0] - FAR) <= 1 if timed else times[0] == NO_DEADLINE
    assert times[1] == NO_DEADLINE


LONG = [(b"%d" % i, b"v") for i in range(200)]
HOSTILE = {
    "no fields": payload(4, length(0)),
    "no fields in a listpack": payload(16, listpack()),
    "no fields in a ziplist": payload(13, ziplist()),
    "no fields in a zipmap": payload(9, zipmap()),
    "no fields with deadlines": payload(24, ms(1) + length(0)),
    "a field twice": payload(4, length(2) + (string(b"a") + string(b"1")) * 2),
    "a field twice in a listpack": payload(16, listpack(b"a", b"1", b"a", b"2")),
    "a number twice in a listpack": payload(16, listpack(7, b"1", b"7", b"2")),
    "a field twice in a ziplist": payload(13, ziplist(b"a", b"1", b"a", b"2")),
    "a field twice in a zipmap": payload(9, zipmap((b"a", b"1"), (b"a", b"1"))),
    "a field twice in a long zipmap": payload(9, zipmap(*LONG, LONG[7])),
    "a field twice with deadlines": payload(24, ms(FAR) + length(2) + (length(1) + string(b"a") + string(b"1")) * 2),
    "an odd listpack": payload(16, listpack(b"a", b"1", b"b")),
    "an odd ziplist": payload(13, ziplist(b"a", b"1", b"b")),
    "a listpack of pairs for triples": payload(25, ms(FAR) + listpack(b"a", b"1", b"b", b"two")),
    "a deadline that is a text": payload(25, ms(FAR) + listpack(b"a", b"1", b"later")),
    "a negative deadline": payload(25, ms(FAR) + listpack(b"a", b"1", -5)),
    "a deadline too far": payload(25, ms(FAR) + listpack(b"a", b"1", 1 << 50)),
    "a first deadline too far": payload(24, ms(1 << 63) + length(1) + length(1) + string(b"a") + string(b"1")),
    "deadlines that overflow": payload(24, ms((1 << 48) - 1) + length(1) + b"\x81" + b"\xff" * 8 + string(b"a") + string(b"1")),
    "fewer fields than said": payload(4, length(2) + string(b"a") + string(b"1")),
    "as many fields as bytes cannot hold": payload(4, b"\x81" + b"\x7f" + b"\xff" * 7 + string(b"a") + string(b"1")),
    "a zipmap that counts wrongly": payload(9, zipmap((b"a", b"1"), count=2)),
    "a zipmap without its end": payload(9, string(b"\x01\x01a\x01\x001")),
    "a zipmap with a field past its end": payload(9, string(b"\x01\x7fa\x01\x001\xff")),
    "a zipmap with free bytes past its end": payload(9, string(b"\x01\x01a\x01\x091\xff")),
    "a pre-release's type": payload(22, ms(FAR) + length(1) + length(1) + string(b"a") + string(b"1")),
    "a pre-release's listpack": payload(23, listpack(b"a", b"1", FAR)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payloads_are_refused(client, name):
    reply = client("RESTORE", "h", 0, HOSTILE[name])
    assert isinstance(reply, Error) and str(reply) == "ERR Bad data format"
    assert client("EXISTS", "h") == 0
    assert client("PING") == "PONG"


def test_payloads_cut_and_changed_never_do_harm(client):
    """Every byte of a payload of each encoding lost or changed, under a right checksum: refused, or a sound hash."""
    rng = random.Random(7)
    for good in GOOD.values():
        body = good[:-10]
        for at in range(1, len(body)):
            for bad in (body[:at], body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]):
                reply = client("RESTORE", "h", 0, payload(bad[0], bad[1:]), "REPLACE")
                if reply == "OK" and client("EXISTS", "h"):
                    assert len(client("HGETALL", "h")) == 2 * client("HLEN", "h") > 0
                else:
                    assert reply == "OK" or str(reply) == "ERR Bad data format"


@pytest.mark.parametrize("fields", [SMALL, LARGE])
@pytest.mark.parametrize("timed", [False, True])
def test_what_is_dumped_is_restored(client, fields, timed):
    fill(client, "h", fields)
    if timed:
        client("HPEXPIREAT", "h", FAR, "FIELDS", 1, "f0")
        client("HPEXPIREAT", "h", FAR + 1000, "FIELDS", 1, "f1")
    dumped = client("DUMP", "h")
    assert dumped[0] == (24 if timed else 16 if fields == SMALL else 4)
    assert dumped[-10] == (12 if timed else 10)
    assert client("RESTORE", "copy", 0, dumped) == "OK"
    assert client("DEBUG", "DIGEST-VALUE", "copy") == client("DEBUG", "DIGEST-VALUE", "h")
    assert flat(client("HGETALL", "copy")) == flat(client("HGETALL", "h"))
    assert client("HPEXPIRETIME", "copy", "FIELDS", 3, "f0", "f1", "f2") == client(
        "HPEXPIRETIME", "h", "FIELDS", 3, "f0", "f1", "f2"
    )


# ---- small and large -----------------------------------------------------------------------------------------------


def test_a_hash_grows_at_its_thresholds_and_stays_large(client):
    client("CONFIG", "SET", "hash-max-listpack-entries", 4)
    fill(client, "h", 4)
    assert client("OBJECT", "ENCODING", "h") == b"listpack"
    client("HSET", "h", "f4", "v")
    assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("HDEL", "h", "f0", "f1", "f2", "f3")
    assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("HSET", "long", "f", "x" * 64)
    assert client("OBJECT", "ENCODING", "long") == b"listpack"
    client("HSET", "long", "f", "x" * 65)
    assert client("OBJECT", "ENCODING", "long") == b"hashtable"


def test_a_small_hash_keeps_its_bytes_through_random_edits(client):
    """A model of the same edits, through growth and shrinking of the entry, with a deadline that comes and goes."""
    rng = random.Random(3)
    model = {}
    for _ in range(3000):
        field = b"f%d" % rng.randrange(12)
        if rng.random() < 0.6:
            value = bytes(rng.choices(b"abc", k=rng.randrange(60))) if rng.random() < 0.7 else b"%d" % rng.randrange(1 << 62)
            assert client("HSET", "h", field, value) == (field not in model)
            model[field] = value
        else:
            assert client("HDEL", "h", field) == (field in model)
            model.pop(field, None)
        roll = rng.random()
        if roll < 0.1:
            client("EXPIRE", "h", 1000)
        elif roll < 0.2:
            client("PERSIST", "h")
        assert flat(client("HGETALL", "h")) == model
    assert client("OBJECT", "ENCODING", "h") in (b"listpack", None)


def test_a_large_hash_is_freed_without_a_stall(client):
    for at in range(0, 300000, 1000):
        client("HSET", "h", *[word % i for i in range(at, at + 1000) for word in ("f%d", "v%d")])
    began = time.monotonic()
    assert client("DEL", "h") == 1
    assert client("PING") == "PONG"
    assert time.monotonic() - began < 0.1
