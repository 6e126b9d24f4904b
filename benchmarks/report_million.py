"""From embeddings of 1,000,000 labelled windows to the page, beside twenty times what 50,000 take, on one core.

Zero-shot compares every query with every pose, so that it grows with the square of the windows where all poses of
training people are in the gallery. The first figure has the share of them that gives 50,000 windows' gallery
(`evaluate.gallery`); the vote in the whole gallery has a figure of its own.
"""

import resource
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.measure import Figure
from benchmarks.report import Size, publish, told

MILLION, GIGABYTES = Size(users=160, repetitions=10, hops=52), 4.0


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    small, times = Size(), MILLION.windows / Size().windows
    parts = {}
    for size, gallery in ((small, 1.0), (MILLION, 1 / times)):
        with tempfile.TemporaryDirectory() as folder:
            parts[size] = publish(Path(folder), size, gallery)
        print("  " + told(parts[size]), flush=True)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    one, whole = sum(parts[small].values()), sum(parts[MILLION].values())
    name = f"evaluation of {MILLION.windows:,} windows beside {times:.0f} x {small.windows:,}, s"
    return [
        Figure(name, whole, times * one, times * one / whole, 1 / 1.2, 0.5),
        Figure("its largest memory beside 4 GB, GB", peak, GIGABYTES, GIGABYTES / peak, 1.0, 0.8),
    ]
