"""A disk that is full or read-only: writes are refused as Redis refuses them, reads go on, nothing acknowledged is lost, and
all is well again by itself as soon as the disk is."""

import os

import pytest

from folder import aof_leftovers, persistence, rewrite, save, save_ended, temporary_files, wait_until
from harness import server as harness
from harness.resp import Error, encode

AOF_FULL = "MISCONF Errors writing to the AOF file: No space left on device"
SAVE_FAILED = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify "
    "the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails "
    "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.")
KILOBYTE = b"v" * 1024
NEVER = ["3600", "1000000"]
FSYNC = ["everysec", "always"]


@pytest.fixture
def start(start_server, disk):
    """A function that starts a server on the disk. It is killed in the end: one that cannot save does not end by itself."""
    servers = []

    def start_on_disk(**settings):
        server = start_server(wrapper=disk.wrapper, dir=disk.folder, ready=False, **settings)
        servers.append(server)
        server.wait_loaded()
        return server

    yield start_on_disk
    for server in servers:
        server.kill()


def write_until_refused(server, client, expected):
    """Sets keys one after the other until writes are refused. Returns those that were acknowledged, and the one, if any, whose
    reply waits for the disk: under `always` that of the write which found it full."""
    acknowledged = []
    for number in range(20_000):
        key = b"key:%d" % number
        client.send(encode("SET", key, KILOBYTE))
        if client.is_quiet(2):
            wait_until(lambda: server("SET", "refused", "x") == expected, "others' writes are refused")
            return acknowledged, key
        reply = client.read()
        if isinstance(reply, Error):
            assert reply == expected
            return acknowledged, None
        acknowledged.append(key)
    raise AssertionError("20,000 writes were taken though the disk is full")


def accepts_writes(client):
    return client("SET", "again", "yes") == "OK"


def flush_to_disk(server, client):
    """By a write whose acknowledgement says that all before it is on disk."""
    server.config("appendfsync", "always")
    assert client("SET", "synced", "yes") == "OK"


def skip_where_redis_ends(fsync):
    if fsync == "always" and not harness.is_ordinal():
        pytest.skip("Redis ends when it cannot write and appendfsync is always")


@pytest.mark.parametrize("fsync", FSYNC)
def test_a_full_disk_refuses_writes_until_there_is_room(start, disk, fsync):
    skip_where_redis_ends(fsync)
    server = start(appendonly="yes", appendfsync=fsync)
    with server.connect() as client:
        assert client("SET", "before", "full") == "OK"
        disk.fill(left=64 * 1024)
        acknowledged, waiting = write_until_refused(server, client, AOF_FULL)
        info = persistence(server)
        assert info["aof_last_write_status"] == "err"
        assert server("GET", "before") == b"full"
        assert server("EXISTS", *acknowledged) == len(acknowledged)
        assert server("SET", "refused", "x") == AOF_FULL
        disk.make_room()
        if waiting:
            assert client.read() == "OK"
            acknowledged.append(waiting)
        wait_until(lambda: accepts_writes(client), "writes are taken again")
        wait_until(lambda: persistence(server)["aof_last_write_status"] == "ok", "INFO says so")
        flush_to_disk(server, client)
    server.kill()
    server.start_again()
    server.wait_loaded()
    with server.connect() as client:
        assert client("EXISTS", *acknowledged) == len(acknowledged), "acknowledged writes are lost"
        assert client("GET", "before") == b"full"
        assert client("GET", "again") == b"yes"
        assert client("EXISTS", "refused") == 0


@pytest.mark.parametrize("fsync", FSYNC)
def test_a_kill_while_the_disk_is_full_loses_nothing_on_disk(start, disk, fsync):
    """What was written before the disk filled up is there; of the writes behind that, the first so many."""
    skip_where_redis_ends(fsync)
    server = start(appendonly="yes", appendfsync="always")
    with server.connect() as client:
        assert client("SET", "before", "full") == "OK"
        server.config("appendfsync", fsync)
        disk.fill(left=64 * 1024)
        acknowledged, _ = write_until_refused(server, client, AOF_FULL)
    server.kill()
    disk.make_room()
    server.start_again()
    server.wait_loaded()
    with server.connect() as client:
        assert client("GET", "before") == b"full"
        there = [client("EXISTS", key) for key in acknowledged]
        assert there == sorted(there, reverse=True), "a write is lost and a later one is there"
        assert fsync != "always" or all(there), "an acknowledged write is lost"


def test_a_rewrite_without_room_fails_and_takes_nothing_along(start, disk):
    server = start(appendonly="yes", appendfsync="always", rdbcompression="no")
    with server.connect() as client:
        for number in range(1500):
            assert client("SET", b"key:%d" % number, KILOBYTE) == "OK"
        disk.fill(left=512 * 1024)
        assert rewrite(server)["aof_last_bgrewrite_status"] == "err"
        assert client("SET", "key:0", "written after it failed") == "OK"
        disk.make_room()
        assert rewrite(server)["aof_last_bgrewrite_status"] == "ok"
        assert aof_leftovers(disk.seen) == []
        assert client("SET", "key:1", "written after it succeeded") == "OK"
    server.kill()
    server.start_again()
    server.wait_loaded()
    with server.connect() as client:
        assert client("DBSIZE") == 1500
        assert client("MGET", "key:0", "key:1") == [b"written after it failed", b"written after it succeeded"]


def test_a_failed_rewrite_survives_a_kill(start, disk):
    server = start(appendonly="yes", appendfsync="always", rdbcompression="no")
    with server.connect() as client:
        for number in range(1500):
            assert client("SET", b"key:%d" % number, KILOBYTE) == "OK"
        disk.fill(left=512 * 1024)
        assert rewrite(server)["aof_last_bgrewrite_status"] == "err"
        assert client("SET", "key:0", "later") == "OK"
    server.kill()
    disk.make_room()
    server.start_again()
    server.wait_loaded()
    with server.connect() as client:
        assert client("DBSIZE") == 1500
        assert client("GET", "key:0") == b"later"


def fail_a_save(server, client, spoil):
    """One good snapshot, then one that fails; writes are refused from then on, and reads are not."""
    assert client("SET", "kept", "in the first snapshot") == "OK"
    assert save(server)["rdb_last_bgsave_status"] == "ok"
    assert client("SET", "big", b"v" * 1_000_000) == "OK"
    spoil()
    assert save(server)["rdb_last_bgsave_status"] == "err"
    assert client("SET", "refused", "x") == SAVE_FAILED
    assert client("GET", "kept") == b"in the first snapshot"
    assert client("PING") == SAVE_FAILED  # Redis lets probes know
    assert client("ECHO", "x") == b"x"


def check_first_snapshot(server):
    """A failed snapshot has left the one before as it was, and nothing else."""
    server.kill()
    server.start_again()
    server.wait_loaded()
    assert server("GET", "kept") == b"in the first snapshot"
    assert server("EXISTS", "big") == 0


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_snapshot_that_fails_refuses_writes_until_one_succeeds(start, disk, how):
    server = start(save=NEVER, rdbcompression="no")
    spoil = (lambda: disk.fill(left=256 * 1024)) if how == "full" else (lambda: disk.remount("ro"))
    repair = disk.make_room if how == "full" else (lambda: disk.remount("rw"))
    with server.connect() as client:
        fail_a_save(server, client, spoil)
        assert temporary_files(disk.seen) == []
        repair()
        assert save(server)["rdb_last_bgsave_status"] == "ok"
        assert accepts_writes(client)
    server.kill()
    server.start_again()
    server.wait_loaded()
    assert server("STRLEN", "big") == 1_000_000


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_failed_snapshot_leaves_the_one_before(start, disk, how):
    server = start(save=NEVER, rdbcompression="no")
    with server.connect() as client:
        fail_a_save(server, client, (lambda: disk.fill(left=256 * 1024)) if how == "full" else (lambda: disk.remount("ro")))
    disk.remount("rw")
    if os.path.exists(disk.ballast):
        disk.make_room()
    check_first_snapshot(server)


def test_save_points_try_again_by_themselves(start, disk):
    """Redis waits five seconds between two tries."""
    server = start(save=["1", "1"], rdbcompression="no")
    with server.connect() as client:
        assert client("SET", "big", b"v" * 1_000_000) == "OK"
        wait_until(lambda: persistence(server)["rdb_changes_since_last_save"] == "0", "a first snapshot")
        disk.fill(left=256 * 1024)
        assert client("SET", "small", "x") == "OK"
        wait_until(lambda: client("SET", "refused", "x") == SAVE_FAILED, "the save point's snapshot fails")
        disk.make_room()
        wait_until(lambda: accepts_writes(client), "a later one succeeds and writes are taken again")
        assert save_ended(server) is None or persistence(server)["rdb_last_bgsave_status"] == "ok"


def test_writes_go_on_after_a_failed_snapshot_when_the_setting_says_so(start, disk):
    server = start(save=NEVER, rdbcompression="no", stop_writes_on_bgsave_error="no")
    with server.connect() as client:
        assert client("SET", "big", b"v" * 1_000_000) == "OK"
        disk.fill(left=256 * 1024)
        assert save(server)["rdb_last_bgsave_status"] == "err"
        assert client("SET", "taken", "x") == "OK"


def test_save_says_that_it_failed(start, disk):
    server = start(save=NEVER, rdbcompression="no")
    with server.connect() as client:
        assert client("SET", "big", b"v" * 1_000_000) == "OK"
        disk.fill(left=256 * 1024)
        assert isinstance(client("SAVE"), Error)
        assert temporary_files(disk.seen) == []
        disk.make_room()
        assert client("SAVE") == "OK"
