"""Snapshots without fork: the file is the keyspace at the cut, whatever is done to it meanwhile; nothing waits for it but what must;
it is there as a whole or not at all; and what a failure of it means to writes and to the end of the server."""

import os
import random
import resource
import signal
import subprocess
import threading
import time

import pytest

from harness.redis import check_rdb, digest_of
from harness.resp import Error, encode
from harness.server import is_sanitized

DATABASES = 3
KEYS = 60  # of each type in each database
LARGE = 3  # of them are large
FAR = 10**7


def fill(client, large=6000):
    """Keys of every type, in every encoding, some with deadlines, some large enough to be written by themselves."""
    for db in range(DATABASES):
        client("SELECT", db)
        commands = []
        for i in range(KEYS):
            n = large if i < LARGE else 300 if i < 2 * LARGE else 8
            pad = "x" * (i % 40)
            commands += [
                ("SET", f"s{i}", "v" * (20 * n) if i < LARGE else f"value {i} {pad * i}"),
                ("SET", f"int{i}", i * 1000003),
                ("APPEND", f"grown{i}", "g" * (30 * n)),
                ("RPUSH", f"l{i}", *(f"{j}{pad}" for j in range(n))),
                ("SADD", f"set{i}", *(f"m{j}{pad}" for j in range(n))),
                ("SADD", f"ints{i}", *range(min(n, 400))),
                ("HSET", f"h{i}", *(word for j in range(n) for word in (f"f{j}", f"{pad}{j}"))),
                ("ZADD", f"z{i}", *(word for j in range(n) for word in (j * 1.5, f"m{j}{pad}"))),
                ("PFADD", f"hll{i}", *range(n)),
                ("SETBIT", f"bits{i}", n * 30, 1),
            ]
            if i % 3 == 0:
                commands += [("EXPIRE", f"{kind}{i}", FAR + i) for kind in ("s", "l", "h", "z", "set")]
        for reply in client.pipeline(commands):
            assert not isinstance(reply, Error), reply
    client("SELECT", 0)


def change(r):
    """A random command that changes, or tries to, a random key."""
    i, j = r.randrange(KEYS), r.randrange(KEYS)
    kind = r.choice(["s", "int", "grown", "l", "set", "ints", "h", "z", "hll", "bits"])
    key, other = f"{kind}{i}", f"{kind}{j}"
    return r.choice(
        [
            ("SET", f"s{i}", f"new {r.random()}"),
            ("SET", key, "another type", "XX"),
            ("GETSET", f"s{i}", "got"),
            ("INCR", f"int{i}"),
            ("INCRBYFLOAT", f"int{i}", "1.25"),
            ("APPEND", f"s{i}", "tail"),
            ("APPEND", f"grown{i}", "tail"),
            ("SETRANGE", f"grown{i}", r.randrange(200), "range"),
            ("SETBIT", f"bits{i}", r.randrange(400), r.randrange(2)),
            ("BITFIELD", f"bits{i}", "SET", "u8", "#3", r.randrange(256)),
            ("PFADD", f"hll{i}", r.random()),
            ("PFCOUNT", f"hll{i}"),
            ("PFMERGE", f"hll{i}", f"hll{j}"),
            ("LPUSH", f"l{i}", r.random(), r.random()),
            ("RPOP", f"l{i}", r.randrange(1, 5)),
            ("LSET", f"l{i}", 0, "set"),
            ("LINSERT", f"l{i}", "BEFORE", "set", "inserted"),
            ("LREM", f"l{i}", 0, "set"),
            ("LTRIM", f"l{i}", 1, -2),
            ("LMOVE", f"l{i}", f"l{j}", "LEFT", "RIGHT"),
            ("BLMPOP", 0.01, 2, f"l{i}", f"l{j}", "LEFT"),
            ("SADD", f"set{i}", r.randrange(1000)),
            ("SADD", f"ints{i}", r.choice(["word", r.randrange(1000)])),
            ("SPOP", f"set{i}", r.randrange(1, 4)),
            ("SREM", f"ints{i}", r.randrange(8)),
            ("SMOVE", f"set{i}", f"set{j}", f"m{r.randrange(8)}"),
            ("SINTERSTORE", f"set{i}", f"set{i}", f"set{j}"),
            ("HSET", f"h{i}", f"f{r.randrange(10)}", r.random(), f"g{r.randrange(10)}", "long" * r.randrange(40)),
            ("HDEL", f"h{i}", f"f{r.randrange(10)}"),
            ("HINCRBY", f"h{i}", f"n{r.randrange(3)}", 7),
            ("ZADD", f"z{i}", r.random(), f"m{r.randrange(20)}"),
            ("ZINCRBY", f"z{i}", 2.5, f"m{r.randrange(8)}"),
            ("ZPOPMIN", f"z{i}", r.randrange(1, 4)),
            ("ZREMRANGEBYRANK", f"z{i}", 0, 1),
            ("ZUNIONSTORE", f"z{i}", 2, f"z{i}", f"z{j}"),
            ("SORT", f"ints{i}", "STORE", f"l{j}"),
            ("DEL", key),
            ("UNLINK", key, other),
            ("GETDEL", f"s{i}"),
            ("EXPIRE", key, r.choice([1, FAR // 2, 0])),
            ("PEXPIRE", key, r.randrange(1, 30)),
            ("PERSIST", key),
            ("GETEX", f"s{i}", "PX", r.randrange(1, 3000)),
            ("RENAME", key, other),
            ("RENAMENX", key, f"fresh{r.randrange(50)}"),
            ("COPY", key, other, "REPLACE"),
            ("COPY", key, key, "DB", r.randrange(DATABASES), "REPLACE"),
            ("MOVE", key, r.randrange(DATABASES)),
            ("RESTORE", key, 0, b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb", "REPLACE"),
            ("MSET", key, 1, other, 2, "unheard-of", 3),
            ("SWAPDB", r.randrange(DATABASES), r.randrange(DATABASES)),
            ("SELECT", r.randrange(DATABASES)),
            ("TTL", key),
            ("TYPE", key),
        ]
    )


class Changers:
    """Clients that change the keyspace until they are told to stop."""

    def __init__(self, server, seed, count=3):
        self.over = threading.Event()
        self.timed = False  # whether keys are made to expire soon
        self.changes = 0
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(server, seed + i)) for i in range(count)]

    def _run(self, server, seed):
        r = random.Random(seed)
        try:
            with server.connect() as client:
                while not self.over.is_set():
                    commands = [change(r) for _ in range(r.randrange(1, 30))]
                    if not self.timed:
                        commands = [c for c in commands if c[0] not in ("EXPIRE", "PEXPIRE", "GETEX")]
                    if r.random() < 0.3:
                        commands = [("MULTI",), *commands[:6], ("EXEC",)]
                    client.pipeline(commands or [("PING",)])
                    self.changes += len(commands)
        except Exception as failure:  # shown by whoever stops us
            self.failures.append(failure)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def await_end(server, seconds=100):
    """Waits until no snapshot runs any more; returns INFO persistence."""
    until = time.monotonic() + seconds
    with server.connect() as client:
        while True:
            text = client("INFO", "persistence").decode()
            info = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
            if info["rdb_bgsave_in_progress"] == "0":
                return info
            assert time.monotonic() < until, info
            time.sleep(0.005)


def cut(client):
    """Begins a snapshot, and returns DEBUG DIGEST of that very moment: writes are paused, and nothing expires."""
    assert client("CLIENT", "PAUSE", 60000, "WRITE") == "OK"
    digest = client("DEBUG", "DIGEST")
    assert client("BGSAVE") == "Background saving started"
    assert client("CLIENT", "UNPAUSE") == "OK"
    return digest


@pytest.mark.parametrize("delay", [0, 40, 400])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_file_is_the_keyspace_at_the_cut(ordinal, start_server, delay, seed):
    """The clients change deadlines from the cut on, so that nothing expires between the digest and the cut."""
    server = start_server()
    with server.connect() as client:
        for round_ in range(2):
            client("FLUSHALL")
            fill(client)
            server.config("rdb-key-save-delay", delay)
            with Changers(server, 100 * seed + round_) as changers:
                digest = cut(client)
                changers.timed = True
                while delay > 0 and changers.changes < 3000 and server.info("persistence")["rdb_bgsave_in_progress"] == "1":
                    time.sleep(0.01)
                server.config("rdb-key-save-delay", 0)
                info = await_end(server)
            assert info["rdb_last_bgsave_status"] == "ok"
            check_rdb(os.path.join(server.directory, "dump.rdb"))
            assert digest_of(server.directory)[0] == digest


def test_evicted_keys_are_in_the_file(ordinal, start_server):
    server = start_server(maxmemory_policy="allkeys-random")
    with server.connect() as client:
        client("DEBUG", "POPULATE", 20000, "key", 200)
        used = int(server.info("memory")["used_memory"])
        server.config("rdb-key-save-delay", 20)
        digest = cut(client)
        server.config("maxmemory", used - (1 << 20))
        while client("DBSIZE") > 15000 and int(server.info("persistence")["rdb_bgsave_in_progress"]):
            client.pipeline([("SET", f"more{i}", "x" * 300) for i in range(100)])
        assert int(server.info("stats")["evicted_keys"]) > 500
        assert client("DBSIZE") > 10000, "evicting frees no memory while the cut holds it, and must stop nonetheless"
        server.config("rdb-key-save-delay", 0)
        assert await_end(server)["rdb_last_bgsave_status"] == "ok"
    found, keys = digest_of(server.directory)
    assert (found, keys) == (digest, 20000)


def test_save_lets_others_go_on(ordinal, start_server):
    server = start_server(rdb_key_save_delay=100)
    with server.connect() as saver, server.connect() as other:
        other("DEBUG", "POPULATE", 3000)
        before = other("LASTSAVE")
        saver.send(b"*1\r\n$4\r\nSAVE\r\n*1\r\n$4\r\nPING\r\n")
        while server.info("persistence")["current_save_keys_processed"] in ("0", "1"):
            pass
        assert other("SAVE") == Error("ERR Background save already in progress")
        assert other("BGSAVE") == Error("ERR Background save already in progress")
        assert other("SET", "key:1", "changed") == "OK"
        assert server.info("persistence")["rdb_bgsave_in_progress"] == "1"
        server.config("rdb-key-save-delay", 0)
        assert saver.read() == "OK"
        assert saver.read() == "PONG"
        assert other("LASTSAVE") >= before
        assert server.info("persistence")["rdb_changes_since_last_save"] == "1"


def test_a_saver_may_go_away(ordinal, start_server):
    server = start_server(rdb_key_save_delay=200)
    server("DEBUG", "POPULATE", 1000)
    with server.connect() as saver:
        saver.send(b"*1\r\n$4\r\nSAVE\r\n")
        while server.info("persistence")["rdb_bgsave_in_progress"] == "0":
            pass
    server.config("rdb-key-save-delay", 0)
    assert await_end(server)["rdb_saves"] == "1"
    assert server("SAVE") == "OK"


def test_a_large_value_that_changes_makes_its_client_wait_and_nobody_else(ordinal, start_server):
    server = start_server()
    with server.connect() as client, server.connect() as writer:
        for i in range(0, 60000, 3000):
            client("ZADD", "large", *(word for j in range(i, i + 3000) for word in (j, f"member {j}")))
        client("DEBUG", "POPULATE", 500)
        server.config("rdb-key-save-delay", 3000)
        digest = cut(client)
        writer("SELECT", 0)
        began = time.monotonic()
        assert writer("ZADD", "large", 1, "new") == 1
        assert writer("ZREM", "large", "member 7", "member 9") == 2
        assert writer("RENAME", "large", "renamed") == "OK"
        assert time.monotonic() - began < (5 if not is_sanitized() else 30), "the walker takes what is waited for first"
        assert int(server.info("persistence")["rdb_bgsave_in_progress"]) == 1
        server.config("rdb-key-save-delay", 0)
        assert await_end(server)["rdb_last_bgsave_status"] == "ok"
    assert digest_of(server.directory)[0] == digest


def test_a_large_value_that_goes_as_a_whole_waits_for_nothing(ordinal, start_server):
    server = start_server()
    with server.connect() as client:
        for name in ("deleted", "overwritten", "stored", "renamed over"):
            client("HSET", name, *(word for j in range(20000) for word in (f"field {j}", f"value {j}")))
        client("DEBUG", "POPULATE", 300)
        server.config("rdb-key-save-delay", 5000)
        digest = cut(client)
        assert client("DEL", "deleted") == 1
        assert client("SET", "overwritten", "x") == "OK"
        assert client("SINTERSTORE", "stored", "nothing") == 0
        assert client("RENAME", "key:1", "renamed over") == "OK"
        assert int(server.info("persistence")["rdb_bgsave_in_progress"]) == 1
        server.config("rdb-key-save-delay", 0)
        assert await_end(server)["rdb_last_bgsave_status"] == "ok"
    assert digest_of(server.directory)[0] == digest


def test_latency_tells_of_writers_that_wait_for_a_snapshot(ordinal, start_server):
    server = start_server(latency_monitor_threshold=1, rdb_key_save_delay=20000)
    with server.connect() as client:
        client("DEBUG", "POPULATE", 400, "key", 60000)
        client("BGSAVE")
        assert client("LATENCY", "HISTORY", "snapshot-wait") == []
        for first in range(0, 400, 100):  # 24 MB are kept for the walker, who is slow
            client.pipeline([("SET", "key:%d" % i, "other") for i in range(first, first + 100)])
        server.config("rdb-key-save-delay", 0)
        assert int(server.info("ordinal")["snapshot_waits"]) > 0
        samples = client("LATENCY", "HISTORY", "snapshot-wait")
        assert samples and all(ms >= 1 for _, ms in samples), samples
        assert await_end(server)["rdb_last_bgsave_status"] == "ok"


def test_a_flush_begins_the_file_again(ordinal, start_server):
    server = start_server(rdb_key_save_delay=1000)
    with server.connect() as client:
        client("DEBUG", "POPULATE", 3000)
        client("BGSAVE")
        while server.info("persistence")["current_save_keys_processed"] == "0":
            pass
        client.send(encode("FLUSHALL"))
        server.config("rdb-key-save-delay", 0)
        assert client.read() == "OK"
        client("SET", "after", "the flush")
        assert await_end(server)["rdb_last_bgsave_status"] == "ok"
    assert digest_of(server.directory)[1] <= 1, "the flushed keys are not in the file"


POINTS = "3600 1"


def keys_in_file(server):
    return digest_of(server.directory)[1]


@pytest.mark.parametrize("first", [None, "BGSAVE", "BGREWRITEAOF"])
def test_with_save_points_a_flush_is_answered_when_the_file_is_empty(ordinal, start_server, first):
    """Whatever runs when it comes, and whoever waits beside it."""
    server = start_server(save=POINTS)
    with server.connect() as client, server.connect() as other, server.connect() as leaver:
        client("DEBUG", "POPULATE", 2000)
        assert client("SAVE") == "OK"
        assert keys_in_file(server) == 2000
        for round_ in range(3):
            client("DEBUG", "POPULATE", 2000)
            if first is not None:
                server.config("rdb-key-save-delay", 1000)
                client(first)
                server.config("rdb-key-save-delay", 0)
            for flusher in (client, other, leaver):
                flusher.send(encode("FLUSHALL"))
            if round_ == 1:
                leaver.close()
            assert client.read() == other.read() == "OK"
            assert keys_in_file(server) == 0
            info = server.info("persistence")
            assert info["rdb_changes_since_last_save"] == "0", info
            if round_ == 0:
                assert leaver.read() == "OK"
            else:
                leaver = server.connect()


def test_a_flush_holds_up_nobody_else(ordinal, start_server):
    """While the walker of the file before is slow to give way, its client waits, and others are served; in a transaction it does
    not wait."""
    server = start_server(save=POINTS, rdb_key_save_delay=2 * 10**6)
    with server.connect() as client, server.connect() as other:
        client.pipeline([("SET", "a", 1), ("SET", "b", 2), ("BGSAVE",)])
        while server.info("persistence")["current_save_keys_processed"] == "0":
            pass
        client.send(encode("FLUSHALL"))
        while other("DBSIZE") > 0:
            pass
        assert other("SET", "c", 3) == "OK"
        assert other.pipeline([("MULTI",), ("FLUSHALL",), ("EXEC",)])[-1] == ["OK"]
        assert client.is_quiet()
        assert client.read() == "OK"
        await_end(server)
    assert keys_in_file(server) == 0


def test_without_save_points_a_flush_leaves_the_file(ordinal, start_server):
    server = start_server(save="")
    server("SET", "a", 1)
    assert server("SAVE") == "OK"
    assert server("FLUSHALL") == "OK"
    assert keys_in_file(server) == 1


def test_a_flush_is_answered_when_its_file_cannot_be_written(ordinal, start_server):
    server = start_server(save=POINTS, stop_writes_on_bgsave_error="no")
    in_the_way = os.path.join(server.directory, "dump.rdb")
    os.mkdir(in_the_way)
    with server.connect() as client:
        client("SET", "a", 1)
        assert client("FLUSHALL") == "OK"
        assert server.info("persistence")["rdb_last_bgsave_status"] == "err"
        os.rmdir(in_the_way)
        assert client("FLUSHALL") == "OK"
        assert server.info("persistence")["rdb_last_bgsave_status"] == "ok"


def test_a_flush_that_is_loaded_saves_nothing(ordinal, start_server):
    server = start_server(save=POINTS, appendonly="yes", appendfsync="always")
    for command in (("SET", "a", 1), ("FLUSHALL",), ("SET", "b", 2)):
        assert server(*command) == "OK"
    server.kill()
    os.remove(os.path.join(server.directory, "dump.rdb"))
    server.start_again()
    server.wait_loaded()
    assert server("GET", "b") == b"2"
    assert server.info("persistence")["rdb_saves"] == "0"
    assert not os.path.exists(os.path.join(server.directory, "dump.rdb"))


def test_a_key_of_a_younger_type_makes_a_younger_file(ordinal, start_server):
    server = start_server()
    path = os.path.join(server.directory, "dump.rdb")

    def version():
        assert server("SAVE") == "OK"
        with open(path, "rb") as file:
            return file.read(9)

    server("HSET", "h", "f", "v")
    assert version() == b"REDIS0010"
    server("HEXPIRE", "h", 1000, "FIELDS", 1, "f")
    assert version() == b"REDIS0012"
    server("COPY", "h", "other")
    server("DEL", "h")
    assert version() == b"REDIS0012"
    server("DEL", "other")
    assert version() == b"REDIS0010"
    check_rdb(path)


def test_settings_of_the_file_are_live(ordinal, start_server, tmp_path):
    server = start_server(enable_protected_configs="yes")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server("SET", "long", "abcd" * 1000)
    assert server("SAVE") == "OK"
    compressed = os.path.getsize(os.path.join(server.directory, "dump.rdb"))
    server.config("dir", str(elsewhere))
    server.config("dbfilename", "other.rdb")
    server.config("rdbcompression", "no")
    assert server("SAVE") == "OK"
    assert os.path.getsize(elsewhere / "other.rdb") > 4000 > compressed
    assert [name for name in os.listdir(elsewhere) if "claim" not in name] == ["other.rdb"]
    check_rdb(elsewhere / "other.rdb")
    assert digest_of(str(elsewhere), dbfilename="other.rdb")[0] == server("DEBUG", "DIGEST")


def test_without_checksum(ordinal, start_server):
    server = start_server(rdbchecksum="no")
    server("SET", "k", "v")
    assert server("SAVE") == "OK"
    path = os.path.join(server.directory, "dump.rdb")
    with open(path, "rb") as file:
        assert file.read().endswith(b"\xff" + bytes(8))
    check_rdb(path)


# ---- failures ------------------------------------------------------------------------------------------------------


def test_a_failure_leaves_the_old_file_and_refuses_writes(ordinal, start_server):
    server = start_server(save="3600 1000000")
    path = os.path.join(server.directory, "dump.rdb")
    server("SET", "k", "old")
    assert server("SAVE") == "OK"
    with open(path, "rb") as file:
        old = file.read()
    server("SET", "big", "x" * 3000000)
    server.config("rdbcompression", "no")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    assert server("SAVE") == Error("ERR")
    assert await_end(server)["rdb_last_bgsave_status"] == "err"
    with open(path, "rb") as file:
        assert file.read() == old
    assert [name for name in os.listdir(server.directory) if name.startswith("temp-")] == []
    refused = server("SET", "k", "v")
    assert isinstance(refused, Error) and refused.startswith("MISCONF Redis is configured to save RDB snapshots")
    assert server("PING").startswith("MISCONF")
    assert server("GET", "k") == b"old"
    server.config("stop-writes-on-bgsave-error", "no")
    assert server("SET", "k", "v") == "OK"
    server.config("stop-writes-on-bgsave-error", "yes")
    assert server("SET", "k", "v").startswith("MISCONF")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert server("SAVE") == "OK"
    assert server("SET", "k", "v") == "OK"
    assert "File too large" in server.log()


def test_a_save_point_saves_and_tries_again(ordinal, start_server):
    server = start_server(save="1 5")
    path = os.path.join(server.directory, "dump.rdb")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    for i in range(5):
        server("SET", f"k{i}", "v")
    until = time.monotonic() + 20
    while server.info("persistence")["rdb_last_bgsave_status"] == "ok" and time.monotonic() < until:
        time.sleep(0.05)
    assert server("SET", "k", "v").startswith("MISCONF")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while server.info("persistence")["rdb_last_bgsave_status"] == "err" and time.monotonic() < until:
        time.sleep(0.05)
    assert server("SET", "k", "v") == "OK", "it has healed by itself"
    assert "5 changes in 1 seconds. Saving..." in server.log()
    check_rdb(path)


# ---- the end of the server -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["SIGTERM", "SHUTDOWN", "SHUTDOWN SAVE"])
def test_the_end_saves_what_was_acknowledged(ordinal, start_server, end):
    server = start_server(save="" if end == "SHUTDOWN SAVE" else "3600 1")
    server("DEBUG", "POPULATE", 5000)
    server.config("rdb-key-save-delay", 50)
    acknowledged = 0
    with server.connect() as writer:
        if end == "SIGTERM":
            server.signal(signal.SIGTERM)
        else:
            closer = server.connect()
            closer.send(end.encode() + b"\r\n")
        try:
            while writer("SET", f"late:{acknowledged}", "v") == "OK":
                acknowledged += 1
        except Exception:
            pass  # it ended
    assert server.wait() == 0
    assert digest_of(server.directory)[1] == 5000 + acknowledged


def test_the_end_without_saving(ordinal, start_server):
    server = start_server(save="3600 1")
    server("SET", "k", "v")
    with server.connect() as client:
        client.send(b"SHUTDOWN NOSAVE\r\n")
        assert client.until_closed() == b""
    assert server.wait() == 0
    assert not os.path.exists(os.path.join(server.directory, "dump.rdb"))


def test_a_shutdown_that_cannot_save_does_not_end_the_server(ordinal, start_server):
    server = start_server(save="3600 1")
    server("SET", "k", "v" * 100)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    assert server("SHUTDOWN") == Error("ERR Errors trying to SHUTDOWN. Check logs.")
    server.signal(signal.SIGTERM)
    until = time.monotonic() + 20
    while "SIGTERM received but errors trying to shut down" not in server.log() and time.monotonic() < until:
        time.sleep(0.01)
    server.config("stop-writes-on-bgsave-error", "no")
    assert server("SET", "k", "w") == "OK", "writes go on"
    with server.connect() as client:
        client.send(b"SHUTDOWN FORCE\r\n")
        assert client.until_closed() == b""
    assert server.wait() == 0


def test_a_shutdown_is_called_off(ordinal, start_server):
    server = start_server(save="3600 1", rdb_key_save_delay=1000)
    server("DEBUG", "POPULATE", 5000)
    with server.connect() as closer, server.connect() as writer:
        closer.send(b"SHUTDOWN\r\n")
        while server.info("persistence")["rdb_bgsave_in_progress"] == "0":
            pass
        writer.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")
        assert writer.is_quiet(0.2), "nothing changes while the last file is saved"
        assert server("GET", "key:1") == b"value:1"
        assert server("SHUTDOWN", "ABORT") == "OK"
        assert closer.read() == Error("ERR Errors trying to SHUTDOWN. Check logs.")
        assert writer.read() == "OK"
    assert server("SHUTDOWN", "ABORT") == Error("ERR No shutdown in progress.")
    server.config("rdb-key-save-delay", 0)
    await_end(server)


def test_kill_in_the_middle_leaves_the_old_file(ordinal, start_server):
    server = start_server()
    path = os.path.join(server.directory, "dump.rdb")
    server("DEBUG", "POPULATE", 100)
    assert server("SAVE") == "OK"
    old = server("DEBUG", "DIGEST")
    server("DEBUG", "POPULATE", 50000, "more")
    server.config("rdb-key-save-delay", 100)
    server("BGSAVE")
    while int(server.info("persistence")["current_save_keys_processed"]) < 100:
        pass
    server.expected_status = -signal.SIGKILL
    server.signal(signal.SIGKILL)
    server.wait()
    check_rdb(path)
    assert digest_of(server.directory)[0] == old


def test_valkey_passes_the_file(ordinal, start_server):
    checker = "/var/tmp/ordinal-peers"
    if not os.path.isdir(checker):
        pytest.skip("valkey is not there")
    server = start_server()
    with server.connect() as client:
        fill(client)
    assert server("SAVE") == "OK"
    with open(os.path.join(server.directory, "dump.rdb"), "rb") as file:
        data = file.read()
    inside = os.path.join(checker, "tmp", f"snapshot-{os.getpid()}.rdb")
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    with open(inside, "wb") as file:
        file.write(data)
    try:
        done = subprocess.run(
            ["chroot", checker, "valkey-check-rdb", inside[len(checker) :]], capture_output=True, text=True, timeout=100
        )
    finally:
        os.unlink(inside)
    assert done.returncode == 0, done.stdout + done.stderr
