"""maxmemory and its eight policies: the limit holds under a write load (never more than 1 % over), what may be evicted
is, what may not is refused with Redis's words, and the policies prefer what they say."""

import random
import threading
import time

import pytest

from harness.resp import Error, encode
from harness.server import is_sanitized

MEGABYTE = 1 << 20
LIMIT = 48 * MEGABYTE if not is_sanitized() else 16 * MEGABYTE
VALUE = 1000
OOM = Error("OOM command not allowed when used memory > 'maxmemory'.")

ALLKEYS = ["allkeys-lru", "allkeys-lfu", "allkeys-random"]
VOLATILE = ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]


@pytest.fixture
def limited(start_server):
    """A function that starts a server with that policy and room for LIMIT bytes more than it uses when empty."""

    def start(policy):
        server = start_server(maxmemory_policy=policy, client_output_buffer_limit="normal 0 0 0")
        server.config("maxmemory", used(server) + LIMIT)
        return server

    return start


def used(server):
    return int(server.info("memory")["used_memory"])


class Sampler:
    """Watches used_memory on a connection of its own while a load runs, and keeps the highest it saw."""

    def __init__(self, server):
        self.server = server
        self.limit = int(server.config("maxmemory"))
        self.peak = self.samples = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        with self.server.connect() as client:
            while not self.stop.is_set():
                text = client("INFO", "memory")
                self.peak = max(self.peak, int(text.split(b"used_memory:", 1)[1].split(b"\r\n", 1)[0]))
                self.samples += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def check(self):
        assert self.samples > 5
        assert self.peak < self.limit * 1.01, "%.2f %% over" % (self.peak / self.limit * 100 - 100)


def write(server, prefix, count, *options, size=VALUE):
    """SETs in small pipelines; returns the replies that were not OK."""
    refused = []
    with server.connect() as client:
        for first in range(0, count, 20):
            replies = client.pipeline(
                [("SET", "%s%d" % (prefix, number), b"x" * size, *options) for number in range(first, first + 20)]
            )
            refused += [reply for reply in replies if reply != "OK"]
    return refused


def load(server, *options, factor=2.0):
    """Two writers at once, of `factor` times the limit in all; the limit is watched. Returns what was refused."""
    count = int(LIMIT * factor / (VALUE + 60) / 2) // 20 * 20
    refused = []
    with Sampler(server) as sampler:
        threads = [
            threading.Thread(target=lambda name=name: refused.extend(write(server, name, count, *options)))
            for name in ("left:", "right:")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sampler.check()
    return refused


@pytest.mark.parametrize("policy", ALLKEYS)
def test_any_key_may_go(limited, policy):
    server = limited(policy)
    assert load(server) == []
    assert int(server.info("stats")["evicted_keys"]) > 1000
    assert server("DBSIZE") > LIMIT / (VALUE + 200) * 0.6, "far more was evicted than the limit asks for"


@pytest.mark.parametrize("policy", VOLATILE)
def test_only_keys_with_a_deadline_go(limited, policy):
    server = limited(policy)
    keep = int(LIMIT * 0.3 / (VALUE + 100)) // 20 * 20
    assert write(server, "keep:", keep) == []
    assert load(server, "EX", "10000") == []
    assert int(server.info("stats")["evicted_keys"]) > 1000
    with server.connect() as client:
        assert all(client.pipeline([("EXISTS", "keep:%d" % number) for number in range(keep)]))


@pytest.mark.parametrize("policy", VOLATILE + ["noeviction"])
def test_what_may_not_go_is_refused(limited, policy):
    """Nothing has a deadline, so nothing may be evicted."""
    server = limited(policy)
    refused = load(server, factor=1.3)
    assert len(refused) > 100 and set(refused) == {OOM}
    assert int(server.info("stats")["evicted_keys"]) == 0
    server.config("maxmemory", used(server) - 200_000)  # the writers' own buffers have become free
    with server.connect() as client:
        for command in (
            ("SET", "k", "v"), ("APPEND", "left:0", "x"), ("INCR", "n"), ("MSET", "k", "v"), ("SETBIT", "k", "1", "1"),
            ("SETRANGE", "left:0", "0", "x"), ("GETSET", "left:0", "x"), ("COPY", "left:0", "copy"),
            ("BITOP", "NOT", "k", "left:0"),
        ):
            assert client(*command) == OOM, command
        assert client("GET", "left:0") == b"x" * VALUE
        assert client("TTL", "left:0") == -1
        assert client("GETDEL", "left:2") == b"x" * VALUE
        assert client("DEL", *("left:%d" % number for number in range(1000))) == 999
        assert client("SET", "k", "v") == "OK"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_values_of_mixed_size(limited, policy):
    """From a byte to half a megabyte, growing in place as well: still never more than 1 % over."""
    server = limited(policy)
    source = random.Random(7)
    with Sampler(server) as sampler, server.connect() as client:
        written = 0
        while written < LIMIT * 3:
            size = int(2 ** source.uniform(0, 19 if not is_sanitized() else 15))
            key = "k%d" % source.randrange(5000)
            command = ("SET", key, b"x" * size, "EX", "1000") if source.random() < 0.8 else ("APPEND", key, b"y" * size)
            if command[0] == "APPEND":
                client("EXPIRE", key, "1000")
            reply = client(*command)
            assert reply == "OK" or isinstance(reply, int) or reply == OOM, reply
            written += size
    sampler.check()
    assert int(server.info("stats")["evicted_keys"]) > 10


def test_lowering_the_limit_evicts_at_once(limited):
    server = limited("allkeys-random")
    assert write(server, "k", int(LIMIT * 0.8 / (VALUE + 100)) // 20 * 20) == []
    before = server("DBSIZE")
    limit = used(server) - LIMIT // 2
    assert server("CONFIG", "SET", "maxmemory", limit) == "OK"
    end = time.monotonic() + 20
    while used(server) > limit * 1.01:
        assert server("SET", "one", "more") in ("OK", OOM)
        assert time.monotonic() < end
    assert server("DBSIZE") < before


def test_switching_the_limit_off(limited):
    server = limited("noeviction")
    assert OOM in load(server, factor=1.2)
    server.config("maxmemory", 0)
    assert server("SET", "k", b"x" * MEGABYTE) == "OK"


def test_maxmemory_takes_units(server):
    for text, number in (("100mb", 100 << 20), ("1gb", 1 << 30), ("100m", 100_000_000), ("64k", 64_000), ("7", 7), ("0", 0)):
        assert server.config("maxmemory", text) == text
        assert server.config("maxmemory") == str(number)
    reply = server("CONFIG", "SET", "maxmemory", "lots")
    assert reply.startswith("ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value")
    reply = server("CONFIG", "SET", "maxmemory-policy", "nonsense")
    assert reply.startswith("ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be ")


def survivors(client, prefix, count):
    replies = client.pipeline([("EXISTS", "%s%d" % (prefix, number)) for number in range(count)])
    return sum(replies) / count


def pressure(server, hot, cold, touch, *options):
    """Hot and cold keys fill a half each of most of the room; then new keys push about a third of all out, while
    `touch` keeps the hot ones in use. Returns the shares of hot and cold keys that survived."""
    count = int(LIMIT * 0.42 / (VALUE + 100)) // 20 * 20
    write(server, hot, count, *options)
    write(server, cold, count, *options)
    with server.connect() as client:
        touch(client, count)
        evicted, fresh = 0, 0
        while evicted < count * 0.5 and fresh < count * 4:
            client.pipeline([("SET", "new:%d" % (fresh + number), b"x" * VALUE, *options) for number in range(100)])
            fresh += 100
            evicted = int(server.info("stats")["evicted_keys"])
        assert evicted >= count * 0.5
        return survivors(client, hot, count), survivors(client, cold, count)


def wait_idle(client, key, seconds):
    end = time.monotonic() + 20
    while client("OBJECT", "IDLETIME", key) < seconds:
        assert time.monotonic() < end


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru"])
def test_lru_keeps_what_was_used_lately(limited, policy):
    server = limited(policy)

    def touch(client, count):
        wait_idle(client, "cold:%d" % (count - 1), 2)
        for first in range(0, count, 20):
            client.pipeline([("GET", "hot:%d" % number) for number in range(first, first + 20)])

    hot, cold = pressure(server, "hot:", "cold:", touch, "EX", "10000")
    assert hot > 0.95 and cold < 0.65, "hot %.3f, cold %.3f" % (hot, cold)


@pytest.mark.parametrize("policy", ["allkeys-lfu", "volatile-lfu"])
def test_lfu_keeps_what_is_used_often(limited, policy):
    server = limited(policy)

    def touch(client, count):
        for first in range(0, count, 20):
            client.send(b"".join(encode("STRLEN", "hot:%d" % number) * 30 for number in range(first, first + 20)))
            assert {client.read() for _ in range(600)} == {VALUE}
        assert client("OBJECT", "FREQ", "hot:0") > client("OBJECT", "FREQ", "cold:0")

    hot, cold = pressure(server, "hot:", "cold:", touch, "EX", "10000")
    assert hot > 0.95 > cold, "hot %.3f, cold %.3f" % (hot, cold)


def test_volatile_ttl_lets_the_soonest_go_first(limited):
    server = limited("volatile-ttl")

    def touch(client, count):
        for first in range(0, count, 20):
            client.pipeline([("EXPIRE", "soon:%d" % number, "1000") for number in range(first, first + 20)])

    late, soon = pressure(server, "late:", "soon:", touch, "EX", "10000")
    assert late > 0.95 and soon < 0.65, "late %.3f, soon %.3f" % (late, soon)


def test_info_tells_of_the_limit(limited):
    server = limited("allkeys-lru")
    info = server.info("memory")
    assert info["maxmemory"] == server.config("maxmemory")
    assert info["maxmemory_policy"] == "allkeys-lru"
    assert int(info["used_memory"]) <= int(info["used_memory_peak"])
    assert int(info["used_memory_rss"]) > MEGABYTE


def test_expired_keys_make_room_before_living_ones(limited):
    server = limited("allkeys-random")
    count = int(LIMIT * 0.8 / (VALUE + 100)) // 20 * 20
    write(server, "dead:", count, "PX", "1")
    end = time.monotonic() + 30
    while server("DBSIZE") > 0:
        assert time.monotonic() < end
    write(server, "alive:", count)
    with server.connect() as client:
        assert survivors(client, "alive:", count) == 1.0
    assert int(server.info("stats")["evicted_keys"]) == 0
