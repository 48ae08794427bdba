"""A master and one replica, on a core each, the replica's with the load: how soon a write is seen on the other, what an acknowledged one
costs, how long a full synchronisation takes, and, for Ordinal, what forwarding adds and how long writes stand still when
the replica does.

Ordinal's two are a roster with write-ack all, so its SET is compared with SET and WAIT 1 of the others, sent together. "Under load"
is with a second load of SETs at the master. For the full synchronisation both are plain servers, and nobody waits for more replicas to come
(repl-diskless-sync-delay 0).
"""

import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from statistics import median

import json

import loads
from loads import LoadFailed
from machine import BUILD, LOAD_CORE, SERVER_CORE, pin
from servers import Server, ServerFailed, free_port

FRESH = {"idle": 20_000, "under load": 100_000}
ASKED = {"idle": 20_000, "under load": 20_000}
LOAD = {"mix": "set", "value": 512, "keys": 100_000, "clients": 20, "pipeline": 1}
COST = {"mix": "set", "value": 512, "keys": 100_000, "clients": 50, "pipeline": 16}
SYNC_KEYS = 1_000_000
SYNC_VALUE = 16
PACED = 3_000  # SETs at 1,000/s; the replica stands still, or is gone, after a third of them
LINK_SECONDS = 60
READ_LEASE_MS = 500


def wait_for(condition, what):
    until = time.monotonic() + LINK_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise ServerFailed(f"no {what} in {LINK_SECONDS} s")
        time.sleep(0.002)


def link_is_up(replica):
    info = replica.info("replication")
    return info.get("master_link_status") == "up" and info.get("master_sync_in_progress") == "0"


@contextmanager
def together(kind):
    """A master and its replica, in sync."""
    with ExitStack() as running:
        if kind.name == "ordinal":
            ports = [free_port(), free_port()]
            roster = ",".join(f"127.0.0.1:{port}" for port in ports)
            servers = [running.enter_context(Server(
                kind, ["--roster", roster, "--roster-self", str(number), "--recovery-timeout", "100",
                       "--read-lease", str(READ_LEASE_MS)], cores=(core,), port=ports[number]))
                for number, core in enumerate((SERVER_CORE, LOAD_CORE))]
            wait_for(lambda: "state=in_sync" in servers[0].info("roster").get("roster_member1", ""), "replica in sync")
        else:
            master = running.enter_context(Server(kind, ["--repl-diskless-sync-delay", "0"]))
            replica = running.enter_context(Server(kind, ["--replicaof", f"127.0.0.1 {master.port}"], cores=(LOAD_CORE,)))
            servers = [master, replica]
        wait_for(lambda: link_is_up(servers[1]), "link")
        yield servers


def start_pair(servers, mode, count):
    command = [BUILD / "pair", *(str(server.port) for server in servers), mode, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=pin(LOAD_CORE))


def pair(servers, mode, count):
    process = start_pair(servers, mode, count)
    out, errors = process.communicate()
    if process.returncode != 0:
        raise LoadFailed(errors.strip())
    return json.loads(out)


@contextmanager
def load_of(master, when):
    if when == "idle":
        yield
        return
    load = loads.start(master.port, seconds=600, **LOAD)
    try:
        yield
    finally:
        load.terminate()
        load.communicate()


def measure_writes(kind):
    """What one client sees, with nobody else there and under load."""
    found = {}
    with together(kind) as servers:
        for when in FRESH:
            with load_of(servers[0], when):
                own = {"fresh": pair(servers, "fresh", FRESH[when]),
                       "acknowledged": pair(servers, "set" if kind.name == "ordinal" else "wait", ASKED[when])}
                if kind.name == "ordinal":
                    own["forwarded"] = pair(servers, "forward", ASKED[when])
                own["ping"] = pair(servers, "ping", ASKED[when])
                found[when] = own
    return found


def measure_cost(context, kind):
    """CPU of the master for a write, with a replica and without: the median of the rounds' ratios."""
    alone, replicated = [], []
    with Server(kind) as single, together(kind) as servers:
        for _ in range(context.rounds):
            for server, reports in ((single, alone), (servers[0], replicated)):
                reports.append(loads.run(server.port, pid=server.pid, seconds=context.seconds, warmup=context.seconds / 4, **COST))
    costs = [(one["server_cpu_us"], two["server_cpu_us"]) for one, two in zip(alone, replicated)]
    return {"alone": median(one for one, _ in costs), "replicated": median(two for _, two in costs),
            "times": round(median(two / one for one, two in costs), 3)}


def measure_sync(kind):
    """From REPLICAOF to a link that is up, of a million small entries; the better of two."""
    times = []
    for _ in range(2):
        with Server(kind, ["--repl-diskless-sync-delay", "0"]) as master, Server(kind, cores=(LOAD_CORE,)) as replica:
            loads.fill(master.port, SYNC_KEYS, SYNC_VALUE)
            start = time.monotonic()
            replica.ask("REPLICAOF", "127.0.0.1", master.port)
            wait_for(lambda: link_is_up(replica), "link")
            times.append(time.monotonic() - start)
            if replica.ask("DBSIZE") != SYNC_KEYS:
                raise ServerFailed(f"{kind.label}'s replica has {replica.ask('DBSIZE')} of {SYNC_KEYS} entries")
    return round(min(times), 3)


def measure_stall(kind, number):
    """The longest wait of a SET, due a thousand times a second, when the replica gets this signal."""
    with together(kind) as servers:
        process = start_pair(servers, "paced", PACED)
        time.sleep(PACED / 3000)
        os.kill(servers[1].pid, number)
        out, errors = process.communicate()
        os.kill(servers[1].pid, signal.SIGCONT if number == signal.SIGSTOP else 0)
        if process.returncode != 0:
            raise LoadFailed(errors.strip())
        return round(json.loads(out)["p100_us"] / 1000, 1)


def measure(context):
    ordinal = [kind for kind in context.kinds if kind.name == "ordinal"]
    stalls = {what: context.each_kind(f"replication: {what}", lambda kind, number=number: measure_stall(kind, number), ordinal)
              for what, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP))}
    return {"writes": context.each_kind("replication: writes", measure_writes),
            "cost": context.each_kind("replication: CPU", lambda kind: measure_cost(context, kind)),
            "sync": context.each_kind("replication: full synchronisation", measure_sync), "stalls": stalls}


# ---- tables -----------------------------------------------------------------------------------------------------


def microseconds(report):
    return f"{report['p50_us']:.0f} / {report['p99_us']:.0f} / {report['p99_9_us']:.0f}"


def write_rows(found):
    rows = []
    for when in FRESH:
        reports = [one[when] for one in found.values()]
        rows.append([f"{when}: first read at the replica stale",
                     *(f"{one['fresh']['stale']:,} of {one['fresh']['count']:,}" for one in reports)])
        rows.append([f"{when}: seen there after, µs", *(microseconds(one["fresh"]) for one in reports)])
        rows.append([f"{when}: acknowledged SET, µs", *(microseconds(one["acknowledged"]) for one in reports)])
        rows.append([f"{when}: SET at the replica, µs",
                     *(microseconds(one["forwarded"]) if "forwarded" in one else "" for one in reports)])
        rows.append([f"{when}: PING, µs", *(microseconds(one["ping"]) for one in reports)])
    return rows


def tables(result):
    found, cost, sync = result["writes"], result["cost"], result["sync"]
    made = [("One replica: p50 / p99 / p99.9", [["", *found], *write_rows(found)])] if found else []
    if cost or sync:
        labels = list(cost or sync)
        rows = [["", *labels],
                ["CPU of a SET, pipeline 16, µs: alone, with a replica (times)",
                 *(f"{cost[label]['alone']:.2f}, {cost[label]['replicated']:.2f} ({cost[label]['times']:.2f})" if label in cost else ""
                   for label in labels)],
                [f"full synchronisation of {SYNC_KEYS:,} entries, s", *(f"{sync[label]:.2f}" if label in sync else "" for label in labels)]]
        for what, stalls in result["stalls"].items():
            rows.append([f"longest wait of a SET when the replica is {what}, ms",
                         *(f"{stalls[label]:.0f}" if label in stalls else "" for label in labels)])
        made.append(("One replica: what it costs", rows))
    return made
