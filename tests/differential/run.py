#!/usr/bin/python3
"""The command line of the differential tests; README.md in this folder has examples.

Exit status 0 when the servers agree, 1 when they differ, 2 when one of them cannot be run.
"""

import argparse
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differential import random_run, scripted, table  # noqa: E402
from differential.servers import NotStarted, Oracle, Ordinal  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description="Compare Ordinal with redis-server 7.0.15, command by command.")
    parser.add_argument("scripts", nargs="*", help="script files to compare instead of random commands")
    parser.add_argument("--commands", type=int, default=100000, help="random commands to run (default 100000)")
    parser.add_argument("--seed", default=None, help="seed of the run (default: a new one, printed)")
    parser.add_argument("--episode", type=int, default=None, help="run only this episode of the seed")
    parser.add_argument("--loops", type=int, default=1, help="Ordinal's loops (default 1)")
    parser.add_argument("--groups", default=",".join(random_run.GROUPS), help="groups of the manual, by comma")
    parser.add_argument("--skip", default="", help="commands to leave out, by comma: client|list,object|*")
    parser.add_argument("--findings", type=int, default=20, help="stop after this many different differences")
    parser.add_argument("--table", action="store_true", help="compare the command tables only")
    parser.add_argument("--self-check", action="store_true", help="compare redis-server with itself")
    return parser.parse_args()


def run_random(options, oracle, subject) -> int:
    seed = options.seed or secrets.token_hex(4)
    groups = options.groups.split(",")
    run = random_run.RandomRun(oracle, subject, groups, seed, [name for name in options.skip.split(",") if name])
    print(f"seed {seed}, groups {options.groups}, loops {options.loops}", flush=True)

    def progress(finding):
        print("\n" + finding.report() + "\n", flush=True)

    commands, first = options.commands, 0
    if options.episode is not None:
        commands, first = random_run.EPISODE, options.episode
    result = run.run(commands, options.findings, first, progress)
    run.close()
    print(result.summary())
    return 1 if result.findings else 0


def run_scripts(options, oracle, subject) -> int:
    failures = 0
    for path in options.scripts:
        for case in scripted.load(Path(path)):
            found = scripted.compare(case, oracle, subject)
            failures += bool(found)
            print(f"{path}: {case.name}: {'differs' if found else 'same'}" + (f"\n{found}" if found else ""))
    return 1 if failures else 0


def run_table(options, oracle, subject) -> int:
    found = table.compare(oracle, subject, options.groups.split(","))
    print("\n".join(found) or "the command tables agree")
    return 1 if found else 0


def main() -> int:
    options = arguments()
    action = run_table if options.table else run_scripts if options.scripts else run_random
    subject = Oracle("subject") if options.self_check else Ordinal(options.loops)
    try:
        with Oracle() as oracle, subject:
            return action(options, oracle, subject)
    except (NotStarted, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
