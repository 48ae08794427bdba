"""The targets: what Ordinal has to reach on one loop, and whether a run shows that it does.

Each target takes its figure from the results of a run and says None where the run did not measure it, or not
with the peer that the target names.
"""

import cost
import large
import memory
import persist
import replication
import small
import stall

NEVER = float("inf")
SMALL_PAYLOAD = 84  # key and value together


def cost_ratio(name, base):
    def figure(results, label):
        row = results.get("cost", {}).get(name, {}).get(label)
        return row and row["to_floor" if base == "floor" else "to_valkey"]

    return figure


def small_overhead(results, label):
    sizes = results.get("memory", {}).get(label)
    return sizes and sizes[str(SMALL_PAYLOAD - memory.KEY)]["overhead"]


def valkey_of(found):
    """Valkey's of a measure's results by server; None where it was not measured."""
    return next((one for label, one in found.items() if label.startswith("Valkey")), None)


def mean_against_valkey(results, label):
    found = results.get("memory", {})
    valkey = valkey_of(found)
    if label not in found or not valkey:
        return None
    return memory.mean_overhead(found[label]) / memory.mean_overhead(valkey)


def small_against_valkey(name):
    def figure(results, label):
        found = results.get("small", {})
        valkey = valkey_of(found)
        return found[label][name]["each"] / valkey[name]["each"] if label in found and valkey else None

    return figure


def expiry_seconds(field, never):
    def figure(results, label):
        reports = results.get("expiry", {}).get(label)
        return reports and max(never if one[field] is None else one[field] for one in reports.values())

    return figure


def idle_bytes(results, label):
    counts = results.get("idle", {}).get(label)
    return max(one["each"] for one in counts.values()) if counts else None


def blocked_worst(field, unit):
    """The worse of the two ways of waiting."""
    def figure(results, label):
        ways = results.get("blocked", {}).get("servers", {}).get(label)
        return ways and max(one[field] for one in ways.values()) / unit

    return figure


def deletion_stall(results, label):
    phases = results.get("large", {}).get("servers", {}).get(label)
    return phases and phases[large.DELETED]["p100_us"] / 1000


def longest_stall(results, label):
    phases = results.get("stall", {}).get("servers", {}).get(label)
    return phases and stall.worst_ms(phases)


def snapshot_against_valkey(name):
    def figure(results, label):
        found = results.get("persist", {}).get("snapshots", {})
        valkey = valkey_of(found)
        return found[label][name]["seconds"] / valkey[name]["seconds"] if label in found and valkey else None

    return figure


def of_snapshot(figure_of):
    """What the measure of stalls during a snapshot says."""
    def figure(results, label):
        found = results.get("persist", {}).get("snapshots", {}).get(label)
        return found and figure_of(found["stalls"])

    return figure


def lost_to_log(results, label):
    """The worse of the sizes of values."""
    found = results.get("persist", {}).get("log", {}).get(label)
    return found and max(100 * (1 - one["speed"]) for one in found.values())


def of_writes(figure_of):
    """What the measure of one client's writes beside a replica says; figure_of is given Ordinal's, and Valkey's."""
    def figure(results, label):
        found = results.get("replication", {}).get("writes", {})
        valkey = valkey_of(found)
        return figure_of(found[label], valkey) if label in found and valkey else None

    return figure


def forwarding_adds(own, _):
    """In round trips of a PING, with nobody else there."""
    idle = own["idle"]
    return (idle["forwarded"]["p50_us"] - idle["acknowledged"]["p50_us"]) / idle["ping"]["p50_us"]


def sync_against_valkey(results, label):
    found = results.get("replication", {}).get("sync", {})
    valkey = valkey_of(found)
    return found[label] / valkey if label in found and valkey else None


def replicated_cost(results, label):
    found = results.get("replication", {}).get("cost", {}).get(label)
    return found and found["times"]


def replica_stall(results, label):
    found = [stalls[label] for stalls in results.get("replication", {}).get("stalls", {}).values() if label in stalls]
    return max(found) if found else None


# what, at most, in which unit, where from
TARGETS = [
    ("SET EX, no pipeline", 1.08, "× the floor", cost_ratio("SET EX", "floor")),
    ("GET, no pipeline", 1.08, "× the floor", cost_ratio("GET", "floor")),
    ("SET EX, pipeline 16, 512 B", 0.60, "× Valkey", cost_ratio("SET EX, pipeline 16", "valkey")),
    ("GET, pipeline 16, 512 B", 0.65, "× Valkey", cost_ratio("GET, pipeline 16", "valkey")),
    ("SRP mix, pipeline 16", 0.75, "× Valkey", cost_ratio("SRP, pipeline 16", "valkey")),
    ("SRP mix, no pipeline", 0.75, "× Valkey", cost_ratio("SRP", "valkey")),
    ("overhead of an entry, 84 B payload with TTL", 32, "B", small_overhead),
    ("mean overhead, values of 16 B to 4 KB", 0.50, "× Valkey", mean_against_valkey),
    ("a million entries gone after their deadline", 1.0, "s", expiry_seconds("gone_after_s", NEVER)),
    ("their memory back to within 15 % of empty", 10.0, "s", expiry_seconds("memory_back_after_s", NEVER)),
    ("an idle connection", 1024, "B", idle_bytes),
    ("longest stall while keys grow, expire, are flushed", 5.0, "ms", longest_stall),
    *((name, 0.80, "× Valkey", cost_ratio(name, "valkey")) for name in (
        "INCR, pipeline 16", "queue (LPUSH, RPOP), pipeline 16", *cost.MOST_ROUNDS)),
    *((f"memory of a {name}", 0.90, "× Valkey", small_against_valkey(name)) for name in small.COLLECTIONS),
    ("a client waiting in BRPOP", 2048, "B", blocked_worst("each", 1)),
    ("from push to wake, p99.9", 1.0, "ms", blocked_worst("p99_9_us", 1000)),
    ("longest stall while a set of ten million is deleted", 1.0, "ms", deletion_stall),
    ("time to write a snapshot", 0.67, "× Valkey", snapshot_against_valkey("save")),
    ("time to load a snapshot", 0.67, "× Valkey", snapshot_against_valkey("load")),
    ("longest stall during BGSAVE under writes", 2.0, "ms",
     of_snapshot(lambda stalls: stalls["writes and BGSAVE"]["p100_us"] / 1000)),
    ("memory above during BGSAVE under writes", 1.0, "× max(5 %, 64 MB)", of_snapshot(persist.of_allowance)),
    ("throughput lost to appendfsync everysec, pipeline 16", 10, "%", lost_to_log),
    ("first reads at a replica that are stale, under load", 0, "", of_writes(lambda own, _: own["under load"]["fresh"]["stale"])),
    ("acknowledged SET, p50", 1.0, "× Valkey's SET + WAIT 1", of_writes(
        lambda own, valkey: own["idle"]["acknowledged"]["p50_us"] / valkey["idle"]["acknowledged"]["p50_us"])),
    ("acknowledged SET under load, p99", 2.0, "× its p50", of_writes(
        lambda own, _: own["under load"]["acknowledged"]["p99_us"] / own["under load"]["acknowledged"]["p50_us"])),
    ("CPU of a write with a replica", 1.3, "× without", replicated_cost),
    ("full synchronisation of a million entries", 0.67, "× Valkey", sync_against_valkey),
    ("a SET at the replica adds", 1.0, "× a PING", of_writes(forwarding_adds)),
    ("longest wait of a SET when the replica goes", replication.READ_LEASE_MS + 100, "ms", replica_stall),
]


def check(results, label):
    """Rows of (target, at most, measured, verdict) for the server with this label."""
    rows = []
    for what, most, unit, figure in TARGETS:
        value = figure(results, label)
        if value is None:
            verdict, shown = "not measured", ""
        else:
            verdict = "met" if value <= most else "MISSED"
            shown = f"{value:.2f} {unit}" if value != NEVER else "never"
        rows.append([what, f"{most:g} {unit}", shown, verdict])
    return rows


def table(results, label):
    return (f"Targets, {label}", [["target", "at most", "measured", ""], *check(results, label)])
