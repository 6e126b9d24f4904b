"""Finds the recordings of a folder, in whatever format they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from cpep.data.readers.registry import READERS, Missing, Reader, readers
from cpep.data.recording import Device, Recording, Repair
from cpep.runtime.confined import Ended, bounds_of, call
from cpep.runtime.files import refuse_broken_link
from cpep.types import UserError

STORE_INDEX = "store.json"
"""A folder with this file is a prepared store; its arrays are no recordings."""

BIDS_TOP = "dataset_description.json"
"""A folder with this file is a data set in BIDS."""
NO_RAW_DATA = ("derivatives", "sourcedata", "code", "stimuli")
"""Folders of such a data set that hold its recordings once more, or none."""

READING = "cpep.data.readers.reading"
"""Module of the functions that open files of recordings."""

PART = "~"
"""Between the name of a file and the number of a part of it."""

JUNK = re.compile(
    r"\..*|~\$.*|__MACOSX|@eaDir|\$RECYCLE\.BIN|System Volume Information|Thumbs\.db|desktop\.ini|Icon\r", re.I
)
"""Hidden files, and what macOS, Windows and Office leave in folders."""

_ended: dict[tuple[Path, ...], tuple[list[float], Ended]] = {}
"""Files whose reading was ended, as they were then: this process does not read them again, as that takes long."""


@dataclass(frozen=True)
class Source:
    """One file that holds one recording.

    Attributes:
        path: the file.
        reader: name of what reads it.
        name: its path below the folder without the ending, unique in the folder.
        sidecars: further files that are read with it.
    """

    path: Path
    reader: str
    name: str
    sidecars: tuple[Path, ...] = ()

    def parts(self) -> tuple[Recording, ...]:
        """Read the recording, at a rate that tokens divide (``at_even_rate``), under the name of this source.

        Returns:
            one; or the parts of a file that was cut where its clock jumps, named ``S1~1``, ``S1~2``, ...

        Raises:
            UserError: the file cannot be read as what its format promises; the sentence names it.
        """
        found: tuple[Recording, ...] = self._ask("parts", (Recording, Device, Repair))
        return found

    def dataset(self) -> str:
        """Return the name of the data set that the recording is from; ``""`` for the name of the folder.

        Raises:
            UserError: as ``read``.
        """
        return str(self._ask("dataset"))

    def split(self) -> str:
        """Return the split that the files beside the recording give it; empty where they give none.

        Raises:
            UserError: as ``parts``.
        """
        if READERS.get(self.reader).split is Reader.split:  # the default, which opens nothing
            return ""
        return str(self._ask("split"))

    def _ask(self, function: str, kinds: Sequence[type] = ()) -> Any:
        """Call a function of ``reading`` where it can be ended; here, where this process alone has the reader."""
        files = (self.path, *self.sidecars)
        now = [part for path in files if path.is_file() for part in (path.stat().st_size, path.stat().st_mtime)]
        before, ended = _ended.get(files, ([], None))
        if ended and before == now and function != "split":  # which lies beside the recording
            raise ended
        given = (self.reader, self.name, self.path, self.sidecars)
        try:
            found = call(f"{READING}:{function}", *given, what=self.path, bounds=bounds_of(files), kinds=kinds)
        except Ended as error:
            _ended[files] = now, error
            raise
        return getattr(import_module(READING), function)(*given) if found is None else found


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        sources: the recordings, sorted by name with numbers in their order (S2 before S10).
        ignored: files that are no recordings.
        incomplete: ignored files that lack something to be recordings, and what they lack.
    """

    sources: tuple[Source, ...]
    ignored: tuple[Path, ...]
    incomplete: tuple[tuple[Path, Missing], ...]


def list_folder(folder: Path) -> Listing:
    """Sort the files of a folder and its subfolders into recordings and others, by name alone.

    Hidden files and folders, prepared stores, and what is derived in a data set in BIDS are passed over. ``folder``
    may also be one file.

    Raises:
        UserError: the folder does not exist, or two recordings have one name.
    """
    refuse_broken_link(folder)
    if not folder.exists():
        raise UserError(f"{folder} does not exist")
    sources, others = _sort(folder)
    sources.sort(key=lambda source: natural(source.name))
    for one, other in pairwise(sources):
        if one.name == other.name:
            raise UserError(f"{one.path} and {other.path} are two recordings of one name; rename or remove one")
    ignored = tuple(sorted(others))
    return Listing(tuple(sources), ignored, tuple((path, missing) for path in ignored if (missing := others[path])))


def find_recordings(folder: Path) -> list[Source]:
    """Return the recordings of a folder, sorted by name with numbers in their order (S2 before S10).

    Args:
        folder: with files of any format that cpep reads, at any depth.

    Raises:
        UserError: the folder does not exist or holds no recording.
    """
    if (folder / STORE_INDEX).is_file():
        raise UserError(f"{folder} is a prepared store; name the folder of recordings that it was made from")
    listing = list_folder(folder)
    if not listing.sources:
        if listing.incomplete:
            (first, missing), more = listing.incomplete[0], len(listing.incomplete) - 1
            others = f", nor {'has 1 other' if more == 1 else f'have {more} others'}" if more else ""
            raise UserError(f"{first} has no {missing.what}{others}; {missing.remedy}")
        *most, last = [reader.readable for reader in readers()]
        raise UserError(f"{folder} holds no recordings that cpep reads: {', '.join(most)}, or {last}")
    return list(listing.sources)


def check_emg2pose(path: Path) -> None:
    """Check that a file is HDF5 of the emg2pose layout, from its attributes to its last sample.

    Raises:
        UserError: it is not.
    """
    call(f"{READING}:check_emg2pose", path, what=path, bounds=bounds_of([path]))


def dataset_name(sources: Sequence[Source]) -> str:
    """Return the name of a data set, from the first file that gives one (``ninapro_db1``), else from the folder."""
    for source in sources:
        try:
            if name := source.dataset():
                return name
        except UserError:
            continue
    first = sources[0]
    return first.path.parents[first.name.count("/")].resolve().name


def natural(name: str) -> tuple[list[int | str], str]:
    r"""Return a sorting key under which numbers in a name count as numbers.

    >>> sorted(["S10_E1", "S2_E1", "S1_E1"], key=natural)
    ['S1_E1', 'S2_E1', 'S10_E1']
    >>> sorted(["\N{SUPERSCRIPT TWO}", "2", ""], key=natural)
    ['', '2', '²']
    """
    parts = re.split(r"(\d{1,300})", name)  # of more digits Python makes no number
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def _sort(folder: Path) -> tuple[list[Source], dict[Path, Missing | None]]:
    """Return the recordings; and the files that neither are nor describe one, with what they lack to be one."""
    sources: list[Source] = []
    others: dict[Path, Missing | None] = {}
    asked = readers()
    tables = {table.name for reader in asked for table in reader.tables}
    for below, path in _files(folder) if folder.is_dir() else [("", folder)]:
        if path.name in tables:
            continue
        missing = None
        for reader in asked:
            found = reader.find(path)
            if found and not found.missing:
                sources.append(Source(path, reader.name, below + found.name, found.sidecars))
                break
            if reader.describes(path):
                break
            if found:
                missing = missing or found.missing
        else:
            others[path] = missing
    for source in sources:
        for sidecar in source.sidecars:
            others.pop(sidecar, None)
    return sources, others


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder, each after the path from ``folder`` to its own one (``""``, or ``a/b/``)."""
    for place, folders, names in os.walk(folder):
        if STORE_INDEX in names:
            folders.clear()
            continue
        beside = NO_RAW_DATA if BIDS_TOP in names else ()
        folders[:] = sorted(name for name in folders if not JUNK.fullmatch(name) and name not in beside)
        here = Path(place)
        below = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        yield from ((below, here / name) for name in names if not JUNK.fullmatch(name))
