"""Starting on an RDB file: what real servers wrote is there again, what is damaged is refused, and while the file is read the
server answers."""

import glob
import json
import os
import signal
import stat
import subprocess
import time

import pytest

from harness import rdb
from harness.contents import contents
from harness.resp import Connection
from harness.server import ROOT, binary, is_sanitized

SAMPLES = sorted(glob.glob(os.path.join(ROOT, "tests", "rdb", "samples", "*.rdb")))
NAMES = [os.path.basename(path)[:-4] for path in SAMPLES]


@pytest.fixture
def start_on(start_server, tmp_path):
    """A function that starts a server on an RDB file of these bytes, in a folder of its own."""

    def start(data, **settings):
        folder = tmp_path / ("data%d" % len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "dump.rdb").write_bytes(data)
        ready = settings.pop("ready", True)
        settings.setdefault("save", ["3600", "1"])  # a server that does not start must not save either
        server = start_server(ready=False, dir=folder, **settings)
        if ready:
            server.wait_ready(loads=True)
        return server

    return start


def refused(server):
    """Waits until the server has ended over its file; returns its log."""
    server.expected_status = 1
    assert server.wait() == 1
    return server.log()


@pytest.mark.parametrize("path", SAMPLES, ids=NAMES)
def test_a_file_of_a_real_server_is_loaded_whole(start_on, path):
    server = start_on(open(path, "rb").read())
    with open(path[:-4] + ".json") as file:
        expected = json.load(file)
    with server.connect() as ask:
        assert json.loads(json.dumps(contents(ask))) == expected
    info = server.info("persistence")
    assert info["loading"] == "0"
    assert int(info["rdb_last_load_keys_loaded"]) == len(expected)
    assert info["rdb_last_load_keys_expired"] == "1"
    assert info["rdb_last_load_streams_skipped"] == "2"
    assert info["rdb_last_load_functions_skipped"] == "1"
    assert "the key 'stream' of database 0" in server.log()


@pytest.mark.parametrize("path", SAMPLES, ids=NAMES)
def test_what_is_saved_is_loaded_again(start_on, path):
    """Also with idle times and frequencies."""
    policy = "allkeys-" + path[-7:-4]
    first = start_on(open(path, "rb").read(), maxmemory_policy=policy)
    assert first("SAVE") == "OK"
    with open(os.path.join(first.command[first.command.index("--dir") + 1], "dump.rdb"), "rb") as file:
        second = start_on(file.read(), maxmemory_policy=policy)
    with open(path[:-4] + ".json") as file, second.connect() as ask:
        assert json.loads(json.dumps(contents(ask))) == json.load(file)
    assert second.info("persistence")["rdb_last_load_streams_skipped"] == "0"


@pytest.mark.parametrize("name", ["redis7", "redis8", "valkey9"])
def test_idle_times_and_frequencies_come_along(start_on, name):
    folder = os.path.join(ROOT, "tests", "rdb", "samples")
    lfu = start_on(open(os.path.join(folder, name + "-lfu.rdb"), "rb").read(), maxmemory_policy="allkeys-lfu")
    assert lfu("OBJECT", "FREQ", "list:large") >= 1
    body = rdb.file(rdb.frequency(99) + rdb.key("often", "v"), rdb.idle(5000) + rdb.key("idle", "v"), version=9)
    assert start_on(body, maxmemory_policy="allkeys-lfu")("OBJECT", "FREQ", "often") == 99
    assert 5000 <= start_on(body, maxmemory_policy="allkeys-lru")("OBJECT", "IDLETIME", "idle") <= 5100


@pytest.mark.parametrize("limit", [0, 2, 1000000])
def test_the_settings_say_how_values_are_kept(start_on, limit):
    path = os.path.join(ROOT, "tests", "rdb", "samples", "redis7-lru")
    server = start_on(open(path + ".rdb", "rb").read(), hash_max_listpack_entries=limit, zset_max_listpack_entries=limit,
                      set_max_intset_entries=limit, set_max_listpack_entries=limit)
    with open(path + ".json") as file, server.connect() as ask:
        assert json.loads(json.dumps(contents(ask))) == json.load(file)
    assert server("OBJECT", "ENCODING", "hash:small") == (b"listpack" if limit > 2 else b"hashtable")


def test_an_entry_that_was_loaded_can_be_changed(start_on):
    server = start_on(open(SAMPLES[0], "rb").read())
    with server.connect() as ask:
        assert ask("HSET", "hash:small", "new", 1) == 1
        assert ask("ZADD", "zset:large", 1000, "new") == 1
        assert ask("SADD", "set:ints", "text") == 1
        assert ask("RPUSH", "list:large", "new") == 61
        assert ask("APPEND", "text", " there") == 11
        assert ask("FLUSHALL") == "OK"
        assert ask("DBSIZE") == 0


# ---- what is refused --------------------------------------------------------------------------------------------------


def test_a_damaged_file_ends_the_server_and_stays_as_it_was(start_on):
    data = bytearray(open(SAMPLES[0], "rb").read())
    data[len(data) // 2] ^= 1
    server = start_on(bytes(data), ready=False)
    log = refused(server)
    path = os.path.join(server.command[server.command.index("--dir") + 1], "dump.rdb")
    assert "Cannot load %s: at byte " % path in log
    assert "while reading " in log
    assert "move %s away" % path in log
    assert open(path, "rb").read() == bytes(data)


@pytest.mark.parametrize("size", [0, 5, 9, 100, -1, -8, -9])
def test_a_file_that_is_cut_short_is_refused(start_on, size):
    data = open(SAMPLES[0], "rb").read()
    cut = data[:size]
    log = refused(start_on(cut, ready=False))
    assert "the file is cut short: it ends at byte %d" % len(cut) in log


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"REDIS0013" + b"\0" * 20, "version 13 of Redis is not supported"),
        (b"{}                ", "it does not begin as an RDB file"),
        (rdb.file(rdb.select(16), rdb.key("a", "1")), "database 16 is beyond the setting `databases` (16)"),
        (rdb.file(rdb.key("a", "1"), rdb.key("a", "2")), "the key 'a' of database 0 is there already"),
        (rdb.file(rdb.key("a\nb", b"", 6)), "a module's value of a pre-release of Redis 4.0"),
        (rdb.file(b"\xc8"), "there is no type and no opcode 200"),
        (rdb.file(rdb.key("h", rdb.length(2) + rdb.string("f") * 4, 4)), "(a hash): its content is damaged, or has an"),
        (rdb.file(rdb.key("a", "1"))[:-8] + b"\1" * 8, "while reading the checksum: it is 0101010101010101"),
    ],
)
def test_the_reason_is_told(start_on, data, reason):
    assert reason in refused(start_on(data, ready=False))


def test_a_file_that_cannot_be_opened_is_not_passed_over(start_server, tmp_path):
    folder = tmp_path / "data"
    (folder / "dump.rdb").mkdir(parents=True)  # reading a folder is an error for root as well
    assert "Is a directory" in refused(start_server(ready=False, dir=folder))


def test_a_file_without_a_checksum_is_loaded(start_on):
    assert start_on(rdb.file(rdb.key("a", "1"), checksum=False))("GET", "a") == b"1"


def test_the_checksum_is_not_looked_at_when_told_so(start_on):
    wrong = rdb.file(rdb.key("a", "1"))[:-8] + b"\1" * 8
    assert start_on(wrong, rdbchecksum="no")("GET", "a") == b"1"


@pytest.mark.parametrize("version", range(1, 13))
def test_every_version_is_read(start_on, version):
    far = 4102444800
    data = rdb.file(rdb.select(0), rdb.key("a", "1"), rdb.deadline_seconds(2000000000), rdb.key("b", "2"),
                    rdb.deadline(far * 1000), rdb.key("c", "3"), rdb.deadline(1000), rdb.key("dead", "4"), version=version)
    server = start_on(data)
    assert [server("GET", key) for key in "abc"] == [b"1", b"2", b"3"]
    assert server("PEXPIRETIME", "b") == 2000000000000
    assert server("PEXPIRETIME", "c") == far * 1000
    assert server("EXISTS", "dead") == 0


def test_without_a_file_the_server_starts_empty(start_server):
    server = start_server()
    assert server("DBSIZE") == 0
    assert server.info("persistence")["rdb_last_load_keys_loaded"] == "0"


def test_another_name_of_the_file(start_server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "other.rdb").write_bytes(rdb.file(rdb.key("a", "1")))
    (folder / "dump.rdb").write_bytes(b"rubbish")
    server = start_server(ready=False, dir=folder, dbfilename="other.rdb")
    server.wait_ready(loads=True)
    assert server("GET", "a") == b"1"


# ---- while it loads -----------------------------------------------------------------------------------------------------


class Feed:
    """A file that comes as slowly as the test wants: a named pipe."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        os.mkfifo(folder / "dump.rdb")
        self.file = None

    def open(self):
        self.file = open(self.folder / "dump.rdb", "wb", buffering=0)

    def write(self, data):
        self.file.write(data)

    def close(self):
        if self.file:
            self.file.close()
            self.file = None


@pytest.fixture
def loading(start_server, tmp_path):
    """A server in the middle of its file, and the feed of the rest."""
    feed = Feed(tmp_path / "data")
    server = start_server(ready=False, dir=feed.folder, save=["3600", "1", "1", "1"])
    feed.open()
    feed.write(b"REDIS0010" + rdb.aux("used-mem", 123456))
    feed.write(b"".join(rdb.key("key:%d" % i, "v") for i in range(1000)))
    for _ in range(1000):  # it listens before it reads
        try:
            info = server.info("persistence")
        except (ConnectionRefusedError, FileNotFoundError):
            info = {}
        if int(info.get("rdb_last_load_keys_loaded", 0)) >= 900:
            break
        time.sleep(0.01)
    else:
        raise AssertionError(server.log())
    yield server, feed
    feed.close()


def finish(feed):
    body = b"REDIS0010" + rdb.aux("used-mem", 123456)
    body += b"".join(rdb.key("key:%d" % i, "v") for i in range(1000)) + b"\xff"
    feed.write(b"\xff" + rdb.crc64(body).to_bytes(8, "little"))
    feed.close()


def test_while_it_loads_most_commands_are_refused(loading):
    server, feed = loading
    with server.connect() as ask:
        for command in (["GET", "key:1"], ["SET", "a", "1"], ["PING"], ["DBSIZE"], ["FLUSHALL"], ["KEYS", "*"], ["SAVE"],
                        ["BLPOP", "a", "0"]):
            reply = ask(*command)
            assert reply == "LOADING Redis is loading the dataset in memory" or reply.startswith("ERR unknown command"), (
                command, reply)
        replies = ask.pipeline([["GET", "key:%d" % i] for i in range(200)])
        assert all(reply.code == "LOADING" for reply in replies)
        assert ask("CONFIG", "SET", "hash-max-listpack-entries", "3") == "OK"
        assert ask("CONFIG", "GET", "hash-max-listpack-entries") == [b"hash-max-listpack-entries", b"3"]
        assert ask("SELECT", "1") == "OK"
        assert ask("SUBSCRIBE", "channel") == [b"subscribe", b"channel", 1]
        assert ask("UNSUBSCRIBE", "channel") == [b"unsubscribe", b"channel", 0]
    with server.connect() as ask:
        assert ask("MULTI") == "OK"
        assert ask("GET", "key:1").code == "LOADING"
        assert ask("EXEC").code == "EXECABORT"
        assert ask("INFO", "keyspace").startswith(b"# Keyspace\r\ndb0:keys=")
    finish(feed)
    server.wait_ready(loads=True)
    assert server("DBSIZE") == 1000
    assert server("GET", "key:999") == b"v"
    assert server.info("persistence")["loading"] == "0"


def test_what_is_loaded_from_where_is_not_changed_while_it_loads(loading):
    server, feed = loading
    refusal = "LOADING Redis is loading the dataset in memory"
    for pairs in (("dir", "/"), ("appendonly", "yes"), ("loglevel", "debug", "dir", "/"), ("no-such-setting", 1, "dir", "/")):
        assert server("CONFIG", "SET", *pairs) == refusal
    assert server.config("loglevel") == "notice"
    server.config("loglevel", "debug")
    finish(feed)
    server.wait_loaded()
    server.config("appendonly", "no")


def test_info_tells_how_far_it_is(loading):
    server, feed = loading
    info = server.info("persistence")
    assert info["loading"] == "1"
    assert info["async_loading"] == "0"
    assert abs(int(info["loading_start_time"]) - time.time()) < 60
    assert info["loading_total_bytes"] == "0"  # a pipe has no size
    assert int(info["loading_loaded_bytes"]) > 5000
    assert info["loading_loaded_perc"] == "0.00"
    assert int(info["loading_eta_seconds"]) >= 0
    assert info["loading_rdb_used_mem"] == "123456"
    finish(feed)
    server.wait_ready(loads=True)
    assert "loading_start_time" not in server.info("persistence")


def test_the_probe_is_not_ready_while_it_loads(loading, ordinal):
    server, feed = loading
    probe = [binary(), "ping", "-p", str(server.port)]
    assert subprocess.run(probe, capture_output=True).returncode == 0
    ready = subprocess.run([*probe, "--ready"], capture_output=True, text=True)
    assert ready.returncode == 1
    assert "LOADING" in ready.stdout
    finish(feed)
    server.wait_ready(loads=True)
    assert subprocess.run([*probe, "--ready"], capture_output=True).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_loads_ends_the_server_at_once(loading, number):
    server, _ = loading
    began = time.monotonic()
    server.signal(number)
    assert server.wait() == 0
    assert time.monotonic() - began < (5 if not is_sanitized() else 20)
    assert_untouched(server)


def assert_untouched(server):
    """Nothing was saved: the pipe is still there, and nothing else but the folder's claim."""
    folder = server.command[server.command.index("--dir") + 1]
    assert [name for name in os.listdir(folder) if not name.startswith("ordinal.claim")] == ["dump.rdb"]
    assert stat.S_ISFIFO(os.stat(os.path.join(folder, "dump.rdb")).st_mode)


def test_shutdown_while_it_loads(loading):
    server, _ = loading
    with server.connect() as ask:
        ask.send(b"SHUTDOWN\r\n")
        assert ask.until_closed() == b""
    assert server.wait() == 0
    assert_untouched(server)


def test_a_file_that_ends_too_soon_ends_the_server(loading):
    server, feed = loading
    with server.connect() as ask:
        feed.close()
        assert ask.until_closed() == b""
    assert "the file is cut short" in refused(server)


def test_keys_past_their_deadline_are_gone_after_the_load(start_server, tmp_path):
    feed = Feed(tmp_path / "data")
    server = start_server(ready=False, dir=feed.folder)
    feed.open()
    soon = int(time.time() * 1000) + 300
    body = b"REDIS0010" + b"".join(rdb.deadline(soon) + rdb.key("key:%d" % i, "v") for i in range(500))
    feed.write(body)
    time.sleep(0.5)  # the deadline passes: that is what is waited for
    feed.write(b"\xff" + rdb.crc64(body + b"\xff").to_bytes(8, "little"))
    feed.close()
    server.wait_ready(loads=True)
    assert server("GET", "key:1") is None
    for _ in range(300):
        if server("DBSIZE") == 0:
            return
        time.sleep(0.01)
    raise AssertionError("%d keys are left" % server("DBSIZE"))


def test_a_large_file_is_loaded_with_its_tables_made_before(start_on):
    body = rdb.sizes(200000) + b"".join(rdb.key("key:%d" % i, i) for i in range(200000))
    server = start_on(rdb.file(body, checksum=False))
    assert server("DBSIZE") == 200000
    assert server("GET", "key:199999") == b"199999"
    assert server.info("persistence")["rdb_last_load_keys_loaded"] == "200000"


def test_a_size_that_is_a_lie_takes_no_memory(start_on):
    server = start_on(rdb.file(rdb.sizes(1 << 60, 1 << 60), rdb.key("a", "1")))
    assert server("GET", "a") == b"1"
    assert server.resident() < (100 << 20 if not is_sanitized() else 1 << 30)


def test_a_length_that_is_a_lie_takes_no_memory(start_on):
    for huge in (1 << 30, 1 << 40, (1 << 64) - 1):
        data = rdb.file(b"\0" + rdb.string("a") + b"\x81" + huge.to_bytes(8, "big"))
        assert "the file is cut short" in refused(start_on(data, ready=False))
        data = rdb.file(b"\4" + rdb.string("a") + b"\x81" + huge.to_bytes(8, "big"))
        assert "while reading the value of key 'a'" in refused(start_on(data, ready=False))


def test_a_value_larger_than_the_window(start_on):
    fields = 50000
    value = rdb.length(fields) + b"".join(rdb.string("field:%d" % i) + rdb.string("x" * 40) for i in range(fields))
    server = start_on(rdb.file(rdb.key("big", value, 4), rdb.key("string", b"y" * 3000000, 0), rdb.key("last", "one"),
                               checksum=False))
    assert server("HLEN", "big") == fields
    assert server("HGET", "big", "field:49999") == b"x" * 40
    assert server("STRLEN", "string") == 3000000
    assert server("GET", "last") == b"one"


def test_connection_is_refused_nothing_while_loading(loading):
    """Many clients may come and go meanwhile."""
    server, feed = loading
    for _ in range(50):
        with Connection(server.address) as ask:
            assert ask("PING").code == "LOADING"
    finish(feed)
    server.wait_ready(loads=True)


def test_payloads_of_valkey_9_are_restored(server):
    """What DUMP of Valkey 9.1.2 replied: version 80, and a type of hashes with deadlines of fields that has another meaning in
    Redis's versions."""
    text = b'\x00\x05helloP\x00\xacX\x16\xe7\xfbfG\xfe'
    timed = (
        b'\x16\x02\x01f\x01v\x05\xd8\xc3,\xbb\x03'
        b'\x00\x00\x01g\x01w\xff\xff\xff\xff\xff\xff\xff\xffP\x00\x04\xce\xf1v3"6r'
    )
    assert server("RESTORE", "a", 0, text) == "OK"
    assert server("GET", "a") == b"hello"
    assert server("RESTORE", "h", 0, timed) == "OK"
    assert server("HPEXPIRETIME", "h", "FIELDS", 2, "f", "g") == [4102444800005, -1]
    body = timed[:-10] + b"\x0c\0"
    reply = server("RESTORE", "other", 0, body + rdb.crc64(body).to_bytes(8, "little"))
    assert reply == "ERR Bad data format"
