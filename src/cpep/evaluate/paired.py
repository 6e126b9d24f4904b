"""Two classifiers on the same people: the difference of their balanced accuracies, and its interval over people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cpep.evaluate.metrics import Answers, mean_share
from cpep.types import FloatArray, IntArray


@dataclass(frozen=True)
class Difference:
    """Balanced accuracy of ``a`` minus balanced accuracy of ``b``, with a 95 % interval over people.

    Attributes:
        mean: the difference.
        low: lower end of the interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def sentence(self, a: str, b: str, where: str) -> str:
        """Say it in words.

        >>> Difference(0.081, 0.035, 0.12).sentence("cpep", "ridge", "zero-shot on unseen gestures")
        'cpep is better than ridge in zero-shot on unseen gestures: +0.081 (95 % interval +0.035 to +0.120).'
        """
        verdict = "better than" if self.low > 0 else "worse than" if self.high < 0 else "not told apart from"
        return (
            f"{a} is {verdict} {b} in {where}: {self.mean:+.3f} (95 % interval {self.low:+.3f} to {self.high:+.3f})."
        )


def paired_bootstrap(a: Sequence[Answers], b: Sequence[Answers], *, draws: int = 1000, seed: int = 0) -> Difference:
    """Compare two classifiers on the same people: balanced accuracy of ``a`` minus balanced accuracy of ``b``.

    Every draw takes as many people as there are, with replacement, the same people for both classifiers and for every
    run, so that people who are hard for both do not widen the interval. The windows of the drawn people are pooled in
    each run, and balanced accuracies are averaged over runs. Windows are not drawn again, since neighbouring windows
    of a recording are nearly copies of each other; so the windows of ``a`` and ``b`` may differ, in length for
    instance.

    Few people give few different draws: with fewer than about six people the interval is too narrow.

    Args:
        a: runs (seeds) of the first classifier.
        b: runs of the second classifier.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Raises:
        ValueError: there is no run, there are fewer than two people, or the runs test different people.
    """
    if not a or not b:
        raise ValueError("there is no run to compare")
    people = [set(answers.counts[0]) for answers in (*a, *b)]
    if odd := sorted(set().union(*people) - people[0].intersection(*people)):
        raise ValueError(f"users {odd} are not in every run")
    once_1U, times_DU = people_drawn(len(people[0]), draws, seed)
    mean, difference_D = (_mean_accuracy(a, times) - _mean_accuracy(b, times) for times in (once_1U, times_DU))
    low, high = np.percentile(difference_D, [2.5, 97.5])
    return Difference(float(mean[0]), float(low), float(high))


def people_interval(runs: Sequence[Answers], *, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Return the balanced accuracy over all people, averaged over runs, with its 95 % interval over people.

    The draws are the same as in `paired_bootstrap`.

    Args:
        runs: runs (seeds) of one classifier, on the same people.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        Balanced accuracy, and the 2.5th and 97.5th percentile.

    Raises:
        ValueError: fewer than two people.
    """
    once_1U, times_DU = people_drawn(len(runs[0].counts[0]), draws, seed)
    low, high = np.percentile(_mean_accuracy(runs, times_DU), [2.5, 97.5])
    return float(_mean_accuracy(runs, once_1U)[0]), float(low), float(high)


def people_drawn(users: int, draws: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how often each person counts: once without resampling, (1, U), and in every draw, (draws, U)."""
    if users < 2:
        raise ValueError("people cannot be drawn anew: there is only one")
    times_DU = np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), size=draws)
    return np.ones((1, users), dtype=np.int64), times_DU


def _mean_accuracy(runs: Sequence[Answers], times_DU: IntArray) -> FloatArray:
    """Return the balanced accuracy, mean over runs, where person u counts ``times_DU`` times in a draw, (draws,)."""
    share_RD = []
    for run in runs:
        _, right_UK, whole_UK = run.counts
        share_RD.append(mean_share(times_DU @ right_UK, times_DU @ whole_UK))
    return np.asarray(np.mean(share_RD, axis=0))
