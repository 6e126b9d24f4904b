"""The nearest of many vectors by cosine similarity, exactly: fast products choose candidates, float64 decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cpep.types import FloatArray, IntArray

_ROWS, _COLUMNS = 256, 2048
"""Query vectors and gallery vectors whose similarities are computed at once: 2 MB."""
_PAIRS = 2**14
"""Pairs of vectors that are compared one by one at once."""
_SAMPLE, _SHARE = 4096, 64
"""Gallery vectors in the sample that says what is far: so many, and of large galleries one of so many."""
_MANY = 128
"""Queries for which it pays to round the gallery to bytes."""
_LARGEST = 127


def nearest(unit: FloatArray, gallery_GD: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the ``k`` nearest gallery vectors of queries (Q, k), nearest first, and their similarities, float64.

    The search is exact: products of bytes (where the processor has them) or of float32, whose largest error is
    known, select the gallery vectors that can be among the nearest; these few are compared in float64. Similarities
    that round to the same 12 decimals are equal. The result of a query does not depend on the other queries.

    Args:
        unit: queries of length one, (Q, D) or (Q, E, D), float32.
        gallery_GD: gallery of length one, float32, at least ``k`` vectors.
        k: number of neighbours.
    """
    unit_QED = unit if unit.ndim == 3 else unit[:, None]
    rows = max(1, _ROWS // unit_QED.shape[1])
    bytewise = unit_QED.shape[1] == 1 and len(unit) >= _MANY and multiplies_bytes()
    kept = list(Coded.blocks(gallery_GD)) if bytewise and len(unit) > rows else None
    parts = []
    for start in range(0, len(unit), rows):
        coded = (kept or Coded.blocks(gallery_GD)) if bytewise else None
        parts.append(_nearest(unit_QED[start : start + rows], gallery_GD, coded, k))
    if not parts:
        return np.zeros((0, k), np.intp), np.zeros((0, k))
    nearest_Qk, similarity_Qk = (np.concatenate(part) for part in zip(*parts, strict=True))
    return nearest_Qk, similarity_Qk


def multiplies_bytes() -> bool:
    """Tell whether the processor multiplies bytes faster than float32: with VNNI or AMX."""
    known = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return bool(known()) and hasattr(torch, "_int_mm")


@dataclass(frozen=True, eq=False)
class Coded:
    """Vectors of length at most one, rounded to bytes: a vector is about its code times the step.

    Attributes:
        code_GD: int8.
        step: one for all vectors.
        error: no vector is farther than this from its code times the step.
    """

    code_GD: npt.NDArray[np.int8]
    step: float
    error: float

    @classmethod
    def of(cls, x_GD: FloatArray) -> Coded:
        """Round vectors."""
        x = torch.from_numpy(x_GD)
        low, high = torch.aminmax(x)
        step = max(float(high), -float(low), 1e-30) / _LARGEST
        steps = x / step
        code = steps.round()
        error = step * float(torch.linalg.vector_norm(steps.sub_(code), dim=1).max()) + 1e-6
        return cls(code.to(torch.int8).numpy(), step, error)

    @classmethod
    def blocks(cls, x_GD: FloatArray) -> Iterator[Coded]:
        """Round blocks of ``_COLUMNS`` vectors."""
        return (cls.of(x_GD[start : start + _COLUMNS]) for start in range(0, len(x_GD), _COLUMNS))


def _nearest(
    unit_QED: FloatArray, gallery_GD: FloatArray, coded: Iterable[Coded] | None, k: int
) -> tuple[IntArray, FloatArray]:
    """Do ``nearest`` for some queries, in blocks of the gallery whose similarities fit the processor's cache."""
    queries, each, width = unit_QED.shape
    doubt = 2 * (width + 8) * 2.0**-23  # twice the largest error of a product in float32, summed in any order

    def similarity(some_GD: FloatArray) -> FloatArray:
        found = unit_QED.reshape(-1, width) @ some_GD.T
        return found if each == 1 else np.asarray(found.reshape(queries, each, -1).max(axis=1))

    # A vector that is less near than the k-th nearest of a sample is not among the k nearest of all. The sample is
    # taken at equal distances, because galleries are ordered by people and gestures.
    sample_QG = similarity(gallery_GD[:: -(-len(gallery_GD) // max(_SAMPLE, 2 * k, len(gallery_GD) // _SHARE))])
    border_Q1 = _kth(sample_QG, k)[:, None] - doubt
    if coded is not None:
        row, column = _coded_candidates(unit_QED[:, 0], coded, k, border_Q1)
        return _settle(unit_QED, gallery_GD, k, row, column, _paired(unit_QED, gallery_GD, row, column), doubt)
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    columns = max(_COLUMNS, 2 * k)
    for start in range(0, len(gallery_GD), columns):
        block_QG = similarity(gallery_GD[start : start + columns])
        row, column = np.divmod(np.flatnonzero(block_QG >= border_Q1), block_QG.shape[1])
        found.append((row, column + start, block_QG[row, column]))
    row, column, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    return _settle(unit_QED, gallery_GD, k, row[order], column[order], near[order], doubt)


def _coded_candidates(
    unit_QD: FloatArray, coded: Iterable[Coded], k: int, border_Q1: FloatArray
) -> tuple[IntArray, IntArray]:
    """Return pairs of query (rising) and gallery vector that can be among the ``k`` nearest, by products of bytes.

    With ``q'`` and ``g'`` for the rounded vectors, ``q g = q' g' + (q - q') g' + q (g - g')``; the last two are at
    most ``|q - q'| |g'| + |g - g'|``.
    """
    step_Q1 = np.maximum(np.abs(unit_QD).max(axis=1, keepdims=True), 1e-30).astype(np.float64) / _LARGEST
    code_QD = np.rint(unit_QD / step_Q1)
    off_Q1 = np.linalg.norm(unit_QD - code_QD * step_Q1, axis=1, keepdims=True) + 1e-6
    query = torch.from_numpy(code_QD.astype(np.int8))
    found: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []
    start = 0
    for block in coded:
        product_QG = torch._int_mm(query, torch.from_numpy(block.code_GD).T).numpy()
        scale_Q1, error_Q1 = step_Q1 * block.step, off_Q1 * (1.00001 + block.error) + 1.00001 * block.error + 1e-6
        least_Q1 = np.floor((border_Q1 - error_Q1) / scale_Q1).clip(-(2.0**31), 2.0**31 - 1)
        flat = np.flatnonzero(product_QG >= least_Q1.astype(np.int32))
        row, column = np.divmod(flat, product_QG.shape[1])
        found.append((row, column + start, product_QG.ravel()[flat] * scale_Q1[row, 0], error_Q1[row, 0]))
        start += len(block.code_GD)
    row, column, near, error = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    row, column, near, error = row[order], column[order], near[order], error[order]
    close = near + error >= _kth(_table(len(unit_QD), row, near - error), k)[row]
    return row[close], column[close]


def _paired(unit_QED: FloatArray, gallery_GD: FloatArray, row: IntArray, column: IntArray) -> FloatArray:
    """Return similarities of pairs (``row`` rising), each query with one vector, float32."""
    ends = np.searchsorted(row, np.arange(len(unit_QED) + 1))
    parts = [gallery_GD[column[ends[q] : ends[q + 1]]] @ unit_QED[q, 0] for q in range(len(unit_QED))]
    return np.concatenate(parts)


def _table(queries: int, row: IntArray, value: FloatArray) -> FloatArray:
    """Return the values of each query (``row``, rising) in a row of its own, float32; minus infinity after the last.

    They are rounded down.
    """
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(queries))[row]
    table_QP = np.full((queries, place.max(initial=0) + 1), -np.inf, np.float32)
    table_QP[row, place] = value - 1e-6
    return table_QP


def _kth(x_QP: FloatArray, k: int) -> FloatArray:
    """Return a value of every row that at least ``k`` others reach, near the k-th largest; in short rows that itself.

    The k-th largest of maxima of groups is reached by k values, and maxima are found faster than ranks.
    """
    queries, columns = x_QP.shape
    if (each := columns // (8 * k)) > 1:
        kept = columns // each
        x_QP = x_QP[:, : each * kept].reshape(queries, each, kept).max(axis=1)
    return np.asarray(np.partition(x_QP, -k, axis=1)[:, -k])


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
    close = near >= _kth(_table(len(unit_QED), row, near), k)[row] - doubt
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
    x = x.astype(np.float32, copy=False)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-30))
