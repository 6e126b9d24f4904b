"""Zero-shot classification: an EMG window takes the label of the gallery poses nearest to it."""

from __future__ import annotations

import numpy as np

from cpep.types import FloatArray, IntArray

_ROWS, _COLUMNS = 256, 2048
"""Query vectors and gallery vectors whose similarities are computed at once: 2 MB."""
_PAIRS = 2**14
"""Pairs of vectors that are compared in float64 at once."""


def knn_vote(query: FloatArray, gallery_GD: FloatArray, label_G: IntArray, k: int = 10) -> IntArray:
    """Label queries by their ``k`` nearest gallery vectors.

    The search is exact, by cosine similarity to the whole gallery. The majority of the ``k`` nearest wins; between
    labels with equal votes, the larger sum of similarities, then the smaller label. Of gallery vectors that are
    equally near, the earlier one counts as nearer. A vector of zeros has similarity 0 to everything.

    Args:
        query: vectors to label (Q, D); or E vectors each (Q, E, D), of which the nearest to a gallery vector counts.
        gallery_GD: vectors of known label.
        label_G: their labels.
        k: number of neighbours; a smaller gallery votes as a whole.

    Returns:
        The label of every query.

    Raises:
        ValueError: the gallery is empty, shapes do not fit, or a value is not finite.
    """
    score_QK = vote_scores(query, gallery_GD, label_G, k)
    return np.asarray(np.unique(label_G)[score_QK.argmax(axis=1)])


def vote_scores(query: FloatArray, gallery_GD: FloatArray, label_G: IntArray, k: int = 10) -> FloatArray:
    """Return how the ``k`` nearest gallery vectors vote for each label, (Q, K), float64; the highest is `knn_vote`'s.

    A score is the number of votes, plus the sum of their similarities over ``2 k + 1``: less than half a vote, so
    that it decides between equal votes alone. A label without a vote has score 0.

    Args:
        query: as in `knn_vote`.
        gallery_GD: vectors of known label.
        label_G: their labels; columns of the result are these, each once, ascending.
        k: number of neighbours; a smaller gallery votes as a whole.

    Raises:
        ValueError: as `knn_vote`.
    """
    if not len(gallery_GD):
        raise ValueError("the gallery is empty")
    if len(gallery_GD) != len(label_G) or query.shape[-1] != gallery_GD.shape[1]:
        raise ValueError(f"queries {query.shape}, gallery {gallery_GD.shape} and {len(label_G)} labels do not fit")
    gallery_GD, unit = unit_rows(gallery_GD), unit_rows(query)
    if not (np.isfinite(gallery_GD).all() and np.isfinite(unit).all()):
        raise ValueError("query or gallery vectors are not finite")
    names_K, class_G = np.unique(label_G, return_inverse=True)
    nearest_Qk, similarity_Qk = nearest(unit, gallery_GD, min(k, len(gallery_GD)))
    return _votes(class_G[nearest_Qk], similarity_Qk, len(names_K))


def nearest(unit: FloatArray, gallery_GD: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the ``k`` nearest gallery vectors of queries (Q, k), nearest first, and their similarities, float64.

    The search is exact: products in float32, whose largest error is known, select the gallery vectors that can be
    among the nearest; these few are compared in float64. Similarities that round to the same 12 decimals are equal.
    The result of a query does not depend on the other queries.

    Args:
        unit: queries of length one, (Q, D) or (Q, E, D), float32.
        gallery_GD: gallery of length one, float32, at least ``k`` vectors.
        k: number of neighbours.
    """
    unit_QED = unit if unit.ndim == 3 else unit[:, None]
    rows = max(1, _ROWS // unit_QED.shape[1])
    parts = [_nearest(unit_QED[start : start + rows], gallery_GD, k) for start in range(0, len(unit), rows)]
    if not parts:
        return np.zeros((0, k), np.intp), np.zeros((0, k))
    nearest_Qk, similarity_Qk = (np.concatenate(part) for part in zip(*parts, strict=True))
    return nearest_Qk, similarity_Qk


def _nearest(unit_QED: FloatArray, gallery_GD: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Do ``nearest`` for some queries, in blocks of the gallery whose similarities fit the processor's cache."""
    queries, each, width = unit_QED.shape
    doubt = 2 * (width + 8) * 2.0**-23  # twice the largest error of a product in float32, summed in any order

    def similarity(some_GD: FloatArray) -> FloatArray:
        found = unit_QED.reshape(-1, width) @ some_GD.T
        return found if each == 1 else np.asarray(found.reshape(queries, each, -1).max(axis=1))

    # A vector that is less near than the k-th nearest of a sample is not among the k nearest of all. The sample is
    # taken at equal distances, because galleries are ordered by people and gestures; it fills at least half a block.
    columns = max(_COLUMNS, 2 * k)
    sample_QG = similarity(gallery_GD[:: -(-len(gallery_GD) // columns)])
    border_Q1 = np.partition(sample_QG, -k, axis=1)[:, -k, None] - doubt
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    for start in range(0, len(gallery_GD), columns):
        block_QG = similarity(gallery_GD[start : start + columns])
        row, column = np.divmod(np.flatnonzero(block_QG >= border_Q1), block_QG.shape[1])
        found.append((row, column + start, block_QG[row, column]))
    row, column, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    return _settle(unit_QED, gallery_GD, k, row[order], column[order], near[order], doubt)


def _settle(
    unit_QED: FloatArray,
    gallery_GD: FloatArray,
    k: int,
    row: IntArray,
    column: IntArray,
    near: FloatArray,
    doubt: float,
) -> tuple[IntArray, FloatArray]:
    """Return the nearest by float64, given pairs of query (``row``, rising) and gallery vector (``column``)."""
    queries = np.arange(len(unit_QED))
    place = np.arange(len(row)) - np.searchsorted(row, queries)[row]
    table_QP = np.full((len(queries), place.max(initial=0) + 1), -np.inf, np.float32)
    table_QP[row, place] = near
    close = near >= np.partition(table_QP, -k, axis=1)[row, -k] - doubt
    row, column = row[close], column[close]
    exact = np.concatenate(
        [
            (unit_QED[row[some]].astype(np.float64) * gallery_GD[column[some], None]).sum(axis=2).max(axis=1)
            for some in np.array_split(np.arange(len(row)), 1 + len(row) // _PAIRS)
        ]
    ).round(12)
    order = np.lexsort((column, -exact, row))
    best_Qk = order[np.searchsorted(row, queries)[:, None] + np.arange(k)]
    return column[best_Qk], exact[best_Qk]


def unit_rows(x: FloatArray) -> FloatArray:
    """Return vectors, along the last axis, scaled to length one, float32; vectors of zeros stay zeros."""
    x = x.astype(np.float32)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-30))


def nearest_columns(similarity_QG: FloatArray, k: int) -> IntArray:
    """Return the columns of the ``k`` largest values of every row, earlier columns first among equals."""
    count = similarity_QG.shape[1]
    nearest_Qk = np.argpartition(similarity_QG, count - k, axis=1)[:, count - k :]
    # A partition takes any of the values that tie at the border: such rows are sorted, earlier columns first.
    border_Q = np.take_along_axis(similarity_QG, nearest_Qk, axis=1).min(1, keepdims=True)
    tied_Q = (similarity_QG >= border_Q).sum(1) > k
    if tied_Q.any():
        nearest_Qk[tied_Q] = np.argsort(-similarity_QG[tied_Q], axis=1, kind="stable")[:, :k]
    return nearest_Qk


def _votes(class_Qk: IntArray, similarity_Qk: FloatArray, classes: int) -> FloatArray:
    """Return votes, and sums of similarities as fractions of a vote, of every class in every row."""
    rows_Q1 = np.arange(len(class_Qk))[:, None]
    votes_QK = np.zeros((len(class_Qk), classes))
    sums_QK = np.zeros((len(class_Qk), classes))
    np.add.at(votes_QK, (rows_Q1, class_Qk), 1)
    np.add.at(sums_QK, (rows_Q1, class_Qk), similarity_Qk.astype(np.float64))
    # Rounded, because the order of neighbours must not decide between equal sums.
    return np.asarray(votes_QK + sums_QK.round(6) / (2 * class_Qk.shape[1] + 1))
