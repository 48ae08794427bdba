"""Lists, as far as comparing with redis-server does not tell: encodings of Redis 7.2, long lists, RDB of other versions."""

import itertools
import random
import struct
import time

import pytest
from harness.resp import Error

FOOTER_OF_VERSION = {}


def encoding(client, key):
    return client("OBJECT", "ENCODING", key)


def crc64(data):
    table = FOOTER_OF_VERSION.setdefault("table", [])
    if not table:
        for byte in range(256):
            crc = byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
            table.append(crc)
    crc = 0
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def payload(kind, body, version=9):
    data = bytes([kind]) + body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def string(data):
    assert len(data) < 64
    return bytes([len(data)]) + data


def ziplist(*entries):
    """Of entries that are whole but for the length of the one before."""
    body, last, size = b"", 10, 0
    for entry in entries:
        last = 10 + len(body)
        body += bytes([size]) + entry
        size = 1 + len(entry)
    return struct.pack("<IIH", 11 + len(body), last, len(entries)) + body + b"\xff"


def listpack(*entries):
    body = b"".join(entry + bytes([len(entry)]) for entry in entries)
    return struct.pack("<IH", 7 + len(body), len(entries)) + body + b"\xff"


# ---- encodings ---------------------------------------------------------------------------------------------------


def test_a_list_is_small_up_to_its_limit_and_again_at_half_of_it(client):
    client("CONFIG", "SET", "list-max-listpack-size", "4")
    client("RPUSH", "l", 1, 2, 3, 4)
    assert encoding(client, "l") == b"listpack"
    client("RPUSH", "l", 5)
    assert encoding(client, "l") == b"quicklist"
    client("LTRIM", "l", 0, 2)
    assert encoding(client, "l") == b"quicklist"
    client("RPOP", "l")
    assert encoding(client, "l") == b"listpack"
    assert client("LRANGE", "l", 0, -1) == [b"1", b"2"]


@pytest.mark.parametrize("take, put", itertools.product(("LEFT", "RIGHT"), repeat=2))
@pytest.mark.parametrize("length, form", [(1, b"listpack"), (4, b"listpack"), (5, b"quicklist")])
def test_a_list_that_is_rotated_keeps_its_form(client, length, form, take, put):
    client("CONFIG", "SET", "list-max-listpack-size", "4")
    model = [b"7", b"x" * 300, b"-70000", b"", b"y"][:length]
    client("RPUSH", "l", *model)
    for _ in range(2 * length):
        value = model.pop(0 if take == "LEFT" else -1)
        model.insert(0 if put == "LEFT" else len(model), value)
        assert client("LMOVE", "l", "l", take, put) == value
        assert client("LRANGE", "l", 0, -1) == model
        assert encoding(client, "l") == form


def test_a_list_over_its_limit_becomes_large_when_it_is_rotated(client):
    """A push counts the bytes of values alone: what it leaves may be more than the limit, which the next push sees."""
    client("RPUSH", "l", *[b"x" * 63] * 128)
    assert encoding(client, "l") == b"listpack"
    client("LMOVE", "l", "l", "LEFT", "RIGHT")
    assert encoding(client, "l") == b"quicklist"
    assert client("LRANGE", "l", 0, -1) == [b"x" * 63] * 128


@pytest.mark.parametrize("limit", [-5, -2, -1, 1, 3, 100])
def test_a_list_is_the_same_whatever_its_form(client, limit):
    """Random edits at all lengths, beside a plain Python list."""
    rng = random.Random(limit)
    client("CONFIG", "SET", "list-max-listpack-size", limit)
    model = []
    for step in range(1500):
        value = b"%d" % rng.randrange(50) if rng.random() < 0.7 else b"v" * rng.choice([1, 60, 70, 300, 5000])
        at = rng.randrange(len(model)) if model else 0
        kind = rng.randrange(8)
        if kind <= 1 or not model:
            client("RPUSH", "l", value)
            model.append(value)
        elif kind == 2:
            client("LPUSH", "l", value, step)
            model[:0] = [b"%d" % step, value]
        elif kind == 3:
            assert client("LSET", "l", at, value) == "OK"
            model[at] = value
        elif kind == 4:
            where = model.index(model[at])
            client("LINSERT", "l", "AFTER", model[at], value)
            model.insert(where + 1, value)
        elif kind == 5:
            assert client("LPOP", "l") == model.pop(0)
        elif kind == 6 and rng.random() < 0.2:
            pivot = model[at]
            assert client("LREM", "l", 0, pivot) == model.count(pivot)
            model = [other for other in model if other != pivot]
        elif kind == 7 and rng.random() < 0.03:
            client("LTRIM", "l", at // 2, at)
            model = model[at // 2 : at + 1]
        assert client("LLEN", "l") == len(model)
        if step % 50 == 0:
            assert client("LRANGE", "l", 0, -1) == model
            assert client("COPY", "l", "copy", "REPLACE") == (1 if model else 0)
            if model:
                assert client("RESTORE", "again", 0, client("DUMP", "l"), "REPLACE") == "OK"
                assert client("DEBUG", "DIGEST-VALUE", "l", "copy", "again") == client("DEBUG", "DIGEST-VALUE", "l", "l", "l")
    assert client("LRANGE", "l", 0, -1) == model


# ---- RDB of all versions -----------------------------------------------------------------------------------------

ONE_TWO = ziplist(b"\xf2", b"\x03two", b"\xfe\x80")
PACKED = listpack(b"\x01", b"\x83two", b"\xdf\x80")
WHOLE = [b"1", b"two", b"-128"]


@pytest.mark.parametrize(
    "kind,body,elements",
    [
        (1, b"\x03" + string(b"1") + string(b"two") + b"\xc0\x80", WHOLE),
        (10, string(ONE_TWO), WHOLE),
        (14, b"\x02" + string(ONE_TWO) + string(ziplist(b"\xfd")), WHOLE + [b"12"]),
        (14, b"\x02" + string(ziplist()) + string(ONE_TWO), WHOLE),
        (18, b"\x02\x02" + string(PACKED) + b"\x01" + string(b"plain"), WHOLE + [b"plain"]),
    ],
    ids=["strings", "ziplist", "ziplists", "one ziplist empty", "listpacks"],
)
def test_lists_of_every_rdb_version_are_read(client, kind, body, elements):
    assert client("RESTORE", "l", 0, payload(kind, body)) == "OK"
    assert client("LRANGE", "l", 0, -1) == elements
    assert encoding(client, "l") == b"listpack"


@pytest.mark.parametrize(
    "kind,body",
    [
        (1, b"\x00"),
        (1, b"\x02" + string(b"1")),
        (10, string(ziplist())),
        (10, string(ONE_TWO[:-1])),
        (10, string(ONE_TWO[:8] + b"\x09\x00" + ONE_TWO[10:])),
        (14, b"\x01" + string(ziplist())),
        (14, b"\x01" + string(b"")),
        (18, b"\x01\x03" + string(PACKED)),
        (18, b"\x01\x02" + string(PACKED[:-1] + b"\x00")),
        (18, b"\x01\x02" + string(listpack())),
        (18, b"\x81" + b"\x10" * 8),
    ],
)
def test_a_hostile_payload_is_refused(client, kind, body):
    assert client("RESTORE", "l", 0, payload(kind, body)) == Error("ERR Bad data format")
    assert client("EXISTS", "l") == 0


def test_a_list_just_under_its_limit_keeps_its_form_through_dump_and_copy(client):
    """Its listpack of 8,179 bytes is more than a chunk of a large list holds."""
    client("RPUSH", "l", b"x" * 4000, b"y" * 4000, b"z" * 160)
    assert encoding(client, "l") == b"listpack"
    assert client("RESTORE", "again", 0, client("DUMP", "l")) == "OK"
    client("COPY", "l", "copy")
    for key in ("again", "copy"):
        assert encoding(client, key) == b"listpack"
        assert client("LRANGE", key, 0, -1) == client("LRANGE", "l", 0, -1)
        assert client("DUMP", key) == client("DUMP", "l")


# ---- large lists -------------------------------------------------------------------------------------------------


def test_large_removals_leave_what_they_should(client):
    count = 200000
    for start in range(0, count, 10000):
        client("RPUSH", "l", *range(start, start + 10000))
    assert client("LTRIM", "l", 50000, 150000) == "OK"
    assert client("LLEN", "l") == 100001
    assert [client("LINDEX", "l", at) for at in (0, 50000, -1)] == [b"50000", b"100000", b"150000"]
    assert client("LPOP", "l", 100000)[-1] == b"149999"
    assert client("LRANGE", "l", 0, -1) == [b"150000"]
    assert encoding(client, "l") == b"listpack"


@pytest.mark.long
def test_ten_million_elements_push_pop_and_go_without_a_stall(start_server):
    server = start_server()
    with server.connect() as client, server.connect() as other:
        for start in range(0, 10_000_000, 100_000):
            client("RPUSH", "l", *range(start, start + 100_000))
        worst = 0.0
        for command in (["LPUSH", "l", "x"], ["RPUSH", "l", "x"], ["LPOP", "l"], ["RPOP", "l"], ["LINDEX", "l", 5_000_000]) * 50:
            start = time.monotonic()
            client(*command)
            worst = max(worst, time.monotonic() - start)
        for command in (["LTRIM", "l", 0, 6_000_000], ["DEL", "l"]):
            start = time.monotonic()
            client(*command)
            other("PING")
            worst = max(worst, time.monotonic() - start)
        assert worst < 0.05
