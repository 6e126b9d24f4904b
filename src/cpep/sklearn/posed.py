"""Gestures that are added by their pose to classes that a read-out knows by their EMG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import Background
from cpep.types import BoolArray, FloatArray, StrArray


def half(name_N: StrArray, group_N: StrArray) -> BoolArray:
    """Tell which windows are of every second person, (N,); of one person, of the later half of each name."""
    people = np.unique(group_N)
    if len(people) > 1:
        return np.isin(group_N, people[::2])
    later_N = np.zeros(len(name_N), bool)
    for name in np.unique(name_N):
        own = np.flatnonzero(name_N == name)
        later_N[own[(len(own) + 1) // 2 :]] = True
    return later_N


def book_of(
    model: Model, x_ND: FloatArray, name_N: StrArray, aside_N: BoolArray, known: Background | None
) -> GestureBook:
    """Return a book that knows classes by their EMG.

    Its confidence is calibrated, once an entry is added, on the EMG that the checkpoint's own book is calibrated on.
    Where there is none, it is calibrated on some of the windows, which are then in no entry.

    Args:
        model: an aligned checkpoint.
        x_ND: embeddings of windows.
        name_N: name of each.
        aside_N: windows to calibrate on where it has to be.
        known: the EMG of the checkpoint's own book.
    """
    if known is None:
        no_poses = np.zeros((int(aside_N.sum()), 0), np.float32)
        known = Background(unit_rows(x_ND[aside_N]), no_poses, name_N[aside_N])
        x_ND, name_N = x_ND[~aside_N], name_N[~aside_N]
    book = GestureBook(model)
    for name in np.unique(name_N).tolist():
        book.add_emg(name, x_ND[name_N == name])
    book.background = known
    return book


def shares(book: GestureBook, names: Sequence[str], x_ND: FloatArray) -> FloatArray:
    """Return the probability of some entries (N, names), given that a window shows an entry of the book."""
    p_NE = book.predict_proba(x_ND)[:, :-1]
    chosen = [book.names.index(name) for name in names]
    return np.asarray(p_NE[:, chosen] / p_NE.sum(axis=1, keepdims=True))
