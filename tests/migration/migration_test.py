"""Moving in and out: a data folder written by one server is served by another, with every type, encoding, size, database and
deadline, in both directions; snapshots and append-only files, after a stop and after kill -9. What docs/migration.md says is
tried here."""

import os
import shutil
import signal
import time

import pytest

from dataset import contents, differences, write, write_more
from harness import server as harness
from harness.resp import Error
from peers import OTHERS, UNDER_TEST

SNAPSHOT = {"save": ["3600", "1000000"]}
AOF = {"appendonly": "yes", "appendfsync": "always"}
AOF_OF_COMMANDS = dict(AOF, aof_use_rdb_preamble="no")
REWRITE_SECONDS = 30
KINDS = {"snapshot": SNAPSHOT, "aof": AOF, "aof-of-commands": AOF_OF_COMMANDS}


@pytest.fixture(params=OTHERS, ids=lambda program: program.name)
def other(request):
    """Another server; a test with it is skipped where it is not there."""
    why = request.param.missing()
    if why is None and not harness.is_ordinal() and request.param.name != "redis7":
        why = "its files are too new for the server under test"
    if why:
        pytest.skip(why)
    return request.param


@pytest.fixture
def running():
    """Servers to be ended at the end of the test, whatever happens."""
    servers = []
    yield servers
    for server in servers:
        server.kill()


def end(server, how):
    """A stop, which saves where there are save points, or a kill."""
    if how == "stopped":
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log()
    else:
        server.kill()


def move(first, second, data, settings, how, running):
    """Writes with the first, reads with the second; returns what each saw, and the second."""
    one = first.start(data, **settings)
    running.append(one)
    write(one)
    if "appendonly" in settings:
        assert one("BGREWRITEAOF") == "Background append only file rewriting started"
        wait_for_rewrite(one)
        write_more(one)
    elif how == "killed":
        assert one("SAVE") == "OK"
    before = contents(one)
    end(one, how)
    two = second.start(data, **settings)
    running.append(two)
    return before, contents(two), two


def wait_for_rewrite(server):
    until = time.monotonic() + REWRITE_SECONDS
    while any(server.info("persistence")[field] != "0" for field in ("aof_rewrite_in_progress", "aof_rewrite_scheduled")):
        assert time.monotonic() < until, server.log()
        time.sleep(0.01)
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def check_with_tools(program, data):
    """The other's own check programs have nothing to say against the files."""
    brand = "valkey" if program.name.startswith("valkey") else "redis"
    if os.path.exists(data / "dump.rdb"):
        assert "RDB looks OK" in program.tool(brand + "-check-rdb", data, "dump.rdb")
    for folder in data.glob("appendonlydir"):
        manifest = next(name for name in os.listdir(folder) if name.endswith(".manifest"))
        assert "valid" in program.tool(brand + "-check-aof", data, "appendonlydir/" + manifest)


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("kind", KINDS)
def test_moving_in(tmp_path, other, running, kind, how):
    before, after, server = move(other, UNDER_TEST, tmp_path / "data", KINDS[kind], how, running)
    assert differences(before, after) == ""
    # It goes on from there: what it adds is there after the next start, with all the rest.
    assert server("SET", "added", "later", "PXAT", 32503680000000) == "OK"
    end(server, "stopped")
    again = UNDER_TEST.start(tmp_path / "data", **KINDS[kind])
    running.append(again)
    before[0, b"added"] = ("string", b"later", 32503680000000)
    assert differences(before, contents(again)) == ""


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("kind", KINDS)
def test_moving_out(tmp_path, other, running, kind, how):
    data = tmp_path / "data"
    before, after, server = move(UNDER_TEST, other, data, KINDS[kind], how, running)
    assert differences(before, after) == ""
    end(server, "killed")
    check_with_tools(other, data)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_there_and_back(tmp_path, other, running, how):
    """Through both, twice, in one folder."""
    data = tmp_path / "data"
    first = other.start(data, **AOF)
    running.append(first)
    write(first)
    for program in (UNDER_TEST, other, UNDER_TEST):
        before = contents(first)
        end(first, how)
        first = program.start(data, **AOF)
        running.append(first)
        assert differences(before, contents(first)) == ""
        assert first("SET", program.name, "was here") == "OK"
        if program is UNDER_TEST:
            assert first("BGREWRITEAOF") == "Background append only file rewriting started"
            wait_for_rewrite(first)


def test_turning_the_append_only_file_on_in_a_running_server(tmp_path, other, running):
    """As Redis's manual advises: from a snapshot to an append-only file with CONFIG SET, with nothing lost on the way."""
    data = tmp_path / "data"
    before, _, server = move(other, UNDER_TEST, data, SNAPSHOT, "stopped", running)
    server.config("appendonly", "yes")
    wait_for_rewrite(server)
    assert server("SET", "in the log", "x") == "OK"
    before[0, b"in the log"] = ("string", b"x", -1)
    end(server, "stopped")
    os.unlink(data / "dump.rdb")
    again = other.start(data, **AOF)
    running.append(again)
    assert differences(before, contents(again)) == ""


def test_a_single_append_only_file_of_older_redis(tmp_path, running):
    """Before Redis 7 there was one file, which begins with a snapshot or does not; it becomes the base."""
    for number, preamble in enumerate((True, False)):
        source, data = tmp_path / ("source%d" % number), tmp_path / ("data%d" % number)
        settings = dict(AOF, aof_use_rdb_preamble="yes" if preamble else "no")
        one = OTHERS[0].start(source, **settings)
        running.append(one)
        write(one)
        assert one("BGREWRITEAOF") == "Background append only file rewriting started"
        wait_for_rewrite(one)
        write_more(one)
        before = contents(one)
        end(one, "killed")
        data.mkdir()
        folder = source / "appendonlydir"
        names = [line.split()[1] for line in (folder / "appendonly.aof.manifest").read_text().splitlines()]
        with open(data / "appendonly.aof", "wb") as single:
            for name in names:
                single.write((folder / name).read_bytes())
        two = UNDER_TEST.start(data, **settings)
        running.append(two)
        assert differences(before, contents(two)) == ""
        end(two, "stopped")
        assert sorted(os.listdir(data / "appendonlydir")), "the file is to move into a folder"
        three = OTHERS[0].start(data, **settings)
        running.append(three)
        assert differences(before, contents(three)) == ""


def test_fields_with_deadlines_move_in_and_out(tmp_path, other, running):
    """Between servers that have them."""
    data, program = tmp_path / "data", other
    one = program.start(data, **SNAPSHOT)
    running.append(one)
    if isinstance(one("HSET", "h", "f", "v"), Error) or isinstance(one("HPEXPIREAT", "h", 32503680000000, "FIELDS", 1, "f"), Error):
        pytest.skip("%s has no deadlines of fields" % program.name)
    assert one("HSET", "h", "stays", "x", "other", "y") == 2
    assert one("HPEXPIREAT", "h", 32503680001234, "FIELDS", 1, "other") == [1]
    end(one, "stopped")
    expected = [32503680000000, -1, 32503680001234]
    two = UNDER_TEST.start(data, **SNAPSHOT)
    running.append(two)
    assert two("HPEXPIRETIME", "h", "FIELDS", 3, "f", "stays", "other") == expected
    assert two("HMGET", "h", "f", "stays", "other") == [b"v", b"x", b"y"]
    if program.name.startswith("valkey"):
        return  # Valkey refuses the RDB version of Redis 7.4 and later, in which Ordinal keeps such hashes
    assert two("HPEXPIREAT", "h", 32503680009999, "FIELDS", 1, "stays") == [1]
    end(two, "stopped")
    three = program.start(data, **SNAPSHOT)
    running.append(three)
    assert three("HPEXPIRETIME", "h", "FIELDS", 3, "f", "stays", "other") == [32503680000000, 32503680009999, 32503680001234]


def test_what_cannot_be_carried_is_said(tmp_path, other, running):
    """A stream is left out with a word in the log, and the rest is there."""
    if not harness.is_ordinal():
        pytest.skip("this is about what Ordinal lacks")
    data = tmp_path / "data"
    one = other.start(data, **SNAPSHOT)
    running.append(one)
    assert one("SET", "before", "x") == "OK"
    assert isinstance(one("XADD", "events", "1-1", "f", "v"), bytes)
    assert one("XGROUP", "CREATE", "events", "g", "0") == "OK"
    assert one("XREADGROUP", "GROUP", "g", "c", "STREAMS", "events", ">") is not None
    assert one("RPUSH", "behind", "y") == 1
    end(one, "stopped")
    two = UNDER_TEST.start(data, **SNAPSHOT)
    running.append(two)
    assert two("MGET", "before") == [b"x"]
    assert two("LRANGE", "behind", 0, -1) == [b"y"]
    if two("EXISTS", "events") == 0:
        assert "stream" in two.log() and "events" in two.log()


def test_a_dump_for_older_servers(tmp_path, running):
    """Without younger types a snapshot is of RDB version 10, which Redis 7.0 reads; the folder moves as files, too."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    one = UNDER_TEST.start(data, **SNAPSHOT)
    running.append(one)
    write(one)
    before = contents(one)
    assert one("SAVE") == "OK"
    copy.mkdir()
    shutil.copy(data / "dump.rdb", copy / "dump.rdb")
    assert (copy / "dump.rdb").read_bytes()[:9] == b"REDIS0010"
    two = OTHERS[0].start(copy, **SNAPSHOT)
    running.append(two)
    assert differences(before, contents(two)) == ""
