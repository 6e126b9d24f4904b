"""Tables of splits that lie beside recordings: which of them count, and the split that they give a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cpep.data.readers.folder import Source
from cpep.data.readers.registry import SplitTable, readers
from cpep.types import UserError


@dataclass(frozen=True)
class SplitFile:
    """A table in a folder of recordings, for the recordings of that folder and those below it.

    Attributes:
        name: path of the file below the folder of the data set.
        path: the file.
        table: what reads it.
        sources: names of the recordings that lie there or below.
    """

    name: str
    path: Path
    table: SplitTable
    sources: tuple[str, ...]

    @property
    def foreign(self) -> str:
        """Why the file is no table of splits; empty where it is one."""
        return self.table.foreign(self.path)

    def listed(self) -> dict[str, str]:
        """Return the split by the name of a recording without its folder.

        Raises:
            UserError: the table is damaged, or names an unknown split.
        """
        return self.table.splits(self.path.parent)


def find_split_files(folder: Path, sources: Sequence[Source]) -> list[SplitFile]:
    """Return the files whose names are those of split tables of the formats of the recordings, the deepest last."""
    formats = {source.reader for source in sources}
    tables: dict[str, SplitTable] = {}
    for reader in readers():
        for table in reader.tables if reader.name in formats else ():
            tables.setdefault(table.name, table)
    names: dict[PurePosixPath, list[str]] = {}
    for source in sources:
        for below in PurePosixPath(source.name).parents:
            names.setdefault(below, []).append(source.name)
    return [
        SplitFile(str(below / table.name), path, table, tuple(names[below]))
        for below in sorted(names, key=_depth)
        for table in tables.values()
        if (path := folder / below / table.name).is_file()
    ]


def _depth(path: PurePosixPath) -> tuple[int, str]:
    return len(path.parts), str(path)


def splits_of(files: Iterable[SplitFile]) -> dict[str, str]:
    """Return the split by the name of a recording; of two tables that list it, the nearer one says it.

    Raises:
        UserError: as ``SplitFile.listed``.
    """
    splits: dict[str, str] = {}
    for file in files:
        if file.foreign:
            continue
        listed = file.listed()
        splits |= {name: listed[last] for name in file.sources if (last := name.rpartition("/")[2]) in listed}
    return splits


def split_notes(files: Iterable[SplitFile]) -> Iterable[tuple[str, str]]:
    """Compare tables with the recordings that are there: yield the name of a table, and what is odd about it."""
    for file in files:
        if file.foreign:
            yield file.name, file.foreign
            continue
        try:
            listed = set(file.listed())
        except UserError as error:
            yield file.name, str(error)
            continue
        present = {name.rpartition("/")[2] for name in file.sources}
        for names, what in (
            (listed - present, "it lists, not here"),
            (present - listed, "here that it does not list"),
        ):
            if names:
                yield (
                    file.name,
                    f"{len(names):,} recording{'' if len(names) == 1 else 's'} {what}, the first {min(names)}",
                )
