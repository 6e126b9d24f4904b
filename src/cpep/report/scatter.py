"""The map of the report as SVG: EMG and poses of several gestures in one plane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cpep.report.style import PALETTE
from cpep.report.svg import Point, figure, key_of, round_ticks, stroke, words, write

Named = tuple[float, float, str]
"""A point and the name of its gesture."""

MARKS = ("h.01", "m0-3.6l3.2 5.8h-6.4z"), ("m-2.4-2.4l4.8 4.8m0-4.8l-4.8 4.8", "m0 3.6l3.2-5.8h-6.4z")
"""Marks of EMG and pose in a map: of the first gestures, and of gestures that use the colours again."""

_HALO, _HALO_ROW = 8.2, 15.0  # width and height of one of the bold labels in a map, 13 px


def scatter(
    emg: Sequence[tuple[float, float, str]],
    pose: Sequence[tuple[float, float, str]],
    names: Sequence[str],
    title: str,
) -> str:
    """Draw EMG (dots) over pose (triangles) in one plane, a colour a gesture, with a scale and a key.

    After ``PALETTE`` gestures the colours come again, with crosses and with triangles that stand on their tip.

    Args:
        emg: x, y and gesture of windows of EMG.
        pose: x, y and gesture of poses.
        names: gestures in the order of their colours; points of others are left out.
        title: what the figure is, for screen readers.
    """
    side, rim = 440.0, 16.0
    at_N2 = np.array([point[:2] for point in (*emg, *pose)], dtype=float)
    low, high = at_N2.min(0), at_N2.max(0)
    scale = (side - 2 * rim) / max(float((high - low).max()), 1e-9)
    width, height = (float(length) for length in np.maximum(scale * (high - low) + 2 * rim, side / 2))
    middle = (low + high) / 2

    def place(point: Named) -> Point:
        return width / 2 + scale * (point[0] - middle[0]), height / 2 - scale * (point[1] - middle[1])

    def drawn(points: Iterable[Named], look: str, shape: str) -> str:
        path = "".join(f"M{x:.1f} {y:.1f}{shape}" for x, y in map(place, points))
        return f'<path {look} d="{path}"/>'

    parts, labels, dots = [], [], []
    for number, name in enumerate(names):
        look, (dot, triangle) = _look(number), MARKS[number // PALETTE % 2]
        dots.append(drawn((p for p in emg if p[2] == name), f'class="emg{look}', dot))
        own = [p for p in pose if p[2] == name]
        parts.append(drawn(own, f'class="pose{look}', triangle))
        if own:
            # So many names would hide the points: the key explains the numbers.
            label = words(name) if len(names) <= PALETTE else str(number + 1)
            labels.append((label, _crest([place(p) for p in own])))
    parts += dots
    for name, (x, y) in _spread(labels, width, height):
        parts.append(write(x, y, name, "halo middle"))
    bar = max(tick for tick in round_ticks(0, width / scale / 4) if scale * tick <= width / 3)
    parts.append(stroke(rim, height + 4, rim + scale * bar, height + 4, "mean"))
    parts.append(write(rim + scale * bar + 6, height + 8, f"{bar:g}", "tick"))
    key, below = key_of(_entries(names), rim, width, height + 28)
    return figure(width, below, title, [*parts, *key])


def _look(number: int) -> str:
    """Return the end of the class, and the colour, of a gesture by its number in the order of colours."""
    return f'{" cross" * (number // PALETTE % 2)}" style="--colour:var(--c{number % PALETTE})"'


def _entries(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the entries of a map's key: what is EMG, what is a pose, and the colour of each gesture."""
    dot, triangle = MARKS[0]
    plain = 'key-mark" style="--colour:var(--text)"'
    entries = [
        (f'<path class="emg {plain} d="M0 0{dot}"/>', "EMG"),
        (f'<path class="pose {plain} d="M0 0{triangle}"/>', "pose"),
    ]
    for number, name in enumerate(names):
        mark = f'<path class="emg key-mark{_look(number)} d="M0 0{MARKS[number // PALETTE % 2][0]}"/>'
        entries.append((mark, f"{number + 1} {words(name)}" if len(names) > PALETTE else words(name)))
    return entries


def _crest(points: Sequence[Point]) -> Point:
    """Return the median x of points, and the y above which a tenth of them lie."""
    x_N, y_N = np.array(points).T
    return float(np.median(x_N)), float(np.quantile(y_N, 0.1))


def _spread(labels: Sequence[tuple[str, Point]], width: float, height: float) -> list[tuple[str, Point]]:
    """Place labels inside the figure, each at the nearest height where it covers no earlier one."""
    placed: list[tuple[str, Point]] = []
    for name, (x, y) in sorted(labels, key=lambda label: label[1][1]):
        half = _HALO * len(name) / 2 + 3
        x, y = min(max(x, half), width - half), y - 8
        near = [b for other, (a, b) in placed if abs(x - a) < half + _HALO * len(other) / 2]
        heights = [12 + k for k in range(max(1, int(height) - 16))]
        free = [h for h in heights if all(abs(h - b) >= _HALO_ROW for b in near)] or heights
        placed.append((name, (x, min(free, key=lambda h: abs(h - y)))))
    return placed
