"""How long a stage trains and at which rate: what it went through, when validation is flat, the schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cpep.config.schema import OptimConfig

FLAT = 0.01
"""Validation is flat when the last checks lowered it by less than this share (see ``OptimConfig.patience``)."""

BEGUN = 0.05
"""Nor is it flat before it is below what knowing nothing costs by this share: some models begin on a plateau."""

COOL_DOWN = 0.2
"""Once validation is flat, the learning rate goes to zero within this share of the steps done."""


@dataclass
class History:
    """What a stage went through.

    Attributes:
        step: optimiser steps done.
        points: (step, mean training loss since the last point, validation loss) at every check.
        kept_step: step of the kept weights.
        lowest: lowest validation loss.
        running: training losses since the last check.
        flat_at: step at which validation was found flat; 0 if it was not.
    """

    step: int = 0
    points: list[tuple[int, float, float]] = field(default_factory=list)
    kept_step: int = 0
    lowest: float = math.inf
    running: list[float] = field(default_factory=list)
    flat_at: int = 0


def last_step(history: History, config: OptimConfig) -> int:
    """Return where a run ends: after the steps that are set, or after the cool-down once validation is flat."""
    if not history.flat_at:
        return config.steps
    return min(config.steps, history.flat_at + max(1, round(COOL_DOWN * history.flat_at)))


def rate_of(history: History, config: OptimConfig) -> float:
    """Return the learning rate of the next step: that of the schedule, or linear to zero in the cool-down."""
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
    """Tell whether the last ``patience`` checks lowered the validation loss by less than ``FLAT``.

    Only while the learning rate is at least half of its peak: a rate that goes to zero makes any curve flat.
    """
    if learning_rate(config, history.step) < config.lr / 2:
        return False
    before, last = _lowest(history, config)
    return before <= (1 - BEGUN) * chance_loss and last > (1 - FLAT) * before


def is_past_its_best(history: History, config: OptimConfig, chance_loss: float) -> bool:
    """Tell whether the last ``patience`` checks brought nothing at all, so that more steps would not have either."""
    before, last = _lowest(history, config)
    return before <= (1 - BEGUN) * chance_loss and last >= before


def _lowest(history: History, config: OptimConfig) -> tuple[float, float]:
    """Return the lowest validation loss before the last ``patience`` checks, and that of these."""
    losses = [value for _, _, value in history.points]
    if not config.patience or len(losses) <= config.patience:
        return math.inf, math.inf
    return min(losses[: -config.patience]), min(losses[-config.patience :])
