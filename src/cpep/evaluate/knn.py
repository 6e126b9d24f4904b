"""Zero-shot classification: an EMG window takes the label of the gallery poses nearest to it."""

from __future__ import annotations

import numpy as np

from cpep.evaluate.search import nearest
from cpep.evaluate.search import unit_rows as unit_rows
from cpep.types import FloatArray, IntArray


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
