"""The places of poses on the map of the live page."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from cpep.types import FloatArray


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
