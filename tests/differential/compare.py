"""Runs the same steps on both servers and finds the first reply that differs.

A step is a command from one of a few clients. Steps of one client that follow each other travel as one batch to
both servers at once, and both batches are read before another client says anything: so the order of commands is
the same on both sides, while a hundred thousand of them take a minute.
"""

from collections import Counter
from typing import List, NamedTuple, Optional, Sequence, Tuple

from . import keyspace, known, values
from .resp import Arg, Closed, Framed, Malformed, Reply, Silent, command_line, encode, show
from .servers import Server
from .transactions import Transactions

BATCH = 64
# Replies after which the server closes the connection, and the rest of a batch would be lost.
CLOSING = ("quit", "shutdown")


class Step(NamedTuple):
    """One command of client number `client`."""

    client: int
    args: Tuple[Arg, ...]

    def line(self, limit: int = 0) -> str:
        prefix = f"@{self.client} " if self.client else ""
        return prefix + command_line(self.args, limit)


class Difference(NamedTuple):
    """What differed at step `index`; past the last step it is the keyspace."""

    index: int
    name: str
    line: str
    oracle: str
    subject: str
    ended: bool = False  # one of the connections ended, so which command was to blame is open

    @property
    def needed(self) -> int:
        """How many steps show it: up to the one that differs, or to the end of its batch if the connection ended."""
        return self.index + (BATCH if self.ended else 1)

    def like(self, other: "Difference") -> bool:
        """Whether a shorter run that ends in `other` still shows this difference."""
        return self.ended and other.ended if self.ended else self.name == other.name

    def signature(self) -> str:
        """Differences with one signature probably have one cause."""
        return f"{self.name} {_outline(self.oracle)} {_outline(self.subject)}"


def _outline(shown: str) -> str:
    """An error's text, and only the type of any other reply."""
    return shown[:40] if shown.startswith("-") else shown[:1]


class Client:
    """A client's connection to one server; it comes back after the server closed it."""

    def __init__(self, server: Server, timeout: float, pushes_count: bool = False):
        self.server = server
        self.timeout = timeout
        self.pushes_count = pushes_count
        self.connection = None

    def send(self, data: bytes) -> None:
        """Sends `data`; a failure shows when the replies are read."""
        try:
            if self.connection is None:
                self.connection = self.server.connect(self.timeout)
                self.connection.pushes_count = self.pushes_count
        except OSError:
            return
        self.connection.send_raw(data)

    def read(self, count: int) -> Tuple[List[Framed], str]:
        """(replies, how it ended): "" when all came, else what happened to the connection."""
        if self.connection is None:
            return [], "no connection"
        try:
            return self.connection.read(count), ""
        except Closed as end:
            replies, ended = end.replies, "connection closed"
        except Silent as end:
            replies, ended = end.replies, f"silence for {self.timeout:g} s"
        except Malformed as end:
            replies, ended = [], f"not RESP: {end.args[0]!r}"
        self.drop()
        return replies, ended

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Comparison:
    """Two servers and the clients that talk to both. `used` counts the known differences met on the
    way, `compared` the replies that were the same, `errors` those among them that were errors."""

    def __init__(
        self, oracle: Server, subject: Server, containers=frozenset(), timeout: float = 15.0, pushes_count: bool = False
    ):
        self.pushes_count = pushes_count
        self.oracle = oracle
        self.subject = subject
        self.containers = containers
        self.timeout = timeout
        self.used: Counter = Counter()
        self.compared = 0
        self.errors = 0
        self.clients = {}
        self.transactions = Transactions()
        self.admins = (Client(oracle, timeout), Client(subject, timeout))

    def close(self) -> None:
        self._drop_clients()
        for admin in self.admins:
            admin.drop()

    def _drop_clients(self) -> None:
        for pair in self.clients.values():
            for client in pair:
                client.drop()
        self.clients = {}
        self.transactions = Transactions()

    def reset(self) -> None:
        """Both servers empty, settings back, and no client connected. A subject that ended or hangs is restarted."""
        self._drop_clients()
        problem = self._empty() if self.subject.alive() else "ended"
        if problem:
            self.subject.restart()
            for admin in self.admins:
                admin.drop()
            problem = self._empty()
        if problem:
            raise RuntimeError(problem)

    def _empty(self) -> str:
        """Empties both servers; says what went wrong, if anything did."""
        commands = [(b"CONFIG", b"SET", b"requirepass", b"")]
        commands += [(b"CONFIG", b"SET", name, value) for name, value in values.DEFAULTS.items()]
        commands += [(b"CLIENT", b"UNPAUSE"), (b"FLUSHALL",)]
        data = b"".join(encode(command) for command in commands)
        for admin in self.admins:
            admin.send(data)
        for admin in self.admins:
            replies, ended = admin.read(len(commands))
            if ended or replies[-1].raw != b"+OK\r\n":
                return f"{admin.server.name} cannot be emptied: {ended or replies[-1].raw!r}"
        return ""

    def pair(self, number: int) -> Tuple[Client, Client]:
        if number not in self.clients:
            self.clients[number] = (
                Client(self.oracle, self.timeout, self.pushes_count),
                Client(self.subject, self.timeout, self.pushes_count),
            )
        return self.clients[number]

    # -- steps ----------------------------------------------------------------------------------------------------

    def run(self, steps: Sequence[Step], with_keyspace: bool = True) -> Optional[Difference]:
        """From an empty keyspace: the first difference in a reply, else in the keyspace at the end, else None."""
        self.reset()
        start = 0
        while start < len(steps):
            end = self._batch_end(steps, start)
            difference = self._batch(steps[start:end], start)
            if difference is not None:
                return difference
            start = end
        return self.compare_keyspaces(len(steps)) if with_keyspace else None

    def name_of(self, args: Sequence[Arg]) -> str:
        return known.command_name(args, self.containers)

    def _batch_end(self, steps, start: int) -> int:
        end = start
        while end < len(steps) and end - start < BATCH and steps[end].client == steps[start].client:
            end += 1
            if self.name_of(steps[end - 1].args) in CLOSING:
                break
        return end

    def _batch(self, steps, start: int) -> Optional[Difference]:
        clients = self.pair(steps[0].client)
        data = b"".join(encode(step.args) for step in steps)
        for client in clients:
            client.send(data)
        a, b = (client.read(len(steps)) for client in clients)
        if self.name_of(steps[-1].args) in CLOSING:
            for client in clients:
                client.drop()
        return self._compare_batch(steps, start, a, b)

    def _compare_batch(self, steps, start, a, b) -> Optional[Difference]:
        (left, left_ended), (right, right_ended) = a, b
        for at, step in enumerate(steps):
            ends = (at >= len(left), at >= len(right))
            if all(ends) and left_ended == right_ended and not left_ended.startswith("silence"):
                return None
            if any(ends):
                shown_left = left_ended if ends[0] else show(left[at].reply)
                shown_right = self._end_of_subject(right_ended) if ends[1] else show(right[at].reply)
                return self._difference(start + at, step, shown_left, shown_right)._replace(ended=True)
            if not self.same(step.args, left[at], right[at], step.client):
                return self._difference(start + at, step, show(left[at].reply), show(right[at].reply))
            self.compared += 1
            self.errors += left[at].reply.is_error()
        return None

    def _end_of_subject(self, ended: str) -> str:
        if self.subject.ended_soon():
            return f"{ended}; the server ended:\n{self.subject.log_tail()}"
        return ended

    def _difference(self, index, step, oracle, subject) -> Difference:
        return Difference(index, self.name_of(step.args), step.line(200), oracle, subject)

    def same(self, args: Sequence[Arg], oracle: Framed, subject: Framed, client: int = 0) -> bool:
        """Whether two replies to `args`, in their order from `client`, count as the same."""
        name = self.name_of(args)
        queue = self.transactions.commands(client, oracle.reply, subject.reply) if name == "exec" else None
        self.transactions.note(client, name, args, oracle)
        if oracle.raw == subject.raw:
            return True
        if queue is not None:
            elements = zip(queue, oracle.reply.value, subject.reply.value)
            return all(a == b or self._same_reply(command, a, b) for command, a, b in elements)
        return self._same_reply(args, oracle.reply, subject.reply)

    def _same_reply(self, args: Sequence[Arg], oracle: Reply, subject: Reply) -> bool:
        entry = known.find(self.name_of(args), args, oracle, subject)
        if entry is None:
            return False
        self.used[entry.name] += 1
        return True

    # -- the keyspace -----------------------------------------------------------------------------------------------

    def compare_keyspaces(self, index: int) -> Optional[Difference]:
        """Every key of every database: type, value, deadline, payload; and that SCAN finds them all."""
        for admin in self.admins:
            admin.send(b"")
        try:
            found = keyspace.compare(self.admins[0].connection, self.admins[1].connection)
        except (Closed, Silent, Malformed, OSError) as error:
            for admin in self.admins:
                admin.drop()
            return Difference(index, "keyspace", "(reading the keyspaces)", "", self._end_of_subject(repr(error)))
        if found is None:
            return None
        return Difference(index, "keyspace", found.what, found.oracle, found.subject)
