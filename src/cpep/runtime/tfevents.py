"""Files of TensorBoard, written without it: numbers over steps.

A file is a row of records: length, checksum, content, checksum (TensorFlow, ``core/lib/io/record_writer.h``). Each
content is an ``Event`` in the wire format of protocol buffers (``event.proto`` and ``summary.proto`` of TensorFlow).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5
"""Wire types of protocol buffers."""


def first_event(wall_s: float) -> bytes:
    """Return the record that every file begins with: the version of the format."""
    return _record(_number(1, DOUBLE, struct.pack("<d", wall_s)) + _text(3, b"brain.Event:2"))


def event(wall_s: float, step: int, scalars: Mapping[str, float]) -> bytes:
    """Return a record of numbers at one step.

    Args:
        wall_s: time of day, seconds since 1970.
        step: the step, from 0 on.
        scalars: numbers by their names; a name before a slash groups them.
    """
    values = b"".join(
        _text(1, _text(1, name.encode()) + _number(2, FLOAT, struct.pack("<f", value)))
        for name, value in scalars.items()
    )
    time = _number(1, DOUBLE, struct.pack("<d", wall_s))
    return _record(time + _number(2, VARINT, _varint(step)) + _text(5, values))


def _number(field: int, kind: int, packed: bytes) -> bytes:
    return _varint(field << 3 | kind) + packed


def _text(field: int, content: bytes) -> bytes:
    return _number(field, BYTES, _varint(len(content)) + content)


def _varint(value: int) -> bytes:
    """Return a whole number in groups of seven bits, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    """Return the checksum of a record: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes.

    >>> hex(crc32c(b"123456789"))  # RFC 3720, and every catalogue of checksums
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
