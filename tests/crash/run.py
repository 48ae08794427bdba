#!/usr/bin/python3
"""Kills a server at random moments under load, again and again, and checks after each start what its mode promises (life.py).

    tests/crash/run.py --rounds 300                      so many of each mode, in lives of five rounds
    tests/crash/run.py --modes always --seed 7 --rounds 5     one life again: its seed stands in the report
    ORDINAL=/path/to/redis-server tests/crash/run.py     another server

Ends with status 1 and a report as soon as a promise is broken; the folder is left for a look.
"""

import argparse
import concurrent.futures
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from life import MODES, ROUNDS, Broken, Life, Plan  # noqa: E402


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=300, help="of each mode")
    add("--modes", default=",".join(MODES), help="some of " + ",".join(MODES))
    add("--seed", type=int, default=1, help="of the first life")
    add("--loops", type=int, help="of all servers, rather than what the seeds draw")
    add("--power", choices=("yes", "no"), help="whether kills are power cuts, rather than what the seeds draw")
    add("--jobs", type=int, default=1, help="lives at the same time")
    add("--other", help="a redis-server that takes turns with the server under test")
    add("--folder", default=tempfile.gettempdir(), help="where the lives keep their data")
    return parser.parse_args()


def live(mode, seed, rounds, loops, power, other, folder):
    """One life. Returns (the plan in words, writes acknowledged, snapshots and rewrites completed, what was broken)."""
    plan = Plan(mode, seed, loops, power)
    life = Life(plan, tempfile.mkdtemp(prefix="ordinal-crash-", dir=folder), other)
    try:
        life.run(rounds)
    except Broken as broken:
        return str(plan), life.acknowledged, life.rewrites, str(broken)
    life.forget()
    return str(plan), life.acknowledged, life.rewrites, None


def lives(options):
    """The arguments of every life: the modes take turns."""
    power = {"yes": True, "no": False}.get(options.power)
    for start in range(0, options.rounds, ROUNDS):
        for mode in options.modes.split(","):
            yield (mode, options.seed + start // ROUNDS, min(ROUNDS, options.rounds - start), options.loops, power,
                   options.other, options.folder)


def main():
    options = parse_options()
    began, rounds, writes, rewrites = time.monotonic(), 0, 0, 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        pending = {pool.submit(live, *arguments): arguments for arguments in lives(options)}
        for done in concurrent.futures.as_completed(pending):
            plan, acknowledged, completed, broken = done.result()
            rounds += pending[done][2]
            writes += acknowledged
            rewrites += completed
            print("[%4.0f s] %4d rounds, %8d writes, %4d snapshots and rewrites; %s" % (
                time.monotonic() - began, rounds, writes, rewrites, plan), flush=True)
            if broken:
                print(broken, flush=True)
                for other in pending:
                    other.cancel()
                pool.shutdown()
                return 1
    print("crash: ok, %d rounds, %d writes acknowledged by writers, %d snapshots and rewrites completed under load" % (
        rounds, writes, rewrites))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
