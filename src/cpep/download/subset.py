"""Of what a part of a BIDS data set consists: tables, recordings, and the files that belong to each of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cpep.download.manifest import Manifest
from cpep.types import UserError

RECORDING = re.compile(r"sub-[^/]+/(ses-[^/]+/)?emg/[^/]+_emg\.(bdf|edf)")
EXTRA = ("space", "tracksys")
"""Entities that a file may have beside those of the recording that it belongs to."""

LARGEST_ROOT_FILE = 1 << 25


def recordings(paths: Iterable[str]) -> list[str]:
    """Return the paths of EMG recordings, sorted."""
    return sorted(path for path in paths if RECORDING.fullmatch(path))


def tables(manifest: Manifest) -> list[str]:
    """Return the files that are read to choose, and those of the top folder: they come with every part."""
    top = [one.path for one in manifest.values() if _at_top(one.path) and one.plain and one.size <= LARGEST_ROOT_FILE]
    return sorted({*top, *(path for path in manifest if path.startswith("sub-") and path.endswith("_scans.tsv"))})


def _at_top(path: str) -> bool:
    return "/" not in path and (not path.startswith(".") or path == ".bidsignore")


def entities(path: str) -> frozenset[str]:
    """Return the entities of a file's name.

    >>> sorted(entities("sub-01/emg/sub-01_task-grasp_emg.json"))
    ['sub-01', 'task-grasp']
    """
    return frozenset(part for part in PurePosixPath(path).name.partition(".")[0].split("_")[:-1] if "-" in part)


@dataclass
class Belongings:
    """Finds the files that belong to a recording: those that BIDS lets it inherit, and its motion capture.

    A file belongs to it where it lies in its folder, in a ``motion`` folder beside it or in a folder further up, and
    its name has no entity that the recording has not (but ``space`` and ``tracksys``).
    """

    _found: dict[str, dict[frozenset[str], list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Iterable[str]) -> Belongings:
        """Look at all files of a data set."""
        made = cls()
        for path in paths:
            if path.startswith("sub-") and not RECORDING.fullmatch(path):
                folder, _, _ = path.rpartition("/")
                names = frozenset(one for one in entities(path) if one.partition("-")[0] not in EXTRA)
                made._found.setdefault(folder, {}).setdefault(names, []).append(path)
        return made

    def to(self, recording: str) -> list[str]:
        """Return the paths of the files that belong to a recording."""
        mine, folder = entities(recording), PurePosixPath(recording).parent
        places = [*map(str, folder.parents), str(folder), str(folder.parent / "motion")]
        groups = [group for place in places for names, group in self._found.get(place, {}).items() if names <= mine]
        return [path for group in groups for path in group]


def read_table(path: Path, needed: Collection[str]) -> list[dict[str, str]]:
    """Read a table of BIDS; ``n/a`` is an empty cell.

    Raises:
        UserError: it cannot be read, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not readable as a table ({error})") from error
    header, *rows = lines or [[]]
    if missing := sorted(set(needed) - set(header)):
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{path}, line {number}: {len(row)} cells where the header has {len(header)}")
    plain = [["" if cell.strip() == "n/a" else cell.strip() for cell in row] for row in rows]
    return [dict(zip(header, row, strict=True)) for row in plain]


def scans(folder: Path, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the lines of all scans.tsv that lie in a folder, by the path of the file that each is about.

    Raises:
        UserError: a table cannot be read.
    """
    found = {}
    for path in paths:
        if path.endswith("_scans.tsv"):
            for row in read_table(folder / path, ["filename"]):
                found[f"{PurePosixPath(path).parent}/{row['filename']}"] = row
    return found


def people(folder: Path) -> dict[str, str]:
    """Return who each ``sub-`` of participants.tsv is: ``original_user`` where there is one, else the label.

    Raises:
        UserError: the table cannot be read.
    """
    path = folder / "participants.tsv"
    if not path.exists():
        return {}
    rows = read_table(path, ["participant_id"])
    return {row["participant_id"]: row.get("original_user") or person(row["participant_id"]) for row in rows}


def person(subject: str) -> str:
    """Return the label of a participant."""
    return subject.removeprefix("sub-")
