"""The servers that are judged, how each is started as one of a set, and what it promises: which properties hold, and which writes a fault
may lose. A later state of the server is a row here.

  redis     Debian's redis-server, replicas by --replicaof: promises only that its replicas end equal. By it the tests show that they find
            what they look for
  ordinal   write-ack none: plain replicas by --replicaof, which promise what Redis's do, and a little more; another level: a roster
  ordinal-redis, redis-ordinal   a master of one kind with replicas of the other: a migration, both ways
"""

import math
import os
import tempfile
from pathlib import Path

from harness.redis import program
from network import name_of

PORT = 7000
EVERYSEC_SECONDS = 2.0
WRITE_ACKS = ("none", "master", "one", "quorum", "all")
EVERYTHING = math.inf
NOTHING = None

# What replicas promise, of either server; what Ordinal's master does besides; and what a roster does, by write-ack.
EQUAL = {"converges", "expired-is-gone"}
PLAIN = EQUAL | {"seen-at-master", "consumed-once", "one-master", "nothing-lost"}
ROSTER = PLAIN | {"no-empty-master", "kept-until-deadline", "served-through"}
PROMISES = {
    ("redis", "none"): EQUAL,
    ("ordinal-redis", "none"): PLAIN,
    ("redis-ordinal", "none"): EQUAL,
    ("ordinal", "none"): PLAIN,
    ("ordinal", "master"): ROSTER,
    ("ordinal", "one"): ROSTER,
    ("ordinal", "quorum"): ROSTER,
    ("ordinal", "all"): ROSTER | {"seen-everywhere"},
}
# What a node with a stepped clock does not promise after a restart, unless the others tell it the time.
BY_THE_CLOCK = {"expired-is-gone", "kept-until-deadline"}
# What the folder still has after a kill -9, by persistence: all but the writes of so many seconds.
FORGOTTEN = {"none": EVERYTHING, "everysec": EVERYSEC_SECONDS, "always": NOTHING}
PERSISTENCE = {
    "none": {"appendonly": "no"},
    "everysec": {"appendonly": "yes", "appendfsync": "everysec"},
    "always": {"appendonly": "yes", "appendfsync": "always"},
}
COMMON = {
    "port": PORT, "bind": "0.0.0.0", "protected-mode": "no", "save": "", "repl-diskless-sync-delay": 0, "repl-timeout": 8,
    "repl-ping-replica-period": 1,
}


class Subject:
    """`name` of the table above, at a write-ack level and with a kind of persistence."""

    def __init__(self, name, write_ack="none", persistence="none"):
        assert (name, write_ack) in PROMISES, "%s has no write-ack %s" % (name, write_ack)
        self.name, self.write_ack, self.persistence = name, write_ack, persistence
        self.promises = PROMISES[name, write_ack]

    def __str__(self):
        return "%s, write-ack %s, persistence %s" % (self.name, self.write_ack, self.persistence)

    @property
    def has_roster(self):
        return self.write_ack != "none"

    def is_redis(self, number):
        """Whether this node is a redis-server."""
        kinds = self.name.split("-")
        return kinds[min(number, len(kinds) - 1)] == "redis"

    def command(self, number):
        """The program of this node, None for the server under test; redis-server is redis-check-rdb by another name."""
        if not self.is_redis(number):
            return None
        link = Path(tempfile.gettempdir()) / ("ordinal-test-%d" % os.getuid()) / "redis-server"
        link.parent.mkdir(mode=0o700, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(program())
        return [str(link)]

    def settings(self, number, count):
        """Those of the node of this number in a set of so many."""
        settings = {**COMMON, **PERSISTENCE[self.persistence]}
        if not self.is_redis(number):
            settings["loops"] = 2
        if self.has_roster:
            settings["roster"] = ",".join("%s:%d" % (name_of(other), PORT) for other in range(count))
            settings["roster-self"] = number
            settings["write-ack"] = self.write_ack
        elif number > 0:
            settings["replicaof"] = [name_of(0), PORT]
        return settings

    def writers(self, count):
        """The nodes that are sent writes: all of them, where replicas carry writes to the master."""
        return range(count) if self.has_roster else [0]

    def promised(self, steps_clocks):
        """The names of the properties that hold; `steps_clocks`: in a round that does so."""
        return self.promises - BY_THE_CLOCK if steps_clocks and not self.has_roster else self.promises

    def loses(self, how, alone):
        """The last so many seconds of acknowledged writes that may be gone after the master, or all nodes at once, ended in one of
        these ways; NOTHING where none may. `how`: "stopped" (SIGTERM), "killed", "wiped" (killed, and its folder emptied); `alone`: every
        other node was up, connected and in sync."""
        mine = {"wiped": EVERYTHING, "killed": FORGOTTEN[self.persistence],
                "stopped": EVERYTHING if self.persistence == "none" else NOTHING}[how]
        if not self.has_roster or not alone or mine is NOTHING:
            return mine
        return NOTHING if self.write_ack != "master" or how == "stopped" else EVERYSEC_SECONDS
