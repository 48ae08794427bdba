"""What a server holds, as plain data: to be kept beside a sample file, or compared between two servers.

`contents(connection)` gives a dictionary: "database:key" to the type, the value in an order of its own, the deadline, and the
deadlines of a hash's fields. Texts are latin-1, so that any bytes are text. Streams are left out.
"""

from .resp import Error


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def pairs(flat):
    return [[flat[i], flat[i + 1]] for i in range(0, len(flat), 2)]


def field_deadlines(ask, key, fields):
    """Deadlines of those fields that have one; {} where the server knows none."""
    times = ask("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
    if isinstance(times, Error):
        return {}
    return {text(field): time for field, time in zip(fields, times) if time >= 0}


def value_of(ask, kind, key):
    if kind == "string":
        return text(ask("GET", key))
    if kind == "list":
        return [text(item) for item in ask("LRANGE", key, 0, -1)]
    if kind == "set":
        return sorted(text(item) for item in ask("SMEMBERS", key))
    if kind == "zset":
        return [[text(member), float(score)] for member, score in pairs(ask("ZRANGE", key, 0, -1, "WITHSCORES"))]
    assert kind == "hash", kind
    return sorted([text(field), text(value)] for field, value in pairs(ask("HGETALL", key)))


def contents(ask, databases=16):
    found = {}
    for db in range(databases):
        assert ask("SELECT", db) == "OK"
        for key in ask("KEYS", "*"):
            kind = text(ask("TYPE", key))
            if kind == "stream":
                continue
            value = value_of(ask, kind, key)
            about = {"type": kind, "value": value, "deadline": ask("PEXPIRETIME", key)}
            if kind == "hash":
                about["fields"] = field_deadlines(ask, key, [field.encode("latin-1") for field, _ in value])
            found["%d:%s" % (db, text(key))] = about
    ask("SELECT", 0)
    return found
