"""`cpep reproduce` at the small preset on the demo cohort, all in one process, beside the steps of training alone.

Overhead is all else: preparing, windows for statistics, validation, evaluation of every row, the report.
CPU time, so that what else runs on the machine counts little. Takes the cohort of `make demo`, or simulates it.
The resident memory is that of this process at its largest, pages of files among it: workers have no more each.
"""

import functools
import resource
import tempfile
import time
from pathlib import Path
from unittest import mock

import cpep.experiments.pipeline
import cpep.experiments.runs
import cpep.train.loop
from benchmarks.measure import CORES, Figure
from cpep.config.presets import preset
from cpep.simulate import Variability, simulate_cohort

COHORT = Path("runs/demo/cohort")
MOST_MB = 1500
"""Memory of a process of `make demo` on a laptop that does other things, too."""


def figures() -> list[Figure]:
    """Return the share of training in the processor time, and the largest resident memory."""
    if not COHORT.exists():
        simulate_cohort(COHORT, users=24, minutes=6.0, seed=0, variability=Variability(), workers=CORES)
    spent: list[float] = []
    step = cpep.train.loop.train_step

    @functools.wraps(step)
    def timed(*given):
        begun = time.process_time()
        loss = step(*given)
        spent.append(time.process_time() - begun)
        return loss

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(cpep.train.loop, "train_step", timed),
        mock.patch.object(cpep.experiments.pipeline, "cores", lambda: 1),
        mock.patch.object(cpep.experiments.runs, "cores", lambda: 1),
    ):
        begun = time.process_time()
        cpep.experiments.pipeline.reproduce(
            cpep.experiments.runs.Request(COHORT, Path(folder) / "run", preset("small", (), "best"))
        )
        whole = time.process_time() - begun
    training = sum(spent)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure("reproduce small on the demo cohort, s", whole, training, training / whole, 0.88, 0.6),
        Figure("the same, largest resident memory, MB", peak_mb, MOST_MB, MOST_MB / peak_mb, 1.0, 0.8),
    ]
