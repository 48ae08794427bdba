"""RESP2 and RESP3 on the wire: requests out, replies in, nothing interpreted on the way.

A client library would hide exactly what these tests compare (`$-1` against `_`, `+OK` against `$2\\r\\nOK`,
a map against a flat array), so this codec keeps every reply twice: the bytes as they came, and a tree of
`Reply` for the few comparisons that look inside.

Source: RESP protocol description, redis.io/docs/reference/protocol-spec.
"""

import socket
import time
from typing import List, NamedTuple, Sequence, Union

Arg = Union[bytes, str, int]


class Reply(NamedTuple):
    """One reply. `kind` is its first byte; `value` is bytes, a list of Reply, or None for a null."""

    kind: bytes
    value: Union[bytes, list, None]

    def is_error(self) -> bool:
        return self.kind in (b"-", b"!")

    def text(self) -> bytes:
        """The reply's bytes, empty for nulls and aggregates."""
        return self.value if isinstance(self.value, bytes) else b""

    def integer(self) -> Union[int, None]:
        """The value of an integer reply, None for any other."""
        return int(self.value) if self.kind == b":" else None


class Framed(NamedTuple):
    """A reply together with its bytes on the wire."""

    raw: bytes
    reply: Reply


class Malformed(Exception):
    """The bytes are not RESP."""


class Incomplete(Exception):
    """More bytes are needed."""


def to_bytes(arg: Arg) -> bytes:
    if isinstance(arg, bytes):
        return arg
    return str(arg).encode()


def encode(args: Sequence[Arg]) -> bytes:
    """A command as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = to_bytes(arg)
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2}
LINES = (b"+", b"-", b":", b",", b"(", b"#")
BLOBS = (b"$", b"!", b"=")


def parse(buf: bytes, pos: int = 0):
    """(Reply, position after it) for the reply at `pos`. Raises Incomplete or Malformed."""
    end = buf.find(b"\r\n", pos)
    if end < 0:
        raise Incomplete
    kind, line, pos = bytes(buf[pos : pos + 1]), bytes(buf[pos + 1 : end]), end + 2
    if kind in LINES:
        return Reply(kind, line), pos
    if kind == b"_":
        return Reply(kind, None), pos
    if kind in BLOBS:
        return _parse_blob(buf, pos, kind, line)
    if kind in AGGREGATES:
        return _parse_aggregate(buf, pos, kind, line)
    raise Malformed(bytes(buf[max(0, pos - 40) : pos + 40]))


def _length(line: bytes) -> int:
    try:
        return int(line)
    except ValueError:
        raise Malformed(line) from None


def _parse_blob(buf, pos, kind, line):
    length = _length(line)
    if length < 0:
        return Reply(kind, None), pos
    if len(buf) < pos + length + 2:
        raise Incomplete
    if buf[pos + length : pos + length + 2] != b"\r\n":
        raise Malformed(bytes(buf[pos + length : pos + length + 20]))
    return Reply(kind, bytes(buf[pos : pos + length])), pos + length + 2


def _parse_aggregate(buf, pos, kind, line):
    length = _length(line)
    if length < 0:
        return Reply(kind, None), pos
    items: List[Reply] = []
    for _ in range(length * AGGREGATES[kind]):
        item, pos = parse(buf, pos)
        items.append(item)
    return Reply(kind, items), pos


class Closed(Exception):
    """The server closed the connection; `replies` are those that came before."""

    def __init__(self, replies):
        super().__init__("connection closed by the server")
        self.replies = replies


class Silent(Exception):
    """The server sent nothing for too long; `replies` are those that came before."""

    def __init__(self, replies, seconds):
        super().__init__(f"no reply within {seconds} s")
        self.replies = replies


class Connection:
    """One client connection. Push messages (RESP3 `>`) are kept apart in `pushes`, unless they count as replies."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 15.0):
        self.timeout = timeout
        self.pushes_count = False
        self.pushes: List[Framed] = []
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buf = bytearray()

    def close(self) -> None:
        self.sock.close()

    def send_raw(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # reading tells the caller, and gives the replies that came before

    def send(self, commands: Sequence[Sequence[Arg]]) -> None:
        self.send_raw(b"".join(encode(command) for command in commands))

    def read(self, count: int) -> List[Framed]:
        """`count` replies; Closed or Silent carry those that came when fewer did."""
        replies: List[Framed] = []
        deadline = time.monotonic() + self.timeout
        while len(replies) < count:
            framed = self._next(replies, deadline)
            if framed.reply.kind == b">" and not self.pushes_count:
                self.pushes.append(framed)
            else:
                replies.append(framed)
        return replies

    def read_until(self, last: bytes, limit: int = 100000) -> List[Framed]:
        """Replies up to, and without, the bulk string `last`; Closed or Silent as in read()."""
        replies: List[Framed] = []
        deadline = time.monotonic() + self.timeout
        while len(replies) < limit:
            framed = self._next(replies, deadline)
            if framed.reply.kind == b"$" and framed.reply.value == last:
                break
            replies.append(framed)
        return replies

    def _next(self, replies, deadline) -> Framed:
        while True:
            try:
                reply, used = parse(self._buf)
            except Incomplete:
                self._fill(replies, deadline)
                continue
            raw = bytes(self._buf[:used])
            del self._buf[:used]
            return Framed(raw, reply)

    def _fill(self, replies, deadline) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Silent(replies, self.timeout)
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(1 << 16)
        except socket.timeout:
            raise Silent(replies, self.timeout) from None
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(replies)
        self._buf += data

    def call(self, *args: Arg) -> Reply:
        """One command, one reply."""
        self.send([args])
        return self.read(1)[0].reply


def quote(arg: Arg) -> str:
    """One argument as redis-cli reads it: bare where that is safe, else in double quotes."""
    data = to_bytes(arg)
    if data and all(33 <= c < 127 and c not in b"\"'\\#" for c in data):
        return data.decode()
    named = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(named.get(c) or (chr(c) if 32 <= c < 127 else f"\\x{c:02x}") for c in data) + '"'


def command_line(args: Sequence[Arg], limit: int = 0) -> str:
    """A command as a redis-cli line; arguments longer than `limit` are shortened when it is not 0."""
    words = []
    for arg in args:
        word = quote(arg)
        if limit and len(word) > limit:
            word = f"{word[:limit]}…({len(to_bytes(arg))} bytes)"
        words.append(word)
    return " ".join(words)


def printable(data: bytes) -> str:
    """A line for people: what cannot be printed is escaped."""
    return "".join(chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in data)


def show(reply: Reply, depth: int = 0) -> str:
    """A reply for people, with its type bytes."""
    mark = reply.kind.decode()
    if reply.value is None:
        return f"{mark}nil"
    if isinstance(reply.value, bytes):
        body = quote(reply.value) if reply.kind in BLOBS else printable(reply.value)
        return f"{mark}{body if len(body) <= 400 else f'{body[:300]}…{body[-60:]}({len(reply.value)} bytes)'}"
    if depth > 4:
        return f"{mark}[…]"
    inner = ", ".join(show(item, depth + 1) for item in reply.value[:40])
    more = ", …" if len(reply.value) > 40 else ""
    return f"{mark}[{inner}{more}]"
