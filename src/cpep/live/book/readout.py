"""How a gesture book reads its gallery, and which way is chosen when it is made.

Every way gives a similarity to each entry, which the book then standardises and calibrates alike. The book is read by
the way that tells validation people's windows best; the vote of the paper is measured with them and never chosen,
because an entry of many vectors outvotes one of few.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from cpep.evaluate.knn import unit_rows
from cpep.evaluate.metrics import balanced_accuracy
from cpep.live.book.calibration import NEIGHBOURS, by_entry, cosines, usual
from cpep.types import FloatArray, IntArray

SAME = 0.05
"""Ways whose balanced accuracy is this near to the best one's are as good, as for the rows that choose read-outs."""
VOTE = "vote"
"""Name of the paper's read-out."""


class ReadOut(StrEnum):
    """A way to read a gallery; of ways that are as good, the first is taken.

    Attributes:
        nearest: mean cosine to the ten nearest vectors of each entry.
        centre: cosine to the mean of each entry's vectors.
    """

    nearest = "nearest"
    centre = "centre"

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        return {"nearest": "ten nearest of each gesture", "centre": "mean of each gesture"}[self]


def compared(way: ReadOut, vector_GD: FloatArray, entry_G: IntArray, entries: int) -> tuple[FloatArray, IntArray]:
    """Return the unit vectors that windows are compared with, and the entry of each, sorted."""
    if way is ReadOut.nearest:
        return vector_GD, entry_G
    sum_ED = np.zeros((entries, vector_GD.shape[1]), np.float32)
    np.add.at(sum_ED, entry_G, vector_GD)
    return unit_rows(sum_ED), np.arange(entries)


def votes(cosine_NG: FloatArray, entry_G: IntArray, entries: int) -> FloatArray:
    """Return the share of each entry (N, E) among the ten nearest vectors of the whole gallery."""
    most = min(NEIGHBOURS, cosine_NG.shape[1])
    nearest_NK = np.argpartition(-cosine_NG, most - 1, axis=1)[:, :most]
    return np.stack([(entry_G[nearest_NK] == entry).mean(axis=1) for entry in range(entries)], axis=1)


def accuracies(
    x_ND: FloatArray, target_N: IntArray, vector_GD: FloatArray, entry_G: IntArray, entries: int, rest: int
) -> dict[str, float]:
    """Return the balanced accuracy of each way, and of the vote, on windows of known gestures.

    The answer is the likeliest gesture, rest apart, of standardised similarities, as in the book.

    Args:
        x_ND: unit vectors of EMG windows of people on whom nothing was trained; all serve to standardise.
        target_N: entry that each shows; negative where it shows none.
        vector_GD: unit vectors of the gallery.
        entry_G: entry of each, sorted.
        entries: how many there are.
        rest: entry of rest, which is neither asked nor answered; -1 for none.

    Returns:
        By name; empty where fewer than two gestures are shown.
    """
    asked_N = (target_N >= 0) & (target_N != rest)
    if len(np.unique(target_N[asked_N])) < 2:
        return {}
    near = {}
    for way in ReadOut:
        own_GD, own_G = compared(way, vector_GD, entry_G, entries)
        near[str(way)] = by_entry(cosines(x_ND, own_GD), own_G, entries)
    near[VOTE] = votes(cosines(x_ND, vector_GD), entry_G, entries)
    found = {}
    for name, near_NE in near.items():
        usual_E, spread_E = usual(near_NE, rest)
        alike_NE = (near_NE - usual_E) / spread_E
        if rest >= 0:
            alike_NE[:, rest] = -np.inf
        found[name] = float(balanced_accuracy(target_N[asked_N], alike_NE[asked_N].argmax(axis=1)))
    return found


def best(accuracy: Mapping[str, float]) -> ReadOut:
    """Return the first way that is as good as the best one; the vote does not count.

    >>> best({"nearest": .61, "centre": .63, "vote": .7}), best({"nearest": .51, "centre": .63})
    (<ReadOut.nearest: 'nearest'>, <ReadOut.centre: 'centre'>)
    """
    worth = {way: accuracy[way] for way in ReadOut if way in accuracy}
    top = max(worth.values(), default=0.0)
    return next((way for way, value in worth.items() if value >= top - SAME), ReadOut.nearest)


def sentence(way: ReadOut, accuracy: Mapping[str, float]) -> str:
    """Say by what a book is read, and how good it is beside the others."""
    if way not in accuracy:
        return f"read-out: {way.words} (the usual one: there are no named windows to choose by)"
    others = [f"{one.words} {accuracy[one]:.2f}" for one in ReadOut if one is not way and one in accuracy]
    others += [f"vote {accuracy[VOTE]:.2f}"] if VOTE in accuracy else []
    return f"read-out: {way.words} (balanced accuracy {accuracy[way]:.2f}; {', '.join(others)})"
