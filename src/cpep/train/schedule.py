"""The schedule of a stage: its learning rate, its loss curve, and early stopping at a plateau of validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cpep.config.schema import OptimConfig

FLAT = 0.01
"""Validation has reached a plateau when the last checks lowered its loss by less than this share of it."""

BEGUN = 0.05
"""A plateau counts only once the validation loss is below the chance loss by this share of it.

Some models stay near the chance loss for many checks before they begin to learn.
"""

COOL_DOWN = 0.2
"""Early stopping: from a plateau on, the learning rate falls to zero over this share of the steps done so far."""


@dataclass
class History:
    """The steps and losses of a stage.

    Attributes:
        step: optimiser steps done.
        points: (step, mean training loss since the last point, validation loss) at every check.
        kept_step: step of the kept weights.
        lowest: lowest validation loss up to now.
        running: training losses since the last check.
        flat_at: step at which validation had reached a plateau; 0 if it has not.
    """

    step: int = 0
    points: list[tuple[int, float, float]] = field(default_factory=list)
    kept_step: int = 0
    lowest: float = math.inf
    running: list[float] = field(default_factory=list)
    flat_at: int = 0


def last_step(history: History, config: OptimConfig) -> int:
    """Return the number of steps of the stage: as many as set, or until the end of the cool-down after a plateau."""
    if not history.flat_at:
        return config.steps
    return min(config.steps, history.flat_at + max(1, round(COOL_DOWN * history.flat_at)))


def rate_of(history: History, config: OptimConfig) -> float:
    """Return the learning rate of the next step: from the schedule, or falling to zero in the cool-down."""
    start, step = history.flat_at, history.step
    if not start:
        return learning_rate(config, step)
    return learning_rate(config, start) * (1 - (step - start) / (last_step(history, config) - start))


def learning_rate(config: OptimConfig, step: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine to zero.

    >>> config = OptimConfig(steps=100, lr=1.0, warmup=0.1)
    >>> [round(learning_rate(config, step), 2) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    warm = max(1, round(config.warmup * config.steps))
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, config.steps - warm)))


def is_flat(history: History, config: OptimConfig, chance_loss: float) -> bool:
    """Tell whether validation has reached a plateau: the last ``patience`` checks lowered it by less than ``FLAT``.

    This is asked only while the learning rate is at least half of its peak, since every loss curve flattens when
    the rate goes to zero.

    Args:
        history: losses of the stage.
        config: settings of its optimiser; with a patience of 0 there is no early stopping.
        chance_loss: validation loss of a model that knows nothing.
    """
    if learning_rate(config, history.step) < config.lr / 2 or not (lowest := _lowest(history, config)):
        return False
    before, last = lowest
    return before <= (1 - BEGUN) * chance_loss and last > (1 - FLAT) * before


def is_past_its_best(history: History, config: OptimConfig, chance_loss: float) -> bool:
    """Tell whether none of the last ``patience`` checks is below the lowest validation loss before them.

    Then more steps would not have helped. The arguments are those of ``is_flat``.
    """
    if not (lowest := _lowest(history, config)):
        return False
    before, last = lowest
    return before <= (1 - BEGUN) * chance_loss and last >= before


def _lowest(history: History, config: OptimConfig) -> tuple[float, float] | None:
    """Return the lowest validation loss before the last ``patience`` checks, and the lowest of these.

    It returns ``None`` if ``patience`` is 0 or there are too few checks.
    """
    losses = [value for _, _, value in history.points]
    if not config.patience or len(losses) <= config.patience:
        return None
    return min(losses[: -config.patience]), min(losses[-config.patience :])
