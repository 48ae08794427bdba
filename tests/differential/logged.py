"""The log's run: random commands go to Ordinal alone, whose append-only file is then played into fresh servers. What they hold
must be what Ordinal holds, to the last value and deadline.

So every command that depends on time, on chance, or on what has expired, and is logged as it came, is found; and every change
that is not logged at all. redis-server loads the file without expiring anything on the way; it plays what it knows, so deadlines
of fields are left to a run without it.

Several threads send at once: what a transaction or a served client did must stand in the file in the order in which it happened.
"""

import random
import threading
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from . import keyspace, known, spec, values
from .generate import Generator
from .random_run import payloads
from .resp import Arg, Closed, Connection, Reply, Silent, command_line, to_bytes
from .servers import Oracle, Ordinal

GROUPS = ("string", "bitmap", "list", "hash", "set", "sorted-set", "hyperloglog", "geo", "generic", "transactions", "server")
# What another client may not do to the run: stop it, hold it up, or write files of its own.
WITHOUT = ("config|*", "client|*", "shutdown", "monitor", "debug", "save", "bgsave", "bgrewriteaof", "latency|*", "slowlog|*",
           "replicaof", "slaveof", "failover", "psync", "sync", "replconf", "wait", "command|*", "memory|*", "lolwut")  # fmt: skip
BATCH = 20
SOON_MS = (1, 2, 5, 20, 50)
SETTLED_MS = 60000  # deadlines nearer than this pass before the comparison
SETTLE_SECONDS = 30.0
FIELDS = [b"f1", b"f2", b"f3", b"f4", b"f5"]


class Difference(NamedTuple):
    """A server that played the log, and what it holds that Ordinal does not, or the other way round."""

    server: str
    mismatch: keyspace.Mismatch
    history: List[str]

    def report(self) -> str:
        lines = [f"{self.server} played the log: {self.mismatch.what}"]
        lines += [f"  Ordinal: {self.mismatch.oracle}", f"  {self.server}: {self.mismatch.subject}", "  of that key in the log:"]
        return "\n".join(lines + ["    " + line for line in self.history[-30:]])


class LoggedOrdinal(Ordinal):
    """Ordinal with an append-only file."""

    def __init__(self, loops: int = 1, **settings: str):
        super().__init__(loops)
        self.settings.update({"appendonly": "yes", "appendfsync": "no", "aof-use-rdb-preamble": "no", **settings})

    def logged(self) -> bytes:
        """All that was ever logged."""
        return b"".join(path.read_bytes() for path in sorted(Path(self.directory, "appendonlydir").glob("*.incr.aof")))

    def flush_log(self) -> None:
        """Waits until the file has all that was logged."""
        connection = self.connect()
        deadline = time.monotonic() + SETTLE_SECONDS
        while len(self.logged()) < logged_bytes(connection) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.logged()) == logged_bytes(connection)
        connection.close()


def logged_bytes(connection: Connection) -> int:
    info = connection.call("INFO", "replication").text().decode()
    return int(info.split("master_repl_offset:")[1].split()[0])


def commands_of(log: bytes) -> List[List[bytes]]:
    """The commands of a stretch of RESP."""
    found, at = [], 0
    while at < len(log):
        end = log.index(b"\r\n", at)
        count, at, args = int(log[at + 1 : end]), end + 2, []
        for _ in range(count):
            end = log.index(b"\r\n", at)
            length = int(log[at + 1 : end])
            args.append(log[end + 2 : end + 2 + length])
            at = end + 4 + length
        found.append(args)
    return found


class Sender(threading.Thread):
    """One client of the run, with a generator of its own."""

    def __init__(self, run: "LoggedRun", number: int, commands: int):
        super().__init__(daemon=True)
        self.run_of, self.commands = run, commands
        self.rng = random.Random(f"{run.seed}/{number}/{run.rounds}")
        self.generator = Generator(run.table, run.groups, run.without, run.payloads, self.rng.random())
        self.failed: Optional[str] = None

    def run(self) -> None:
        connection = self.run_of.subject.connect(60.0)
        sent = 0
        try:
            while sent < self.commands:
                batch = [self._command() for _ in range(self.rng.choice([1, 1, 5, BATCH]))]
                connection = self._send(connection, batch)
                sent += len(batch)
            connection.call("DISCARD")
        except (Silent, OSError) as error:
            self.failed = repr(error)
        connection.close()

    def _command(self) -> List[Arg]:
        if self.run_of.soon and self.rng.random() < 0.15:
            return soon(self.rng, self.run_of.fields)
        return self.generator.command()

    def _send(self, connection: Connection, batch) -> Connection:
        try:
            connection.send(batch)
            connection.read(len(batch))
        except Closed:  # QUIT, or a reply that is too long
            if not self.run_of.subject.alive():
                raise
            connection = self.run_of.subject.connect(60.0)
        return connection


def soon(rng: random.Random, fields: bool) -> List[Arg]:
    """A command that gives a deadline which passes during the run, or meets one that has."""
    ms = rng.choice(SOON_MS)
    key = rng.choice([key for keys in values.KEYS.values() for key in keys])
    own = rng.choice(values.KEYS["hash"])
    field = rng.choice(FIELDS)
    choices: List[List[Arg]] = [
        ["SET", key, rng.choice(values.TEXTS), "PX", ms],
        ["SET", key, rng.choice(values.TEXTS), "GET", "PXAT", int(time.time() * 1000) + ms],
        ["PSETEX", key, ms, "v"],
        ["PEXPIRE", key, ms],
        ["PEXPIRE", key, ms, rng.choice(["NX", "XX", "GT", "LT"])],
        ["PEXPIREAT", key, int(time.time() * 1000) + ms],
        ["GETEX", key, "PX", ms],
        ["GETEX", key, "PERSIST"],
        ["PEXPIRE", key, 10**8],
        ["APPEND", key, "x"],
        ["INCRBYFLOAT", key, "0.1"],
        ["SETNX", key, "v"],
        ["SPOP", rng.choice(values.KEYS["set"]), rng.choice([1, 2, 3])],
        ["SADD", rng.choice(values.KEYS["set"]), *range(rng.choice([2, 10, 700]))],
        ["BLPOP", *values.KEYS["list"], "0.02"],
        ["BLMOVE", *values.KEYS["list"][:2], "LEFT", "RIGHT", "0.02"],
        ["BZMPOP", "0.02", 3, *values.KEYS["sorted-set"], "MIN", "COUNT", 2],
    ]
    if fields:
        choices += [
            ["HSET", own, field, "1", rng.choice(FIELDS), "2"],
            ["HPEXPIRE", own, ms, "FIELDS", 1, field],
            ["HPEXPIRE", own, ms, rng.choice(["NX", "XX", "GT", "LT"]), "FIELDS", 2, field, rng.choice(FIELDS)],
            ["HPEXPIREAT", own, 1, "FIELDS", 1, field],
            ["HEXPIRE", own, 10**6, "FIELDS", 2, field, "f1"],
            ["HPERSIST", own, "FIELDS", 1, field],
            ["HSETEX", own, "PX", ms, "FIELDS", 2, field, "3", "f2", "4"],
            ["HSETEX", own, "FNX", "EX", 10**6, "FIELDS", 1, field, "5"],
            ["HSETEX", own, "KEEPTTL", "FIELDS", 1, field, "6"],
            ["HSETEX", own, "PXAT", 1, "FIELDS", 1, field, "7"],
            ["HGETEX", own, "PX", ms, "FIELDS", 2, field, "f3"],
            ["HGETEX", own, "EX", 10**6, "FIELDS", 1, field],
            ["HGETEX", own, "PXAT", 1, "FIELDS", 1, field],
            ["HGETEX", own, "PERSIST", "FIELDS", 1, field],
            ["HGETDEL", own, "FIELDS", 2, field, "f4"],
            ["HINCRBY", own, field, 1],
            ["HINCRBYFLOAT", own, field, "0.5"],
            ["HSETNX", own, field, "8"],
            ["COPY", own, rng.choice(values.KEYS["hash"]), "REPLACE"],
            ["SORT", rng.choice(values.KEYS["set"]), "BY", "h*->f1", "GET", "h*->f2", "STORE", "l3"],
        ] * 2
    return rng.choice(choices)


class LoggedRun:
    """A run on `subject` with a seed; `soon`: with deadlines that pass, `fields`: with those of fields (then no redis-server can
    play it)."""

    def __init__(self, subject: LoggedOrdinal, seed: str, threads: int = 1, soon_ends: bool = True, fields: bool = False):
        self.subject, self.seed, self.threads = subject, seed, threads
        self.soon, self.fields, self.rounds = soon_ends, fields, 0
        self.groups = GROUPS
        with Oracle("table") as oracle:
            connection = oracle.connect()
            self.table = spec.load(connection)
            connection.close()
            self.payloads = payloads(oracle)
        self.without = frozenset(
            name for name in self.table if known.matches(name, [*known.NOT_RANDOM, *known.NOT_YET, *WITHOUT])
        )

    def run(self, commands: int) -> None:
        """Sends so many random commands, and waits until what was about to expire has expired and all of it is in the file."""
        self.rounds += 1
        senders = [Sender(self, number, commands // self.threads) for number in range(self.threads)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
            assert sender.failed is None, f"{sender.failed}\n{self.subject.log_tail()}"
        self._settle()

    def _settle(self) -> None:
        connection = self.subject.connect()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and any(nearest(connection, db) < SETTLED_MS for db in range(keyspace.DATABASES)):
            time.sleep(0.02)
        connection.close()
        self.subject.flush_log()

    def played(self, other) -> Optional[Difference]:
        """The first difference between Ordinal and a server that has played its log."""
        a, b = self.subject.connect(), other.connect()
        for database in range(keyspace.DATABASES):
            for connection in (a, b):
                connection.call("SELECT", database)
            mismatch = compare(database, contents(a, self.fields), contents(b, self.fields))
            if mismatch is not None:
                return Difference(other.name, mismatch[0], history(self.subject.logged(), database, mismatch[1]))
        a.close()
        b.close()
        return None


def nearest(connection: Connection, database: int) -> int:
    """Milliseconds until the first key or field of the database expires; a great number when none does."""
    connection.call("SELECT", database)
    keys = [item.text() for item in connection.call("KEYS", "*").value]
    left = [reply.integer() for reply in keyspace.ask(connection, [("PTTL", key) for key in keys])]
    types = [reply.text() for reply in keyspace.ask(connection, [("TYPE", key) for key in keys])]
    for key, kind in zip(keys, types):
        if kind == b"hash":
            fields = connection.call("HKEYS", key).value or []
            if fields:
                reply = connection.call("HPTTL", key, "FIELDS", len(fields), *[field.text() for field in fields])
                left += [item.integer() for item in reply.value] if isinstance(reply.value, (list, tuple)) else []
    return min([ms for ms in left if ms is not None and ms >= 0], default=2**62)


def contents(connection: Connection, fields: bool) -> Dict[bytes, tuple]:
    """Every key of the database: type, value, deadline, and the deadlines of a hash's fields."""
    found = {}
    for key, item in keyspace.read(connection).items():
        deadlines = None
        if fields and item.type == b"hash":
            names = [name for name, _ in item.value]
            reply = connection.call("HPEXPIRETIME", key, "FIELDS", len(names), *names)
            deadlines = [each.integer() for each in reply.value]
        value = item.value.value if isinstance(item.value, Reply) else item.value
        found[key] = (item.type, value, item.deadline, deadlines)
    return found


def compare(database: int, live: Dict[bytes, tuple], played: Dict[bytes, tuple]):
    """The first key that differs, as (mismatch, key)."""
    for key in sorted(set(live) | set(played)):
        a, b = live.get(key), played.get(key)
        if a != b:
            return keyspace.Mismatch(f"database {database}, key {key!r}", shortened(a), shortened(b)), key
    return None


def shortened(item) -> str:
    text = repr(item)
    return text if len(text) < 600 else text[:500] + "…" + text[-90:]


def history(log: bytes, database: int, key: bytes) -> List[str]:
    """The commands of the log that name the key, or change databases as a whole."""
    lines, current = [], 0
    for args in commands_of(log):
        name = args[0].upper()
        if name == b"SELECT":
            current = int(args[1])
        elif key in args[1:] or name in (b"FLUSHALL", b"FLUSHDB", b"SWAPDB", b"MOVE"):
            lines.append(f"[{current}] " + command_line(args, 60))
    return lines


class Player:
    """A server, not started yet, that is started on a log as its append-only file."""

    def __init__(self, server, log: bytes):
        folder = Path(server.directory, "appendonlydir")
        folder.mkdir()
        (folder / "appendonly.aof.1.incr.aof").write_bytes(log)
        (folder / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
        server.settings.update({"appendonly": "yes", "appendfsync": "no", "auto-aof-rewrite-percentage": "0"})
        self.server = server

    def __enter__(self):
        return self.server.__enter__()

    def __exit__(self, *exc) -> None:
        self.server.__exit__(*exc)
