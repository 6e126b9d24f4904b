"""Zero-shot classification: an EMG window takes the label of the gallery poses nearest to it."""

from __future__ import annotations

import numpy as np

from cpep.types import FloatArray, IntArray

_BLOCK_SIMILARITIES = 2**24  # similarities held at once: 64 MB, whatever the number of queries


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
    gallery_DG = unit_rows(gallery_GD).T.copy()
    unit = unit_rows(query)
    if not (np.isfinite(gallery_DG).all() and np.isfinite(unit).all()):
        raise ValueError("query or gallery vectors are not finite")
    k = min(k, len(gallery_GD))
    names_K, class_G = np.unique(label_G, return_inverse=True)
    each = 1 if unit.ndim == 2 else unit.shape[1]
    block = max(1, _BLOCK_SIMILARITIES // (each * len(gallery_GD)))
    label_Q = np.empty(len(unit), dtype=names_K.dtype)
    for start in range(0, len(unit), block):
        found = unit[start : start + block] @ gallery_DG
        similarity_QG = found if unit.ndim == 2 else found.max(axis=1)
        nearest_Qk = nearest_columns(similarity_QG, k)
        weight_Qk = np.take_along_axis(similarity_QG, nearest_Qk, axis=1)
        label_Q[start : start + block] = names_K[_vote(class_G[nearest_Qk], weight_Qk, len(names_K))]
    return label_Q


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
