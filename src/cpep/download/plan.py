"""The plan of a download of emg2pose: which files are wanted, and what is known of them before any is fetched.

The 431 GiB are one tar without a table of contents. Its headers are walked once (``cpep.download.tar_walk``), and
each wanted recording is then read from its place by HTTP Range (``cpep.download.fetch``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cpep.data.readers.folder import STORE_INDEX
from cpep.data.readers.metadata import METADATA, MetadataRow, parse_metadata
from cpep.download.connections import Limiter
from cpep.download.http import Remote
from cpep.download.selection import Selection, choose, seconds_of
from cpep.download.tar_index import TarIndex, load_index
from cpep.runtime.files import atomic_path, write_text
from cpep.types import UserError

PREFIX = "https://fb-ctrl-oss.s3.amazonaws.com/emg2pose/"
TAR = "emg2pose_dataset.tar"
MINI = "emg2pose_dataset_mini.tar"
TABLE = "emg2pose_metadata.csv"
TABLE_MD5 = "c3f48fd51576fa7752d455f2751c8b99"

LICENSE_FILE = "DATA_LICENSE.txt"
LICENSE = """\
The recordings and metadata.csv in this folder are from emg2pose (https://arxiv.org/abs/2412.02725), under
CC-BY-NC-SA-4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): name the source, no commercial use, and what
is adapted from them under the same licence. Weights trained on them come from non-commercial data: say so where you
share them.

SPDX-License-Identifier: CC-BY-NC-SA-4.0
"""


def fetch_metadata(prefix: str, out: Path, note: Callable[[str], None]) -> list[MetadataRow]:
    """Return the rows of ``out/metadata.csv``, which is fetched where it is not there; the licence is put beside it.

    Args:
        prefix: address of the folder that holds the files of emg2pose.
        out: made where it does not exist.
        note: called with a sentence where the file of the official address is not the one as published.

    Raises:
        UserError: it cannot be fetched or written, or is no metadata.
    """
    refuse_folder(out)
    rows = fetch_table(prefix, out / METADATA, note)
    if not (out / LICENSE_FILE).exists():
        write_text(out / LICENSE_FILE, LICENSE)
    return rows


def refuse_folder(out: Path) -> None:
    """Refuse a place where recordings must not be written.

    Raises:
        UserError: it is a prepared store, or a file.
    """
    if (out / STORE_INDEX).exists() or (out.exists() and not out.is_dir()):
        raise UserError(f"{out} is a prepared store, or no folder; choose another place for the recordings")


def fetch_table(prefix: str, path: Path, note: Callable[[str], None]) -> list[MetadataRow]:
    """Return the rows of a file of emg2pose's metadata, which is fetched where it is not there.

    Args:
        prefix: as in ``fetch_metadata``.
        path: of the file.
        note: as in ``fetch_metadata``.

    Raises:
        UserError: it cannot be fetched or written, or is no metadata.
    """
    if not path.exists():
        with Remote(prefix + TABLE) as remote, atomic_path(path) as temporary:
            temporary.write_bytes(remote.read(0, remote.size))
            try:
                parse_metadata(temporary)
            except UserError as error:
                reason = str(error).replace(str(temporary), "it")
                raise UserError(f"{remote.url} is not the metadata of emg2pose: {reason}") from error
    if prefix == PREFIX:
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if found != TABLE_MD5:
            note(f"{path} has md5 {found}, not {TABLE_MD5} as published: it was edited, or there is a new one")
    return parse_metadata(path)


@dataclass(frozen=True, eq=False)
class Plan:
    """The wanted files, and what is known of them.

    Attributes:
        out: folder of the recordings.
        tar: the tar that holds the recordings.
        index: the headers of the tar that are known.
        index_path: where the index is kept.
        names: wanted files; empty for every recording of the tar.
        rows: rows of metadata.csv, by the names of the wanted files.
        density: bytes of the tar for a second of recording.
        members: expected number of headers in the tar.
    """

    out: Path
    tar: Remote
    index: TarIndex
    index_path: Path
    names: tuple[str, ...]
    rows: dict[str, MetadataRow]
    density: float
    members: int

    @property
    def walked(self) -> bool:
        """Whether the place of every file that is still to fetch is known."""
        if self.index.complete or not self.names:
            return self.index.complete
        known = self.index.members()
        here = bytes_here(self.out)
        return all(name in known or name in here for name in self.names)

    def wanted(self) -> tuple[str, ...]:
        """Return the names of the wanted files; where the whole tar is wanted, the names that are known so far."""
        return self.names or tuple(name for name in self.index.members() if name.endswith(".hdf5"))

    def sizes(self) -> dict[str, float]:
        """Return the bytes of each wanted file: known from the tar, or else estimated by its length in time.

        Files that a complete index does not have are left out.
        """
        known, found = self.index.members(), dict[str, float]()
        for name in self.wanted():
            if name in known:
                found[name] = known[name].size
            elif not self.index.complete:
                found[name] = self.density * seconds_of(self.rows[name])
        return found

    def left(self) -> float:
        """Return the bytes that are still to fetch."""
        here = bytes_here(self.out)
        return sum(bytes_left(name, size, here) for name, size in self.sizes().items())

    def check_space(self) -> None:
        """Refuse what the disk cannot hold.

        Raises:
            UserError: it cannot.
        """
        check_space(self.out, self.left())


def make_plan(
    selection: Selection | None,
    out: Path,
    *,
    prefix: str = PREFIX,
    index: Path | None = None,
    bytes_per_s: float | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Choose what to fetch: read the metadata and the index, ask the server for the size of the tar, and no more.

    Args:
        selection: which recordings of the large tar; ``None`` for the mini set.
        out: folder for the recordings.
        prefix: address of the folder that holds the files of emg2pose.
        index: file of the index; in ``out`` unless given.
        bytes_per_s: bound on the rate.
        note: called with a sentence about anything odd.

    Raises:
        UserError: the selection is empty, the server refuses, or the index is of another tar.
    """
    rows = fetch_metadata(prefix, out, note)
    chosen = rows if selection is None else choose(rows, selection)
    name = MINI if selection is None else TAR
    tar = Remote(prefix + name, Limiter(bytes_per_s))
    index_path = index or out / f"{name}.index.json"
    with tar:
        found = load_index(index_path, tar)
        by_name = {f"{PurePosixPath(row.filename).name}.hdf5": row for row in chosen}
        return Plan(
            out=out,
            tar=tar,
            index=found,
            index_path=index_path,
            names=() if selection is None else tuple(by_name),
            rows=by_name,
            density=tar.size / max(sum(map(seconds_of, rows)), 1.0),
            members=len(rows),
        )


def partial_of(path: Path) -> Path:
    """Return the hidden file in which a recording grows."""
    return path.with_name(f".{path.name}.partial")


def bytes_here(folder: Path) -> dict[str, int]:
    """Return the size of every file of a folder by name; one listing, since there may be 25,000 of them."""
    if not folder.exists():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}


def bytes_left(name: str, size: float, here: dict[str, int]) -> float:
    """Return how many bytes of a recording are still to come, given the sizes of files ``here``."""
    return 0 if name in here else max(size - here.get(partial_of(Path(name)).name, 0), 0)


def check_space(folder: Path, need: float) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        UserError: it has fewer than ``need`` bytes free.
    """
    free = free_bytes(folder)
    if need > free:
        raise UserError(
            f"{folder}: {need / 1e9:,.2f} GB are to come and {free / 1e9:,.2f} GB are free; "
            "make room, choose another place, or ask for less"
        )


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk on which a folder is or will be."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
