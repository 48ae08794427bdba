"""A replica that a test plays itself, byte by byte: it says what it likes and reads when it likes."""

from .resp import Connection, encode


class HandReplica:
    """Asks a server for its stream. `offset` is how many bytes of the history it has; `rdb` the snapshot that it was sent."""

    def __init__(self, server, capabilities=("eof", "psync2"), receive_buffer=None):
        self.link = Connection(server.address, receive_buffer=receive_buffer)
        self.identity, self.offset, self.rdb = None, None, None
        assert self.link("REPLCONF", "listening-port", "1") == "OK"
        for capability in capabilities:
            assert self.link("REPLCONF", "capa", capability) == "OK"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def ask(self, identity="?", offset=-1):
        """Sends PSYNC for the byte after the first `offset` ones, and reads nothing."""
        self.link.send(encode("PSYNC", identity, offset + 1 if identity != "?" else -1))

    def answer(self):
        """The line by which the master answers PSYNC, as words; newlines before it say that it is to come."""
        line = b""
        while not line:
            line = self.link._line().lstrip(b"\n")
        words = line.decode().lstrip("+").split()
        if words[0] == "FULLRESYNC":
            self.identity, self.offset = words[1], int(words[2])
        return words

    def read_snapshot(self):
        """Reads the RDB, in either form."""
        head = b""
        while not head:
            head = self.link._line().lstrip(b"\n")
        if not head.startswith(b"$EOF:"):
            self.rdb = self.link._exactly(int(head[1:]))
            return self.rdb
        mark, data = head[5:], bytearray(self.link.buffer[self.link.position :])
        self.link.buffer, self.link.position = b"", 0
        while not data.endswith(mark):  # nothing comes behind it before it is acknowledged
            more = self.link.sock.recv(1 << 20)
            assert more, "the link was closed within the snapshot"
            data += more
        self.rdb = bytes(data[: -len(mark)])
        return self.rdb

    def synchronise(self):
        """A full synchronisation, up to where the commands begin."""
        self.ask()
        assert self.answer()[0] == "FULLRESYNC"
        self.read_snapshot()
        self.acknowledge()

    def acknowledge(self, synced=None):
        words = ["REPLCONF", "ACK", self.offset] + (["FACK", synced] if synced is not None else [])
        self.link.send(encode(*words))

    def command(self):
        """The next command of the stream."""
        words = self.link.read()
        self.offset += len(encode(*words))
        return words

    def until(self, wanted):
        """Reads commands until this one has come."""
        while self.command() != [word.encode() for word in wanted]:
            pass
