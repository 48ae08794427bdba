#!/usr/bin/python3
"""Rounds of random faults on a replicated set, each judged by what its subject promises (subjects.py).

    tests/replication/run.py --rounds 100 --seed 1                  so many, by the seeds from 1 on
    tests/replication/run.py --seed 17 --rounds 1                   one of them again
    tests/replication/run.py --subject redis --also seen-everywhere  what redis-server makes of a promise that it does not give

Prints each plan, ends with status 1 and a report when a promise is broken (--keep-going: at the end), and leaves that round's folder for a
look: the servers' logs, and the history of all operations.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import network  # noqa: E402
import properties  # noqa: E402
from chaos import PACE_US, Plan, Round  # noqa: E402
from subjects import PERSISTENCE, PROMISES, WRITE_ACKS, Subject  # noqa: E402


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--subject", choices=sorted({name for name, _ in PROMISES}), default="ordinal")
    add("--write-ack", choices=WRITE_ACKS, default="none")
    add("--persistence", choices=sorted(PERSISTENCE), help="rather than all in turn")
    add("--rounds", type=int, default=10)
    add("--seed", type=int, default=1, help="of the first round")
    add("--nodes", type=int, help="rather than what the seeds draw")
    add("--pace", type=int, default=PACE_US, help="microseconds between two operations of a client")
    add("--also", action="append", choices=sorted(properties.PROPERTIES), default=[], help="judge by this, too")
    add("--keep-going", action="store_true", help="through broken promises")
    add("--folder", default=tempfile.gettempdir(), help="where the rounds keep their data")
    return parser.parse_args()


def one_round(options, seed):
    """Returns the round of this seed, run and judged."""
    kinds = sorted(PERSISTENCE)
    subject = Subject(options.subject, options.write_ack, options.persistence or kinds[seed % len(kinds)])
    subject.promises = subject.promises | set(options.also)
    played = Round(Plan(subject, seed, options.nodes), tempfile.mkdtemp(prefix="ordinal-chaos-", dir=options.folder),
                   pace_us=options.pace)
    print(played.plan, flush=True)
    return played.run()


def main():
    options = parse_options()
    reason = network.why_not()
    if reason:
        print("chaos: not possible here: " + reason)
        return 1
    broken = operations = 0
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.rounds):
        played = one_round(options, seed)
        operations += len(played.history.records)
        if played.violations:
            broken += 1
            print("BROKEN\n" + played.report(), flush=True)
            if not options.keep_going:
                break
        else:
            print("  ok after %.0f s: %s" % (time.monotonic() - began, played.summary()), flush=True)
            played.forget()
    print("chaos: %s, %d rounds from seed %d, %d operations, %d rounds broken" % (
        "FAILED" if broken else "ok", seed - options.seed + 1, options.seed, operations, broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
