"""The whole keyspace of two servers side by side: every key's type, value, deadline and payload.

Values are read with the plain reading command of their type, so that a server that stores a value in another
form but answers the same is the same. Payloads are proved in both directions: what one server dumps, the other
restores, and dumps a value equal to its own.
"""

from typing import Dict, List, NamedTuple, Optional

from . import payload
from .resp import Connection, Reply, quote, show

DATABASES = 16
DEADLINE_TOLERANCE_MS = 5000
OLDEST_RDB_VERSION = 10
TEMPORARY = b"\x00differential\x00restored"

READERS = {
    b"string": (b"GET",),
    b"list": (b"LRANGE", 0, -1),
    b"set": (b"SMEMBERS",),
    b"hash": (b"HGETALL",),
    b"zset": (b"ZRANGE", 0, -1, b"WITHSCORES"),
    b"stream": (b"XRANGE", b"-", b"+"),
}


class Mismatch(NamedTuple):
    what: str
    oracle: str
    subject: str


class Item(NamedTuple):
    type: bytes
    value: object
    deadline: int
    payload: bytes


def ask(connection: Connection, commands) -> List[Reply]:
    """The replies to `commands`, sent at once."""
    if not commands:
        return []
    connection.send(commands)
    return [framed.reply for framed in connection.read(len(commands))]


def reader(key: bytes, kind: bytes):
    words = READERS.get(kind, (b"TYPE",))
    return (words[0], key) + words[1:]


def canonical(kind: bytes, reply: Reply) -> object:
    """A value that compares equal whatever order its elements have no order in."""
    if kind == b"set":
        return sorted(item.text() for item in reply.value or [])
    if kind == b"hash":
        items = [item.text() for item in reply.value or []]
        return sorted(zip(items[::2], items[1::2]))
    if kind == b"zset":
        items = [item.text() for item in reply.value or []]
        return [(member, float(score)) for member, score in zip(items[::2], items[1::2])]
    return reply


def read(connection: Connection) -> Dict[bytes, Item]:
    """The keys of the connection's database."""
    keys = sorted(item.text() for item in connection.call("KEYS", "*").value)
    types = [reply.text() for reply in ask(connection, [("TYPE", key) for key in keys])]
    values = ask(connection, [reader(key, kind) for key, kind in zip(keys, types)])
    deadlines = ask(connection, [("PEXPIRETIME", key) for key in keys])
    payloads = ask(connection, [("DUMP", key) for key in keys])
    rows = zip(keys, types, values, deadlines, payloads)
    return {key: Item(t, canonical(t, v), d.integer() or 0, p.text()) for key, t, v, d, p in rows}


def scanned(connection: Connection) -> List[bytes]:
    """What a whole iteration of SCAN returns, bounded in case it never ends."""
    cursor, keys = b"0", []
    for _ in range(100000):
        reply = connection.call("SCAN", cursor, "COUNT", 1000)
        cursor = reply.value[0].text()
        keys += [item.text() for item in reply.value[1].value]
        if cursor == b"0":
            return sorted(set(keys))
    return []


def compare(oracle: Connection, subject: Connection) -> Optional[Mismatch]:
    """The first mismatch of any database. The connections end on database 0, with the keyspaces as they were."""
    found = None
    for database in range(DATABASES):
        for connection in (oracle, subject):
            connection.call("SELECT", database)
        found = found or _compare_database(database, oracle, subject)
    for connection in (oracle, subject):
        connection.call("SELECT", 0)
    return found


def _compare_database(database: int, oracle: Connection, subject: Connection) -> Optional[Mismatch]:
    a, b = read(oracle), read(subject)
    where = f"database {database}"
    if list(a) != list(b):
        return Mismatch(f"keys of {where}", _names(set(a) - set(b)), _names(set(b) - set(a)))
    if scanned(subject) != list(b):
        return Mismatch(f"SCAN over {where}", _names(b), _names(scanned(subject)))
    for key in a:
        found = _compare_item(f"{where}, key {quote(key)}", a[key], b[key])
        if found is not None:
            return found
    return _compare_payloads(where, a, b, oracle, subject)


def _names(keys) -> str:
    return "[" + " ".join(quote(key) for key in sorted(keys)) + "]"


def _compare_item(where: str, a: Item, b: Item) -> Optional[Mismatch]:
    if a.type != b.type:
        return Mismatch(f"type of {where}", a.type.decode(), b.type.decode())
    if a.value != b.value:
        return Mismatch(f"value of {where}", _shown(a.value), _shown(b.value))
    both = a.deadline > 0 and b.deadline > 0
    if a.deadline != b.deadline and not (both and abs(a.deadline - b.deadline) <= DEADLINE_TOLERANCE_MS):
        return Mismatch(f"deadline of {where}", str(a.deadline), str(b.deadline))
    return None


def _shown(value: object) -> str:
    return show(value) if isinstance(value, Reply) else repr(value)


def _compare_payloads(where: str, a, b, oracle: Connection, subject: Connection) -> Optional[Mismatch]:
    for source, target, items in (("oracle", subject, a), ("subject", oracle, b)):
        for key, item in items.items():
            reply, value = _restored(target, item)
            if reply.text() != b"OK" or value != item.value:
                what = f"RESTORE of the {source}'s payload of {where}, key {quote(key)}: {item.payload[:60]!r}"
                return Mismatch(what, _shown(item.value), f"{show(reply)} {_shown(value)}")
    return None


def _restored(target: Connection, item: Item):
    """(reply to RESTORE, the value then read) of an item's payload in another server."""
    data = item.payload
    if payload.is_intact(data) and payload.version(data) > OLDEST_RDB_VERSION:
        data = payload.with_version(data, OLDEST_RDB_VERSION)
    commands = [("RESTORE", TEMPORARY, 0, data, "REPLACE"), reader(TEMPORARY, item.type), ("DEL", TEMPORARY)]
    reply, value, _ = ask(target, commands)
    return reply, canonical(item.type, value)
