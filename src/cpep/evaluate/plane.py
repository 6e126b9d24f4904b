"""The places of poses on the map of the live page."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from cpep.types import FloatArray


def plane(x_ND: FloatArray, seed: int) -> FloatArray:
    """Return places of vectors in a plane, (N, 2), by PCA, then t-SNE."""
    components = min(30, *x_ND.shape)
    reduced = PCA(components, random_state=seed).fit_transform(x_ND)
    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced))
