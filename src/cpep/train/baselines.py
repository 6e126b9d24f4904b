"""Models that CPEP is compared with, trained on equal terms: the same people and windows, at most its compute.

A baseline is trained until the loss of validation users is flat or the floating-point operations of CPEP's
three stages are spent, whichever comes first; its checkpoint says which.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpep.checkpoints.card import Card, Kind, make_card
from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.augment import Augmentation
from cpep.data.sampler import Batches
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows, anchor_at
from cpep.models.baselines.pose_t import PoseT
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.encoder import Encoder
from cpep.models.hand import TIPS, Hand, understands
from cpep.models.losses import pose_loss
from cpep.runtime import distributed
from cpep.train.flops import cpep_gflop, step_gflop
from cpep.train.loop import fit
from cpep.train.rng import part_draws
from cpep.train.schedule import is_past_its_best
from cpep.train.stages import PAIRED, paired
from cpep.train.task import (
    STATISTICS_WINDOWS,
    Task,
    anchor_signals,
    augmentation,
    autocast,
    batches_of,
    build_model,
    emg_signals,
    save_stage,
    subsample,
)
from cpep.types import IntArray, Progress, UserError, no_progress

HELD_WINDOWS = 256
"""Validation windows of a check: some of these models read a few dozen windows a second."""


class Classifier(nn.Module):
    """An encoder with a linear head on its [CLS]."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.width, classes)

    def forward(self, signal_BNF: Tensor) -> Tensor:
        """Return logits (B, K)."""
        logits: Tensor = self.head(self.encoder(signal_BNF))
        return logits


def supervise(task: Task, progress: Progress = no_progress) -> Path:
    """Train CPEP's EMG encoder on the labels of seen gestures and return its checkpoint.

    From random weights, augmented and optimised as CPEP's alignment is; a batch is of all people, since nothing
    is contrasted.

    Raises:
        UserError: see ``Task``; or no window carries a seen gesture.
    """
    key = task.key("supervised")
    if task.finished(key):
        return task.folder / "checkpoint"
    model = build_model(task, "supervised")
    assert isinstance(model.net, Encoder)
    net = Classifier(model.net, len(task.split.seen)).to(model.device)
    train, validation = (labelled(task.store, paired(task, role), task.split) for role in PAIRED)
    read, augment = emg_signals(task, model), augmentation(task, model.emg_frontend)
    model.net.tokeniser.fit(read(subsample(train, STATISTICS_WINDOWS)))
    optim = supervised_optim(task.config)
    batches = Batches(train, train.users(task.store), optim.batch, task.seed)
    held = subsample(validation, 8 * HELD_WINDOWS)

    def error(windows: Windows, signal: Tensor) -> Tensor:
        class_B = torch.from_numpy(np.searchsorted(task.split.seen, windows.label_N)).to(signal.device)
        with autocast(task.config):
            logits_BK = net(signal)
        return F.cross_entropy(logits_BK.float(), class_B)

    def loss_at(step: int) -> Tensor:
        own, part = _own(train, batches.at(step))
        signal = augment(read(own), part)
        part_draws(part)
        return part.weighed(error(own, signal))

    def validate() -> float:
        return _mean(held, optim.batch, lambda part: error(part, read(part)))

    gflop = _gflop(model, net, optim.batch)
    guessing = math.log(len(task.split.seen))
    return _train(task, key, model, net, loss_at, validate, optim, gflop, guessing, progress)


def supervised_optim(config: RunConfig) -> OptimConfig:
    """Return the alignment's optimiser with the limits of a baseline."""
    limits = {name: getattr(config.baselines.optim, name) for name in ("steps", "checks", "patience")}
    return dataclasses.replace(config.align.optim, **limits)


def regress(task: Task, kind: Kind, progress: Progress = no_progress) -> Path:
    """Train a model that predicts the pose from EMG and return its checkpoint.

    The emg2pose recipe (arXiv 2412.02725): Adam, L1 on joint angles, 0.01 times the distance of fingertips where
    the pose is that of a known hand, EMG turned by up to one channel.

    Raises:
        UserError: see ``Task``; or windows are too short for the model.
    """
    key = task.key(kind)
    if task.finished(key):
        return task.folder / "checkpoint"
    settings, device = task.config.baselines, task.store.device
    optim = settings.optim
    model = build_model(task, kind)
    net = model.net
    assert isinstance(net, PoseRegressor)
    train, validation = (paired(task, role) for role in ("train", "val"))
    read, read_pose, turn = emg_signals(task, model), anchor_signals(task), _turn(task, model)
    some = subsample(train, STATISTICS_WINDOWS)
    if isinstance(net, PoseT):
        net.encoder.tokeniser.fit(read(some))
    net.fit_mean(read_pose(some))
    tips = _tips(model.device) if understands(device.anchor_names, device.anchor_unit) else None
    batches = Batches(train, train.users(task.store), optim.batch, task.seed)
    held = subsample(validation, HELD_WINDOWS)

    def error(windows: Windows, predict: Callable[[], Tensor]) -> Tensor:
        target_BSJ = anchor_at(read_pose(windows), net.times_S, task.store.frame_rate)
        with autocast(task.config):
            predicted_BSJ = predict().float()
        return pose_loss(predicted_BSJ.expand_as(target_BSJ), target_BSJ, tips, settings.fingertip)

    def loss_at(step: int) -> Tensor:
        own, part = _own(train, batches.at(step))
        signal = turn(read(own), part)
        part_draws(part)
        return part.weighed(error(own, lambda: net(signal)))

    def validate() -> float:
        return _mean(held, optim.batch, lambda part: error(part, lambda: net(read(part))))

    gflop = _gflop(model, net, optim.batch)
    mean_pose = _mean(held, optim.batch, lambda part: error(part, lambda: net.mean_J))
    return _train(task, key, model, net, loss_at, validate, optim, gflop, mean_pose, progress)


def _tips(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a function from poses to fingertips (..., 5, 3), mm."""
    hand = Hand().to(device)
    return lambda pose_BSJ: hand(pose_BSJ)[..., TIPS, :]


def labelled(store: Store, windows: Windows, split: Split) -> Windows:
    """Return the windows that are labelled with a seen gesture throughout.

    Raises:
        UserError: there are fewer than two.
    """
    found = windows.select(np.isin(windows.label_N, split.seen))
    if len(found) < 2:
        raise UserError(f"{store.path}: no window is labelled throughout with a seen gesture")
    return found


def _turn(task: Task, model: Model) -> Augmentation:
    """Return the recipe's augmentation: a ring turns by up to one channel either way."""
    device = task.store.device
    degrees = 360 / len(device.ring) if device.ring else 0.0
    raw = not model.emg_frontend.bin_samples
    return Augmentation(0.0, 0.0, 0.0, degrees, 0.0, ring=device.ring, raw=raw, channels=device.channels)


def _gflop(model: Model, net: nn.Module, batch: int) -> float:
    """Return the operations of a step on signals of the model's shape, in 10^9, leaving no trace in it."""
    model.eval()
    found = step_gflop(output_total(model, net), batch)
    model.zero_grad()
    return found


def output_total(model: Model, net: nn.Module) -> Callable[[int], Tensor]:
    """Return a function from a number of windows to the sum of a network's outputs for as many.

    Args:
        model: which signals it takes.
        net: that of the model, or one around it.
    """
    inner = model.net.encoder if isinstance(model.net, PoseT) else model.net
    if isinstance(inner, Encoder):
        shape = (inner.tokeniser.steps, inner.tokeniser.columns)
    else:
        assert isinstance(inner, PoseRegressor)
        shape = (inner.samples, model.card.device.channels)
    return lambda n: net(torch.zeros(n, *shape, device=model.device)).sum()


def affordable(cpep: Card, config: RunConfig, gflop: float) -> int:
    """Return how many steps of that many operations (10^9) the compute of CPEP pays for.

    Args:
        cpep: card of an aligned model.
        config: settings.
        gflop: of one step of the baseline.
    """
    return max(1, int(config.baselines.compute * sum(cpep_gflop(cpep, config).values()) / gflop))


def _mean(held: Windows, batch: int, error_of: Callable[[Windows], Tensor]) -> float:
    """Return the mean over windows of an error that is a mean over the windows of a batch."""
    own = [some for index, some in enumerate(batches_of(held, batch)) if distributed.is_mine(index)]
    return distributed.total(sum(float(error_of(some)) * len(some) for some in own)) / len(held)


def _own(windows: Windows, chosen: IntArray) -> tuple[Windows, distributed.Part]:
    """Return the windows of a batch that this rank computes, and which ones of it they are."""
    part = distributed.part(len(chosen))
    return windows.select(chosen[part.rows]), part


def _train(
    task: Task,
    key: str,
    model: Model,
    net: nn.Module,
    loss_at: Callable[[int], Tensor],
    validate: Callable[[], float],
    optim: OptimConfig,
    gflop: float,
    chance_loss: float,
    progress: Progress,
) -> Path:
    """Fit until validation is flat or CPEP's compute is spent; ``chance_loss`` is the loss of knowing nothing."""
    cpep = make_card("cpep", task.store, task.split, task.config, task.seed)
    paid = affordable(cpep, task.config, gflop)
    limited = dataclasses.replace(optim, steps=min(optim.steps, paid))
    history = fit(
        net,
        loss_at,
        validate,
        limited,
        seed=task.seed,
        state=task.folder / "state.safetensors",
        key=key,
        chance_loss=chance_loss,
        progress=progress,
    )
    spent = "compute" if paid < optim.steps else "steps"
    if is_past_its_best(history, limited, chance_loss):
        spent = "best"
    stopped = "flat" if history.flat_at else spent
    save_stage(task, key, model, history, gflop=gflop, stopped=stopped)
    return task.folder / "checkpoint"
