"""redis-server 7.0.15 of the system, by which files of ours are judged: it loads them, and redis-check-rdb passes them.

Debian's redis-tools has it as redis-check-rdb: one program, which goes by the name that it is called by.
"""

import os
import shutil
import subprocess

from .server import Server, die_with_parent, free_port, server_environment


def program():
    path = shutil.which("redis-check-rdb")
    assert path, "redis-check-rdb is missing: make deps-test"
    return path


def check_rdb(path):
    """What redis-check-rdb says of a file; fails unless it is content."""
    done = subprocess.run([program(), str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "RDB looks OK" in done.stdout, done.stdout + done.stderr
    return done.stdout


class RedisServer(Server):
    """A redis-server on the folder `directory`, loading what is there."""

    def __init__(self, directory, **settings):
        self.settings = settings
        super().__init__(directory, {name.replace("_", "-"): value for name, value in settings.items()})

    def _start(self, environment):
        command = ["redis-server", *self.command[self.command.index("--port") :]]
        self.log_path = os.path.join(self.directory, "redis.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command,
                executable=program(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=server_environment(environment),
                preexec_fn=die_with_parent,
            )


def digest_of(directory, **settings):
    """DEBUG DIGEST of a redis-server that has loaded the folder's file, and its keys."""
    assert free_port()
    server = RedisServer(directory, **settings)
    try:
        with server.connect() as client:
            while client("PING") != "PONG":  # while it loads, it says so
                pass
            keys = sum(int(line.split(b"keys=")[1].split(b",")[0]) for line in client("INFO", "keyspace").split(b"\r\n") if b"keys=" in line)
            return client("DEBUG", "DIGEST"), keys
    finally:
        server.stop()
