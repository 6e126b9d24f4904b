"""Rows of the files that a recorder appends to; each carries what tells whether it is whole.

- ``emg.f32``: samples after samples, each of all channels, float32, little-endian.
- ``chunks.bin``: a row for each chunk: how many samples, how many were lost before them, the time of the last one by
  the source (not a number where it has none), when it was heard, and a CRC-32 of the row and its samples.
- ``pose.bin``: a row for each frame: its time, the values as float32 (not a number where invalid), and a CRC-32.
- ``prompts.jsonl``: a line of JSON for each prompt.

All times are seconds of the monotonic clock. After a cut of the power a file may end in half a row, or in zeros: it
is read up to its last whole row.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cpep.runtime import checked
from cpep.types import FloatArray, UserError

EMG, CHUNKS, POSE, PROMPTS = "emg.f32", "chunks.bin", "pose.bin", "prompts.jsonl"
CHUNK = np.dtype([("samples", "<i8"), ("lost", "<i8"), ("stamp_s", "<f8"), ("heard_s", "<f8"), ("crc", "<u4")])
PHASES = ("ready", "hold", "rest", "redo", "free", "end")
"""Get ready; hold; rest; a hold, or all of a gesture (repetition 0), does not count; do as you like; it is over."""


@dataclass(frozen=True)
class Prompt:
    """What the person is asked from a sample on, until the next prompt.

    Attributes:
        sample: number of the first sample, lost ones counted.
        heard_s: when it was shown.
        phase: one of ``PHASES``.
        name: of the gesture; empty where there is none.
        repetition: its number, from 1; 0 where there is none.
    """

    sample: int
    heard_s: float
    phase: str
    name: str = ""
    repetition: int = 0

    def line(self) -> bytes:
        """Return it as a line of JSON."""
        return (json.dumps(asdict(self)) + "\n").encode()


def plain(name: str) -> str:
    """Return a name of a gesture as a table of BIDS can hold it: without spaces around it.

    Raises:
        UserError: no table can.
    """
    if name.strip().lower() == "n/a" or not name.isprintable():
        raise UserError(f"{name!r} is no name of a gesture in BIDS; give it another one, on one line")
    return name.strip()


def chunk_row(emg_TC: FloatArray, lost: int, stamp_s: float, heard_s: float) -> tuple[bytes, bytes]:
    """Return the bytes of a chunk's samples, and those of its row."""
    samples = np.ascontiguousarray(emg_TC, "<f4").tobytes()
    row = np.array((len(emg_TC), lost, stamp_s, heard_s, 0), CHUNK)
    row["crc"] = zlib.crc32(samples, zlib.crc32(row.tobytes()[:-4]))
    return samples, row.tobytes()


def pose_row(stamp_s: float, pose_J: FloatArray) -> bytes:
    """Return the bytes of a frame's row."""
    row = np.array((stamp_s, pose_J, 0), pose_dtype(len(pose_J)))
    row["crc"] = zlib.crc32(row.tobytes()[:-4])
    return row.tobytes()


def pose_dtype(columns: int) -> np.dtype[np.void]:
    """Return what a row of a pose of so many columns holds."""
    return np.dtype([("stamp_s", "<f8"), ("pose", "<f4", (columns,)), ("crc", "<u4")])


def read_chunks(folder: Path, channels: int) -> tuple[npt.NDArray[np.void], FloatArray]:
    """Return the rows of the whole chunks (chunks,), and their samples (samples, channels)."""
    chunks, emg_TC = _rows(folder / CHUNKS, CHUNK), _samples(folder / EMG, channels)
    width, at = 4 * channels, 0
    for number, row in enumerate(chunks):
        count = int(row["samples"])
        if not 0 <= count <= len(emg_TC) - at or row["lost"] < 0:
            return chunks[:number], emg_TC[:at]
        samples = emg_TC[at : at + count].tobytes() if width else b""
        if zlib.crc32(samples, zlib.crc32(row.tobytes()[:-4])) != row["crc"]:
            return chunks[:number], emg_TC[:at]
        at += count
    return chunks, emg_TC[:at]


def read_pose(folder: Path, columns: int) -> tuple[FloatArray, FloatArray]:
    """Return the times (S,) of the whole frames, and their values (S, columns), not a number where invalid."""
    rows = _rows(folder / POSE, pose_dtype(columns))
    whole = [zlib.crc32(row.tobytes()[:-4]) == row["crc"] for row in rows]
    rows = rows[: whole.index(False)] if False in whole else rows
    return rows["stamp_s"].astype(np.float64), rows["pose"].astype(np.float32)


def read_prompts(folder: Path) -> list[Prompt]:
    """Return the prompts up to the last whole line."""
    path = folder / PROMPTS
    prompts: list[Prompt] = []
    for line in path.read_bytes().splitlines(keepends=True) if path.is_file() else []:
        try:
            prompt = checked.decode(line, Prompt, path)
        except UserError:  # half a line, or zeros
            break
        if not line.endswith(b"\n") or prompt.phase not in PHASES or not math.isfinite(prompt.heard_s):
            break
        prompts.append(prompt)
    return prompts


def _rows(path: Path, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    count = path.stat().st_size // dtype.itemsize if path.is_file() else 0
    return np.fromfile(path, dtype, count) if count else np.zeros(0, dtype)


def _samples(path: Path, channels: int) -> FloatArray:
    count = path.stat().st_size // (4 * channels) if path.is_file() else 0
    if not count:
        return np.zeros((0, channels), np.float32)
    return np.memmap(path, "<f4", "r", shape=(count, channels))
