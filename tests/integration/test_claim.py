"""One data folder and several servers: one of them writes, the others are refused, and take over when it is gone."""

import glob
import os
import signal
import subprocess
import time

import pytest

from harness.resp import Error
from harness.server import Server

TIMEOUT = 2  # seconds: claim-timeout


@pytest.fixture
def servers(tmp_path):
    """Starts servers that share tmp_path."""
    started = []

    def start(ready=True, **settings):
        server = Server(tmp_path, {"claim-timeout": TIMEOUT, "appendonly": "yes", "logfile": str(tmp_path / ("log.%d" % len(started))),
                                   **{name.replace("_", "-"): value for name, value in settings.items()}}, ready=ready)
        server.log_path = str(tmp_path / ("log.%d" % len(started)))
        open(server.log_path, "a").close()
        started.append(server)
        return server

    yield start
    for server in started:
        if server.exit_status is None:
            server.thaw()
            server.stop()


def claim(server):
    info = server.info("persistence")
    return info["claim_state"], int(info["claim_epoch"])


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that in %d s" % seconds)


def kill(server):
    server.process.kill()
    server.process.wait()
    server.exit_status = -signal.SIGKILL


def files(tmp_path):
    return sorted(os.path.basename(path) for path in glob.glob(str(tmp_path / "ordinal.claim*")))


def refused(server):
    server.expected_status = 1
    assert server.wait() == 1
    return server.log()


def test_a_second_writer_does_not_start_and_says_who_is_in_its_way(tmp_path, servers):
    first = servers()
    assert claim(first) == ("held", 1)
    began = time.monotonic()
    log = refused(servers(ready=False))
    assert time.monotonic() - began < 10  # it has seen the heartbeat move, and does not wait for longer
    assert "Failed to start" in log and "is claimed by process %d on %s" % (first.pid, os.uname().nodename) in log
    assert "heartbeat" in log and "unchanged for" in log
    assert first("SET", "a", 1) == "OK"
    assert claim(first) == ("held", 1)
    assert files(tmp_path) == ["ordinal.claim.1", "ordinal.claim.lock"]


def test_the_heartbeat_goes_on(servers):
    server = servers()
    beat = int(server.info("persistence")["claim_heartbeat"])
    wait_for(lambda: int(server.info("persistence")["claim_heartbeat"]) >= beat + 3)


def test_a_clean_stop_leaves_the_folder_to_the_next_at_once(tmp_path, servers):
    first = servers()
    first("SET", "a", 1)
    first.stop()
    began = time.monotonic()
    second = servers()
    assert claim(second) == ("held", 2)
    assert time.monotonic() - began < TIMEOUT
    assert second("GET", "a") == b"1"
    assert files(tmp_path) == ["ordinal.claim.2", "ordinal.claim.lock"]


def test_a_killed_owner_on_this_host_is_known_to_be_dead_at_once(servers):
    first = servers(claim_timeout=60)
    first("SET", "a", 1)
    wait_for(lambda: first.info("persistence")["aof_buffer_length"] == "0")
    kill(first)
    began = time.monotonic()
    second = servers(claim_timeout=60)
    assert claim(second) == ("held", 2)
    assert time.monotonic() - began < 10
    assert second("GET", "a") == b"1"


def test_without_locks_a_dead_owner_is_waited_for(tmp_path, servers):
    """As on another host: what is known is that the heartbeat stands still."""
    first = servers()
    first("SET", "a", 1)
    wait_for(lambda: first.info("persistence")["aof_buffer_length"] == "0")
    kill(first)
    os.remove(tmp_path / "ordinal.claim.lock")
    (tmp_path / "ordinal.claim.lock").mkdir()  # cannot be locked
    began = time.monotonic()
    second = servers(ready=False)
    wait_for(lambda: "waiting for that to end, or to move" in second.log())
    second.wait_ready()
    assert TIMEOUT <= time.monotonic() - began < TIMEOUT + 10
    assert claim(second) == ("held", 2)
    assert second("GET", "a") == b"1"


def test_a_stopped_owner_loses_the_claim_and_writes_nothing_when_it_goes_on(tmp_path, servers):
    first = servers()
    assert first("SET", "a", "first") == "OK"
    wait_for(lambda: first.info("persistence")["aof_buffer_length"] == "0")
    first.freeze()
    second = servers()  # waits until the heartbeat has stood still for long enough
    assert claim(second) == ("held", 2)
    assert second("GET", "a") == b"first"
    assert second("SET", "a", "second") == "OK"
    folder = tmp_path / "appendonlydir"
    wait_for(lambda: any(b"second" in path.read_bytes() for path in folder.iterdir()))
    first.thaw()
    with first.connect() as client:
        wait_for(lambda: isinstance(client("SET", "a", "third"), Error))
        assert str(client("SET", "a", "third")).startswith("MISCONF")
        assert client("GET", "a") in (b"first", b"third")  # reads go on
    assert claim(first)[0] == "lost"
    info = first.info("persistence")
    assert info["claim_owner_pid"] == str(second.pid) and info["claim_epoch"] == "2"
    assert "The claim on the data folder is lost" in first.log()
    assert not any(b"third" in path.read_bytes() for path in folder.iterdir())
    assert claim(second) == ("held", 2)
    first.stop()
    assert claim(second) == ("held", 2)
    assert second("SET", "b", 1) == "OK"


def test_a_stopped_owner_that_goes_on_in_time_keeps_the_claim(servers):
    first = servers(claim_timeout=10)
    first.freeze()
    time.sleep(1.5)
    first.thaw()
    assert first("SET", "a", 1) == "OK"
    beat = int(first.info("persistence")["claim_heartbeat"])
    wait_for(lambda: int(first.info("persistence")["claim_heartbeat"]) > beat)
    assert claim(first) == ("held", 1)


def test_of_two_that_wait_one_takes_over(servers):
    """Both of them see the owner's heartbeat stand still."""
    first = servers()
    first.freeze()
    others = [servers(ready=False), servers(ready=False)]
    wait_for(lambda: any(not server.alive() for server in others), 30)
    dead = [server for server in others if not server.alive()]
    assert len(dead) == 1
    refused(dead[0])
    winner = next(server for server in others if server is not dead[0])
    winner.wait_ready()
    assert claim(winner)[0] == "held"
    first.thaw()
    wait_for(lambda: claim(first)[0] == "lost")
    assert claim(winner)[0] == "held"


def test_a_server_that_keeps_nothing_claims_nothing(tmp_path, servers):
    server = servers(appendonly="no")
    assert server.info("persistence")["claim_state"] == "none"
    assert files(tmp_path) == []


def test_a_server_that_saves_snapshots_starts_beside_an_owner_and_takes_over(tmp_path, servers):
    first = servers(appendonly="no", save="3600 1")
    assert claim(first) == ("held", 1)
    second = servers(appendonly="no", save="3600 1")
    assert claim(second) == ("watching", 1)
    assert second.info("persistence")["claim_owner_pid"] == str(first.pid)
    assert "Snapshots cannot be saved" in second.log()
    first.stop()
    wait_for(lambda: claim(second) == ("held", 2))


def test_a_claim_that_was_deleted_is_made_again(tmp_path, servers):
    server = servers()
    os.remove(tmp_path / "ordinal.claim.1")
    wait_for(lambda: claim(server) == ("held", 2))
    assert server("SET", "a", 1) == "OK"


def test_a_claim_that_says_nothing_is_waited_for(tmp_path, servers):
    """A process that died between creating its file and writing it."""
    (tmp_path / "ordinal.claim.7").write_bytes(b"ordinal-claim 1\nowner")
    began = time.monotonic()
    server = servers()
    assert claim(server) == ("held", 8)
    assert time.monotonic() - began >= TIMEOUT
    assert files(tmp_path) == ["ordinal.claim.8", "ordinal.claim.lock"]


def test_an_append_only_file_that_is_turned_on_later_is_claimed_then(tmp_path, servers):
    first = servers(appendonly="no")
    assert first("CONFIG", "SET", "appendonly", "yes") == "OK"
    wait_for(lambda: claim(first) == ("held", 1))
    second = servers(appendonly="no")
    reply = second("CONFIG", "SET", "appendonly", "yes")
    assert isinstance(reply, Error), reply
    assert "is claimed by process %d" % first.pid in second.log()
    assert claim(second)[0] == "watching"


# ---- a folder that cannot be written ---------------------------------------------------------------------------------


@pytest.fixture
def read_only(tmp_path):
    """A folder with a snapshot, and a wrapper under which a server sees it mounted read-only."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dump.rdb").write_bytes(b"REDIS0009\xfe\x00\x00\x01k\x01v\xff" + b"\0" * 8)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    wrapper = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder))
    if subprocess.run([*wrapper, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    return folder, wrapper


def test_an_append_only_file_needs_a_folder_that_can_be_written(start_server, read_only):
    folder, wrapper = read_only
    server = start_server(wrapper=wrapper, ready=False, dir=str(folder), appendonly="yes")
    server.expected_status = 1
    assert server.wait() == 1
    assert "Failed to start: %s cannot be claimed: Read-only file system" % folder in server.log()


@pytest.mark.parametrize("save", ["", "3600 1"])
def test_without_one_a_folder_that_cannot_be_written_is_served_from(start_server, read_only, save):
    """And nothing is said of a claim where nothing would be written."""
    folder, wrapper = read_only
    server = start_server(wrapper=wrapper, dir=str(folder), save=save)
    server.wait_loaded()
    assert server("GET", "k") == b"v"
    assert server("SET", "l", "w") == "OK"
    assert ("Snapshots cannot be saved: %s cannot be claimed" % folder in server.log()) == (save != "")
    assert server.info("persistence")["claim_state"] == ("watching" if save else "none")
    assert server("SAVE") == Error("ERR")
    assert server("GET", "l") == b"w"
    server.config("save", "")  # or it would not end without a file
