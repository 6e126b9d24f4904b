"""What was fetched is compared later with what its source said of it, or with what was noted when it came.

NEMAR's manifest, which stays in the folder, has a checksum of each file. The tar of emg2pose has none of its members:
the checksum of each is noted in ``.sums.jsonl`` beside the files when it is whole and readable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cpep.download import manifest as manifests
from cpep.runtime import checked, plain
from cpep.runtime.checked import Count
from cpep.runtime.files import MOST_ROWS, read_bytes
from cpep.runtime.sums import AT_ONCE, of_file
from cpep.types import Progress, UserError, no_progress

NOTED = ".sums.jsonl"
AGAIN = "delete it, and run the same download again"


@dataclass(frozen=True)
class _Line:
    name: str
    size: Count
    sum: str


def note(folder: Path, name: str) -> None:
    """Note the checksum of a file that was fetched.

    Raises:
        OSError: it cannot be read, or the note cannot be written.
    """
    path = folder / name
    line = {"name": name, "size": path.stat().st_size, "sum": of_file(path)}
    with (folder / NOTED).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def is_download(folder: Path) -> bool:
    """Tell whether a folder holds what says how its files were when they came."""
    return any((folder / name).is_file() for name in (NOTED, manifests.KEPT))


def damage_of(folder: Path, progress: Progress = no_progress) -> list[str]:
    """Return a sentence for each file of a download that is not as it came; files that are gone are none.

    Raises:
        UserError: what was noted cannot be read.
    """
    notes, fetched = _noted(folder), _of_manifest(folder)
    total = len(notes) + len(fetched)
    found = []
    for done, (name, line) in enumerate(notes.items(), start=1):
        path = folder / name
        if path.is_file() and (path.stat().st_size != line.size or of_file(path) != line.sum):
            found.append(f"{path} is not as it came: its content does not fit the checksum noted then; {AGAIN}")
        progress(done, total)
    for done, entry in enumerate(fetched, start=1 + len(notes)):
        path, hasher = folder / entry.path, entry.hasher()
        with path.open("rb") as file:
            while part := file.read(AT_ONCE):
                hasher.update(part)
        if not entry.right(hasher):
            found.append(f"{path} does not fit its checksum in NEMAR's manifest; {AGAIN}")
        progress(done, total)
    return found


def _noted(folder: Path) -> dict[str, _Line]:
    """Return what was noted, by the names of the files; of two lines on one file the later counts."""
    path = folder / NOTED
    if not path.is_file():
        return {}
    remedy = "delete it: what came is not noted then"
    lines = [
        checked.convert(plain.parse(text, path, remedy), _Line, path, remedy=remedy)
        for text in read_bytes(path, MOST_ROWS).splitlines()
    ]
    for line in lines:
        if manifests.foreign(line.name):
            raise UserError(f"{path} names a file {line.name!r}, which is not in the folder; {remedy}")
    return {line.name: line for line in lines}


def _of_manifest(folder: Path) -> list[manifests.Entry]:
    """Return the files of a manifest that are there."""
    path, of = folder / manifests.KEPT, manifests.marked(folder)
    if not path.is_file() or of is None:
        return []
    entries = manifests.parse_manifest(read_bytes(path, MOST_ROWS), str(path), *of)
    for entry in entries.values():
        if (folder / entry.path).is_file():
            entry.refuse_odd(of[0])
    return [entry for entry in entries.values() if (folder / entry.path).is_file()]
