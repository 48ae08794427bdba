"""DUMP payloads: a type byte, the value as an RDB file has it, two bytes RDB version, eight bytes CRC-64.

Two servers may dump one value in different bytes: another RDB version, an integer as a string or not, compressed
or not. Strings are decoded here and compared; of other types a payload is proved by restoring it into the other
server (keyspace.py), for which `with_version` makes a payload that the older server accepts.

Source: RDB file format, "String encoding"; CRC-64/Jones, reflected, polynomial 0xad93d23594c935a9.
"""

from typing import Optional, Tuple

STRING_TYPE = 0
FOOTER = 10


def _crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def crc64(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def version(payload: bytes) -> int:
    return int.from_bytes(payload[-10:-8], "little")


def is_intact(payload: bytes) -> bool:
    return len(payload) > FOOTER and crc64(payload[:-8]) == int.from_bytes(payload[-8:], "little")


def with_version(payload: bytes, rdb_version: int) -> bytes:
    """The same value under another RDB version, with its checksum."""
    body = payload[:-FOOTER] + rdb_version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def same_value(a: bytes, b: bytes) -> bool:
    """Whether two intact payloads hold the same value: decoded for strings, else both just of the same kind."""
    if not (is_intact(a) and is_intact(b)):
        return False
    if a[0] != STRING_TYPE or b[0] != STRING_TYPE:
        return (a[0] == STRING_TYPE) == (b[0] == STRING_TYPE)
    return decode_string(a) is not None and decode_string(a) == decode_string(b)


def decode_string(payload: bytes) -> Optional[bytes]:
    """The string in a payload; None if its bytes are not as they should be."""
    try:
        value, end = _string(payload, 1)
    except (IndexError, ValueError):
        return None
    return value if end == len(payload) - FOOTER else None


def _length(data: bytes, pos: int) -> Tuple[int, int, bool]:
    """(length or encoding, position after it, whether it is an encoding)."""
    first = data[pos]
    if first >> 6 == 0:
        return first & 63, pos + 1, False
    if first >> 6 == 1:
        return (first & 63) << 8 | data[pos + 1], pos + 2, False
    if first == 0x80:
        return int.from_bytes(data[pos + 1 : pos + 5], "big"), pos + 5, False
    if first == 0x81:
        return int.from_bytes(data[pos + 1 : pos + 9], "big"), pos + 9, False
    return first & 63, pos + 1, True


def _string(data: bytes, pos: int) -> Tuple[bytes, int]:
    length, pos, encoded = _length(data, pos)
    if not encoded:
        return data[pos : pos + length], pos + length
    if length in (0, 1, 2):
        size = 1 << length
        return b"%d" % int.from_bytes(data[pos : pos + size], "little", signed=True), pos + size
    if length != 3:
        raise ValueError("unknown string encoding")
    packed, pos, _ = _length(data, pos)
    size, pos, _ = _length(data, pos)
    return lzf_decompress(data[pos : pos + packed], size), pos + packed


def lzf_decompress(data: bytes, size: int) -> bytes:
    """LZF: a control byte below 32 copies that many bytes plus one, others repeat earlier output."""
    out = bytearray()
    pos = 0
    while pos < len(data):
        control = data[pos]
        pos += 1
        if control < 32:
            out += data[pos : pos + control + 1]
            pos += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[pos]
            pos += 1
        start = len(out) - ((control & 31) << 8 | data[pos]) - 1
        pos += 1
        if start < 0:
            raise ValueError("reference before the beginning")
        for at in range(start, start + length + 2):
            out.append(out[at])
    if len(out) != size:
        raise ValueError("wrong size")
    return bytes(out)
