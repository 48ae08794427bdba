"""The cost of an operation: server processor time, throughput and latency for each load.

All servers run at once and take turns, a second each, in an order that rotates from round to round; so what
the machine does meanwhile (a neighbour, its clock frequency) falls on all of them alike. Within a round each
server's cost is divided by the floor's and by Valkey's of the same round, and the medians of these ratios are
what counts.
"""

from contextlib import ExitStack
from statistics import median

import loads
from servers import Floor, Server

KEYS = 100_000
RANGE = 1_000_000  # each load has keys of its own, so that none finds another's

# name: mix, requests in a pipeline, bytes of a value, the mix that makes the keys before, if they must be there
LOADS = {
    "SET EX": ("set", 1, 512, "set"),
    "GET": ("get", 1, 512, "set"),
    "SET EX, pipeline 16": ("set", 16, 512, "set"),
    "GET, pipeline 16": ("get", 16, 512, "set"),
    "SRP": ("srp", 1, 3885, None),
    "SRP, pipeline 16": ("srp", 16, 3885, None),
    "INCR, pipeline 16": ("incr", 16, 512, None),
    "session (HSET, EXPIRE, HGET), pipeline 16": ("session", 16, 512, None),
    "queue (LPUSH, RPOP), pipeline 16": ("queue", 16, 512, None),
    "lock (SET NX EX, DEL), pipeline 16": ("lock", 16, 36, None),
    "HSET, hash of 5, pipeline 16": ("hset", 16, 16, "small-hash"),
    "HGET, hash of 5, pipeline 16": ("hget", 16, 16, "small-hash"),
    "HGETALL, hash of 5, pipeline 16": ("hgetall", 16, 16, "small-hash"),
    "SADD, SISMEMBER, SREM, set of 10, pipeline 16": ("members", 16, 16, "small-set"),
    "ZADD, ZRANGE, sorted set of 10, pipeline 16": ("ranks", 16, 16, "small-zset"),
    "PUBLISH to 1, pipeline 16": ("publish", 16, 16, None),
    "PUBLISH to 100, pipeline 16": ("publish", 16, 16, None),
}
LISTENERS = {"PUBLISH to 1, pipeline 16": 1, "PUBLISH to 100, pipeline 16": 100}
MOST_ROUNDS = {name: 3 for name in list(LOADS)[10:]}  # the newer rows vary less, and a run is to end in time
FIELDS = ["server_cpu_us", "operations_per_second", "server_busy", "p50_us", "p99_us", "p99_9_us", "p100_us"]
QUICK = ["SET EX", "GET", "SET EX, pipeline 16", "GET, pipeline 16", "SRP, pipeline 16",
         "queue (LPUSH, RPOP), pipeline 16", *MOST_ROUNDS]


def options_of(name, seconds):
    mix, pipeline, value, _ = LOADS[name]
    return {"mix": mix, "pipeline": pipeline, "value": value, "clients": 50, "keys": KEYS,
            "first_key": list(LOADS).index(name) * RANGE, "seconds": seconds, "warmup": seconds / 4,
            "receivers": LISTENERS.get(name)}


def measure_floor(name, seconds):
    options = options_of(name, seconds)
    with Floor(loads.floor_steps(**options)) as floor:
        return loads.run(floor.port, pid=floor.pid, no_check_values=True, **options)


def measure_server(server, name, seconds):
    options = options_of(name, seconds)
    if name in LISTENERS:
        with loads.Listeners(server.port, LISTENERS[name], options["value"]):
            return loads.run(server.port, pid=server.pid, **options)
    mix = LOADS[name][3]
    if mix:
        loads.fill(server.port, KEYS, options["value"], options["first_key"], mix=mix)
    return loads.run(server.port, pid=server.pid, **options)


def measure_round(context, names, number):
    """One round: {load: {server: report}}, without the servers that failed."""
    found = {}
    with ExitStack() as running:
        servers = context.each_kind(f"cost: round {number + 1}, start",
                                    lambda kind: running.enter_context(Server(kind)))
        for name in names:
            if number >= MOST_ROUNDS.get(name, context.rounds):
                continue
            found[name] = {}
            for label in context.rotated([*servers, "floor"], number):
                def action(name=name, label=label):
                    return measure_floor(name, context.seconds) if label == "floor" else \
                        measure_server(servers[label], name, context.seconds)

                report = context.attempt(f"cost: round {number + 1}, {name}, {label}", action)
                if report:
                    found[name][label] = report
    return found


def ratio_of(reports, base):
    """The median, over the rounds that have both, of one server's cost divided by that of `base`."""
    ratios = [report["server_cpu_us"] / of_base["server_cpu_us"]
              for report, of_base in zip(reports, base) if report and of_base]
    return round(median(ratios), 3) if ratios else None


def summary_of(reports, floor, valkey):
    """Medians over the rounds of one server under one load; None when it failed in all of them."""
    good = [report for report in reports if report]
    if not good:
        return None
    row = {field: median(report[field] for report in good) for field in FIELDS}
    return {**row, "to_floor": ratio_of(reports, floor), "to_valkey": ratio_of(reports, valkey)}


def measure(context):
    names = QUICK if context.quick else list(LOADS)
    rounds = [measure_round(context, names, number) for number in range(context.rounds)]
    result = {}
    for name in names:
        by_label = {label: [round_[name].get(label) for round_ in rounds if name in round_]
                    for label in ["floor", *(kind.label for kind in context.kinds)]}
        valkey = by_label.get(context.label_of("valkey"), [])
        result[name] = {label: summary_of(reports, by_label["floor"], valkey)
                        for label, reports in by_label.items()}
    return result if any(any(row.values()) for row in result.values()) else {}


def row_of(row, cell):
    return [cell(one, label) if one else "" for label, one in row.items()]


def tables(result):
    head = ["load", *next(iter(result.values()))]
    cost = [[name, *row_of(row, cost_cell)] for name, row in result.items()]
    speed = [[name, *row_of(row, speed_cell)] for name, row in result.items()]
    waits = [[name, *row_of(row, waits_cell)] for name, row in result.items()]
    return [("Cost of an operation: server CPU in µs (times the floor; times Valkey)", [head, *cost]),
            ("Throughput of one core: thousand operations per second", [head, *speed]),
            ("Latency at that throughput: p50 / p99 / p99.9 in µs", [head, *waits])]


def speed_cell(row, _):
    return f"{row['operations_per_second'] / 1000:.0f}"


def waits_cell(row, _):
    return f"{row['p50_us']:.0f} / {row['p99_us']:.0f} / {row['p99_9_us']:.0f}"


def cost_cell(row, label):
    text = f"{row['server_cpu_us']:.2f}"
    if label == "floor":
        return text
    ratios = [f"{row[field]:.2f}" for field in ("to_floor", "to_valkey") if row[field] is not None]
    return f"{text} ({'; '.join(ratios)})" if ratios else text
