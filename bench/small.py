"""The memory of a small collection: resident bytes of all of it, the key of 20 bytes and its elements included.

A hash of five fields, a list of ten values, a set and a sorted set of ten members, as load's mixes make them: names
of 7 or 9 bytes, values of 16. Each kind gets a fresh server, so that none profits from what another left in the
allocator.
"""

import loads
from servers import Server, ServerFailed

COLLECTIONS = {"hash, 5 fields": "small-hash", "list, 10 values": "small-list", "set, 10 members": "small-set",
               "sorted set, 10 members": "small-zset"}
ENTRIES = 200_000
VALUE = 16


def measure_kind_of_value(kind, mix):
    with Server(kind) as server:
        empty = server.settled_data(3)
        loads.fill(server.port, ENTRIES, VALUE, mix=mix)
        full = server.settled_data()
        held = server.ask("DBSIZE")
        if held != ENTRIES:
            raise ServerFailed(f"{kind.label} holds {held} of {ENTRIES} entries of {mix}")
    return {"empty": empty, "full": full, "each": round((full - empty) / ENTRIES, 1)}


def measure(context):
    return context.each_kind("small", lambda kind: {name: measure_kind_of_value(kind, mix)
                                                    for name, mix in COLLECTIONS.items()})


def tables(result):
    rows = [["", *result]]
    for name in COLLECTIONS:
        rows.append([name, *(f"{found[name]['each']:.0f}" for found in result.values())])
    return [("Memory of a small collection: resident bytes of all of it, with a key of 20 bytes", rows)]
