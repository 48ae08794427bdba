"""Clients that wait in BRPOP: the resident bytes that one costs, its connection included, and how soon a push wakes it.

Ten thousand wait, each on a list of its own, and then, on a fresh server, all on one list. Pushes come one after the
other, and each must wake the right client and no other (blocked.c).
"""

import time

import loads
from machine import most_files
from servers import Server, ServerFailed

COUNT = 10_000
SPARE_FILES = 200
PUSHES = 5_000
WAYS = {"a list each": "own", "one list": "one"}
WAIT_SECONDS = 20


def wait_until_blocked(server, count):
    until = time.monotonic() + WAIT_SECONDS
    while f"blocked_clients:{count}\r\n" not in server.ask("INFO", "clients"):
        if time.monotonic() > until:
            raise ServerFailed(f"{server.kind.label} does not have {count} blocked clients")
        time.sleep(0.05)


def measure_way(kind, lists, count):
    with Server(kind, ["--maxclients", str(count + SPARE_FILES // 2)]) as server:
        before = server.settled_data(3)
        with loads.Blocked(server.port, count, lists) as blocked:
            if blocked.count < count:
                raise ServerFailed(f"{kind.label} took {blocked.count} of {count} connections")
            wait_until_blocked(server, count)
            during = server.settled_data(20)
            wakes = blocked.wake(PUSHES)
            wait_until_blocked(server, count)
    return {"before": before, "during": during, "each": round((during - before) / count), **wakes}


def measure(context):
    count = min(COUNT, most_files() - SPARE_FILES)
    return {"count": count,
            "servers": context.each_kind("blocked", lambda kind: {way: measure_way(kind, lists, count)
                                                                  for way, lists in WAYS.items()})}


def tables(result):
    rows = [["", *result["servers"]]]
    for way in WAYS:
        found = [ways[way] for ways in result["servers"].values()]
        rows.append([f"{way}: bytes for a client", *(str(one["each"]) for one in found)])
        rows.append([f"{way}: wake, µs", *(" / ".join(f"{one[field]:.0f}" for field in (
            "p50_us", "p99_us", "p99_9_us", "p100_us")) for one in found)])
    return [(f"{result['count']:,} clients waiting in BRPOP: resident bytes each; from push to wake, p50 / p99 / "
             "p99.9 / longest", rows)]
