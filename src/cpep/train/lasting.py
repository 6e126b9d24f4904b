"""Embeddings that last for a whole training: computed once, read at random by every step."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from cpep.types import UserError

MOST_BYTES = 1 << 26
"""Embeddings that take more memory than this lie on disk: 3.6 million windows of emg2pose have 1.8 GB."""
HELD_ROWS = 1 << 12
"""After so many rows that were read, pages of the file are no longer held: each row brings 64 kB of neighbours."""


class Lasting:
    """Rows (N, D) that are written once, in memory or, where they are many, in a file that ends with the process.

    Args:
        parts: the rows, in order, as they are computed.
        count: number of all rows.
        folder: where the file lies.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, parts: Iterable[Tensor], count: int, folder: Path) -> None:
        self._map, self._read = None, 0
        parts = iter(parts)
        first = next(parts)
        bytes_N = first[0].numel() * first.element_size()
        if first.device.type != "cpu" or count * bytes_N <= MOST_BYTES:
            self.rows_ND = first.new_empty(count, *first.shape[1:])
            place = 0
            for part in _chained(first, parts):
                self.rows_ND[place : place + len(part)] = part
                place += len(part)
            return
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                for part in _chained(first, parts):
                    file.write(part.contiguous().view(torch.uint8).numpy().data)
                file.flush()
                self._map = mmap.mmap(file.fileno(), count * bytes_N, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise UserError(
                f"{folder}: {count * bytes_N / 1e9:.1f} GB of embeddings of poses find no place "
                f"({error.strerror or error}); the training needs them until it ends"
            ) from error
        self.rows_ND = torch.frombuffer(self._map, dtype=first.dtype).view(count, *first.shape[1:])

    def at(self, read: Callable[[Tensor], Tensor], rows: int) -> Tensor:
        """Return what ``read`` takes from the rows, so many of them, as a copy."""
        found = read(self.rows_ND)
        self._read += rows
        if self._map is not None and self._read > HELD_ROWS and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
        return found


def _chained(first: Tensor, others: Iterable[Tensor]) -> Iterable[Tensor]:
    yield first
    yield from others
