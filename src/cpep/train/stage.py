"""A stage of training: its network, windows, starting checkpoints and cost. ``cpep.train.running`` runs any stage."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.schema import OptimConfig, RunConfig
from cpep.config.serialise import as_dict
from cpep.data.splits import Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.runtime.registry import Registry
from cpep.train.before import Before
from cpep.train.flops import step_gflop
from cpep.train.task import Task
from cpep.types import UserError


@dataclass(frozen=True)
class Trained:
    """The network that a stage trains, and the cost of a step.

    Attributes:
        net: all that is trained, including losses with parameters of their own.
        total_of: from a number of windows to a scalar; its backward pass costs as much as a step's.
        tokens: tokens of a window, [CLS] included; 0 for a network that reads samples.
        reads_emg: whether a step reads EMG from the store.
        reads_anchor: whether a step reads anchors from the store.
        kept_values: numbers per window that are kept in memory during training.
    """

    net: nn.Module
    total_of: Callable[[int], Tensor]
    tokens: int = 0
    reads_emg: bool = True
    reads_anchor: bool = False
    kept_values: int = 0

    def gflop(self, batch: int) -> float:
        """Return the operations of a step, in 10^9; the network is in evaluation mode afterwards."""
        self.net.eval()
        found = step_gflop(self.total_of, batch)
        self.net.zero_grad()
        return found


@dataclass(frozen=True)
class Lesson:
    """The input of the training loop.

    Attributes:
        trained: the network.
        loss_at: returns the loss of a step; see ``loop.fit``.
        validate: returns the validation loss.
        chance_loss: validation loss of a model that knows nothing, for early stopping; infinite if not known.
    """

    trained: Trained
    loss_at: Callable[[int], Tensor]
    validate: Callable[[], float]
    chance_loss: float = math.inf


@dataclass(frozen=True)
class Rehearsed:
    """What a stage chose by short trainings.

    Attributes:
        steps: that they took in all; the training makes so many fewer.
        chosen: what was chosen and by which losses, for ``stage.json``.
        finish: called once the network is trained, before it is saved.
    """

    steps: int = 0
    chosen: Mapping[str, Any] = field(default_factory=dict)
    finish: Callable[[], None] = lambda: None


class Stage(ABC):
    """One stage of training; ``STAGES`` holds one object of each, under its name.

    Args:
        name: name of the stage and of its folder.
        model: kind of its model (``checkpoints.registry.MODELS``); without it, the kind has the stage's name.
    """

    sections: ClassVar[tuple[str, ...]]
    """Sections of the settings on which its result depends, beside ``data`` and ``precision``."""
    needs_anchor: ClassVar[bool] = False
    """Whether it trains on an anchor, so that recordings of EMG alone do not suffice."""

    def __init__(self, name: str, model: str = "") -> None:
        self.name, self.model = name, model or name

    def settings(self, config: RunConfig) -> dict[str, Any]:
        """Return the settings on which its result depends: rows of a table with the same ones share the stage.

        The number of threads is none of them: it changes no more than the order of sums, so that a stage goes on
        with another number. It stands there as 1, as in the folders of all runs before.
        """
        plain = as_dict(dataclasses.replace(config, threads=1))
        return {name: plain[name] for name in ("threads", "precision", "data", *self.sections)}

    def applied(self, config: RunConfig) -> RunConfig:
        """Return the settings with which the stage runs; a stage may reset those that do not concern it."""
        return config

    def starts(self, config: RunConfig) -> tuple[str, ...]:
        """Name the stages whose checkpoints it starts from."""
        return ()

    def may_start_from(self, held: Split, split: Split) -> bool:
        """Tell whether a checkpoint that was trained under ``held`` leaks nothing into training under ``split``."""
        return held == split

    def split(self, split: Split) -> Split:
        """Return the split under which it trains, given that of the fold: the same, unless it leaves out more.

        Raises:
            UserError: there are too few people or gestures to leave out more.
        """
        return split

    def before(self, config: RunConfig) -> Before | None:
        """Name the checkpoint of other people that it goes on from, beside those of ``starts``."""
        return None

    @abstractmethod
    def optim(self, config: RunConfig) -> OptimConfig:
        """Return the settings of its optimiser."""

    def steps(self, store: Store, split: Split, config: RunConfig, gflop: float) -> int:
        """Return the largest number of steps that it makes.

        Args:
            store: recordings, for sizes.
            split: held-out people and unseen gestures.
            config: settings.
            gflop: operations of one step, in 10^9.
        """
        return self.optim(config).steps

    @abstractmethod
    def windows(self, task: Task, role: Role) -> Windows:
        """Return the windows of training or of validation people.

        Raises:
            UserError: there are none.
        """

    def drawn(self, store: Store, pairs: Windows, split: Split) -> Windows:
        """Return the paired windows from which its batches are drawn: all, unless a stage selects some.

        Raises:
            UserError: there are none.
        """
        return pairs

    @abstractmethod
    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the trained network, built around an untrained model, without reading data.

        Raises:
            UserError: settings that do not go together.
        """

    def rehearse(self, task: Task, key: str, lesson: Lesson, most: int) -> Rehearsed:
        """Choose, by short trainings, how the network is trained; a stage without such a choice does nothing.

        The network has its initial weights afterwards.

        Args:
            task: as for ``lesson``.
            key: fingerprint of all that the result depends on.
            lesson: the input of the loop.
            most: steps that the stage may make in all.
        """
        return Rehearsed()

    @abstractmethod
    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Fit statistics on training windows, and return the input of the loop.

        Args:
            task: store, split, settings as ``applied`` returns them.
            model: untrained, seeded; on the device where it is trained.
            starts: models that it starts from, by the name of their stage; some may be missing.
        """


STAGES: Registry[Stage] = Registry(
    "stage", [f"cpep.train.{name}" for name in ("pretrain", "align", "choice", "supervised", "regression")]
)
"""All stages."""


def chain(name: str, config: RunConfig) -> tuple[str, ...]:
    """Name a stage and all that it starts from, in the order of training."""
    before = [one for start in STAGES.get(name).starts(config) for one in chain(start, config)]
    return (*dict.fromkeys(before), name)


def compute(name: str, store: Store, split: Split, config: RunConfig) -> dict[str, float]:
    """Return the operations of a stage and of the stages before it, in 10^9, by name, for the steps that are set.

    Embeddings that are computed once, similarities within a batch, and validation are not counted.
    """
    found = {}
    with torch.random.fork_rng(devices=[]):  # a count must not change the random numbers of a stage
        for one in chain(name, config):
            stage = STAGES.get(one)
            model, optim = Model(make_card(stage.model, store, split, config, 0)), stage.optim(config)
            found[one] = stage.trained(model, config, split).gflop(optim.batch) * optim.steps
    return found


def budget(store: Store, split: Split, config: RunConfig) -> dict[str, float]:
    """Return the operations of the stages of CPEP in 10^9; without an anchor, of the EMG autoencoder alone."""
    return compute("emg_mae" if store.anchor_MJ is None else "cpep", store, split, config)


def refuse_bare(store: Store, what: str) -> None:
    """Check that recordings have an anchor, for what needs one.

    Raises:
        UserError: they have none.
    """
    if store.anchor_MJ is None:
        raise UserError(
            f"{store.path} has no pose, nor another anchor, which {what} needs; `cpep pretrain emg` needs none"
        )
