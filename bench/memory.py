"""The memory of an entry: resident bytes above key and value, by size of value.

Each size gets a fresh server, so that no size profits from what another left in the allocator, and enough
entries that a megabyte of buffers more or less is a byte or two of an entry. Keys have 20 bytes and a TTL.
"""

import loads
from servers import Server, ServerFailed

KEY = 20
SIZES = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384]
MEAN_UP_TO = 4096  # the target is a mean over the sizes up to this one
MOST_ENTRIES = 1_000_000
MOST_BYTES = 500_000_000


def entries_of(size):
    return min(MOST_ENTRIES, MOST_BYTES // (size + KEY))


def measure_size(kind, size):
    entries = entries_of(size)
    with Server(kind) as server:
        empty = server.settled_data(3)
        loads.fill(server.port, entries, size)
        full = server.settled_data()
        held = server.ask("DBSIZE")
        if held != entries:
            raise ServerFailed(f"{kind.label} holds {held} of {entries} entries of {size} bytes")
    return {"entries": entries, "empty": empty, "full": full,
            "overhead": round((full - empty) / entries - KEY - size, 1)}


def measure(context):
    return context.each_kind("memory", lambda kind: {str(size): measure_size(kind, size) for size in SIZES})


def mean_overhead(sizes):
    """Over the sizes that the target counts; each weighs the same."""
    return sum(sizes[str(size)]["overhead"] for size in SIZES if size <= MEAN_UP_TO) / \
        sum(1 for size in SIZES if size <= MEAN_UP_TO)


def tables(result):
    rows = [["value", *result]]
    for size in SIZES:
        rows.append([f"{size} B", *(f"{sizes[str(size)]['overhead']:.0f}" for sizes in result.values())])
    rows.append([f"mean up to {MEAN_UP_TO} B", *(f"{mean_overhead(sizes):.0f}" for sizes in result.values())])
    empty = [sizes[str(SIZES[0])]["empty"] / 1e6 for sizes in result.values()]
    rows.append(["empty server, MB", *(f"{megabytes:.1f}" for megabytes in empty)])
    return [("Memory of an entry: resident bytes above a key of 20 bytes and the value, with a TTL", rows)]
