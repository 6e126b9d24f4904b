"""Who, when, where and what a BIDS recording is: what its sidecars and tables say of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cpep.data.readers.bids_layout import Beside, beside, parsed
from cpep.data.readers.bids_text import Row, read_json, rows_by
from cpep.data.readers.metadata import MetadataRow, parse_metadata, plain_stage
from cpep.runtime import checked
from cpep.runtime.checked import Count, NotNegative
from cpep.types import EmgKind, UserError

AGAIN = "export the recording again"
OURS = "cpep"
"""Key of emg.json for what BIDS has no word for, in what cpep exports."""


@dataclass(frozen=True)
class _Band:
    """What a device is, beside what its files tell."""

    emg_unit: str = ""
    emg_kind: EmgKind = "raw"
    ring: tuple[int, ...] = ()
    highpass_hz: NotNegative | None = None
    notch_hz: NotNegative = 0.0


@dataclass(frozen=True)
class _Anchor:
    """What an anchor is."""

    names: tuple[str, ...]
    unit: str
    kind: str = ""


@dataclass(frozen=True)
class _Ours:
    """What stands under that key."""

    dataset: str = ""
    session: str = ""
    device: _Band = _Band()
    vocabulary: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()
    repairs: tuple[tuple[str, Count], ...] = ()
    anchor: _Anchor | None = None
    recorded: dict[str, Any] | None = None


@dataclass(frozen=True)
class Said:
    """What the sidecars and tables say of a recording.

    Attributes:
        json: ``emg.json``.
        ours: what cpep wrote into it.
        scan: row of ``scans.tsv``.
        scans: all rows, by ``filename``.
        person: row of ``participants.tsv``.
    """

    json: dict[str, Any]
    ours: dict[str, Any]
    scan: Row
    scans: dict[str, Row]
    person: Row


def said_of(path: Path, files: Beside) -> Said:
    """Return what the files beside a recording say of it.

    Raises:
        UserError: one of them is damaged.
    """
    json = read_json(files.json)
    scans, scan = _scans(path, files)
    people = rows_by(files.participants, "participant_id") if files.participants else {}
    person = people.get(f"sub-{_entity(path, 'sub')}", {})
    return Said(json, _ours(json, path), scan, scans, person)


def _ours(json: dict[str, Any], path: Path) -> dict[str, Any]:
    ours = json.get(OURS, {})
    checked.convert(ours, _Ours, f"the key '{OURS}' in the emg.json of {path}", remedy=AGAIN, others=True)
    return dict(ours)


def _scans(path: Path, files: Beside) -> tuple[dict[str, Row], Row]:
    """Return the rows of scans.tsv by file name, and the one of a recording."""
    if files.scans is None:
        return {}, {}
    scans = rows_by(files.scans, "filename")
    return scans, scans.get(path.relative_to(files.scans.parent).as_posix(), {})


def _entity(path: Path, key: str) -> str:
    name = parsed(path.name)
    return name.entities.get(key, "") if name else ""


def _text(*values: Any) -> str:
    """Return the first value that says something, as a text; lists and objects say nothing that is one."""
    return next((str(value) for value in values if isinstance(value, str | int | float) and value != ""), "")


def user_of(said: Said, path: Path, *, emg2pose: bool) -> str:
    """Return the person: of emg2pose and of what cpep exported by the original id, else the label."""
    original = said.person.get("original_user", "") if emg2pose or said.ours else ""
    return _text(original, _entity(path, "sub"))


def session_of(said: Said, path: Path, files: Beside, *, emg2pose: bool) -> str:
    """Return the session: of emg2pose as its metadata or the name of its source say, else the label."""
    source, stage = _source(said), said.json.get("Stage") or said.scan.get("stage")
    listed = _metadata(files).get(source) if emg2pose else None
    told = listed.session if listed else ""
    if emg2pose and not told:
        told = next((source.partition(f"-{what}-")[0] for what in ("recording", stage) if f"-{what}-" in source), "")
    return _text(said.ours.get("session"), told, _entity(path, "ses"), "1")


def stage_of(said: Said, path: Path, *, emg2pose: bool) -> str:
    """Return the stage: ``Stage``, else the task."""
    named = said.json.get("Stage"), said.scan.get("stage"), said.json.get("TaskName"), _entity(path, "task")
    stage = _text(*named, "emg")
    return plain_stage(stage) if emg2pose else stage


def side_of(said: Said, path: Path) -> tuple[str, str]:
    """Return the side of the body, ``left`` or ``right``, and a note where nothing says it."""
    stated = _text(said.json.get("HandSide"), said.scan.get("side"), _entity(path, "recording")).lower()
    if stated in ("left", "right"):
        return stated, ""
    return "right", "nothing says of which arm it is; right is assumed"


def _source(said: Said) -> str:
    """Return the name of emg2pose's file that a recording was converted from."""
    return _text(said.json.get("SourceFile"), said.scan.get("source_file")).removesuffix(".hdf5")


def split_of(path: Path, *sidecars: Path) -> str:
    """Return the split of a recording: of scans.tsv, else of emg2pose's metadata by the name of its source.

    Raises:
        UserError: it is none of ``train``, ``val``, ``test``.
    """
    files = beside(path)
    split = _scans(path, files)[1].get("split", "")
    if not split and files.metadata and (source := _source(said_of(path, files))):
        row = _metadata(files).get(source)
        split = row.split if row else ""
    if split not in ("", "train", "val", "test"):
        raise UserError(f"{files.scans}: the split of {path.name} is {split!r}; it must be train, val, test or n/a")
    return split


def _metadata(files: Beside) -> dict[str, MetadataRow]:
    if files.metadata is None:
        return {}
    status = files.metadata.stat()
    return _metadata_rows(files.metadata, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _metadata_rows(path: Path, changed: int, size: int) -> dict[str, MetadataRow]:
    return {row.filename: row for row in parse_metadata(path)}
