"""A RESP connection for tests: it sends what it is told, valid or not, and shows replies as they came.

An ordinary client library repairs, retries and converts, which is just what a protocol test must not do. Replies
keep their kind: a simple string is a str, a bulk string is bytes, an error is an Error, a RESP3 map is a dict, and so
on, so that `== "OK"` and `== b"OK"` differ. Works with RESP2 and RESP3.
"""

import os
import socket

# A reply that takes longer has not come. Sanitizer builds are several times slower.
TIMEOUT = float(os.environ.get("ORDINAL_TEST_TIMEOUT", "60" if "build/" in os.environ.get("ORDINAL", "") else "20"))


class Error(str):
    """An error reply: the text behind the minus sign, code included."""

    __slots__ = ()

    @property
    def code(self):
        return self.split(" ", 1)[0]


class Push(list):
    """A RESP3 push message."""


class Set(list):
    """A RESP3 set, in the order in which it came."""


class Verbatim(bytes):
    """A RESP3 verbatim string, its format prefix ("txt:") included."""


class Closed(Exception):
    """The server closed the connection where a reply was expected."""


def encode(*args):
    """A command as an array of bulk strings; numbers and str are converted."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, str):
            arg = arg.encode()
        elif isinstance(arg, (int, float)):
            arg = repr(arg).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(arg), arg))
    return b"".join(parts)


def hashable(value):
    """A reply as a dictionary's key: lists become tuples."""
    return tuple(hashable(item) for item in value) if isinstance(value, list) else value


class Connection:
    """A blocking socket with a reply parser. Every read has a timeout, so no test waits for ever."""

    def __init__(self, address, timeout=TIMEOUT, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else None
        if family is not None:
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(address)
            if family != socket.AF_UNIX:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.sock.close()
            raise
        self.buffer = b""
        self.position = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def shutdown_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    def __call__(self, *args):
        """Sends one command and returns its reply."""
        self.send(encode(*args))
        return self.read()

    def ask(self, line):
        """As redis-cli: a line of words, and its reply."""
        return self(*line.split())

    def pipeline(self, commands):
        """Sends all commands at once and returns their replies in order."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def _more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Closed("connection closed by the server, unread: %r" % self.buffer[self.position :][:80])
        self.buffer = self.buffer[self.position :] + data
        self.position = 0

    def _line(self):
        while True:
            end = self.buffer.find(b"\r\n", self.position)
            if end >= 0:
                line = self.buffer[self.position : end]
                self.position = end + 2
                return line
            self._more()

    def _exactly(self, size):
        parts = [self.buffer[self.position : self.position + size]]
        have = len(parts[0])
        self.position += have
        while have < size:
            data = self.sock.recv(min(size - have, 1 << 20))
            if not data:
                raise Closed("connection closed inside a bulk string of %d bytes" % size)
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def _bulk(self, line):
        size = int(line)
        if size < 0:
            return None
        data = self._exactly(size + 2)
        assert data.endswith(b"\r\n"), "a bulk string of %d bytes does not end in CR LF" % size
        return data[:-2]

    def read(self):
        """The next reply. Raises Closed at the end of the stream."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("latin-1")
        if kind == b"-":
            return Error(rest.decode("latin-1"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(rest)
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        return self._read_resp3(kind, rest)

    def _read_resp3(self, kind, rest):
        if kind == b"_":
            return None
        if kind == b"#":
            return {b"t": True, b"f": False}[rest]
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return int(rest)
        if kind == b"%":
            return {hashable(self.read()): self.read() for _ in range(int(rest))}
        if kind == b"~":
            return Set(self.read() for _ in range(int(rest)))
        if kind == b">":
            return Push(self.read() for _ in range(int(rest)))
        if kind == b"=":
            return Verbatim(self._bulk(rest))
        if kind == b"!":
            return Error(self._bulk(rest).decode("latin-1"))
        raise AssertionError("unknown reply type %r in %r" % (kind, rest[:80]))

    def raw(self, size):
        """The next `size` bytes, unparsed."""
        return self._exactly(size)

    def until_closed(self):
        """All bytes up to the end of the stream; fails by timeout when the server does not close."""
        data = self.buffer[self.position :]
        self.buffer, self.position = b"", 0
        while True:
            try:
                more = self.sock.recv(1 << 16)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def is_quiet(self, seconds=0.05):
        """Whether nothing arrives for so long: for what must not be answered."""
        if self.position < len(self.buffer):
            return False
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self._more()
            return False
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(timeout)
