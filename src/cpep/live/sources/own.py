"""A user's own source: a class in a file or a module, ``my_band.py:Band``."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk, Source
from cpep.types import UserError

WRITTEN = re.compile(r"(?P<where>.+\.py|[A-Za-z_][\w.]*):(?P<what>[A-Za-z_]\w*)(?::(?P<text>.+))?")
"""A file or a module, a class in it, and a text that the class is made with."""
FORMS = ("FILE.py:CLASS", "MODULE:CLASS")


class Own:
    """A source of somebody's own, whose chunks are looked at as they come.

    Args:
        source: the object that the class made.
        name: what the user wrote.

    Raises:
        UserError: it lacks what a source has.
    """

    def __init__(self, source: Source, name: str) -> None:
        for what in ("device", "chunks", "close"):
            if not hasattr(source, what):
                raise UserError(f"{name} has no {what}; a source has device, chunks() and close()")
        if not isinstance(source.device, Device):
            raise UserError(f"{name}: its device is {source.device!r}; make it a cpep.data.recording.Device")
        self.name, self.device, self.own = name, source.device, source

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of the source.

        Raises:
            UserError: what is wrong with a chunk, or where the source failed.
        """
        with _told(self.name):
            for chunk in self.own.chunks():
                yield self._checked(chunk)

    def close(self) -> None:
        """Close the source.

        Raises:
            UserError: where it failed.
        """
        with _told(self.name):
            self.own.close()

    def _checked(self, chunk: object) -> Chunk:
        if not isinstance(chunk, Chunk):
            raise UserError(f"{self.name} yields {type(chunk).__name__}; yield cpep.live.signals.Chunk(emg_TC)")
        emg_TC, channels = chunk.emg_TC, self.device.channels
        if not isinstance(emg_TC, np.ndarray) or emg_TC.ndim != 2 or emg_TC.shape[1] != channels:
            shape = getattr(emg_TC, "shape", type(emg_TC).__name__)
            raise UserError(
                f"{self.name} yields EMG of shape {shape}; give an array of shape (samples, {channels}), one row a "
                "sample, as its device says"
            )
        if not np.issubdtype(emg_TC.dtype, np.number) or np.iscomplexobj(emg_TC):
            raise UserError(f"{self.name} yields EMG of type {emg_TC.dtype}; give real numbers")
        if not isinstance(chunk.lost, int | np.integer) or chunk.lost < 0:
            raise UserError(f"{self.name} says that {chunk.lost} samples were lost; give a whole number, 0 for none")
        return Chunk(np.asarray(emg_TC, np.float32), int(chunk.lost), chunk.made, chunk.stamp_s)


def open_own(text: str) -> Own | None:
    """Open a source of somebody's own; ``None`` where a text names none.

    Args:
        text: ``my_band.py:Band``, or ``my_package.bands:Band`` of the Python path; a text after another colon is
            given to the class: ``my_band.py:Band:COM3``.

    Raises:
        UserError: no such file, module or class, or the class fails.
    """
    found = WRITTEN.fullmatch(text)
    if found is None:
        return None
    where, what = found["where"], found["what"]
    with _told(text):
        module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
        if module is None:
            return None
        made = getattr(module, what, None)
        if not isinstance(made, type):
            classes = [name for name, value in vars(module).items() if isinstance(value, type) and name[0] != "_"]
            raise UserError(f"{where} has no class {what}; it has {', '.join(sorted(classes)) or 'no class'}")
        return Own(made(found["text"]) if found["text"] else made(), text)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"there is no file {path}; name one, as my_band.py:Band")
    name = f"cpep_source_{path.stem}"
    described = importlib.util.spec_from_file_location(name, path)
    assert described is not None and described.loader is not None  # of a name that ends in .py
    module = importlib.util.module_from_spec(described)
    sys.modules[name] = module  # where dataclasses look
    described.loader.exec_module(module)
    return module


def _from_path(name: str) -> ModuleType | None:
    """Import a module of the Python path; ``None`` where there is none of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say in a sentence where code that is not ours has failed."""
    try:
        yield
    except (UserError, GeneratorExit):
        raise
    except Exception as error:
        if isinstance(error, SyntaxError):
            file, line = error.filename or name, error.lineno
        else:
            last = traceback.extract_tb(error.__traceback__)[-1]
            file, line = last.filename, last.lineno
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise UserError(f"{name} has failed in {file}, line {line}: {said}") from error
