"""`cpep reproduce` at the small preset on the demo cohort, all in one process, beside the steps of training alone.

Overhead is all else: preparing, windows for statistics, validation, evaluation of every row, the report.
CPU time, so that what else runs on the machine counts little. Takes the cohort of `make demo`, or simulates it.
"""

import functools
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


def figures() -> list[Figure]:
    """Return the overhead as the share of the whole that is training."""
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
    return [Figure("reproduce small on the demo cohort, s", whole, training, training / whole, 1 / 1.15, 0.6)]
