"""Named arrays of a MATLAB file: version 5 to 7 by SciPy, version 7.3 (which is HDF5) by h5py.

Numbers and texts are read, and the fields of a structure of one element as ``structure.field``. Cells, tables and
objects are passed over. MATLAB writes the axes of an array in version 7.3 the other way round; they are turned back,
so that both versions give the same arrays.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from cpep.data.readers.hdf5 import SIGNATURE, open_hdf5
from cpep.data.readers.unpacked import check_mat
from cpep.runtime.files import refuse_special
from cpep.types import UserError

HEADER = 512
"""Bytes of the header that MATLAB puts before HDF5."""
DEEPEST = 8
"""Structures of version 5 within structures that are looked into."""

Found = TypeVar("Found")


def read_mat(path: Path, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of numbers, and texts, by their names.

    Args:
        path: the file.
        names: those to read, as they lie at the top of the file; ``None`` for all. A missing one is left out.

    Returns:
        the arrays in the shapes that MATLAB shows, so that a vector is (T, 1) or (1, T); a text is an array of one.

    Raises:
        UserError: the file is missing, damaged, no MATLAB file, a device or a pipe, or names another file.
    """
    if _is_7_3(path):
        with open_hdf5(path) as file:
            kept = [name for name in file if not name.startswith("#") and (names is None or name in names)]
            return {key: value for name in kept for key, value in _of_7_3(name, file, name, set())}
    values = _by_scipy(path, lambda io, file: io.loadmat(file, variable_names=None if names is None else list(names)))
    tops = [(name, value) for name, value in values.items() if not name.startswith("__")]
    return {key: value for name, top in tops for key, value in _of_5(name, top, 0)}


def read_columns(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays with every vector as (T,), whichever way it lies in MATLAB.

    Raises:
        UserError: as ``read_mat``.
    """
    return {
        name: array.ravel() if array.ndim == 2 and 1 in array.shape else array
        for name, array in read_mat(path).items()
    }


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of everything at the top of a file, without reading it.

    Raises:
        UserError: as ``read_mat``.
    """
    if _is_7_3(path):
        with open_hdf5(path) as file:
            items = {name: file.get(name) for name in file if not name.startswith("#")}
            return {name: item.shape[::-1] if isinstance(item, h5py.Dataset) else () for name, item in items.items()}
    return {name: tuple(shape) for name, shape, _ in _by_scipy(path, lambda io, file: io.whosmat(file))}


def _is_7_3(path: Path) -> bool:
    refuse_special(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEADER + len(SIGNATURE))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if head.startswith(SIGNATURE):  # whether its axes are turned round is not known
        raise UserError(f"{path} is HDF5, but MATLAB did not write it; save its arrays as .npz, or by `save -v7`")
    return head.startswith(SIGNATURE, HEADER) or head.startswith(b"MATLAB 7.3")


def _of_7_3(name: str, group: h5py.Group, key: str, seen: set[int]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield what a group holds under a key; whatever several links lead to is read once."""
    item = group.get(key)
    if item is None or (address := h5py.h5o.get_info(item.id).addr) in seen:
        return
    seen.add(address)
    if isinstance(item, h5py.Group):
        if "MATLAB_sparse" not in item.attrs:
            for inner in item:
                yield from _of_7_3(f"{name}.{inner}", item, inner, seen)
    elif isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
        # Of an empty array the file holds the shape, in place of the values.
        value = np.zeros(0, item.dtype) if "MATLAB_empty" in item.attrs else np.asarray(item[()]).T
        if item.attrs.get("MATLAB_class") in (b"char", "char"):
            rows = value if value.ndim == 2 and len(value) > 1 else value.reshape(1, -1)
            value = np.array(["".join(map(chr, row)) for row in rows])
        yield name, value


def _of_5(name: str, value: Any, depth: int) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.names is not None:
        if depth < DEEPEST and value.size == 1 and type(value) is np.ndarray:
            for key in value.dtype.names:
                yield from _of_5(f"{name}.{key}", value.flat[0][key], depth + 1)
    elif value.dtype.kind in "biufU":
        yield name, value


def _by_scipy(path: Path, read: Callable[[Any, Any], Found]) -> Found:
    import scipy.io  # slow to import, and processes that read HDF5 do without it

    try:
        check_mat(path)
        with path.open("rb") as file:
            return read(scipy.io, file)
    except UserError:
        raise
    except _damage() as error:
        raise _damaged(path, error) from error


def _damage() -> tuple[type[Exception], ...]:
    """Return what SciPy raises on damaged files; it has no exception of its own for all of them."""
    from scipy.io.matlab import MatReadError

    return (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        MemoryError,
        EOFError,
        NotImplementedError,
        UnboundLocalError,  # of a table whose kind it does not know
        UnicodeDecodeError,
        struct.error,
        zlib.error,
        MatReadError,
    )


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return UserError(f"cannot read {path}: {error.strerror}")
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{path} is truncated or damaged, or no MATLAB file ({detail}); fetch it again")
