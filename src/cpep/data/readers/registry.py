"""Formats of recordings and data sets that are known by name: each reader's module registers its own here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cpep.data.recording import Recording
from cpep.runtime.registry import Registry
from cpep.types import UserError

AS_NPZ = (
    "save its arrays with a name each, one row a sample, as in numpy.savez('S1.npz', emg=emg, label=label), and run "
    "`cpep data describe S1.npz`"
)
"""What to do about arrays in a file that cpep does not read, as the end of a sentence."""

MODULES = tuple(f"cpep.data.readers.{name}" for name in ("emg2pose", "bids", "ninapro", "xdf", "generic"))


@dataclass(frozen=True)
class Terms:
    """The terms of use of a data set; weights that were trained on it inherit them.

    Attributes:
        data: the licence of the data, in words.
        weights: the licence of the weights, by the hub's name; ``other`` where it has none.
        non_commercial: whether commercial use is not allowed, or nobody said that it is.
    """

    data: str
    weights: str
    non_commercial: bool


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set, by its name in a store and in a checkpoint's provenance.

    Attributes:
        terms: its licence; ``None`` where the person who shares a checkpoint must say it.
        unseen: gestures that are withheld from training where a run names none.
        seen: gestures that are evaluated as seen; empty for all that are not unseen.
        caution: begins the model card of weights that were trained on it; empty for none.
    """

    terms: Terms | None = None
    unseen: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    caution: str = ""


@dataclass(frozen=True)
class Missing:
    """What a file lacks, so that it cannot be read yet.

    Attributes:
        files: what such files are called: ``.npz or .csv``.
        what: what each of them lacks: ``sidecar``.
        remedy: what to do about this file, as the end of a sentence.
    """

    files: str
    what: str
    remedy: str


@dataclass(frozen=True)
class Found:
    """A recording, as far as the names of files tell.

    Attributes:
        name: of the recording: its file's name without the ending.
        sidecars: further files that are read with it. A store is out of date when one of them changes.
        missing: what it lacks, so that it cannot be read; ``None`` where it can.
    """

    name: str
    sidecars: tuple[Path, ...] = ()
    missing: Missing | None = None


def _nothing(path: Path) -> bool:
    return False


def _no_name(path: Path) -> str:
    return ""


@dataclass(frozen=True)
class SplitTable:
    """A file that lists the recordings of a folder, with the split of each.

    Attributes:
        name: of the file, which lies in a folder of recordings or above it.
        read: takes its path, and returns the split (``train``, ``val``, ``test`` or ``""``) by the name of a
            recording without its folder. Raises ``UserError`` where the file is damaged.
        foreign: takes its path, and says in a sentence why it is no such table, where another file has its name;
            an empty text stands for a table of splits.
    """

    name: str
    read: Callable[[Path], dict[str, str]]
    foreign: Callable[[Path], str] = _no_name

    def splits(self, folder: Path) -> dict[str, str]:
        """Return the split by the name of a recording, as the table of a folder gives it.

        Raises:
            UserError: the table is damaged, or names an unknown split.
        """
        found = self.read(folder / self.name)
        for name, split in found.items():
            if split not in ("", "train", "val", "test"):
                raise UserError(
                    f"{folder / self.name}: the split of {name} is {split!r}; it must be train, val, test or empty"
                )
        return found


def _no_split(path: Path, *sidecars: Path) -> str:
    return ""


@dataclass(frozen=True)
class Reader:
    """A format of recordings.

    Attributes:
        name: of the format.
        readable: what its files are called, in the sentence that lists all formats.
        find: takes a path, and tells from names alone whether that file is a recording; ``None`` if not. It is called
            for every file of a folder, so it opens none.
        read: takes the path and the sidecars, each an argument, and returns the ``Recording``; or several, the parts
            of one file that was cut where its clock jumps. Raises ``UserError`` where they cannot be read. It is
            called in a process of its own (``cpep.runtime.confined``), with bounds on time and memory; that writes
            no files, and sees of the environment what Python needs, ``CPEP_PLUGINS`` and other names with ``CPEP_``.
        dataset: takes the path of a recording, and returns the name of the data set that it is from; it may open it.
            An empty text stands for the name of the folder.
        describes: whether a file that is no recording describes some, so that it is not listed as ignored.
        tables: files that may list the recordings of a folder.
        split: takes the path and the sidecars, and returns the split that these give the recording: ``train``,
            ``val``, ``test``, or an empty text.
        priority: readers of higher priority are asked first. A reader that knows the names of its files has 0; a
            reader that may take any ``.csv`` has less.
    """

    name: str
    readable: str
    find: Callable[[Path], Found | None]
    read: Callable[..., Recording | tuple[Recording, ...]]
    dataset: Callable[[Path], str] = _no_name
    describes: Callable[[Path], bool] = _nothing
    tables: tuple[SplitTable, ...] = ()
    split: Callable[..., str] = _no_split
    priority: int = 0


READERS: Registry[Reader] = Registry("reader of recordings", MODULES)
"""Readers by the name of their format."""
DATASETS: Registry[DataSet] = Registry("data set", MODULES)
"""Data sets by the name that ``Reader.dataset`` returns."""


def readers() -> list[Reader]:
    """Return all readers in the order in which they are asked, whichever module was imported first."""
    return sorted(READERS, key=lambda reader: (-reader.priority, reader.name))


def data_set(name: str) -> DataSet:
    """Return what is known of a data set; an empty ``DataSet`` where no module registered it."""
    return DATASETS.get(name) if name in DATASETS else DataSet()
