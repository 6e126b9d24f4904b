"""The table of pose errors: how far predicted hands are from the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import fill
from typing import Any

import numpy as np

from cpep.config.rows import words_of
from cpep.report.names import DAGGER, GESTURES, main_first, under_trained, under_trained_words
from cpep.report.table import names_of, number, text_width, titles_over

METRICS = {
    "angular_error_deg": "angular error, degrees",
    "landmark_mm": "landmark distance, mm",
    "pose_nrmse": "normalised RMSE",
}
MEAN_POSE = "mean pose"
WORDS = {
    "angular_error_deg": "Angular error: how far a predicted joint angle is from the real one, averaged over joints.",
    "landmark_mm": "Landmark distance: how far the points of the predicted hand are from those of the real hand.",
    "pose_nrmse": "Normalised RMSE: root mean squared error of a column, such as a glove's sensor, over its SD,"
    " averaged over columns; 1 is what answering the mean of the tested windows costs.",
}
LEGEND = f"{MEAN_POSE}: always answering the training people's mean pose, without EMG. Lower is better."


@dataclass(frozen=True)
class ErrorCell:
    """Mean and SD of an error over ``runs`` folds and seeds, in the unit of its metric."""

    mean: float
    sd: float
    runs: int


@dataclass(frozen=True)
class ErrorColumn:
    """One metric on one set of gestures."""

    metric: str
    gestures: str

    @property
    def title(self) -> str:
        """Metric in words, with its unit."""
        return METRICS[self.metric]


@dataclass(frozen=True)
class ErrorLine:
    """One model of the table of errors; the first line is the mean pose, which is no model."""

    name: str
    model: str
    under_trained: bool
    cells: tuple[ErrorCell | None, ...]

    @property
    def about(self) -> str:
        """What it is."""
        return words_of(self.model, "always the training people's mean pose, without EMG")

    @property
    def marked(self) -> str:
        """The name, with a dagger where under-trained."""
        return self.name + DAGGER * self.under_trained


@dataclass(frozen=True)
class ErrorTable:
    """Rows of protocol ``pose_error``, averaged over folds and seeds."""

    columns: tuple[ErrorColumn, ...]
    lines: tuple[ErrorLine, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Metrics in words, with the number of their columns."""
        titles = [column.title for column in self.columns]
        return [(title, titles.count(title)) for title in dict.fromkeys(titles)]

    @property
    def runs(self) -> int:
        """Largest number of runs (folds times seeds) of a cell."""
        return max((cell.runs for line in self.lines for cell in line.cells if cell), default=0)

    def best(self, column: int) -> float | None:
        """Return the lowest mean of a column among models; ``None`` with fewer than two models."""
        means = [cell.mean for line in self.lines[1:] if (cell := line.cells[column])]
        return min(means) if len(means) > 1 else None

    @property
    def words(self) -> list[str]:
        """One sentence on each of its metrics."""
        return [WORDS[metric] for metric in dict.fromkeys(column.metric for column in self.columns)]


def errors_of(results: dict[str, Any]) -> ErrorTable:
    """Average the rows of protocol ``pose_error`` over folds and seeds; the table is empty where there are none."""
    rows = [row for row in results["rows"] if row["protocol"] == "pose_error"]
    called, marked = names_of(results), under_trained(results.get("training", []))
    columns = tuple(
        ErrorColumn(metric, gestures)
        for metric in METRICS
        for gestures in GESTURES
        if any(metric in row and row["gestures"] == gestures for row in rows)
    )
    lines = [ErrorLine(MEAN_POSE, "", False, tuple(_mean_pose(rows, column) for column in columns))]
    models = {called(row): row["model"] for row in rows}
    for name in main_first(models):
        own = [row for row in rows if called(row) == name]
        cells = tuple(_model(own, column) for column in columns)
        lines.append(ErrorLine(name, models[name], models[name] in marked, cells))
    return ErrorTable(columns, tuple(lines) if rows else ())


def errors_text(results: dict[str, Any], width: int | None = None) -> str:
    """Return the table of pose errors as aligned text, or ``""`` where there are none.

    Args:
        results: content of results.json.
        width: longest line of the words below the table; without it the terminal's width, at most 100.
    """
    table, width = errors_of(results), width or text_width()
    if not table.lines:
        return ""
    names = max(len(line.marked) for line in table.lines)
    cell = max(len(spoken_error(c, column)) for line in table.lines for c, column in zip_cells(table, line))
    cell = max([cell, 6, *(ceil((len(title) + 2) / count) - 2 for title, count in table.groups[:-1])])
    texts = [" " * (names + 2) + titles_over([column.title for column in table.columns], cell + 2)]
    texts.append(" " * (names + 2) + "".join(f"{column.gestures:<{cell + 2}}" for column in table.columns))
    texts.append("-" * (names + 2 + len(table.columns) * (cell + 2) - 2))
    for line in table.lines:
        cells = "".join(f"{spoken_error(c, column):<{cell + 2}}" for c, column in zip_cells(table, line))
        texts.append(f"{line.marked:<{names + 2}}{cells}")
    about = f"Pose errors, mean ± SD over {table.runs} runs." if table.runs > 1 else "Pose errors of one run."
    words = fill(" ".join([about, *table.words, LEGEND]), width)
    why = f"{DAGGER} {under_trained_words(results.get('training', []))}."
    mark = [fill(why, width)] if any(line.under_trained for line in table.lines) else []
    return "\n".join([*(text.rstrip() for text in texts), "", words, *mark])


def zip_cells(table: ErrorTable, line: ErrorLine) -> list[tuple[ErrorCell | None, ErrorColumn]]:
    """Return the cells of a line with their columns."""
    return list(zip(line.cells, table.columns, strict=True))


def spoken_error(cell: ErrorCell | None, column: ErrorColumn) -> str:
    """Write an error: degrees and millimetres with one decimal, normalised RMSE as ``number`` writes shares.

    >>> spoken_error(ErrorCell(14.23, 0.61, 4), ErrorColumn("angular_error_deg", "seen"))
    '14.2 ± 0.6'
    >>> spoken_error(ErrorCell(0.8, 0, 1), ErrorColumn("pose_nrmse", "seen"))
    '.800'
    """
    if cell is None:
        return "-"
    mean, sd = (measure(value, column.metric) for value in (cell.mean, cell.sd))
    return f"{mean} ± {sd}" if cell.runs > 1 else mean


def measure(value: float, metric: str) -> str:
    """Write one value of a metric."""
    return number(value) if metric == "pose_nrmse" else f"{value:.1f}"


def _model(rows: Sequence[dict[str, Any]], column: ErrorColumn) -> ErrorCell | None:
    """Average a model's errors over folds and seeds."""
    own = [row for row in rows if row["gestures"] == column.gestures]
    return _cell([row[column.metric] for row in own if column.metric in row])


def _mean_pose(rows: Sequence[dict[str, Any]], column: ErrorColumn) -> ErrorCell | None:
    """Average the mean pose's error over models, whose windows can differ a little, then over folds and seeds."""
    runs: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        if row["gestures"] == column.gestures and column.metric in row.get("mean_pose", {}):
            runs.setdefault((row["fold"], row["seed"]), []).append(row["mean_pose"][column.metric])
    return _cell([float(np.mean(values)) for values in runs.values()])


def _cell(values: Sequence[float]) -> ErrorCell | None:
    if not values:
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return ErrorCell(float(np.mean(values)), sd, len(values))
