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


Pairs = frozenset[tuple[str, str]]
"""Entities with their labels, such as ``("sub", "01")``; texts, so that 01 and 1 differ."""


@dataclass(frozen=True)
class Name:
    """The name of a file in parts.

    Attributes:
        entities: labels by key.
        suffix: what the file is: ``emg``, ``channels``, ``events``.
        ending: from the last dot.
    """

    entities: dict[str, str]
    suffix: str
    ending: str


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


@lru_cache(maxsize=1 << 12)
def _levels(folder: Path) -> tuple[Path, ...]:
    """Return the folders from the top of the data set, the first that is none of a person, to one below it."""
    levels = [folder]
    for is_one in (TYPES.__contains__, is_session, is_person):  # once each: a data set may lie in a folder called emg
        if is_one(levels[0].name):
            levels.insert(0, levels[0].parent)
    return tuple(levels)


def is_session(name: str) -> bool:
    """Tell whether a folder is one of a session."""
    return name.startswith("ses-")


def is_person(name: str) -> bool:
    """Tell whether a folder is one of a person."""
    return name.startswith("sub-")


@dataclass(frozen=True)
class _Folder:
    """The files of a folder: by suffix, ending and entities those that are called as BIDS calls them."""

    path: Path
    names: frozenset[str]
    scans: str
    kinds: dict[tuple[str, str], dict[int, dict[Pairs, str]]]

    def applying(self, own: Pairs, suffix: str, ending: str) -> list[Path]:
        """Return the sidecars that apply to a file of these entities, those with fewer entities first."""
        found = []
        for count, mine in sorted(self.kinds.get((suffix, ending), {}).items()):
            if count == len(own):
                found += [mine[own]] if own in mine else []
            elif count < len(own):
                found += [text for pairs, text in mine.items() if pairs <= own]
        return [self.path / text for text in found]


def _folder(path: Path) -> _Folder:
    try:
        return _listed(path, path.stat().st_mtime_ns)
    except OSError:
        return _Folder(path, frozenset(), "", {})


@lru_cache(maxsize=256)
def _listed(path: Path, changed: int) -> _Folder:
    names = sorted(one.name for one in path.iterdir())
    kinds: dict[tuple[str, str], dict[int, dict[Pairs, str]]] = {}
    for text in names:
        if name := parsed(text):
            alike = kinds.setdefault((name.suffix, name.ending), {}).setdefault(len(name.entities), {})
            alike[frozenset(name.entities.items())] = text
    scans = next((text for text in names if text.endswith("_scans.tsv")), "")
    return _Folder(path, frozenset(names), scans, kinds)


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
    name = parsed(path.name)
    assert name is not None
    own = frozenset(name.entities.items())
    levels = [_folder(level) for level in _levels(path.parent)]
    top = levels[0]
    at_top = {text: top.path / text for text in ("participants.tsv", SETTINGS, *METADATA) if text in top.names}

    def applying(suffix: str, ending: str) -> tuple[Path, ...]:
        return tuple(one for level in levels for one in level.applying(own, suffix, ending))

    return Beside(
        json=applying("emg", ".json"),
        channels=applying("channels", ".tsv"),
        events=applying("events", ".tsv"),
        motion=_motion(path, own),
        scans=next((level.path / level.scans for level in reversed(levels) if level.scans), None),
        participants=at_top.get("participants.tsv"),
        settings=at_top.get(SETTINGS),
        metadata=next((at_top[text] for text in METADATA if text in at_top), None),
    )


def _motion(path: Path, own: Pairs) -> tuple[Motion, ...]:
    """Return the motion files of the entities of a recording, of one or of several tracking systems."""
    folder = _folder(path.parent.parent / "motion" if path.parent.name in TYPES else path.parent)
    found = []
    for mine in folder.kinds.get(("motion", ".tsv"), {}).values():
        for pairs, text in mine.items():
            if not {pair for pair in pairs if pair[0] != "tracksys"} <= own:
                continue
            levels = [_folder(level) for level in _levels(folder.path)]
            channels = [
                one
                for level in levels
                for one in level.applying(pairs, "channels", ".tsv")
                if one.parent.name == "motion" or "_tracksys-" in f"_{one.name}"  # others are of the EMG
            ]
            json = [one for level in levels for one in level.applying(pairs, "motion", ".json")]
            found.append(Motion(folder.path / text, tuple(json), tuple(channels)))
    return tuple(sorted(found, key=lambda one: one.data))


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
        said |= _json(path, *_state(path))
    return {key: value for key, value in said.items() if value != "n/a"}


@lru_cache(maxsize=64)
def _json(path: Path, changed: int, size: int) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
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
    return _table(path, *_state(path))


@lru_cache(maxsize=512)
def _table(path: Path, changed: int, size: int) -> tuple[Row, ...]:
    head, *lines = read_cells(path) or [[]]
    rows = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(head):
            raise UserError(f"{path}, row {number}: {len(cells)} cells where the first row names {len(head)} columns")
        rows.append(dict(zip(head, cells, strict=True)))
    return tuple(rows)


def rows_by(path: Path, column: str) -> dict[str, Row]:
    """Return the rows of a .tsv by what stands in one column."""
    return _rows_by(path, column, *_state(path))


@lru_cache(maxsize=64)
def _rows_by(path: Path, column: str, changed: int, size: int) -> dict[str, Row]:
    return {row.get(column, ""): row for row in read_table(path)}


def read_cells(path: Path) -> list[list[str]]:
    """Return the cells of a .tsv, without empty lines; ``n/a`` is an empty text.

    Raises:
        UserError: the file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return [["" if cell.strip() == "n/a" else cell.strip() for cell in line.split("\t")] for line in lines if line]


def _state(path: Path) -> tuple[int, int]:
    """Return time and size of a small file, whose content is then known to be here."""
    try:
        status = path.stat()
    except OSError:
        refuse_pointer(path)
        raise
    if status.st_size < SMALLEST:
        refuse_pointer(path)
    return status.st_mtime_ns, status.st_size


def read_settings(path: Path | None) -> Settings:
    """Return what the key ``bids`` of a ``cpep.json`` says; the defaults without one.

    Raises:
        UserError: a key is unknown or of the wrong type.
    """
    said = read_json([path]).get("bids", {}) if path else {}
    if not isinstance(said, dict):
        raise UserError(f'{path}: \'bids\' must be an object, such as {{"unit": "uV"}}')
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
