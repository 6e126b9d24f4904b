"""Names, sidecars and tables of a BIDS data set: what belongs to a recording, and what they say of it.

A sidecar applies to all files below its folder whose entities include those of its own name, so that
``task-x_emg.json`` at the top holds for every recording of task x. The nearest one wins: of a JSON each key, of a
table the whole of it. ``n/a`` is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ENDINGS = (".bdf", ".edf")
TYPES = ("emg", "motion")
"""Folders of a person's or a session's files, by kind."""

SETTINGS = "cpep.json"
METADATA = ("metadata.csv", "emg2pose_metadata.csv")
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
