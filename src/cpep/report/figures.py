"""The figures of the report: takes results and details, and draws them with ``cpep.report.plots``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from cpep.report import plots
from cpep.report.names import BENCHMARK
from cpep.report.table import Column, Table

STAGES = {
    "emg_mae": ("EMG masked autoencoder", "mean squared error"),
    "pose_mae": ("Pose masked autoencoder", "mean squared error"),
    "cpep": ("Alignment of EMG to pose", "InfoNCE, nats"),
    "cpep/shuffled_pairs": ("Alignment of shuffled pairs", "InfoNCE, nats"),
    "embridge": ("embridge", "sum of its losses"),
    "supervised": ("supervised", "cross-entropy, nats"),
    **{name: (name, "L1") for name in (*BENCHMARK, "pose_t")},
}
"""Title of a stage and unit of its loss, in the order of the page."""

OF_CPEP = ("emg_mae", "pose_mae", "cpep", "cpep/shuffled_pairs")
"""Stages of cpep and its control; the others are of other models."""

CONTROL = "cpep/shuffled_pairs"
ABLATION = re.compile(r"/|-[0-9a-f]{6,}$")
"""Finds in the name of a stage's folder a variant, or a hash of settings that differ from the run's."""


def places(table: Table) -> list[tuple[Column, str]]:
    """Return the columns of the table, each with its place on a wide page: seen gestures above unseen ones.

    A place is text for a style attribute; it is empty where there are more than three protocols.
    """
    titles = [title for title, _ in table.groups]
    if len(titles) > 3:
        return [(column, "") for column in table.columns]
    return [
        (column, f"--column:{titles.index(column.title) + 1};--row:{1 + (column.gestures == 'unseen')}")
        for column in table.columns
    ]


def dots(results: dict[str, Any], table: Table, column: int) -> Markup | None:
    """Draw every person's score of one column, averaged over the runs that tested them.

    Ablations have no dots. Returns ``None`` where no model has a score in this column.
    """
    rows = []
    for line in table.lines:
        if (cell := line.cells[column]) is not None:
            values: dict[str, list[float]] = {}
            for position in cell.rows:
                for user, value in results["rows"][position]["per_user"].items():
                    values.setdefault(user, []).append(value)
            rows.append((line.marked, line.role, {user: float(np.mean(v)) for user, v in values.items()}))
    if not rows:
        return None
    about = table.columns[column]
    return _figure(plots.dots(rows, about.chance, f"Score of every person, {about.title}, {about.gestures} gestures"))


def matrices(
    results: dict[str, Any], confusion: Sequence[dict[str, Any]], table: Table
) -> dict[str, list[tuple[str, list[tuple[str, Markup]]]]]:
    """Draw confusion matrices, summed over folds and seeds: per model (protocol, list of (gestures, figure)).

    Where seen and unseen gestures are offered the same answers, they are rows of one matrix. Ablations have
    none.
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


def curves(losses: Sequence[dict[str, Any]]) -> list[tuple[str, list[tuple[str, int, Markup]]]]:
    """Draw one figure of loss curves a stage, all its folds and seeds in it: per group (title, runs, figure).

    Stages of ablations (a slash or a hash in the name of their folder) are left out; the control is shown.
    """
    order = list(STAGES)
    stages: dict[str, list[dict[str, Any]]] = {}
    for curve in losses:
        stage = CONTROL if "shuffled_pairs" in curve["stage"] else curve["stage"]
        if curve["points"] and (stage == CONTROL or not ABLATION.search(stage)):
            stages.setdefault(stage, []).append(curve)
    groups: dict[str, list[tuple[str, int, Markup]]] = {}
    for stage in sorted(stages, key=lambda name: order.index(name) if name in order else len(order)):
        runs = stages[stage]
        title, unit = STAGES.get(stage, (stage, ""))
        points, kept = [run["points"] for run in runs], [run["kept_step"] for run in runs]
        svg = plots.curves(points, kept, runs[0].get("unit", unit), f"Loss curves, {title}")
        group = "Stages of cpep" if stage in OF_CPEP else "Other models"
        groups.setdefault(group, []).append((title, len(runs), _figure(svg)))
    return list(groups.items())


def maps(data: dict[str, Any], points: dict[str, Any]) -> list[tuple[str, list[str], Markup]]:
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


def _figure(svg: str) -> Markup:
    """Mark a figure as safe: `cpep.report.plots` escapes every name that it draws."""
    return Markup(svg)


def _heat(what: str, classes: Sequence[str], total_KK: Any, unseen: set[str]) -> Markup:
    """Draw the rows that have windows, seen gestures before unseen ones."""
    present_K = total_KK.sum(1) > 0
    rows = [name for name, present in zip(classes, present_K, strict=True) if present]
    split = sum(name not in unseen for name in classes) % len(classes)
    return _figure(plots.heat(total_KK[present_K], rows, classes, split, f"Confusion matrix of {what}"))


def _ordered(item: dict[str, Any], classes: Sequence[str]) -> Any:
    position = [item["classes"].index(name) for name in classes]
    return np.array(item["matrix"], dtype=float)[np.ix_(position, position)]
