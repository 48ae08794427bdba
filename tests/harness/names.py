"""A name server on loopback, for tests of those who look a headless service up: it knows SRV records, and no addresses."""

import socket
import struct
import threading

SRV, SERVFAIL, NXDOMAIN, PORT = 33, 2, 3, 53


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class NameServer:
    """Answers on `address`, port 53: which the superuser may listen on. `services` maps a name to the targets of its records."""

    def __init__(self, address="127.0.0.53"):
        self.address = address
        self.services = {}
        self.fails = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, PORT))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            question, sender = self.socket.recvfrom(512)
            if sender == self.socket.getsockname():
                return
            self.socket.sendto(self.answer(question), sender)

    def answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        kind = struct.unpack(">H", packet[at + 1 : at + 3])[0]
        targets = self.services.get(".".join(labels).lower())
        records = [encode(target) for target in (targets or []) if kind == SRV]
        if self.fails:
            records = []
        flags = 0x8180 | (SERVFAIL if self.fails else NXDOMAIN if targets is None else 0)
        header = packet[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        body = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIHHHH", SRV, 1, 0, 6 + len(target), 0, 0, 6379) + target for target in records
        )
        return header + packet[12 : at + 5] + body

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
