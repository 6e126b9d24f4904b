"""Functions that ``test_confined`` has called in the confined process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cpep.runtime.confined import Bounds, call
from cpep.runtime.encoded import Array
from cpep.types import UserError


def same(value: Any) -> Any:
    return value


def process() -> int:
    return os.getpid()


def asks_itself() -> tuple[int, int]:
    return os.getpid(), call(f"{__name__}:process", what="a.hdf5", bounds=Bounds(1, 1, 1))


def surroundings() -> dict[str, str]:
    return dict(os.environ)


def here() -> str:
    return str(Path.cwd())


def computes_for_ever() -> None:
    while True:
        pass


def imports_slowly(folder: Path) -> str:
    sys.path.insert(0, str(folder))
    import slow_library

    return str(slow_library.__name__)


def imports_then_computes(folder: Path) -> None:
    imports_slowly(folder)
    computes_for_ever()


def waits_for_ever() -> None:
    while True:
        time.sleep(60)


def waits_in_c() -> None:
    """Wait in a library that lets no Python run meanwhile."""
    ctypes.PyDLL(None).pause()


def takes_memory(megabytes: int) -> int:
    return int(np.ones(megabytes * 2**20, np.uint8).sum(dtype=np.int64))


def crashes() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def crashes_next() -> None:
    """Damage the process, so that the next call of this process crashes."""
    global same
    same = lambda value: crashes()  # noqa: E731


def writes(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()


def refuses() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise UserError("a.csv: no column; add one") from error


def fails() -> None:
    raise ZeroDivisionError("by nothing")


def warns() -> int:
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    print("told")
    return 1


def quotes() -> int:
    """Warn and print as libraries do that quote a name of the file."""
    warnings.warn("the variable a\x1b[2J stands twice", stacklevel=1)
    print("one\x1b]0;title\x07\ntwo")
    return 1


def column_major(rows: int) -> Array:
    return np.asfortranarray(np.arange(rows * 3.0).reshape(rows, 3))
