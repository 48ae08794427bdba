"""The cost of an operation: server processor time, throughput and latency for each load.

All servers run at once and take turns, a second each, in an order that rotates from round to round; so what the
machine does meanwhile (a neighbour, its clock frequency) falls on all of them alike. Within a round each server's
cost is divided by the floor's and by Valkey's of the same round, and the medians of these ratios are what counts.
"""

from contextlib import ExitStack
from statistics import median

import loads
from servers import Floor, Server

KEYS = 100_000
RANGE = 1_000_000  # each load has keys of its own, so that none finds another's

# name: mix, requests in a pipeline, bytes of a value, whether the keys must be there before
LOADS = {
    "SET EX": ("set", 1, 512, True),
    "GET": ("get", 1, 512, True),
    "SET EX, pipeline 16": ("set", 16, 512, True),
    "GET, pipeline 16": ("get", 16, 512, True),
    "SRP": ("srp", 1, 3885, False),
    "SRP, pipeline 16": ("srp", 16, 3885, False),
    "INCR, pipeline 16": ("incr", 16, 512, False),
    "session (HSET, EXPIRE, HGET), pipeline 16": ("session", 16, 512, False),
    "queue (LPUSH, RPOP), pipeline 16": ("queue", 16, 512, False),
    "lock (SET NX EX, DEL), pipeline 16": ("lock", 16, 36, False),
}
QUICK = ["SET EX", "GET", "SET EX, pipeline 16", "GET, pipeline 16", "SRP, pipeline 16"]


def options_of(name, seconds):
    mix, pipeline, value, _ = LOADS[name]
    return {"mix": mix, "pipeline": pipeline, "value": value, "clients": 50, "keys": KEYS,
            "first_key": list(LOADS).index(name) * RANGE, "seconds": seconds, "warmup": seconds / 4}


def measure_floor(name, seconds):
    options = options_of(name, seconds)
    with Floor(loads.floor_steps(**options)) as floor:
        return loads.run(floor.port, pid=floor.pid, no_check_values=True, **options)


def measure_round(context, names, number):
    """One round: {load: {server: report}}."""
    found = {}
    with ExitStack() as running:
        servers = {kind.label: running.enter_context(Server(kind)) for kind in context.kinds}
        for name in names:
            options = options_of(name, context.seconds)
            found[name] = {}
            for label in context.rotated([*servers, "floor"], number):
                context.say(f"cost: round {number + 1}, {name}, {label}")
                if label == "floor":
                    found[name][label] = measure_floor(name, context.seconds)
                    continue
                server = servers[label]
                if LOADS[name][3]:
                    loads.fill(server.port, KEYS, options["value"], options["first_key"])
                found[name][label] = loads.run(server.port, pid=server.pid, **options)
    return found


def median_of(rounds, name, label, field):
    return median(round_[name][label][field] for round_ in rounds)


def ratio_of(rounds, name, label, base):
    """The median, over the rounds, of one server's cost divided by another's."""
    if base not in rounds[0][name]:
        return None
    return round(median(round_[name][label]["server_cpu_us"] / round_[name][base]["server_cpu_us"]
                        for round_ in rounds), 3)


def measure(context):
    names = QUICK if context.quick else list(LOADS)
    rounds = [measure_round(context, names, number) for number in range(context.rounds)]
    valkey = context.label_of("valkey")
    result = {}
    for name in names:
        result[name] = {}
        for label in ["floor", *(kind.label for kind in context.kinds)]:
            row = {field: median_of(rounds, name, label, field)
                   for field in ("server_cpu_us", "operations_per_second", "server_busy",
                                 "p50_us", "p99_us", "p99_9_us", "p100_us")}
            row["to_floor"] = ratio_of(rounds, name, label, "floor")
            row["to_valkey"] = ratio_of(rounds, name, label, valkey) if valkey else None
            result[name][label] = row
    return result


def tables(result):
    labels = list(next(iter(result.values())))
    cost = [["load", *labels]]
    speed = [["load", *labels]]
    waits = [["load", *labels]]
    for name, row in result.items():
        cost.append([name, *(with_ratio(row[label], label) for label in labels)])
        speed.append([name, *(f"{row[label]['operations_per_second'] / 1000:.0f}" for label in labels)])
        waits.append([name, *(f"{row[label]['p50_us']:.0f} / {row[label]['p99_us']:.0f} / {row[label]['p99_9_us']:.0f}"
                              for label in labels)])
    return [("Cost of an operation: server CPU in µs (times the floor; times Valkey)", cost),
            ("Throughput of one core: thousand operations per second", speed),
            ("Latency at that throughput: p50 / p99 / p99.9 in µs", waits)]


def with_ratio(row, label):
    text = f"{row['server_cpu_us']:.2f}"
    if label == "floor":
        return text
    valkey = "" if row["to_valkey"] is None else f"; {row['to_valkey']:.2f}"
    return f"{text} ({row['to_floor']:.2f}{valkey})"
