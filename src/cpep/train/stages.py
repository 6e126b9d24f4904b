"""The stages of CPEP: what each one trains, on which windows, judged how."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoints.card import Kind, make_card
from cpep.checkpoints.checkpoint import load
from cpep.config.schema import AlignConfig, MaeConfig
from cpep.data.sampler import Batches
from cpep.data.splits import WORDS, Role
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.models.losses import calibrated_info_nce
from cpep.runtime import distributed
from cpep.train.flops import align_gflop, autoencoder, masked_gflop
from cpep.train.loop import fit
from cpep.train.neighbours import drawn, mixed, neighbours_of
from cpep.train.objective import AnchorSide, Objective, communities
from cpep.train.rng import part_draws
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
from cpep.types import REST, BoolArray, IntArray, Progress, UserError, no_progress

VALIDATION_WINDOWS = 2048
PAIRED: tuple[Role, ...] = ("train", "val")
"""Whose EMG and pose are paired."""
PIECE_S = 10.0
"""Pieces of a store of which a share is paired, s."""


def pretrain(task: Task, modality: str, progress: Progress = no_progress) -> Path:
    """Train the masked autoencoder of ``emg`` or ``pose`` and return its checkpoint (CPEP section 1).

    Resumes an unfinished run; returns at once where the stage is complete.

    Raises:
        UserError: see ``Task``; or the store has no pose.
    """
    kind: Kind = "emg_mae" if modality == "emg" else "pose_mae"
    key = task.key(kind)
    if task.finished(key):
        return task.folder / "checkpoint"
    settings: MaeConfig = getattr(task.config, kind)
    task = without_lag(task)
    model = build_model(task, kind)
    assert isinstance(model.net, Encoder)
    encoder = model.net
    mae = autoencoder(encoder, task.config, kind).to(model.device)
    gflop = masked_gflop(mae, settings.optim.batch)
    mae.zero_grad()
    train, validation = (task.windows(role, pose=modality == "pose") for role in ("train", "val"))
    read = emg_signals(task, model) if modality == "emg" else anchor_signals(task)
    encoder.tokeniser.fit(read(subsample(train, STATISTICS_WINDOWS)))
    batches = Batches(train, train.users(task.store), settings.optim.batch, task.seed)
    augment = augmentation(task, model.frontend) if model.frontend is not None and settings.augment else None
    held = subsample(validation, VALIDATION_WINDOWS)

    def loss_at(step: int) -> Tensor:
        chosen = batches.at(step)
        part = distributed.part(len(chosen))
        signal = read(train.select(chosen[part.rows]))
        signal = augment(signal, part) if augment else signal
        generator = part_draws(part, encoder.tokeniser.tokens)
        with autocast(task.config):
            loss: Tensor = mae(signal, generator)
        return part.weighed(loss)

    def validate() -> float:
        generator = torch.Generator().manual_seed(task.seed)
        losses = []
        for index, some in enumerate(batches_of(held, settings.optim.batch)):
            if not distributed.is_mine(index):  # the masks of a window do not depend on who else draws some
                torch.rand(len(some), encoder.tokeniser.tokens, generator=generator)
                continue
            with autocast(task.config):
                losses.append(float(mae(read(some), generator)) * len(some))
        return distributed.total(sum(losses)) / len(held)

    history = fit(
        mae,
        loss_at,
        validate,
        settings.optim,
        seed=task.seed,
        state=task.folder / "state.safetensors",
        key=key,
        progress=progress,
    )
    save_stage(task, key, model, history, gflop=gflop)
    return task.folder / "checkpoint"


def without_lag(task: Task) -> Task:
    """Return the task without a lag, which one modality alone does not know: rows that differ in it share it."""
    data = dataclasses.replace(task.config.data, pose_lag_ms=0.0)
    return dataclasses.replace(task, config=dataclasses.replace(task.config, data=data))


def align(task: Task, emg: Path | None, pose: Path | None, progress: Progress = no_progress) -> Path:
    """Align the EMG encoder to the pose encoder and return the checkpoint (CPEP section 2).

    With ``align.shuffled`` the poses of every batch are dealt anew to its EMG windows: the control that must be
    at chance. One lasting shuffle would be an arbitrary map between gestures, learnt in part and right by luck.

    Args:
        task: store, split, settings, folder.
        emg: checkpoint of the EMG masked autoencoder; without it, or with ``align.start_emg=false``, the encoder
            starts from random weights.
        pose: checkpoint of the pose masked autoencoder, likewise.
        progress: called with windows done and in all.

    Raises:
        UserError: a checkpoint of another kind, device or split.
    """
    emg, pose = emg if task.config.align.start_emg else None, pose if task.config.align.start_pose else None
    sides = {name: encoder_of(task, path, name) for name, path in (("emg", emg), ("pose", pose)) if path}
    key = task.key("cpep", *(path for path in (emg, pose) if path))
    if task.finished(key):
        return task.folder / "checkpoint"
    settings = task.config.align
    model = build_model(task, "cpep")
    assert isinstance(model.net, Cpep)
    net = model.net
    train, validation = (paired(task, role) for role in ("train", "val"))
    read = emg_signals(task, model)
    for name, encoder, signals in (("emg", net.emg, read), ("pose", net.anchor, anchor_signals(task))):
        if name in sides:
            encoder.load_state_dict(sides[name].state_dict())
        else:
            encoder.tokeniser.fit(signals(subsample(train, STATISTICS_WINDOWS)))
    if net.former is not None and settings.start_pose:
        net.former.start_from(net.anchor)
    poses, held_poses = (AnchorSide(task, net, windows) for windows in (train, validation))
    people, person_N = np.unique(train.users(task.store), return_inverse=True)
    objective = Objective(net, settings, communities(poses, settings, task.seed), len(people)).to(model.device)
    neighbours = neighbours_of(poses.every(), train.users(task.store)) if settings.objective.mixup else None
    batches = Batches(train, train.users(task.store), settings.optim.batch, task.seed, settings.people)
    held_users = validation.users(task.store)
    held_batches = Batches(validation, held_users, settings.optim.batch, task.seed, settings.people)
    augment = augmentation(task, model.emg_frontend)

    def partners(chosen: IntArray) -> IntArray:
        return chosen[torch.randperm(len(chosen)).numpy()] if settings.shuffled else chosen

    def loss_at(step: int) -> Tensor:
        chosen = batches.at(step)
        part = distributed.part(len(chosen))
        signal, others = read(train.select(chosen[part.rows])), partners(chosen)
        if neighbours is not None:
            other = read(train.select(drawn(neighbours[chosen])[part.rows]))
            signal = mixed(signal, other, settings.objective.mixup, part)
        signal = augment(signal, part)
        part_draws(part)
        anchor_BSJ = poses.pose(others[part.rows]) if objective.reads_anchor else None
        person_B = torch.from_numpy(person_N[chosen]).to(signal.device) if objective.reads_people else None
        with autocast(task.config):
            loss: Tensor = objective(signal, poses.embed(others, part), anchor_BSJ, person_B, part)
        return loss

    def validate() -> float:
        pairs = []
        for step in range(max(1, VALIDATION_WINDOWS // settings.optim.batch)):
            chosen = held_batches.at(step)
            part = distributed.part(len(chosen))
            signal = read(validation.select(chosen[part.rows]))
            with autocast(task.config):
                emg, anchor_BD = net.embed_emg(signal), held_poses.embed(partners(chosen), part)
            pairs.append((distributed.gathered(emg, part), anchor_BD))
        return calibrated_info_nce(pairs, settings.temperature_min, settings.temperature_max)

    gflop = align_gflop(objective, settings.optim.batch)
    history = fit(
        objective,
        loss_at,
        validate,
        settings.optim,
        seed=task.seed,
        state=task.folder / "state.safetensors",
        key=key,
        progress=progress,
    )
    save_stage(task, key, model, history, gflop=gflop)
    return task.folder / "checkpoint"


def paired(task: Task, role: Role) -> Windows:
    """Return the windows of a role with valid pose; without those that are rest throughout unless so set.

    Of training people, only the share of the recordings that is paired by the settings (``align.pairs``).
    """
    chosen = pairs_of(task.store, task.windows(role, pose=True), task.config.align, role)
    refuse_few_pairs(task.store, chosen, task.config.align, role)
    return chosen


def pairs_of(store: Store, windows: Windows, settings: AlignConfig, role: Role) -> Windows:
    """Return those windows of a role that are paired: see ``paired``."""
    chosen = windows.select(windows.valid_N if settings.rest else windows.valid_N & (windows.label_N != REST))
    share = settings.pairs if role == "train" else 1.0
    return chosen.select(_share(store, chosen, share)) if share < 1 else chosen


def refuse_few_pairs(store: Store, chosen: Windows, settings: AlignConfig, role: Role) -> None:
    """Check that there are windows to pair.

    Raises:
        UserError: there are fewer than two.
    """
    if len(chosen) < 2 and role == "train" and settings.pairs < 1:
        raise UserError(f"{store.path} is too short for align.pairs={settings.pairs:g}; give a larger share")
    if len(chosen) < 2:
        raise UserError(
            f"{store.path}: every {WORDS[role]} window left is rest; declare fewer gestures unseen, or give "
            "--set align.rest=true"
        )


def _share(store: Store, windows: Windows, share: float) -> BoolArray:
    """Tell which windows begin in a piece of the store that is paired: pieces of 10 s, spread evenly."""
    piece_N = windows.start_N // round(PIECE_S * store.frame_rate)
    return np.asarray(np.floor((piece_N + 1) * share + 1e-9) > np.floor(piece_N * share + 1e-9))


def encoder_of(task: Task, path: Path, name: str) -> Encoder:
    """Load the ``emg`` or ``pose`` encoder of a masked autoencoder that was trained under the same split.

    Raises:
        UserError: another kind or device, or another split, so that held-out people could leak.
    """
    model, kind = load(path), f"{name}_mae"
    if model.card.kind != kind or not isinstance(model.net, Encoder):
        raise UserError(f"{path} is a {model.card.kind} checkpoint where one of kind {kind} is needed")
    model.card.refuse_other(task.store)
    if model.card.held_out() != task.split:
        raise UserError(f"{path} was trained under another split of users and gestures; align it under the same one")
    if model.card.encoders[name] != make_card("cpep", task.store, task.split, task.config, task.seed).encoders[name]:
        raise UserError(
            f"{path} has an encoder of other sizes than this run's settings; give the same --preset and --set"
        )
    return model.net
