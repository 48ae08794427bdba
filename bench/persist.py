"""Persistence: how long snapshots of `--stall-keys` small entries take to write and to load, what a snapshot does to those
who are served meanwhile and to memory, and what the append-only file costs.

Every server keeps its files in a fresh folder on the same disk, and has one core, as everywhere here: a forked child or a
thread that writes shares it with who serves. Times of saving are of BGSAVE with nobody else at work, to the moment at which
INFO says that it has ended; those of loading from the start of the process to its first answer to PING.

Memory during a snapshot is the peak of the server's resident memory, and for servers that fork what their child had to copy
(rdb_last_cow_size), above what was resident before. The append-only file is measured by two servers of each kind, one
with it and one without, that take turns.
"""

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import loads
from servers import Server, ServerFailed

VALUE = 16
TIMES = 2  # each save and load; the better one counts, since what disturbs only adds
LOAD_SECONDS = 600
WRITERS = {"clients": 4, "pipeline": 8}
ALONE_SECONDS = 4
LEAST_ALLOWED = 64 * 1024 * 1024  # memory above, or …
SHARE_ALLOWED = 0.05
LOG_VALUES = [64, 512]
LOG_KEYS = 100_000
NO_REWRITES = ["--auto-aof-rewrite-percentage", "0"]
EVERYSEC = ["--appendonly", "yes", "--appendfsync", "everysec", *NO_REWRITES]
ALWAYS = ["--appendonly", "yes", "--appendfsync", "always", *NO_REWRITES]
SYNCS = 200
PHASES = ["writes alone", "writes and BGSAVE"]


@contextmanager
def folder():
    """A fresh folder on a disk; it goes with all that is in it."""
    path = Path(tempfile.mkdtemp(prefix="ordinal-bench-", dir=os.environ.get("ORDINAL_BENCH_DIR", "/var/tmp")))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# ---- saving and loading ------------------------------------------------------------------------------------------


def wait_for_save(server):
    """Waits for the end of BGSAVE, and fails as it does."""
    while True:
        info = server.info("persistence")
        if info["rdb_bgsave_in_progress"] == "0":
            break
        time.sleep(0.01)
    if info["rdb_last_bgsave_status"] != "ok":
        raise ServerFailed(f"{server.kind.label}'s BGSAVE failed")
    return info


def save_once(server):
    cpu, start = server.cpu_seconds(), time.monotonic()
    server.ask("BGSAVE")
    wait_for_save(server)
    return {"seconds": time.monotonic() - start, "cpu": server.cpu_seconds() - cpu}


def load_once(kind, data, keys):
    start = time.monotonic()
    with Server(kind, data=data, start_seconds=LOAD_SECONDS) as server:
        found = {"seconds": time.monotonic() - start, "cpu": server.cpu_seconds()}
        held = server.ask("DBSIZE")
        if held != keys:
            raise ServerFailed(f"{kind.label} has loaded {held} of {keys} entries")
    return found


def best(reports):
    found = min(reports, key=lambda report: report["seconds"])
    return {field: round(value, 3) for field, value in found.items()}


def measure_snapshots(kind, keys):
    """Saves, what goes on meanwhile, and loads, of one kind of server."""
    with folder() as data:
        with Server(kind, data=data) as server:
            loads.fill(server.port, keys, VALUE)
            server.settled_data()
            saves = [save_once(server) for _ in range(TIMES)]
            size = (data / "dump.rdb").stat().st_size
            stalls = measure_stalls(server, keys)
        return {"save": best(saves), "file": size, "stalls": stalls,
                "load": best([load_once(kind, data, keys) for _ in range(TIMES)])}


# ---- stalls and memory during a snapshot ------------------------------------------------------------------------------


@contextmanager
def writes(server, keys):
    """Sets keys that are there to values of the same size while the block runs."""
    load = loads.start(server.port, mix="set", value=VALUE, keys=keys, ttl=loads.FAR_TTL, seconds=LOAD_SECONDS, **WRITERS)
    try:
        yield
    finally:
        load.terminate()
        load.communicate()


def probed(server, action):
    """The probe's report while the action runs, and how long that was."""
    start = time.monotonic()
    with loads.Probe(server.port) as probe:
        found = action()
    return {**probe.report, "seconds": round(time.monotonic() - start, 2), **(found or {})}


def save_meanwhile(server):
    """A BGSAVE, and the memory that it took above what there was."""
    before = server.resident()
    server.forget_peak()
    server.ask("BGSAVE")
    info = wait_for_save(server)
    copied = int(info.get("rdb_last_cow_size", 0)) if server.kind.name != "ordinal" else 0
    return {"resident": before, "above": max(0, server.status()["VmHWM"] - before) + copied}


def measure_stalls(server, keys):
    with writes(server, keys):
        time.sleep(1)  # buffers have their sizes
        return {"writes alone": probed(server, lambda: time.sleep(ALONE_SECONDS)),
                "writes and BGSAVE": probed(server, lambda: save_meanwhile(server))}


def of_allowance(stalls):
    """The memory above as a share of what is allowed."""
    found = stalls["writes and BGSAVE"]
    return found["above"] / max(LEAST_ALLOWED, SHARE_ALLOWED * found["resident"])


# ---- the append-only file ---------------------------------------------------------------------------------------


def measure_log(context, kind):
    """Rounds of the same load with and without; the medians, and of the ratios within a round."""
    rounds = []
    with ExitStack() as running:
        data = running.enter_context(folder())
        servers = {"off": running.enter_context(Server(kind)),
                   "everysec": running.enter_context(Server(kind, EVERYSEC, data=data))}
        for number in range(context.rounds):
            for value in LOG_VALUES:
                for name in context.rotated(list(servers), number):
                    server = servers[name]
                    report = loads.run(server.port, pid=server.pid, mix="set", pipeline=16, value=value, clients=50,
                                       keys=LOG_KEYS, first_key=value * LOG_KEYS, seconds=context.seconds,
                                       warmup=context.seconds / 4)
                    rounds.append((number, value, name, report))
    return {str(value): summary([(number, name, report) for number, size, name, report in rounds if size == value])
            for value in LOG_VALUES}


def summary(rounds):
    by = {(number, name): report for number, name, report in rounds}
    numbers = sorted({number for number, _ in by})
    found = {name: {field: round(median(by[number, name][field] for number in numbers), 3)
                    for field in ("operations_per_second", "server_cpu_us", "p99_us")} for name in ("off", "everysec")}
    speeds = [by[number, "everysec"]["operations_per_second"] / by[number, "off"]["operations_per_second"]
              for number in numbers]
    costs = [by[number, "everysec"]["server_cpu_us"] / by[number, "off"]["server_cpu_us"] for number in numbers]
    return {**found, "speed": round(median(speeds), 3), "cost": round(median(costs), 3)}


def measure_always(context, kind):
    """50 clients that each wait for the disk; whoever waits together can be served by one fsync."""
    with folder() as data, Server(kind, ALWAYS, data=data) as server:
        reports = [loads.run(server.port, pid=server.pid, mix="set", value=64, clients=50, keys=LOG_KEYS,
                             seconds=max(1.0, context.seconds), warmup=0.3) for _ in range(min(3, context.rounds))]
    return {field: median(report[field] for report in reports)
            for field in ("operations_per_second", "p50_us", "p99_us", "server_cpu_us")}


def measure_disk():
    """What one write of a page and its fdatasync take here, in microseconds."""
    with folder() as data:
        descriptor = os.open(data / "probe", os.O_WRONLY | os.O_CREAT)
        took = []
        for _ in range(SYNCS):
            start = time.monotonic()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            took.append((time.monotonic() - start) * 1e6)
        os.close(descriptor)
    return {"fdatasync_us": round(median(took), 1), "worst_us": round(max(took), 1)}


def measure(context):
    keys = context.stall_keys
    return {"keys": keys, "disk": measure_disk(),
            "snapshots": context.each_kind("persist: snapshots", lambda kind: measure_snapshots(kind, keys)),
            "log": context.each_kind("persist: append-only file", lambda kind: measure_log(context, kind)),
            "always": context.each_kind("persist: appendfsync always", lambda kind: measure_always(context, kind))}


# ---- tables -----------------------------------------------------------------------------------------------------


def snapshot_table(result):
    found = result["snapshots"]
    rows = [["", *found]]
    for what, name in (("BGSAVE, nobody else at work", "save"), ("loading at start", "load")):
        rows.append([f"{what}: s (CPU)", *(f"{one[name]['seconds']:.2f} ({one[name]['cpu']:.2f})" for one in found.values())])
    rows.append(["size of the file, MB", *(f"{one['file'] / 1e6:.0f}" for one in found.values())])
    return f"Snapshots of {result['keys']:,} entries of 16 bytes with a TTL", rows


def stall_table(result):
    found = {label: one["stalls"] for label, one in result["snapshots"].items()}
    rows = [["", *found]]
    for phase in PHASES:
        rows.append([phase, *(f"{one[phase]['p100_us'] / 1000:.1f} ({one[phase]['p99_9_us'] / 1000:.1f})"
                              for one in found.values())])
    rows.append(["BGSAVE took, s", *(f"{one['writes and BGSAVE']['seconds']:.1f}" for one in found.values())])
    rows.append(["memory above, MB (of what there was)",
                 *(f"{one['writes and BGSAVE']['above'] / 1e6:.0f} "
                   f"({one['writes and BGSAVE']['above'] / one['writes and BGSAVE']['resident']:.0%})" for one in found.values())])
    return f"Longest stall in ms (p99.9) with {result['keys']:,} entries, a probe at 1,000/s, under writes", rows


def log_table(result):
    found = result["log"]
    rows = [["", *found]]
    for value in LOG_VALUES:
        for name in ("off", "everysec"):
            rows.append([f"{value} B, {name}: thousand/s (CPU µs)",
                         *(f"{one[str(value)][name]['operations_per_second'] / 1000:.0f} "
                           f"({one[str(value)][name]['server_cpu_us']:.2f})" for one in found.values())])
        rows.append([f"{value} B, throughput kept; CPU times",
                     *(f"{one[str(value)]['speed']:.0%}; {one[str(value)]['cost']:.2f}" for one in found.values())])
    return "The append-only file: SET EX, 50 clients, pipeline 16, one core", rows


def always_table(result):
    found = result["always"]
    rows = [["", *found],
            ["thousand operations per second", *(f"{one['operations_per_second'] / 1000:.1f}" for one in found.values())],
            ["p50 / p99 in µs", *(f"{one['p50_us']:.0f} / {one['p99_us']:.0f}" for one in found.values())],
            ["server CPU in µs", *(f"{one['server_cpu_us']:.2f}" for one in found.values())]]
    return f"appendfsync always: SET EX, 50 clients, no pipeline; one fdatasync takes {result['disk']['fdatasync_us']:.0f} µs", rows


def tables(result):
    return [table(result) for name, table in (("snapshots", snapshot_table), ("snapshots", stall_table), ("log", log_table),
                                              ("always", always_table)) if result[name]]
