"""A term of the alignment's objective, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from cpep.config.schema import ObjectiveConfig
from cpep.models.cpep import Cpep
from cpep.runtime.registry import Registry
from cpep.types import UserError


def no_centres() -> Tensor:
    """Return centres of no community, (0, 0), for a network that is built without data."""
    return torch.empty(0, 0)


@dataclass(frozen=True)
class Known:
    """What terms may know of the training data.

    Attributes:
        people: number of training people.
        centres: returns the centres (K, D) of communities of anchor embeddings; the first call finds them.
    """

    people: int = 1
    centres: Callable[[], Tensor] = no_centres


@dataclass(frozen=True)
class OwnWindows:
    """The windows of a batch that this rank computes.

    Attributes:
        net: the pair of encoders.
        emg: EMG embeddings, (b, D), or (b, Q, D) with queries.
        states: the queries at every depth of the Q-Former; empty without queries.
        anchor_BSJ: anchor windows, where a term reads them.
    """

    net: Cpep
    emg: Tensor
    states: list[Tensor]
    anchor_BSJ: Tensor | None

    @property
    def read_BSJ(self) -> Tensor:
        """The anchor windows, for a term with ``reads_anchor``."""
        assert self.anchor_BSJ is not None
        return self.anchor_BSJ


@dataclass(frozen=True)
class Batch:
    """All windows of a batch, of all ranks.

    Attributes:
        net: the pair of encoders.
        emg: EMG embeddings, (B, D), or (B, Q, D) with queries.
        anchor_BD: anchor embeddings of the same windows.
        person_B: index of each window's person, where a term reads it.
    """

    net: Cpep
    emg: Tensor
    anchor_BD: Tensor
    person_B: Tensor | None

    @property
    def of_person_B(self) -> Tensor:
        """Index of each window's person, for a term with ``reads_people``."""
        assert self.person_B is not None
        return self.person_B


class Term(nn.Module):
    """One summand of the objective; a subclass has one of the two losses, or both.

    ``of_windows`` is called under autocast, as networks are; ``of_batch`` is called in fp32.

    A term may have parameters of its own. They are trained with the encoders and dropped after training; the encoders
    are not among them.

    Args:
        net: the pair of encoders, for sizes.
        settings: settings of the objective.
        known: what terms may know of the training data.
    """

    reads_anchor: ClassVar[bool] = False
    """Whether it needs the anchor windows themselves, not their embeddings alone."""
    reads_people: ClassVar[bool] = False
    """Whether it needs the person of each window."""

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__()
        self.settings = settings

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return its weight from the settings; 0, also for a term without a setting, leaves it out."""
        return 0.0

    def of_windows(self, own: OwnWindows) -> Tensor | None:
        """Return a loss that is the mean of the losses of single windows, or ``None``."""
        return None

    def of_batch(self, batch: Batch) -> Tensor | None:
        """Return a loss that compares windows of the batch with each other, or ``None``."""
        return None


TERMS: Registry[type[Term]] = Registry(
    "term of the objective",
    [
        f"cpep.train.terms.{name}"
        for name in ("contrast", "cascle", "reconstruction", "regression", "moments", "adversary")
    ],
)
"""All terms, in the order in which they are built and summed."""


def weights_of(settings: ObjectiveConfig) -> dict[str, float]:
    """Return the weights of the terms that are switched on, in the order of ``TERMS``.

    Raises:
        UserError: ``align.objective.terms`` names no term, gives no number, or a weight that is not above 0.
    """
    given = dict(_parsed(item) for item in settings.terms)
    for name in given:
        TERMS.get(name)
    weights = {name: given.get(name, TERMS.get(name).weight(settings)) for name in TERMS.names()}
    return {name: weight for name, weight in weights.items() if weight}


def whole(emg: Tensor) -> Tensor:
    """Return one embedding a window (B, D): the mean of its queries where there are queries.

    Args:
        emg: embeddings (B, D), or of queries (B, Q, D).
    """
    return emg if emg.ndim == 2 else emg.mean(dim=1)


def _parsed(item: str) -> tuple[str, float]:
    name, _, number = item.partition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise UserError(f"align.objective.terms: {item!r} should be name=weight, as in [{name or 'moments'}=0.5]")
    return name, weight
