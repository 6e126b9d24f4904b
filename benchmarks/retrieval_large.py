"""The ten nearest of 5,000,000 pose embeddings, exactly, for 256 queries; needs 8 GB.

The reference is a product and topk of torch, part by part: as a whole its product alone would take 5 GB.
"""

import time

import numpy as np
import torch

from benchmarks.measure import Figure, beside
from benchmarks.retrieval import NEAREST, POSES, QUERIES, WIDTH, drawn, recall
from cpep.evaluate.search import nearest

PARTS = 50


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    query_QD, part_GD, rng = drawn(QUERIES, 0), drawn(POSES, 1), np.random.default_rng(2)
    gallery_GD = np.empty((PARTS * POSES, WIDTH), np.float32)
    for part in np.split(gallery_GD, PARTS):  # columns in another order, with other signs: other vectors
        part[:] = part_GD[:, rng.permutation(WIDTH)] * rng.choice([-1, 1], WIDTH).astype(np.float32)
    query, gallery = torch.from_numpy(query_QD), torch.from_numpy(gallery_GD)

    def in_parts() -> torch.Tensor:
        found = [(query @ part.T).topk(NEAREST) for part in gallery.split(POSES)]
        index = torch.cat([one.indices + number * POSES for number, one in enumerate(found)], dim=1)
        return index.gather(1, torch.cat([one.values for one in found], dim=1).topk(NEAREST).indices)

    ours, reference, ratio = beside(
        lambda: nearest(query_QD, gallery_GD, NEAREST), in_parts, rounds=1, warm=0, clock=time.process_time
    )
    found = recall(nearest(query_QD, gallery_GD, NEAREST)[0], in_parts().numpy())
    return [
        Figure("10 nearest of 5,000,000 for 256 queries, ms", 1000 * ours, 1000 * reference, ratio, 2.0, 0.9),
        Figure("recall of the 10 nearest of 5,000,000", found, 1.0, found, 1.0, 0.999),
    ]
