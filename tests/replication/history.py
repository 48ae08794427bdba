"""What happened in a round, as plain data: what clients asked and were told (load/client.h has the form of a line), and which losses the
faults excuse. Times are CLOCK_MONOTONIC in nanoseconds, of one machine."""

from typing import NamedTuple

SECOND = 1_000_000_000
NEVER = -1 << 62
DONE, NIL, REFUSED, UNKNOWN = "+", "0", "!", "?"
GAVE_UP = "gave_up"  # the value of an operation whose client had no more patience
LAST_LOOK = -1  # the client that reads everything at every node when all is over


class Record(NamedTuple):
    """One operation of a client. `sent` is before, `replied` after all that it did."""

    client: int
    kind: str
    node: int
    key: str
    argument: str
    sent: int
    replied: int
    outcome: str
    value: str

    @property
    def answered(self):
        return self.outcome in (DONE, NIL)

    @property
    def number(self):
        """The number that was read or reached; 0 for nil. The value of a signed write is NUMBER:RUN_ID."""
        return int(self.value.partition(":")[0]) if self.outcome == DONE else 0


class Loss(NamedTuple):
    """Writes acknowledged in since … ended may be gone for whoever reads after `began`: no promise covers them, because of `why`."""

    since: int
    began: int
    ended: int
    why: str

    def excuses(self, acknowledged, read):
        return self.since <= acknowledged <= self.ended and self.began <= read


class Outage(NamedTuple):
    """A node was being restarted by SIGTERM, for its own part."""

    node: int
    began: int
    ended: int


class History:
    """`population` keys were written before the first fault, by `populated` (a time)."""

    def __init__(self, records, losses=(), population=0, populated=NEVER, outages=()):
        self.records = list(records)
        self.losses = sorted(losses, key=lambda loss: loss.began)
        self.population, self.populated = population, populated
        self.outages = list(outages)

    def of_kind(self, *kinds):
        return [record for record in self.records if record.kind in kinds]

    def excused(self, acknowledged, read):
        """Whether what was acknowledged then may be gone for who has read (has had the reply) at the other time."""
        return any(loss.excuses(acknowledged, read) for loss in self.losses)


def parse(line):
    client, kind, node, key, argument, sent, replied, outcome, value = line.split(" ")
    return Record(int(client), kind, int(node), key, argument, int(sent), int(replied), outcome, value)


def read_file(path):
    """The records of a file of the load's."""
    with open(path, encoding="latin-1") as lines:
        return [parse(line.rstrip("\n")) for line in lines]


def by_key(records):
    keys = {}
    for record in records:
        keys.setdefault(record.key, []).append(record)
    return keys
