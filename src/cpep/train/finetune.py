"""A trained model that goes on with the recordings of a new person: by poses, or by labels of gestures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_emg
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.splits import Role, Split
from cpep.data.windows import Windows
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.train.align import AlignStage, Read
from cpep.train.stage import Lesson, Stage, Trained
from cpep.train.supervised import lesson_of_labels
from cpep.train.task import Task
from cpep.types import UserError

RATE = 1 / 3
"""Learning rate by labels, as a share of that by poses. At the full rate people were told less well."""
PENALTY = 0.01
"""Penalty, for each window, of the logistic regression from which the head starts."""


class AlignFurther(AlignStage):
    """Goes on with the alignment of EMG to the frozen encoder of poses, without a label."""

    def applied(self, config: RunConfig) -> RunConfig:
        """Return the settings with the optimiser of ``finetune``, and without terms that need several people."""
        objective = dataclasses.replace(config.align.objective, adversary=0.0, moments=0.0, mixup=0.0)
        align = dataclasses.replace(
            config.align, optim=config.finetune.optim, pairs=1.0, shuffled=False, objective=objective
        )
        return dataclasses.replace(config, align=align)

    def begin(self, net: Cpep, task: Task, train: Windows, starts: Mapping[str, Model], read: Read) -> None:
        """Leave the weights as they are, and the embeddings of poses where they are."""
        net.train_pose = False
        net.anchor.requires_grad_(False).eval()


class LabelFurther(Stage):
    """Trains what embeds EMG by the labels of gestures, with a linear head that is not kept.

    The head starts as a logistic regression on the embeddings as they are. Else its first steps would pull them
    towards directions that are drawn at random.
    """

    sections = ("emg", "augment", "finetune")

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return ``finetune.optim`` at a lower rate."""
        optim = config.finetune.optim
        return dataclasses.replace(optim, lr=optim.lr * RATE)

    def windows(self, task: Task, role: Role) -> Windows:
        """Return the windows that are labelled with a gesture throughout."""
        found = task.windows(role, anchored=False)
        found = found.select(np.isin(found.label_N, task.split.seen))
        if len(found) < 2:
            raise UserError(f"{task.store.path}: fewer than two windows of role {role} carry one label throughout")
        return found

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the model's network with a head."""
        net = Headed(model, len(split.seen)).to(model.device)
        encoder = model.net.emg if isinstance(model.net, Cpep) else cast(Encoder, model.net)

        def total_of(count: int) -> Tensor:
            found: Tensor = net(torch.zeros(count, encoder.steps, encoder.columns, device=model.device)).sum()
            return found

        return Trained(net, total_of, encoder.tokens + 1)

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the cross-entropy of labels, with augmented windows in training."""
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        trained = self.trained(model, task.config, task.split)
        cast(Headed, trained.net).start(model, task, train)
        return lesson_of_labels(task, model, trained, train, validation, self.optim(task.config))


class Headed(nn.Module):
    """A model's network with a linear head on its embeddings of EMG; of queries, on their mean."""

    def __init__(self, model: Model, classes: int) -> None:
        super().__init__()
        self.net, self.embed = model.net, model.spec.embed
        self.head = nn.Linear(model.n_features, classes)

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return logits (B, K)."""
        found = self.embed(self.net, signal_BNF)
        logits: Tensor = self.head(found if found.ndim == 2 else found.mean(dim=1))
        return logits

    def start(self, model: Model, task: Task, windows: Windows) -> None:
        """Make the head a logistic regression on the embeddings of windows as they are."""
        from sklearn.linear_model import LogisticRegression  # slow to import, see cpep.evaluate.probe

        found = embed_emg(model, task.store, windows).averaged()
        x_ND = found.x_ND.astype(np.float64)
        centre_D, spread_D = x_ND.mean(axis=0), x_ND.std(axis=0) + 1e-6
        strength = 1 / (PENALTY * len(x_ND))
        fitted = LogisticRegression(C=strength, class_weight="balanced", tol=1e-3, max_iter=5000)
        fitted.fit((x_ND - centre_D) / spread_D, found.label_N)
        weight_KD, bias_K = fitted.coef_ / spread_D, fitted.intercept_ - (fitted.coef_ / spread_D) @ centre_D
        if len(fitted.classes_) == 2:  # scikit-learn has one row for two classes
            weight_KD, bias_K = np.concatenate([-weight_KD, weight_KD]) / 2, np.concatenate([-bias_K, bias_K]) / 2
        rows = torch.from_numpy(np.searchsorted(task.split.seen, fitted.classes_)).to(model.device)
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.fill_(float(bias_K.min()) - 5.0)  # a class without a training window
            self.head.weight[rows] = torch.from_numpy(weight_KD).to(self.head.weight)
            self.head.bias[rows] = torch.from_numpy(bias_K).to(self.head.bias)
