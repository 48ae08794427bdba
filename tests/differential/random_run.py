"""The random run: episodes of some hundred commands, each from an empty keyspace and with a seed of its own.

An episode that differs is shrunk and reported, and the run goes on with the next, so that one run shows many
faults; two differences that look alike are reported once. An episode is repeated alone with its number.
"""

import random
import time
from typing import Dict, List, NamedTuple, Sequence

from . import keyspace, known, spec, values
from .compare import Comparison, Difference, Step
from .generate import Generator
from .servers import Server
from .shrink import shrink

GROUPS = (
    "string",
    "bitmap",
    "list",
    "hash",
    "set",
    "sorted-set",
    "hyperloglog",
    "geo",
    "generic",
    "transactions",
    "pubsub",
    "connection",
    "server",
)
EPISODE = 500
CLIENTS = 3
SHRINK_SECONDS = 45.0
SHRINK_TIMEOUT = 3.0


class Finding(NamedTuple):
    """A difference, with the shortest steps that show it."""

    seed: str
    episode: int
    difference: Difference
    steps: List[Step]
    shrunk: Difference

    def report(self) -> str:
        lines = [
            f"difference in {self.difference.name!r}: seed {self.seed}, episode {self.episode}, "
            f"command {self.difference.index}",
            f"  command: {self.difference.line}",
            f"  redis:   {self.difference.oracle}",
            f"  ordinal: {self.difference.subject}",
            f"  shrunk to {len(self.steps)} commands (a case for scripts/):",
        ]
        lines += ["    " + step.line() for step in self.steps]
        if self.shrunk != self.difference:
            lines += [
                f"  there {self.shrunk.line}",
                f"    redis:   {self.shrunk.oracle}",
                f"    ordinal: {self.shrunk.subject}",
            ]
        lines.append(f"  again: run.py --seed {self.seed} --episode {self.episode}")
        return "\n".join(lines)


class Result(NamedTuple):
    commands: int
    seconds: float
    findings: List[Finding]
    used: Dict[str, int]
    again: int
    compared: int
    errors: int

    def summary(self) -> str:
        used = ", ".join(f"{name} {count}" for name, count in sorted(self.used.items())) or "none"
        repeated = f", and {self.again} more that look like one of them" if self.again else ""
        return (
            f"{self.commands} commands in {self.seconds:.1f} s, {self.compared} replies the same ({self.errors} of them "
            f"errors), {len(self.findings)} differences{repeated}\n"
            f"known differences met: {used}"
        )


def payloads(server: Server) -> List[bytes]:
    """DUMP payloads of sample values, for RESTORE; more types come with their commands."""
    connection = server.connect()
    samples = list(values.HYPERLOGLOGS)
    samples += [b"1", b"-300", b"70000", b"9223372036854775807", b"abc", b"", b"z" * 200, b"\x00\xff" * 9000, b"3.14"]
    dumped = []
    makers = [("SET", "sample", sample) for sample in samples]
    makers += [("HSET", "sample", "a", "1", "b", "text"), ("HSET", "sample", "long", b"x" * 100, "n", "-70000")]
    makers += [("SADD", "sample", *members) for members in ([1, 2, -70000, 2**40], [b"a", b"", 7], [b"y" * 100], range(600))]
    for maker in makers:
        _, reply, _ = keyspace.ask(connection, [maker, ("DUMP", "sample"), ("DEL", "sample")])
        dumped.append(reply.text())
    connection.close()
    return dumped + [b"", b"\x00", b"not a payload at all"]


class RandomRun:
    """A run of `groups` with `seed`; `skip` names commands to leave out, besides those of known.py."""

    def __init__(self, oracle: Server, subject: Server, groups: Sequence[str] = GROUPS, seed: str = "1", skip=()):
        connection = oracle.connect()
        self.table = spec.load(connection)
        connection.close()
        self.oracle = oracle
        self.subject = subject
        self.groups = groups
        self.seed = seed
        self.payloads = payloads(oracle)
        self.without = self._left_out(skip)
        self.comparison = Comparison(oracle, subject, spec.containers(self.table))

    def _left_out(self, skip) -> frozenset:
        """The names in the table that are never sent."""
        patterns = [*known.NOT_RANDOM, *known.NOT_YET, *skip]
        return frozenset(name for name in self.table if known.matches(name, patterns))

    def steps(self, episode: int, length: int) -> List[Step]:
        """The steps of an episode: bursts of one client, then of another."""
        rng = random.Random(f"{self.seed}/{episode}")
        generator = Generator(self.table, self.groups, self.without, self.payloads, rng.random())
        steps: List[Step] = []
        if rng.random() < 0.5:
            steps += [Step(client, (b"HELLO", 3)) for client in range(CLIENTS)]
        while len(steps) < length:
            client = rng.randrange(CLIENTS)
            burst = min(rng.choice([1, 3, 20, 60]), length - len(steps))
            steps += [Step(client, tuple(generator.command(client))) for _ in range(burst)]
        return steps

    def run(self, commands: int, most_findings: int = 20, first_episode: int = 0, progress=None) -> Result:
        """Runs episodes until `commands` are through or `most_findings` different differences are found."""
        start = time.monotonic()
        findings: List[Finding] = []
        seen, done, again, episode = set(), 0, 0, first_episode
        while done < commands and len(findings) < most_findings:
            steps = self.steps(episode, min(EPISODE, commands - done))
            difference = self.comparison.run(steps)
            done += len(steps)
            if difference is not None and difference.signature() in seen:
                again += 1
            elif difference is not None:
                finding = self.shrunk(episode, steps, difference)
                seen |= {difference.signature(), finding.shrunk.signature()}
                findings.append(finding)
                if progress:
                    progress(finding)
            episode += 1
        seconds, of = time.monotonic() - start, self.comparison
        return Result(done, seconds, findings, dict(of.used), again, of.compared, of.errors)

    def shrunk(self, episode: int, steps: List[Step], difference: Difference) -> Finding:
        """The finding for a difference, its steps made as few as possible."""
        used, timeout = self.comparison.used.copy(), self.comparison.timeout
        self.comparison.timeout = SHRINK_TIMEOUT
        whole = difference.name == "keyspace"
        failing = steps[: difference.needed]

        def check(candidate):
            return self.comparison.run(candidate, with_keyspace=whole)

        short, last = shrink(failing, difference, check, SHRINK_SECONDS)
        self.comparison.used, self.comparison.timeout = used, timeout
        return Finding(self.seed, episode, difference, short, last)

    def close(self) -> None:
        self.comparison.close()
