"""A data set with every type in every encoding and many sizes, in several databases, with and without deadlines; and what a
client sees of it, to compare two servers by."""

import time

from harness.resp import Error

DATABASES = (0, 1, 7, 15)
DAY_MS = 86_400_000
DEADLINES = (90_000, 3_600_000, DAY_MS, 400 * DAY_MS, 36_500 * DAY_MS)
NOISE = bytes((i * i * 131 + i * 17 + (i >> 3) * 7) & 0xFF for i in range(70_000))
READ = {"string": ("GET",), "list": ("LRANGE", 0, -1), "set": ("SMEMBERS",), "hash": ("HGETALL",),
        "zset": ("ZRANGE", 0, -1, "WITHSCORES"), "stream": ("XRANGE", "-", "+")}


def strings():
    for number in (0, 1, -1, 127, -128, 255, 32767, -32769, 2147483647, -2147483649, 9223372036854775807, -9223372036854775808):
        yield "SET", "int:%d" % number, number
    for text in ("", "007", "+1", "-0", "3.0", " 1", "9223372036854775808", "1e3"):
        yield "SET", "text:" + text, text
    for size in (1, 19, 20, 43, 44, 45, 63, 64, 65, 254, 1023, 16383, 16384, 65_000):
        yield "SET", "noise:%d" % size, NOISE[:size]
        yield "SET", "same:%d" % size, b"x" * size
    yield "SET", "large", (NOISE + b"y" * 30_000) * 25
    yield "SET", b"\x00\xff\r\n binary key \x80", b"\x00\r\n\xfe"
    yield "SET", "k" * 300, "a key of 300 bytes"
    yield "SET", "k" * 20_000, "a key of 20,000 bytes"
    yield "SETBIT", "bits", 100_000, 1
    yield "APPEND", "grown", "a" * 100
    yield "APPEND", "grown", "b" * 100


def in_parts(command, key, words, part=1000):
    for start in range(0, len(words), part):
        yield (command, key, *words[start : start + part])


def lists():
    yield "RPUSH", "list:one", "a"
    yield "RPUSH", "list:mixed", 1, -1, 13, 127, 128, 4095, 4096, 32768, 8388608, 2147483648, -9223372036854775808, "", "text", NOISE
    for count in (2, 127, 128, 129, 5000):
        yield from in_parts("RPUSH", "list:%d" % count, ["element %d" % number for number in range(count)])
    yield from in_parts("RPUSH", "list:long", [NOISE[number : number + 300] for number in range(400)])
    yield "RPUSH", "list:plain", b"z" * 20_000, b"small", NOISE[:9000], b"end"
    yield "LSET", "list:128", 5, "changed"


def sets():
    for name, numbers in (("16", range(-40, 40)), ("32", range(70_000, 70_300)), ("64", range(1 << 40, (1 << 40) + 20)),
                          ("mixed", (1, -1, 32767, 32768, -32769, 1 << 31, -(1 << 63)))):
        yield ("SADD", "set:int" + name, *numbers)
    for count in (1, 100, 127, 128, 129, 3000):
        yield from in_parts("SADD", "set:%d" % count, ["member %d" % number for number in range(count)])
    yield "SADD", "set:long", NOISE[:100], NOISE[:64], NOISE[:65], ""
    yield from in_parts("SADD", "set:int512", list(range(513)))


def hashes():
    for count in (1, 100, 127, 128, 129, 512, 513, 4000):
        words = [word for number in range(count) for word in ("field %d" % number, "value %d" % (number * number))]
        yield from in_parts("HSET", "hash:%d" % count, words)
    yield "HSET", "hash:long", "f", NOISE[:65], NOISE[:70], "v", "", ""
    yield "HSET", "hash:numbers", "a", 1, "b", -1, 12345, 67890, "big", 1 << 62


def zsets():
    yield "ZADD", "zset:scores", 0, "zero", "-0.0", "minus zero", "inf", "inf", "-inf", "minus inf", "1e300", "huge", "3.141592653589793", \
        "pi", "0.1", "tenth", -17, "negative", 9007199254740993, "not exact", "5e-324", "least"
    for count in (1, 100, 127, 128, 129, 3000):
        words = [word for number in range(count) for word in (number * 0.5, "member %d" % number)]
        yield from in_parts("ZADD", "zset:%d" % count, words)
    yield "ZADD", "zset:long", 1, NOISE[:64], 2, NOISE[:65]
    yield "ZADD", "zset:same", 1, "b", 1, "a", 1, "c"
    yield "GEOADD", "geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"


def hyperloglogs():
    yield "PFADD", "hll:sparse", *("e%d" % number for number in range(20))
    for start in range(0, 20_000, 1000):
        yield "PFADD", "hll:dense", *("e%d" % number for number in range(start, start + 1000))


def commands():
    for part in (strings, lists, sets, hashes, zsets, hyperloglogs):
        yield from part()


def write(server):
    """Writes the data set into a server, one that is empty."""
    now = int(time.time() * 1000)
    with server.connect(timeout=60) as client:
        for db in DATABASES:
            assert client("SELECT", db) == "OK"
            made = list(commands()) if db == DATABASES[0] else [*strings(), *zsets()][db::3]
            for command in made:
                reply = client(*command)
                assert not isinstance(reply, Error), (command[:3], reply)
            for place, name in enumerate(sorted(client("KEYS", "*"))):
                if place % 3 == 0:
                    assert client("PEXPIREAT", name, now + DEADLINES[place // 3 % len(DEADLINES)] + place) == 1
            assert client("SET", "gone soon", "x", "PX", 1) == "OK"


def write_more(server):
    """Changes of all kinds, for a log to carry on top of what is there."""
    with server.connect() as client:
        for command in (("INCRBY", "int:1", 41), ("APPEND", "same:44", "tail"), ("SETRANGE", "grown", 3, "patch"),
                        ("SETEX", "text:+1", 5000, "again"), ("GETDEL", "int:0"), ("GETEX", "int:127", "EX", 7000),
                        ("INCRBYFLOAT", "text:3.0", 1.5), ("MSET", "m:1", "a", "m:2", "b"), ("LMOVE", "list:127", "list:one", "LEFT", "RIGHT"),
                        ("LPOP", "list:128", 3), ("LTRIM", "list:5000", 10, -10), ("LINSERT", "list:one", "BEFORE", "a", "before"),
                        ("SPOP", "set:3000", 5), ("SMOVE", "set:100", "set:1", "member 7"), ("SINTERSTORE", "set:both", "set:127", "set:128"),
                        ("HDEL", "hash:129", "field 3"), ("HINCRBY", "hash:numbers", "a", 9), ("HINCRBYFLOAT", "hash:numbers", "b", 0.25),
                        ("ZINCRBY", "zset:3000", 7.25, "member 2"), ("ZPOPMIN", "zset:128", 2), ("ZREMRANGEBYRANK", "zset:3000", 5, 9),
                        ("ZRANGESTORE", "zset:part", "zset:129", 0, 10), ("GEOSEARCHSTORE", "geo:near", "geo", "FROMMEMBER", "Palermo", "BYRADIUS", 500, "km"),
                        ("PFADD", "hll:sparse", "more"), ("PFMERGE", "hll:both", "hll:sparse", "hll:dense"), ("EXPIRE", "set:128", 9000),
                        ("PERSIST", "int:32767"), ("RENAME", "hash:1", "hash:renamed"), ("COPY", "zset:100", "zset:copy", "DB", 7),
                        ("MOVE", "hash:100", 7), ("DEL", "noise:1"), ("UNLINK", "large"), ("BITOP", "NOT", "bits:not", "noise:64"),
                        ("SORT", "list:129", "ALPHA", "STORE", "sorted"), ("MULTI",), ("SET", "in:1", "a"), ("SELECT", 7), ("SET", "in:2", "b"),
                        ("SELECT", 0), ("LPUSH", "in:3", "c"), ("EXEC",), ("SWAPDB", 1, 15), ("SELECT", 15), ("SET", "after the swap", "x")):
            reply = client(*command)
            assert not isinstance(reply, Error), (command, reply)


def order_less(kind, reply):
    """A value that compares equal in whatever form a server gives it."""
    if kind == "set":
        return sorted(reply)
    if kind == "hash":
        return sorted(zip(reply[::2], reply[1::2]))
    if kind == "zset":
        return [(member, float(score)) for member, score in zip(reply[::2], reply[1::2])]  # the digits depend on the version
    return reply


def contents(server):
    """{(database, key): (type, value, deadline)} of all that a client can see."""
    found = {}
    with server.connect(timeout=60) as client:
        for db in range(16):
            assert client("SELECT", db) == "OK"
            if client("EXISTS", "hll:dense"):
                found[db, b"(dense count)"] = ("count", client("PFCOUNT", "hll:dense"), -1)  # which the value keeps
            for name in client("KEYS", "*"):
                kind = client("TYPE", name)
                if kind == "none":
                    continue  # its deadline has passed since
                read = READ[kind]
                found[db, name] = (kind, order_less(kind, client(read[0], name, *read[1:])), client("PEXPIRETIME", name))
    return found


def differences(was, found):
    """What differs, in words; empty when nothing does."""
    lines = []
    for key in sorted(set(was) | set(found)):
        if was.get(key) != found.get(key):
            lines.append("db%d %r: %s -> %s" % (*key, *(repr(one)[:200] for one in (was.get(key), found.get(key)))))
    return "\n".join(lines[:20])
