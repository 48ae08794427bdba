"""Loading the append-only file: sets of files, the single file of old servers, files cut off at every byte and altered inside,
deadlines that have passed meanwhile, transactions without an end."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from harness.resp import Error
from harness.server import Server

FOLDER = "appendonlydir"
INCREMENT = "appendonly.aof.1.incr.aof"
MANIFEST = "appendonly.aof.manifest"
SNAPSHOT = b"REDIS0009\xfe\x00\x00\x01k\x01v\xff" + b"\0" * 8


def encode(*words):
    """A command as an append-only file has it."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def encode_all(*commands):
    return b"".join(encode(*command) for command in commands)


def write_set(directory, increments, base=None, base_name="appendonly.aof.1.base.aof"):
    """A folder with a manifest, and files of commands."""
    folder = directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    lines = []
    if base is not None:
        (folder / base_name).write_bytes(base)
        lines.append("file %s seq 1 type b" % base_name)
    for number, content in enumerate(increments, 1):
        name = "appendonly.aof.%d.incr.aof" % number
        (folder / name).write_bytes(content)
        lines.append("file %s seq %d type i" % (name, number))
    (folder / MANIFEST).write_text("".join(line + "\n" for line in lines))
    return folder


@pytest.fixture
def start(tmp_path):
    """Starts servers on tmp_path with appendonly yes; those that run are ended with the test."""
    started = []

    def start_one(settings=None, ready=True, **options):
        server = Server(tmp_path, {"appendonly": "yes", **(settings or {})}, ready=ready, **options)
        started.append(server)
        if ready:
            wait_until_loaded(server)
        return server

    yield start_one
    for server in started:
        server.stop()


def wait_until_loaded(server):
    for _ in range(2000):
        if not server.alive() or server.info("persistence")["loading"] == "0":
            return
        time.sleep(0.01)
    raise AssertionError("the server still loads")


def refused(start, **options):
    """Starts a server that must not start, and returns its log."""
    server = start(ready=False, **options)
    server.expected_status = 1
    assert server.wait() == 1
    log = server.log()
    os.truncate(server.log_path, 0)  # the next server writes to it too
    return log


def test_base_and_increments_are_loaded_in_order(tmp_path, start):
    write_set(
        tmp_path,
        [
            encode_all(("SELECT", 0), ("APPEND", "k", "b"), ("SELECT", 3), ("SET", "other", "x"))
            + b"#TS:1628217470\r\n" + encode_all(("APPEND", "other", "y")),
            encode_all(("APPEND", "k", "c"), ("INCRBY", "n", 5)),  # each file begins with database 0
        ],
        base=encode_all(("SET", "k", "a"), ("SET", "n", 37)),
    )
    server = start()
    with server.connect() as client:
        assert client("GET", "k") == b"abc"
        assert client("GET", "n") == b"42"
        assert client("DBSIZE") == 2
        client("SELECT", 3)
        assert client("GET", "other") == b"xy"
    for name in ("base", "incr"):
        assert "DB loaded from %s file" % name in server.log()
    assert "DB loaded from append only file" in server.log()


def test_changes_count_and_commands_do_not(tmp_path, start):
    write_set(tmp_path, [encode_all(("SET", "a", 1), ("RPUSH", "l", 1, 2, 3), ("DEL", "a"))])
    server = start()
    assert "cmdstat_set" not in server.info("commandstats")
    assert server.info("persistence")["rdb_changes_since_last_save"] == "5"  # what redis-server 7.0.15 says
    assert server("SLOWLOG", "LEN") == 0


def test_nothing_expires_while_it_is_loaded(tmp_path, start):
    """What happened before a deadline that has passed since is done as it was done then."""
    past, future = int(time.time() * 1000) - 60_000, int(time.time() * 1000) + 60_000
    write_set(
        tmp_path,
        [
            encode_all(
                ("SET", "counter", 41, "PXAT", past), ("INCR", "counter"), ("PERSIST", "counter"),
                ("SET", "later", "x"), ("PEXPIREAT", "later", past), ("PEXPIREAT", "later", future),
                ("SET", "gone", "x", "PXAT", past),
                ("SET", "moved", "x", "PXAT", past), ("RENAME", "moved", "moved on"),
                ("SET", "said to be gone", "x", "PXAT", past), ("DEL", "said to be gone"), ("INCR", "said to be gone"),
                ("HSET", "h", "f", 1, "g", 2), ("HPEXPIREAT", "h", past, "FIELDS", 1, "f"), ("HINCRBY", "h", "f", 9),
                ("HPERSIST", "h", "FIELDS", 1, "f"),
                ("HPEXPIREAT", "h", past, "FIELDS", 1, "g"), ("HINCRBY", "h", "g", 9),
                ("RESTORE", "restored", past, b"\x00\xc0\x07\x0a\x00" + checksum(b"\x00\xc0\x07\x0a\x00"), "ABSTTL"),
                ("INCR", "restored"), ("PEXPIREAT", "restored", future),
            )
        ],
    )
    server = start()
    with server.connect() as client:
        assert client("GET", "counter") == b"42"
        assert client("PTTL", "counter") == -1
        assert client("PEXPIRETIME", "later") == future
        assert client("GET", "gone") is None
        assert client("GET", "moved on") is None
        assert client("GET", "said to be gone") == b"1"
        assert client("HGETALL", "h") == [b"f", b"10"]
        assert client("GET", "restored") == b"8"
        assert client("PEXPIRETIME", "restored") == future
    for _ in range(500):  # what is past its deadline is swept, though nobody asks for it
        if server("DBSIZE") == 5:
            return
        time.sleep(0.01)
    raise AssertionError("expired keys stay: %r" % server("KEYS", "*"))


def checksum(data):
    """CRC-64/Jones, reflected, in the byte order of payloads."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc.to_bytes(8, "little")


def test_deadlines_in_the_future_are_kept(tmp_path, start):
    soon = int(time.time() * 1000) + 3000
    write_set(tmp_path, [encode_all(("SET", "k", "x", "PXAT", soon), ("HSET", "h", "f", 1), ("HPEXPIREAT", "h", soon, "FIELDS", 1, "f"))])
    server = start()
    assert server("PEXPIRETIME", "k") == soon
    assert server("HPEXPIRETIME", "h", "FIELDS", 1, "f") == [soon]
    time.sleep(max(0, soon / 1000 - time.time()))
    for _ in range(200):
        if server("DBSIZE") == 0:
            return
        time.sleep(0.01)
    raise AssertionError("the keys outlive their deadline by two seconds")


SMALL = [("SELECT", 0), ("SET", "a", "one"), ("RPUSH", "l", "x", "y"), ("MULTI",), ("SET", "b", "two"), ("INCR", "n"), ("EXEC",), ("APPEND", "a", "!")]
WHOLE = [0, 1, 2, 3, 7, 8]  # after how many commands no transaction is open


def test_a_file_torn_at_any_byte_loses_only_its_last_command(tmp_path, start):
    content = encode_all(*SMALL)
    ends = [len(encode_all(*SMALL[:count])) for count in WHOLE]
    expected = {0: {}, 1: {}, 2: {b"a": b"one"}, 3: {b"a": b"one", b"l": 2}, 7: {b"a": b"one", b"l": 2, b"b": b"two", b"n": b"1"},
                8: {b"a": b"one!", b"l": 2, b"b": b"two", b"n": b"1"}}
    for length in range(0, len(content) + 1, 1 if os.environ.get("ORDINAL_TEST_LONG") else 3):
        folder = write_set(tmp_path, [content[:length]])
        server = start()
        kept = max(end for end in ends if end <= length)
        with server.connect() as client:
            found = {key: client("LLEN", key) if key == b"l" else client("GET", key) for key in client("KEYS", "*")}
        server.stop()
        assert found == expected[WHOLE[ends.index(kept)]], length
        assert (folder / INCREMENT).read_bytes()[: len(content)] == content[:kept], length
        assert ("short read while loading the AOF file" in server.log()) == (kept != length), length
        os.truncate(server.log_path, 0)


def test_a_torn_file_is_refused_where_that_is_asked_for(tmp_path, start):
    content = encode_all(*SMALL)[:-3]
    folder = write_set(tmp_path, [content])
    log = refused(start, settings={"aof-load-truncated": "no"})
    assert "Unexpected end of file reading the append only file " + INCREMENT in log
    assert (folder / INCREMENT).read_bytes() == content


def test_a_file_torn_before_the_last_one_is_refused(tmp_path, start):
    content = encode_all(*SMALL)
    for torn in (content[:-3], content[: len(encode_all(*SMALL[:5]))]):  # in a command, in a transaction
        folder = write_set(tmp_path, [torn, encode("SET", "c", 1)])
        log = refused(start)
        assert "which is not the last file" in log
        assert (folder / INCREMENT).read_bytes() == torn


@pytest.mark.parametrize(
    "content, reason, offset",
    [
        (b"SET a b\r\n", "Bad file format", 0),
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nb\r\n", "Bad file format", 26),
        (b"*0\r\n", "Bad file format", 1),
        (encode("SET", "a", "b") + b"\0" * 100, "Bad file format", 27),
        (encode("XADD", "s", "*", "a", "b"), "Unknown command 'XADD'", 0),
        (encode("SET", "a", 1) + encode("FUNCTION", "LOAD", "x"), "Unknown command 'FUNCTION'", 27),
        (encode("SET", "a"), "Wrong number of arguments for 'SET'", 0),
        (encode("SHUTDOWN"), "'SHUTDOWN'", 0),
        (encode("SELECT", 99), "DB index is out of range", 0),
        (encode("EXEC"), "An EXEC without MULTI", 0),
        (encode("MULTI") + encode("MULTI"), "A MULTI inside of a transaction", 15),
        (encode("MULTI") + encode("NOSUCH"), "Unknown command 'NOSUCH'", 15),
    ],
    ids=range(12),
)
def test_what_is_wrong_inside_is_refused_with_its_place(tmp_path, start, content, reason, offset):
    more = encode("SET", "behind", 1)
    folder = write_set(tmp_path, [content + more])
    log = refused(start)
    assert reason in log and "offset %d" % offset in log and INCREMENT in log, log
    assert (folder / INCREMENT).read_bytes() == content + more


def test_a_length_altered_inside_does_not_truncate_what_follows(tmp_path, start):
    content = encode_all(*SMALL).replace(b"$3\r\none", b"$999999\r\none")
    folder = write_set(tmp_path, [content])
    log = refused(start)
    assert "Bad file format" in log and "a whole command follows" in log
    assert (folder / INCREMENT).read_bytes() == content


def test_commands_that_fail_are_told_and_passed_over(tmp_path, start):
    """As Redis does: they failed when they were written, too."""
    write_set(tmp_path, [encode_all(("SET", "a", 1), ("RPUSH", "a", "x"), ("INCR", "a"))])
    server = start()
    assert server("GET", "a") == b"2"
    assert "WRONGTYPE" in server.log() and "1 commands of the append-only file were answered with an error" in server.log()


def test_commands_that_write_nothing_do_nothing(tmp_path, start):
    write_set(tmp_path, [encode_all(("SET", "a", 1), ("GET", "a"), ("TTL", "a"), ("KEYS", "*"), ("PUBLISH", "c", "m"), ("WAIT", 0, 0), ("BLPOP", "nothing", 0))])
    log = refused(start)
    assert "'WAIT'" in log
    write_set(tmp_path, [encode_all(("SET", "a", 1), ("GET", "a"), ("TTL", "a"), ("KEYS", "*"), ("PUBLISH", "c", "m"), ("BLPOP", "nothing", 0), ("INCR", "a"))])
    assert start()("GET", "a") == b"2"


def test_renamed_commands_are_known_by_either_name(tmp_path, start):
    write_set(tmp_path, [encode_all(("SELECT", 1), ("SET", "a", 1), ("RASE", "a"), ("DEL", "b"), ("SET", "c", 1))])
    server = start(settings={"rename-command": ["DEL", "RASE"]})
    with server.connect() as client:
        client("SELECT", 1)
        assert client("KEYS", "*") == [b"c"]


@pytest.mark.parametrize(
    "manifest, reason",
    [
        ("", "Found an empty AOF manifest"),
        ("file a seq 1 type x\n", "line 1: Unknown AOF file type"),
        ("file appendonly.aof.1.incr.aof seq 2 type i\nfile appendonly.aof.1.incr.aof seq 1 type i\n", "line 2: Found a non-monotonic sequence number"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", "line 2: Found duplicate base file information"),
        ("file ../a seq 1 type b\n", "line 1: File can't be a path, just a filename"),
        ("file missing.aof seq 1 type i\n", "the AOF file missing.aof length. stat: No such file or directory"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, start, manifest, reason):
    folder = write_set(tmp_path, [encode("SET", "a", 1)])
    (folder / MANIFEST).write_text(manifest)
    assert reason in refused(start)


@pytest.mark.parametrize("folder_exists", [False, True])
def test_the_single_file_of_old_servers_becomes_a_base(tmp_path, start, folder_exists):
    content = encode_all(("SELECT", 2), ("SET", "a", 1))
    (tmp_path / "appendonly.aof").write_bytes(content)
    if folder_exists:
        (tmp_path / FOLDER).mkdir()
    server = start()
    with server.connect() as client:
        client("SELECT", 2)
        assert client("GET", "a") == b"1"
    assert not (tmp_path / "appendonly.aof").exists()
    assert (tmp_path / FOLDER / "appendonly.aof").read_bytes() == content
    assert "file appendonly.aof seq 1 type b\n" in (tmp_path / FOLDER / MANIFEST).read_text()
    assert "Successfully migrated an old-style AOF configuration" in server.log()
    server.stop()
    with start().connect() as client:
        client("SELECT", 2)
        assert client("GET", "a") == b"1"


def test_a_move_of_the_single_file_that_was_cut_short_is_finished(tmp_path, start):
    (tmp_path / "appendonly.aof").write_bytes(encode("SET", "a", 1))
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / MANIFEST).write_text("file appendonly.aof seq 1 type b\n")
    assert start()("GET", "a") == b"1"
    assert not (tmp_path / "appendonly.aof").exists()


def test_a_snapshot_at_the_beginning_of_a_file_is_loaded_first(tmp_path, start):
    """As in the single file of Redis 4 to 6, and every base since."""
    past = int(time.time() * 1000) - 60_000
    snapshot = b"REDIS0009\xfe\x00\xfc" + past.to_bytes(8, "little") + b"\x00\x01k\xc0\x29" + b"\x00\x01l\x01x" + b"\xff" + b"\0" * 8
    (tmp_path / "appendonly.aof").write_bytes(snapshot + encode_all(("INCR", "k"), ("PERSIST", "k"), ("APPEND", "l", "y")))
    server = start()
    assert server("GET", "k") == b"42"  # it had not expired when the commands were written
    assert server("GET", "l") == b"xy"
    server.stop()
    (tmp_path / FOLDER / "appendonly.aof").write_bytes(snapshot[:-12])
    log = refused(start)
    assert "Cannot load" in log and "appendonly.aof" in log


def test_without_an_append_only_file_the_snapshot_is_loaded_and_becomes_its_base(tmp_path, start):
    """Redis begins empty there, and its next save takes the snapshot's place. From the first reply on nothing is lost."""
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    server = start({"appendfsync": "always"})
    assert server("SET", "l", "w") == "OK"
    server.kill()
    (tmp_path / "dump.rdb").unlink()
    assert "The append-only file begins with the snapshot dump.rdb" in server.log()
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [
        "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"
    ]
    server = start()
    assert server("GET", "k") == b"v"
    assert server("GET", "l") == b"w"


def test_what_has_expired_in_a_snapshot_that_becomes_the_base_stays_gone(tmp_path, start):
    """A command that found no such key finds none when it is loaded."""
    past = (int(time.time() * 1000) - 60_000).to_bytes(8, "little")
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0009\xfe\x00\xfc" + past + b"\x00\x01k\xc0\x29\xff" + b"\0" * 8)
    server = start({"appendfsync": "always"})
    assert server("INCR", "k") == 1
    server.kill()
    server = start()
    assert server("GET", "k") == b"1"
    assert server("TTL", "k") == -1


def test_a_snapshot_becomes_the_base_as_a_copy_where_there_are_no_links(tmp_path, start):
    """And through a symbolic link; what an earlier attempt has left is in nobody's way, and no snapshot changes with the base."""
    snapshots = Path("/dev/shm") / ("ordinal-%d" % os.getpid())
    snapshots.mkdir()
    try:
        (snapshots / "dump.rdb").write_bytes(SNAPSHOT)
        (tmp_path / "dump.rdb").symlink_to(snapshots / "dump.rdb")
        (tmp_path / "old.rdb").write_bytes(b"old")
        (tmp_path / FOLDER).mkdir()
        os.link(tmp_path / "old.rdb", tmp_path / FOLDER / "appendonly.aof.1.base.rdb")
        assert os.stat(snapshots).st_dev != os.stat(tmp_path).st_dev, "both are one file system here"
        server = start()
        assert server("SET", "l", "w") == "OK"
        server.stop()
        assert (tmp_path / FOLDER / "appendonly.aof.1.base.rdb").read_bytes() == SNAPSHOT
        assert (tmp_path / "old.rdb").read_bytes() == b"old"
    finally:
        shutil.rmtree(snapshots)
    (tmp_path / "dump.rdb").unlink()
    server = start()
    assert server("GET", "k") == b"v"
    assert server("GET", "l") == b"w"


def test_a_server_does_not_start_when_the_snapshot_cannot_become_the_base(tmp_path, start):
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    (tmp_path / FOLDER / "appendonly.aof.1.base.rdb").mkdir(parents=True)
    log = refused(start)
    assert "Can't begin the append-only file with the snapshot dump.rdb: " in log
    assert (tmp_path / "dump.rdb").read_bytes() == SNAPSHOT


def test_clients_are_told_to_wait_and_watchers_to_look_again(tmp_path, start):
    """While the file is loaded commands are refused, and a key that was watched meanwhile has changed."""
    commands = b"".join(encode("SET", "key:%d" % number, number) for number in range(200_000))
    write_set(tmp_path, [commands])
    server = Server(tmp_path, {"appendonly": "yes"}, ready=True)
    try:
        with server.connect() as client:
            watched = client("WATCH", "key:199999")
            reply = client("GET", "key:0")
            if isinstance(reply, Error):
                assert str(reply).startswith("LOADING")
            loading = server.info("persistence")["loading"] == "1"
            wait_until_loaded(server)
            assert watched == "OK"
            client("MULTI")
            client("GET", "key:199999")
            if loading:
                assert client("EXEC") is None
            else:
                assert client("EXEC") in (None, [b"199999"])
            assert client("DBSIZE") == 200_000
    finally:
        server.stop()


def test_debug_loadaof_comes_to_what_was_there(tmp_path, start):
    server = start()
    with server.connect() as client:
        for command in (("SET", "a", 1), ("RPUSH", "l", *range(200)), ("SELECT", 2), ("HSET", "h", "f", "v"), ("SET", "e", "x", "PX", 100_000),
                        ("MULTI",), ("INCR", "n"), ("INCR", "n"), ("EXEC",), ("HPEXPIRE", "h", 90_000, "FIELDS", 1, "f"), ("SPOP", "nothing")):
            assert not isinstance(client(*command), Error), command
        deadline, digest = client("PEXPIRETIME", "e"), client("DEBUG", "DIGEST")
        assert client("DEBUG", "LOADAOF") == "OK"  # waits until everything is written
        size = sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir())
        assert client("DEBUG", "LOADAOF") == "OK"
        assert client("DEBUG", "DIGEST") == digest
        assert client("PEXPIRETIME", "e") == deadline
        client("INCR", "n")
    for _ in range(500):
        if server.info("persistence")["aof_buffer_length"] == "0":
            break
        time.sleep(0.01)
    assert sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir()) - size < 200  # loading was not logged anew
    server.stop()
    with start().connect() as client:
        client("SELECT", 2)
        assert client("GET", "n") == b"3"
        assert client("DEBUG", "LOADAOF") == "OK"
        assert client("GET", "n") == b"3"


def test_debug_loadaof_needs_an_append_only_file(start):
    server = start(settings={"appendonly": "no"})
    assert server("SET", "a", 1) == "OK"
    assert isinstance(server("DEBUG", "LOADAOF"), Error)
    assert server("GET", "a") == b"1"


@pytest.mark.skipif(shutil.which("redis-check-aof") is None, reason="there is no redis-check-aof")
def test_redis_check_aof_passes_what_is_left_of_a_torn_file(tmp_path, start):
    folder = write_set(tmp_path, [encode_all(*SMALL), encode_all(("SELECT", 0), ("SET", "x", 1), ("MULTI",), ("SET", "y", 1))])
    start().stop()
    checked = subprocess.run(["redis-check-aof", str(folder / MANIFEST)], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert checked.returncode == 0, checked.stdout.decode()
    assert b"are valid" in checked.stdout
