"""Sorted sets where a comparison with Redis does not reach: who of several waiting clients is served, on whichever loop; payloads of
older versions and hostile ones; values of millions of members; options of Redis 7.2."""

import random
import struct
import threading
import time

import pytest

from differential import payload
from harness.resp import Error, encode
from harness.server import is_ordinal, is_sanitized

LARGE = 1000000 if not is_sanitized() else 100000
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
BAD_PAYLOAD = Error("ERR Bad data format")


@pytest.fixture(params=[1, 2, 3], ids=lambda count: "%d-loops" % count)
def any_loops(start_server, request):
    return start_server(**({"loops": request.param} if is_ordinal() else {}))


def wait_until_blocked(controller, count):
    end = time.monotonic() + 20
    while b"blocked_clients:%d\r" % count not in controller("INFO", "clients"):
        assert time.monotonic() < end


def blocked(server, controller, *commands):
    """Connections that wait inside these commands, in this order."""
    waiting = []
    for command in commands:
        connection = server.connect()
        connection.send(encode(*command))
        waiting.append(connection)
        wait_until_blocked(controller, len(waiting))
    return waiting


# -- waiting --------------------------------------------------------------------------------------------------------------


def test_waiting_clients_are_served_in_order_whatever_loop_they_are_on(any_loops):
    controller = any_loops.connect()
    waiting = blocked(any_loops, controller, *[("BZPOPMIN", "a", "b", "0")] * 9)
    assert controller("ZADD", "b", *[word for i in range(9) for word in (i, "m%d" % i)]) == 9
    assert [client.read() for client in waiting] == [[b"b", b"m%d" % i, b"%d" % i] for i in range(9)]
    assert controller("EXISTS", "a", "b") == 0


def test_the_first_of_the_keys_is_taken_from(any_loops):
    controller = any_loops.connect()
    (waiting,) = blocked(any_loops, controller, ("BZPOPMAX", "a", "b", "0"))
    controller.send(encode("MULTI") + encode("ZADD", "b", "1", "x") + encode("ZADD", "a", "1", "y", "2", "z") + encode("EXEC"))
    assert waiting.read() == [b"a", b"z", b"2"]
    assert [controller.read() for _ in range(4)][-1] == [1, 2]
    assert controller("ZRANGE", "a", "0", "-1") == [b"y"]


def test_members_that_are_gone_when_the_transaction_ends_wake_nobody(any_loops):
    controller = any_loops.connect()
    (waiting,) = blocked(any_loops, controller, ("BZPOPMIN", "a", "0"))
    controller.pipeline([("MULTI",), ("ZADD", "a", "1", "x"), ("DEL", "a"), ("EXEC",)])
    controller.pipeline([("MULTI",), ("ZADD", "a", "1", "x"), ("DEL", "a"), ("SET", "a", "1"), ("EXEC",)])
    assert waiting.is_quiet()
    assert controller("DEL", "a") == 1
    assert controller("ZADD", "a", "3", "y") == 1
    assert waiting.read() == [b"a", b"y", b"3"]


def test_several_members_are_popped_for_one_who_waits(any_loops):
    controller = any_loops.connect()
    first, second = blocked(
        any_loops, controller, ("BZMPOP", "0", "2", "a", "b", "MAX", "COUNT", "2"), ("BZMPOP", "0", "1", "b", "MIN")
    )
    assert controller("ZADD", "b", "1", "x", "2", "y", "3.5", "z") == 3
    assert first.read() == [b"b", [[b"z", b"3.5"], [b"y", b"2"]]]
    assert second.read() == [b"b", [[b"x", b"1"]]]
    assert controller("EXISTS", "b") == 0


@pytest.mark.parametrize(
    "fill",
    [
        ("ZINCRBY", "k", "5", "m"),
        ("ZUNIONSTORE", "k", "1", "src"),
        ("ZINTERSTORE", "k", "1", "src"),
        ("ZDIFFSTORE", "k", "1", "src"),
        ("ZRANGESTORE", "k", "src", "0", "-1"),
        ("RENAME", "src", "k"),
        ("COPY", "src", "k"),
    ],
    ids=lambda words: words[0].lower(),
)
def test_whatever_fills_the_key_wakes_who_waits(any_loops, fill):
    controller = any_loops.connect()
    controller("ZADD", "src", "5", "m")
    (waiting,) = blocked(any_loops, controller, ("BZPOPMIN", "k", "0"))
    assert not isinstance(controller(*fill), Error)
    assert waiting.read() == [b"k", b"m", b"5"]
    assert controller("EXISTS", "k") == 0


def test_a_wait_ends_in_time_without_anything(any_loops):
    client = any_loops.connect()
    for command in (("BZPOPMIN", "a", "0.05"), ("BZPOPMAX", "a", "b", "0.05"), ("BZMPOP", "0.05", "1", "a", "MIN")):
        start = time.monotonic()
        assert client(*command) is None
        assert time.monotonic() - start >= 0.05
    assert client.pipeline([("MULTI",), ("BZPOPMIN", "a", "0"), ("EXEC",)])[-1] == [None]
    assert client("BZPOPMIN", "a", "-1") == Error("ERR timeout is negative")
    assert client("BZPOPMIN", "a", "x") == Error("ERR timeout is not a float or out of range")
    client("SET", "string", "1")
    assert client("BZPOPMIN", "a", "string", "0") == WRONG_TYPE


def test_each_member_is_popped_by_one_client(any_loops):
    """Clients that wait, clients that pop, and clients that push, on all loops at once: nothing is lost, nothing comes twice."""
    pushers, takers, each = 3, 4, 300
    taken, lock = [], threading.Lock()

    def push(number):
        with any_loops.connect() as client:
            for i in range(each):
                client("ZADD", "queue", str(i), "%d:%d" % (number, i))

    def take(wait):
        with any_loops.connect() as client:
            while True:
                reply = client("BZPOPMIN", "queue", "0") if wait else client("BZMPOP", "0", "1", "queue", "MAX")
                member = reply[1] if wait else reply[1][0][0]
                if member.startswith(b"end"):
                    return
                with lock:
                    taken.append(member)

    threads = [threading.Thread(target=push, args=(i,)) for i in range(pushers)]
    threads += [threading.Thread(target=take, args=(i % 2 == 0,)) for i in range(takers)]
    for thread in threads:
        thread.start()
    for thread in threads[:pushers]:
        thread.join()
    controller = any_loops.connect()
    while controller("ZCARD", "queue") > 0:
        pass
    controller("ZADD", "queue", *[word for i in range(takers) for word in ("1", "end%d" % i)])
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(b"%d:%d" % (i, k) for i in range(pushers) for k in range(each))


# -- options of Redis 7.2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", ["128", "0"], ids=["small", "large"])
def test_ranks_come_with_scores(client, entries):
    client("CONFIG", "SET", "zset-max-listpack-entries", entries)
    client("ZADD", "k", "0.1", "a", "2", "b", "inf", "c")
    assert client("ZRANK", "k", "a", "WITHSCORE") == [0, b"0.1"]
    assert client("ZREVRANK", "k", "a", "withscore") == [2, b"0.1"]
    assert client("ZREVRANK", "k", "c", "withscore") == [0, b"inf"]
    assert client("ZRANK", "k", "none", "WITHSCORE") is None
    assert client("ZRANK", "none", "a", "WITHSCORE") is None
    assert client("ZRANK", "k", "a", "WITHSCORES") == Error("ERR syntax error")
    assert client("ZRANK", "k", "a", "WITHSCORE", "x") == Error("ERR wrong number of arguments for 'zrank' command")
    client.send(encode("ZRANK", "k", "none", "WITHSCORE") + encode("ZRANK", "k", "none"))
    assert client.raw(10) == b"*-1\r\n$-1\r\n"


# -- payloads -----------------------------------------------------------------------------------------------------------------


def packed(body, version=10):
    data = body + version.to_bytes(2, "little")
    return data + payload.crc64(data).to_bytes(8, "little")


def string(text):
    assert len(text) < 16384
    return (bytes([len(text)]) if len(text) < 64 else bytes([0x40 | len(text) >> 8, len(text) & 255])) + text


def text_score(score):
    return {"nan": b"\xfd", "inf": b"\xfe", "-inf": b"\xff"}.get(score) or bytes([len(score)]) + score.encode()


def type_3(*pairs):
    return packed(b"\x03" + bytes([len(pairs)]) + b"".join(string(m.encode()) + text_score(s) for m, s in pairs))


def type_5(*pairs):
    members = (string(m.encode()) + struct.pack("<d", float(s)) for m, s in pairs)
    return packed(b"\x05" + bytes([len(pairs)]) + b"".join(members))


def ziplist(*pairs):
    entries, before = b"", 0
    for text in (word for pair in pairs for word in pair):
        entry = bytes([before, len(text)]) + text.encode()
        entries, before = entries + entry, len(entry)
    last = 10 + len(entries) - before
    return struct.pack("<IIH", 11 + len(entries), last, 2 * len(pairs)) + entries + b"\xff"


def listpack(*words):
    entries = b"".join(bytes([0x80 | len(w)]) + w.encode() + bytes([1 + len(w)]) for w in words)
    return struct.pack("<IH", 7 + len(entries), len(words)) + entries + b"\xff"


def type_12(*pairs):
    return packed(b"\x0c" + string(ziplist(*pairs)))


def type_17(*pairs):
    return packed(b"\x11" + string(listpack(*(word for pair in pairs for word in pair))))


SORTED = [("a", "-inf"), ("b", "0.5"), ("c", "0.5"), ("long", "1e+30"), ("z", "inf")]


@pytest.mark.parametrize("entries", ["128", "3", "0"])
@pytest.mark.parametrize("encode_as", [type_3, type_5, type_12, type_17], ids=lambda f: f.__name__)
def test_every_encoding_of_a_sorted_set_is_restored(client, encode_as, entries):
    client("CONFIG", "SET", "zset-max-listpack-entries", entries)
    assert client("RESTORE", "k", "0", encode_as(*SORTED)) == "OK"
    flat = [word.encode() for pair in SORTED for word in pair]
    assert client("ZRANGE", "k", "0", "-1", "WITHSCORES") == flat
    assert client("OBJECT", "ENCODING", "k") == (b"listpack" if entries == "128" else b"skiplist")
    assert client("ZADD", "k", "1", "a", "0.75", "new") == 1
    assert client("ZRANGE", "k", "0", "-1") == [b"b", b"c", b"new", b"a", b"long", b"z"]
    again = client("DUMP", "k")
    assert client("RESTORE", "k", "0", again, "REPLACE") == "OK"
    assert client("ZRANGE", "k", "0", "-1") == [b"b", b"c", b"new", b"a", b"long", b"z"]


HOSTILE = {
    "nan in text": type_3(("a", "nan")),
    "nan": type_5(("a", "nan")),
    "nan in a listpack": type_17(("a", "nan")),
    "nan in a ziplist": type_12(("a", "nan")),
    "no number": type_3(("a", "1x")),
    "no number in a listpack": type_17(("a", "one")),
    "no number in a ziplist": type_12(("a", "")),
    "twice in text": type_3(("a", "1"), ("a", "2")),
    "twice": type_5(("a", "1"), ("a", "2")),
    "twice in a listpack": type_17(("a", "1"), ("b", "2"), ("a", "3")),
    "twice in a ziplist": type_12(("a", "1"), ("a", "2")),
    "a listpack out of order": type_17(("a", "2"), ("b", "1")),
    "a listpack with equal scores out of order": type_17(("b", "1"), ("a", "1")),
    "none": type_5(),
    "none in text": type_3(),
    "none in a listpack": type_17(),
    "none in a ziplist": type_12(),
    "a member without score": packed(b"\x11" + string(listpack("a", "1", "b"))),
    "more told than there are": packed(b"\x05\x05" + string(b"a") + struct.pack("<d", 1)),
    "an endless number of members": packed(b"\x05\x81" + b"\xff" * 8),
    "half a score": packed(b"\x05\x01" + string(b"a") + b"\0\0\0"),
    "an integer for a listpack": packed(b"\x11\xc0\x05"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("entries", ["128", "0"], ids=["small", "large"])
def test_what_is_no_sorted_set_is_not_restored(client, name, entries):
    client("CONFIG", "SET", "zset-max-listpack-entries", entries)
    assert client("RESTORE", "k", "0", HOSTILE[name]) == BAD_PAYLOAD
    assert client("EXISTS", "k") == 0
    assert client("PING") == "PONG"


def test_a_damaged_payload_is_refused_or_is_a_sorted_set(client):
    rng = random.Random(3)
    client("ZADD", "k", *[word for i in range(100) for word in (i / 7, "member:%d" % i)])
    client("CONFIG", "SET", "zset-max-listpack-entries", "50")
    client("COPY", "k", "large")
    client("ZADD", "large", *[word for i in range(100) for word in (i / 3, "member:%d" % i)])
    for whole in (client("DUMP", "k"), client("DUMP", "large"), type_3(*SORTED), type_12(*SORTED), type_17(*SORTED)):
        body = whole[:-10]
        for _ in range(400):
            at = rng.randrange(1, len(body))
            damaged = body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
            reply = client("RESTORE", "x", "0", packed(damaged), "REPLACE")
            assert reply in ("OK", BAD_PAYLOAD)
            if reply == "OK":
                read_whole(client, "x")


def read_whole(client, key):
    """A sorted set tells its members in order, each once, and the score of each."""
    flat = client("ZRANGE", key, "0", "-1", "WITHSCORES")
    members, scores = flat[::2], [float(score) for score in flat[1::2]]
    assert len(members) == client("ZCARD", key) == len(set(members)) > 0
    assert sorted(zip(scores, members)) == list(zip(scores, members))
    assert [float(score) for score in client("ZMSCORE", key, *members)] == scores


# -- large values -------------------------------------------------------------------------------------------------------------


def fill(client, key, count):
    for start in range(0, count, 1000):
        client("ZADD", key, *[word for i in range(start, start + 1000) for word in (i * 7919 % count, "m%d" % i)])


def test_a_million_members_are_ranked_copied_and_removed(client):
    fill(client, "k", LARGE)
    assert client("ZCARD", "k") == LARGE
    for rank in (0, 1, LARGE // 3, LARGE - 1):
        (member,) = client("ZRANGE", "k", str(rank), str(rank))
        assert client("ZRANK", "k", member) == rank
        assert client("ZSCORE", "k", member) == b"%d" % rank
    assert client("ZCOUNT", "k", "(10", "1000") == 990
    assert client("ZRANGEBYSCORE", "k", "0", "inf", "LIMIT", str(LARGE - 2), "5", "WITHSCORES")[1::2] == [
        b"%d" % (LARGE - 2),
        b"%d" % (LARGE - 1),
    ]
    assert client("COPY", "k", "copy") == 1
    assert client("DEBUG", "DIGEST-VALUE", "k") == client("DEBUG", "DIGEST-VALUE", "copy")
    assert client("ZREMRANGEBYRANK", "copy", "100", "-101") == LARGE - 200
    assert client("ZRANGE", "copy", "99", "100", "WITHSCORES")[1::2] == [b"99", b"%d" % (LARGE - 100)]
    assert len(set(client("ZRANDMEMBER", "k", "1000"))) == 1000
    assert client("UNLINK", "k", "copy") == 2


@pytest.mark.parametrize(
    "command",
    [("DEL", "k"), ("ZREMRANGEBYSCORE", "k", "-inf", "inf"), ("ZREMRANGEBYRANK", "k", "0", "-1"), ("SET", "k", "x")],
    ids=lambda words: words[0].lower(),
)
def test_a_large_set_goes_to_the_reaper_as_a_whole(client, command):
    fill(client, "k", LARGE // 10)
    freed = info(client, "memory", "lazyfreed_objects")
    assert not isinstance(client(*command), Error)
    assert client("ZSCORE", "k", "m1") == (WRONG_TYPE if command[0] == "SET" else None)
    end = time.monotonic() + 20
    while info(client, "memory", "lazyfreed_objects") == freed:
        assert time.monotonic() < end


def info(client, section, field):
    return int(client("INFO", section).split(b"%s:" % field.encode())[1].split(b"\r")[0])


def test_ranges_of_a_large_set_are_removed_whether_most_or_few_of_it(client):
    rng = random.Random(7)
    for _ in range(30):
        count = rng.choice([1500, 4000])
        members = [(rng.randrange(500), b"m%d" % i) for i in range(count)]
        client("DEL", "k")
        client("ZADD", "k", *[word for pair in members for word in pair])
        order = [member for _, member in sorted(members)]
        start, stop = rng.choice([0, 1, rng.randrange(count)]), rng.choice([count - 2, rng.randrange(count)])
        left = order[:start] + order[stop + 1 :] if start <= stop else order
        assert client("ZREMRANGEBYRANK", "k", str(start), str(stop)) == count - len(left)
        assert client("ZRANGE", "k", "0", "-1") == left
        assert client("ZCARD", "k") == len(left)
        assert client("ZRANK", "k", left[-1]) == len(left) - 1


def test_a_large_set_scans_completely_while_it_changes(client):
    fill(client, "k", 20000)
    seen, cursor = set(), b"0"
    rng = random.Random(5)
    while True:
        cursor, flat = client("ZSCAN", "k", cursor, "COUNT", "100")
        seen.update(flat[::2])
        client("ZREM", "k", *["m%d" % rng.randrange(10000, 20000) for _ in range(50)])
        client("ZADD", "k", "1", "new:%d" % rng.randrange(10**6))
        if cursor == b"0":
            break
    assert {b"m%d" % i for i in range(10000)} <= seen


def test_members_are_drawn_evenly(client):
    for entries in ("128", "0"):
        client("CONFIG", "SET", "zset-max-listpack-entries", entries)
        client("DEL", "k")
        client("ZADD", "k", *[word for i in range(50) for word in (i * i, "m%d" % i)])
        drawn = client("ZRANDMEMBER", "k", "-20000")
        counts = [drawn.count(b"m%d" % i) for i in range(50)]
        assert min(counts) > 250 and max(counts) < 600  # 400 each, 8 deviations apart
        several = [member for _ in range(2000) for member in client("ZRANDMEMBER", "k", "5")]
        counts = [several.count(b"m%d" % i) for i in range(50)]
        assert min(counts) > 90 and max(counts) < 330  # 200 each
        assert all(len(set(client("ZRANDMEMBER", "k", str(n)))) == min(n, 50) for n in (1, 2, 3, 6, 7, 49, 50, 51))
