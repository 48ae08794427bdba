"""The command table that the generator works from: what a server says of itself in COMMAND and COMMAND DOCS.

A container's subcommands are commands of their own here ("client|list"), since each has its own arity and
arguments. The container itself stays in the table when it can be called alone (COMMAND).
"""

from dataclasses import dataclass, field
from typing import Dict, List, Tuple

from .resp import Connection, Reply


@dataclass
class Argument:
    """One node of a command's argument tree, as in COMMAND DOCS."""

    name: str
    type: str
    token: str = ""
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    children: List["Argument"] = field(default_factory=list)


@dataclass
class Command:
    """A command or subcommand: `words` are what a client sends first, in capitals."""

    name: str
    group: str
    arity: int
    flags: frozenset
    categories: frozenset
    keys: Tuple[int, int, int]
    arguments: List[Argument] = field(default_factory=list)

    @property
    def words(self) -> List[bytes]:
        return [word.upper().encode() for word in self.name.split("|")]


def as_dict(reply: Reply) -> Dict[str, Reply]:
    """A map reply, or a flat array of pairs, by its keys."""
    items = reply.value if isinstance(reply.value, list) else []
    return {items[i].text().decode(): items[i + 1] for i in range(0, len(items) - 1, 2)}


def _words(reply: Reply) -> frozenset:
    return frozenset(item.text().decode() for item in reply.value or [])


def _argument(reply: Reply) -> Argument:
    found = as_dict(reply)
    flags = _words(found["flags"]) if "flags" in found else frozenset()
    return Argument(
        name=found["name"].text().decode(),
        type=found["type"].text().decode(),
        token=found["token"].text().decode() if "token" in found else "",
        optional="optional" in flags,
        multiple="multiple" in flags,
        multiple_token="multiple_token" in flags,
        children=[_argument(child) for child in (found["arguments"].value if "arguments" in found else [])],
    )


def _rows(reply: Reply):
    """Every row of a COMMAND reply, the subcommands' rows after their container's."""
    for row in reply.value:
        if not isinstance(row.value, list):
            continue
        yield row.value
        if len(row.value) > 9 and isinstance(row.value[9].value, list):
            yield from _rows(row.value[9])


def _documents(reply: Reply):
    """(name, document) of every command and subcommand in a COMMAND DOCS reply."""
    for name, document in as_dict(reply).items():
        found = as_dict(document)
        yield name, found
        if "subcommands" in found:
            yield from _documents(found["subcommands"])


def load_rows(connection: Connection) -> Dict[str, Command]:
    """The table by lower-case name, with no arguments: all that COMMAND alone tells."""
    table = {}
    for row in _rows(connection.call("COMMAND")):
        name = row[0].text().decode().lower()
        table[name] = Command(
            name=name,
            group="",
            arity=row[1].integer() or 0,
            flags=_words(row[2]),
            categories=_words(row[6]) if len(row) > 6 else frozenset(),
            keys=tuple(int(row[i].integer() or 0) for i in (3, 4, 5)),
        )
    return table


def load(connection: Connection) -> Dict[str, Command]:
    """The whole table, with groups and argument trees."""
    table = load_rows(connection)
    for name, document in _documents(connection.call("COMMAND", "DOCS")):
        command = table.get(name.lower())
        if command is None:
            continue
        command.group = document["group"].text().decode() if "group" in document else ""
        if "arguments" in document:
            command.arguments = [_argument(child) for child in document["arguments"].value]
    return table


def containers(table: Dict[str, Command]) -> frozenset:
    """Names of commands that are only there for their subcommands."""
    return frozenset(name.split("|")[0] for name in table if "|" in name)
