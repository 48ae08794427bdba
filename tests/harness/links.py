"""Between a replica and its master: a wire that is cut where a test says, and a master of which every byte is the test's."""

import socket
import threading

from .resp import encode

EMPTY_RDB = bytes.fromhex("524544495330303131ff") + bytes(8)  # a checksum of 0 is none


def _end(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


class _Listener:
    """Accepts on a port of its own; each connection is a thread that runs `serve`."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.accepted = 0
        self.lock = threading.Condition()
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.cut()

    def cut(self):
        """Cuts what is connected now."""
        with self.lock:
            cut, self.open = self.open, []
        for sock in cut:
            _end(sock)

    def wait_accepted(self, count, seconds=30):
        """Returns once so many connections have come."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.accepted >= count, seconds), "only %d connections came" % self.accepted

    def _keep(self, sock):
        with self.lock:
            self.open.append(sock)

    def _accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            self._keep(sock)
            with self.lock:
                number, self.accepted = self.accepted, self.accepted + 1
                self.lock.notify_all()
            threading.Thread(target=self._run, args=(sock, number), daemon=True).start()

    def _run(self, sock, number):
        try:
            self.serve(sock, number)
        except OSError:
            pass
        _end(sock)

    def serve(self, sock, number):
        raise NotImplementedError


class Wire(_Listener):
    """Carries bytes to and from the server on a port. The nth connection is cut when `limits[n]` bytes have come from the server;
    later ones are not."""

    def __init__(self, port, limits=()):
        self.target, self.limits = port, list(limits)
        super().__init__()

    def serve(self, sock, number):
        there = socket.create_connection(("127.0.0.1", self.target))
        self._keep(there)
        threading.Thread(target=self._carry, args=(sock, there), daemon=True).start()
        self._carry(there, sock, self.limits[number] if number < len(self.limits) else None)
        _end(there)

    @staticmethod
    def _carry(come_from, to, left=None):
        try:
            while left is None or left > 0:
                data = come_from.recv(65536 if left is None else min(left, 65536))
                if not data:
                    return
                to.sendall(data)
                left = None if left is None else left - len(data)
        except OSError:
            pass


class FakeMaster(_Listener):
    """Shakes hands as a master does, and then sends what `scripts` say: for the nth connection the nth, for later ones the last.
    A script is a function of the connection, or bytes that are sent before it is held open. What PSYNC asked for is kept in
    `asked`, all else in `told`."""

    def __init__(self, *scripts, replies=None):
        self.scripts, self.replies = scripts, replies or {}
        self.asked, self.told = [], []
        super().__init__()

    def serve(self, sock, number):
        file = sock.makefile("rb")
        while True:
            command = self._read(file)
            if command is None:
                return
            name = command[0].upper()
            if name == b"PSYNC":
                self.asked.append(command[1:])
                break
            self.told.append(command)
            sock.sendall(self.replies.get(name, b"+PONG\r\n" if name == b"PING" else b"+OK\r\n"))
        script = self.scripts[min(number, len(self.scripts) - 1)]
        if callable(script):
            script(sock, file)
            return
        sock.sendall(script)
        while self._read(file) is not None:  # acknowledgements
            pass

    @staticmethod
    def _read(file):
        line = file.readline()
        while line in (b"\n", b"\r\n"):
            line = file.readline()
        if not line.startswith(b"*"):
            return None
        return [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]


def full_resync(rdb=EMPTY_RDB, history="a" * 40, offset=0, marked=False):
    """What a master answers to PSYNC with a snapshot."""
    head = b"+FULLRESYNC %s %d\r\n" % (history.encode(), offset)
    if marked:
        mark = b"m" * 40
        return head + b"$EOF:" + mark + b"\r\n" + rdb + mark
    return head + b"$%d\r\n" % len(rdb) + rdb


def stream(*commands):
    return b"".join(encode(*command) for command in commands)
