"""Large collections: the longest wait of a probe that asks a thousand times a second while a set and a list of
`--stall-keys` elements grow, are used at both ends, and are deleted.

The probe goes on after a deletion until the server's memory has come to rest, since what is freed behind the client's
back may stall others as well. The load of the phases that have one is 4 clients with a pipeline of 32. "quiet" is what
the machine and its neighbours add by themselves.
"""

import time

import loads
from servers import Server, ServerFailed
from stall import probe_while

VALUE = 16
QUIET_SECONDS = 3
ENDS_SECONDS = 2
UNLINK_SHARE = 4  # UNLINK gets a quarter of the members: what it does at once does not depend on how many
FREE_SECONDS = 20
SET, LIST = "large:set", "large:list"
PHASES = ["quiet", "set grows", "DEL of the set", "UNLINK of a quarter of it", "list grows", "its ends", "DEL of the list"]
DELETED = "DEL of the set"


def quiet():
    time.sleep(QUIET_SECONDS)
    return {}


def grow(server, mix, count):
    return {"operations_per_second": loads.fill(server.port, count, VALUE, mix=mix)["operations_per_second"]}


def use_ends(server):
    report = loads.run(server.port, mix="ends", value=VALUE, clients=4, pipeline=32, seconds=ENDS_SECONDS)
    return {"operations_per_second": report["operations_per_second"]}


def delete(server, command, key):
    """How long the client waited, and how much memory came back."""
    before = server.resident_data()
    start = time.monotonic()
    if server.ask(command, key) != 1:
        raise ServerFailed(f"{server.kind.label} had no {key} to delete")
    took = time.monotonic() - start
    return {"took_ms": round(took * 1000, 2), "freed": before - server.settled_data(FREE_SECONDS)}


def measure_one(kind, count):
    with Server(kind) as server:
        phases = {"quiet": probe_while(server, quiet),
                  "set grows": probe_while(server, lambda: grow(server, "large-set", count)),
                  "DEL of the set": probe_while(server, lambda: delete(server, "DEL", SET))}
        grow(server, "large-set", count // UNLINK_SHARE)
        return {**phases,
                "UNLINK of a quarter of it": probe_while(server, lambda: delete(server, "UNLINK", SET)),
                "list grows": probe_while(server, lambda: grow(server, "large-list", count)),
                "its ends": probe_while(server, lambda: use_ends(server)),
                "DEL of the list": probe_while(server, lambda: delete(server, "DEL", LIST))}


def measure(context):
    count = context.stall_keys
    return {"count": count, "servers": context.each_kind("large", lambda kind: measure_one(kind, count))}


def tables(result):
    rows = [["", *result["servers"]]]
    for phase in PHASES:
        reports = [phases[phase] for phases in result["servers"].values()]
        rows.append([phase, *(f"{one['p100_us'] / 1000:.1f} ({one['p99_9_us'] / 1000:.1f})" for one in reports)])
    waited = [sum(phases[phase]["waited_s"] for phase in PHASES) for phases in result["servers"].values()]
    rows.append(["seconds that the server waited for its core", *(f"{seconds:.1f}" for seconds in waited)])
    return [(f"Longest stall in ms (p99.9) with a set, then a list, of {result['count']:,}, a probe at 1,000/s", rows)]
