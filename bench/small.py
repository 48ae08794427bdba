"""The memory of a small collection: resident bytes of all of it, the key of 20 bytes and its elements included.

A hash of five fields, a list of ten values, a set and a sorted set of ten members, as load's mixes make them: names
of 7 or 9 bytes, and values of 8, 16 and 32, a third of the entries each, so that the figure does not hang on which
size fits a size class of the allocator. Each kind gets a fresh server, so that none profits from what another left.
"""

import loads
from servers import Server, ServerFailed

COLLECTIONS = {"hash, 5 fields": "small-hash", "list, 10 values": "small-list", "set, 10 members": "small-set",
               "sorted set, 10 members": "small-zset"}
ENTRIES_EACH = 70_000
VALUES = [8, 16, 32]


def measure_kind_of_value(kind, mix):
    with Server(kind) as server:
        empty = server.settled_data(3)
        for number, value in enumerate(VALUES):
            loads.fill(server.port, ENTRIES_EACH, value, first_key=number * ENTRIES_EACH, mix=mix)
        full = server.settled_data()
        entries = len(VALUES) * ENTRIES_EACH
        held = server.ask("DBSIZE")
        if held != entries:
            raise ServerFailed(f"{kind.label} holds {held} of {entries} entries of {mix}")
    return {"empty": empty, "full": full, "each": round((full - empty) / entries, 1)}


def measure(context):
    return context.each_kind("small", lambda kind: {name: measure_kind_of_value(kind, mix)
                                                    for name, mix in COLLECTIONS.items()})


def tables(result):
    rows = [["", *result]]
    for name in COLLECTIONS:
        rows.append([name, *(f"{found[name]['each']:.0f}" for found in result.values())])
    return [("Memory of a small collection: resident bytes of all of it, with a key of 20 bytes", rows)]
