"""The map of the report: EMG and pose embeddings in one plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from cpep.evaluate.knn import knn_vote, nearest_columns, unit_rows
from cpep.types import EmbeddingSet, FloatArray

FEWEST_POSES = 5


def map_of(
    emg: EmbeddingSet,
    pose: EmbeddingSet,
    sets: Sequence[tuple[int, ...]],
    names: Sequence[str],
    neighbours: int,
    seed: int,
) -> dict[str, list[list[Any]]]:
    """Place pose embeddings in a plane (PCA, then t-SNE), and each EMG embedding among the poses that name it.

    One t-SNE of both would show mainly the gap between the contrastive embeddings of two modalities (Liang et al.
    2022). Zero-shot depends on the nearest poses, and the map shows these.

    Args:
        emg: windows to be recognised.
        pose: windows of the gallery.
        sets: sets of labels; a window is named by the gestures of its own set alone.
        names: names of the labels.
        neighbours: number of poses that vote; a window lies at the median place of the poses that voted for its name.
        seed: seed of the layout.

    Returns:
        (x, y, name) of every EMG window and of every pose; empty lists where there are too few different poses.
    """
    if len(np.unique(pose.x_ND.round(6), axis=0)) < FEWEST_POSES:
        return {"emg": [], "pose": []}
    pose_N2 = plane(pose.x_ND.astype(np.float64), seed)
    points: list[list[Any]] = []
    for labels in sets:
        mine, gallery = emg.select(np.isin(emg.label_N, labels)), np.isin(pose.label_N, labels)
        if len(mine) and gallery.any():
            place_N2 = _amid(mine.x_ND, pose.x_ND[gallery], pose.label_N[gallery], pose_N2[gallery], neighbours)
            points += _points(place_N2, mine, names)
    return {"emg": points, "pose": _points(pose_N2, pose, names)}


def _amid(query_QD: FloatArray, x_GD: FloatArray, label_G: Any, place_G2: FloatArray, neighbours: int) -> FloatArray:
    """Return the median place, (Q, 2), of the neighbours with the label that wins the vote."""
    voted_Q = knn_vote(query_QD, x_GD, label_G, neighbours)
    nearest_Qk = nearest_columns(unit_rows(query_QD) @ unit_rows(x_GD).T, min(neighbours, len(x_GD)))
    winning_Qk = label_G[nearest_Qk] == voted_Q[:, None]
    return np.asarray(np.nanmedian(np.where(winning_Qk[:, :, None], place_G2[nearest_Qk], np.nan), axis=1))


def _points(place_N2: FloatArray, data: EmbeddingSet, names: Sequence[str]) -> list[list[Any]]:
    labels = [names[label] for label in data.label_N]
    return [[round(float(x), 2), round(float(y), 2), name] for (x, y), name in zip(place_N2, labels, strict=True)]


def plane(x_ND: FloatArray, seed: int, start_N2: FloatArray | None = None) -> FloatArray:
    """Return places of vectors in a plane, (N, 2), by PCA, then t-SNE.

    Args:
        x_ND: vectors.
        seed: of the layout.
        start_N2: places from which t-SNE goes on: those of an earlier layout. Without them it begins by PCA.
    """
    components = min(30, *x_ND.shape)
    reduced = PCA(components, random_state=seed).fit_transform(x_ND)
    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    if start_N2 is None:
        return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced))
    # exaggeration would pull the earlier layout apart first
    going_on = TSNE(perplexity=perplexity, init=start_N2.astype(np.float32), early_exaggeration=1, random_state=seed)
    return np.asarray(going_on.fit_transform(reduced))
