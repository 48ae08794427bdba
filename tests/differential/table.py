"""The two servers' command tables side by side, as COMMAND tells them.

Clients and proxies route by these rows: arity, flags, key positions, ACL categories. Every command of the enabled
groups has to be there, unless known.NOT_YET names it; rows that Redis 7.2 changed stand in CHANGED.
"""

from typing import List, Sequence

from . import known, spec
from .servers import Server

# (command, field) that differ between Redis 7.0 and 7.2, or by Ordinal's design, with the reason.
CHANGED = {
    ("zrank", "arity"): "the option WITHSCORE",
    ("zrevrank", "arity"): "the option WITHSCORE",
    ("blmove", "flags"): "allowed in scripts, where it does not block",
    ("blpop", "flags"): "allowed in scripts, where it does not block",
    ("brpop", "flags"): "allowed in scripts, where it does not block",
    ("brpoplpush", "flags"): "allowed in scripts, where it does not block",
}


def compare(oracle: Server, subject: Server, groups: Sequence[str]) -> List[str]:
    """One line for each difference that nothing names."""
    left, right = oracle.connect(), subject.connect()
    theirs, ours = spec.load(left), spec.load_rows(right)
    left.close()
    right.close()
    found: List[str] = []
    for name, command in sorted(theirs.items()):
        if command.group not in groups:
            continue
        if name in ours:
            found += _row(command, ours[name])
        elif not known.matches(name, known.NOT_YET):
            found.append(f"{name}: not known to Ordinal")
    return found


def _row(theirs: spec.Command, ours: spec.Command) -> List[str]:
    fields = [
        ("arity", theirs.arity, ours.arity),
        ("flags", sorted(theirs.flags), sorted(ours.flags)),
        ("keys", theirs.keys, ours.keys),
        ("categories", sorted(theirs.categories), sorted(ours.categories)),
    ]
    return [
        f"{theirs.name}: {field} is {b} here, {a} in redis"
        for field, a, b in fields
        if a != b and (theirs.name, field) not in CHANGED
    ]
