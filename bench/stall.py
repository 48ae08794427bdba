"""Stalls: the longest wait of a probe that asks a thousand times a second while millions of keys come and go.

Five things happen to a server, each with a probe of its own: a load that changes nothing (what the machine
and its neighbours add by themselves), the growth from nothing to `--stall-keys`, their expiry within two
seconds, a FLUSHALL of as many and a FLUSHALL ASYNC of a quarter. The load of the first two is 4 clients with
a pipeline of 32; during the other three there is none.

Where others share the server's core, what the probe waits for is them: the last row tells how long the server was
ready to run and did not. With more than a second or so there, measure again with `--priority`.
"""

import time

import loads
from servers import Server

VALUE = 16
SPREAD_MS = 2000
STEADY_KEYS = 100_000
STEADY_SECONDS = 3
ASYNC_SHARE = 4  # FLUSHALL ASYNC gets a quarter of the keys: what it does at once does not depend on how many
AFTER_SECONDS = 1.0  # the probe goes on for that long after each
EXPIRE_SECONDS = 60  # after the last deadline
PHASES = ["steady", "grow", "expire", "flush", "flush async"]
TARGET_PHASES = ["grow", "expire", "flush", "flush async"]


def probe_while(server, action):
    """The probe's report, with what `action` itself has to say."""
    before = server.waited_seconds()
    with loads.Probe(server.port) as probe:
        found = action()
        time.sleep(AFTER_SECONDS)
    return {**probe.report, **found, "waited_s": round(server.waited_seconds() - before, 2)}


def steady(server):
    loads.fill(server.port, STEADY_KEYS, VALUE)
    report = loads.run(server.port, mix="set", value=VALUE, keys=STEADY_KEYS, clients=4, pipeline=32,
                       seconds=STEADY_SECONDS)
    return {"operations_per_second": report["operations_per_second"]}


def grow(server, keys, first_deadline):
    report = loads.fill(server.port, keys, VALUE, mix="deadline", deadline=int(first_deadline * 1000),
                        deadline_spread=SPREAD_MS)
    return {"operations_per_second": report["operations_per_second"],
            "overlaps_expiry": time.time() > first_deadline}


def expire(server, first_deadline):
    """Polls DBSIZE until the last entry has gone, and says how long after the last deadline that was."""
    last = first_deadline + SPREAD_MS / 1000
    time.sleep(max(0.0, first_deadline - time.time()))
    while time.time() < last + EXPIRE_SECONDS:
        if server.ask("DBSIZE") == 0:
            return {"gone_after_s": round(max(0.0, time.time() - last), 2)}
        time.sleep(0.02)
    return {"gone_after_s": None}


def flush(server, keys, *words):
    loads.fill(server.port, keys, VALUE)

    def action():
        start = time.monotonic()
        server.ask("FLUSHALL", *words)
        return {"took_ms": round((time.monotonic() - start) * 1000, 1)}

    return probe_while(server, action)


def measure_one(kind, keys):
    with Server(kind) as server:
        found = {"steady": probe_while(server, lambda: steady(server))}
        server.ask("FLUSHALL")
        fill_seconds = keys / found["steady"]["operations_per_second"]
        first = time.time() + 1.3 * fill_seconds + 2
        found["grow"] = probe_while(server, lambda: grow(server, keys, first))
        found["expire"] = probe_while(server, lambda: expire(server, first))
        server.ask("FLUSHALL")
        found["flush"] = flush(server, keys)
        found["flush async"] = flush(server, keys // ASYNC_SHARE, "ASYNC")
        return found


def measure(context):
    keys = context.stall_keys
    return {"keys": keys, "servers": context.each_kind("stall", lambda kind: measure_one(kind, keys))}


def worst_ms(phases):
    return max(phases[phase]["p100_us"] for phase in TARGET_PHASES) / 1000


def tables(result):
    rows = [["while the keys", *result["servers"]]]
    for phase in PHASES:
        reports = [phases[phase] for phases in result["servers"].values()]
        rows.append([phase, *(f"{one['p100_us'] / 1000:.1f} ({one['p99_9_us'] / 1000:.1f})" for one in reports)])
    waited = [sum(phases[phase]["waited_s"] for phase in PHASES) for phases in result["servers"].values()]
    rows.append(["seconds that the server waited for its core", *(f"{seconds:.1f}" for seconds in waited)])
    return [(f"Longest stall in ms (p99.9), {result['keys']:,} keys, a probe at 1,000/s", rows)]
