"""Finds the recordings of a folder, in whatever layout they are."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cpep.data.readers import emg2pose, generic, ninapro
from cpep.data.recording import Recording
from cpep.types import UserError

Layout = Literal["emg2pose", "ninapro", "generic"]

STORE_INDEX = "store.json"
"""A folder with this file is a prepared store; its arrays are no recordings."""

READABLE = "emg2pose (.hdf5), NinaPro (S1_A1_E1.mat), or .npz and .csv with a sidecar (cpep.data.readers.generic)"


FOREIGN = (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError)
"""What readers raise on fields that hold something else than their layout promises: texts, structures, objects."""


@dataclass(frozen=True)
class Source:
    """One file that holds one recording.

    Attributes:
        path: the file.
        layout: who reads it.
        name: its path below the folder without the ending, unique in the folder.
        sidecar: the JSON that describes a generic file.
    """

    path: Path
    layout: Layout
    name: str
    sidecar: Path | None = None

    def read(self) -> Recording:
        """Read the recording, under the name of this source.

        Raises:
            UserError: the file cannot be read as what its layout promises; the sentence names it.
        """
        try:
            recording = self._read()
        except UserError as error:
            # A recording calls itself by its stem, which several folders may hold.
            stem, colon, rest = str(error).partition(": ")
            mine = colon and stem == self.name.rpartition("/")[2]
            raise UserError(f"{self.path}: {rest}") if mine else error from error
        except FOREIGN as error:
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self.path} is no {self.layout} recording as cpep knows them ({detail}); "
                "compare it with one that can be read"
            ) from error
        return recording if recording.name == self.name else replace(recording, name=self.name)

    def _read(self) -> Recording:
        if self.layout == "emg2pose":
            return emg2pose.read_recording(self.path)
        if self.layout == "ninapro":
            return ninapro.read_recording(self.path)
        assert self.sidecar is not None
        return generic.read_recording(self.path, self.sidecar)


@dataclass(frozen=True)
class Listing:
    """What a folder holds: recordings, and how many files are none."""

    sources: tuple[Source, ...]
    ignored: tuple[Path, ...]

    @property
    def undescribed(self) -> list[Path]:
        """The .npz and .csv among the ignored files: recordings, perhaps, without a sidecar."""
        return [path for path in self.ignored if generic.is_data(path)]


def list_folder(folder: Path) -> Listing:
    """Sort the files of a folder and its subfolders into recordings and others, by name alone.

    Hidden files and folders and prepared stores are passed over. ``folder`` may also be one file.

    Raises:
        UserError: the folder does not exist, or two recordings have one name.
    """
    if not folder.exists():
        raise UserError(f"{folder} does not exist")
    root = folder if folder.is_dir() else folder.parent
    sources, ignored = [], []
    for path in _files(folder) if folder.is_dir() else [folder]:
        source = _source(path, root)
        if source is not None:
            sources.append(source)
        elif not _describes(path):
            ignored.append(path)
    sources.sort(key=lambda source: natural(source.name))
    for one, other in pairwise(sources):
        if one.name == other.name:
            raise UserError(f"{one.path} and {other.path} are two recordings of one name; rename or remove one")
    return Listing(tuple(sources), tuple(sorted(ignored)))


def find_recordings(folder: Path) -> list[Source]:
    """Return the recordings of a folder, sorted by name with numbers in their order (S2 before S10).

    Raises:
        UserError: the folder does not exist or holds no recording.
    """
    if (folder / STORE_INDEX).is_file():
        raise UserError(f"{folder} is a prepared store; name the folder of recordings that it was made from")
    listing = list_folder(folder)
    if not listing.sources:
        if listing.undescribed:
            first, more = listing.undescribed[0], len(listing.undescribed) - 1
            others = f", nor have {more} others" if more else ""
            raise UserError(
                f"{first} has no sidecar{others}; write {generic.stem(first)}.json beside it, or "
                f"{generic.FOLDER_SIDECAR} for all: `python -m pydoc cpep.data.readers.generic` shows one"
            )
        raise UserError(f"{folder} holds no recordings that cpep reads: {READABLE}")
    return list(listing.sources)


def dataset_name(sources: Sequence[Source]) -> str:
    """Return ``emg2pose``, ``emg2pose_simulated``, ``ninapro_db1`` or the like, or else the folder's name.

    The first file that can be read decides.
    """
    for source in sources:
        try:
            if source.layout == "emg2pose":
                return "emg2pose_simulated" if emg2pose.is_simulated(source.path) else "emg2pose"
            if source.layout == "ninapro":
                return ninapro.database_of(source.path).name
        except UserError:
            continue
    first = sources[0]
    return first.path.parents[first.name.count("/")].resolve().name


def natural(name: str) -> tuple[list[int | str], str]:
    """Return a sorting key under which numbers in a name count as numbers.

    >>> sorted(["S10_E1", "S2_E1", "S1_E1"], key=natural)
    ['S1_E1', 'S2_E1', 'S10_E1']
    """
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdigit() else part for part in parts], name


def _files(folder: Path) -> list[Path]:
    """List the files below a folder."""
    files = []
    for place, folders, names in os.walk(folder):
        if STORE_INDEX in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(place) / name for name in names if not name.startswith(".")]
    return files


def _source(path: Path, root: Path) -> Source | None:
    relative = path.relative_to(root).as_posix()
    if path.suffix.lower() == ".hdf5":
        return Source(path, "emg2pose", relative[: -len(".hdf5")])
    if ninapro.is_ninapro(path):
        return Source(path, "ninapro", relative[: -len(".mat")])
    if generic.is_data(path) and (sidecar := generic.sidecar_of(path)) is not None:
        return Source(path, "generic", relative[: len(relative) - len(path.name)] + generic.stem(path), sidecar)
    return None


def _describes(path: Path) -> bool:
    """Tell whether a file describes recordings rather than being one or being foreign."""
    return path.name == emg2pose.METADATA or path.suffix == ".json"
