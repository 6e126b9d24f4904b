"""A file that is mapped into memory, and of which windows can also be copied without touching the map."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from cpep.types import IntArray, UserError

MAP_NORESERVE = 0x4000
"""A flag of Linux that Python's mmap module does not name."""


class MappedFile(mmap.mmap):
    """A mapped file, copy on write: torch wants writable memory, and no mistake of a reader can change the file.

    Pages that are read through the map count as memory of the process, and the system maps up to a megabyte around
    a page that is missing. What is read by ``read_windows`` is copied out of the system's page cache instead: it adds
    nothing, and is the sooner way for windows that are not mapped yet.

    Args:
        file: its path, or the descriptor of an open file.
    """

    _name: str
    _file: int

    def __new__(cls, file: Path | int) -> MappedFile:
        """Map a file."""
        opened = os.dup(file) if isinstance(file, int) else os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        # Without NORESERVE Linux refuses a file larger than the memory, as all of it might be written to.
        private = {"flags": mmap.MAP_PRIVATE | MAP_NORESERVE, "prot": mmap.PROT_READ | mmap.PROT_WRITE}
        how: dict[str, Any] = private if sys.platform == "linux" else {"access": mmap.ACCESS_COPY}
        made = super().__new__(cls, opened, 0, **how)
        made._name, made._file = str(file), opened
        finalize(made, os.close, opened)
        return made

    def let_go(self) -> None:
        """Give up all pages that were read; what was written to them is lost. They are read anew when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.madvise(mmap.MADV_DONTNEED)

    def read_windows(self, first_N: IntArray, out_N: np.ndarray) -> None:
        """Read windows of equal length from the file.

        Args:
            first_N: first byte of each.
            out_N: contiguous array of N windows, which is filled.

        Raises:
            UserError: the file ends within a window: it was cut since it was mapped.
        """
        length = out_N[:1].nbytes
        into = out_N.reshape(-1).view(np.uint8).data
        for place, first in enumerate(first_N.tolist()):
            self._read(into[place * length : (place + 1) * length], first)

    def _read(self, into: memoryview, first: int) -> None:
        """Fill memory from the file: one system call may read less than is asked for."""
        if not hasattr(os, "preadv"):  # Windows
            into[:] = self[first : first + len(into)]
            return
        while len(into):
            count = os.preadv(self._file, [into], first)
            if not count:
                raise UserError(
                    f"{self._name} was cut while it was read; it is damaged: prepare the recordings again"
                )
            into, first = into[count:], first + count


def map_of(array: Any) -> MappedFile | None:
    """Return the mapped file that an array lies in; ``None`` for an array in memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, MappedFile) else None
