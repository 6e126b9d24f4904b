"""A large mapped array of which every block is compared with its checksum when it is first read."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import as_strided

from cpep.data.store.mapped import MappedFile, map_of
from cpep.runtime.sums import Sums, of_array
from cpep.types import BoolArray, FloatArray, IntArray

BLOCK_BYTES = 1 << 17
"""Most bytes of a block: about what a window of 1 s of 16 channels at 2 kHz has (`python -m benchmarks sums`)."""
RESIDENT_BYTES = 1 << 25
"""Pages of a map that were read count as memory of the process: after so many bytes they are no longer held."""


def rows_of_block(columns: int) -> int:
    """Return the rows of a block of float32: a power of two."""
    return 1 << max((BLOCK_BYTES // (4 * max(columns, 1))).bit_length() - 1, 0)


class CheckedRows(NDArrayOperatorsMixin):
    """Rows of float32 on disk, one recording after another; what is read is compared with checksums once a process.

    Of a mapped array a process holds about ``RESIDENT_BYTES``, whatever it reads; the system keeps the rest in its
    page cache as long as it has room, so that reading it again needs no disk.

    Rows are read as from an array: ``rows[first:stop]``, ``rows[index]``, or all of them by ``np.asarray`` and where
    it is computed with; ``windows`` copies many stretches at once. Whoever reads ``unchecked`` calls ``check`` first.
    Blocks begin anew with each recording.

    Args:
        array: (R, columns), mapped.
        first_E: first row of each recording, and the number of all rows.
        block: rows of a block.
        sum_K: checksum of each block, in the order of the rows; ``None`` where the store has none.
        on_damage: called with a damaged block's recording, first row and row after the last, both counted over the
            array. It raises an error or mends the rows.
    """

    def __init__(
        self,
        array: FloatArray,
        first_E: IntArray | None = None,
        block: int = 1,
        sum_K: Sums | None = None,
        on_damage: Callable[[int, int, int], None] = lambda recording, first, stop: None,
    ) -> None:
        self.unchecked, self.block, self.sum_K, self._on_damage = array, block, sum_K, on_damage
        self.first_E: IntArray = np.array([0, len(array)]) if first_E is None else first_E
        self._block_E = block_starts(self.first_E, block)
        self._good_K: BoolArray = np.full(self._block_E[-1], sum_K is None)
        self._map, self._read_bytes = _map_of(array), 0
        self._offset = _offset(self._map, array) if self._map is not None else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.unchecked.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.unchecked.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.unchecked.nbytes

    def __len__(self) -> int:
        return len(self.unchecked)

    def __getitem__(self, rows: Any) -> Any:
        """Return rows, or columns of rows, as NumPy does; a slice is a view."""
        first = rows[0] if isinstance(rows, tuple) else rows
        if isinstance(first, slice):
            low, stop, step = first.indices(len(self))
            low_N = np.array([low]) if step == 1 and stop > low else np.arange(low, stop, step)
            self.check(low_N, stop - low if step == 1 else 1)
        else:
            self.check(np.atleast_1d(np.arange(len(self))[first]), 1)
        return self.unchecked[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return all rows."""
        return np.asarray(self[:], dtype) if not copy else np.array(self[:], dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute with all rows."""
        return getattr(ufunc, method)(*(np.asarray(x) if x is self else x for x in inputs), **options)

    def check(self, first_N: IntArray, rows: int) -> None:
        """Compare the blocks of windows with their checksums, those that were not yet.

        Args:
            first_N: first row of each window.
            rows: rows of a window.
        """
        self._let_go(len(first_N) * rows)
        self._compare_new(first_N, rows)

    def windows(self, first_N: IntArray, rows: int) -> FloatArray:
        """Return a copy of windows (N, rows, columns), whose blocks are compared first.

        Args:
            first_N: first row of each window.
            rows: rows of a window.
        """
        self._compare_new(first_N, rows)
        return self._copied(first_N, rows)

    def _copied(self, first_N: IntArray, rows: int) -> FloatArray:
        array, (step, width) = self.unchecked, self.unchecked.strides
        places = len(array) - rows + 1
        if len(first_N) and not 0 <= first_N.min() <= first_N.max() < places:
            raise IndexError(f"{rows} rows from {first_N.max()} on are not within {len(array)} rows")
        if self._map is None:
            view = as_strided(array, (max(places, 0), rows, array.shape[1]), (step, step, width))
            return np.asarray(view[first_N])
        found = np.empty((len(first_N), rows, array.shape[1]), array.dtype)
        self._map.read_windows(self._offset + first_N * step, found)
        return found

    def _compare_new(self, first_N: IntArray, rows: int) -> None:
        if self.sum_K is None or not len(first_N) or rows < 1:
            return
        low_N, high_N = self._block_of(first_N), self._block_of(first_N + (rows - 1))
        block_NK = np.minimum(low_N[:, None] + np.arange((high_N - low_N).max() + 1), high_N[:, None])
        new_K = block_NK[~self._good_K[block_NK]]
        for block in np.unique(new_K) if len(new_K) else ():
            self._compare(int(block))

    def ahead(self, first_N: IntArray, rows: int) -> None:
        """Ask the system to bring windows from the disk that will be read soon; it does not wait for them.

        Blocks that were not yet compared with their checksums are asked for as a whole: ``check`` reads them so.

        Args:
            first_N: first row of each window.
            rows: rows of a window.
        """
        if self._map is None or not len(first_N):
            return
        first_N, stop_N = self._with_blocks(first_N, first_N + rows)
        row_bytes = self.shape[1] * self.dtype.itemsize
        first, stop = self._offset + first_N * row_bytes, self._offset + stop_N * row_bytes
        first -= first % mmap.PAGESIZE
        for place, length in zip(first.tolist(), (stop - first).tolist(), strict=True):
            self._map.madvise(mmap.MADV_WILLNEED, place, length)

    @property
    def blocks(self) -> int:
        """Number of all blocks."""
        return len(self._good_K)

    def is_sound(self, block: int) -> bool:
        """Tell whether the content of a block fits its checksum."""
        _, first, stop = self.place(block)
        return self.sum_K is None or of_array(self._copied(np.array([first]), stop - first)) == int(self.sum_K[block])

    def place(self, block: int) -> tuple[int, int, int]:
        """Return the recording of a block, its first row and the row after its last one."""
        recording = int(np.searchsorted(self._block_E, block, side="right")) - 1
        first = int(self.first_E[recording]) + (block - int(self._block_E[recording])) * self.block
        return recording, first, min(first + self.block, int(self.first_E[recording + 1]))

    def _let_go(self, rows: int) -> None:
        """Give up the pages that were read so far if they and so many rows are more than a process may hold."""
        if self._map is None:
            return
        wanted = rows * self.shape[1] * self.dtype.itemsize
        if self.nbytes > RESIDENT_BYTES and self._read_bytes + wanted > RESIDENT_BYTES:
            self._map.let_go()
            self._read_bytes = 0
        self._read_bytes += wanted

    def _with_blocks(self, first_N: IntArray, stop_N: IntArray) -> tuple[IntArray, IntArray]:
        """Return first row and row after the last of windows, widened to whole blocks that are yet to be compared."""
        if self.sum_K is None:
            return first_N, stop_N
        good_N = self._good_K[self._block_of(first_N)] & self._good_K[self._block_of(stop_N - 1)]
        recording_N = np.searchsorted(self.first_E, first_N, side="right") - 1
        start_N, end_N = self.first_E[recording_N], self.first_E[recording_N + 1]
        low_N = start_N + (first_N - start_N) // self.block * self.block
        high_N = np.minimum(start_N - (start_N - stop_N) // self.block * self.block, end_N)
        return np.where(good_N, first_N, low_N), np.where(good_N, stop_N, high_N)

    def _compare(self, block: int) -> None:
        if not self.is_sound(block):
            self._on_damage(*self.place(block))
            self._map = None  # what it mended is in memory alone
        self._good_K[block] = True

    def _block_of(self, row_N: IntArray) -> IntArray:
        recording_N = np.searchsorted(self.first_E, row_N, side="right") - 1
        found: IntArray = self._block_E[recording_N] + (row_N - self.first_E[recording_N]) // self.block
        return found


def block_starts(first_E: IntArray, block: int) -> IntArray:
    """Return the first block of each recording, and the number of all blocks."""
    found: IntArray = np.concatenate([[0], np.cumsum(-(-np.diff(first_E) // block))]).astype(np.int64)
    return found


def _map_of(array: Any) -> MappedFile | None:
    """Return the map of a file that an array lies in; ``None`` for an array in memory, or a system without advice."""
    return map_of(array) if hasattr(mmap, "MADV_DONTNEED") else None


def _offset(found: mmap.mmap, array: FloatArray) -> int:
    """Return the bytes of a map before an array in it."""
    return array.ctypes.data - np.frombuffer(found, np.uint8, 1).ctypes.data
