"""Results for people: one self-contained page (the table alone: `table_text`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cpep.evaluate import plots
from cpep.evaluate.table import Column, Table, legend, number, table_of, table_text
from cpep.files import clock, write_text

__all__ = ["table_text", "write_report"]

STAGES = {
    "emg_mae": "EMG masked autoencoder",
    "pose_mae": "Pose masked autoencoder",
    "cpep": "Alignment",
    "align": "Alignment",
    "cpep/shuffled_pairs": "Alignment of shuffled pairs (control)",
}


def write_report(results: dict[str, Any], details: dict[str, Any], path: Path) -> None:
    """Write one HTML page that needs nothing else.

    Args:
        results: content of results.json (results.md).
        details: what figures need; every key may be missing: ``confusion`` (list of row, classes, matrix),
            ``losses`` (list of stage, fold, seed, points, unit), ``map`` (lists of x, y, label under emg and
            under pose), ``comparisons`` and ``notes`` (lists of sentences), ``config`` (any JSON).
        path: file to write, atomically.
    """
    template = files("cpep.evaluate").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    table = table_of(results)
    matrices = _matrices(results, details.get("confusion", []), table)
    page = environment.from_string(template).render(
        run=results["run"],
        data=results["data"],
        table=table,
        legend=legend(results, table),
        number=number,
        comparisons=details.get("comparisons", []),
        notes=details.get("notes", []),
        people=[(column, _dots(results, table, c)) for c, column in enumerate(table.columns)],
        main=next((name for name in ("cpep", *matrices) if name in matrices), ""),
        matrices=matrices,
        curves=_curves(details.get("losses", [])),
        maps=_maps(results["data"], details.get("map", {})),
        palette=plots.PALETTE,
        config=json.dumps(details.get("config", {}), indent=1) if details.get("config") else "",
        seconds=clock(results["run"]["seconds"]),
    )
    write_text(path, page)


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
) -> dict[str, list[tuple[Column, Markup]]]:
    """Draw a confusion matrix per model and column, summed over folds and seeds."""
    of_row = {item["row"]: item for item in confusion}
    unseen = set(results["data"]["gestures_unseen"])
    drawn: dict[str, list[tuple[Column, Markup]]] = {}
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            items = [of_row[position] for position in (cell.rows if cell else ()) if position in of_row]
            if not items:
                continue
            classes: list[str] = sorted(items[0]["classes"], key=lambda name: name in unseen)
            total_KK = sum(_ordered(item, classes) for item in items)
            present_K = total_KK.sum(1) > 0
            split = sum(name not in unseen for name in classes)
            title = f"Confusion matrix of {line.name}, {column.title}, {column.gestures} gestures"
            rows = [name for name, present in zip(classes, present_K, strict=True) if present]
            svg = plots.heat(total_KK[present_K], rows, classes, split % len(classes), title)
            drawn.setdefault(line.name, []).append((column, _figure(svg)))
    return drawn


def _ordered(item: dict[str, Any], classes: Sequence[str]) -> Any:
    position = [item["classes"].index(name) for name in classes]
    return np.array(item["matrix"], dtype=float)[np.ix_(position, position)]


def _curves(losses: Sequence[dict[str, Any]]) -> list[tuple[str, int, Markup]]:
    """Draw the loss curves of every stage, its folds and seeds together: (title, runs, figure)."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for curve in losses:
        if curve["points"]:
            stages.setdefault(curve["stage"], []).append(curve)
    drawn = []
    for stage, runs in stages.items():
        title = STAGES.get(stage, stage)
        svg = plots.curves([run["points"] for run in runs], runs[0].get("unit", ""), f"Loss curves, {title}")
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
