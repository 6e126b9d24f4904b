"""Masked autoencoders of one modality (CPEP section 1)."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import EncoderConfig, MaeConfig, OptimConfig, RunConfig
from cpep.data.sampler import Batches
from cpep.data.splits import Role, Split
from cpep.data.windows import Windows
from cpep.models.encoder import Encoder
from cpep.models.mae import MaskedAutoencoder
from cpep.runtime import distributed
from cpep.train.before import BEFORE, Before, Side, encoder_of
from cpep.train.rng import part_draws
from cpep.train.running import run
from cpep.train.stage import STAGES, Lesson, Stage, Trained
from cpep.train.task import (
    STATISTICS_WINDOWS,
    VALIDATION_WINDOWS,
    Signals,
    Task,
    anchor_signals,
    augmentation,
    autocast,
    batches_of,
    emg_signals,
    subsample,
)
from cpep.types import Note, Progress, no_note, no_progress


class MaskedStage(Stage):
    """Hides part of the tokens of a window and learns to reconstruct them."""

    side: ClassVar[Side]
    """Which encoder of a checkpoint it can go on with."""

    @abstractmethod
    def sizes(self, config: RunConfig) -> tuple[EncoderConfig, MaeConfig]:
        """Return the settings of encoder and autoencoder."""

    @abstractmethod
    def signals(self, task: Task, model: Model) -> Signals:
        """Return what reads the encoder's input."""

    def settings(self, config: RunConfig) -> dict[str, Any]:
        """Return the settings without the lag between the modalities, which one modality does not depend on."""
        found = super().settings(config)
        del found["data"]["pose_lag_ms"]
        if not self.needs_anchor:
            found["data"].pop("anchor_view", None)  # left out at its default
        return found

    def applied(self, config: RunConfig) -> RunConfig:
        """Return the settings without a lag."""
        return dataclasses.replace(config, data=dataclasses.replace(config.data, pose_lag_ms=0.0))

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return the settings of the optimiser."""
        return self.sizes(config)[1].optim

    def before(self, config: RunConfig) -> Before | None:
        """Name the checkpoint of other people whose encoder it goes on with."""
        start = self.sizes(config)[1].start
        return Before(Path(start), self.side) if start else None

    def windows(self, task: Task, role: Role) -> Windows:
        """Return all windows of a role; for the anchor, only windows with valid anchors."""
        return task.windows(role, anchored=self.needs_anchor)

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the masked autoencoder around the encoder."""
        mae = autoencoder(cast(Encoder, model.net), *self.sizes(config)).to(model.device)
        tokens = mae.encoder.tokens + 1
        return Trained(mae, masked_loss(mae), tokens, reads_emg=not self.needs_anchor, reads_anchor=self.needs_anchor)

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the loss on hidden tokens; validation hides the same ones at every check."""
        trained, (_, settings) = self.trained(model, task.config, task.split), self.sizes(task.config)
        mae, encoder = trained.net, cast(Encoder, model.net)
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        read = self.signals(task, model)
        if BEFORE in starts:
            encoder.load_state_dict(encoder_of(starts[BEFORE], self.side).state_dict())
        encoder.fit(read(subsample(train, STATISTICS_WINDOWS)))  # of these people, whoever came before
        batches = Batches(train, train.users(task.store), settings.optim.batch, task.seed)
        augment = augmentation(task, model.frontend) if model.frontend is not None and settings.augment else None
        held, tokens = subsample(validation, VALIDATION_WINDOWS), encoder.tokens

        def loss_at(step: int) -> Tensor:
            chosen = batches.at(step)
            part = distributed.part(len(chosen))
            signal = read(train.select(chosen[part.rows]))
            read.of_step(train, batches, step + 1)
            signal = augment(signal, part) if augment else signal
            generator = part_draws(part, tokens)
            with autocast(task.config):
                loss: Tensor = mae(signal, generator)
            return part.weighed(loss)

        def validate() -> float:
            generator = torch.Generator().manual_seed(task.seed)
            losses = []
            for index, some in enumerate(batches_of(held, settings.optim.batch)):
                if not distributed.is_mine(index):  # so that a window has the same mask with any number of ranks
                    torch.rand(len(some), tokens, generator=generator)
                    continue
                with autocast(task.config):
                    losses.append(float(mae(read(some), generator)) * len(some))
            return distributed.total(sum(losses)) / len(held)

        return Lesson(trained, loss_at, validate)


class MaskedEmg(MaskedStage):
    """The masked autoencoder of EMG."""

    sections = ("emg", "emg_mae", "augment")
    side = "emg"

    def sizes(self, config: RunConfig) -> tuple[EncoderConfig, MaeConfig]:
        """Return ``emg`` and ``emg_mae``."""
        return config.emg, config.emg_mae

    def signals(self, task: Task, model: Model) -> Signals:
        """Return what reads the output of the EMG front end."""
        return emg_signals(task, model)


class MaskedAnchor(MaskedStage):
    """The masked autoencoder of the anchor."""

    sections = ("pose", "pose_mae")
    needs_anchor = True
    side = "pose"

    def sizes(self, config: RunConfig) -> tuple[EncoderConfig, MaeConfig]:
        """Return ``pose`` and ``pose_mae``."""
        return config.pose, config.pose_mae

    def settings(self, config: RunConfig) -> dict[str, Any]:
        """Return the settings without the lag and without the normalisation of EMG."""
        found = super().settings(config)
        del found["data"]["normalisation"]
        return found

    def signals(self, task: Task, model: Model) -> Signals:
        """Return what reads anchors."""
        return anchor_signals(task)


STAGES.add("emg_mae", MaskedEmg("emg_mae"))
STAGES.add("pose_mae", MaskedAnchor("pose_mae"))


def pretrain(task: Task, modality: str, progress: Progress = no_progress, note: Note = no_note) -> Path:
    """Train the masked autoencoder of ``emg`` or ``pose`` and return its checkpoint; see ``running.run``."""
    return run(STAGES.get(f"{modality}_mae"), task, progress=progress, note=note)


def autoencoder(encoder: Encoder, sizes: EncoderConfig, settings: MaeConfig) -> MaskedAutoencoder:
    """Return the masked autoencoder around an encoder.

    Raises:
        UserError: no token or every token would be masked.
    """
    return MaskedAutoencoder(encoder, settings.mask, settings.decoder_depth, sizes.heads)


def masked_loss(mae: MaskedAutoencoder) -> Callable[[int], Tensor]:
    """Return a function from a number of windows to the loss of that many windows of noise."""
    encoder = mae.encoder
    return lambda n: mae(torch.randn(n, encoder.steps, encoder.columns, device=encoder.device))
