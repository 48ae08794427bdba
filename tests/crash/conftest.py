"""Fixtures of the crash tests: a limit on the time of each, a small disk of its own, and a server with faults."""

import os
import subprocess

import pytest

from harness import server as harness
from harness.limit import time_limit

LIMIT_SECONDS = 240 if not harness.is_sanitized() else 900


@pytest.fixture(autouse=True)
def limited_time():
    """No test runs for ever."""
    with time_limit(LIMIT_SECONDS):
        yield


class Disk:
    """A tmpfs of some megabytes in a mount namespace of its own, which lives as long as a process that holds it. A server
    started with `wrapper` sees it as `folder`; this process does as `seen`."""

    def __init__(self, folder, megabytes):
        self.folder, self.megabytes = str(folder), megabytes
        script = 'mount -t tmpfs -o size="$1"m ordinal-test "$0" && echo ready && exec cat'
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.folder, str(megabytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            why = self.holder.communicate()[1].decode().strip()
            pytest.skip("no tmpfs can be mounted here: " + why)
        self.wrapper = ["nsenter", "--mount=/proc/%d/ns/mnt" % self.holder.pid, "--"]
        self.seen = "/proc/%d/root%s" % (self.holder.pid, self.folder)
        self.ballast = os.path.join(self.seen, "ballast")

    def fill(self, left):
        """Leaves room for so many bytes, a multiple of 4,096."""
        room = os.statvfs(self.seen)
        size = room.f_bavail * room.f_frsize - left
        with open(self.ballast, "ab") as ballast:
            os.posix_fallocate(ballast.fileno(), os.path.getsize(self.ballast), size)

    def make_room(self):
        os.unlink(self.ballast)

    def remount(self, how):
        """"ro" or "rw". Linux refuses the first while a file is open for writing: Ordinal's claim on the folder is, and its
        EROFS is tried with injected faults."""
        done = subprocess.run([*self.wrapper, "mount", "-o", "remount,%s,size=%dm" % (how, self.megabytes), self.folder],
                              capture_output=True, text=True, check=False)
        if "busy" in done.stderr:
            pytest.skip("the server has a file open for writing: " + done.stderr.strip())
        assert done.returncode == 0, done.stderr

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()


@pytest.fixture
def disk(tmp_path):
    """A disk of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    small = Disk(folder, 8)
    yield small
    small.close()


@pytest.fixture
def faults(monkeypatch):
    """Asked for by a test that injects faults: its servers are of the build that can (make faults)."""
    path = os.path.join(harness.ROOT, "build/faults/ordinal")
    if not harness.is_ordinal():
        pytest.skip("faults can only be injected into Ordinal, and the server under test is another")
    if not os.path.exists(path):
        pytest.skip("make faults builds the server that this needs")
    monkeypatch.setenv("ORDINAL", path)
    return path
