"""The guarantees, as pure functions of a history: each returns the violations that it finds, as texts, and an empty list when the guarantee
was kept. None of them assumes more than that a client's clock is one clock: what was acknowledged before a read was sent must be
seen by it; what overlaps in time may have gone either way; what was not answered may or may not have been done, once.

Numbers under counters (INCR by everybody) and registers (SET by one client, which leaves a key alone after a write whose end it does not
know) only increase, so a read is judged by the greatest number acknowledged before it.
"""

import bisect
from collections import Counter

from history import DONE, GAVE_UP, LAST_LOOK, NEVER, NIL, REFUSED, SECOND, UNKNOWN, by_key

MS = SECOND // 1000
DEADLINE_SLACK = 2 * MS  # deadlines are whole milliseconds
WRITES = ("incr", "signed", "set")
NUMBERED = ("c:", "r:", "p:", "s:")  # keys under which numbers increase


class Floors:
    """The greatest number acknowledged under one key, at any time, less what is excused."""

    def __init__(self, acknowledged, losses):
        ordered = sorted((record.replied, number) for record, number in acknowledged)
        self.began = [loss.began for loss in losses]
        self.steps = [self._steps(ordered, losses[:count]) for count in range(len(losses) + 1)]

    @staticmethod
    def _steps(ordered, losses):
        times, greatest, number = [], [], 0
        for time, reached in ordered:
            if reached > number and not any(loss.since <= time <= loss.ended for loss in losses):
                number = reached
                times.append(time)
                greatest.append(number)
        return times, greatest

    def at(self, sent, replied):
        """(what a read between these times must see at least, since when)."""
        times, greatest = self.steps[bisect.bisect_right(self.began, replied)]
        place = bisect.bisect_left(times, sent) - 1
        return (greatest[place], times[place]) if place >= 0 else (0, NEVER)


def acknowledged_numbers(records):
    """[(record, number)] of the writes that were acknowledged."""
    return [(record, int(record.argument) if record.kind == "set" else record.number)
            for record in records if record.kind in WRITES and record.outcome == DONE]


def stale(history, judged=lambda record: True):
    """[(record, what it should have seen at least, how long that had been acknowledged before it was sent)] of reads that saw less than was
    acknowledged. An increment has read, too: the number before its own."""
    found = []
    for key, records in by_key(history.records).items():
        if not key.startswith(NUMBERED):
            continue
        floors = Floors(acknowledged_numbers(records), history.losses)
        for record in records:
            reads = record.kind == "get" and record.answered
            if not (reads or record.kind in ("incr", "signed") and record.outcome == DONE) or not judged(record):
                continue
            floor, since = floors.at(record.sent, record.replied)
            if record.number < floor + (not reads):
                found.append((record, floor, record.sent - since))
    return found


def stale_texts(found):
    return ["%s at node %d saw %s = %d, yet %d had been acknowledged %.3f ms before it was sent (client %d, at %d)" % (
        record.kind, record.node, record.key, record.number, floor, age / MS, record.client, record.sent)
            for record, floor, age in found]


def seen_everywhere(history):
    """G1: no read at any node, and no increment, sees less than was acknowledged before it was sent. A token that was taken is seen no more, one
    that nobody can have taken is."""
    return stale_texts(stale(history)) + tokens_seen(history)


def seen_at_master(history):
    """The same of node 0 alone: what plain replication promises its master's clients."""
    return stale_texts(stale(history, is_at_master)) + tokens_seen(history, is_at_master)


def is_at_master(record):
    return record.node == 0


def tokens_seen(history, judged=lambda record: True):
    found = []
    for key, records in by_key(record for record in history.records if record.key.startswith("t:")).items():
        made = min((record.replied for record in records if record.kind == "set" and record.outcome == DONE), default=None)
        takers = [record for record in records if record.kind == "getdel" and record.outcome != REFUSED]
        first_try = min((record.sent for record in takers), default=None)
        taken = min((record.replied for record in takers if record.outcome == DONE), default=None)
        for record in records:
            if record.kind != "get" or not record.answered or not judged(record):
                continue
            if record.outcome == DONE and taken is not None and taken < record.sent and not history.excused(taken, record.replied):
                found.append("token %s was taken, and is read again at node %d %.3f ms later" % (
                    key, record.node, (record.sent - taken) / MS))
            if (record.outcome == NIL and made is not None and made < record.sent and (first_try is None or record.replied < first_try)
                    and not history.excused(made, record.replied)):
                found.append("token %s was acknowledged, nobody had tried to take it, and node %d does not have it" % (
                    key, record.node))
    return found


def handed_out(history):
    """{what: [record, ...]} of all tokens and elements of queues that a client was given."""
    given = {}
    for record in history.of_kind("getdel", "pop"):
        if record.outcome == DONE:
            given.setdefault(record.key if record.kind == "getdel" else record.key + "=" + record.value, []).append(record)
    return given


def consumed_once(history):
    """G2: a token goes to one GETDEL at most, an element to one pop at most, and neither comes back."""
    found = []
    given = handed_out(history)
    for what, records in given.items():
        records.sort(key=lambda record: record.replied)
        for earlier, later in zip(records, records[1:]):
            if not history.excused(earlier.replied, later.replied):
                found.append("%s was handed out by node %d to client %d, and %.3f ms later by node %d to client %d" % (
                    what, earlier.node, earlier.client, (later.replied - earlier.replied) / MS, later.node, later.client))
    for rest in history.of_kind("rest"):
        for element in elements_of(rest):
            taken = given.get(rest.key + "=" + element)
            if taken and not history.excused(taken[0].replied, rest.replied):
                found.append("%s was handed out, and is in the queue again at node %d" % (element, rest.node))
    for read in history.of_kind("get"):
        if read.client == LAST_LOOK and read.outcome == DONE and read.key in given and not history.excused(
                given[read.key][0].replied, read.replied):
            found.append("%s was handed out, and is there in the end at node %d" % (read.key, read.node))
    return found


def elements_of(rest):
    return rest.value.split(",") if rest.outcome == DONE else []


def nothing_lost(history):
    """At the end no acknowledged write is missing, at any node: numbers, and elements of queues beyond those that clients may have been given
    without their knowing."""
    found = stale_texts(stale(history, lambda record: record.client == LAST_LOOK))
    pushed, pops = by_key(history.of_kind("push")), by_key(history.of_kind("pop"))
    for rest in history.of_kind("rest"):
        there = set(elements_of(rest)) | {pop.value for pop in pops.get(rest.key, ()) if pop.outcome == DONE}
        missing = [push.argument for push in pushed.get(rest.key, ()) if push.outcome == DONE and push.argument not in there
                   and not history.excused(push.replied, rest.replied)]
        unknown = sum(pop.outcome == UNKNOWN for pop in pops.get(rest.key, ()))
        if len(missing) > unknown:
            found.append("%d elements of %s were acknowledged and are at node %d no more, yet only %d pops have an unknown end: %s" % (
                len(missing), rest.key, rest.node, unknown, missing[:5]))
    return found


def no_empty_master(history):
    """G3: whoever says that it is the master, and serves, has what was there before the first fault."""
    found = []
    for record in history.of_kind("probe"):
        role, _, keys = record.value.partition(":")
        if record.outcome != DONE or role != "master" or record.sent < history.populated or int(keys) >= history.population:
            continue
        if not history.excused(history.populated, record.replied):
            found.append("node %d was a master with %s keys, of %d at least (at %d)" % (
                record.node, keys, history.population, record.sent))
    return found


def one_master(history):
    """G4: no number is reached twice, and no process writes between two writes of another one."""
    return twice_reached(history) + interleaved(history)


def twice_reached(history):
    found = []
    for key, records in by_key(history.of_kind("incr", "signed")).items():
        reached = {}
        for record in sorted((record for record in records if record.outcome == DONE), key=lambda record: record.replied):
            earlier = reached.get(record.number)
            if earlier is not None and not history.excused(earlier.replied, record.replied):
                found.append("%s became %d twice: at node %d for client %d, and %.3f ms later at node %d for client %d" % (
                    key, record.number, earlier.node, earlier.client, (record.replied - earlier.replied) / MS, record.node,
                    record.client))
            reached[record.number] = record
    return found


def interleaved(history):
    """A process that has written, after which another one wrote, writes no more."""
    found = []
    last_reply, replaced = {}, {}
    signed = [(record, record.value.partition(":")[2]) for record in history.of_kind("signed") if record.outcome == DONE]
    for record, writer in sorted(signed, key=lambda pair: pair[0].replied):
        if writer in replaced and record.sent > replaced[writer]:
            found.append("process %s wrote through node %d, after another had followed it (at %d)" % (
                writer[:8], record.node, record.sent))
        for other, replied in last_reply.items():
            if other != writer and replied < record.sent:
                replaced.setdefault(other, record.replied)
        last_reply[writer] = record.replied
    return found


def deadlines(history):
    """[(the SET, its milliseconds, [reads])] of values with a deadline."""
    reads = by_key(record for record in history.of_kind("get") if record.key.startswith("d:"))
    return [(made, int(made.argument) * MS, [read for read in reads.get(made.key, ()) if read.answered])
            for made in history.of_kind("setpx") if made.outcome == DONE]


def expired_is_gone(history):
    """G5: no read that was sent after a value's deadline returns it."""
    return ["%s is read at node %d %.3f ms after its deadline" % (made.key, read.node, (read.sent - made.replied - life) / MS)
            for made, life, reads in deadlines(history) for read in reads
            if read.outcome == DONE and read.sent > made.replied + life + DEADLINE_SLACK]


def kept_until_deadline(history):
    """A value that was acknowledged is read until its deadline."""
    return ["%s is gone at node %d %.3f ms before its deadline" % (made.key, read.node, (made.sent + life - read.replied) / MS)
            for made, life, reads in deadlines(history) for read in reads
            if read.outcome == NIL and made.replied < read.sent and read.replied < made.sent + life - DEADLINE_SLACK
            and not history.excused(made.replied, read.replied)]


def served_through(history):
    """While a node is restarted by SIGTERM no request fails that a client sends to another one. A client may run out of patience."""
    found = []
    for record in history.records:
        if record.answered or record.value == GAVE_UP:
            continue
        meanwhile = [outage for outage in history.outages if outage.began <= record.replied and record.sent <= outage.ended]
        if meanwhile and all(outage.node != record.node for outage in meanwhile):
            found.append("%s %s at node %d failed while node %d was restarted: %s" % (
                record.kind, record.key, record.node, meanwhile[0].node, record.value))
    return found


PROPERTIES = {
    "seen-everywhere": seen_everywhere,
    "seen-at-master": seen_at_master,
    "consumed-once": consumed_once,
    "nothing-lost": nothing_lost,
    "no-empty-master": no_empty_master,
    "one-master": one_master,
    "expired-is-gone": expired_is_gone,
    "kept-until-deadline": kept_until_deadline,
    "served-through": served_through,
}


def judge(history, names):
    """{name: its violations} of the properties of these names that were not kept."""
    found = {name: PROPERTIES[name](history) for name in names}
    return {name: texts for name, texts in found.items() if texts}


def summary(history):
    """How much was tried, in one line."""
    kinds = Counter(record.kind for record in history.records if record.answered)
    unknown = sum(record.outcome == UNKNOWN for record in history.records)
    return "%d operations (%s), %d with an unknown end" % (
        len(history.records), ", ".join("%d %s" % (count, kind) for kind, count in sorted(kinds.items())), unknown)
