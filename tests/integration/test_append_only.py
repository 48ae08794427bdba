"""The append-only file: what is written when, what is acknowledged when, and its rewrites.

What a disk that fails, or a crash in the middle, does to it is tried in tests/crash.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import server as harness
from harness.resp import Connection, Error, encode

NO_AUTO = {"auto_aof_rewrite_percentage": "0"}


def wait_until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain: " + what
        time.sleep(0.01)


def folder(server):
    return os.path.join(server.directory, "appendonlydir")


def names(server):
    return sorted(os.listdir(folder(server)))


def manifest(server):
    """Lines of the manifest as {(type, number): name}."""
    with open(os.path.join(folder(server), "appendonly.aof.manifest")) as text:
        lines = [line.split() for line in text]
    return {(fields[5], int(fields[3])): fields[1] for fields in lines}


def increments(server):
    """The bytes of the increments, in order."""
    files = manifest(server)
    data = b""
    for kind, number in sorted(files):
        if kind == "i":
            with open(os.path.join(folder(server), files[kind, number]), "rb") as increment:
                data += increment.read()
    return data


def is_rewriting(server):
    info = server.info("persistence")
    return info["aof_rewrite_in_progress"] != "0" or info["aof_rewrite_scheduled"] != "0"


def rewrite(server):
    reply = server("BGREWRITEAOF")
    assert reply in ("Background append only file rewriting started", "Background append only file rewriting scheduled")
    wait_until(lambda: not is_rewriting(server), "the end of the rewrite")
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def check(server):
    """redis-check-aof finds nothing wrong."""
    tool = shutil.which("redis-check-aof")
    assert tool, "redis-check-aof is missing: make deps-test"
    path = os.path.join(folder(server), "appendonly.aof.manifest")
    result = subprocess.run([tool, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout.decode(errors="replace")


def load_into_redis(server, tmp_path):
    """A copy of the files, loaded by the original: DBSIZE and DEBUG DIGEST of it, and of the server that wrote them."""
    copy = tmp_path / "redis"
    copy.mkdir()
    shutil.copytree(folder(server), copy / "appendonlydir")
    program = tmp_path / "redis-server"
    os.symlink(shutil.which("redis-check-rdb"), program)
    port = harness.free_port()
    settings = ["--port", port, "--dir", copy, "--appendonly", "yes", "--save", "", "--enable-debug-command", "yes"]
    redis = subprocess.Popen([str(program), *map(str, settings)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             preexec_fn=harness.die_with_parent)
    try:
        def is_there():
            assert redis.poll() is None, redis.stdout.read().decode(errors="replace")
            try:
                with Connection(("127.0.0.1", port)) as connection:
                    return connection("PING") == "PONG"
            except ConnectionRefusedError:
                return False

        wait_until(is_there, "the original to load the files")
        with Connection(("127.0.0.1", port)) as connection:
            return connection("DBSIZE"), connection("DEBUG", "DIGEST")
    finally:
        redis.kill()
        redis.communicate()


@pytest.fixture
def start_aof(start_server):
    def start(**settings):
        return start_server(**{"appendonly": "yes", **NO_AUTO, **settings})

    return start


# ---- files --------------------------------------------------------------------------------------------------


def test_an_empty_server_begins_with_a_base_and_an_increment(start_aof):
    server = start_aof()
    assert names(server) == ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    assert manifest(server) == {("b", 1): "appendonly.aof.1.base.rdb", ("i", 1): "appendonly.aof.1.incr.aof"}
    check(server)


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_writes_stand_in_the_increment_in_order(start_aof, policy):
    server = start_aof(appendfsync=policy)
    with server.connect() as client:
        for i in range(100):
            client("SET", "key:%d" % i, i)
        client("SELECT", 3)
        client("RPUSH", "list", "a", "b")
    expected = encode("SELECT", 0) + b"".join(encode("SET", "key:%d" % i, i) for i in range(100))
    expected += encode("SELECT", 3) + encode("RPUSH", "list", "a", "b")
    wait_until(lambda: len(increments(server)) >= len(expected), "the increment to be written")
    assert increments(server) == expected
    check(server)


def test_what_was_acknowledged_under_always_is_in_the_file_at_once(start_aof):
    server = start_aof(appendfsync="always")
    with server.connect() as client:
        for i in range(50):
            assert client("SET", "key", i) == "OK"
            assert increments(server).endswith(encode("SET", "key", i))


def test_the_end_of_the_server_writes_the_file_to_its_end(start_aof):
    server = start_aof(appendfsync="no")
    with server.connect() as client:
        client.send(b"".join(encode("INCR", "counter") for _ in range(1000)))
        for i in range(1000):
            assert client.read() == i + 1
    server.stop()
    assert increments(server).count(b"counter") == 1000


def test_timestamps_stand_between_commands(start_aof):
    server = start_aof(aof_timestamp_enabled="yes", appendfsync="always")
    before = int(time.time())
    with server.connect() as client:
        client("SET", "a", 1)
        client("MULTI")
        client("SET", "b", 2)
        client("SET", "c", 3)
        client("EXEC")
    data = increments(server)
    stamps = [int(stamp) for stamp in re.findall(rb"#TS:(\d+)\r\n", data)]
    assert stamps and before <= stamps[0] <= time.time()
    assert data.startswith(b"#TS:")
    check(server)


# ---- rewrites -----------------------------------------------------------------------------------------------


def test_a_rewrite_leaves_a_base_and_one_increment(start_aof, tmp_path):
    server = start_aof()
    with server.connect() as client:
        for i in range(1000):
            client("SET", "key:%d" % (i % 10), "v" * 100)
        client("SELECT", 5)
        client("HSET", "hash", "field", "value")
        size = int(server.info("persistence")["aof_current_size"])
        rewrite(server)
        assert manifest(server) == {("b", 2): "appendonly.aof.2.base.rdb", ("i", 2): "appendonly.aof.2.incr.aof"}
        assert names(server) == [
            "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]
        info = server.info("persistence")
        assert int(info["aof_current_size"]) < size
        assert info["aof_base_size"] == info["aof_current_size"]
        assert info["aof_rewrites"] == "1"
        client("HSET", "hash", "field", "other")
    wait_until(lambda: increments(server) != b"", "the increment to be written")
    assert increments(server) == encode("SELECT", 5) + encode("HSET", "hash", "field", "other")
    check(server)
    digest = server("DEBUG", "DIGEST")
    assert load_into_redis(server, tmp_path) == (10, digest)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_writes_during_rewrites_are_in_the_base_or_behind_it(start_aof, tmp_path, preamble):
    server = start_aof(appendfsync="everysec", aof_use_rdb_preamble=preamble)
    over = threading.Event()

    def write(number):
        with server.connect() as client:
            i = 0
            while not over.is_set():
                i += 1
                client("INCR", "counter:%d:%d" % (number, i % 50))
                client("RPUSH", "list:%d" % number, i)
                if i % 7 == 0:
                    client("LPOP", "list:%d" % number)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(5):
            rewrite(server)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    server.config("appendonly", "no")  # all of it is written then
    size, digest = server("DBSIZE"), server("DEBUG", "DIGEST")
    check(server)
    assert load_into_redis(server, tmp_path) == (size, digest)


def fill(client):
    """Keys of every type and size, in two databases, some with deadlines."""
    for db in (0, 3):
        client("SELECT", db)
        for n in (1, 5, 64, 65, 1000):
            commands = [
                ("SET", "string%d" % n, b"\r\n\x00\xff" * n),
                ("SET", "number%d" % n, -n),
                ("APPEND", "grown%d" % n, "g" * n * 2000),
                ("RPUSH", "list%d" % n, *("e%d" % i if i % 3 else i for i in range(n))),
                ("SADD", "ints%d" % n, *range(n)),
                ("SADD", "set%d" % n, *("m%d" % i for i in range(n))),
                ("ZADD", "zset%d" % n, "inf", "last", "-inf", "first", *(word for i in range(n) for word in (i / 7, "m%d" % i))),
                ("HSET", "hash%d" % n, *(word for i in range(n) for word in ("f%d" % i, i))),
                ("SET", "late%d" % n, "x", "PX", 10**9 + n),
                ("PEXPIRE", "hash%d" % n, 10**9 + n),
            ]
            for reply in client.pipeline(commands):
                assert not isinstance(reply, Error), reply
    client("SELECT", 0)


def commands_of(path):
    """The commands of a file that has nothing else."""
    data = path.read_bytes()
    commands = []
    while data:
        head, data = data.split(b"\r\n", 1)
        words = []
        for _ in range(int(head[1:])):
            length, data = data.split(b"\r\n", 1)
            words.append(data[: int(length[1:])])
            data = data[int(length[1:]) + 2:]
        commands.append(words)
    return commands


def test_without_a_preamble_the_base_consists_of_commands(start_aof, tmp_path):
    """In pieces of 64 items, each key's deadline behind it; Redis loads it, and so does Ordinal."""
    server = start_aof(aof_use_rdb_preamble="no")
    assert names(server) == ["appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    with server.connect() as client:
        fill(client)
        digest = client("DEBUG", "DIGEST")
    rewrite(server)
    check(server)
    base = Path(folder(server)) / "appendonly.aof.2.base.aof"
    commands = commands_of(base)
    assert [words for words in commands if words[0] == b"SELECT"] == [[b"SELECT", b"0"], [b"SELECT", b"3"]]
    assert [len(words) - 2 for words in commands if words[1] == b"list1000"][:16] == [64] * 15 + [40]
    assert [len(words) - 2 for words in commands if words[:2] == [b"HSET", b"hash65"]][:2] == [128, 2]
    assert {words[0] for words in commands} == {b"SELECT", b"SET", b"RPUSH", b"SADD", b"ZADD", b"HSET", b"PEXPIREAT"}
    assert load_into_redis(server, tmp_path) == (45, digest)
    assert server("DEBUG", "LOADAOF") == "OK"
    assert server("DEBUG", "DIGEST") == digest


def test_a_base_of_commands_has_the_deadlines_of_fields(start_aof):
    server = start_aof(aof_use_rdb_preamble="no", aof_timestamp_enabled="yes")
    with server.connect() as client:
        client("HSET", "hash", *(word for i in range(100) for word in ("f%d" % i, i)))
        client("HPEXPIREAT", "hash", 10**13, "FIELDS", 2, "f1", "f70")
        client("PEXPIREAT", "hash", 10**13 + 1)
        digest = client("DEBUG", "DIGEST")
        rewrite(server)
        with open(os.path.join(folder(server), "appendonly.aof.2.base.aof"), "rb") as base:
            assert re.match(rb"#TS:\d+\r\n\*2\r\n", base.read(100))
        check(server)
        assert client("DEBUG", "LOADAOF") == "OK"
        assert client("DEBUG", "DIGEST") == digest
        assert client("HPEXPIRETIME", "hash", "FIELDS", 3, "f1", "f2", "f70") == [10**13, -1, 10**13]
        assert client("PEXPIRETIME", "hash") == 10**13 + 1


def test_what_a_rewrite_replaces_can_be_kept(start_aof):
    """Redis's own tests ask for it."""
    server = start_aof(aof_disable_auto_gc="yes")
    for i in range(2):
        server("SET", "key", i)
        rewrite(server)
    with open(os.path.join(folder(server), "appendonly.aof.manifest")) as text:
        assert text.read().splitlines() == [
            "file appendonly.aof.3.base.rdb seq 3 type b",
            "file appendonly.aof.2.incr.aof seq 2 type h",
            "file appendonly.aof.2.base.rdb seq 2 type h",
            "file appendonly.aof.1.incr.aof seq 1 type h",
            "file appendonly.aof.1.base.rdb seq 1 type h",
            "file appendonly.aof.3.incr.aof seq 3 type i",
        ]
    assert len(names(server)) == 7
    assert server("DEBUG", "LOADAOF") == "OK"
    assert server("GET", "key") == b"1"
    server.config("aof-disable-auto-gc", "no")
    assert names(server) == ["appendonly.aof.3.base.rdb", "appendonly.aof.3.incr.aof", "appendonly.aof.manifest"]
    assert set(manifest(server)) == {("b", 3), ("i", 3)}


def test_growth_starts_a_rewrite(start_aof):
    server = start_aof(auto_aof_rewrite_percentage="100", auto_aof_rewrite_min_size="100000")
    with server.connect() as client:
        for i in range(200):
            client("SET", "key", "v" * 1000)
    wait_until(lambda: ("b", 2) in manifest(server), "a rewrite")
    wait_until(lambda: not is_rewriting(server), "its end")
    assert "Starting automatic rewriting of AOF" in server.log()
    assert int(server.info("persistence")["aof_current_size"]) < 150000  # it began in the midst of the writes


def test_a_flush_begins_the_rewrite_anew(start_aof):
    server = start_aof(rdb_key_save_delay="10000")
    with server.connect() as client:
        for i in range(1000):
            client("SET", "key:%d" % i, i)
        assert client("BGREWRITEAOF") == "Background append only file rewriting started"
        assert client("BGREWRITEAOF") == Error("ERR Background append only file rewriting already in progress")
        client("FLUSHALL")
        client("SET", "after", "flush")
    wait_until(lambda: not is_rewriting(server), "the end of the rewrite")
    wait_until(lambda: len(manifest(server)) == 2, "the old files to go")
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    check(server)


def test_what_dies_during_a_rewrite_can_still_be_read_by_the_commands_behind_its_base(start_aof):
    """Entries and fields whose copies live on: the base must have them, though they had gone before their turn to be saved came."""
    server = start_aof(rdb_key_save_delay="10000")
    count = 40
    with server.connect() as client:
        for i in range(5 * count):
            client("SET", "filler:%d" % i, i)
        for i in range(count):
            client("SET", "entry:%d" % i, i)
            client("HSET", "hash:%d" % i, "dies", i, "stays", i)
            client("PEXPIRE", "entry:%d" % i, 500)
            client("HPEXPIRE", "hash:%d" % i, 500, "FIELDS", 1, "dies")
        assert client("BGREWRITEAOF") == "Background append only file rewriting started"
        wait_until(lambda: server.info("persistence")["current_save_keys_processed"] != "0", "its first keys")
        for i in range(count):
            for copy, persist in (("entry:%d", ("PERSIST",)), ("hash:%d", ("HPERSIST", "FIELDS", 1, "dies"))):
                assert client("COPY", copy % i, "copy of " + copy % i) == 1
                client(persist[0], "copy of " + copy % i, *persist[1:])
        last = count - 1
        wait_until(lambda: not client("EXISTS", "entry:%d" % last) and client("HLEN", "hash:%d" % last) == 1, "their death")
        for i in range(0, count, 2):
            assert client("GET", "entry:%d" % i) is None
            assert client("HGET", "hash:%d" % i, "dies") is None
        assert is_rewriting(server), "too late: everything has been saved"
    server.config("rdb-key-save-delay", "0")
    wait_until(lambda: not is_rewriting(server), "the end of the rewrite")
    assert server("DEBUG", "LOADAOF") == "OK"
    with server.connect() as client:
        for i in range(count):
            assert client("GET", "copy of entry:%d" % i) == b"%d" % i
            assert client("HMGET", "copy of hash:%d" % i, "dies", "stays") == [b"%d" % i] * 2
            assert client("EXISTS", "entry:%d" % i) == 0
            assert client("HGETALL", "hash:%d" % i) == [b"stays", b"%d" % i]


def test_in_a_transaction_a_rewrite_is_scheduled(start_aof):
    server = start_aof()
    with server.connect() as client:
        client("MULTI")
        client("INCR", "a")
        client("BGREWRITEAOF")
        client("INCR", "a")
        assert client("EXEC") == [1, "Background append only file rewriting scheduled", 2]
    wait_until(lambda: ("b", 2) in manifest(server), "the rewrite")


def test_without_an_append_only_file_a_rewrite_makes_a_base(start_server):
    server = start_server()
    server("SET", "key", "value")
    rewrite(server)
    assert manifest(server) == {("b", 1): "appendonly.aof.1.base.rdb"}
    check(server)


# ---- on and off ---------------------------------------------------------------------------------------------


def test_it_can_be_turned_on_and_off(start_server, tmp_path):
    server = start_server(**NO_AUTO)
    assert server.info("persistence")["aof_enabled"] == "0"
    with server.connect() as client:
        for i in range(100):
            client("SET", "key:%d" % i, i)
        server.config("appendonly", "yes")
        client("SET", "during", 1)
        wait_until(lambda: not is_rewriting(server), "the first rewrite")
        info = server.info("persistence")
        assert (info["aof_enabled"], info["aof_last_bgrewrite_status"]) == ("1", "ok")
        client("SET", "after", 1)
        server.config("appendonly", "no")
        assert server.info("persistence")["aof_enabled"] == "0"
        digest = server("DEBUG", "DIGEST")
        client("SET", "unlogged", 1)
    assert names(server) == ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    assert load_into_redis(server, tmp_path) == (102, digest)
    server.config("appendonly", "yes")
    wait_until(lambda: not is_rewriting(server), "the rewrite")
    assert manifest(server) == {("b", 2): "appendonly.aof.2.base.rdb", ("i", 2): "appendonly.aof.2.incr.aof"}


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "setxattr"), reason="needs a folder that cannot be made")
def test_it_is_not_turned_on_where_there_can_be_no_folder(start_server):
    server = start_server()
    with open(folder(server), "w") as file:
        file.write("not a folder")
    assert server("CONFIG", "SET", "appendonly", "yes") == Error(
        "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.")
    assert server.config("appendonly") == "no"
    assert server.info("persistence")["aof_enabled"] == "0"
    assert server("SET", "key", "value") == "OK"


def test_the_folder_cannot_be_changed_while_it_is_kept_there(start_server, tmp_path):
    """Its claim is on that folder. When it is off both move together."""
    there = tmp_path / "there"
    there.mkdir()
    server = start_server(appendonly="yes", enable_protected_configs="yes", **NO_AUTO)
    refusal = Error("ERR CONFIG SET failed (possibly related to argument 'dir') - the append-only file is kept in the present one: "
                    "set appendonly to no first")
    before = server.config("dir")
    assert server("CONFIG", "SET", "dir", str(there)) == refusal
    assert server("CONFIG", "SET", "dir", str(there), "appendonly", "no") in ("OK", refusal)  # the end of it may be still to be written
    server.config("appendonly", "no")
    server.config("dir", str(there))
    assert server.config("dir") == str(there) != before
    assert server("SET", "key", "value") == "OK"
    server.config("appendonly", "yes")
    assert server("WAITAOF", 1, 0, 0) == [1, 0]
    assert sorted(path.name for path in (there / "appendonlydir").iterdir()) == [
        "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"
    ]
    assert [path.name for path in there.glob("ordinal.claim.[0-9]*")] == ["ordinal.claim.1"]
    assert server("CONFIG", "SET", "dir", before) == refusal


def test_policies_can_be_changed(start_aof):
    server = start_aof(appendfsync="everysec")
    with server.connect() as client:
        for policy in ("always", "no", "always", "everysec", "always"):
            server.config("appendfsync", policy)
            for i in range(20):
                assert client("INCR", "counter") > 0
    assert increments(server).count(b"counter") == 100


# ---- WAITAOF ------------------------------------------------------------------------------------------------


def test_waitaof_waits_for_the_disk(start_aof):
    server = start_aof(appendfsync="everysec")
    with server.connect() as client:
        client("SET", "key", "value")
        assert client("WAITAOF", 1, 0, 0) == [1, 0]
        assert increments(server).endswith(encode("SET", "key", "value"))
        assert client("WAITAOF", 1, 0, 0) == [1, 0]
        assert client("WAITAOF", 0, 0, 0) == [1, 0]
        assert client("WAITAOF", 0, 1, 10) == [1, 0]


def test_waitaof_waits_for_the_first_base(start_server):
    """When the file is turned on, what was written and is written is kept once there is a base."""
    server = start_server(rdb_key_save_delay=10**4, **NO_AUTO)
    with server.connect() as client:
        client("DEBUG", "POPULATE", 1000)
        server.config("appendonly", "yes")
        assert client("SET", "key", "value") == "OK"
        assert client("WAITAOF", 1, 0, 20) == [0, 0]
        wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "1", "the first base")
        assert client("WAITAOF", 1, 0, 20) == [0, 0]
        server.config("rdb-key-save-delay", 0)
        assert client("WAITAOF", 1, 0, 0) == [1, 0]
    assert set(manifest(server)) == {("b", 1), ("i", 1)}


def test_waitaof_gives_up(start_aof):
    server = start_aof(appendfsync="no")
    with server.connect() as client:
        client("SET", "key", "value")
        assert client("WAITAOF", 1, 0, 20) == [0, 0]
        client("MULTI")
        client("SET", "key", "value")
        client("WAITAOF", 1, 0, 0)
        assert client("EXEC") == ["OK", [0, 0]]


def test_waitaof_ends_when_the_file_does(start_aof):
    server = start_aof(appendfsync="no")
    refusal = Error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    with server.connect() as client:
        client("SET", "key", "value")
        client.send(encode("WAITAOF", 1, 0, 0))
        wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "the client to wait")
        server.config("appendonly", "no")
        assert client.read() == refusal
        assert client("WAITAOF", 1, 0, 0) == refusal
        assert client("WAITAOF", 0, 0, 0) == [0, 0]


@pytest.mark.parametrize("arguments, error", [
    ((2, 0, 0), "ERR value is out of range, value must between 0 and 1"),
    ((0, -1, 0), "ERR value is out of range, must be positive"),
    ((0, 0, -1), "ERR timeout is negative"),
])
def test_waitaof_checks_its_arguments(start_aof, arguments, error):
    assert start_aof()("WAITAOF", *arguments) == Error(error)


# ---- always: nothing is told before it is on the disk ---------------------------------------------------------


@pytest.fixture
def faulty(monkeypatch, start_server, tmp_path):
    """Starts a server of the build with faults, with `faults` being asked for while the file that it returns exists."""
    if not harness.is_ordinal() or harness.is_sanitized():
        pytest.skip("the build with faults is a flavour of its own")
    subprocess.run(["make", "--silent", "faults"], cwd=harness.ROOT, check=True)
    monkeypatch.setenv("ORDINAL", "build/faults/ordinal")
    switch = tmp_path / "switch"

    def start(*faults, **settings):
        text = ";".join(fault.replace("@", "@%s" % switch) for fault in faults)
        return start_server(environment={"ORDINAL_FAULT": text}, appendonly="yes", **{**NO_AUTO, **settings}), switch

    return start


def has_reply(client, seconds):
    return client.position < len(client.buffer) or bool(select.select([client.sock], [], [], seconds)[0])


def test_no_reply_comes_before_the_sync(faulty):
    server, held = faulty("aof-sync:@:hold", appendfsync="always")
    with server.connect() as writer, server.connect() as reader:
        assert writer("SET", "key", "old") == "OK"
        held.touch()
        writer.send(encode("SET", "key", "new"))
        assert not has_reply(writer, 0.3)
        reader.send(encode("GET", "key"))  # it would tell what a crash could take back
        assert not has_reply(reader, 0.3)
        held.unlink()
        assert writer.read() == "OK"
        assert reader.read() == b"new"


def test_turning_it_off_holds_up_nobody_else(faulty, tmp_path):
    """Its client waits for the disk, with those whose writes do; others go on. What was acknowledged is in the files."""
    server, held = faulty("aof-sync:@:hold", appendfsync="always")
    with server.connect() as writer, server.connect() as closer, server.connect() as leaver, server.connect() as other:
        held.touch()
        writer.send(encode("SET", "key", "value"))
        assert not has_reply(writer, 0.2)
        for client in (closer, leaver):
            client.send(encode("CONFIG", "SET", "appendonly", "no"))
        other.send(encode("SET", "other", "value") + encode("INFO", "persistence"))
        leaver.close()
        assert not has_reply(closer, 0.2) and not has_reply(writer, 0)
        held.unlink()
        assert closer.read() == writer.read() == other.read() == "OK"
        assert b"aof_enabled:0" in other.read()
        assert other("SET", "unlogged", 1) == "OK"
    assert increments(server).endswith(encode("SET", "key", "value"))


def test_it_can_be_turned_on_while_it_is_turned_off(faulty, tmp_path):
    server, held = faulty("aof-sync:@:hold")
    with server.connect() as writer, server.connect() as closer:
        assert writer("SET", "key", "value") == "OK"
        held.touch()
        closer.send(encode("CONFIG", "SET", "appendonly", "no"))
        wait_until(lambda: server.info("persistence")["aof_enabled"] == "0", "the end")
        assert writer("SET", "between", 1) == "OK"
        assert writer("CONFIG", "SET", "appendonly", "yes") == "OK"
        assert writer("WAITAOF", 1, 0, 20) == [0, 0]
        assert not has_reply(closer, 0)
        held.unlink()
        assert closer.read() == "OK"
        assert writer("WAITAOF", 1, 0, 0) == [1, 0]
        digest = writer("DEBUG", "DIGEST")
    assert load_into_redis(server, tmp_path) == (2, digest)


def test_held_replies_keep_their_order_with_pushes(faulty):
    server, held = faulty("aof-sync:@:hold", appendfsync="always")
    with server.connect() as client, server.connect() as other:
        client("HELLO", 3)
        client("SUBSCRIBE", "channel")
        held.touch()
        client.send(encode("INCR", "a") + encode("PUBLISH", "channel", "1") + encode("INCR", "a"))
        assert not has_reply(client, 0.3)
        other.send(encode("PUBLISH", "channel", "2"))
        assert not has_reply(client, 0.3)
        client.send(encode("ECHO", "x" * 300000) + encode("BLPOP", "list", 0))
        other.send(encode("RPUSH", "list", "element"))
        assert not has_reply(client, 0.3)
        held.unlink()
        replies = [client.read() for _ in range(7)]
    assert [reply for reply in replies if reply == 1][:1] == [1]
    order = [reply for reply in replies if isinstance(reply, (int, bytes)) or (
        isinstance(reply, list) and reply[:1] == [b"list"])]
    assert order == [1, 1, 2, b"x" * 300000, [b"list", b"element"]]
    assert sum(isinstance(reply, list) and reply[:1] == [b"message"] for reply in replies) == 2


def test_connections_with_held_replies_can_go(faulty):
    server, held = faulty("aof-sync:@:hold", appendfsync="always")
    killed, quitting, gone, admin = (server.connect() for _ in range(4))
    number = killed("CLIENT", "ID")
    held.touch()
    killed.send(encode("SET", "a", 1))
    wait_until(lambda: b"\r\na\r\n" in increments(server), "the write of the client that is killed next")
    quitting.send(encode("SET", "b", 2) + encode("QUIT"))
    gone.send(encode("SET", "c", 3))
    admin.send(encode("CLIENT", "KILL", "ID", number))
    killed.until_closed()
    gone.close()
    assert not has_reply(quitting, 0.3)
    held.unlink()
    assert admin.read() == 1
    assert [quitting.read(), quitting.read()] == ["OK", "OK"]
    quitting.until_closed()
    assert admin("MGET", "a", "b", "c") == [b"1", b"2", b"3"]
    for connection in (killed, quitting, admin):
        connection.close()


def test_what_is_held_counts_for_the_limit_of_output(faulty):
    server, held = faulty("aof-sync:@:hold", appendfsync="always", client_output_buffer_limit=["normal", "1mb", "0", "0"])
    with server.connect() as client:
        client("SET", "value", "v" * 200000)
        held.touch()
        client.send(encode("INCR", "a") + encode("GET", "value") * 10)
        client.until_closed()
    held.unlink()
    assert server("GET", "a") == b"1"


def test_one_sync_serves_many_clients(faulty, tmp_path):
    trace = tmp_path / "trace"
    server, held = faulty("aof-sync:@:hold", "trace=%s" % trace, appendfsync="always")
    clients = [server.connect() for _ in range(50)]
    held.touch()
    clients[0].send(encode("SET", "first", 1))
    wait_until(lambda: server_syncs(trace) > 0, "the first sync")
    before = server_syncs(trace)
    for client in clients[1:]:
        client.send(encode("INCR", "counter"))
    time.sleep(0.2)
    held.unlink()
    assert clients[0].read() == "OK"
    assert sorted(client.read() for client in clients[1:]) == list(range(1, 50))
    assert server_syncs(trace) - before <= 2
    for client in clients:
        client.close()


def server_syncs(trace):
    return trace.read_text().count("aof-sync ") if trace.exists() else 0


@pytest.mark.parametrize("error, text", [("EIO", "Input/output error"), ("ENOSPC", "No space left on device")])
def test_after_a_failed_sync_only_a_new_base_is_sound(faulty, error, text):
    server, fails = faulty("aof-sync:@:%s" % error, "base-sync:@:%s" % error, "rdb-sync:@:%s" % error, appendfsync="always")
    refusal = Error("MISCONF Errors writing to the AOF file: " + text)
    with server.connect() as writer, server.connect() as other:
        assert writer("SET", "key", "old") == "OK"
        fails.touch()
        writer.send(encode("SET", "key", "new"))
        wait_until(lambda: server.info("persistence")["aof_last_write_status"] == "err", "the error to be told")
        assert other("SET", "key", "third") == refusal
        assert other("PING") == refusal
        assert other("GET", "key") == b"new"  # reads go on
        assert not has_reply(writer, 0.3)  # nothing is acknowledged
        fails.unlink()
        assert writer.read() == "OK"
        wait_until(lambda: server.info("persistence")["aof_last_write_status"] == "ok", "service to be resumed")
        assert other("SET", "other", "value") == "OK"
    assert ("b", 1) not in manifest(server)
    check(server)


def test_transactions_are_not_acknowledged_while_the_disk_fails(faulty):
    faults = ("aof-sync:@:hold", "aof-sync:2:EIO", "base-sync:2:EIO", "base-sync:3:EIO")
    server, held = faulty(*faults, appendfsync="always")
    with server.connect() as writer, server.connect() as other:
        assert writer("SET", "key", "old") == "OK"
        assert writer("MULTI") == "OK"
        assert writer("SET", "key", "new") == "QUEUED"
        assert writer("INCR", "counter") == "QUEUED"
        held.touch()
        writer.send(encode("EXEC"))
        other.send(encode("GET", "key"))
        assert not has_reply(writer, 0.2)
        held.unlink()
        assert other.read() in (b"old", b"new")  # it was held as well, and needs no disk
        assert other("GET", "key") == b"new"
        assert not has_reply(writer, 0.2)
        assert writer.read() == ["OK", 1]
        wait_until(lambda: server.info("persistence")["aof_last_write_status"] == "ok", "service to be resumed")
        assert server.info("persistence")["aof_rewrites_consecutive_failures"] == "0"
    assert "The AOF is not sound any more" in server.log()


def test_a_write_that_fails_is_continued_where_it_stopped(faulty):
    server, fails = faulty("aof-write:@:ENOSPC", "aof-write:3:half", appendfsync="always")
    refusal = Error("MISCONF Errors writing to the AOF file: No space left on device")
    with server.connect() as writer, server.connect() as other:
        assert writer("SET", "a", "x" * 1000) == "OK"
        assert writer("SET", "b", "x" * 1000) == "OK"
        fails.touch()
        writer.send(encode("SET", "c", "x" * 1000))
        wait_until(lambda: server.info("persistence")["aof_last_write_status"] == "err", "the error to be told")
        assert other("SET", "d", "x") == refusal
        assert other("EXISTS", "c") == 1
        assert not has_reply(writer, 0.2)
        fails.unlink()
        assert writer.read() == "OK"
        assert other("SET", "d", "x") == "OK"
    value = "x" * 1000
    expected = encode("SELECT", 0) + b"".join(encode("SET", key, value) for key in "abc") + encode("SET", "d", "x")
    assert increments(server) == expected
    check(server)


def test_the_server_can_end_while_the_disk_fails(faulty):
    server, fails = faulty("aof-write:@:ENOSPC", appendfsync="everysec")
    fails.touch()
    server("SET", "key", "value")
    server.signal(signal.SIGTERM)
    server.wait()
    assert "could not be written" in server.log()
