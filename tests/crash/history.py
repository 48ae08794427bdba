"""What one client did and what it knows: its writes in order, when each was sent and acknowledged, and every state
that each of its keys went through. After a crash the keys are read, and the history says how many of the writes they
hold.

The server serves a connection in order, and a log or a snapshot is cut at one instant. So whatever the crash left is, for
each client, the state after some number of its writes, over all of its keys at once: a write that changes several keys
is there in all of them or in none. `prefixes` gives the numbers that fit what was read; where none does, `explain` tells
which keys disagree.

A state is a fingerprint (of the value) and a deadline. Collections are fingerprinted by a sum over their elements that is
kept up as they change, so that one of thousands of elements costs as much as one of three.
"""

import time

MASK = (1 << 64) - 1
CLOCK_SLACK_MS = 100  # between the client's reading of the clock and the server's


class Bag:
    """A hash, a set or a sorted set: a dictionary whose fingerprint is kept up with each change."""

    def __init__(self, kind, items=()):
        self.kind = kind
        self.items = {}
        self.sum = 0
        for member, value in dict(items).items():
            self.put(member, value)

    def put(self, member, value=None):
        self.drop(member)
        self.items[member] = value
        self.sum = (self.sum + hash((member, value))) & MASK

    def drop(self, member):
        if member in self.items:
            value = self.items.pop(member)
            self.sum = (self.sum - hash((member, value))) & MASK
            return value
        return None

    def fingerprint(self):
        return (self.kind, len(self.items), self.sum) if self.items else None


def fingerprint_of(value):
    """Of a string (bytes), a list or a Bag; None for what does not exist."""
    if isinstance(value, Bag):
        return value.fingerprint()
    if isinstance(value, list):
        return ("list", *value) if value else None
    return value


class State:
    """What a key holds after a write. `deadline` is in Unix milliseconds; of a deadline that the server worked out and
    has not told yet, `between` holds the bounds."""

    __slots__ = ("fingerprint", "deadline", "between", "fits")

    def __init__(self, fingerprint, deadline=None, between=None, fits=None):
        self.fingerprint = fingerprint
        self.deadline = deadline
        self.between = between
        self.fits = fits  # a function of the fingerprint, where the server made a choice that it did not tell

    def matches(self, found, began_ms, ended_ms):
        """Whether `found`, read between these times, is this state."""
        last = self.deadline if self.between is None else self.between[1]
        first = self.deadline if self.between is None else self.between[0]
        if last is not None and last < began_ms - CLOCK_SLACK_MS:
            return found.fingerprint is None
        if first is not None and first <= ended_ms + CLOCK_SLACK_MS and found.fingerprint is None:
            return True
        if self.fits is not None:
            return self.fits(found.fingerprint)
        if self.fingerprint != found.fingerprint:
            return False
        if self.between is not None and found.deadline is not None:
            return first <= found.deadline <= last
        return self.fingerprint is None or self.deadline == found.deadline


GONE = State(None)


class History:
    """The writes of one client. `name` is what reports call it."""

    def __init__(self, name):
        self.name = name
        self.commands = []
        self.sent_at = []
        self.acked_at = []  # as many as are acknowledged: they are in order
        self.versions = {}  # key: [(number of the write, State)]; -1 is what was there before

    def know(self, key, state=GONE):
        """Notes what a key holds before any write."""
        self.versions[key] = [(-1, state)]

    def begin(self, commands):
        """A write that is about to be sent; returns its number."""
        self.commands.append(commands)
        return len(self.commands) - 1

    def change(self, key, number, state):
        """What a key holds once that write has run."""
        if key not in self.versions:
            self.know(key)
        self.versions[key].append((number, state))

    def acked_before(self, moment):
        """How many writes had been acknowledged by then (time.monotonic())."""
        low, high = 0, len(self.acked_at)
        while low < high:
            middle = (low + high) // 2
            if self.acked_at[middle] <= moment:
                low = middle + 1
            else:
                high = middle
        return low

    def _fitting(self, key, found, began_ms, ended_ms):
        """The ranges of numbers of writes after which the key is as it was found."""
        versions = self.versions[key]
        for position, (number, state) in enumerate(versions):
            last = versions[position + 1][0] if position + 1 < len(versions) else len(self.commands)
            if last > number and state.matches(found, began_ms, ended_ms):
                yield number + 1, last

    def counts(self, observed, began_ms, ended_ms):
        """For each number of writes, how many keys are as they were after so many."""
        steps = [0] * (len(self.commands) + 2)
        for key in self.versions:
            for first, last in self._fitting(key, observed.get(key, GONE), began_ms, ended_ms):
                steps[first] += 1
                steps[last + 1] -= 1
        total, counts = 0, []
        for step in steps[:-1]:
            total += step
            counts.append(total)
        return counts

    def prefixes(self, observed, began_ms, ended_ms):
        """All numbers of writes after which every key is as it was found."""
        wanted = len(self.versions)
        return [number for number, count in enumerate(self.counts(observed, began_ms, ended_ms)) if count == wanted]

    def explain(self, observed, began_ms, ended_ms):
        """Why no number fits: the number that fits best, and what disagrees with it."""
        counts = self.counts(observed, began_ms, ended_ms)
        best = max(range(len(counts)), key=counts.__getitem__)
        lines = ["%s: no whole state fits; %d of %d keys are as after write %d of %d (%d acknowledged), but:" % (
            self.name, counts[best], len(self.versions), best, len(self.commands), len(self.acked_at))]
        for key in self.versions:
            found = observed.get(key, GONE)
            ranges = list(self._fitting(key, found, began_ms, ended_ms))
            if any(first <= best <= last for first, last in ranges):
                continue
            lines.append("  %s is %s, as after writes %s; its writes:" % (
                show_key(key), show(found), ", ".join("%d to %d" % one for one in ranges) or "of no number"))
            for number, state in self.versions[key][-200:]:
                if abs(number - best) < 400 or number == -1:
                    lines.append("    %6d %s -> %s" % (
                        number, show_commands(self.commands[number]) if number >= 0 else "(before)", show(state)))
            if len(lines) > 60:
                lines.append("  …")
                break
        return "\n".join(lines)


def show_key(key):
    return "db%d %s" % (key[0], key[1].decode())


def show(state):
    text = repr(state.fingerprint)
    return (text if len(text) <= 100 else text[:97] + "…") + (
        " until %d" % state.deadline if state.deadline is not None else
        " until %d to %d" % state.between if state.between is not None else "")


def show_commands(commands):
    text = "; ".join(" ".join(str(word.decode(errors="replace") if isinstance(word, bytes) else word)
                              for word in command) for command in commands)
    return text if len(text) <= 160 else text[:157] + "…"


def now_ms():
    return int(time.time() * 1000)
