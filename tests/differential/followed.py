"""The follower's run: random commands go to redis-server, which Ordinal follows as its replica. In the end both must hold the same,
to the last value and deadline, whatever the stream carried."""

import time

from . import keyspace
from .logged import LoggedRun, compare, contents
from .servers import Oracle, Ordinal

LEVEL_SECONDS = 120.0
LATEST = 2**63 - 2  # to Ordinal a deadline of one millisecond more is this one as well


class FollowedOracle(Oracle):
    """redis-server, with a follower."""

    def __init__(self):
        super().__init__("redis")
        self.settings["repl-diskless-sync-delay"] = "0"

    def flush_log(self) -> None:
        """Nothing: what is compared waits for the follower."""


class Follower(Ordinal):
    """Ordinal, as the replica of a server that is running."""

    def __init__(self, master: Oracle, loops: int = 1):
        super().__init__(loops)
        self.master = master
        self.settings["replicaof"] = f"127.0.0.1 {master.port}"

    def wait_level(self) -> None:
        """Returns once it has all that the master has written by now."""
        offset = int(fields(self.master)["master_repl_offset"])
        deadline = time.monotonic() + LEVEL_SECONDS
        while True:
            mine = fields(self)
            if mine["master_link_status"] == "up" and int(mine["slave_repl_offset"]) >= offset:
                return
            assert time.monotonic() < deadline and self.alive(), self.log_tail()
            time.sleep(0.01)


def fields(server) -> dict:
    connection = server.connect()
    text = connection.call("INFO", "replication").text().decode()
    connection.close()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def held(connection) -> dict:
    return {key: (kind, value, min(deadline, LATEST), None) for key, (kind, value, deadline, _) in contents(connection, False).items()}


class FollowedRun(LoggedRun):
    def followed(self, follower: Follower):
        """The first difference between the master and its follower, in words; or None."""
        follower.wait_level()
        a, b = self.subject.connect(60.0), follower.connect(60.0)
        for database in range(keyspace.DATABASES):
            for connection in (a, b):
                connection.call("SELECT", database)
            found = compare(database, held(a), held(b))
            if found is not None:
                mismatch = found[0]
                return f"{mismatch.what}\n  master: {mismatch.oracle}\n  follower: {mismatch.subject}"
        a.close()
        b.close()
        return None
