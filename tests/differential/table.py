"""The two servers' command tables side by side, as COMMAND tells them.

Clients and proxies route by these rows: arity, flags, key positions, ACL categories. Every command of the enabled
groups has to be there, unless known.NOT_YET names it; rows that Redis 7.2 changed stand in CHANGED.
"""

from typing import List, Mapping, Sequence

from . import known, spec
from .servers import Server

UNBLOCKED = "scripts may run it since Redis 7.2, and it does not block there"

# What (command, field) is in Redis 7.2's table, where that of 7.0 has something else, with the reason.
CHANGED = {
    ("zrank", "arity"): (-3, "the option WITHSCORE"),
    ("zrevrank", "arity"): (-3, "the option WITHSCORE"),
    ("blmove", "flags"): (["blocking", "denyoom", "write"], UNBLOCKED),
    ("blpop", "flags"): (["blocking", "write"], UNBLOCKED),
    ("brpop", "flags"): (["blocking", "write"], UNBLOCKED),
    ("brpoplpush", "flags"): (["blocking", "denyoom", "write"], UNBLOCKED),
    ("bzpopmax", "flags"): (["blocking", "fast", "write"], UNBLOCKED),
    ("bzpopmin", "flags"): (["blocking", "fast", "write"], UNBLOCKED),
    ("wait", "flags"): ([], UNBLOCKED),
}


def compare(oracle: Server, subject: Server, groups: Sequence[str], changed: Mapping = CHANGED) -> List[str]:
    """One line for each difference that nothing names. `changed`: what the subject has otherwise than the oracle."""
    left, right = oracle.connect(), subject.connect()
    theirs, ours = spec.load(left), spec.load_rows(right)
    left.close()
    right.close()
    found: List[str] = []
    for name, command in sorted(theirs.items()):
        if command.group not in groups:
            continue
        if name in ours:
            found += _row(command, ours[name], changed)
        elif not known.matches(name, known.NOT_YET):
            found.append(f"{name}: not known to Ordinal")
    return found


def _row(theirs: spec.Command, ours: spec.Command, changed: Mapping) -> List[str]:
    fields = [
        ("arity", theirs.arity, ours.arity),
        ("flags", sorted(theirs.flags), sorted(ours.flags)),
        ("keys", theirs.keys, ours.keys),
        ("categories", sorted(theirs.categories), sorted(ours.categories)),
    ]
    found = []
    for field, redis, here in fields:
        wanted = changed.get((theirs.name, field), (redis, ""))[0]
        if here != wanted:
            found.append(f"{theirs.name}: {field} is {here} here, {wanted} in redis")
    return found
