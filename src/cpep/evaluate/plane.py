"""EMG and pose embeddings in one plane, for the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from cpep.types import EmbeddingSet, FloatArray


def map_of(
    emg: EmbeddingSet, pose: EmbeddingSet, names: tuple[str, ...], neighbours: int, seed: int
) -> dict[str, list[list[Any]]]:
    """Place pose embeddings in a plane (PCA, then t-SNE), and each EMG embedding amid the poses nearest to it.

    Both in one t-SNE would show little but the constant way that contrastive embeddings of two modalities stay
    apart (Liang et al. 2022); which poses are nearest is what zero-shot reads.

    Args:
        emg: windows to be recognised.
        pose: windows of the gallery.
        names: of the labels.
        neighbours: poses, by cosine, whose median place is that of an EMG window.
        seed: of the layout.
    """
    pose_N2 = _plane(pose.x_ND.astype(np.float64), seed)
    nearest = NearestNeighbors(n_neighbors=min(neighbours, len(pose)), metric="cosine").fit(pose.x_ND)
    emg_N2 = np.median(pose_N2[nearest.kneighbors(emg.x_ND, return_distance=False)], axis=1)
    return {"emg": _points(emg_N2, emg, names), "pose": _points(pose_N2, pose, names)}


def _points(place_N2: FloatArray, data: EmbeddingSet, names: tuple[str, ...]) -> list[list[Any]]:
    labels = [names[label] for label in data.label_N]
    return [[round(float(x), 2), round(float(y), 2), name] for (x, y), name in zip(place_N2, labels, strict=True)]


def _plane(x_ND: FloatArray, seed: int) -> FloatArray:
    components = min(30, *x_ND.shape)
    reduced = PCA(components, random_state=seed).fit_transform(x_ND)
    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced))
