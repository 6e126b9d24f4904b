"""The quality of recordings as one self-contained page: the verdict first, then every session in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from cpep.data import inspect_text
from cpep.data.finding_kinds import KINDS
from cpep.data.findings import Finding, Marked, findings_of, tags_of
from cpep.data.inspect import Inspection
from cpep.data.readers.folder import PART, Source, natural
from cpep.data.summary import Summary
from cpep.data.window_facts import usage_of
from cpep.report import quality_plots as plots
from cpep.report.page import write_page
from cpep.report.session import MOST_CHANNELS, MOST_POSE, Session, session_of
from cpep.runtime.jobs import in_order
from cpep.types import Progress, UserError, no_progress
from cpep.version import __version__

SHOWN, TYPICAL = 12, 3
"""Sessions that are drawn, and how many of them are typical ones rather than the worst."""

GRID_ROWS = 120
"""Rows of the overviews; more sessions or people are counted."""


@dataclass(frozen=True)
class Panel:
    """One session, drawn.

    Attributes:
        findings: what is unusable or odd about it.
        channels: rows of the table of channels: number, values, tags.
    """

    user: str
    session: str
    recordings: int
    seconds: float
    unit: str
    findings: tuple[Finding, ...]
    traces: Markup
    zoom: Markup
    zoomed: str
    spectra: Markup
    lag: Markup
    lag_words: str
    hidden: str
    labels: tuple[tuple[str, str], ...]
    channels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Order:
    """What a process needs to draw one session."""

    recordings: tuple[Summary, ...]
    marked: tuple[Marked, ...]
    sources: tuple[Source, ...]


def write_quality(
    inspection: Inspection,
    path: Path,
    progress: Progress = no_progress,
    *,
    workers: int = 1,
    everything: bool = False,
) -> None:
    """Write one HTML page that needs nothing else.

    Args:
        inspection: of the folder; the recordings of the sessions that are drawn are read once more.
        path: file to write, atomically.
        progress: called after each session.
        workers: processes that draw.
        everything: whether every session is drawn, rather than the worst and a few typical ones.
    """
    orders = _chosen(inspection, everything)
    progress(0, len(orders))
    panels = []
    for done, panel in enumerate(in_order(_panel, orders, workers), start=1):
        panels += [panel] if isinstance(panel, Panel) else []
        progress(done, len(orders))
    unusable, odd = inspect_text.verdict(inspection)
    write_page(
        "quality.html.jinja",
        path,
        name=inspection.name,
        folder=str(inspection.folder),
        facts=list(inspect_text.facts(inspection)),
        unusable=[_split(sentence) for sentence in unusable],
        odd=[_split(sentence) for sentence in odd],
        left_out=_left_out(inspection),
        channel_grid=_channel_grid(inspection),
        gesture_grid=_gesture_grid(inspection.recordings),
        panels=panels,
        sessions=len(inspection.sessions),
        typical=TYPICAL,
        duration=inspect_text.duration,
        most_rows=GRID_ROWS,
        most_listed=40,
        most_pose=MOST_POSE,
        version=__version__,
    )


def _chosen(inspection: Inspection, everything: bool) -> list[_Order]:
    """Choose the worst sessions and some typical ones, in natural order; only sessions of one device each."""
    by_name = {one.recording: one for one in inspection.marked}
    badness = inspect_text.worst(inspection)
    sessions = {
        key: [one for one in mine if one.device == mine[0].device] for key, mine in inspection.sessions.items()
    }
    keys = list(sessions)
    if not everything and len(keys) > SHOWN:
        bad = {key: sum(_weight(by_name[one.name]) + badness[one.name] for one in sessions[key]) for key in keys}
        order = sorted(keys, key=lambda key: -bad[key] / len(sessions[key]))
        rest = order[SHOWN - TYPICAL :]
        middle = [rest[round(k * (len(rest) - 1) / max(TYPICAL - 1, 1))] for k in range(TYPICAL)]
        chosen = {*order[: SHOWN - TYPICAL], *middle}
        keys = [key for key in keys if key in chosen]
    files = {source.name: source for source in inspection.sources}
    return [
        _Order(
            tuple(sessions[key]),
            tuple(by_name[one.name] for one in sessions[key]),
            tuple(dict.fromkeys(_file(files, one.name) for one in sessions[key])),
        )
        for key in keys
    ]


def _file(files: dict[str, Source], name: str) -> Source:
    return files[name] if name in files else files[name.rpartition(PART)[0]]


def _weight(marked: Marked) -> int:
    return 10 * len({mark.kind for mark in marked.marks if KINDS[mark.kind].unusable})


def _panel(order: _Order) -> Panel | UserError:
    """Draw one session."""
    try:
        session = session_of(order.sources, [one.name for one in order.recordings], sum(_seconds(order.recordings)))
    except UserError as error:  # the file has changed since it was inspected
        return error
    device = order.recordings[0].device
    marks = [mark for one in order.marked for mark in one.marks]
    marked = {c: ", ".join(tags) for c in range(device.channels) if (tags := tags_of(marks, c))}
    loud = {c: tags for c, tags in marked.items() if tags != KINDS["offset"].tag}
    shown = _channels_shown(device.channels, loud)
    labels = {name: sum(end - start for start, end, other in session.labels if other == name)
              for name in dict.fromkeys(name for _, _, name in session.labels)}  # fmt: skip
    mains = {float(mark.detail) for mark in marks if mark.kind == "hum"}
    words = inspect_text.lag_words(order.recordings)
    zoom = session.zoom
    return Panel(
        user=session.user,
        session=session.name,
        recordings=len(order.recordings),
        seconds=session.seconds,
        unit=device.emg_unit,
        findings=tuple(findings_of(order.marked, device.channels, everybody="")),
        traces=Markup(plots.traces(session, shown, loud, list(labels))),
        zoom=Markup(plots.zoomed(zoom, device.emg_rate, shown, loud, list(labels))) if zoom else Markup(""),
        zoomed=f"{zoom.recording}, from {zoom.start:.1f} s" if zoom else "",
        spectra=Markup(plots.spectra(session, shown, loud, min(mains, default=0.0))),
        lag=Markup(plots.lag_curve(session.lags, words)) if session.lags else Markup(""),
        lag_words=words,
        hidden=_hidden(device.channels, shown),
        labels=tuple((f"{name.replace('_', ' ')} {seconds:.0f} s", plots.colour(name, list(labels)))
                     for name, seconds in labels.items()),
        channels=tuple(_channel_rows(session, marked)),
    )  # fmt: skip


def _seconds(recordings: Sequence[Summary]) -> list[float]:
    return [one.seconds for one in recordings]


def _channels_shown(count: int, marked: dict[int, str]) -> list[int]:
    """Return all channels, or of very many the marked ones and some at equal distances."""
    if count <= MOST_CHANNELS:
        return list(range(count))
    spaced = np.linspace(0, count - 1, MOST_CHANNELS).astype(int).tolist()
    return sorted({*list(marked)[: MOST_CHANNELS // 2], *spaced})


def _hidden(count: int, shown: Sequence[int]) -> str:
    return f"{len(shown)} of {count} channels are drawn: those with a mark, and others at equal distances." * (
        count > len(shown)
    )


def _channel_rows(session: Session, marked: dict[int, str]) -> list[tuple[str, ...]]:
    """Return the table of channels, over the recordings of a session: means, and the worst of shares."""
    weights = [seconds for seconds, _ in session.measures]
    found = [measures for _, measures in session.measures]

    def mean(name: str) -> np.ndarray:
        return np.average([getattr(one, name) for one in found], axis=0, weights=weights)

    offset_C, drift_C, sd_C, floor_C, peak_C = (mean(n) for n in ("offset_C", "drift_C", "sd_C", "floor_C", "peak_C"))
    hum_C, clipped_C = mean("hum_C"), np.max([one.clipped_C for one in found], axis=0)
    rows = []
    for c in range(len(offset_C)):
        ratio = f"{peak_C[c] / floor_C[c]:.1f}" if floor_C[c] > 0 else "-"
        number = (_figure(value) for value in (offset_C[c], drift_C[c], sd_C[c], floor_C[c]))
        shares = f"{100 * hum_C[c]:.0f} %", f"{100 * clipped_C[c]:.2g} %"
        rows.append((str(c + 1), *number, ratio, *shares, marked.get(c, "")))
    return rows


def _figure(value: float) -> str:
    """Write a number with three digits, whatever its size.

    >>> _figure(-7882.2), _figure(0.012345), _figure(16.49)
    ('-7,882', '0.0123', '16.5')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _split(sentence: str) -> tuple[str, str]:
    """Part a sentence into what is the matter and what to do about it."""
    what, _, then = sentence.partition("; ")
    first = what.split(" ", 1)[0].rstrip(":")
    return (what[:1].upper() + what[1:] if first.isalpha() else what), then  # a file keeps its name


def _left_out(inspection: Inspection) -> dict[str, object]:
    usage = usage_of([one.covered for one in inspection.recordings])
    whole = max(usage.whole.seconds, 1e-9)
    parts = sorted(usage.left_out, key=lambda part: -part[1].seconds)
    bars = [("labelled gestures in whole windows", usage.used.seconds), *((why, lost.seconds) for why, lost in parts)]
    title, lines = inspect_text.left_out(inspection)
    return {
        "title": title.removesuffix(" Left out:"),
        "bars": [(why, inspect_text.duration(seconds), seconds / whole) for why, seconds in bars],
        "lines": lines[len(inspect_text.reasons(usage)) :],
    }  # fmt: skip


def _channel_grid(inspection: Inspection) -> tuple[Markup, int]:
    """Draw sessions by channels, coloured by their marks; return it and the number of sessions that it leaves out."""
    marks = {one.recording: one.marks for one in inspection.marked}
    keys = list(inspection.sessions.items())
    if not keys or not inspection.channels:
        return Markup(""), 0
    rows, cells = [], []
    for (user, session), mine in keys[:GRID_ROWS]:
        own = [mark for one in mine for mark in marks[one.name]]
        rows.append(
            user
            if user == session or len(mine) == 1 == _sessions_of(inspection, user)
            else f"{user} \u00b7 {session}"
        )
        whole = [mark for mark in own if not mark.channels and mark.kind not in ("no_anchor", "no_labels")]
        line = [
            _cell([KINDS[mark.kind].tag for mark in whole], any(KINDS[m.kind].unusable for m in whole), "session")
        ]
        for c in range(inspection.channels):
            here = [mark for mark in own if c in mark.channels and mark.kind != "offset"]
            line.append(_cell(tags_of(here, c), any(KINDS[m.kind].unusable for m in here), f"channel {c + 1}"))
        cells.append(line)
    short = [row if len(row) <= 34 else f"{row[:33]}\u2026" for row in rows]
    columns = ["all", *(str(c + 1) for c in range(inspection.channels))]
    return Markup(plots.grid(short, columns, cells, "marks by session and channel")), len(keys) - len(rows)


def _sessions_of(inspection: Inspection, user: str) -> int:
    return sum(key[0] == user for key in inspection.sessions)


def _cell(tags: Sequence[str], unusable: bool, what: str) -> tuple[str, str, str]:
    once = list(dict.fromkeys(tags))
    if not once:
        return "", "", ""
    return ("unusable" if unusable else "odd"), once[0][0], f"{what}: {', '.join(once)}"


def _gesture_grid(recordings: Sequence[Summary]) -> tuple[Markup, int]:
    """Draw people by gestures: how often each was made."""
    names = [name for one in recordings for name in one.seconds_of if name != "rest"]
    gestures = sorted(dict.fromkeys(names), key=natural)[:60]
    users = sorted({one.user for one in recordings}, key=natural)
    if not gestures:
        return Markup(""), 0
    cells = []
    for user in users[:GRID_ROWS]:
        mine = [one for one in recordings if one.user == user]
        line = []
        for gesture in gestures:
            times = sum(one.times_of.get(gesture, 0) for one in mine)
            seconds = sum(one.seconds_of.get(gesture, 0.0) for one in mine)
            tip = f"{user}, {gesture.replace('_', ' ')}: {times} times, {seconds:.0f} s"
            line.append(("made" if times else "never", str(times) if times < 100 else "", tip))
        cells.append(line)
    columns = [gesture.replace("_", " ") for gesture in gestures]
    return Markup(plots.grid(users[:GRID_ROWS], columns, cells, "gestures by person")), len(users) - len(cells)
