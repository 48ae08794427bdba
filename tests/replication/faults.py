"""What goes wrong in a round. A fault is drawn from a seed, says in its own words what it does, and is carried out on a group of nodes; when
`carry_out` returns it is over, though its consequences may not be.

A fault that `forgets` (acknowledged writes of the master are gone from its folder) happens alone, when all nodes follow: what a set
promises then is that the others have them.
"""

import time

from history import Outage
from subjects import NOTHING

HOUR = 3600
READY_SECONDS = 45


def lasting(rng, least, most):
    """A time between these, short ones as likely as long ones."""
    return round(least * (most / least) ** rng.random(), 2)


class Fault:
    """`node` is the one that it happens to."""

    network = False  # whether it acts on the wire alone, and so can happen beside another one
    alone = False    # whether nothing else may happen meanwhile, whoever it happens to

    def __init__(self, rng, count):
        self.node = rng.randrange(count)
        self.draw(rng, count)

    @classmethod
    def of(cls, node, **drawn):
        """One that is told instead of drawn."""
        fault = cls.__new__(cls)
        vars(fault).update(drawn, node=node)
        return fault

    def draw(self, rng, count):
        """Draws what else there is to draw."""

    def forgets(self, subject):
        return False


class Kill(Fault):
    """kill -9, and a start some time later, with its folder or without."""

    def draw(self, rng, count):
        self.down, self.wiped = lasting(rng, 0.05, 3), rng.random() < 0.4

    @property
    def how(self):
        return "wiped" if self.wiped else "killed"

    def __str__(self):
        return "kill node %d, %s its disk, start after %.2f s" % (self.node, "without" if self.wiped else "with", self.down)

    def forgets(self, subject):
        return self.node == 0 and subject.loses(self.how, False) is not NOTHING

    def carry_out(self, group):
        node, began = group.nodes[self.node], time.monotonic_ns()
        node.crash()
        if self.wiped:
            node.wipe()
        time.sleep(self.down)
        node.start_again()
        if self.node == 0:
            group.wait("the master serves again", node.serves, READY_SECONDS)
            group.lose(self.how, self.forgets(group.subject), began)


class KillAll(Fault):
    """All at once; they are started in any order."""

    alone = True

    def draw(self, rng, count):
        self.down = lasting(rng, 0.05, 1)
        self.order = rng.sample(range(count), count)
        self.gaps = [lasting(rng, 0.01, 0.5) for _ in self.order]

    def __str__(self):
        return "kill all nodes, start after %.2f s in the order %s" % (self.down, self.order)

    def carry_out(self, group):
        began = time.monotonic_ns()
        for node in group.nodes:
            node.crash()
        time.sleep(self.down)
        for number, gap in zip(self.order, self.gaps):
            time.sleep(gap)
            group.nodes[number].start_again()
        group.wait("the master serves again", group.master.serves, READY_SECONDS)
        group.lose("killed", False, began)


class Pause(Fault):
    """SIGSTOP, and SIGCONT some time later."""

    def draw(self, rng, count):
        self.seconds = lasting(rng, 0.1, 10)

    def __str__(self):
        return "pause node %d for %.2f s" % (self.node, self.seconds)

    def carry_out(self, group):
        group.nodes[self.node].freeze()
        try:
            time.sleep(self.seconds)
        finally:
            group.nodes[self.node].thaw()


class StepClock(Fault):
    """The wall clock of one node jumps, and stays there for the rest of the round."""

    def draw(self, rng, count):
        self.step = rng.choice((HOUR, -HOUR))

    def __str__(self):
        return "step the clock of node %d by %+d s" % (self.node, self.step)

    def carry_out(self, group):
        group.nodes[self.node].clock.step(self.step)


def stop_and_start(group, numbers, start=True):
    """SIGTERM to each in turn, and (`start`) a new start, waiting until it follows."""
    for number in numbers:
        node, began = group.nodes[number], time.monotonic_ns()
        node.stop()
        if start:
            node.start_again()
            group.wait("node %d follows again" % number, lambda node=node: node.serves() and group.follows(node), READY_SECONDS)
        group.outages.append(Outage(number, began, time.monotonic_ns()))
        if number == 0:
            group.lose("stopped", True, began)


class RollingRestart(Fault):
    """As `kubectl rollout restart`: the highest number first, the next when it is back."""

    alone = True

    def draw(self, rng, count):
        self.count = count

    def __str__(self):
        return "rolling restart"

    def carry_out(self, group):
        stop_and_start(group, reversed(range(self.count)))


class Scale(Fault):
    """Fewer nodes and more again, always those of the highest numbers, as in a StatefulSet; all of them in the end. Who comes back has its disk or
    not."""

    alone = True

    def draw(self, rng, count):
        self.count, self.wiped = count, rng.random() < 0.5
        self.sizes = [rng.randint(1, count - 1), *(rng.randint(1, count) for _ in range(rng.randint(0, 2))), count]
        self.between = lasting(rng, 0.1, 2)

    def __str__(self):
        return "scale %s, %.2f s each, %s the disks" % (
            " → ".join(map(str, [self.count, *self.sizes])), self.between, "without" if self.wiped else "with")

    def carry_out(self, group):
        size = self.count
        for wanted in self.sizes:
            stop_and_start(group, reversed(range(wanted, size)), start=False)
            for number in range(size, wanted):
                if self.wiped:
                    group.nodes[number].wipe()
                group.nodes[number].start_again()
            size = wanted
            time.sleep(self.between)


class NetworkFault(Fault):
    """Something on some ways of the wire for some time."""

    network = True
    longest = 6

    def __init__(self, rng, count):
        super().__init__(rng, count)
        self.seconds = lasting(rng, 0.1, self.longest)

    def ways(self, group):
        return group.network.ways(self.node)

    def carry_out(self, group):
        for way in self.ways(group):
            self.begin(group.network, *way)
        time.sleep(self.seconds)
        for way in self.ways(group):
            self.end(group.network, *way)


class Cut(NetworkFault):
    """One node is cut off from some of the others, in one direction or in both; mostly the master is on one of the two sides."""

    def draw(self, rng, count):
        others = [number for number in range(count) if number != self.node]
        self.others = rng.sample(others, rng.randint(1, len(others)))
        if self.node != 0 and 0 not in self.others and rng.random() < 0.75:
            self.others[0] = 0
        self.direction = rng.choice(("from", "to", "from and to"))

    def __str__(self):
        return "cut node %d off: nothing %s %s for %.2f s" % (self.node, self.direction, self.others, self.seconds)

    def ways(self, group):
        towards = [(other, self.node) for other in self.others] if "from" in self.direction else []
        return towards + ([(self.node, other) for other in self.others] if "to" in self.direction else [])

    @staticmethod
    def begin(network, source, target):
        network.cut(source, target)

    @staticmethod
    def end(network, source, target):
        network.cut(source, target, False)


class Lossy(NetworkFault):
    """5 % of the packets from and to a node are lost."""

    PERCENT = 5

    def __str__(self):
        return "lose %d %% from and to node %d for %.2f s" % (self.PERCENT, self.node, self.seconds)

    def begin(self, network, source, target):
        network.loss(source, target, self.PERCENT)

    @staticmethod
    def end(network, source, target):
        network.loss(source, target, 0)


class Slow(NetworkFault):
    """50 ms more from and to a node, each way."""

    MILLISECONDS = 50

    def __str__(self):
        return "delay by %d ms from and to node %d for %.2f s" % (self.MILLISECONDS, self.node, self.seconds)

    def begin(self, network, source, target):
        network.delay(source, target, self.MILLISECONDS)

    @staticmethod
    def end(network, source, target):
        network.delay(source, target, 0)


PROCESS = [Kill, Kill, Kill, Pause, Pause, StepClock, KillAll, RollingRestart, Scale]
NETWORK = [Cut, Cut, Lossy, Slow]
