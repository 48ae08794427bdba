"""The nodes of a round: server processes, each in a host of its own with its folder and its wall clock, and what the tests know of them from
outside. All are started as the pods of a StatefulSet are: node 0 is the master, and comes back as the master."""

import shutil
import time
from pathlib import Path

from harness import server as harness
from harness.clock import Clock
from harness.contents import contents
from harness.resp import Closed, Connection, Error
from history import Loss
from network import Network, build
from subjects import NOTHING, PORT

SHIM = "build/tests/integration/wall_clock_shim.so"
ASK_SECONDS = 5.0
SETTLE_SECONDS = 45.0
POLL_SECONDS = 0.02


class Unsettled(Exception):
    """The nodes did not come to what they must come to."""


class Node(harness.Server):
    """One server in its host. `settings` are its command line."""

    def __init__(self, host, directory, settings, program):
        self.host, self.number = host, host.number
        self.data = Path(directory) / "data"
        self.data.mkdir(parents=True)
        self.clock = Clock(Path(directory) / "clock", build(SHIM))
        super().__init__(directory, {**settings, "dir": str(self.data)}, environment=self.clock.environment(),
                         wrapper=host.wrapper, ready=False, program=program)

    def connect(self, **options):
        with self.host.inside():
            return Connection(("127.0.0.1", PORT), **options)

    def start_again(self):
        """As it was started before, on the same port: nobody else is in its host."""
        self.exit_status = None
        self._start(self.environment)

    def crash(self):
        """As kill -9; fails when it has ended before, by itself."""
        assert self.alive(), "node %d has ended by itself:\n%s" % (self.number, self.log()[-2000:])
        self.kill()

    def wipe(self):
        shutil.rmtree(self.data)
        self.data.mkdir()

    def about(self, section="replication"):
        """INFO as a dictionary; {} when it does not answer."""
        try:
            with self.connect(timeout=ASK_SECONDS) as connection:
                text = connection("INFO", section)
        except (OSError, Closed):
            return {}
        return {} if isinstance(text, Error) else dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)

    def serves(self):
        about = self.about("persistence")
        return about.get("loading") == "0" and self.alive()

    def in_sync(self):
        """Whether a node of a roster says so of itself: the master serves, a replica holds a lease."""
        return "state=in_sync," in self.about("roster").get("roster_member%d" % self.number, "")


class Group:
    """`count` nodes of a subject, under a directory of their own."""

    def __init__(self, subject, count, directory, seed=1):
        self.subject, self.directory = subject, Path(directory)
        self.network = Network(count, directory)
        self.network.seed(seed)
        self.nodes, self.losses, self.outages = [], [], []
        try:
            for host in self.network.hosts:
                self.nodes.append(Node(host, self.directory / ("node%d" % host.number), subject.settings(host.number, count),
                                       subject.command(host.number)))
            self.settle()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def master(self):
        return self.nodes[0]

    def lose(self, how, alone, began):
        """Notes what the subject does not promise after the master ended so; to be called when it serves again. `began` is a time in
        nanoseconds before its end."""
        seconds = self.subject.loses(how, alone)
        if seconds is not NOTHING:
            since = began - int(min(seconds, 1e6) * 1e9)
            self.losses.append(Loss(since, began, time.monotonic_ns(), "the master was %s" % how))

    def wait(self, what, true, seconds=SETTLE_SECONDS):
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                raise Unsettled("%s: not after %d s\n%s" % (what, seconds, self.describe()))
            dead = [node.number for node in self.nodes if not node.alive() and node.exit_status is None]
            if dead:
                raise Unsettled("%s: nodes %s ended by themselves\n%s\n%s" % (
                    what, dead, self.describe(), self.nodes[dead[0]].log()[-2000:]))
            time.sleep(POLL_SECONDS)

    def up(self):
        """The nodes whose process was not ended by a fault."""
        return [node for node in self.nodes if node.alive()]

    def is_settled(self):
        """Every node that runs serves, and follows the master."""
        return all(node.serves() and self.follows(node) and (node.in_sync() or not self.subject.has_roster) for node in self.up())

    @staticmethod
    def follows(node):
        about = node.about()
        return about.get("role") == "master" if node.number == 0 else (
            about.get("role") == "slave" and about.get("master_link_status") == "up" and about.get("master_sync_in_progress") == "0")

    def settle(self):
        self.wait("all nodes serve and follow", self.is_settled)

    def describe(self):
        wanted = ("role", "master_link_status", "master_repl_offset", "slave_repl_offset", "master_replid", "slave0", "slave1")
        lines = []
        for node in self.nodes:
            about = node.about() if node.alive() else {}
            lines.append("node %d: %s" % (node.number, " ".join("%s=%s" % (name, about[name]) for name in wanted if name in about)
                                          or "no answer"))
        return "\n".join(lines)

    # ---- equal in the end ---------------------------------------------------------------------------------------------

    def converge(self, seconds=SETTLE_SECONDS):
        """Returns when every node holds the same: offset, number of keys, digest. Nobody writes any more."""
        self.settle()
        try:
            self.wait("all nodes are equal", self.is_equal, seconds)
        except Unsettled as failure:
            states = ["node %d: %r" % (node.number, self.state(node)) for node in self.nodes]
            raise Unsettled("\n".join([str(failure), *states, *self.differences()])) from None

    def is_equal(self):
        states = {self.state(node) for node in self.nodes}
        return len(states) == 1 and None not in states

    @staticmethod
    def state(node):
        """What two equal nodes have in common, or None when it does not say."""
        offset = node.about().get("master_repl_offset" if node.number == 0 else "slave_repl_offset")
        try:
            with node.connect(timeout=ASK_SECONDS) as connection:
                size, digest = connection("DBSIZE"), connection("DEBUG", "DIGEST")
        except (OSError, Closed):
            return None
        return None if isinstance(size, Error) or isinstance(digest, Error) else (offset, size, digest)

    def differences(self):
        """Texts about keys in which replicas differ from the master: by digests too, since a replica that may not read would
        answer with what the master has."""
        found = []
        with self.master.connect() as connection:
            names = connection("KEYS", "*")
            mine = connection("DEBUG", "DIGEST-VALUE", *names)
        for node in self.nodes[1:]:
            with node.connect() as connection:
                theirs = connection("DEBUG", "DIGEST-VALUE", *names)
            found += ["  node %d has another %r" % (node.number, name) for name, a, b in zip(names, mine, theirs) if a != b][:5]
        with self.master.connect() as connection:
            wanted = contents(connection, databases=1)
        for node in self.nodes[1:]:
            with node.connect() as connection:
                held = contents(connection, databases=1)
            keys = [key for key in sorted(set(wanted) | set(held)) if wanted.get(key) != held.get(key)]
            found += ["node %d differs in %d keys" % (node.number, len(keys))] if keys else []
            found += ["  %s: master %r, node %d %r" % (key, wanted.get(key), node.number, held.get(key)) for key in keys[:5]]
        return found

    def close(self):
        for node in self.nodes:
            node.kill()
        self.network.close()
