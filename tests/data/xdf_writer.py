"""Writes XDF (github.com/sccn/xdf, specification 1.0), which pyxdf does not: for tests alone."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from cpep.types import FloatArray


@dataclass(frozen=True, eq=False)
class Out:
    """A stream to write.

    Attributes:
        name, type, rate: as its sender states them.
        rows: numbers (T, C), or texts (T,).
        stamp_T: on the clock of its own computer, seconds.
        channels: of each channel: label, unit, type; empty for no description.
        clock: (time, offset) pairs; the offset leads from its clock to that of the recorder.
    """

    name: str
    type: str
    rate: float
    rows: FloatArray | Sequence[str]
    stamp_T: FloatArray
    channels: Sequence[tuple[str, str, str]] = ()
    clock: Sequence[tuple[float, float]] = ()


def write_xdf(path: Path, *streams: Out, chunk: int = 50) -> Path:
    """Write streams, their samples in chunks that take turns."""
    data = [b"XDF:", _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')]
    data += [_chunk(2, struct.pack("<I", k + 1) + _header(one)) for k, one in enumerate(streams)]
    for first in range(0, max(len(one.stamp_T) for one in streams), chunk):
        for k, one in enumerate(streams):
            if first < len(one.stamp_T):
                data.append(_chunk(3, struct.pack("<I", k + 1) + _samples(one, slice(first, first + chunk))))
    for k, one in enumerate(streams):
        data += [_chunk(4, struct.pack("<Idd", k + 1, at, value)) for at, value in one.clock]
    data += [_chunk(6, struct.pack("<I", k + 1) + _footer(one)) for k, one in enumerate(streams)]
    path.write_bytes(b"".join(data))
    return path


def _chunk(tag: int, content: bytes) -> bytes:
    body = struct.pack("<H", tag) + content
    return b"\x08" + struct.pack("<Q", len(body)) + body


def _header(one: Out) -> bytes:
    text = isinstance(one.rows[0], str) if len(one.rows) else False
    count = 1 if text else np.shape(one.rows)[1]
    described = "".join(
        f"<channel><label>{escape(label)}</label><unit>{escape(unit)}</unit><type>{escape(kind)}</type></channel>"
        for label, unit, kind in one.channels
    )
    desc = f"<desc><channels>{described}</channels></desc>" if one.channels else "<desc/>"
    return (
        f'<?xml version="1.0"?><info><name>{escape(one.name)}</name><type>{escape(one.type)}</type>'
        f"<channel_count>{count}</channel_count><nominal_srate>{one.rate:g}</nominal_srate>"
        f"<channel_format>{'string' if text else 'double64'}</channel_format>{desc}</info>"
    ).encode()


def _samples(one: Out, part: slice) -> bytes:
    stamps, rows = one.stamp_T[part], one.rows[part]
    data = [b"\x04", struct.pack("<I", len(stamps))]
    for stamp, row in zip(stamps, rows, strict=True):
        data.append(b"\x08" + struct.pack("<d", stamp))
        if isinstance(row, str):
            text = row.encode()
            data.append(b"\x04" + struct.pack("<I", len(text)) + text)
        else:
            data.append(np.asarray(row, "<f8").tobytes())
    return b"".join(data)


def _footer(one: Out) -> bytes:
    return f"<info><sample_count>{len(one.stamp_T)}</sample_count></info>".encode()
