"""Names, sidecars and tables of a BIDS data set: what belongs to a recording, and what they say of it.

A sidecar applies to all files below its folder whose entities include those of its own name, so that
``task-x_emg.json`` at the top holds for every recording of task x. The nearest one wins: of a JSON each key, of a
table the whole of it. ``n/a`` is missing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cpep.types import UserError, refuse_interpolation

ENDINGS = (".bdf", ".edf")
TYPES = ("emg", "motion")
"""Folders of a person's or a session's files, by kind."""

SETTINGS = "cpep.json"
METADATA = ("metadata.csv", "emg2pose_metadata.csv")
POINTER = re.compile(rb"\S*/annex/objects/\S+\s*$")
"""What git leaves in the place of a recording whose content DataLad has not fetched."""
SMALLEST = 512
"""Bytes of the shortest EDF header: a smaller file is no recording."""

Row = dict[str, str]


@dataclass(frozen=True)
class Name:
    """The name of a file in parts.

    Attributes:
        entities: labels by key, such as ``{"sub": "01", "task": "grasp"}``; texts, so that 01 and 1 differ.
        suffix: what the file is: ``emg``, ``channels``, ``events``.
        ending: from the last dot.
    """

    entities: dict[str, str]
    suffix: str
    ending: str

    def holds_for(self, other: Name, passing: tuple[str, ...] = ()) -> bool:
        """Tell whether a sidecar of this name applies to a file of the other; ``passing`` entities do not count."""
        return all(key in passing or other.entities.get(key) == value for key, value in self.entities.items())


@dataclass(frozen=True)
class Settings:
    """What the key ``bids`` of a ``cpep.json`` at the top of the data set says, in place of what its files say.

    Attributes:
        unit: of the EMG; empty to go by the files.
        zero_duration_s: seconds for which an event of zero duration is a label, unless the next one comes before.
        ignore: texts of events that are no labels.
        tracksys: tracking system whose motion file is the anchor, where there are several.
    """

    unit: str = ""
    zero_duration_s: float = 0.2
    ignore: tuple[str, ...] = ("stage_start",)
    tracksys: str = ""


@lru_cache(maxsize=1 << 16)
def parsed(name: str) -> Name | None:
    """Return a name in parts; ``None`` where it is not one of BIDS.

    >>> parsed("sub-01_task-grasp_emg.bdf")
    Name(entities={'sub': '01', 'task': 'grasp'}, suffix='emg', ending='.bdf')
    """
    stem, dot, ending = name.rpartition(".")
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    if not dot or len(entities) != len(pairs) or not suffix.isalnum():
        return None
    return Name(entities, suffix, dot + ending.lower())


def is_recording(path: Path) -> bool:
    """Tell whether a file is called as an EMG recording of BIDS."""
    name = parsed(path.name)
    return bool(name and name.suffix == "emg" and name.ending in ENDINGS and "sub" in name.entities)


def top_of(path: Path) -> Path:
    """Return the top of the data set that a file lies in: the first folder above that is none of a person."""
    folder = path.parent
    while folder.name in TYPES or folder.name.startswith(("sub-", "ses-")):
        folder = folder.parent
    return folder


@dataclass(frozen=True)
class Motion:
    """A file of tracked motion: rows of numbers, and what describes them (the nearest last)."""

    data: Path
    json: tuple[Path, ...]
    channels: tuple[Path, ...]


@dataclass(frozen=True)
class Beside:
    """The files that belong to a recording; of several of a kind the nearest is the last.

    Attributes:
        json: ``_emg.json``.
        channels: ``_channels.tsv``.
        events: ``_events.tsv``.
        motion: of the same entities, by tracking system.
        scans: the table of the session's (or person's) recordings.
        participants: the table of people.
        settings: ``cpep.json`` at the top.
        metadata: the table of emg2pose, where a copy lies at the top.
    """

    json: tuple[Path, ...]
    channels: tuple[Path, ...]
    events: tuple[Path, ...]
    motion: tuple[Motion, ...]
    scans: Path | None
    participants: Path | None
    settings: Path | None
    metadata: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        moved = [path for one in self.motion for path in (*one.json, *one.channels, one.data)]
        single = [path for path in (self.scans, self.participants, self.settings, self.metadata) if path]
        return (*self.json, *self.channels, *self.events, *moved, *single)


def beside(path: Path) -> Beside:
    """Return the files that belong to a recording; none is opened."""
    own, top = parsed(path.name), top_of(path)
    assert own is not None
    levels = _levels(path.parent, top)
    scans = [level / name for level in reversed(levels) for name in _names(level) if name.endswith("_scans.tsv")]
    at_top = [name if name in _names(top) else None for name in ("participants.tsv", SETTINGS)]
    participants, settings = (top / name if name else None for name in at_top)
    metadata = [top / name for name in METADATA if name in _names(top)]
    return Beside(
        json=_applying(levels, own, "emg", ".json"),
        channels=_applying(levels, own, "channels", ".tsv"),
        events=_applying(levels, own, "events", ".tsv"),
        motion=_motion(path, top, own),
        scans=scans[0] if scans else None,
        participants=participants,
        settings=settings,
        metadata=metadata[0] if metadata else None,
    )


def _levels(folder: Path, top: Path) -> list[Path]:
    """Return the folders from the top to a folder below it."""
    levels = [folder]
    while levels[0] != top:
        levels.insert(0, levels[0].parent)
    return levels


def _applying(levels: list[Path], own: Name, suffix: str, ending: str) -> tuple[Path, ...]:
    """Return the sidecars that apply, from the top down; in one folder those with fewer entities first."""
    found = []
    for folder in levels:
        here = [
            (len(name.entities), text)
            for text, name in _names(folder).items()
            if name and (name.suffix, name.ending) == (suffix, ending) and name.holds_for(own)
        ]
        found += [folder / text for _, text in sorted(here)]
    return tuple(found)


def _motion(path: Path, top: Path, own: Name) -> tuple[Motion, ...]:
    folder = path.parent.parent / "motion" if path.parent.name in TYPES else path.parent
    found = []
    for text, name in _names(folder).items():
        if name and (name.suffix, name.ending) == ("motion", ".tsv") and name.holds_for(own, ("tracksys",)):
            levels = _levels(folder, top)
            channels = [
                one
                for one in _applying(levels, name, "channels", ".tsv")
                if one.parent.name == "motion" or "_tracksys-" in f"_{one.name}"  # others are of the EMG
            ]
            found.append(Motion(folder / text, _applying(levels, name, "motion", ".json"), tuple(channels)))
    return tuple(found)


def _names(folder: Path) -> dict[str, Name | None]:
    try:
        return _listed(str(folder), folder.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=256)
def _listed(folder: str, changed: int) -> dict[str, Name | None]:
    return {one.name: parsed(one.name) for one in sorted(Path(folder).iterdir())}


def refuse_pointer(path: Path) -> None:
    """Refuse a file whose content was not fetched.

    Raises:
        UserError: it is a link that leads nowhere, or a text that names an object of git-annex.
    """
    here = path.is_file()
    if here and (path.stat().st_size >= SMALLEST or not POINTER.match(path.read_bytes())):
        return
    if here or path.is_symlink():
        raise UserError(f"the content of {path} is not here; fetch it with `datalad get {path}`")
    raise UserError(f"{path} does not exist")


def read_json(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the keys of JSON sidecars together; those of later ones win, ``n/a`` counts as absent.

    Raises:
        UserError: one is damaged.
    """
    said: dict[str, Any] = {}
    for path in paths:
        said |= _json(str(path), *_state(path))
    return {key: value for key, value in said.items() if value != "n/a"}


@lru_cache(maxsize=64)
def _json(path: str, changed: int, size: int) -> dict[str, Any]:
    refuse_pointer(Path(path))
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable as JSON ({error}); repair it") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must be a JSON object")
    refuse_interpolation(value, path)
    return value


def read_table(path: Path) -> tuple[Row, ...]:
    """Return the rows of a .tsv, by the names of its columns; ``n/a`` is an empty text.

    Raises:
        UserError: a row has more or fewer cells than there are columns.
    """
    return _table(str(path), *_state(path))


@lru_cache(maxsize=512)
def _table(path: str, changed: int, size: int) -> tuple[Row, ...]:
    head, *lines = read_cells(Path(path)) or [[]]
    rows = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(head):
            raise UserError(f"{path}, row {number}: {len(cells)} cells where the first row names {len(head)} columns")
        rows.append(dict(zip(head, cells, strict=True)))
    return tuple(rows)


def read_cells(path: Path) -> list[list[str]]:
    """Return the cells of a .tsv, without empty lines; ``n/a`` is an empty text.

    Raises:
        UserError: the file is no text.
    """
    refuse_pointer(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return [["" if cell.strip() == "n/a" else cell.strip() for cell in line.split("\t")] for line in lines if line]


def _state(path: Path) -> tuple[int, int]:
    refuse_pointer(path)
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def read_settings(path: Path | None) -> Settings:
    """Return what the key ``bids`` of a ``cpep.json`` says; the defaults without one.

    Raises:
        UserError: a key is unknown or of the wrong type.
    """
    said = read_json([path]).get("bids", {}) if path else {}
    known = Settings.__dataclass_fields__
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UserError(f"{path}: unknown key 'bids.{key}'; did you mean '{near}'?")
    ignore, hold = said.get("ignore", []), said.get("zero_duration_s", Settings.zero_duration_s)
    if not isinstance(ignore, list) or not all(isinstance(text, str) for text in ignore):
        raise UserError(f"{path}: 'bids.ignore' must be a list of texts")
    if isinstance(hold, bool) or not isinstance(hold, int | float) or not 0 < hold < 60:
        raise UserError(f"{path}: 'bids.zero_duration_s' must be a number of seconds between 0 and 60")
    for key in ("unit", "tracksys"):
        if not isinstance(said.get(key, ""), str):
            raise UserError(f"{path}: 'bids.{key}' must be a text")
    ignored = tuple(ignore) if "ignore" in said else Settings.ignore
    return Settings(said.get("unit", ""), float(hold), ignored, said.get("tracksys", ""))
