"""Clients that share keys, and the promises that hold among them whatever a crash leaves: a queue has no hole, what was
taken stays taken, sums and pairs agree.

Each group has `clients(address)`, the threads of one round; `read(connection)`, which looks at the keys and remembers them
(before the round, and after the crash) and returns what is wrong with them by themselves; `judge()`, which returns what is
wrong beside what the clients know; `settle()`, by which that state is the one before the next round. `events()` are its
writes as (sent, acknowledged or None, whether it is there, what it is), and `lacking(moment)` tells what must be there when
all is there that was acknowledged by then: for the questions whether enough is there, and whether all of it ever was at once.
"""

import time

from client import Client, refuse_errors
from harness.resp import encode

DB = 5
OTHER_DB = 6
ACCOUNTS = 10
AT_ONCE = 2  # tokens that one command takes


class Write:
    """A write of which only this is asked: when it was sent and acknowledged, and then whether it is there."""

    __slots__ = ("sent", "acked", "value")

    def __init__(self, value):
        self.sent, self.acked, self.value = time.monotonic(), None, value

    def done(self, value=None):
        self.acked = time.monotonic()
        self.value = self.value if value is None else value


def send_all(connection, writes_and_commands):
    """Sends all at once and notes each reply."""
    connection.send(b"".join(encode(*command) for _, commands in writes_and_commands for command in commands))
    for write, commands in writes_and_commands:
        for command in commands:
            reply = connection.read()
            refuse_errors(command, reply)
        write.done()


class Producer(Client):
    """Pushes jobs with rising numbers, several in one command, and notes the last one in the same transaction."""

    def __init__(self, queue, address):
        super().__init__(address)
        self.queue = queue

    def work(self, connection):
        queue, rng = self.queue, self.queue.rng
        self.checked(connection, "SELECT", DB)
        last = queue.pushed_before
        while True:
            count = rng.choice((1, 1, 2, 10))
            jobs = [b"%d" % (last + place + 1) for place in range(count)]
            last += count
            write = Write(last)
            queue.pushes.append(write)
            send_all(connection, [(write, [("MULTI",), ("RPUSH", queue.name, *jobs), ("SET", queue.last, last), ("EXEC",)])])
            if rng.random() < 0.1:
                time.sleep(rng.random() * 0.01)  # lets the consumers come to wait


class Consumer(Client):
    """Takes jobs one at a time; each command in turn, some of which wait when there is none."""

    def __init__(self, queue, address, ways):
        super().__init__(address)
        self.queue, self.ways = queue, ways
        self.waits = False  # for a reply, which a crash may cut off

    def work(self, connection):
        self.checked(connection, "SELECT", DB)
        while True:
            write = Write(None)
            self.waits = True
            reply = self.checked(connection, *self.queue.rng.choice(self.ways))
            job = reply[1] if isinstance(reply, list) else reply
            if job is not None:
                write.done(int(job))
                self.queue.takes.append(write)
            self.waits = False


class Queue:
    """Jobs that one client pushes and two take: those left are a run without a hole, behind those that were taken. With a
    `done` list the jobs are moved there instead, and both together are all jobs."""

    def __init__(self, rng, name, done=None):
        self.rng, self.name, self.done = rng, name, done
        self.last = name + b":last"
        self.taken_before = self.pushed_before = 0
        self.forget()

    def forget(self):
        self.pushes, self.takes, self.consumers = [], [], []

    def clients(self, address):
        self.forget()
        if self.done:
            moves = [("LMOVE", self.name, self.done, "LEFT", "RIGHT"), ("BLMOVE", self.name, self.done, "LEFT", "RIGHT", 0)]
        else:
            moves = [("LPOP", self.name), ("BLPOP", self.name, 0)]
        self.consumers = [Consumer(self, address, moves) for _ in range(2)]
        return [Producer(self, address), *self.consumers]

    def keys(self):
        return {(DB, name) for name in (self.name, self.last, self.done) if name}

    def read(self, connection):
        """What is left, and how much was pushed and taken. Returns what is wrong with it."""
        assert connection("SELECT", DB) == "OK"
        left = [int(job) for job in connection("LRANGE", self.name, 0, -1)]
        moved = [int(job) for job in connection("LRANGE", self.done, 0, -1)] if self.done else []
        self.pushed = int(connection("GET", self.last) or 0)
        self.taken = left[0] - 1 if left else self.pushed
        wrong = []
        if left != list(range(self.taken + 1, self.pushed + 1)):
            wrong.append("the queue %r has a hole, or not what its transaction says (%d): %s" % (
                self.name, self.pushed, gaps(left)))
        if self.done and moved != list(range(1, self.taken + 1)):
            wrong.append("moved from %r: not 1 to %d but %s" % (self.name, self.taken, gaps(moved)))
        return wrong

    def settle(self):
        self.pushed_before, self.taken_before = self.pushed, self.taken

    def events(self):
        for write in self.pushes:
            yield write.sent, write.acked, write.value <= self.pushed, "push of %r" % write.value
        for write in self.takes:
            yield write.sent, write.acked, write.value <= self.taken, "taking of %r" % write.value

    def lacking(self, _moment):
        return ()

    def judge(self):
        sent = max((write.value for write in self.pushes), default=self.pushed_before)
        got = [write.value for write in self.takes]
        unknown = sum(consumer.waits for consumer in self.consumers)
        wrong = []
        if self.pushed > sent:
            wrong.append("%r holds job %d, and only %d were sent" % (self.name, self.pushed, sent))
        if len(got) != len(set(got)):
            wrong.append("a job of %r was handed to two clients" % self.name)
        if self.taken > max(got, default=self.taken_before) + unknown:
            wrong.append("%r has lost jobs: taken up to %d, but handed out up to %d, and %d unknown" % (
                self.name, self.taken, max(got, default=self.taken_before), unknown))
        return wrong


def gaps(numbers):
    """A list of numbers as its runs."""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join("%d to %d" % tuple(run) for run in runs[:20]) or "nothing"


class Transfer(Client):
    """Moves amounts between accounts, sets three keys to one value, and counts in two databases; each a whole."""

    def __init__(self, bank, number, address):
        super().__init__(address)
        self.bank, self.number = bank, number

    def one(self):
        rng, bank = self.bank.rng, self.bank
        way = rng.randrange(3)
        if way == 0:
            one, other = rng.sample(range(ACCOUNTS), 2)
            amount = rng.randrange(1, 100)
            write = Write(None)
            bank.transfers.append(write)
            return write, [("MULTI",), ("DECRBY", b"account:%d" % one, amount), ("INCR", b"transfers"),
                           ("INCRBY", b"account:%d" % other, amount), ("EXEC",)]
        if way == 1:
            value = b"%d.%d" % (self.number, len(bank.triples)) + b"=" * rng.choice((1, 50, 3000))
            write = Write(value)
            bank.triples.append(write)
            return write, [("MSET", b"one", value, b"two", value, b"three", value)]
        write = Write(None)
        bank.counts.append(write)
        return write, [("MULTI",), ("INCR", b"count"), ("SELECT", OTHER_DB), ("INCR", b"count"), ("SELECT", DB), ("EXEC",)]

    def work(self, connection):
        self.checked(connection, "SELECT", DB)
        while True:
            send_all(connection, [self.one() for _ in range(self.bank.rng.choice((1, 4, 8)))])


class Bank:
    """What several clients change in transactions: the accounts always sum up to nothing, three keys are always equal, and two
    databases have always counted the same."""

    def __init__(self, rng):
        self.rng = rng
        self.before = (0, 0)
        self.forget()

    def forget(self):
        self.transfers, self.triples, self.counts = [], [], []

    def clients(self, address):
        self.forget()
        return [Transfer(self, number, address) for number in range(2)]

    def keys(self):
        names = [b"account:%d" % number for number in range(ACCOUNTS)] + [b"one", b"two", b"three", b"transfers", b"count"]
        return {(DB, name) for name in names} | {(OTHER_DB, b"count")}

    def read(self, connection):
        assert connection("SELECT", DB) == "OK"
        accounts = [int(value or 0) for value in connection("MGET", *(b"account:%d" % n for n in range(ACCOUNTS)))]
        triple = connection("MGET", b"one", b"two", b"three")
        self.moved, here = (int(value or 0) for value in connection("MGET", b"transfers", b"count"))
        assert connection("SELECT", OTHER_DB) == "OK"
        there = int(connection("GET", b"count") or 0)
        self.counted, self.triple = here, triple[0]
        wrong = []
        if sum(accounts) != 0:
            wrong.append("a transfer is half there: the accounts %r sum up to %d" % (accounts, sum(accounts)))
        if len(set(triple)) != 1:
            wrong.append("an MSET is half there: %r" % [value and value[:30] for value in triple])
        if here != there:
            wrong.append("a transaction over two databases is half there: %d and %d" % (here, there))
        return wrong

    def settle(self):
        self.before = (self.moved, self.counted)

    def events(self):
        """Nothing tells which of several clients' transactions are there, only how many: judge() counts them."""
        return ()

    def judge(self):
        wrong = []
        for what, writes, found, before in (("transfers", self.transfers, self.moved, self.before[0]),
                                            ("counts", self.counts, self.counted, self.before[1])):
            if not 0 <= found - before <= len(writes):
                wrong.append("%d %s are there, of %d before and %d sent" % (found, what, before, len(writes)))
        return wrong

    def lacking(self, moment):
        """What was acknowledged by then and is not counted."""
        for what, writes, found, before in (("transfers", self.transfers, self.moved, self.before[0]),
                                            ("counts", self.counts, self.counted, self.before[1])):
            acked = sum(write.acked is not None and write.acked <= moment for write in writes)
            if found - before < acked:
                yield "%d %s were acknowledged in time, %d are there" % (acked, what, found - before)


class TokenSource(Client):
    """Adds tokens that nobody has had before."""

    def __init__(self, tokens, address):
        super().__init__(address)
        self.tokens = tokens

    def work(self, connection):
        self.checked(connection, "SELECT", DB)
        while True:
            writes = []
            for _ in range(self.tokens.rng.choice((1, 4, 16))):
                self.tokens.number += 1
                write = Write(b"token:%d" % self.tokens.number)
                self.tokens.added.append(write)
                writes.append((write, [("SADD", b"tokens", write.value)]))
            send_all(connection, writes)


class TokenTaker(Client):
    """Takes tokens at random, each of which is its alone."""

    def __init__(self, tokens, address):
        super().__init__(address)
        self.tokens = tokens
        self.waits = False

    def work(self, connection):
        self.checked(connection, "SELECT", DB)
        while True:
            write = Write(None)
            self.waits = True
            write.done(self.checked(connection, "SPOP", b"tokens", AT_ONCE))
            self.tokens.taken.append(write)
            self.waits = False


class Tokens:
    """A set that tokens are added to and taken from: none is handed out twice, and none that was taken comes back."""

    def __init__(self, rng):
        self.rng, self.number, self.base = rng, 0, frozenset()
        self.forget()

    def forget(self):
        self.added, self.taken, self.takers = [], [], []

    def clients(self, address):
        self.forget()
        self.takers = [TokenTaker(self, address) for _ in range(2)]
        return [TokenSource(self, address), *self.takers]

    def keys(self):
        return {(DB, b"tokens")}

    def read(self, connection):
        assert connection("SELECT", DB) == "OK"
        self.found = frozenset(connection("SMEMBERS", b"tokens"))
        return []

    def settle(self):
        self.base = self.found

    def events(self):
        """A token that is there was added and not taken; one that was there before and is not was taken."""
        for write in self.added:
            if write.value in self.found:
                yield write.sent, write.acked, True, "adding of %r" % write.value
        for write in self.taken:
            for token in write.value:
                if token in self.found:
                    yield write.sent, write.acked, False, "taking of %r" % token
                elif token in self.base:
                    yield write.sent, write.acked, True, "taking of %r" % token

    def lacking(self, moment):
        """Tokens that are gone and were handed to nobody, but for those in a reply that the crash has cut off."""
        given = {token for write in self.taken for token in write.value}
        added = {write.value for write in self.added if write.acked is not None and write.acked <= moment}
        lost = (self.base | added) - self.found - given
        unknown = AT_ONCE * sum(taker.waits for taker in self.takers)
        if len(lost) > unknown:
            yield "%d tokens are lost, and only %d can have been taken: %r" % (len(lost), unknown, sorted(lost)[:5])

    def judge(self):
        given = [token for write in self.taken for token in write.value]
        known = self.base | {write.value for write in self.added}
        wrong = []
        if len(given) != len(set(given)):
            wrong.append("a token was handed out twice")
        if self.found - known:
            wrong.append("tokens that nobody added: %r" % sorted(self.found - known)[:5])
        return wrong
