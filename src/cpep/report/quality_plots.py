"""Figures of the quality page, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from cpep.report.session import ZOOM_S, Session, Zoom, ranges
from cpep.report.style import PALETTE
from cpep.report.svg import figure, round_ticks, stroke, write
from cpep.signal.lag import Lag, pooled
from cpep.types import FloatArray

LEFT, WIDTH = 96.0, 920.0
TOP, LABEL_ROW = 18.0, 16.0


def colour(name: str, names: Sequence[str]) -> str:
    """Return the colour of a label in a style attribute: grey for rest."""
    if name == "rest":
        return "var(--line)"
    return f"var(--c{[other for other in names if other != 'rest'].index(name) % PALETTE})"


def traces(session: Session, shown: Sequence[int], marked: Mapping[int, str], names: Sequence[str]) -> str:
    """Draw the EMG of a whole session, one row a channel on one scale, with pose and labels below.

    Args:
        session: what is drawn.
        shown: numbers of the channels, from 0.
        marked: tags of channels that have any.
        names: labels, in the order of their colours.
    """
    right = WIDTH - LEFT - 6
    row = min(28.0, max(11.0, 400 / len(shown)))
    parts = []
    for x, text in _seconds(session.seconds, LEFT, right):
        parts += [stroke(x, TOP - 2, x, TOP + row * len(shown), "grid"), write(x, 11, text, "tick middle")]
    scale = 0.5 * row / max(float(np.quantile(np.maximum(-session.low_KC, session.high_KC), 0.97)), 1e-30)
    y = TOP
    for c in shown:
        bad = marked.get(c, "")
        number = write(LEFT - 8, y + row / 2 + 4, f"{c + 1}", "label end" + " bad" * bool(bad))
        parts.append(f"<g><title>channel {c + 1}: {escape(bad)}</title>{number}</g>" if bad else number)
        low_K, high_K = session.low_KC[:, c], session.high_KC[:, c]
        parts.append(_band(low_K, high_K, LEFT, right, y + row / 2, scale, 0.75 * row, bool(bad)))
        y += row
    y += 4
    if session.pose_KJ is not None:
        top = y
        drawn, y = _pose_rows(session, y, right)
        parts += [_shade(session.invalid, session.seconds, top, y, right), *drawn]
    if session.labels:
        parts += _label_row(session.labels, session.seconds, y + 4, LEFT, right, names)
        y += LABEL_ROW + 6
    for edge in session.edges if len(session.edges) <= 60 else []:
        x = LEFT + right * edge / session.seconds
        parts.append(stroke(x, TOP - 2, x, y, "edge"))
    return _wide(WIDTH, y + 4, "EMG, pose and labels of the session", parts)


def zoomed(zoom: Zoom, rate: float, shown: Sequence[int], marked: Mapping[int, str], names: Sequence[str]) -> str:
    """Draw two seconds of EMG as they are, one row a channel on one scale, with labels below."""
    width, left = 560.0, 30.0
    right, row = width - left - 6, min(28.0, max(11.0, 400 / len(shown)))
    low_KC, high_KC = ranges(zoom.emg_TC, 420 if len(zoom.emg_TC) > 840 else len(zoom.emg_TC))
    scale = 0.5 * row / max(float(np.quantile(np.maximum(-low_KC, high_KC), 0.97)), 1e-30)
    parts, y = [], TOP
    for x, text in _seconds(ZOOM_S, left, right):
        parts += [stroke(x, TOP - 2, x, TOP + row * len(shown), "grid"), write(x, 11, text, "tick middle")]
    for c in shown:
        bad = c in marked
        parts.append(write(left - 6, y + row / 2 + 4, f"{c + 1}", "label end" + " bad" * bad))
        parts.append(_band(low_KC[:, c], high_KC[:, c], left, right, y + row / 2, scale, 0.75 * row, bad))
        y += row
    if zoom.labels:
        parts += _label_row(zoom.labels, ZOOM_S, y + 4, left, right, names)
        for start, _, name in zoom.labels:
            if start > 0 and name != "rest":
                x = left + right * start / ZOOM_S
                parts.append(stroke(x, TOP - 2, x, y + 4, "onset"))
        y += LABEL_ROW + 6
    return figure(width, y + 4, f"two seconds of EMG at {rate:g} Hz", parts)


def spectra(session: Session, shown: Sequence[int], marked: Mapping[int, str], mains: float) -> str:
    """Draw the spectra of all channels in dB; channels with a mark stand out, with their number.

    Args:
        session: what is drawn.
        shown: numbers of the channels, from 0.
        marked: tags of channels that have any.
        mains: 50 or 60 where a channel hums; 0 draws no lines there.
    """
    width, height, left, top, bottom = 560.0, 300.0, 40.0, 10.0, 34.0
    frequency_F, density_FC = session.frequency_F[1:], session.density_FC[1:, list(shown)]
    if len(frequency_F) > 300:  # the largest of some neighbours, so that no line of hum is lost
        starts = np.linspace(0, len(frequency_F), 300, endpoint=False).astype(int)
        frequency_F, density_FC = frequency_F[starts], np.maximum.reduceat(density_FC, starts, axis=0)
    alive_C = density_FC.max(axis=0) > 0
    if not alive_C.any():
        return ""
    level = float(np.median(density_FC[:, alive_C]))
    db_FC = 10 * np.log10(np.maximum(density_FC / max(level, 1e-300), 1e-12))
    high, low = float(db_FC.max()), max(float(db_FC[:, alive_C].min()), float(db_FC.max()) - 90)
    ticks = round_ticks(low, high)
    last = float(session.frequency_F[-1])

    def x_of(hz: float) -> float:
        return left + (width - left - 18) * hz / last

    def y_of(db: float) -> float:
        return height - bottom - (height - bottom - top) * (max(db, ticks[0]) - ticks[0]) / (ticks[-1] - ticks[0])

    parts = []
    for tick in ticks:
        parts += [
            stroke(left, y_of(tick), width - 18, y_of(tick), "grid"),
            write(left - 6, y_of(tick) + 4, f"{tick:g}", "tick end"),
        ]
    for tick in round_ticks(0, last, 6):
        if tick <= last:
            parts.append(write(x_of(tick), height - bottom + 15, f"{tick:g}", "tick middle"))
    parts.append(write(x_of(last / 2), height - 3, "Hz", "tick middle"))
    parts.append(write(4, top - 1, "dB", "tick"))
    for k in range(1, min(int(last / mains), 5) + 1) if mains else []:
        parts.append(stroke(x_of(k * mains), top, x_of(k * mains), height - bottom, "mains"))
    order = sorted(range(len(shown)), key=lambda k: shown[k] in marked)
    for k in order:
        if alive_C[k]:
            path = " ".join(f"{x_of(f):.0f},{y_of(v):.1f}" for f, v in zip(frequency_F, db_FC[:, k], strict=True))
            style = "curve marked" if shown[k] in marked else "curve plain"
            parts.append(
                f'<polyline class="{style}" points="{path}"><title>channel {shown[k] + 1}</title></polyline>'
            )
            if shown[k] in marked:
                parts.append(write(width - 16, y_of(float(db_FC[-1, k])) + 4, f"{shown[k] + 1}", "label bad"))
    return figure(width, height, "spectra of all channels", parts)


def lag_curve(lags: Sequence[Lag], words: str) -> str:
    """Draw the correlation of EMG's change with the pose's speed against the lag, all recordings together."""
    width, height, left, top, bottom = 560.0, 190.0, 40.0, 12.0, 34.0
    together = pooled(lags)
    lags_L, curve_L = together.lags_L, together.curve_L
    ticks = round_ticks(min(0.0, float(curve_L.min())), max(0.2, float(curve_L.max())), 4)

    def x_of(ms: float) -> float:
        return left + (width - left - 12) * (ms - float(lags_L[0])) / float(lags_L[-1] - lags_L[0])

    def y_of(value: float) -> float:
        return height - bottom - (height - bottom - top) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    usual = f'x="{x_of(30):.1f}" width="{x_of(100) - x_of(30):.1f}" y="{top}" height="{height - bottom - top}"'
    parts = [f'<rect class="usual" {usual}><title>30 to 100 ms are usual</title></rect>']
    for tick in ticks:
        parts += [
            stroke(left, y_of(tick), width - 12, y_of(tick), "grid"),
            write(left - 6, y_of(tick) + 4, f"{tick:g}", "tick end"),
        ]
    for ms in (-1000, -500, 0, 500, 1000):
        parts += [
            stroke(x_of(ms), height - bottom, x_of(ms), height - bottom + 4, "axis"),
            write(x_of(ms), height - bottom + 16, f"{ms}", "tick middle"),
        ]
    parts.append(write(x_of(0), height - 2, "ms by which EMG changes before the pose moves", "tick middle"))
    path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(lags_L, curve_L, strict=True))
    parts.append(f'<polyline class="curve validation" points="{path}"/>')
    k = int(curve_L.argmax())
    if together.clear or any(lag.clear for lag in lags):
        parts.append(
            f'<circle class="kept" cx="{x_of(float(lags_L[k])):.1f}" cy="{y_of(float(curve_L[k])):.1f}" r="4"/>'
        )
    return figure(width, height, f"lag between EMG and pose: {words}", parts)


def grid(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[tuple[str, str, str]]], title: str
) -> str:
    """Draw a table of small squares: for each a class, a text inside, and a tip."""
    size = 18.0 if len(columns) <= 40 else 10.0
    tall = 18.0 if len(rows) <= 40 else 13.0
    left = 12 + 6.4 * max(map(len, rows), default=1)
    turned = max(map(len, columns)) > 3
    top = 10 + (6.1 * max(map(len, columns)) if turned else 12)
    parts = []
    for k, name in enumerate(columns):
        x = left + size * (k + 0.5)
        if turned:
            parts.append(write(x + 4, top - 6, name, "label", turn=f"rotate(-90 {x + 4:.1f} {top - 6:.1f})"))
        elif size > 10 or k % 8 == 7 or k == 0:
            parts.append(write(x, top - 6, name, "tick middle"))
    for r, (name, line) in enumerate(zip(rows, cells, strict=True)):
        y = top + tall * r
        parts.append(write(left - 6, y + tall / 2 + 4, name, "label end"))
        for k, (style, inside, tip) in enumerate(line):
            x = left + size * k
            said = f"<title>{escape(tip)}</title>" if tip else ""
            parts.append(
                f'<rect class="square {style}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{size - 1:g}" '
                f'height="{tall - 1:g}" rx="2">{said}</rect>'
            )
            if inside:
                parts.append(write(x + size / 2, y + tall / 2 + 3.5, inside, "number"))
    return figure(left + size * len(columns) + 4, top + tall * len(rows) + 6, title, parts, fixed=True)


def _seconds(seconds: float, left: float, right: float) -> list[tuple[float, str]]:
    """Return place and text of round times on an axis."""
    unit, name = (60.0, "min") if seconds > 240 else (1.0, "s")
    ticks = [tick for tick in round_ticks(0, seconds / unit, 8) if tick <= seconds / unit]
    return [
        (left + right * tick * unit / seconds, f"{tick:g} {name}" if k == 0 else f"{tick:g}")
        for k, tick in enumerate(ticks)
    ]


def _band(
    low_K: FloatArray, high_K: FloatArray, left: float, right: float, y: float, scale: float, most: float, bad: bool
) -> str:
    """Draw the range of each pixel as one upright line that reaches the one before; single samples as one line."""
    step = right / len(low_K)
    x_K = left + step * (np.arange(len(low_K)) + 0.5)
    up_K, down_K = (np.clip(y - scale * edge_K, y - most, y + most) for edge_K in (high_K, low_K))
    style = f'class="band{" marked" * bad}"'
    if (low_K == high_K).all():
        path = " ".join(f"{x:.1f} {up:.1f}" for x, up in zip(x_K, up_K, strict=True))
        return f'<path {style} d="M{path}"/>'
    joined_K = np.minimum(up_K[1:], down_K[:-1]), np.maximum(down_K[1:], up_K[:-1])
    up_K, down_K = np.append(up_K[:1], joined_K[0]), np.append(down_K[:1], joined_K[1])
    down_K = np.maximum(down_K, up_K + 0.7)
    path = "".join(f"M{x:.1f} {up:.1f}V{down:.1f}" for x, up, down in zip(x_K, up_K, down_K, strict=True))
    return f'<path {style} style="stroke-width:{step:.2f}" d="{path}"/>'


def _pose_rows(session: Session, y: float, right: float) -> tuple[list[str], float]:
    assert session.pose_KJ is not None
    span_J = np.nan_to_num(
        np.nanmax(_or_zero(session.pose_KJ), axis=0) - np.nanmin(_or_zero(session.pose_KJ), axis=0)
    )
    moving = np.sort(np.argsort(-span_J, kind="stable")[:8])
    row, parts = 20.0, []
    for j in moving.tolist():
        value_K = session.pose_KJ[:, j]
        low = float(np.nanmin(value_K)) if np.isfinite(value_K).any() else 0.0
        name = session.pose_names[j] if j < len(session.pose_names) else str(j + 1)
        short = name if len(name) <= 14 else f"{name[:13]}\u2026"
        parts.append(f"<g><title>{escape(name)}</title>{write(LEFT - 8, y + row / 2 + 4, short, 'tick end')}</g>")
        up_K = y + row - 3 - (row - 6) * (value_K - low) / max(float(span_J[j]), 1e-9)
        parts.append(f'<path class="curve pose-line" d="{_broken(up_K, right)}"/>')
        y += row
    return parts, y


def _or_zero(pose_KJ: FloatArray) -> FloatArray:
    """Return the pose with 0 in columns that are never finite, so that they have a range."""
    return np.where(np.isfinite(pose_KJ).any(axis=0), pose_KJ, 0)


def _broken(y_K: FloatArray, right: float) -> str:
    """Return a line that is broken where a value is not finite."""
    step, path, open_ = right / len(y_K), [], False
    for k, y in enumerate(y_K.tolist()):
        if np.isfinite(y):
            path.append(f"{'L' if open_ else 'M'}{LEFT + step * (k + 0.5):.1f} {y:.1f}")
        open_ = bool(np.isfinite(y))
    return "".join(path)


def _shade(spells: Sequence[tuple[float, float]], seconds: float, top: float, bottom: float, right: float) -> str:
    path = ""
    for start, end in spells:
        x, width = LEFT + right * start / seconds, max(right * (end - start) / seconds, 0.6)
        path += f"M{x:.1f} {top:.1f}h{width:.1f}V{bottom:.1f}h{-width:.1f}z"
    return f'<path class="invalid" d="{path}"><title>pose invalid</title></path>' if path else ""


def _label_row(
    labels: Sequence[tuple[float, float, str]],
    seconds: float,
    y: float,
    left: float,
    right: float,
    names: Sequence[str],
) -> list[str]:
    parts = [write(left - 8, y + 12, "labels", "tick end")] if left > 40 else []
    for start, end, name in labels:
        x, width = left + right * start / seconds, right * (end - start) / seconds
        tip = f"<title>{escape(name.replace('_', ' '))}, {start:.1f} to {end:.1f} s</title>"
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width - 0.4, 0.6):.1f}" height="{LABEL_ROW:g}" '
            f'style="fill:{colour(name, names)}">{tip}</rect>'
        )
        if name != "rest" and width > 6.4 * len(name):
            parts.append(write(x + width / 2, y + 12, name.replace("_", " "), "on-label middle"))
    return parts


def _wide(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """Return a figure that is as wide as the page, and scrolls on a phone."""
    size = f"min-width:{0.85 * width:.0f}px"
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="{size}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
