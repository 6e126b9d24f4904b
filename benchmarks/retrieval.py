"""The ten nearest of 100,000 pose embeddings, exactly, for 256 queries: ours beside a product and topk of torch.

Vectors are drawn at random. Ours goes by blocks of the gallery, whose similarities stay in the processor's cache.
"""

import numpy as np
import torch

from benchmarks.measure import Figure, beside
from cpep.evaluate.knn import nearest, unit_rows

QUERIES, POSES, WIDTH, NEAREST = 256, 100_000, 256, 10


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    query_QD, gallery_GD = (unit_rows(rng.standard_normal((n, WIDTH), dtype=np.float32)) for n in (QUERIES, POSES))
    query, gallery = torch.from_numpy(query_QD), torch.from_numpy(gallery_GD)
    ours, reference, ratio = beside(
        lambda: nearest(query_QD, gallery_GD, NEAREST), lambda: (query @ gallery.T).topk(NEAREST), rounds=15
    )
    found_Qk = nearest(query_QD, gallery_GD, NEAREST)[0]
    true_Qk = (query.double() @ gallery.double().T).topk(NEAREST).indices.numpy()
    recall = float(np.mean([len({*a} & {*b}) / NEAREST for a, b in zip(found_Qk, true_Qk, strict=True)]))
    return [
        Figure("10 nearest of 100,000 for 256 queries, ms", 1000 * ours, 1000 * reference, ratio, 2.0, 0.9),
        Figure("recall of the 10 nearest", recall, 1.0, recall, 1.0, 1.0),
    ]
