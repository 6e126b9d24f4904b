"""Embeddings that last for a whole training: computed once, read at random by every step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from cpep.data.store.mapped import MappedFile
from cpep.types import UserError

MOST_BYTES = 1 << 24
"""Embeddings that take more memory than this lie on disk: 3.6 million windows of emg2pose have 1.8 GB."""


class Lasting:
    """Rows (N, D) that are written once, in memory or, where they are many, in a file that ends with the process.

    Args:
        parts: the rows, in order, as they are computed.
        count: number of all rows.
        folder: where the file lies.

    Attributes:
        rows_ND: all rows; those of a file are read as they are asked for.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, parts: Iterable[Tensor], count: int, folder: Path) -> None:
        self._map: MappedFile | None = None
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
                self._map = MappedFile(file.fileno())
        except OSError as error:
            raise UserError(
                f"{folder}: {count * bytes_N / 1e9:.1f} GB of embeddings of poses find no place "
                f"({error.strerror or error}); the training needs them until it ends"
            ) from error
        self.rows_ND = torch.frombuffer(self._map, dtype=first.dtype).view(count, *first.shape[1:])

    def take(self, index_B: Tensor) -> Tensor:
        """Return a copy of rows (B, D) by their indices (B,), on the CPU."""
        if self._map is None:
            return self.rows_ND[index_B]
        if len(index_B) and not 0 <= index_B.min() <= index_B.max() < len(self.rows_ND):
            raise IndexError(f"there are {len(self.rows_ND)} rows; row {int(index_B.max())} is none of them")
        found_BD = self.rows_ND.new_empty(len(index_B), *self.rows_ND.shape[1:])
        bytes_N = found_BD[:1].numel() * found_BD.element_size()
        self._map.read_windows(index_B.numpy() * bytes_N, found_BD.view(torch.uint8).numpy())
        return found_BD


def _chained(first: Tensor, others: Iterable[Tensor]) -> Iterable[Tensor]:
    yield first
    yield from others
