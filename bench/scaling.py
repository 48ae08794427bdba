"""Scaling: throughput and cost with one loop, two, four, … on as many cores.

With four cores or more half of them are the server's and half the load's. With fewer there is no elsewhere
for the load to be: it shares the cores with the server, the throughput is the machine's and not the server's,
and what the run then shows is how much more an operation costs once loops share the keyspace. Valkey's I/O
threads are measured beside Ordinal's loops, since they are its answer to the same question.
"""

from statistics import median

import loads
from machine import CORES
from servers import Server

KEYS = 100_000
VALUE = 512
MOST_ROUNDS = 3
MIXES = {"GET": ("get", 1), "SET EX": ("set", 1), "GET, pipeline 16": ("get", 16),
         "SET EX, pipeline 16": ("set", 16)}
THREADS = {"ordinal": "--loops", "valkey": "--io-threads"}


def shares():
    """The server's cores and the load's, and whether they are apart."""
    if len(CORES) < 4:
        return CORES, CORES, False
    half = len(CORES) // 2
    return CORES[:half], CORES[half:], True


def counts(most):
    found = [1]
    while found[-1] * 2 <= most:
        found.append(found[-1] * 2)
    return found


def run_loads(server, name, cores, seconds):
    """One load for each of the load's cores, all at once; their throughput together."""
    mix, pipeline = MIXES[name]
    running = [loads.start(server.port, core, mix=mix, pipeline=pipeline, value=VALUE, keys=KEYS,
                           seconds=seconds, ttl=loads.FAR_TTL, clients=50, pid=server.pid) for core in cores]
    reports = [loads.finish(process) for process in running]
    together = sum(report["operations_per_second"] for report in reports)
    busy = median(report["server_busy"] for report in reports)
    return {"operations_per_second": together, "server_busy": busy,
            "server_cpu_us": round(busy * 1e6 / together, 4)}


def measure_one(context, kind, threads):
    server_cores, load_cores, _ = shares()
    with Server(kind, [THREADS[kind.name], str(threads)], server_cores[:max(threads, 1)]) as server:
        loads.fill(server.port, KEYS, VALUE)
        return {name: run_loads(server, name, load_cores, context.seconds) for name in MIXES}


def median_report(reports):
    return {name: {field: median(report[name][field] for report in reports) for field in reports[0][name]}
            for name in reports[0]}


def measure(context):
    server_cores, load_cores, apart = shares()
    kinds = [kind for kind in context.kinds if kind.name in THREADS]
    rounds = min(context.rounds, MOST_ROUNDS)

    def measure_kind(kind):
        return {str(threads): median_report([measure_one(context, kind, threads) for _ in range(rounds)])
                for threads in counts(len(server_cores))}

    return {"server_cores": len(server_cores), "load_cores": len(load_cores), "apart": apart,
            "servers": context.each_kind("scaling", measure_kind, kinds)}


def tables(result):
    rows = [["", *(f"{label}, {threads}" for label, by in result["servers"].items() for threads in by)]]
    for name in MIXES:
        rows.append([name, *(f"{by[threads][name]['operations_per_second'] / 1000:.0f} "
                             f"({by[threads][name]['server_cpu_us']:.2f})"
                             for by in result["servers"].values() for threads in by)])
    where = "on cores of its own" if result["apart"] else "on the same cores"
    return [(f"Scaling with threads, load {where}: thousand operations per second (server CPU in µs)", rows)]
