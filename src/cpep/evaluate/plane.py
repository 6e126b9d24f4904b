"""EMG and pose embeddings in one plane, for the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from cpep.types import EmbeddingSet, FloatArray


def map_of(emg: EmbeddingSet, pose: EmbeddingSet, names: tuple[str, ...], seed: int) -> dict[str, list[list[Any]]]:
    """Place EMG and pose embeddings of the same windows in one plane (PCA, then t-SNE)."""
    plane_N2 = _plane(np.concatenate([emg.x_ND, pose.x_ND]).astype(np.float64), seed)
    labels = [names[label] for label in emg.label_N]
    halves = plane_N2[: len(emg)], plane_N2[len(emg) :]
    return {
        name: [[round(float(x), 2), round(float(y), 2), label] for (x, y), label in zip(half, labels, strict=True)]
        for name, half in zip(("emg", "pose"), halves, strict=True)
    }


def _plane(x_ND: FloatArray, seed: int) -> FloatArray:
    components = min(30, *x_ND.shape)
    reduced = PCA(components, random_state=seed).fit_transform(x_ND)
    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced))
