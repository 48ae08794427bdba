"""A server that lies: a proxy before a real one that changes bytes on the way, to prove that lies are caught."""

import socket
import threading
from typing import Callable

from .resp import Connection
from .servers import Server

Change = Callable[[bytes], bytes]


class LyingServer:
    """Stands in for `server` in a comparison; `request` and `reply` change what passes in their direction."""

    def __init__(self, server: Server, request: Change = bytes, reply: Change = bytes):
        self.server = server
        self.name = "liar"
        self.request = request
        self.reply = reply
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.server.port))
            for source, target, change in ((client, upstream, self.request), (upstream, client, self.reply)):
                threading.Thread(target=self._copy, args=(source, target, change), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket, change: Change) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(change(data))
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def connect(self, timeout: float = 15.0) -> Connection:
        return Connection(self.port, timeout=timeout)

    def alive(self) -> bool:
        return self.server.alive()

    def restart(self) -> None:
        """A proxy has nothing to restart: what it stands for goes on."""

    def ended_soon(self, _seconds: float = 1.0) -> bool:
        return not self.server.alive()

    def log_tail(self) -> str:
        return self.server.log_tail()

    def close(self) -> None:
        self.listener.close()
