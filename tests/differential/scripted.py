"""Hand-written sequences, compared like the random ones: the corners that chance finds late or never.

A file in scripts/ holds cases, one command a line in redis-cli's quoting:

    == name of the case            every case starts from an empty keyspace, with no client connected
    SET a "x"*1000                 a quoted string may be repeated
    @2 GET a                       from client 2 (they come into being as they are named; without @ it is client 1)
    SEND CLIENT REPLY OFF          sent, and no reply waited for
    RAW 1 "*1\\r\\n$4\\r\\nPING\\r\\n"   bytes as they are, then this many replies
    RAW closed "*1\\r\\n+"           bytes as they are, then replies until the server closes the connection
    READ 1                         this many replies more (in RESP3 a push counts as one)
    # comment
"""

import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from .compare import Client, Comparison
from .resp import Closed, Framed, Malformed, Silent, encode, show
from .servers import Server
from .spec import containers, load_rows


class Line(NamedTuple):
    """One line of a case: `data` goes to `client`, then `replies` come back (-1: until it is closed)."""

    number: int
    source: str
    client: int
    data: bytes
    replies: int
    args: Tuple[bytes, ...]


class Case(NamedTuple):
    name: str
    lines: List[Line]


ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b", "0": b"\0"}
WORD = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+?))(?:\*(\d+))?(?=\s|$)', re.DOTALL)
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)


def unescape(text: str) -> bytes:
    """The bytes of a double-quoted string."""
    out, at = b"", 0
    for found in ESCAPE.finditer(text):
        out += text[at : found.start()].encode()
        code = found.group(1)
        out += bytes([int(code[1:], 16)]) if len(code) == 3 else ESCAPES.get(code) or code.encode()
        at = found.end()
    return out + text[at:].encode()


def split(line: str) -> Tuple[bytes, ...]:
    """A line's words; ValueError if its quotes do not match."""
    words, at, line = [], 0, line.strip()
    while at < len(line):
        found = WORD.match(line, at)
        if found is None:
            raise ValueError(f"cannot read: {line[at:]}")
        double, single, bare, times = found.groups()
        if bare is not None:
            words.append((bare + (f"*{times}" if times else "")).encode())
        else:
            word = unescape(double) if double is not None else single.replace("\\'", "'").encode()
            words.append(word * int(times or 1))
        at = found.end()
    return tuple(words)


def parse_line(number: int, source: str) -> Line:
    text, client = source.strip(), 1
    if text.startswith("@"):
        head, text = text.split(None, 1)
        client = int(head[1:])
    words = split(text)
    if words[0] == b"RAW":
        replies = -1 if words[1] == b"closed" else int(words[1])
        return Line(number, source, client, b"".join(words[2:]), replies, ())
    if words[0] == b"READ":
        return Line(number, source, client, b"", int(words[1]), ())
    if words[0] == b"SEND":
        return Line(number, source, client, encode(words[1:]), 0, words[1:])
    return Line(number, source, client, encode(words), 1, words)


def load(path: Path) -> List[Case]:
    """The cases of a file."""
    cases: List[Case] = []
    for number, source in enumerate(path.read_text().splitlines(), 1):
        text = source.strip()
        if text.startswith("== "):
            cases.append(Case(text[3:], []))
        elif text and not text.startswith("#"):
            if not cases:
                raise ValueError(f"{path}:{number}: a command before the first case")
            try:
                cases[-1].lines.append(parse_line(number, text))
            except (ValueError, IndexError) as error:
                raise ValueError(f"{path}:{number}: {error}") from None
    return cases


def _answers(client: Client, line: Line) -> Tuple[List[Framed], str]:
    """What one server answers to a line, and how it ended."""
    if line.replies >= 0:
        return client.read(line.replies)
    if client.connection is None:
        return [], "no connection"
    try:
        client.connection.read(1 << 30)
    except Closed as end:
        replies, ended = end.replies, "connection closed"
    except (Silent, Malformed) as end:
        replies, ended = getattr(end, "replies", []), f"not closed: {end}"
    client.drop()
    return replies, ended


def container_names(oracle: Server) -> frozenset:
    """The oracle's container commands."""
    connection = oracle.connect()
    found = containers(load_rows(connection))
    connection.close()
    return found


def compare(case: Case, oracle: Server, subject: Server, timeout: float = 10.0) -> Optional[str]:
    """Every difference of a case as text, None if there is none. Goes on after a difference in a reply."""
    comparison = Comparison(oracle, subject, container_names(oracle), timeout, pushes_count=True)
    try:
        comparison.reset()
        found = [text for line in case.lines for text in _compare_line(comparison, line)]
        difference = comparison.compare_keyspaces(len(case.lines))
    finally:
        comparison.reset()
        comparison.close()
    if difference is not None:
        found.append(f"  {difference.line}\n    redis:   {difference.oracle}\n    ordinal: {difference.subject}")
    return "\n".join(found) or None


def _compare_line(comparison: Comparison, line: Line) -> List[str]:
    clients = comparison.pair(line.client)
    for client in clients:
        client.send(line.data)
    (left, left_ended), (right, right_ended) = (_answers(client, line) for client in clients)
    same = (
        left_ended == right_ended
        and len(left) == len(right)
        and all(comparison.same(line.args, a, b, line.client) for a, b in zip(left, right))
    )
    if same:
        return []
    return [
        f"  line {line.number}: {line.source[:200]}\n"
        f"    redis:   {_shown(left, left_ended)}\n"
        f"    ordinal: {_shown(right, right_ended)}"
    ]


def _shown(replies: List[Framed], ended: str) -> str:
    return "; ".join([show(framed.reply) for framed in replies] + ([ended] if ended else []))
