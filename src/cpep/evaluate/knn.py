"""Zero-shot classification: an EMG window takes the label of the gallery poses nearest to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np

from cpep.types import FloatArray, IntArray

_ROWS, _COLUMNS = 256, 2048
"""Query vectors and gallery vectors whose similarities are computed at once: 2 MB."""
_SAMPLED = 32
"""One of so many gallery vectors is looked at first; of a large gallery fewer."""
_PAIRS = 2**14
"""Pairs of vectors that are compared in float64 at once."""
_MANY = 2**22
"""Similarities from which on it is worth to know how fast the processor is."""


def knn_vote(query: FloatArray, gallery_GD: FloatArray, label_G: IntArray, k: int = 10) -> IntArray:
    """Label queries by their ``k`` nearest gallery vectors.

    Exact: cosine similarity to the whole gallery; the majority of the ``k`` nearest wins; where labels have
    as many votes, the larger sum of similarities, then the smaller label. Of gallery vectors that are equally
    near, the earlier one counts as nearer. A vector of zeros has similarity 0 to everything.

    Args:
        query: vectors to label (Q, D); or several of each (Q, E, D), of which the nearest to a pose counts.
        gallery_GD: vectors of known label.
        label_G: their labels.
        k: number of neighbours; a smaller gallery votes as a whole.

    Returns:
        The label of every query.

    Raises:
        ValueError: the gallery is empty, shapes do not fit, or a value is not finite.
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
    return np.asarray(names_K[_vote(class_G[nearest_Qk], similarity_Qk, len(names_K))])


def nearest(unit: FloatArray, gallery_GD: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the ``k`` nearest gallery vectors of queries (Q, k), nearest first, and their similarities, float64.

    Exact: products in float32, or in bfloat16 where that is faster, of which it is known how wrong they can be, tell
    which vectors can be among the nearest, and those few are compared in float64.

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
    """Search for some queries, by blocks of the gallery whose similarities stay in the cache."""
    queries, each, width = unit_QED.shape
    columns = max(_COLUMNS, 2 * k)
    product, wrong = _product(unit_QED.reshape(-1, width), len(gallery_GD), columns)
    doubt = 2 * wrong

    def similarity(some_GD: FloatArray) -> FloatArray:
        found = product(some_GD)
        return found if each == 1 else np.asarray(found.reshape(queries, each, -1).max(axis=1))

    # What is not as near as the k-th of a sample is not among the k nearest of all. The sample is every so many-th
    # vector, because galleries are ordered by people and gestures; it holds at least k and fits a block.
    total = len(gallery_GD)
    step = 1 if total <= columns else max(1, min(_SAMPLED, total // (2 * k)), -(-total // columns))
    sample_QG = similarity(gallery_GD[::step])
    border_Q1 = np.partition(sample_QG, -k, axis=1)[:, -k, None] - doubt
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    for start in range(0, total, columns):
        block_QG = sample_QG if step == 1 else similarity(gallery_GD[start : start + columns])
        row, column = np.divmod(np.flatnonzero(block_QG >= border_Q1), block_QG.shape[1])
        found.append((row, column + start, block_QG[row, column]))
    row, column, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _settle(unit_QED, gallery_GD, k, row, column, near, doubt)


def _settle(
    unit_QED: FloatArray,
    gallery_GD: FloatArray,
    k: int,
    row: IntArray,
    column: IntArray,
    near: FloatArray,
    doubt: float,
) -> tuple[IntArray, FloatArray]:
    """Compare in float64 those of some pairs of query and gallery vector that can be among the nearest."""
    queries = np.arange(len(unit_QED))
    order = np.argsort(row, kind="stable")
    row, column, near = row[order], column[order], near[order]
    place = np.arange(len(row)) - np.searchsorted(row, queries)[row]
    table_QP = np.full((len(queries), place.max(initial=0) + 1), -np.inf, np.float32)
    table_QP[row, place] = near
    close = near >= np.partition(table_QP, -k, axis=1)[row, -k] - doubt
    row, column = row[close], column[close]
    exact = np.concatenate(
        [
            np.einsum("pew,pw->pe", unit_QED[row[some]], gallery_GD[column[some]], dtype=np.float64).max(axis=1)
            for some in np.array_split(np.arange(len(row)), 1 + len(row) // _PAIRS)
        ]
    ).round(12)  # so that vectors that are equal are equally near, however a sum is taken
    order = np.lexsort((column, -exact, row))
    best_Qk = order[np.searchsorted(row, queries)[:, None] + np.arange(k)]
    return column[best_Qk], exact[best_Qk]


def _product(unit_ND: FloatArray, gallery: int, columns: int) -> tuple[Callable[[FloatArray], FloatArray], float]:
    """Return what multiplies vectors of length one with up to ``columns`` others, and how wrong a product can be.

    The array (N, columns) that it returns is overwritten by the next call.
    """
    count, width = unit_ND.shape
    sums = (width + 8) * 2.0**-23  # of products in float32, in any order
    if count * gallery >= _MANY and bfloat16_is_fast():
        import torch

        brief_ND = torch.from_numpy(unit_ND).bfloat16()

        def brief(some_GD: FloatArray) -> FloatArray:
            return np.asarray((brief_ND @ torch.from_numpy(some_GD).bfloat16().T).float().numpy())

        return brief, 3.1 * 2.0**-9 + sums  # each side and the result are rounded to 8 bits
    space = np.empty(count * columns, np.float32)  # one for all blocks: fresh memory comes page by page

    def plain(some_GD: FloatArray) -> FloatArray:
        return np.matmul(unit_ND, some_GD.T, out=space[: count * len(some_GD)].reshape(count, -1))

    return plain, sums


@cache
def bfloat16_is_fast() -> bool:
    """Tell whether this processor multiplies bfloat16 faster than float32, by trying once."""
    import torch

    def seconds(square: torch.Tensor) -> float:
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            square @ square
            taken.append(time.perf_counter() - begun)
        return min(taken)

    square = torch.ones(256, 256)
    return seconds(square.bfloat16()) < 0.8 * seconds(square)


def unit_rows(x: FloatArray) -> FloatArray:
    """Scale every vector along the last axis to length one, in float32; those of zeros stay zeros."""
    x = x.astype(np.float32)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-30))


def nearest_columns(similarity_QG: FloatArray, k: int) -> IntArray:
    """Return the columns of the ``k`` largest values of every row, earlier columns first among equals."""
    count = similarity_QG.shape[1]
    nearest_Qk = np.argpartition(similarity_QG, count - k, axis=1)[:, count - k :]
    # A partition takes any of the values that tie at the border: settle those rows by position.
    border_Q = np.take_along_axis(similarity_QG, nearest_Qk, axis=1).min(1, keepdims=True)
    tied_Q = (similarity_QG >= border_Q).sum(1) > k
    if tied_Q.any():
        nearest_Qk[tied_Q] = np.argsort(-similarity_QG[tied_Q], axis=1, kind="stable")[:, :k]
    return nearest_Qk


def _vote(class_Qk: IntArray, weight_Qk: FloatArray, classes: int) -> IntArray:
    """Return the majority class of every row; ties go to the larger sum of weights, then smaller class."""
    # Rounded, because the order of neighbours must not decide between equal sums.
    rows_Q1 = np.arange(len(class_Qk))[:, None]
    votes_QK = np.zeros((len(class_Qk), classes))
    sums_QK = np.zeros((len(class_Qk), classes))
    np.add.at(votes_QK, (rows_Q1, class_Qk), 1)
    np.add.at(sums_QK, (rows_Q1, class_Qk), weight_Qk.astype(np.float64))
    winners_QK = votes_QK == votes_QK.max(1, keepdims=True)
    return np.asarray(np.where(winners_QK, sums_QK.round(6), -np.inf).argmax(1))
