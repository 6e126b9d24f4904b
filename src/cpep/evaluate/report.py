"""Results for people: one self-contained page (the table alone: `table_text`)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cpep.evaluate import plots
from cpep.evaluate.table import Column, Table, legend, number, table_of, table_text
from cpep.files import write_text

__all__ = ["table_text", "write_report"]

STAGES = {
    "emg_mae": ("EMG masked autoencoder", "mean squared error"),
    "pose_mae": ("Pose masked autoencoder", "mean squared error"),
    "cpep": ("Alignment of EMG to pose", "InfoNCE, nats"),
    "align": ("Alignment of EMG to pose", "InfoNCE, nats"),
    "cpep/shuffled_pairs": ("Alignment of shuffled pairs", "InfoNCE, nats"),
}
"""Title of a stage and unit of its loss, in the order of the page."""

NORMALISATIONS = {
    "none": "none",
    "recording": "by recording: each scaled by its own statistics, without labels",
    "causal": "causal: each scaled by running statistics of its past, without labels",
}


def write_report(results: dict[str, Any], details: dict[str, Any], path: Path) -> None:
    """Write one HTML page that needs nothing else.

    Args:
        results: content of results.json (results.md).
        details: what figures need; every key may be missing: ``confusion`` (list of row, classes, matrix),
            ``losses`` (list of stage, fold, seed, points, kept_step, unit), ``map`` (lists of x, y, label under emg
            and under pose), ``comparisons`` and ``notes`` (lists of sentences), ``config`` (any JSON).
        path: file to write, atomically.
    """
    template = files("cpep.evaluate").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    table, rows = table_of(results), results["rows"]
    matrices = _matrices(results, details.get("confusion", []), table)
    page = environment.from_string(template).render(
        run=results["run"],
        data=results["data"],
        table=table,
        legend=legend(results, table),
        number=number,
        comparisons=details.get("comparisons", []),
        notes=details.get("notes", []),
        people=[(column, place, _dots(results, table, c)) for c, (column, place) in enumerate(_places(table))],
        main=next((name for name in ("cpep", *matrices) if name in matrices), ""),
        matrices=matrices,
        curves=_curves(details.get("losses", [])),
        maps=_maps(results["data"], details.get("map", {})),
        palette=plots.PALETTE,
        marks=plots.MARKS,
        config=json.dumps(details.get("config", {}), indent=1) if details.get("config") else "",
        windows=details.get("config", {}).get("data", {}),
        normalisations=[NORMALISATIONS.get(n, n) for n in sorted({row["normalisation"] for row in rows})],
        seeds=sorted({row["seed"] for row in rows}),
        natural=_natural,
        duration=duration(results["run"]["seconds"]),
    )
    write_text(path, page)


def duration(seconds: float) -> str:
    """Write a duration in words, which a time of day cannot be mistaken for.

    >>> duration(42.3), duration(1412), duration(3725)
    ('42 s', '23 min 32 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _natural(names: Sequence[str]) -> list[str]:
    """Sort names, numbers in them by value."""
    return sorted(names, key=lambda name: [(not p.isdigit(), int(p) if p.isdigit() else p) for p in _parts(name)])


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", name) if part]


def _places(table: Table) -> list[tuple[Column, str]]:
    """Return the columns of the table with their place on a wide page: seen gestures above unseen ones."""
    titles = [title for title, _ in table.groups]
    if len(titles) > 3:
        return [(column, "") for column in table.columns]
    return [
        (column, f"--column:{titles.index(column.title) + 1};--row:{1 + (column.gestures == 'unseen')}")
        for column in table.columns
    ]


def _figure(svg: str) -> Markup:
    """Mark a figure as safe: `cpep.evaluate.plots` escapes every name that it draws."""
    return Markup(svg)


def _dots(results: dict[str, Any], table: Table, column: int) -> Markup:
    """Draw every person's score of one column, averaged over the runs that tested them."""
    rows = []
    for line in table.lines:
        if (cell := line.cells[column]) is not None:
            values: dict[str, list[float]] = {}
            for position in cell.rows:
                for user, value in results["rows"][position]["per_user"].items():
                    values.setdefault(user, []).append(value)
            rows.append((line.name, line.role, {user: float(np.mean(v)) for user, v in values.items()}))
    about = table.columns[column]
    return _figure(plots.dots(rows, about.chance, f"Score of every person, {about.title}, {about.gestures} gestures"))


def _matrices(
    results: dict[str, Any], confusion: Sequence[dict[str, Any]], table: Table
) -> dict[str, list[tuple[str, list[tuple[str, Markup]]]]]:
    """Draw confusion matrices, summed over folds and seeds, per model and protocol: (gestures, figure).

    Where seen and unseen gestures are offered the same answers, they are rows of one matrix.
    """
    of_row = {item["row"]: item for item in confusion}
    unseen = set(results["data"]["gestures_unseen"])
    drawn: dict[str, list[tuple[str, list[tuple[str, Markup]]]]] = {}
    for line in table.lines:
        cells = zip(table.columns, line.cells, strict=True)
        for title, group in groupby(cells, key=lambda pair: pair[0].title):
            totals: dict[tuple[str, ...], tuple[list[str], Any]] = {}
            for column, cell in group:
                items = [of_row[position] for position in (cell.rows if cell else ()) if position in of_row]
                if items:
                    classes = tuple(sorted(items[0]["classes"], key=lambda name: name in unseen))
                    kinds, total = totals.get(classes, ([], 0))
                    total = total + sum(_ordered(item, classes) for item in items)
                    totals[classes] = ([*kinds, column.gestures], total)
            figures = [
                (
                    what := f"{' and '.join(kinds)} gestures",
                    _heat(f"{line.name}, {title}, {what}", classes, total, unseen),
                )
                for classes, (kinds, total) in totals.items()
            ]
            if figures:
                drawn.setdefault(line.name, []).append((title, figures))
    return drawn


def _heat(what: str, classes: Sequence[str], total_KK: Any, unseen: set[str]) -> Markup:
    """Draw the rows that have windows, seen gestures before unseen ones."""
    present_K = total_KK.sum(1) > 0
    rows = [name for name, present in zip(classes, present_K, strict=True) if present]
    split = sum(name not in unseen for name in classes) % len(classes)
    return _figure(plots.heat(total_KK[present_K], rows, classes, split, f"Confusion matrix of {what}"))


def _ordered(item: dict[str, Any], classes: Sequence[str]) -> Any:
    position = [item["classes"].index(name) for name in classes]
    return np.array(item["matrix"], dtype=float)[np.ix_(position, position)]


def _curves(losses: Sequence[dict[str, Any]]) -> list[tuple[str, int, Markup]]:
    """Draw the loss curves of every stage, its folds and seeds together: (title, runs, figure)."""
    order = list(STAGES)
    stages: dict[str, list[dict[str, Any]]] = {}
    for curve in sorted(losses, key=lambda c: order.index(c["stage"]) if c["stage"] in order else len(order)):
        if curve["points"]:
            stages.setdefault(curve["stage"], []).append(curve)
    drawn = []
    for stage, runs in stages.items():
        title, unit = STAGES.get(stage, (stage, ""))
        points, kept = [run["points"] for run in runs], [run["kept_step"] for run in runs]
        svg = plots.curves(points, kept, runs[0].get("unit", unit), f"Loss curves, {title}")
        drawn.append((title, len(runs), _figure(svg)))
    return drawn


def _maps(data: dict[str, Any], points: dict[str, Any]) -> list[tuple[str, list[str], Markup]]:
    """Draw the map once for seen and once for unseen gestures: (title, names in colour order, figure)."""
    emg, pose = ([tuple(point) for point in points.get(kind, [])] for kind in ("emg", "pose"))
    if not emg or not pose:
        return []
    drawn = []
    for kind in ("seen", "unseen"):
        names = [name for name in data[f"gestures_{kind}"] if any(p[2] == name for p in (*emg, *pose))]
        if names:
            title = f"{kind.capitalize()} gestures"
            drawn.append((title, names, _figure(plots.scatter(emg, pose, names, f"Map of embeddings, {title}"))))
    return drawn
