"""Models that predict the pose from EMG, by the emg2pose recipe (arXiv 2412.02725)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.augment import Augmentation
from cpep.data.sampler import Batches
from cpep.data.splits import Role, Split
from cpep.data.windows import Windows, anchor_at
from cpep.hand.joints import TIPS
from cpep.hand.kinematics import Hand
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.losses import pose_loss
from cpep.train.baseline import HELD_WINDOWS, Baseline, mean_error, own_windows
from cpep.train.rng import part_draws
from cpep.train.stage import STAGES, Lesson, Trained, run
from cpep.train.task import STATISTICS_WINDOWS, Task, anchor_signals, autocast, emg_signals, paired, subsample
from cpep.types import Progress, no_progress


class RegressionStage(Baseline):
    """Trains a regression model: Adam, L1 on joint angles, EMG rotated by up to one channel of the ring.

    For the pose of a known hand, ``baselines.fingertip`` times the mean distance of fingertips is added.
    """

    needs_anchor = True

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return ``baselines.optim``."""
        return config.baselines.optim

    def windows(self, task: Task, role: Role) -> Windows:
        """Return the windows of the alignment."""
        return paired(task, role)

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the network of the model."""
        net, columns, device = cast(PoseRegressor, model.net), model.emg_frontend.columns, model.device
        return Trained(
            net,
            lambda count: net(torch.zeros(count, net.samples, columns, device=device)).sum(),
            net.tokens + 1 if net.tokens else 0,
            reads_anchor=True,
        )

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the error of the predicted pose; the chance loss is the error of the mean pose."""
        trained, settings, device = (
            self.trained(model, task.config, task.split),
            task.config.baselines,
            task.store.device,
        )
        net, optim = cast(PoseRegressor, model.net), settings.optim
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        read, read_anchor, turn = emg_signals(task, model), anchor_signals(task), turned(task, model)
        some = subsample(train, STATISTICS_WINDOWS)
        net.fit(lambda: read(some), read_anchor(some))
        tips = _tips(model.device) if device.anchor.is_hand else None
        batches = Batches(train, train.users(task.store), optim.batch, task.seed)
        held = subsample(validation, HELD_WINDOWS)

        def error(windows: Windows, predict: Callable[[], Tensor]) -> Tensor:
            target_BSJ = anchor_at(read_anchor(windows), net.times_S, task.store.frame_rate)
            with autocast(task.config):
                predicted_BSJ = predict().float()
            return pose_loss(predicted_BSJ.expand_as(target_BSJ), target_BSJ, tips, settings.fingertip)

        def loss_at(step: int) -> Tensor:
            own, part = own_windows(train, batches.at(step))
            signal = turn(read(own), part)
            part_draws(part)
            return part.weighed(error(own, lambda: net(signal)))

        def validate() -> float:
            return mean_error(held, optim.batch, lambda part: error(part, lambda: net(read(part))))

        mean_pose = mean_error(held, optim.batch, lambda part: error(part, lambda: net.mean_J))
        return Lesson(trained, loss_at, validate, mean_pose)


for kind in ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics", "pose_t"):
    STAGES.add(kind, RegressionStage(kind))


def regress(task: Task, kind: str, progress: Progress = no_progress) -> Path:
    """Train a model that predicts the pose from EMG and return its checkpoint; see ``stage.run``."""
    return run(STAGES.get(kind), task, progress=progress)


def turned(task: Task, model: Model) -> Augmentation:
    """Return the recipe's augmentation: it rotates a ring by up to one channel in either direction."""
    device = task.store.device
    degrees = 360 / len(device.ring) if device.ring else 0.0
    raw = not model.emg_frontend.bin_samples
    return Augmentation(0.0, 0.0, 0.0, degrees, 0.0, ring=device.ring, raw=raw, channels=device.channels)


def _tips(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a function from poses to fingertips (..., 5, 3), mm."""
    hand = Hand().to(device)
    return lambda pose_BSJ: hand(pose_BSJ)[..., TIPS, :]
