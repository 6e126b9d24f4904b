"""What the tables of a BIDS data set say of its EMG recordings, as rows from which a part is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cpep.data.readers.metadata import MetadataRow
from cpep.download import subset
from cpep.download.manifest import Entry, Manifest
from cpep.download.plan import TABLE, fetch_table
from cpep.download.selection import SPLITS, Selection
from cpep.runtime.files import parse_json
from cpep.types import UserError

LONGEST_S = 1e9


def read_rows(
    out: Path, paths: Sequence[str], known: Sequence[str], dataset: str, note: Callable[[str], None]
) -> tuple[list[MetadataRow], dict[str, str]]:
    """Return what the tables say of each recording, and the paths of recordings by name.

    The name of a recording is that of emg2pose's file, where scans.tsv gives it, so that one seed chooses the same
    recordings here and from the tar; else its path.

    Args:
        out: the folder.
        paths: tables that lie in it.
        known: paths of all recordings.
        dataset: its id and version, for the sentences.
        note: called with a sentence about anything odd.

    Raises:
        UserError: a table cannot be read, or holds what cpep does not understand.
    """
    who, lines = subset.people(out), subset.scans(out, paths)
    rows, where = [], dict[str, str]()
    for path in known:
        row = _row(path, lines.get(path, {}), who, dataset)
        name = row.filename if row.filename and row.filename not in where else path
        where[name] = path
        rows.append(replace(row, filename=name))
    if gone := sorted({path for path in lines if subset.RECORDING.fullmatch(path)} - set(known)):
        note(f"{len(gone)} recordings of scans.tsv are not in the manifest of {dataset}, the first {gone[0]}")
    return rows, where


def _row(path: str, line: dict[str, str], who: dict[str, str], dataset: str) -> MetadataRow:
    subject, *rest = path.split("/")
    split, length = line.get("split", ""), line.get("duration", "")
    if split not in ("", *SPLITS):
        raise UserError(f"{dataset}: scans.tsv gives {path} the split {split!r}; cpep knows {', '.join(SPLITS)}")
    return MetadataRow(
        who.get(subject, subset.person(subject)),
        rest[0] if rest[0].startswith("ses-") else "",
        line.get("stage", ""),
        line.get("side", ""),
        split=split,
        generalization=line.get("generalization", ""),
        end=_seconds(length, f"{dataset}: scans.tsv, {path}") if length else 0.0,
        filename=line.get("source_file", "").removesuffix(".hdf5"),
    )


def _seconds(value: Any, where: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < LONGEST_S:
        raise UserError(f"{where}: the duration is {str(value)[:60]!r}, not a number of seconds")
    return seconds


def with_splits(
    rows: Sequence[MetadataRow], prefix: str, out: Path, note: Callable[[str], None]
) -> list[MetadataRow]:
    """Add the splits by emg2pose's own metadata, which the tables of v1.0.3 do not have."""
    table = {row.filename: row for row in fetch_table(prefix, out / TABLE, note)}
    found = {row.filename: table.get(row.filename) for row in rows if not row.split}
    if absent := sum(one is None for one in found.values()):
        note(f"{absent:,} of {len(rows):,} recordings are not in {out / TABLE}, so their split is unknown")
    return [
        replace(row, split=one.split, generalization=one.generalization) if (one := found.get(row.filename)) else row
        for row in rows
    ]


def with_lengths(
    rows: Sequence[MetadataRow],
    where: dict[str, str],
    manifest: Manifest,
    out: Path,
    fetch: Callable[[Sequence[Entry]], int],
) -> list[MetadataRow]:
    """Add the lengths that scans.tsv does not give, by ``RecordingDuration`` beside each recording.

    Args:
        rows: recordings.
        where: their paths, by name.
        manifest: all files.
        out: the folder.
        fetch: fetches files into it.
    """
    beside = {row.filename: f"{where[row.filename].rpartition('.')[0]}.json" for row in rows if not row.end}
    there = {name: path for name, path in beside.items() if path in manifest}
    fetch([manifest[path] for path in there.values()])
    ends = {name: _recording_duration(out / path) for name, path in there.items()}
    return [replace(row, end=ends.get(row.filename, row.end)) for row in rows]


def _recording_duration(path: Path) -> float:
    value: Any = parse_json(path)
    found = value.get("RecordingDuration", "n/a") if isinstance(value, dict) else "n/a"
    return 0.0 if found == "n/a" else _seconds(found, str(path))


def by_name(selection: Selection, rows: Sequence[MetadataRow], where: dict[str, str]) -> Selection:
    """Return a selection with people by the names of the rows, where they are given by their folders (``sub-01``)."""
    who = {where[row.filename].partition("/")[0]: row.user for row in rows}
    return replace(selection, users=tuple(dict.fromkeys(who.get(user, user) for user in selection.users)))
