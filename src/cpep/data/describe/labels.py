"""Which column says what the hand does, what it was asked to do, and whose hand it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.describe.clock import shown
from cpep.data.describe.look import Column
from cpep.data.readers.labels import is_rest
from cpep.types import FloatArray

LABEL_NAME = re.compile(
    r"label|gesture|class|movement|stimulus|activity|action|target|task|motion|grasp|^(y|pose)$", re.I
)
PROMPT_NAME = re.compile(r"prompt|cue|asked|instruct|^stimulus$", re.I)
REPETITION_NAME = re.compile(r"repetition|^rep(s|_?id)?$|trial|cycle|^rerep", re.I)
USER_NAME = re.compile(r"(^|\.)(subject|user|participant|person)(_?id)?$", re.I)

MOST = 100
"""Most values that labels have."""

SHORTEST_RUN = 10.0
"""Rows of one label on end, on average; a signal changes faster."""


@dataclass(frozen=True)
class Labels:
    """A column of labels.

    Attributes:
        column: the column.
        names: from each value, as the file has it, to a name.
        rest: value that is named rest; empty where none is.
        made_up: whether names of gestures are only their numbers.
        why: the evidence.
        rest_why: how rest is known.
    """

    column: Column
    names: dict[str, str]
    rest: str
    made_up: bool
    why: str
    rest_why: str


def find_labels(columns: Sequence[Column], power_T: FloatArray | None, rate: float) -> Labels | None:
    """Return the labels among columns: few values in long runs, by a name where one has a name for it.

    Args:
        columns: those that are neither EMG nor a clock.
        power_T: power of the EMG (rows,), by which rest is known where labels are numbers.
        rate: rows a second, for the evidence; 0 where it is not known.
    """
    found = [column for column in columns if _has_runs(column) and not _is_other(column)]
    found.sort(key=lambda column: (not LABEL_NAME.search(column.name), not column.is_text))
    for column in found:
        if LABEL_NAME.search(column.name) or column.is_text or not column.name:
            return _labels(column, power_T, rate)
    return None


def one_hot(columns: Sequence[Column]) -> list[Column]:
    """Return columns of 0 and 1 of which one at most is 1 in each row; none where they are no two such."""
    found = [one for one in columns if one.values.dtype.kind in "biuf" and set(np.unique(one.values)) == {0, 1}]
    together_T = np.sum([one.values for one in found], axis=0) if len(found) > 1 else np.array([2])
    return found if together_T.max() <= 1 else []


def find_prompt(columns: Sequence[Column], label: Labels | None) -> Column | None:
    """Return the column of what was asked for: as labels, with values of theirs."""
    if label is None:
        return None
    for column in columns:
        if column is not label.column and PROMPT_NAME.search(column.name) and _has_runs(column):
            values = [text_of(value) for value in distinct(column.values)]
            if set(values) <= set(label.names):
                return column
    return None


def find_repetition(columns: Sequence[Column]) -> Column | None:
    """Return the column with the number of the repetition."""
    fits = (column for column in columns if not column.is_text and REPETITION_NAME.search(column.name))
    return next((column for column in fits if _has_runs(column)), None)


def find_people(columns: Sequence[Column]) -> tuple[Column, list[str]] | None:
    """Return the column that names people, and the people."""
    for column in columns:
        if USER_NAME.search(column.name):
            return column, [text_of(value) for value in distinct(column.values)]
    return None


def find_events(columns: Sequence[Column]) -> list[tuple[Column, int]]:
    """Return columns that are zero but for single rows, such as markers, with the number of these rows."""
    found = []
    for column in columns:
        if column.is_text or column.values.dtype.kind == "b":
            continue
        values = column.values.astype(np.float64)
        there = np.isfinite(values) & (values != 0)
        whole = (values[there] == np.rint(values[there])).all()
        if 0 < there.sum() < 0.02 * len(values) and whole and (there[1:] & there[:-1]).sum() < there.sum() / 2:
            found.append((column, int(there.sum())))
    return found


def distinct(values: npt.NDArray[Any]) -> list[Any]:
    """Return the values that are there, in their order; empty cells are none."""
    there = values[values != ""] if values.dtype.kind == "U" else values[np.isfinite(values.astype(np.float64))]
    return list(np.unique(there))


def text_of(value: Any) -> str:
    """Return a value as a sidecar writes it.

    >>> text_of(np.float64(3.0)), text_of(np.int8(3)), text_of(2.5), text_of("fist")
    ('3', '3', '2.5', 'fist')
    """
    if isinstance(value, str):
        return str(value)
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def gesture_names(texts: Sequence[str], rest: str) -> dict[str, str]:
    """Return names for values: themselves where they are words, numbered where they are numbers."""
    numbered = all(re.fullmatch(r"-?[\d.]+", text) for text in texts)
    named = {text: f"gesture {text}" if numbered else text for text in texts}
    return {text: "rest" if text == rest else name for text, name in named.items()}


def _has_runs(column: Column) -> bool:
    values = column.values
    if values.dtype.kind == "f" and (values[np.isfinite(values)] != np.rint(values[np.isfinite(values)])).any():
        return False
    found = distinct(values)
    if not 1 <= len(found) <= MOST or (len(found) == 1 and not LABEL_NAME.search(column.name)):
        return False
    return runs_of(values) * SHORTEST_RUN <= len(values)


def runs_of(values: npt.NDArray[Any]) -> int:
    """Return in how many runs of one value a column falls."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=-1e300)
    return int((values[1:] != values[:-1]).sum()) + 1


def _is_other(column: Column) -> bool:
    other = REPETITION_NAME, USER_NAME
    return any(pattern.search(column.name) for pattern in other) or not _is_sparse_enough(column)


def _is_sparse_enough(column: Column) -> bool:
    """Tell whether values return or differ in words: a number that only rises is a count."""
    if column.is_text:
        return True
    values = column.values[np.isfinite(column.values.astype(np.float64))].astype(np.float64)
    step = np.diff(values)
    return bool((step < 0).any()) or len(np.unique(values)) <= 2 or LABEL_NAME.search(column.name) is not None


def _labels(column: Column, power_T: FloatArray | None, rate: float) -> Labels:
    texts = [text_of(value) for value in distinct(column.values)]
    rest, known = _rest(column, texts, power_T)
    names = gesture_names(texts, rest)
    rows = len(column.values) / runs_of(column.values)
    length = f"{rows / rate:.1f} s" if rate else f"{rows:,.0f} rows"
    some = ", ".join(texts[:6]) + (", ..." if len(texts) > 6 else "")
    values = f"{len(texts)} values ({some})" if len(texts) > 1 else f"one value ({some})"
    why = f"{shown(column)} has {values} in runs of {length}"
    made_up = any(name == f"gesture {text}" for text, name in names.items())
    return Labels(column, names, rest, made_up, why, known)


def _rest(column: Column, texts: list[str], power_T: FloatArray | None) -> tuple[str, str]:
    """Return the value that means rest and how that is known: a word for it; or 0, where the EMG is weakest."""
    words = [text for text in texts if is_rest(text)]
    if words:
        return words[0], f"{words[0]!r} is rest, by its name"
    if "0" in texts and len(texts) > 1 and power_T is not None and not column.is_text:
        values = column.values.astype(np.float64)
        weak = {text: float(np.median(power_T[values == float(text)])) for text in texts}
        if min(weak, key=lambda text: weak[text]) == "0":
            return "0", "'0' is rest: the EMG is weakest there"
    return "", "no value is known to be rest: name one 'rest' in 'names' if one is"
