"""The text of an inspection: about forty lines for a folder of any size, the worst first."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpep.data.amounts import LEAST, Usage
from cpep.data.recording import Device
from cpep.data.summary import WINDOWS, Summary
from cpep.data.told import told_once
from cpep.data.window_facts import usage_of
from cpep.signal.lag import pooled

if TYPE_CHECKING:
    from cpep.data.inspect import Inspection

TABLE_ROWS, LIST_ROWS = 5, 10
"""Lines of a table, and of a list, that are shown; the others are only counted."""


def text_of(inspection: Inspection) -> str:
    """Return the inspection as aligned tables, then what is left out, unusable, and odd."""
    parts = ["\n".join(overview(inspection))]
    if inspection.recordings:
        parts += [_users(inspection), _gestures(inspection.recordings), section(*left_out(inspection))]
    unusable, odd = verdict(inspection)
    if unusable:
        parts.append(section("Unusable", unusable))
    if odd:
        parts.append(section("Unusual, but usable", odd))
    if not unusable and not odd:
        parts.append("Nothing odd was found.")
    return "\n\n".join(parts)


def overview(inspection: Inspection) -> Iterable[str]:
    """Yield lines on how much there is, of what device, and what is no recording."""
    recordings = inspection.recordings
    yield f"{inspection.name} in {inspection.folder}"
    for what, text in facts(inspection):
        yield f"  {what:<12}{text}"
    if recordings and (measured := sum(one.measured_s for one in recordings)) < 0.9 * sum(
        o.seconds for o in recordings
    ):
        yield (
            f"  {'measured':<12}spectra and noise on {measured / 3600:.2g} h, up to 60 s of each recording; "
            "all else on everything"
        )


def facts(inspection: Inspection) -> Iterable[tuple[str, str]]:
    """Yield what there is, as a word and a text."""
    recordings = inspection.recordings
    users = {one.user for one in recordings}
    sessions = {(one.user, one.session) for one in recordings}
    hours = sum(one.seconds for one in recordings) / 3600
    yield (
        "recordings",
        f"{len(recordings):,} by {count(len(users), 'user')} in {count(len(sessions), 'session')}, {hours:.2f} h",
    )
    devices = Counter(one.device for one in recordings).most_common()
    for device, _ in devices[:3]:
        mine = [one for one in recordings if one.device == device]
        unit = device.emg_unit or "unit not known"
        yield "EMG", f"{device.channels} channels, {device.emg_kind}, {device.emg_rate:g} Hz, {unit}"
        yield "anchor", _anchor(device, mine)
    if len(devices) > 3:
        yield "devices", f"{len(devices)}, the three most frequent are above"
    if lag := lag_words(recordings):
        yield "lag", lag
    if inspection.unreadable:
        yield "unreadable", f"{count(len(inspection.unreadable), 'recording')}, see below"
    yield from _ignored(inspection)


def _ignored(inspection: Inspection) -> Iterable[tuple[str, str]]:
    kinds: dict[str, list[Path]] = {}
    remedies: dict[str, str] = {}
    for path, missing in inspection.incomplete:
        kinds.setdefault(what := f"{missing.files} without a {missing.what}", []).append(path)
        remedies.setdefault(what, missing.remedy)
    lacking = {path for path, _ in inspection.incomplete}
    if other := [path for path in inspection.ignored if path not in lacking]:
        kinds["of other kinds"] = other
    for what, files in kinds.items():
        names = ", ".join(path.name for path in files[:3]) + (", ..." if len(files) > 3 else "")
        yield "ignored", f"{count(len(files), 'file')} {what} ({names})"
        if what in remedies:
            yield "", remedies[what]


def lag_words(recordings: Sequence[Summary]) -> str:
    """Say by how much EMG leads the pose; empty where no recording has a pose that moves enough."""
    looked = [one.lag for one in recordings if one.lag is not None]
    clear = [lag for lag in looked if lag.clear]
    if not looked:
        return ""
    together = pooled(looked)
    if clear:
        low, middle, high = np.quantile([lag.ms for lag in clear], [0.1, 0.5, 0.9]).tolist()
        low, high = (clear[0].low, clear[0].high) if len(clear) == 1 else (low, high)
    elif together.clear:
        low, middle, high = together.low, together.ms, together.high
    else:
        return f"between EMG and pose: not clear in {count(together.movements, 'movement')}"
    first, second = ("EMG changes", "the pose moves") if middle >= 0 else ("the pose moves", "EMG changes")
    some = 0 < len(clear) < len(looked)
    who = f"; in {len(clear)} of {count(len(looked), 'recording')} it is clear" if some else ""
    movements = sum(lag.movements for lag in clear) or together.movements
    return f"{first} {abs(middle):.0f} ms ({low:.0f} to {high:.0f}) before {second}, in {movements:,} movements{who}"


def left_out(inspection: Inspection) -> tuple[str, list[str]]:
    """Return a title, and how much of the recordings serves as labelled gestures, and why the rest does not."""
    usage = usage_of([one.covered for one in inspection.recordings])
    lines = reasons(usage)
    if inspection.unreadable:
        lines.append(f"{count(len(inspection.unreadable), 'recording')} that cannot be read")
    silent = sorted({one.user for one in inspection.recordings} - _with_gestures(inspection.recordings))
    if silent and len(silent) < len({one.user for one in inspection.recordings}):
        lines.append(f"{count(len(silent), 'person')} without a labelled gesture: {', '.join(silent[:5])}")
    share = 100 * usage.used.seconds / max(usage.whole.seconds, 1e-9)
    title = (
        f"Labelled gestures in windows of {WINDOWS.window_s:g} s: {share:.0f} % of the time, "
        f"in {usage.used.recordings:,} of {usage.whole.recordings:,} recordings"
    )
    return (f"{title}. Left out:" if lines else f"{title}."), lines


def reasons(usage: Usage) -> list[str]:
    """Return what is left out of some recordings, and why, the largest part first."""
    least = LEAST * usage.whole.seconds  # the ends of recordings
    parts = [(why, lost) for why, lost in usage.left_out if lost.recordings or lost.seconds > least]
    parts.sort(key=lambda part: -part[1].seconds)
    return [f"{duration(lost.seconds)}{_whole(lost.recordings)} {why}" for why, lost in parts]


def duration(seconds: float) -> str:
    """Write a duration in its best unit.

    >>> duration(41.24), duration(3725), duration(9000)
    ('41 s', '62 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def verdict(inspection: Inspection) -> tuple[list[str], list[str]]:
    """Return what is unusable, and what is merely odd, in sentences."""
    unusable = [finding.sentence for finding in inspection.findings if finding.unusable]
    odd = [finding.sentence for finding in inspection.findings if not finding.unusable]
    odd += [f"{name}: {note}" for name, note in inspection.notes]
    return [*told_once(inspection.folder, inspection.unreadable), *unusable], odd


def _with_gestures(recordings: Iterable[Summary]) -> set[str]:
    return {one.user for one in recordings if any(name != "rest" for name in one.seconds_of)}


def _whole(recordings: int) -> str:
    return f" ({count(recordings, 'recording')} as a whole)" if recordings else ""


def worst(inspection: Inspection) -> dict[str, int]:
    """Return for each recording how many kinds of marks it has that not every recording has."""
    kinds = {one.recording: {mark.kind for mark in one.marks} for one in inspection.marked}
    shared = set.intersection(*kinds.values()) if len(kinds) > 1 else set()
    return {name: len(mine - shared) for name, mine in kinds.items()}


def _users(inspection: Inspection) -> str:
    bad = worst(inspection)
    by_user: dict[str, list[Summary]] = {}
    for (user, _), mine in inspection.sessions.items():
        by_user.setdefault(user, []).extend(mine)
    rows = []
    for user, mine in by_user.items():
        marks = sum(bad[one.name] for one in mine)
        sessions, minutes = len({one.session for one in mine}), sum(one.seconds for one in mine) / 60
        rows.append((marks, (user, str(len(mine)), str(sessions), f"{minutes:.1f}", _invalid(mine), str(marks))))
    if len(rows) > TABLE_ROWS:
        rows.sort(key=lambda row: -row[0])
    return _table(
        ("user", "recordings", "sessions", "minutes", "anchor invalid", "own marks"), [row for _, row in rows]
    )


def _gestures(recordings: Sequence[Summary]) -> str:
    seconds: Counter[str] = Counter()
    times: Counter[str] = Counter()
    users: dict[str, set[str]] = {}
    for one in recordings:
        seconds.update(one.seconds_of)
        times.update(one.times_of)
        for gesture in one.seconds_of:
            users.setdefault(gesture, set()).add(one.user)
    rows = [(name, str(len(users[name])), str(times[name]), f"{seconds[name]:,.0f}") for name in seconds]
    if not rows:
        return "gestures: no labels"
    if len(rows) <= TABLE_ROWS:
        return _table(("gesture", "users", "times", "seconds"), rows)
    every = len({one.user for one in recordings})
    rows.sort(key=lambda row: (row[0] != "rest", -times[row[0]]))
    named = [
        f"{name} {times[name]:,}" + (f" ({len(users[name])} of {every} users)" if len(users[name]) < every else "")
        for name, *_ in rows
    ]
    text = f"gestures, and how often: {', '.join(named)}"
    return textwrap.fill(text, 110, subsequent_indent="  ", max_lines=5, placeholder=" ...", break_long_words=False)


def _anchor(device: Device, recordings: Sequence[Summary]) -> str:
    if not device.anchor_names:
        return "none"
    rates = ", ".join(f"{rate:g}" for rate in sorted({one.anchor_rate for one in recordings}))
    return f"{device.anchor}, {rates} Hz, {_invalid(recordings)} invalid"


def _invalid(recordings: Sequence[Summary]) -> str:
    frames = sum(one.anchor_frames for one in recordings)
    return f"{100 * sum(one.invalid_frames for one in recordings) / frames:.1f} %" if frames else "-"


def count(number: int, what: str) -> str:
    """Write a number of things.

    >>> count(1, "file"), count(1200, "recording"), count(2, "person")
    ('1 file', '1,200 recordings', '2 people')
    """
    if number == 1:
        return f"1 {what}"
    return f"{number:,} people" if what == "person" else f"{number:,} {what}s"


def section(title: str, lines: Sequence[str], most: int = LIST_ROWS) -> str:
    """Return a title and some lines under it; what is too much is counted."""
    shown = [f"  {line}" for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"  ... and {len(lines) - most} more")
    return "\n".join([title, *shown])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = aligned(head, rows)
    return section(f"  {first}", others, TABLE_ROWS)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: the first column to the left, numbers to the right."""
    lines = [head, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
