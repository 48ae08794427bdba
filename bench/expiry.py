"""Expiry: a million entries whose deadlines pass, with nobody touching them, and once more under load.

Counted are the entries still held (DBSIZE) from the last deadline on, and the resident memory of the process
before the entries, with them, and in the ten seconds after. Under load, fifty clients read and write other
keys as fast as the server lets them, before, during and after.
"""

import time

import loads
from servers import Server

ENTRIES = 1_000_000
VALUE = 64
SPREAD_MS = 3000   # the deadlines lie over this time
WATCH_SECONDS = 10  # after the last of them
OTHER_KEYS = 10_000
OTHER_FIRST = 50_000_000
PASSES = {"idle": False, "under load": True}
NEAR_EMPTY = 1.15  # the target: resident memory back to within 15 % of the empty server's
FILL_SECONDS = {False: 4, True: 10}  # before the first deadline; doubled when a server is slower
SETTLE_SECONDS = 2  # an empty server has then done once what it does every second


class Watch:
    """Samples (seconds since the last deadline, entries held, resident bytes) of one server."""

    def __init__(self, server, last_deadline, base, empty):
        self.server, self.last_deadline, self.base, self.empty = server, last_deadline, base, empty
        self.samples = []

    def sample(self):
        held = max(0, self.server.ask("DBSIZE") - self.base)
        now = time.time() - self.last_deadline
        self.samples.append((round(now, 3), held, self.server.resident()))
        return self.samples[-1]

    def run(self):
        """Until both targets are met, or the time is up."""
        while True:
            now, held, resident = self.sample()
            if now > WATCH_SECONDS or (now > 0 and held == 0 and resident <= self.empty * NEAR_EMPTY):
                return
            time.sleep(0.01 if -0.2 < now < 3 else 0.05)

    def first(self, holds):
        """When, after the last deadline, `holds(held, resident)` was first true for good; None if never."""
        when = None
        for now, held, resident in self.samples:
            if not holds(held, resident):
                when = None
            elif when is None:
                when = max(0.0, now)
        return when


def fill_before_deadlines(server, under_load):
    """Fills the entries and returns the last deadline; once more, with later ones, when the first passed before
    the fill was done."""
    seconds = FILL_SECONDS[under_load]
    while True:
        first = time.time() + seconds
        loads.fill(server.port, ENTRIES, VALUE, mix="deadline", deadline=int(first * 1000),
                   deadline_spread=SPREAD_MS)
        if time.time() < first:
            return first + SPREAD_MS / 1000
        seconds *= 2


def measure_one(kind, under_load):
    with Server(kind) as server:
        base, background = 0, None
        if under_load:
            loads.fill(server.port, OTHER_KEYS, VALUE, OTHER_FIRST)
            base = OTHER_KEYS
            background = loads.start(server.port, mix="cache", keys=OTHER_KEYS, first_key=OTHER_FIRST,
                                     value=VALUE, ttl=loads.FAR_TTL, seconds=600)
        time.sleep(SETTLE_SECONDS)
        empty = server.resident()
        try:
            last = fill_before_deadlines(server, under_load)
            watch = Watch(server, last, base, empty)
            full = watch.sample()[2]
            watch.run()
        finally:
            if background:
                background.terminate()
                background.communicate()
    return report(watch, empty, full)


def report(watch, empty, full):
    at_last = [held for now, held, _ in watch.samples if now <= 0]
    back = watch.first(lambda _, resident: resident <= empty * NEAR_EMPTY)
    gone = watch.first(lambda held, _: held == 0)
    return {"empty": empty, "full": full, "after": watch.samples[-1][2], "held_at_last_deadline": at_last[-1],
            "gone_after_s": gone, "memory_back_after_s": back, "samples": thin(watch.samples)}


def thin(samples, seconds=0.1):
    """At most one sample for each tenth of a second: enough for a plot."""
    kept = []
    for sample in samples:
        if not kept or sample[0] - kept[-1][0] >= seconds:
            kept.append(sample)
    return kept


def measure(context):
    return context.each_kind("expiry", lambda kind: {name: measure_one(kind, under_load)
                                                     for name, under_load in PASSES.items()})


def seconds(value, limit=f"> {WATCH_SECONDS}"):
    return limit if value is None else f"{value:.2f}"


CELLS = [
    ("still held at the last deadline", lambda one: str(one["held_at_last_deadline"])),
    ("none left after, s", lambda one: seconds(one["gone_after_s"])),
    ("resident before, full, after, MB",
     lambda one: ", ".join(f"{one[when] / 1e6:.0f}" for when in ("empty", "full", "after"))),
    ("after / before", lambda one: f"{one['after'] / one['empty']:.2f}"),
    (f"within {NEAR_EMPTY} of before after, s", lambda one: seconds(one["memory_back_after_s"])),
]


def tables(result):
    found = []
    for name in PASSES:
        rows = [["", *result]]
        reports = [result[label][name] for label in result]
        for what, cell in CELLS:
            rows.append([what, *(cell(one) for one in reports)])
        found.append((f"Expiry of {ENTRIES:,} entries, {name}", rows))
    return found
