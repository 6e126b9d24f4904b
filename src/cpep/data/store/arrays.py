"""The arrays of a store while they grow: who writes what, and where."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.store.checked_rows import rows_of_block
from cpep.data.store.checks import of_rows
from cpep.data.store.frames import Frames
from cpep.data.store.store import HEADER_BYTES, header_of
from cpep.types import FloatArray, UserError


class Places:
    """Gives each recording its place in the arrays, in the order of the recordings, to whatever process read it.

    Where a recording begins follows from the lengths of the recordings before it, which are known only once these are
    read. A process that has read one waits here until the ones before it are read; then all write side by side.

    Args:
        first: index of the recording that comes next.
        frame: its first frame, counted over the store.
        block: its first power block, counted over the store.
        context: of the processes that share this; ``None`` for this process alone.
    """

    def __init__(self, first: int, frame: int, block: int, context: SpawnContext | None) -> None:
        self._next: MutableSequence[int] = [first, frame, block]
        if context is not None:
            self._next = context.Array("q", self._next, lock=False)
        self._turn = context.Condition() if context else threading.Condition()

    def take(self, index: int, frames: int, blocks: int) -> tuple[int, int]:
        """Wait until it is the turn of that recording; return its first frame and power block.

        Every recording must take a place, since the next one waits for it; an unreadable one takes no frames.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._next[0] == index)
            _, start, power_start = self._next
            self._next[:] = [index + 1, start + frames, power_start + blocks]
            self._turn.notify_all()
        return start, power_start


@dataclass(frozen=True, eq=False)
class Placed:
    """A recording whose large arrays have been written into the arrays of the store.

    Attributes:
        frames: the recording, with no rows of EMG, anchor and power.
        start: first frame, counted over the store.
        length: in frames.
        power_start: first power block, counted over the store.
        power_blocks: number of power blocks.
        sums: checksums of the blocks of its large arrays, by their names, as ``checks.of_rows`` packs them; computed
            of what was read, not of what is on disk.
    """

    frames: Frames
    start: int
    length: int
    power_start: int
    power_blocks: int
    sums: dict[str, str]


def place(partial: Path, parts: Sequence[Frames], start: int, power_start: int) -> list[Placed]:
    """Write the large arrays of a file's recordings at their place in the arrays of the store; any process may do so.

    Args:
        partial: folder of the arrays.
        parts: the recordings of one file.
        start: first frame of the first, counted over the store.
        power_start: its first power block, counted over the store.

    Raises:
        OSError: no space.
    """
    placed = []
    for frames in parts:
        placed.append(_placed(partial, frames, start, power_start))
        start, power_start = start + placed[-1].length, power_start + placed[-1].power_blocks
    return placed


def _placed(partial: Path, frames: Frames, start: int, power_start: int) -> Placed:
    ratio = len(frames.emg_TC) // len(frames.valid_M)
    _write_at(partial / "emg.npy", start * ratio, frames.emg_TC)
    _write_at(partial / "anchor.npy", start, frames.anchor_MJ)
    _write_at(partial / "power.npy", power_start, frames.power_KC)
    large = {"emg": frames.emg_TC, "anchor": frames.anchor_MJ}
    sums = {name: of_rows(array, rows_of_block(array.shape[1])) for name, array in large.items() if array.size}
    small = replace(frames, emg_TC=frames.emg_TC[:0], anchor_MJ=frames.anchor_MJ[:0], power_KC=frames.power_KC[:0])
    return Placed(small, start, len(frames.valid_M), power_start, len(frames.power_KC), sums)


def _write_at(path: Path, row: int, array: FloatArray) -> None:
    """Write float32 rows at a row of a .npy file, which is made where it is missing and grows as needed."""
    if array.size:
        with io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666), "w") as file:
            file.seek(HEADER_BYTES + row * array.shape[1] * np.dtype(np.float32).itemsize)
            write_all(file, np.ascontiguousarray(array, np.float32).data.cast("B"))


class GrowingArray:
    """A .npy file that grows by rows; its header is written last, when their number is known.

    Args:
        path: the file.
        dtype: of its elements.
        columns: width of a row; ``None`` for a flat array.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], columns: int | None) -> None:
        self.dtype, self.columns = dtype, columns
        path.touch()
        # Unbuffered: an error of the disk shows where it happens, and none is left for closing.
        self.file = io.FileIO(path, "r+")

    def _end(self, rows: int) -> int:
        return HEADER_BYTES + rows * (self.columns or 1) * self.dtype.itemsize

    def cut(self, rows: int) -> None:
        """Keep the first ``rows`` rows."""
        self.file.truncate(self._end(rows))

    def append(self, array: npt.NDArray[Any], rows: int) -> None:
        """Append an array after ``rows`` rows.

        Raises:
            UserError: the file has another length, so another process writes it.
        """
        if self.file.seek(0, io.SEEK_END) != (self._end(rows) if rows else 0):
            raise UserError(f"another process writes {self.file.name} too; wait for it to end")
        self.file.seek(self._end(rows))
        write_all(self.file, np.ascontiguousarray(array, self.dtype).data.cast("B"))

    def write_header(self, rows: int) -> None:
        """Write the header of an array of that many rows."""
        self.file.seek(0)
        write_all(self.file, header_of(self.dtype, (rows,) if self.columns is None else (rows, self.columns)))


def write_all(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all of ``data``: one system call may write less, when the disk fills or beyond 2 GB."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]
