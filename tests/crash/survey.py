"""Reads keys back from a server, in the form in which writer.py keeps them."""

from harness.resp import Error, encode
from history import GONE, Bag, State, fingerprint_of, now_ms
from writer import element, range_fingerprint

READ = {b"l": ("LRANGE", 0, -1), b"L": ("LRANGE", 0, -1), b"h": ("HGETALL",), b"x": ("HGETALL",), b"H": ("HGETALL",),
        b"t": ("SMEMBERS",), b"T": ("SMEMBERS",), b"z": ("ZRANGE", 0, -1, "WITHSCORES"),
        b"Z": ("ZRANGE", 0, -1, "WITHSCORES")}
AT_ONCE = 300


def ask_all(connection, commands):
    """The replies to many commands, sent some hundreds at a time."""
    replies = []
    for start in range(0, len(commands), AT_ONCE):
        part = commands[start : start + AT_ONCE]
        connection.send(b"".join(encode(*command) for command in part))
        replies += [connection.read() for _ in part]
    return replies


def value_of(name, reply):
    """A reply as a model's value; None for a key that does not exist."""
    kind = name[:1]
    if isinstance(reply, Error):
        return b"?" + reply.encode()  # a key of another type than its name says: no state looks like this
    if not reply:
        return None
    if kind == b"L":
        first = int(reply[0][:12]) if reply[0][:12].isdigit() else 0
        whole = all(item == element(first + place) for place, item in enumerate(reply))
        return (first, first + len(reply) - 1) if whole else list(reply)
    if kind in b"tT":
        return Bag("set", dict.fromkeys(reply))
    if kind in b"hHxzZ":
        return Bag("zset" if kind in b"zZ" else "hash", zip(reply[::2], reply[1::2]))
    return reply


def read_field_deadlines(connection, name, bag):
    """Puts (value, deadline) in place of each value."""
    fields = list(bag.items)
    deadlines = connection("HPEXPIRETIME", name, "FIELDS", len(fields), *fields)
    for field, deadline in zip(fields, deadlines):
        bag.put(field, (bag.items[field], deadline if deadline >= 0 else None))


def read_keys(connection, keys):
    """{key: (value, deadline)} of those that exist; a key is (database, name)."""
    found = {}
    for db in sorted({db for db, _ in keys}):
        assert connection("SELECT", db) == "OK"
        names = [name for key_db, name in keys if key_db == db]
        commands = []
        for name in names:
            read = READ.get(name[:1], ("GET",))
            commands += [(read[0], name, *read[1:]), ("PEXPIRETIME", name)]
        replies = ask_all(connection, commands)
        for place, name in enumerate(names):
            value, deadline = value_of(name, replies[2 * place]), replies[2 * place + 1]
            if value is None:
                continue
            if name[:1] == b"x" and isinstance(value, Bag):
                read_field_deadlines(connection, name, value)
            found[db, name] = (value, deadline if deadline > 0 else None)
    return found


def as_states(found):
    """The same as states, for a history to compare."""
    states = {}
    for key, (value, deadline) in found.items():
        fingerprint = range_fingerprint(*value) if isinstance(value, tuple) else fingerprint_of(value)
        states[key] = State(fingerprint, deadline) if fingerprint is not None else GONE
    return states


def observe(connection, keys):
    """(what the keys hold, as values; as states; when reading began; when it ended), times in Unix milliseconds."""
    began = now_ms()
    found = read_keys(connection, keys)
    return found, as_states(found), began, now_ms()


def all_names(connection, databases):
    """Every key of these databases."""
    names = set()
    for db in databases:
        assert connection("SELECT", db) == "OK"
        names |= {(db, name) for name in connection("KEYS", "*")}
    return names
