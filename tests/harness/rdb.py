"""RDB bytes by hand, for tests: just enough to write what no server at hand would."""

import struct

POLYNOMIAL = 0x95AC9329AC4BC9B5


def _table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return table


TABLE = _table()


def crc64(data, crc=0):
    """The CRC-64 that ends RDB files."""
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def length(number):
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", 0x4000 | number)
    if number < 1 << 32:
        return b"\x80" + struct.pack(">I", number)
    return b"\x81" + struct.pack(">Q", number)


def string(text):
    data = text if isinstance(text, bytes) else str(text).encode()
    return length(len(data)) + data


def aux(name, value):
    return b"\xfa" + string(name) + string(value)


def select(db):
    return b"\xfe" + length(db)


def sizes(keys, timed=0):
    return b"\xfb" + length(keys) + length(timed)


def key(name, value, kind=0):
    """A key whose value is already bytes, or (type 0) a string."""
    return bytes([kind]) + string(name) + (string(value) if kind == 0 else value)


def deadline(ms):
    return b"\xfc" + struct.pack("<q", ms)


def deadline_seconds(seconds):
    return b"\xfd" + struct.pack("<i", seconds)


def idle(seconds):
    return b"\xf8" + length(seconds)


def frequency(counter):
    return b"\xf9" + bytes([counter])


def function(code):
    return b"\xf5" + string(code)


def file(*records, version=10, magic=None, checksum=True):
    """A whole file of these records."""
    body = (magic if magic is not None else b"REDIS%04d" % version) + b"".join(records) + b"\xff"
    if version < 5:
        return body
    return body + struct.pack("<Q", crc64(body) if checksum else 0)
