"""Elements of figures as SVG text, coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

Point = tuple[float, float]

CHARACTER = 6.1
"""Width of a character of text of 11 px, on average."""


def words(name: str) -> str:
    """Write the name of a gesture as words."""
    return name.replace("_", " ")


def figure(width: float, height: float, title: str, parts: Iterable[str], fixed: bool = False) -> str:
    """Return an ``<svg>`` element; ``fixed`` has its size in pixels, others are as wide as there is room."""
    size = f'width="{width:.0f}" height="{height:.0f}"' if fixed else f'style="max-width:{1.25 * width:.0f}px"'
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def stroke(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Return a line."""
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def write(x: float, y: float, text: str, style: str, turn: str = "") -> str:
    """Return a text, escaped."""
    turned = f' transform="{turn}"' if turn else ""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}"{turned}>{escape(text)}</text>'


def key_of(entries: Sequence[tuple[str, str]], left: float, width: float, y: float) -> tuple[list[str], float]:
    """Return a key in rows from ``y`` down, and where it ends.

    Args:
        entries: mark, drawn about the origin, and text.
        left: where the rows begin.
        width: where they end.
        y: middle of the first row.
    """
    parts, x = [], left
    for mark, text in entries:
        need = 16 + CHARACTER * len(text)
        if x > left and x + need > width:
            x, y = left, y + 16
        parts += [f'<g transform="translate({x + 6:.1f} {y:.1f})">{mark}</g>', write(x + 16, y + 4, text, "tick")]
        x += need + 12
    return parts, y + 10


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers at equal distances, from at or below ``low`` to at or above ``high``.

    >>> round_ticks(0.13, 0.92)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-3):
        low, high = low - 0.1 * max(abs(low), 1.0), high + 0.1 * max(abs(high), 1.0)
    span = high - low
    power = 10.0 ** floor(log10(span / most))
    step = next(power * m for m in (1, 2, 5, 10, 20) if span / (power * m) <= most)
    return [round(k * step, 12) for k in range(floor(low / step), ceil(high / step) + 1)]
