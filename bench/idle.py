"""Idle connections: the resident bytes that a server keeps for a client that has spoken once and is silent.

What the kernel keeps for a socket is no part of it: it is the same for every server.
"""

import loads
from machine import most_files
from servers import Server, ServerFailed

COUNTS = [10_000, 50_000]
SPARE_FILES = 200


def measure_count(kind, count):
    with Server(kind, ["--maxclients", str(count + SPARE_FILES // 2)]) as server:
        before = server.settled_data(3)
        with loads.Held(server.port, count) as held:
            if held.count < count:
                raise ServerFailed(f"{kind.label} took {held.count} of {count} connections")
            during = server.settled_data(20)
        after = server.settled_data(5)
    return {"before": before, "during": during, "after": after, "each": round((during - before) / count)}


def measure(context):
    counts = [count for count in COUNTS if count + SPARE_FILES <= most_files()]
    for count in set(COUNTS) - set(counts):
        context.say(f"idle: {count:,} connections are more files than the {most_files():,} allowed here")
    return context.each_kind("idle", lambda kind: {str(count): measure_count(kind, count)
                                                   for count in counts})


def tables(result):
    rows = [["connections", *result]]
    for count in COUNTS:
        reports = [counts.get(str(count)) for counts in result.values()]
        if any(reports):
            rows.append([f"{count:,}", *(str(report["each"]) if report else "" for report in reports)])
    return [("Idle connections: resident bytes each", rows)]
