"""A client of RESP2, for programs that count what happens to their commands."""

import socket


class ReplyError(Exception):
    """What the server answered with a minus."""


class Client:
    """One connection. Whatever goes wrong with it is an OSError."""

    def __init__(self, host, password, seconds):
        self.socket = socket.create_connection((host, 6379), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        if password:
            self("AUTH", password)

    def close(self):
        self.input.close()
        self.socket.close()

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.read()

    def read(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.input.read(size + 2)[:-2]
        return [self.read() for _ in range(int(rest))]
