"""CPEP's EMG encoder trained on the labels of seen gestures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.sampler import Batches
from cpep.data.splits import Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.models.encoder import Encoder
from cpep.train.baseline import Baseline, mean_error, own_windows
from cpep.train.rng import part_draws
from cpep.train.running import run
from cpep.train.stage import STAGES, Lesson, Trained
from cpep.train.task import (
    STATISTICS_WINDOWS,
    VALIDATION_WINDOWS,
    Task,
    augmentation,
    autocast,
    emg_signals,
    paired,
    subsample,
)
from cpep.types import Progress, UserError, no_progress


class Classifier(nn.Module):
    """An encoder with a linear head on its [CLS]."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.width, classes)

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return logits (B, K)."""
        logits: Tensor = self.head(self.encoder(signal_BNF))
        return logits


class SupervisedStage(Baseline):
    """Trains a classifier from random weights, with the augmentation and the optimiser of CPEP's alignment.

    A batch holds windows of all people, since no windows are contrasted.
    """

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return the alignment's optimiser with the limits of a baseline."""
        limits = {name: getattr(config.baselines.optim, name) for name in ("steps", "checks", "patience")}
        return dataclasses.replace(config.align.optim, **limits)

    def windows(self, task: Task, role: Role) -> Windows:
        """Return the windows of the alignment that are labelled with a seen gesture throughout."""
        return self.drawn(task.store, paired(task, role), task.split)

    def drawn(self, store: Store, pairs: Windows, split: Split) -> Windows:
        """Return the windows that are labelled with a seen gesture throughout.

        Raises:
            UserError: there are fewer than two.
        """
        found = pairs.select(np.isin(pairs.label_N, split.seen))
        if len(found) < 2:
            raise UserError(f"{store.path}: no window is labelled throughout with a seen gesture")
        return found

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the classifier."""
        net = Classifier(cast(Encoder, model.net), len(split.seen)).to(model.device)
        encoder, device = net.encoder, model.device

        def total_of(count: int) -> Tensor:
            found: Tensor = net(torch.zeros(count, encoder.steps, encoder.columns, device=device)).sum()
            return found

        return Trained(net, total_of, encoder.tokens + 1)

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the cross-entropy; the chance loss is the cross-entropy of guessing among seen gestures."""
        trained = self.trained(model, task.config, task.split)
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        cast(Encoder, model.net).fit(emg_signals(task, model)(subsample(train, STATISTICS_WINDOWS)))
        return lesson_of_labels(task, model, trained, train, validation, self.optim(task.config))


def lesson_of_labels(
    task: Task, model: Model, trained: Trained, train: Windows, validation: Windows, optim: OptimConfig
) -> Lesson:
    """Return the cross-entropy of seen gestures, with augmented windows in training.

    Args:
        task: the task of the stage.
        model: whose front end reads EMG.
        trained: a network that gives logits (B, K) of the seen gestures.
        train: windows of training people, each labelled with a seen gesture.
        validation: those of validation people; some at equal distances are taken.
        optim: settings of the optimiser.
    """
    read, augment = emg_signals(task, model), augmentation(task, model.emg_frontend)
    batches = Batches(train, train.users(task.store), optim.batch, task.seed)
    held = subsample(validation, VALIDATION_WINDOWS)

    def error(windows: Windows, signal: Tensor) -> Tensor:
        class_B = torch.from_numpy(np.searchsorted(task.split.seen, windows.label_N)).to(signal.device)
        with autocast(task.config):
            logits_BK = trained.net(signal)
        return F.cross_entropy(logits_BK.float(), class_B)

    def loss_at(step: int) -> Tensor:
        own, part = own_windows(train, batches.at(step))
        signal = augment(read(own), part)
        read.of_step(train, batches, step + 1)
        part_draws(part)
        return part.weighed(error(own, signal))

    def validate() -> float:
        return mean_error(held, optim.batch, lambda some: error(some, read(some)))

    return Lesson(trained, loss_at, validate, math.log(len(task.split.seen)))


STAGES.add("supervised", SupervisedStage("supervised"))


def supervise(task: Task, progress: Progress = no_progress) -> Path:
    """Train CPEP's EMG encoder on the labels of seen gestures and return its checkpoint; see ``running.run``."""
    return run(STAGES.get("supervised"), task, progress=progress)
