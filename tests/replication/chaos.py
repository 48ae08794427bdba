"""One round: a group of nodes under load while faults happen, then calm, a last look at everything, and the judgement.

A plan, all that is drawn, follows from its seed; when things happen to meet does not, so a failure is tried again by its seed a few times.
It consists of acts, one after the other: a fault of a process, one of the network, or one of each at the same time.
"""

import concurrent.futures
import random
import shutil
import subprocess
import time
from pathlib import Path

import faults
import properties
from group import Group, Unsettled
from harness.server import die_with_parent
from history import DONE, LAST_LOOK, NIL, History, Record, read_file
from network import build
from subjects import PORT

LOAD = "build/tests/replication/load"
POPULATION = 500
# So many clients of each role (load/roles.c); a probe for each node comes to them.
ROLES = {"counter": 5, "register": 6, "reader": 4, "maker": 2, "taker": 4, "producer": 2, "consumer": 4, "deadline": 4, "signer": 1,
         "wild": 3}
PACE_US = 200
CALM_SECONDS = 0.6
END_SECONDS = 60


class Plan:
    """What a round of this seed does to so many nodes of a subject. `acts`, lists of faults, may be given instead of being drawn."""

    def __init__(self, subject, seed, count=None, acts=None):
        rng = random.Random("%s/%d" % (subject.name, seed))
        self.subject, self.seed = subject, seed
        drawn = rng.choice((3, 3, 5))
        self.count = count or drawn
        self.acts = acts if acts is not None else [self.act(rng) for _ in range(rng.randint(2, 4))]

    def act(self, rng):
        process = rng.choice(faults.PROCESS)(rng, self.count)
        network = rng.choice(faults.NETWORK)(rng, self.count)
        draw = rng.random()
        if process.alone or process.forgets(self.subject):
            return [process] if draw < 0.7 else [network]
        return [process] if draw < 0.35 else [network] if draw < 0.65 else [process, network]

    def steps_clocks(self):
        return any(isinstance(fault, faults.StepClock) for act in self.acts for fault in act)

    def __str__(self):
        lines = ["seed %d, %d nodes, %s" % (self.seed, self.count, self.subject)]
        return "\n".join(lines + ["  act %d: %s" % (number + 1, "; meanwhile ".join(map(str, act)))
                                  for number, act in enumerate(self.acts)])


class Load:
    """The clients: tests/replication/load, writing its history to a file."""

    def __init__(self, group, plan, roles, pace_us):
        self.path = group.directory / "history"
        roles = {**roles, "probe": plan.count}
        writers = plan.subject.writers(plan.count)
        command = [build(LOAD), str(plan.seed), str(pace_us), ",".join(map(str, writers)),
                   ",".join("%s=%d" % role for role in roles.items())]
        with open(self.path, "wb") as history:
            self.process = subprocess.Popen(
                command + ["%d:%d" % (host.pid, PORT) for host in group.network.hosts], stdin=subprocess.PIPE, stdout=history,
                preexec_fn=die_with_parent)

    def end(self):
        """Ends it, and returns what it has recorded."""
        self.process.stdin.close()
        assert self.process.wait(END_SECONDS) == 0, "the load has failed"
        return read_file(self.path)


class Round:
    """Runs a plan in a directory of its own. `violations` is {property: texts} afterwards; besides the properties of a history there are
    "converges", and "runs" (no server ends by itself, or badly)."""

    def __init__(self, plan, directory, roles=None, pace_us=PACE_US):
        self.plan, self.directory = plan, Path(directory)
        self.roles, self.pace_us = ROLES if roles is None else roles, pace_us
        self.history, self.violations = History([]), {}
        self.took = []  # when the load began, when each act was over, and the end

    def run(self):
        try:
            with Group(self.plan.subject, self.plan.count, self.directory, self.plan.seed) as group:
                self.play(group)
                for node in group.nodes:
                    node.stop()
        except Unsettled as failure:
            self.violations["converges"] = [str(failure)]
        except AssertionError as failure:
            self.violations["runs"] = [str(failure)]
        promised = self.plan.subject.promised(self.plan.steps_clocks())
        self.violations.update(properties.judge(self.history, promised & set(properties.PROPERTIES)))
        return self

    # ---- the acts -----------------------------------------------------------------------------------------------------

    def play(self, group):
        records, populated = populate(group)
        self.took.append(time.monotonic())
        load = Load(group, self.plan, self.roles, self.pace_us)
        try:
            time.sleep(CALM_SECONDS)
            for act in self.plan.acts:
                self.perform(group, act)
                self.took.append(time.monotonic())
                time.sleep(CALM_SECONDS)
        finally:
            group.network.heal()
            records += load.end()
            self.history = History(records, group.losses, POPULATION, populated, group.outages)
        group.converge()
        self.history.records += last_look(group, records)
        self.took.append(time.monotonic())

    def perform(self, group, act):
        """The faults of an act at the same time: those of the network on a thread, as a process must be started by this one."""
        if any(fault.alone or fault.forgets(group.subject) for fault in act):
            group.settle()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            beside = [pool.submit(fault.carry_out, group) for fault in act if fault.network]
            for fault in act:
                if not fault.network:
                    fault.carry_out(group)
            for one in beside:
                one.result()

    def summary(self):
        steps = [later - earlier for earlier, later in zip(self.took, self.took[1:])]
        return "%s; acts and end took %s s" % (properties.summary(self.history), ", ".join("%.1f" % step for step in steps))

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def report(self):
        lines = [str(self.plan), "left in %s" % self.directory, self.summary()]
        for name, texts in sorted(self.violations.items()):
            lines.append("%s: %d times" % (name, len(texts)))
            lines += ["  " + text for text in texts[:5]]
        lines += ["excused: %s" % (loss,) for loss in self.history.losses]
        return "\n".join(lines)


def populate(group):
    """Writes the keys that are there before the first fault, and waits until all nodes have them. Returns (records, when)."""
    began = time.monotonic_ns()
    with group.master.connect() as connection:
        replies = connection.pipeline([("SET", "p:%d" % number, number + 1) for number in range(POPULATION)])
    assert set(replies) == {"OK"}, replies
    group.converge()
    ended = time.monotonic_ns()
    return [Record(LAST_LOOK, "set", 0, "p:%d" % number, str(number + 1), began, ended, DONE, "OK")
            for number in range(POPULATION)], ended


def last_look(group, records):
    """Everything, read at every node, as records."""
    keys = sorted({record.key for record in records if record.key.startswith((*properties.NUMBERED, "t:"))})
    queues = sorted({record.key for record in records if record.kind == "push"})
    found = []
    for node in group.nodes:
        with node.connect() as connection:
            began = time.monotonic_ns()
            values = connection.pipeline([("GET", key) for key in keys])
            rests = connection.pipeline([("LRANGE", queue, 0, -1) for queue in queues])
        ended = time.monotonic_ns()
        found += [Record(LAST_LOOK, "get", node.number, key, "-", began, ended, NIL if value is None else DONE,
                         "-" if value is None else value.decode()) for key, value in zip(keys, values)]
        found += [Record(LAST_LOOK, "rest", node.number, queue, "-", began, ended, DONE if rest else NIL,
                         b",".join(rest).decode() or "-") for queue, rest in zip(queues, rests)]
    return found
