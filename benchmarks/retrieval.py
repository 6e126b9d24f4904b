"""The ten nearest of pose embeddings, exactly, for 256 queries: ours beside a product and topk of torch.

Vectors are drawn at random. Ours goes by blocks of the gallery, whose similarities stay in the processor's cache.
"""

import time

import numpy as np
import torch

from benchmarks.measure import Figure, beside
from cpep.evaluate.search import nearest, unit_rows
from cpep.types import FloatArray, IntArray

QUERIES, POSES, WIDTH, NEAREST = 256, 100_000, 256, 10


def drawn(vectors: int, seed: int) -> FloatArray:
    """Return random vectors of length one."""
    return unit_rows(np.random.default_rng(seed).standard_normal((vectors, WIDTH), dtype=np.float32))


def recall(found_Qk: IntArray, true_Qk: IntArray) -> float:
    """Return the share of the true neighbours that were found."""
    return float(np.mean([len({*a} & {*b}) / NEAREST for a, b in zip(found_Qk, true_Qk, strict=True)]))


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    query_QD, gallery_GD = drawn(QUERIES, 0), drawn(POSES, 1)
    query, gallery = torch.from_numpy(query_QD), torch.from_numpy(gallery_GD)
    ours, reference, ratio = beside(
        lambda: nearest(query_QD, gallery_GD, NEAREST),
        lambda: (query @ gallery.T).topk(NEAREST),
        rounds=15,
        clock=time.process_time,
    )
    true_Qk = (query.double() @ gallery.double().T).topk(NEAREST).indices.numpy()
    found = recall(nearest(query_QD, gallery_GD, NEAREST)[0], true_Qk)
    return [
        Figure("10 nearest of 100,000 for 256 queries, ms", 1000 * ours, 1000 * reference, ratio, 1.5, 0.9),
        Figure("recall of the 10 nearest", found, 1.0, found, 1.0, 1.0),
    ]
