"""What arguments are made of: pools of values by what an argument is called and what type it has.

Pools are small on purpose, so that commands meet each other's keys and values, and hold what servers get
wrong: limits of every integer width, numbers with signs, spaces and leading zeros, floats of every notation,
empty and binary strings. Nothing here may make a reply depend on the clock (a deadline is long past or far
ahead) or on the machine (no value grows past some kilobytes).
"""

import random
from typing import Callable, Dict, List

I64_MAX = 2**63 - 1
I64_MIN = -(2**63)

# A type's own keys come first in its commands, so that these mostly meet a value of the right type.
KEYS: Dict[str, List[bytes]] = {
    "string": [b"s1", b"s2", b"s3", b"s4", b"num1", b"num2", b"float1", b"", b"key with space", b"\x00\xff\r\n"],
    "bitmap": [b"bits1", b"bits2", b"bits3", b"s1", b"num1"],
    "list": [b"l1", b"l2", b"l3"],
    "set": [b"set1", b"set2", b"set3"],
    "hash": [b"h1", b"h2", b"h3"],
    "sorted-set": [b"z1", b"z2", b"z3"],
    "stream": [b"x1", b"x2"],
    "hyperloglog": [b"hll1", b"hll2", b"s1"],
    "geo": [b"geo1", b"geo2", b"z1"],
}
MISSING = [b"missing1", b"{tag}missing2"]

TEXTS = [
    b"", b"a", b"b", b"abc", b"hello", b"Hello World", b"ohmytext", b"mynewtext", b"foobar", b"\x00", b"\xff\xfe\xfd",
    b"with\r\nlines\r\n", b"quote\"back\\slash", b"a" * 43, b"b" * 44, b"c" * 45, b"d" * 64, b"xy" * 300, b"0", b"1", b"10",
    b"-5", b"3.14", b"1e3", b"nan", b"inf", b"9223372036854775807", b"-9223372036854775808", b" 1", b"1 ", b"007",
    "käse".encode(), b"\x00\x01\x02\x03\x04\x05\x06\x07", b"\xf0\x0f\xaa\x55", b"*1\r\n$4\r\nPING\r\n",
]  # fmt: skip
# HyperLogLogs as clients may set them: an empty one, a small one, and ones that are corrupt behind a good header (too few
# registers, too many, an unknown encoding, a dense one that is too short).
_HLL = b"HYLL\x01" + b"\x00" * 10 + b"\x80"
HYPERLOGLOGS = [
    _HLL + b"\x7f\xff", _HLL + b"\x5d\x66\x80\x62\x1b", _HLL + b"\x5d\x66\x80\x4d\x74\x80\x51\x2c\x8c\x43\xf3",
    _HLL + b"\x7f\xff\x81", _HLL + b"\x7f\xf0\x83\x83\x87\x87\x83", _HLL, b"HYLL\x02" + _HLL[5:] + b"\x7f\xff",
    b"HYLL\x00" + _HLL[5:] + b"\x00" * 100, b"HYLL",
]  # fmt: skip
SMALL = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 16, 31, 32, 63, 64, 100]
LIMITS = [
    127, 128, 255, 256, 1000, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**53 + 1, I64_MAX, I64_MIN, I64_MAX - 1,
    I64_MIN + 1, I64_MAX // 2, I64_MAX // 1000, I64_MAX // 1000 + 1,
]  # fmt: skip
NOT_INTEGERS = [
    b"", b" ", b"a", b"1a", b" 1", b"1 ", b"+1", b"01", b"-0", b"--1", b"1.0", b"1e2", b"0x10", b"9223372036854775808",
    b"-9223372036854775809", b"18446744073709551615", b"99999999999999999999999999", b"nan", b"inf", b"1\x00", b"\xff",
]  # fmt: skip
FLOATS = [
    b"0", b"1", b"-1", b"1.5", b"-2.25", b"0.1", b"0.2", b"3.0e3", b"1e-5", b"5e-324", b"1.7976931348623157e308", b"-0.0", b"1e17",
    b"123456789.123456789", b"10.5000", b".5", b"5.", b"1e100", b"0.00000000000000001", b"3.141592653589793238462643",
    b"99999999999999999", b"1e4932", b"0x1p3",
]  # fmt: skip
NOT_FLOATS = [b"", b" ", b"abc", b"1.5abc", b" 1.5", b"1.5 ", b"nan", b"NaN", b"inf", b"-inf", b"+inf", b"1e5000", b"1..5", b"0x", b"\x00"]
PATTERNS = [
    b"*", b"s*", b"?1", b"[sn]*", b"[^s]*", b"num[0-9]", b"*1", b"", b"\\*", b"[", b"[a-", b"k*e", b"**", b"h?llo", b"*\x00*", b"s1",
    b"[b-a]its*", b"\\", b"[\\]]*",
]  # fmt: skip
FIELDS = [b"f1", b"f2", b"f3", b"f4", b"", b"1", b"-5", b"007", b"\x00\xff", b"9223372036854775807", b"long " * 20]
MEMBERS = [b"a", b"b", b"c", b"d", b"e", b"f", b"aa", b"ab", b"", b"1", b"-5", b"007", b"\x00\xff", b"member " * 12]
SORT_PATTERNS = [
    b"num*", b"s*", b"s*", b"float*", b"h*->f1", b"h*->f", b"*", b"*->f1", b"nosort", b"#", b"#*", b"h*->", b"s*->x", b"", b"**", b"key*space",
]  # fmt: skip
PAST = [0, 1, -1, 1000, 1300000000, I64_MIN, I64_MIN + 1]
OVERFLOWING = [I64_MAX, I64_MAX // 1000, I64_MAX // 1000 + 1, I64_MAX - 1, 10**16]
FUTURE_SECONDS = [4102444800, 4102444801, 5000000000]
FUTURE_MILLISECONDS = [4102444800000, 4102444800001, 5000000000000]
ENCODINGS = [
    b"u1", b"u2", b"u4", b"u7", b"u8", b"u16", b"u31", b"u32", b"u62", b"u63", b"i1", b"i2", b"i5", b"i8", b"i16", b"i31", b"i32",
    b"i63", b"i64", b"u64", b"i65", b"u0", b"i0", b"u", b"", b"x8", b"U8", b"I8", b"u08", b"u-1", b"u8a",
]  # fmt: skip
BIT_OFFSETS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 23, 31, 63, 64, 100, 1000, 20000, -1, 2**32, 2**33, I64_MAX, I64_MIN, 2**63 // 8]
# Settings whose change no other command's reply shows; episodes put them back.
PARAMETERS: Dict[bytes, List[bytes]] = {
    b"maxmemory-samples": [b"5", b"10", b"0", b"-1", b"abc", b""],
    b"lfu-log-factor": [b"10", b"1", b"-1", b"x"],
    b"lfu-decay-time": [b"1", b"0", b"-2"],
    b"slowlog-max-len": [b"128", b"1", b"-1", b"abc"],
    b"timeout": [b"0", b"86400", b"-1", b"2147483648", b"1.5"],
    b"tcp-keepalive": [b"300", b"0", b"-1"],
    b"hz": [b"10", b"11", b"abc"],
    b"lazyfree-lazy-expire": [b"yes", b"no", b"maybe", b"YES", b"1"],
    b"maxmemory-policy": [b"noeviction", b"wrong", b""],
    b"loglevel": [b"notice", b"warning", b"loud"],
    b"hash-max-listpack-entries": [b"512", b"2", b"0", b"3", b"-1"],
    b"hash-max-listpack-value": [b"64", b"4", b"0", b"-1"],
    b"zset-max-listpack-entries": [b"128", b"2", b"0", b"3", b"-1"],
    b"zset-max-listpack-value": [b"64", b"4", b"0", b"-1"],
}
DEFAULTS = {
    b"maxmemory-samples": b"5", b"lfu-log-factor": b"10", b"lfu-decay-time": b"1", b"slowlog-max-len": b"128", b"timeout": b"0",
    b"tcp-keepalive": b"300", b"hz": b"500", b"lazyfree-lazy-expire": b"no", b"maxmemory-policy": b"noeviction", b"loglevel": b"notice",
    b"hash-max-listpack-entries": b"512", b"hash-max-listpack-value": b"64",
    b"zset-max-listpack-entries": b"128", b"zset-max-listpack-value": b"64",
}  # fmt: skip


# Enough of them that a set of places outgrows its small form.
PLACES = [b"place%d" % n for n in range(200)] + [b"%d" % n for n in range(20)]


def _choice(pool) -> Callable[[random.Random], object]:
    return lambda rng: rng.choice(pool)


def integer(rng: random.Random) -> int:
    """Any integer: mostly small, now and then a limit of some width."""
    roll = rng.random()
    if roll < 0.75:
        return rng.choice(SMALL)
    return rng.choice(LIMITS) if roll < 0.95 else rng.randrange(-(10**6), 10**6)


def not_integer(rng: random.Random) -> bytes:
    return rng.choice(NOT_INTEGERS)


def number(rng: random.Random) -> bytes:
    """A float as a client writes it, now and then one that is none."""
    if rng.random() < 0.05:
        return rng.choice(NOT_FLOATS)
    return rng.choice(FLOATS) if rng.random() < 0.8 else repr(rng.uniform(-1000, 1000)).encode()


def text(rng: random.Random) -> bytes:
    """A value: from the pool, a number, or random bytes of up to 200 (rarely some thousand)."""
    roll = rng.random()
    if roll < 0.03:
        return rng.choice(HYPERLOGLOGS)
    if roll < 0.70:
        return rng.choice(TEXTS)
    if roll < 0.85:
        return str(integer(rng)).encode()
    length = rng.randrange(200) if roll < 0.99 else rng.randrange(5000)
    return bytes(rng.choices(b"ab01\x00\xff" if rng.random() < 0.5 else range(256), k=length))


def far_seconds(rng: random.Random) -> int:
    """A duration that does not pass during the run, and that no other comes near: GT and LT compare deadlines."""
    return rng.randrange(10**5, 10**9)


def far_milliseconds(rng: random.Random) -> int:
    return far_seconds(rng) * 1000 + rng.randrange(1000)


def seconds(rng: random.Random) -> int:
    return far_seconds(rng) if rng.random() < 0.7 else rng.choice(PAST[:3] + PAST[5:] + OVERFLOWING)


def milliseconds(rng: random.Random) -> int:
    return far_milliseconds(rng) if rng.random() < 0.7 else rng.choice(PAST[:3] + PAST[5:] + OVERFLOWING)


def unix_seconds(rng: random.Random) -> int:
    return rng.choice(FUTURE_SECONDS) if rng.random() < 0.7 else rng.choice(PAST + OVERFLOWING)


def unix_milliseconds(rng: random.Random) -> int:
    return rng.choice(FUTURE_MILLISECONDS) if rng.random() < 0.7 else rng.choice(PAST + OVERFLOWING)


def score_bound(rng: random.Random) -> object:
    """An end of a range of scores."""
    bound = rng.choice([number, integer])(rng) if rng.random() < 0.6 else rng.choice([b"-inf", b"+inf", b"inf", b"0", b"1"])
    return b"(" + (bound if isinstance(bound, bytes) else b"%d" % bound) if rng.random() < 0.3 else bound


def member_bound(rng: random.Random) -> bytes:
    """An end of a range of members."""
    if rng.random() < 0.4:
        return rng.choice([b"-", b"+", b"-", b"+", b"--", b"+\x00", b"a", b""])
    return rng.choice([b"[", b"("]) + rng.choice(MEMBERS)


def any_bound(rng: random.Random) -> object:
    """An end of a range of ranks, scores or members."""
    roll = rng.random()
    return integer(rng) if roll < 0.5 else score_bound(rng) if roll < 0.75 else member_bound(rng)


def database(rng: random.Random) -> int:
    return rng.choice([0, 0, 0, 1, 1, 2]) if rng.random() < 0.9 else rng.choice([15, 16, -1, 2**31, I64_MAX])


def bit_offset(rng: random.Random) -> object:
    offset = rng.choice(BIT_OFFSETS)
    return b"#%d" % offset if rng.random() < 0.2 else offset


def byte_offset(rng: random.Random) -> int:
    return rng.choice(SMALL) if rng.random() < 0.85 else rng.choice([2000, 4000, 2**29, 2**29 - 1 + 2**20, I64_MAX, -1])


def _coordinate(rng: random.Random, limit: float, pool) -> bytes:
    """Often one of a few, so that places meet; or anywhere, now and then at or beyond the limits."""
    roll = rng.random()
    if roll < 0.6:
        return rng.choice(pool)
    if roll < 0.97:
        return repr(rng.uniform(-limit, limit)).encode()
    return rng.choice([b"%r" % limit, b"-%r" % limit, b"181", b"-85.06", b"inf", b"nan", b"x", b"1e300"])


def longitude(rng: random.Random) -> bytes:
    return _coordinate(rng, 180.0, [b"0", b"13.361389", b"15.087269", b"15.08727", b"-180", b"180", b"179.9", b"-179.9", b"2.35", b"-74"])


def latitude(rng: random.Random) -> bytes:
    return _coordinate(rng, 85.05112878, [b"0", b"38.115556", b"37.502669", b"37.5027", b"-85", b"85", b"84.9", b"66.5", b"48.85", b"40.7"])


def distance(rng: random.Random) -> bytes:
    """In whatever unit: nothing, metres, a town, half the world and more."""
    roll = rng.random()
    if roll < 0.05:
        return rng.choice([b"0", b"-1", b"inf", b"x", b"1e300", b"5e-324"])
    return b"%.3f" % (10 ** rng.uniform(-2, 8))


def place(rng: random.Random) -> bytes:
    return rng.choice(PLACES) if rng.random() < 0.95 else text(rng)


# By the argument's name in COMMAND DOCS. "command argument" wins over the argument alone.
BY_NAME: Dict[str, Callable] = {
    "seconds": seconds,
    "milliseconds": milliseconds,
    "unix-time-seconds": unix_seconds,
    "unix-time-milliseconds": unix_milliseconds,
    "ttl": milliseconds,
    "db": database,
    "destination-db": database,
    "index1": database,
    "index2": database,
    "select index": database,
    "encoding": _choice(ENCODINGS),
    "setbit offset": bit_offset,
    "getbit offset": bit_offset,
    "bitfield offset": bit_offset,
    "bitfield_ro offset": bit_offset,
    "setrange offset": byte_offset,
    "setbit value": _choice([0, 1, 0, 1, 0, 1, 2, -1, b"x"]),
    "bitpos bit": _choice([0, 1, 0, 1, 0, 1, 2, -1, b"x"]),
    "bitop operation": _choice([b"AND", b"OR", b"XOR", b"NOT", b"and", b"Not", b"NAND", b""]),
    "bitfield value": integer,
    "cursor": _choice([0, 0, 0, 0, 0, 7, b"abc", -1, b"18446744073709551615", b"18446744073709551616"]),
    "scan count": _choice([1, 10, 1000, 0, -1, b"x"]),
    "scan type": _choice([b"string", b"STRING", b"list", b"hash", b"set", b"zset", b"stream"]),
    "protover": _choice([2, 3, 2, 3, 1, 4, b"x", -1]),
    "username": _choice([b"default", b"nobody", b""]),
    "password": _choice([b"wrong", b"", b"secret"]),
    "clientname": _choice([b"name", b"", b"bad name", b"x\n"]),
    "connection-name": _choice([b"name", b"other", b"", b"bad name", b"x\r\n", b"\xc3\xa9"]),
    "client-id": _choice([99999999, -1, b"x", I64_MAX]),
    "parameter": lambda rng: rng.choice(list(PARAMETERS)) if rng.random() < 0.9 else rng.choice([b"nosuch", b"", b"maxmem*", b"h?"]),
    "frequency": _choice([0, 5, 255, 256, -1]),
    "restore seconds": _choice([0, 5, 100, -1]),
    "event": _choice([b"command", b"fork", b"nosuch", b""]),
    "version": _choice([5, 6, 1, b"x"]),
    "message": text,
    "longitude": longitude,
    "latitude": latitude,
    "radius": distance,
    "width": distance,
    "height": distance,
    "geoadd member": place,
    "geodist member1": place,
    "geodist member2": place,
    "geosearch member": place,
    "geosearchstore member": place,
    "georadiusbymember member": place,
    "georadiusbymember_ro member": place,
    "geohash member": place,
    "geopos member": place,
    "geosearch count": _choice([1, 2, 3, 5, 10, 100, 1, 2, 3, 0, -1, b"x"]),
    "geosearchstore count": _choice([1, 2, 3, 5, 10, 100, 1, 2, 3, 0, -1, b"x"]),
    "georadius count": _choice([1, 2, 3, 5, 10, 100, 1, 2, 3, 0, -1, b"x"]),
    "georadiusbymember count": _choice([1, 2, 3, 5, 10, 100, 1, 2, 3, 0, -1, b"x"]),
    "pfdebug subcommand": _choice([b"GETREG", b"DECODE", b"DECODE", b"decode", b"ENCODING", b"TODENSE", b"HELP", b""]),
    "increment": integer,
    "sort pattern": _choice(SORT_PATTERNS),
    "sort_ro pattern": _choice(SORT_PATTERNS),
    "incrbyfloat increment": number,
    "hincrbyfloat increment": number,
    "field": lambda rng: rng.choice(FIELDS) if rng.random() < 0.9 else text(rng),
    "member": lambda rng: rng.choice(MEMBERS) if rng.random() < 0.9 else text(rng),
    "score": number,
    "weight": lambda rng: number(rng) if rng.random() < 0.5 else integer(rng),
    "zincrby increment": number,
    "zscan count": _choice([1, 10, 1000, 0, -1, b"x"]),
    "zrangebylex min": member_bound,
    "zrangebylex max": member_bound,
    "zrevrangebylex min": member_bound,
    "zrevrangebylex max": member_bound,
    "zlexcount min": member_bound,
    "zlexcount max": member_bound,
    "zremrangebylex min": member_bound,
    "zremrangebylex max": member_bound,
    "zrange start": any_bound,
    "zrange stop": any_bound,
    "zrangestore min": any_bound,
    "zrangestore max": any_bound,
    "zrangebyscore min": score_bound,
    "zrangebyscore max": score_bound,
    "zrevrangebyscore min": score_bound,
    "zrevrangebyscore max": score_bound,
    "zremrangebyscore min": score_bound,
    "zremrangebyscore max": score_bound,
    "zcount min": score_bound,
    "zcount max": score_bound,
    "hscan count": _choice([1, 10, 1000, 0, -1, b"x"]),
}
BY_TYPE: Dict[str, Callable] = {
    "string": text,
    "integer": integer,
    "double": number,
    "pattern": _choice(PATTERNS),
    "unix-time": unix_seconds,
}


def value(rng: random.Random, command: str, name: str, kind: str) -> object:
    """A value for the argument `name` of type `kind` of `command`, valid more often than not."""
    make = BY_NAME.get(f"{command} {name}") or BY_NAME.get(name) or BY_TYPE.get(kind) or text
    return make(rng)


def key(rng: random.Random, group: str) -> bytes:
    """A key: mostly one of the group's own type, sometimes another type's, sometimes one that never exists."""
    roll = rng.random()
    if roll < 0.75 and group in KEYS:
        return rng.choice(KEYS[group])
    if roll < 0.95 or group not in KEYS:
        return rng.choice(rng.choice(list(KEYS.values())))
    return rng.choice(MISSING)


def absurd(rng: random.Random) -> object:
    """What no sane client sends."""
    return rng.choice(
        [
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(NOT_INTEGERS),
            lambda: rng.choice(NOT_FLOATS),
            lambda: rng.choice(LIMITS),
            lambda: bytes(rng.choices(range(256), k=rng.randrange(40))),
            lambda: b"x" * rng.choice([127, 128, 129, 1000]),
            lambda: rng.choice([b"NX", b"XX", b"GET", b"EX", b"KEEPTTL", b"*", b"LIMIT", b"COUNT", b"STORE", b"REPLACE"]),
        ]
    )()
