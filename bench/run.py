#!/usr/bin/python3
"""Measures Ordinal beside its peers and the floor, all in one run, and says which targets are missed.

    bench/run.py                      everything, under twenty-five minutes
    bench/run.py --quick              the cost of an operation alone, two minutes
    bench/run.py --measures cost,memory --servers ordinal,valkey --rounds 9
    bench/run.py --flame set          where Ordinal's time goes under a load, as docs/plots/flame-set.svg
    bench/run.py --keep               also writes results/latest.json, docs/plots and docs/performance.md's
    tables

Only the Python of the system and its standard library are needed. `make bench` builds the programs first. A
server that is not there is left out, with a word about why. Absolute times say something about the machine;
the ratios within a run are what to compare.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import flame
import machine
import plots
import report
from loads import LoadFailed
from servers import ServerFailed, all_kinds

RESULTS = machine.ROOT / "bench" / "results"
PLOTS = machine.ROOT / "docs" / "plots"
PAGE = machine.ROOT / "docs" / "performance.md"


class Context:
    """What a measure needs to know of the run."""

    def __init__(self, options, kinds):
        self.kinds = kinds
        self.quick = options.quick
        self.rounds = options.rounds or (3 if options.quick else 5)
        self.seconds = options.seconds or (0.4 if options.quick else 0.6)
        self.stall_keys = options.stall_keys
        self.failed = []
        self.started = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.started:4.0f} s] {text}", file=sys.stderr, flush=True)

    def attempt(self, what, action):
        """What `action` finds; None when it fails, which is told and noted and ends nothing else."""
        self.say(what)
        try:
            return action()
        except (ServerFailed, LoadFailed, OSError) as error:
            self.say(f"FAILED: {what}: {error}")
            self.failed.append([what, str(error)])
            return None

    def each_kind(self, what, action, kinds=None):
        """{label: what `action(kind)` finds} for every kind of server with which it does not fail."""
        found = {}
        for kind in self.kinds if kinds is None else kinds:
            found[kind.label] = self.attempt(f"{what}: {kind.label}", lambda kind=kind: action(kind))
        return {label: one for label, one in found.items() if one}

    def rotated(self, names, number):
        """The names in the order of this round, so that none is always first."""
        turn = number % len(names)
        return names[turn:] + names[:turn]

    def label_of(self, name):
        return next((kind.label for kind in self.kinds if kind.name == name), None)


def parse_options():
    names = [kind.name for kind in all_kinds()]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="only the cost of an operation, in two minutes")
    add("--measures", help=f"some of {','.join(report.MODULES)}")
    add("--servers", default=",".join(names), help=f"some of {','.join(names)}")
    add("--rounds", type=int, help="of the cost and the scaling")
    add("--seconds", type=float, help="for each load of a round")
    add("--stall-keys", type=int, default=10_000_000, help="keys of the stall measure and of snapshots, elements of the large collections")
    add("--priority", action="store_true",
        help="servers and loads before all else on the machine (root; its other users will notice)")
    add("--keep", action="store_true", help="write latest.json, the plots and the page's tables")
    add("--out", type=Path, help="where to write the results, rather than bench/results/TIME.json")
    add("--plots", type=Path, help="draw the plots into this folder")
    add("--from", dest="source", type=Path, help="measure nothing: report these results again")
    add("--flame", choices=list(flame.LOADS), help="draw a flame graph under this load, and end")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    options.measures = options.measures.split(",") if options.measures else \
        ["cost"] if options.quick else list(report.MODULES)
    for given, known in ((options.servers, names), (options.measures, list(report.MODULES))):
        for name in given:
            if name not in known:
                parser.error(f"'{name}' is none of {', '.join(known)}")
    return options


def find_kinds(wanted):
    """The servers to measure, with their versions; those that are not there are named and left out."""
    kinds = []
    for kind in all_kinds():
        if kind.name not in wanted:
            continue
        why = kind.missing()
        if why:
            print(f"bench: without {kind.name}: {why}", file=sys.stderr)
            continue
        kind.find_version()
        kinds.append(kind)
    return kinds


def measure_all(options):
    machine.PRIORITY["wanted"] = options.priority
    kinds = find_kinds(options.servers)
    if not kinds:
        sys.exit("bench: no server to measure")
    context = Context(options, kinds)
    results = {"machine": machine.describe(), "servers": {kind.name: kind.label for kind in kinds},
               "ordinal": context.label_of("ordinal"), "rounds": context.rounds}
    for name in options.measures:
        results[name] = report.MODULES[name].measure(context)
    results["failed"] = context.failed
    context.say("done")
    return results


def as_json(results):
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def write_results(options, results):
    path = options.out or RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(results))
    print(f"bench: results in {path}", file=sys.stderr)


def publish(options, results):
    """Writes what the options ask for beside the results: the kept copy, plots, the page's tables."""
    if options.keep:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "latest.json").write_text(as_json(results))
    folder = options.plots or (PLOTS if options.keep else None)
    if folder:
        why_not = plots.draw_all(results, folder)
        print(f"bench: {why_not or f'plots in {folder}'}", file=sys.stderr)
    if options.keep and not report.put_into_page(PAGE, results):
        print(f"bench: {PAGE} has no place for the tables", file=sys.stderr)


def draw_flame(options):
    for kind in find_kinds(options.servers[:1]):
        path = (options.plots or PLOTS) / f"flame-{options.flame}.svg"
        flame.draw(kind, options.flame, options.seconds or 5, path)
        print(f"bench: {path}", file=sys.stderr)


def main():
    options = parse_options()
    if not (machine.BUILD / "load").exists():
        subprocess.run(["make", "-C", machine.ROOT, "bench-programs"], check=True)
    if options.flame:
        draw_flame(options)
        return 0
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        results = measure_all(options)
        write_results(options, results)
    print(report.text(results))
    publish(options, results)
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
