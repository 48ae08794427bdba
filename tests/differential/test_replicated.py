"""redis-server 7.0.15 as a replica of a busy Ordinal: it must hold what Ordinal holds after a run of random commands (logged.py), during
which it came, and whose link was cut now and then. REPLICATED_COMMANDS is another number of commands."""

import os
import threading
import time

import pytest

from .logged import LoggedOrdinal, LoggedRun
from .servers import Oracle

COMMANDS = int(os.environ.get("REPLICATED_COMMANDS", "6000"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "ordinal")
PATIENCE = 60.0


def replication(server) -> dict:
    connection = server.connect()
    text = connection.call("INFO", "replication").text().decode()
    connection.close()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def wait_until_equal(subject, replica) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        wanted, found = replication(subject), replication(replica)
        if found["master_link_status"] == "up" and found["slave_repl_offset"] == wanted["master_repl_offset"]:
            return
        time.sleep(0.02)
    raise AssertionError(f"the replica does not catch up: {wanted} {found}\n{replica.log_tail()}\n{subject.log_tail()}")


class Cutter(threading.Thread):
    """Cuts the link to the replica again and again."""

    def __init__(self, subject):
        super().__init__(daemon=True)
        self.connection, self.over, self.cuts = subject.connect(), threading.Event(), 0

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.cuts += self.connection.call("CLIENT", "KILL", "TYPE", "replica").integer() or 0


@pytest.mark.parametrize(("loops", "threads"), [(1, 1), (3, 4)], ids=["1-loop", "3-loops"])
def test_a_redis_replica_holds_what_ordinal_holds(loops, threads):
    settings = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}
    with LoggedOrdinal(loops, **settings) as subject, Oracle("replica") as replica:
        run = LoggedRun(subject, SEED, threads)
        run.run(COMMANDS // 3)
        connection = replica.connect()
        cutter = Cutter(subject)
        cutter.start()
        timer = threading.Timer(0.3, lambda: connection.call("REPLICAOF", "127.0.0.1", subject.port))
        timer.start()
        run.run(COMMANDS - COMMANDS // 3)
        timer.join()
        cutter.over.set()
        cutter.join()
        wait_until_equal(subject, replica)
        difference = run.played(replica)
        assert difference is None, difference.report()
