"""Reads the files of a recording for ``cpep.data.readers.folder``; what a reader raises is turned into sentences.

These functions run in the process of ``cpep.runtime.confined``, and in the process of a user for a reader that is
registered there alone. They return ``None`` where no reader of the name is registered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cpep.data.rates import at_even_rate
from cpep.data.readers.emg2pose import check_file
from cpep.data.readers.folder import PART
from cpep.data.readers.registry import READERS
from cpep.data.recording import Recording
from cpep.runtime.files import refuse_broken_link
from cpep.types import UserError

FOREIGN = (ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, struct.error)
"""What readers raise on fields that hold something else than their format promises: texts, structures, objects."""

READERS.names()  # modules of other people are imported before the time of the first call counts


def parts(reader: str, name: str, path: Path, sidecars: tuple[Path, ...]) -> tuple[Recording, ...] | None:
    """Return the parts of a recording; see ``Source.parts``."""
    if reader not in READERS:
        return None
    for one in (path, *sidecars):
        refuse_broken_link(one)
    with _in_sentences(reader, name, path):
        found = READERS.get(reader).read(path, *sidecars)
        parts = [at_even_rate(part) for part in (found if isinstance(found, tuple) else (found,))]
    names = [f"{name}{PART}{number}" for number in range(1, len(parts) + 1)] if parts[1:] else [name]
    return tuple(
        part if part.name == name else replace(part, name=name) for part, name in zip(parts, names, strict=True)
    )


def dataset(reader: str, name: str, path: Path, sidecars: tuple[Path, ...]) -> str | None:
    """Return the name of the data set of a recording; see ``Source.dataset``."""
    if reader not in READERS:
        return None
    with _in_sentences(reader, name, path):
        return READERS.get(reader).dataset(path)


def split(reader: str, name: str, path: Path, sidecars: tuple[Path, ...]) -> str | None:
    """Return the split of a recording; see ``Source.split``."""
    if reader not in READERS:
        return None
    with _in_sentences(reader, name, path):
        return READERS.get(reader).split(path, *sidecars)


def check_emg2pose(path: Path) -> None:
    """Check a file of emg2pose; see ``cpep.data.readers.folder.check_emg2pose``."""
    with _in_sentences("emg2pose", path.stem, path):
        check_file(path)


@contextmanager
def _in_sentences(reader: str, name: str, path: Path) -> Iterator[None]:
    """Turn what a reader raises into a sentence that names the file."""
    try:
        yield
    except UserError as error:
        # A recording calls itself by its stem, which several folders may hold.
        stem, colon, rest = str(error).partition(": ")
        mine = colon and stem == name.rpartition("/")[2]
        raise UserError(f"{path}: {rest}") if mine else error from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
    except FOREIGN as error:
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} is no {reader} recording as cpep knows them ({detail}); compare it with one that can be read"
        ) from error
