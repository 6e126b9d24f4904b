"""Inspection of a folder of recordings: its contents, and what is wrong with which file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpep.data.copies import copies, digests
from cpep.data.readers.folder import Source, dataset_name, find_recordings, list_folder, natural
from cpep.data.readers.registry import Missing
from cpep.data.readers.split_files import find_split_files, split_notes
from cpep.data.recording import Device, Recording
from cpep.data.told import spelt_twice, told_once
from cpep.runtime.jobs import in_order
from cpep.types import Progress, UserError, no_progress

SHORT_S = 2.0
"""Length of the paper's window, seconds: a shorter recording gives no window."""

ROWS = 40
"""Lines of a table that are shown; the others are only counted."""


@dataclass(frozen=True)
class Summary:
    """What one recording holds; ``seconds_of`` and ``times_of`` by gesture."""

    name: str
    user: str
    session: str
    seconds: float
    device: Device
    anchor_rate: float
    anchor_frames: int
    invalid_frames: int
    seconds_of: dict[str, float]
    times_of: dict[str, int]
    notes: tuple[str, ...]
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What a folder holds.

    Attributes:
        name: of the data set.
        recordings: the recordings that can be read.
        unreadable: name and reason of each other one.
        notes: name of a file, and what is odd about it.
        ignored: files that are no recordings.
        incomplete: ignored files that lack something to be recordings, and what they lack.
    """

    folder: Path
    name: str
    recordings: tuple[Summary, ...]
    unreadable: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    ignored: tuple[Path, ...] = ()
    incomplete: tuple[tuple[Path, Missing], ...] = ()

    def text(self) -> str:
        """Return the inspection as aligned tables."""
        parts = ["\n".join(self._overview())]
        if self.recordings:
            parts += [self._users(), self._gestures()]
        if self.unreadable:
            parts.append(_section("Cannot be read", told_once(self.folder, self.unreadable)))
        if self.notes:
            parts.append(_section("Worth a look", [f"{name}: {note}" for name, note in self.notes]))
        return "\n\n".join(parts)

    def _overview(self) -> Iterable[str]:
        users = {one.user for one in self.recordings}
        sessions = {(one.user, one.session) for one in self.recordings}
        hours = sum(one.seconds for one in self.recordings) / 3600
        yield f"{self.name} in {self.folder}"
        yield (
            f"  {'recordings':<12}{len(self.recordings):,} by {_count(len(users), 'user')} in "
            f"{_count(len(sessions), 'session')}, {hours:.2f} h"
        )
        for device in dict.fromkeys(one.device for one in self.recordings):
            mine = [one for one in self.recordings if one.device == device]
            signal = f"{device.emg_kind}, {device.emg_rate:g} Hz, {device.emg_unit}"
            yield f"  {'EMG':<12}{device.channels} channels, {signal}"
            yield f"  {'anchor':<12}{_anchor(device, mine)}"
        if self.unreadable:
            yield f"  {'unreadable':<12}{_count(len(self.unreadable), 'recording')}, see below"
        kinds: dict[str, list[Path]] = {}
        for path, missing in self.incomplete:
            kinds.setdefault(f"{missing.files} without a {missing.what}", []).append(path)
        lacking = {path for path, _ in self.incomplete}
        if other := [path for path in self.ignored if path not in lacking]:
            kinds["of other kinds"] = other
        for what, files in kinds.items():
            names = ", ".join(path.name for path in files[:3]) + (", ..." if len(files) > 3 else "")
            yield f"  {'ignored':<12}{_count(len(files), 'file')} {what} ({names})"

    def _users(self) -> str:
        rows = []
        for user in sorted({one.user for one in self.recordings}, key=natural):
            mine = [one for one in self.recordings if one.user == user]
            rows.append(
                (
                    user,
                    str(len(mine)),
                    str(len({one.session for one in mine})),
                    f"{sum(one.seconds for one in mine) / 60:.1f}",
                    _invalid(mine),
                )
            )
        return _table(("user", "recordings", "sessions", "minutes", "anchor invalid"), rows)

    def _gestures(self) -> str:
        seconds: Counter[str] = Counter()
        times: Counter[str] = Counter()
        users: dict[str, set[str]] = {}
        for one in self.recordings:
            seconds.update(one.seconds_of)
            times.update(one.times_of)
            for gesture in one.seconds_of:
                users.setdefault(gesture, set()).add(one.user)
        rows = [(name, str(len(users[name])), str(times[name]), f"{seconds[name]:,.0f}") for name in seconds]
        if not rows:
            return "gestures: no labels"
        return _table(("gesture", "users", "times", "seconds"), rows)


def inspect_folder(folder: Path, progress: Progress = no_progress, *, workers: int = 1) -> Inspection:
    """Read every recording of a folder and sum up what is there.

    Raises:
        UserError: the folder does not exist or holds no recording.
    """
    sources = find_recordings(folder)
    progress(0, len(sources))
    recordings: list[Summary] = []
    unreadable: list[tuple[str, str]] = []
    results = in_order(_summaries, sources, workers)
    for done, (source, result) in enumerate(zip(sources, results, strict=True), start=1):
        if isinstance(result, UserError):
            unreadable.append((source.name, str(result)))
        else:
            recordings += result
        progress(done, len(sources))
    listing = list_folder(folder)
    return Inspection(
        folder=folder,
        name=dataset_name(sources),
        recordings=tuple(recordings),
        unreadable=tuple(unreadable),
        notes=(
            *_notes(recordings),
            *copies((one.name, one.digests) for one in recordings),
            *(("users", note) for note in spelt_twice(one.user for one in recordings)),
            *split_notes(find_split_files(folder, sources)),
        ),
        ignored=listing.ignored,
        incomplete=listing.incomplete,
    )


def _summaries(source: Source) -> list[Summary] | UserError:
    try:
        return [summarise(part) for part in source.parts()]
    except UserError as error:
        return error


def summarise(recording: Recording) -> Summary:
    """Return what one recording holds."""
    label_T, rate = recording.label_T, recording.device.emg_rate
    begins_T = np.diff(label_T, prepend=label_T[:1] - 1) != 0
    samples = np.bincount(label_T[label_T >= 0], minlength=len(recording.vocabulary))
    times = np.bincount(label_T[begins_T & (label_T >= 0)], minlength=len(recording.vocabulary))
    frames = 0 if recording.anchor_SJ is None else len(recording.valid_S)
    return Summary(
        name=recording.name,
        user=recording.user,
        session=recording.session,
        seconds=recording.seconds,
        device=recording.device,
        anchor_rate=recording.anchor_rate,
        anchor_frames=frames,
        invalid_frames=frames - int(recording.valid_S.sum()),
        seconds_of={recording.vocabulary[k]: samples[k] / rate for k in np.flatnonzero(samples)},
        times_of={recording.vocabulary[k]: int(times[k]) for k in np.flatnonzero(samples)},
        notes=tuple(_oddities(recording)),
        digests=digests(recording.emg_TC),
    )


def _oddities(recording: Recording) -> Iterable[str]:
    """Say what is readable but odd."""
    if recording.seconds < SHORT_S:
        yield f"only {recording.seconds:.2f} s long"
    flat = np.flatnonzero(np.ptp(recording.emg_TC, axis=0) == 0)
    if len(flat):
        yield f"no signal in EMG channel(s) {', '.join(map(str, flat))}"
    if recording.anchor_SJ is None:
        yield "no pose, nor another anchor"
    elif not recording.valid_S.any():
        yield "no frame of the anchor is valid"
    elif recording.valid_S.mean() < 0.5:
        yield f"{100 * (1 - recording.valid_S.mean()):.0f} % of the anchor is invalid"
    if (recording.label_T < 0).all():
        yield "no labels"
    yield from recording.notes
    yield from map(str, recording.repairs)


def _notes(recordings: Sequence[Summary]) -> Iterable[tuple[str, str]]:
    """Gather oddities; an oddity of all recordings is listed once."""
    counts = Counter(note for one in recordings for note in one.notes)
    common = {note for note, count in counts.items() if count == len(recordings) > 1}
    yield from (("every recording", note) for note in sorted(common))
    for one in recordings:
        yield from ((one.name, note) for note in one.notes if note not in common)
        if one.device != recordings[0].device:
            yield one.name, f"another device than {recordings[0].name}: one store cannot hold both"


def _anchor(device: Device, recordings: Sequence[Summary]) -> str:
    if not device.anchor_names:
        return "none"
    rates = ", ".join(f"{rate:g}" for rate in sorted({one.anchor_rate for one in recordings}))
    return f"{device.anchor}, {rates} Hz, {_invalid(recordings)} invalid"


def _invalid(recordings: Sequence[Summary]) -> str:
    frames = sum(one.anchor_frames for one in recordings)
    return f"{100 * sum(one.invalid_frames for one in recordings) / frames:.1f} %" if frames else "-"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _section(title: str, lines: Sequence[str]) -> str:
    shown = [f"  {line}" for line in lines[:ROWS]]
    if len(lines) > ROWS:
        shown.append(f"  ... and {len(lines) - ROWS} more")
    return "\n".join([title, *shown])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = aligned(head, rows)
    return _section(f"  {first}", others)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: the first column to the left, numbers to the right."""
    lines = [head, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
