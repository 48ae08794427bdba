"""Makes the sample RDB files in tests/rdb/samples with real servers, and beside each what it holds, as JSON.

    python3 tests/rdb/make_samples.py redis7=redis-server valkey9="chroot /srv/peers valkey-server" redis8=...

A name that begins with "redis7" gets what Redis 7.0 knows, any other one also hashes whose fields have deadlines. Each server is
started twice: once with the policy allkeys-lru, whose files hold idle times, and once with allkeys-lfu (frequencies). A server in a
chroot has to see the folder of temporary files: TMPDIR is for that, and IN_SERVER how the server sees the same folder.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from harness.contents import contents  # noqa: E402
from harness.resp import Connection, Error  # noqa: E402
from harness.server import free_port, process_wait  # noqa: E402

FAR = 4102444800000  # 2100-01-01
LIBRARY = "#!lua name=sample\nredis.register_function('f', function() return 1 end)"


def long_text(size):
    """Text that LZF makes shorter, but not short."""
    return " ".join("word%d" % (i * i % 97) for i in range(size))[:size]


def strings():
    yield "SET", "text", "hello"
    yield "SET", "empty", ""
    yield "SET", "", "a key of no bytes"
    for number in (0, 12, -7, 300, -300, 70000, -2147483648, 2147483647, 2147483648, 9223372036854775807):
        yield "SET", "int:%d" % number, number
    yield "SET", b"\x00\xff\r\n'bytes'", b"\x00\x01\xfe\xff"
    yield "SET", "compressed", "a" * 500
    yield "SET", "compressed:little", long_text(300)
    yield "SET", "key of many bytes " + long_text(200), "v"
    yield "SET", "123456", "a key that is a number"
    yield "APPEND", "appended", "abc"
    yield "APPEND", "appended", "def"
    yield "PFADD", "hyperloglog", *range(40)
    yield "SETBIT", "bits", 1000, 1


def collections():
    yield "RPUSH", "list:small", "a", "b", 3, -4, 70000, "", "x" * 70
    yield "RPUSH", "list:large", *["element %d" % i for i in range(60)]
    yield "RPUSH", "list:wide", "y" * 300, "z"
    yield "SADD", "set:ints", 1, 2, 3, -5
    yield "SADD", "set:ints32", 1, 100000
    yield "SADD", "set:ints64", 1, 10000000000
    yield "SADD", "set:text", "a", "b", 17
    yield "SADD", "set:large", *["member %d" % i for i in range(40)]
    yield "ZADD", "zset:small", 1, "a", 2.5, "b", "-inf", "low", "+inf", "high", 1e300, "c", -0.1, "d"
    zset = []
    for i in range(40):
        zset += [i * 0.37, "member %d" % i]
    yield "ZADD", "zset:large", *zset
    yield "GEOADD", "geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"
    yield "HSET", "hash:small", "f", "v", "n", 12, "", "", "long", "w" * 60
    yield "HSET", "hash:large", *[word for i in range(40) for word in ("field %d" % i, "value %d" % i)]
    yield "HSET", "hash:wide", "f", "v" * 200


def deadlines():
    yield "SET", "deadline:string", "v", "PXAT", FAR + 1
    yield "PEXPIREAT", "hash:small", FAR + 2
    yield "PEXPIREAT", "zset:large", FAR + 3
    yield "PEXPIREAT", "list:small", FAR + 4


def field_deadline_commands():
    yield "HSET", "hash:timed", "never", "1", "late", "2", "later", "3"
    yield "HPEXPIREAT", "hash:timed", FAR + 5, "FIELDS", 1, "late"
    yield "HPEXPIREAT", "hash:timed", FAR + 6000, "FIELDS", 1, "later"
    yield "HSET", "hash:timed:large", *[word for i in range(40) for word in ("field %d" % i, "value %d" % i)]
    for i in range(0, 40, 3):
        yield "HPEXPIREAT", "hash:timed:large", FAR + 1000 * (40 - i), "FIELDS", 1, "field %d" % i
    yield "HSET", "hash:timed:both", "a", "1", "b", "2"
    yield "HPEXPIREAT", "hash:timed:both", FAR + 7, "FIELDS", 1, "a"
    yield "PEXPIREAT", "hash:timed:both", FAR + 8


def left_out():
    """What Ordinal leaves out."""
    for i in range(120):
        yield "XADD", "stream", "%d-1" % (i + 1), "f", i, "g", "text"
    yield "XGROUP", "CREATE", "stream", "group", "0"
    yield "XREADGROUP", "GROUP", "group", "consumer", "COUNT", 5, "STREAMS", "stream", ">"
    yield "XGROUP", "CREATECONSUMER", "stream", "group", "idle"
    yield "XDEL", "stream", "7-1"
    yield "XADD", "stream:tiny", "5-5", "f", "v"
    yield "FUNCTION", "LOAD", LIBRARY


def other_databases():
    yield "SELECT", 3
    yield "SET", "text", "of database 3"
    yield "SET", "deadline", "v", "PXAT", FAR + 9
    yield "SELECT", 15
    yield "RPUSH", "list", *range(20)
    yield "SELECT", 0


def commands(fields):
    yield from (["CONFIG", "SET", name, value] for name, value in (
        ("hash-max-listpack-entries", 16), ("zset-max-listpack-entries", 16), ("list-max-listpack-size", 16)))
    yield from strings()
    yield from collections()
    yield from deadlines()
    if fields:
        yield from field_deadline_commands()
    yield from left_out()
    yield from other_databases()


def start(command, folder, seen_as, policy):
    port = free_port()
    process = subprocess.Popen(
        [*command, "--port", str(port), "--bind", "127.0.0.1", "--dir", seen_as, "--save", "", "--appendonly", "no",
         "--maxmemory-policy", policy, "--enable-debug-command", "yes", "--rdbcompression", "yes"],
        stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    for _ in range(500):
        try:
            return process, Connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert process.poll() is None, "the server has ended"
            time.sleep(0.02)
    raise AssertionError("the server does not start")


def make(name, command, policy, fields):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        seen_as = os.path.join(os.environ.get("IN_SERVER", os.path.dirname(folder)), os.path.basename(folder))
        process, ask = start(command, folder, seen_as, policy)
        try:
            for words in commands(fields):
                reply = ask(*words)
                assert not isinstance(reply, Error), (words, reply)
            held = contents(ask)
            assert ask("DEBUG", "SET-ACTIVE-EXPIRE", 0) == "OK"
            assert ask("SET", "dead", "v", "PX", 1) == "OK"
            time.sleep(0.01)
            assert ask("SAVE") == "OK"
        finally:
            process.terminate()
            if not process_wait(process, 10):
                process.kill()
        with open(os.path.join(folder, "dump.rdb"), "rb") as file:
            data = file.read()
    base = os.path.join(HERE, "samples", "%s-%s" % (name, policy.split("-")[1]))
    with open(base + ".rdb", "wb") as file:
        file.write(data)
    with open(base + ".json", "w") as file:
        json.dump(held, file, indent=0, sort_keys=True)
        file.write("\n")
    print("%s: %d bytes, %d keys" % (base, len(data), len(held)))


def main(arguments):
    assert arguments, __doc__
    for argument in arguments:
        name, _, command = argument.partition("=")
        for policy in ("allkeys-lru", "allkeys-lfu"):
            make(name, shlex.split(command), policy, not name.startswith("redis7"))


main(sys.argv[1:])
