"""What the control shows: the model that was aligned to poses of other windows, and so can know no gesture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cpep.config.rows import CONTROL
from cpep.evaluate.protocols.base import PROTOCOLS, QUERY
from cpep.report.confusion import added
from cpep.report.names import summarised
from cpep.report.table import Column, Table, number, table_of

FEW_PEOPLE = 6
"""With fewer test people, a bootstrap interval over people is too narrow."""


def control_sentences(results: dict[str, Any], confusion: Sequence[dict[str, Any]]) -> list[str]:
    """Say of each zero-shot column whether the control is at chance, and if not, what its answers tell about it.

    The harmonic mean has no sentence of its own: what a model prefers moves it as it moves the two accuracies.

    Chance is the score of answers that are spread evenly. A model that answers without regard to the window scores
    the mean, over the gestures that were asked, of the share of its answers that each takes. If it prefers a few
    gestures, this is below chance where they were not asked, and above it where they were.

    Args:
        results: content of results.json.
        confusion: ``confusion`` of details.json: row, classes and matrix.
    """
    table = table_of(results)
    of_row = {item["row"]: item for item in confusion}
    said = []
    for line in table.lines:
        if line.model != CONTROL:
            continue
        for column, cell in zip(table.columns, line.cells, strict=True):
            if cell is not None and _by_poses(column.protocol):
                items = [of_row[position] for position in cell.rows if position in of_row]
                interval, people = _interval(results, column) or (cell.ci95, _people(results, cell.rows))
                if not column.together:
                    assert interval is not None
                    said.append(_sentence(table, column, cell.mean, interval, people, items))
                elif interval is not None and column.gestures == "AUSUC":
                    said.append(_of_area(column, cell.mean, interval))
    return said


def _of_area(column: Column, mean: float, interval: tuple[float, float]) -> str:
    """Say whether the area under the seen-unseen curve is at chance, which no preference for gestures moves."""
    low, high = interval
    where = f"{column.title[:1].upper()}{column.title[1:]}, {column.gestures}: {number(mean)}"
    spread = f"95 % interval {number(low)} to {number(high)}"
    if low <= column.chance <= high:
        return f"{where}. This is at chance ({number(column.chance)}), which its {spread} holds."
    side = "below" if high < column.chance else "above"
    leak = " Look for a leak: something of the tested windows may have been in training." if side == "above" else ""
    return f"{where}. This is {side} chance ({number(column.chance)}; {spread}).{leak}"


def regardless(matrix_KK: Any) -> float:
    """Return the balanced accuracy that is expected of the same answers, given without regard to the window.

    Args:
        matrix_KK: windows by true (row) and answered (column) gesture; rows without windows were not asked.
    """
    asked_K = matrix_KK.sum(axis=1) > 0
    return float(matrix_KK.sum(axis=0)[asked_K].sum() / matrix_KK.sum() / asked_K.sum())


def _sentence(
    table: Table,
    column: Column,
    mean: float,
    interval: tuple[float, float],
    people: int,
    items: Sequence[dict[str, Any]],
) -> str:
    low, high = interval
    where = f"{column.title[:1].upper()}{column.title[1:]}, {column.gestures} gestures: {number(mean)}"
    spread = f"95 % interval {number(low, 2)} to {number(high, 2)}"
    if low <= column.chance <= high:
        return f"{where}. This is at chance ({number(column.chance)}), which its {spread} holds."
    side = "below" if high < column.chance else "above"
    text = f"{where}. This is {side} chance ({number(column.chance)}; {spread})."
    if not items:
        return text
    classes, matrix_KK = added(items)
    expected = regardless(matrix_KK)
    text += f" {_preferred(matrix_KK, classes)} Such answers, given without regard to the window, are"
    text += f" expected to score {number(expected)}"
    if low - 0.005 <= expected <= high + 0.005:  # intervals are written with two digits
        return f"{text}, so that the control knows nothing of the gesture."
    if people < FEW_PEOPLE:
        return f"{text}, which the interval does not hold; but with {people} people it is too narrow."
    if side == "below":
        return (
            f"{text}. The control answers wrongly more often than that, which is no knowledge of the gesture either."
        )
    return f"{text}. Look for a leak: something of the tested windows may have been in training."


def _preferred(matrix_KK: Any, classes: Sequence[str]) -> str:
    """Name the gestures that take most answers."""
    share_K = matrix_KK.sum(axis=0) / matrix_KK.sum()
    order = np.argsort(-share_K, kind="stable")
    count = int(np.searchsorted(np.cumsum(share_K[order]), 0.5)) + 1
    first = order[: min(count, 3)]
    names = [classes[k].replace("_", " ") for k in first]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    nobody = "" if matrix_KK[first].any() else ", which nobody was asked for here"
    return f"Of its answers, {100 * share_K[first].sum():.0f} % are {listed}{nobody}."


def _by_poses(protocol: str) -> bool:
    """Tell whether a protocol compares EMG with poses alone, without a label of EMG."""
    return protocol in PROTOCOLS and QUERY in PROTOCOLS.get(protocol).needs


def _interval(results: dict[str, Any], column: Column) -> tuple[tuple[float, float], int] | None:
    """Return the interval over all people, and how many there were; ``None`` in results that have no summary."""
    found = summarised(results).get((CONTROL, column.protocol, column.gestures))
    return found and (found[1], found[2])


def _people(results: dict[str, Any], rows: Sequence[int]) -> int:
    return len({user for position in rows for user in results["rows"][position]["per_user"]})
