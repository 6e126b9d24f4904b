"""Packed files of others, unpacked within bounds: what a small file unpacks to is small too."""

from __future__ import annotations

import gzip
import io
import tokenize
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cpep.types import UserError

BASE, TIMES = 64 << 20, 100
"""A file may unpack to so many bytes, and to so many times its size: EMG to 2 to 20 times."""
BLOCK = 1 << 20

DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, SyntaxError, NotImplementedError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What zipfile, and NumPy on the header of an array, raise on damaged files; neither has one exception for all."""


class Unpacked(gzip.GzipFile):
    """A file of gzip, read no further than ``most_bytes`` of what it holds.

    Raises:
        UserError: from ``read``, ``read1`` and ``readinto``, where it holds more.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._path, self._most = path, most_bytes(path)

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; all for a negative size."""
        unbounded = size is None or not 0 <= size <= self._most
        found = super().read(self._most + 1 if unbounded else size)
        self._check()
        return found

    def read1(self, size: int = -1) -> bytes:
        """Return some of the next bytes."""
        found = super().read1(size)
        self._check()
        return found

    def _check(self) -> None:
        if self.tell() > self._most:
            raise too_large(self._path, self._most)


def most_bytes(path: Path) -> int:
    """Return to how many bytes a file may unpack."""
    return BASE + TIMES * path.stat().st_size


def too_large(path: Path, most: int) -> UserError:
    """Return what is said of a file that unpacks to more."""
    return UserError(
        f"{path} unpacks to more than {most / 1e6:,.0f} MB, far more than its {path.stat().st_size / 1e6:.2g} MB; "
        "unpack it yourself if it is right"
    )


def gunzip(path: Path) -> bytes:
    """Return what a file of gzip holds.

    Raises:
        UserError: it holds more than ``most_bytes``.
        OSError, EOFError, zlib.error: it is damaged.
    """
    with Unpacked(path) as file:
        return file.read()


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an .npz. Their sizes are compared with the file's before memory is taken for them.

    Raises:
        UserError: it is damaged, holds Python objects, or unpacks to more than ``most_bytes``.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
            if sum(one.file_size for one in members) > (most := most_bytes(path)):
                raise too_large(path, most)
            arrays = [one for one in members if one.filename.endswith(".npy")]
            return {one.filename.removesuffix(".npy"): _array(packed, one, path) for one in arrays}
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except DAMAGE as error:
        detail = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path} is truncated or damaged ({detail}); copy it again") from error


def _array(packed: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> npt.NDArray[Any]:
    """Return one array of an .npz."""
    with packed.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):  # 3 is for fields of structures with names beyond Latin
            raise ValueError(f"{member.filename} is of version {version} of NumPy's format")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject:
            name = member.filename.removesuffix(".npy")
            raise UserError(
                f"{path}: {name!r} holds Python objects, which cpep does not load; save it as plain numbers or texts "
                f"(numpy.array({name}, dtype=str)), or leave it out"
            )
        if any(type(length) is not int or length < 0 for length in shape) or dtype.itemsize == 0:
            raise ValueError(f"{member.filename} has the shape {shape} of {dtype}")
        cells = 1
        for length in shape:
            cells *= length
        if cells * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename} has {member.file_size:,} bytes for the shape {shape} of {dtype}")
    with packed.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def check_mat(path: Path) -> None:
    """Check that the compressed variables of a MATLAB file of version 5 to 7 unpack within bounds.

    Raises:
        UserError: they do not.
        OSError: the file cannot be read.
    """
    status = path.stat()
    _check_mat(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _check_mat(path: Path, changed: int, size: int) -> None:
    left = most = most_bytes(path)
    with path.open("rb") as file:
        head = file.read(128)
        order: Literal["little", "big"] = "little" if head[126:] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind, length = (int.from_bytes(tag[at : at + 4], order) for at in (0, 4))
            end = file.tell() + length
            if kind == 15:  # compressed
                left -= _unpacked_size(file, length, left)
                if left < 0:
                    raise too_large(path, most)
            if length == 0 or end > size:
                return  # SciPy says what is wrong
            file.seek(end)


def _unpacked_size(file: io.BufferedReader, length: int, most: int) -> int:
    """Return how many bytes a part of a file unpacks to, of which hardly more than ``most`` are looked at."""
    unpacker, found = zlib.decompressobj(), 0
    while length > 0 and not unpacker.eof and found <= most:
        packed = file.read(min(BLOCK, length))
        length -= len(packed)
        if not packed:
            break
        try:
            while packed and found <= most:
                found += len(unpacker.decompress(packed, BLOCK))
                packed = unpacker.unconsumed_tail
        except zlib.error:
            break  # SciPy says what is wrong
    return found
