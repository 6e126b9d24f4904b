"""From embeddings of labelled windows to the page: how time and memory grow with the windows, on one core.

Beside 50,000 windows stand 200,000; ``python -m benchmarks.report_million`` has a million, which takes some minutes.
Zero-shot compares every query with every pose of the gallery, of which at most ``evaluate.gallery_most`` vote: with
50,000 windows all poses of training people do, with a million a twentieth. What that costs is a figure too: the
accuracy with a third of 30,000 poses beside that with all.
"""

import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.measure import Figure
from benchmarks.report import Size, embeddings, publish, told
from cpep.config.presets import preset
from cpep.evaluate.protocols.base import Given
from cpep.evaluate.protocols.base import run as run_protocols

SMALL, LARGE, MILLION = Size(), Size(users=160), Size(users=160, repetitions=10, hops=52)
MOST_GB, THIRD = 4.0, 10_000


def figures() -> list[Figure]:
    torch.set_num_threads(1)
    found = measured(LARGE, MOST_GB * LARGE.windows / MILLION.windows)
    few, whole = (zero_shot(most) for most in (THIRD, SMALL.windows))
    name = f"zero-shot among all where {THIRD:,} poses vote, beside all"
    return [*found, Figure(name, few, whole, few / whole, 0.98, 0.95)]


def measured(size: Size, most_gb: float) -> list[Figure]:
    """Return how time grows from 50,000 windows to more, and the memory that these take beyond the program's."""
    before, times = peak_gb(), size.windows / SMALL.windows
    parts = {}
    for one in (SMALL, size):
        with tempfile.TemporaryDirectory() as folder:
            parts[one] = publish(Path(folder), one)
        print(f"  {one.windows:,} windows: {told(parts[one])}; {peak_gb():.2f} GB", flush=True)
    reference, spent = times * sum(parts[SMALL].values()), sum(parts[size].values())
    took = peak_gb() - before
    name = f"evaluation of {size.windows:,} windows beside {times:.0f} x {SMALL.windows:,}, s"
    return [
        Figure(name, spent, reference, reference / spent, 1 / 1.2, 0.6),
        Figure(f"its largest memory beside {most_gb:.1f} GB", took, most_gb, most_gb / took, 1.0, 0.8),
    ]


def zero_shot(most: int) -> float:
    """Return the balanced accuracy of zero-shot on seen gestures among all, where so many poses vote."""
    settings = replace(preset("small").evaluate, gallery_most=most, protocols=("zero_shot_all",))
    emg, pose = embeddings(SMALL, 1, 0.6, 1.5), embeddings(SMALL, 3, 0.2, 0.4)
    seen, _ = run_protocols(Given(SMALL.split, settings, 0, 0.25, {"query": emg, "gallery": pose}))
    return seen.score.balanced_accuracy


def peak_gb() -> float:
    """Return the largest resident memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    torch.set_num_threads(1)
    for figure in measured(MILLION, MOST_GB):
        print(f"{figure.name}: {figure.value:.4g} ({figure.reference:.4g})")
