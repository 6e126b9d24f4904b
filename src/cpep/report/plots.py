"""Figures of the report as SVG text.

They are drawn by hand and coloured by the page's style sheet (classes, custom properties), so that one figure
serves light and dark pages and needs nothing from outside. Every function returns one ``<svg>`` element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from cpep.report.style import PALETTE
from cpep.report.svg import CHARACTER, Point, figure, key_of, round_ticks, stroke, words, write
from cpep.types import FloatArray


def dots(
    rows: Sequence[tuple[str, str, Mapping[str, float]]],
    chance: float,
    title: str,
    axis: str = "balanced accuracy",
) -> str:
    """Draw one dot a person: rows of (name, role, value by user) on an axis from 0 to 1."""
    left = 14 + CHARACTER * max(len(name) for name, _, _ in rows)
    crowded = max(len(values) for _, _, values in rows) > 20
    width, row, top = left + 240.0, 36.0 if crowded else 26.0, 18.0
    bottom = top + row * len(rows)

    def x_of(value: float) -> float:
        return left + (width - left - 14) * value

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(stroke(x_of(tick), top, x_of(tick), bottom, "grid"))
        parts.append(write(x_of(tick), bottom + 15, f"{tick:g}", "tick middle"))
    parts.append(stroke(x_of(chance), top - 4, x_of(chance), bottom, "chance"))
    parts.append(write(x_of(chance), top - 7, "chance", "tick middle"))
    for number, (name, role, values) in enumerate(rows):
        y = top + row * (number + 0.5)
        parts.append(write(left - 8, y + 4, name, "label end"))
        places = _swarm([x_of(value) for value in values.values()], radius=3.6, reach=row / 2 - 4)
        for (user, value), (x, dy) in zip(values.items(), places, strict=True):
            tip = f"<title>{escape(name)}, user {escape(user)}: {value:.2f}</title>"
            parts.append(f'<circle class="dot {role}" cx="{x:.1f}" cy="{y + dy:.1f}" r="3.2">{tip}</circle>')
        mean = x_of(float(np.mean(list(values.values()))))
        parts.append(stroke(mean, y - row / 2 + 3, mean, y + row / 2 - 3, "mean"))
    parts.append(write(x_of(0.5), bottom + 31, axis, "tick middle"))
    return figure(width, bottom + 36, title, parts)


def heat(
    matrix_RK: FloatArray,
    rows: Sequence[str],
    columns: Sequence[str],
    split: int,
    title: str,
    counted: str = "windows",
) -> str:
    """Draw a confusion matrix, every row as shares of its windows.

    Args:
        matrix_RK: windows by true (row) and answered (column) gesture.
        rows: names of the rows.
        columns: names of the columns.
        split: columns before the line between seen and unseen gestures; 0 draws none. Rows are parted as well.
        title: what the figure is, for screen readers.
        counted: noun for what the matrix counts, in the tips.
    """
    rows, columns = [words(name) for name in rows], [words(name) for name in columns]
    cell = 23.0 if len(columns) <= 16 else 19.0
    left = 8 + max(CHARACTER * max(map(len, rows)), 60.0)
    top = 10 + max(CHARACTER * max(map(len, columns)), 30.0)
    share_RK = matrix_RK / np.maximum(matrix_RK.sum(1, keepdims=True), 1)
    parts = [
        write(left - 6, top - 22, "answer \u2192", "tick end"),
        write(left - 6, top - 6, "made \u2193", "tick end"),
    ]
    for k, name in enumerate(columns):
        x = left + cell * (k + 0.5) + 4
        parts.append(write(x, top - 6, name, "label", turn=f"rotate(-90 {x:.1f} {top - 6:.1f})"))
    for r, name in enumerate(rows):
        parts.append(write(left - 6, top + cell * (r + 0.5) + 4, name, "label end"))
        for k, other in enumerate(columns):
            x, y, share = left + cell * k, top + cell * r, float(share_RK[r, k])
            right = " right" if name == other else ""
            said = f"{name} answered as {other}: {100 * share:.0f} % of {int(matrix_RK[r].sum()):,} {counted}"
            tip = f"<title>{escape(said)}</title>" if share >= 0.005 else ""  # a page of many models stays small
            parts.append(
                f'<rect class="cell{right}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{cell - 1:g}" '
                f'height="{cell - 1:g}" style="fill-opacity:{0.06 + 0.94 * share:.3f}">{tip}</rect>'
            )
            if share >= 0.01:
                tone = "number strong" if share > 0.6 else "number"
                parts.append(write(x + cell / 2, y + cell / 2 + 3.5, f"{100 * share:.0f}", tone))
    if split:
        x = left + cell * split
        parts.append(stroke(x, top - 4, x, top + cell * len(rows) + 2, "split"))
    if 0 < (above := sum(name in columns[:split] for name in rows)) < len(rows):
        y = top + cell * above
        parts.append(stroke(left - 4, y, left + cell * len(columns) + 2, y, "split"))
    return figure(left + cell * len(columns) + 4, top + cell * len(rows) + 6, title, parts, fixed=True)


def reliability_diagram(calibration: Mapping[str, Any]) -> str:
    """Draw the share of events that were right against their confidence.

    Args:
        calibration: the fields of ``cpep.evaluate.events.Reliability``.
    """
    left, top, size = 44.0, 12.0, 240.0
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = left + size * tick, top + size * (1 - tick)
        parts += [stroke(x, top, x, top + size, "grid"), stroke(left, y, left + size, y, "grid")]
        parts.append(write(x, top + size + 15, f"{tick:g}", "tick middle"))
        parts.append(write(left - 6, y + 4, f"{tick:g}", "tick end"))
    parts.append(stroke(left, top + size, left + size, top, "chance"))
    most = max(calibration["count"])
    bins = zip(calibration["confidence"], calibration["accuracy"], calibration["count"], strict=True)
    for confidence, accuracy, count in bins:
        tip = f"<title>{count} events of mean confidence {confidence:.2f}: {accuracy:.2f} right</title>"
        x, y = left + size * confidence, top + size * (1 - accuracy)
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 7 * (count / most) ** 0.5:.1f}">{tip}</circle>'
        )
    parts.append(write(left + size / 2, top + size + 31, "confidence", "tick middle"))
    x, y = 12.0, top + size / 2
    parts.append(write(x, y, "share that was right", "tick middle", turn=f"rotate(-90 {x:.1f} {y:.1f})"))
    return figure(left + size + 14, top + size + 38, "Reliability diagram", parts, fixed=True)


def seen_unseen(lines: Sequence[tuple[str, str, Sequence[Point], Point]], title: str) -> str:
    """Draw accuracy on unseen gestures against that on seen ones, a line a model, with a ring at its own constant.

    Args:
        lines: name, role, points of (seen, unseen) and the point of its own constant, of each model; models with a
            role are grey.
        title: what the figure is, for screen readers.
    """
    left, top, size = 44.0, 12.0, 260.0
    parts, entries, number = [], [], 0

    def place(point: Point) -> Point:
        return left + size * point[0], top + size * (1 - point[1])

    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = place((tick, tick))
        parts += [stroke(x, top, x, top + size, "grid"), stroke(left, y, left + size, y, "grid")]
        parts += [
            write(x, top + size + 15, f"{tick:g}", "tick middle"),
            write(left - 6, y + 4, f"{tick:g}", "tick end"),
        ]
    for name, role, points, at in lines:
        if role:
            look = f'class="curve between {role}"'
        else:
            again = " again" * (number >= PALETTE)
            look, number = f'class="curve between{again}" style="--colour:var(--c{number % PALETTE})"', number + 1
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        (x, y), tip = place(at), f"<title>{escape(name)}: seen {at[0]:.2f}, unseen {at[1]:.2f}</title>"
        parts.append(f'<polyline {look} points="{path}"/>')
        parts.append(f'<circle {look.replace("curve", "ring")} cx="{x:.1f}" cy="{y:.1f}" r="3.6">{tip}</circle>')
        entries.append((f'<line {look} x1="-6" y1="0" x2="6" y2="0"/>', name))
    parts.append(write(left + size / 2, top + size + 31, "accuracy on seen gestures", "tick middle"))
    x, y = 12.0, top + size / 2
    parts.append(write(x, y, "accuracy on unseen gestures", "tick middle", turn=f"rotate(-90 {x:.1f} {y:.1f})"))
    key, below = key_of(entries, left, left + size, top + size + 50)
    return figure(left + size + 14, below, title, [*parts, *key])


def curves(runs: Sequence[Sequence[Sequence[float | None]]], kept: Sequence[int], unit: str, title: str) -> str:
    """Draw training and validation loss against steps, one pair of lines a run; a ring marks the weights kept.

    A key below the axis names the lines.

    Args:
        runs: per run, points of (step, training loss, validation loss or nothing).
        kept: per run, the step whose weights were kept.
        unit: of the loss.
        title: what the figure is, for screen readers.
    """
    width, height, left, top = 272.0, 196.0, 38.0, 24.0  # without the key
    lines = {name: [_defined(run, column) for run in runs] for name, column in (("validation", 2), ("train", 1))}
    points = [point for group in lines.values() for line in group for point in line]
    last = max((x for x, _ in points), default=1.0)
    ticks = round_ticks(min((y for _, y in points), default=0.0), max((y for _, y in points), default=1.0))

    def place(point: Point) -> Point:
        x, y = point
        share = (y - ticks[0]) / (ticks[-1] - ticks[0])
        return left + (width - left - 12) * x / max(last, 1), height - 36 - (height - 36 - top) * share

    parts = [write(4, 12, f"loss ({unit})" if unit else "loss", "tick")]
    for tick in ticks:
        y = place((0, tick))[1]
        parts += [stroke(left, y, width - 12, y, "grid"), write(left - 6, y + 4, f"{tick:g}", "tick end")]
    for step in round_ticks(0, last, 4):
        if step <= last:
            x = place((step, ticks[0]))[0]
            parts += [
                stroke(x, height - 36, x, height - 32, "axis"),
                write(x, height - 20, _short(step), "tick middle"),
            ]
    parts.append(write((left + width - 12) / 2, height - 4, "training step", "tick middle"))
    for name in ("train", "validation"):
        for line in lines[name]:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line))
            parts.append(f'<polyline class="curve {name}" points="{path}"/>')
    for line, step in zip(lines["validation"], kept, strict=True):
        for x, y in (place(point) for point in line if point[0] == step):
            parts.append(f'<circle class="kept" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>')
    names = (("train", "training"), ("validation", "validation"))
    entries = [(f'<line class="curve {name}" x1="-6" y1="0" x2="6" y2="0"/>', text) for name, text in names]
    key, below = key_of(entries, left, width, height + 12)
    return figure(width, below, title, [*parts, *key])


def _defined(run: Sequence[Sequence[float | None]], column: int) -> list[Point]:
    return [(float(p[0] or 0), float(y)) for p in run if (y := p[column]) is not None]


def _short(step: float) -> str:
    return f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"


def _swarm(places: Sequence[float], radius: float, reach: float) -> list[Point]:
    """Move dots up or down, no further than ``reach``, to the nearest place where they cover no earlier one.

    Where there is no such place, they go to the one where they cover least.
    """
    taken: list[Point] = []
    steps = [0.0] + [sign * k * radius / 2 for k in range(1, int(2 * reach / radius) + 1) for sign in (1, -1)]
    for x in places:
        room = [min((np.hypot(x - a, dy - b) for a, b in taken), default=np.inf) for dy in steps]
        taken.append((x, steps[int(np.argmax(np.minimum(room, 2 * radius)))]))
    return taken
