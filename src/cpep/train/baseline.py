"""Models that CPEP is compared with, trained on equal terms: the same people and windows, at most its compute.

A baseline is trained until the validation loss reaches a plateau or the floating-point operations of CPEP's three
stages are spent, whichever comes first; its checkpoint says which.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from cpep.config.schema import RunConfig
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.runtime import distributed
from cpep.train.stage import Stage, budget
from cpep.train.task import batches_of
from cpep.types import IntArray

HELD_WINDOWS = 256
"""Validation windows of a check: so few, because some baselines read only a few dozen windows a second."""


class Baseline(Stage):
    """A stage that may spend as many operations as CPEP, times ``baselines.compute``; see ``stage.budget``."""

    sections = ("emg", "pose", "emg_mae", "pose_mae", "align", "augment", "baselines")

    def allowed(self, config: RunConfig) -> float:
        """Return the operations that it may spend, in multiples of CPEP's."""
        return config.baselines.compute

    def steps(self, store: Store, split: Split, config: RunConfig, gflop: float) -> int:
        """Return the number of steps that is set, or fewer if CPEP's operations do not suffice for it."""
        most = self.allowed(config) * sum(budget(store, split, config).values())
        return min(self.optim(config).steps, max(1, int(most / gflop)))


def mean_error(held: Windows, batch: int, error_of: Callable[[Windows], Tensor]) -> float:
    """Return the mean error of windows, over all ranks; ``error_of`` returns the mean error of a batch."""
    own = [some for index, some in enumerate(batches_of(held, batch)) if distributed.is_mine(index)]
    return distributed.total(sum(float(error_of(some)) * len(some) for some in own)) / len(held)


def own_windows(windows: Windows, chosen: IntArray) -> tuple[Windows, distributed.Part]:
    """Return the windows of a batch that this rank computes, and which rows of the batch they are."""
    part = distributed.part(len(chosen))
    return windows.select(chosen[part.rows]), part
