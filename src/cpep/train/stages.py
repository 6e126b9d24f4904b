"""The stages of CPEP: what each one trains, on which windows, judged how."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoint import WEIGHTS, Card, Kind, Model, load, make_card, save
from cpep.configs import MaeConfig, Precision, RunConfig, as_dict, fingerprint
from cpep.data.frontend import Frontend
from cpep.data.splits import Role, Split
from cpep.data.store import Store
from cpep.data.transforms import Augmentation
from cpep.data.windows import Batches, PoseReader, Windows, windows_of
from cpep.files import read_json, write_json
from cpep.losses import calibrated_info_nce
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.models.mae import MaskedAutoencoder
from cpep.train.loop import History, fit
from cpep.types import IntArray, Progress, UserError, no_progress

TRAINING = 2
"""Raised with every change of what training computes (``make golden``), so that no run mixes two of them."""
STATISTICS_WINDOWS = 2048
VALIDATION_WINDOWS = 2048


@dataclass(frozen=True)
class Task:
    """What every stage is given.

    Attributes:
        store: prepared recordings.
        split: held-out users and unseen gestures.
        config: settings.
        seed: of the run.
        folder: where the checkpoint goes; it also holds the state of an unfinished run.
    """

    store: Store
    split: Split
    config: RunConfig
    seed: int
    folder: Path

    def windows(self, role: Role, *, pose: bool) -> Windows:
        """Return the windows that a stage may use for a role, checked against leaks."""
        windows = windows_of(self.store, self.config.data)
        windows = self.split.allowed(self.store, windows, role)
        if pose:
            windows = windows.select(windows.valid_N)
        self.split.refuse_leak(self.store, windows, role)
        if len(windows) < 2:
            raise UserError(
                f"{self.store.path}: no {role} windows are left without unseen gestures and with valid pose"
            )
        return windows

    def key(self, kind: str, *inputs: Path) -> str:
        """Return the fingerprint of one stage of this run: settings, people, recordings, and what it starts from.

        Args:
            kind: which stage.
            inputs: checkpoints that it starts from.
        """
        config = dataclasses.replace(self.config, evaluate=type(self.config.evaluate)())
        weights = [hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest() for path in inputs]
        return fingerprint(TRAINING, config, self.split, self.store.fingerprint, self.seed, kind, weights)

    def finished(self, key: str) -> bool:
        """Tell whether the folder holds the stage of that key, complete.

        Raises:
            UserError: it holds another stage, or a checkpoint that no stage left there.
        """
        note, checkpoint = self.folder / "stage.json", self.folder / "checkpoint"
        if note.exists() and read_json(note)["key"] != key:
            raise UserError(f"{self.folder} holds a stage of another run; choose another output folder")
        if checkpoint.exists() and not note.exists():
            raise UserError(f"{checkpoint} was not made by this command; choose another output folder")
        return note.exists() and checkpoint.exists()


def finish(task: Task, key: str, model: Model, history: History) -> None:
    """Note which stage this is, write the checkpoint, and drop the state."""
    validation = {step: value for step, _, value in history.points}
    provenance = {
        **model.card.provenance,
        "steps": history.step,
        "kept_step": history.kept_step,
        "validation": validation.get(history.kept_step),
    }
    model.card = dataclasses.replace(model.card, provenance=provenance)
    write_json(task.folder / "stage.json", {"key": key, "points": history.points, **provenance})
    save(model, task.folder / "checkpoint")
    (task.folder / "state.safetensors").unlink(missing_ok=True)


def begin(task: Task, kind: Kind) -> tuple[Model, Card]:
    """Return an untrained model, seeded, with the front end fitted on training users."""
    torch.set_num_threads(task.config.threads)
    torch.manual_seed(task.seed)
    card = make_card(kind, task.store, task.split, task.config, task.seed)
    model = Model(card)
    if model.frontend is not None:
        model.frontend.fit(task.store, task.split.users_train)
    return model, card


def autocast(precision: Precision) -> torch.autocast:
    """Return the number format of a step: bf16 if asked for, or if the processor multiplies it natively."""
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    wanted = precision is Precision.bf16 or (precision is Precision.auto and native)
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=wanted)


def augmentation(task: Task, frontend: Frontend) -> Augmentation:
    """Return the EMG augmentation for what this front end returns."""
    settings, device = as_dict(task.config.align.augment), task.store.device
    return Augmentation(**settings, ring=device.ring, raw=not frontend.bin_samples, channels=device.channels)


def evenly(windows: Windows, count: int) -> Windows:
    """Return at most ``count`` windows, spread evenly."""
    return windows.select(np.unique(np.linspace(0, len(windows) - 1, count).astype(int)))


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
    model, _ = begin(task, kind)
    assert isinstance(model.net, Encoder)
    encoder = model.net
    mae = MaskedAutoencoder(encoder, settings.mask, settings.decoder_depth, getattr(task.config, modality).heads)
    train, validation = (task.windows(role, pose=modality == "pose") for role in ("train", "val"))
    read = emg_signals(task, model) if modality == "emg" else pose_signals(task)
    encoder.tokeniser.fit(read(evenly(train, STATISTICS_WINDOWS)))
    batches = Batches(train, train.users(task.store), settings.optim.batch, task.seed)
    augment = augmentation(task, model.frontend) if model.frontend is not None and settings.augment else None
    held = evenly(validation, VALIDATION_WINDOWS)

    def loss_at(step: int) -> Tensor:
        signal = read(train.select(batches.at(step)))
        with autocast(task.config.precision):
            loss: Tensor = mae(augment(signal) if augment else signal)
        return loss

    def validate() -> float:
        generator = torch.Generator().manual_seed(task.seed)
        losses = []
        for part in chunks(held, settings.optim.batch):
            with autocast(task.config.precision):
                losses.append(float(mae(read(part), generator)) * len(part))
        return sum(losses) / len(held)

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
    finish(task, key, model, history)
    return task.folder / "checkpoint"


def emg_signals(task: Task, model: Model) -> Callable[[Windows], Tensor]:
    """Return a function that reads what the EMG encoder takes."""
    frontend, _ = model.emg_side()
    return frontend.reader(task.store, frames(task))


def pose_signals(task: Task) -> Callable[[Windows], Tensor]:
    """Return a function that reads what the pose encoder takes."""
    return PoseReader(task.store, frames(task))


def frames(task: Task) -> int:
    """Return the frames of a window."""
    return round(task.config.data.window_s * task.store.frame_rate)


def chunks(windows: Windows, size: int) -> list[Windows]:
    """Cut a list of windows into batches, without a last one that is too small to contrast."""
    count = max(1, len(windows) // size)
    return [windows.select(part) for part in np.array_split(np.arange(len(windows)), count)]


def align(task: Task, emg: Path, pose: Path, *, shuffled: bool = False, progress: Progress = no_progress) -> Path:
    """Align the EMG encoder to the frozen pose encoder and return the checkpoint (CPEP section 2).

    Args:
        task: store, split, settings, folder.
        emg: checkpoint of the EMG masked autoencoder.
        pose: checkpoint of the pose masked autoencoder.
        shuffled: deal the poses of every batch anew to its EMG windows: the control that must be at chance.
            One lasting shuffle would be an arbitrary map between gestures, learnt in part and right by luck.
        progress: called with windows done and in all.

    Raises:
        UserError: a checkpoint of another kind, device or split.
    """
    kind = "cpep/shuffled_pairs" if shuffled else "cpep"
    sides = encoder_of(task, emg, "emg_mae"), encoder_of(task, pose, "pose_mae")
    key = task.key(kind, emg, pose)
    if task.finished(key):
        return task.folder / "checkpoint"
    settings = task.config.align
    model, _ = begin(task, "cpep")
    assert isinstance(model.net, Cpep)
    net = model.net
    net.emg.load_state_dict(sides[0].state_dict())
    net.pose.load_state_dict(sides[1].state_dict())
    train, validation = (_paired(task, role) for role in ("train", "val"))
    read, (frontend, _) = emg_signals(task, model), model.emg_side()
    pose_ND, held_pose_ND = (_embedded_pose(task, model, windows) for windows in (train, validation))
    batches = Batches(train, train.users(task.store), settings.optim.batch, task.seed, settings.people)
    held_users = validation.users(task.store)
    held_batches = Batches(validation, held_users, settings.optim.batch, task.seed, settings.people)
    augment = augmentation(task, frontend)

    def partners(chosen: IntArray) -> Tensor:
        order = torch.randperm(len(chosen)) if shuffled else torch.arange(len(chosen))
        return torch.from_numpy(chosen)[order]

    def loss_at(step: int) -> Tensor:
        chosen = batches.at(step)
        signal = augment(read(train.select(chosen)))
        with autocast(task.config.precision):
            loss: Tensor = net(signal, pose_ND[partners(chosen)])
        return loss

    def validate() -> float:
        pairs = []
        for step in range(max(1, VALIDATION_WINDOWS // settings.optim.batch)):
            chosen = held_batches.at(step)
            signal = read(validation.select(chosen))
            with autocast(task.config.precision):
                pairs.append((net.embed_emg(signal), held_pose_ND[partners(chosen)]))
        return calibrated_info_nce(pairs, settings.temperature_min, settings.temperature_max)

    history = fit(
        net,
        loss_at,
        validate,
        settings.optim,
        seed=task.seed,
        state=task.folder / "state.safetensors",
        key=key,
        progress=progress,
    )
    finish(task, key, model, history)
    return task.folder / "checkpoint"


def _paired(task: Task, role: Role) -> Windows:
    """Return the windows of a role with valid pose; without those that are rest throughout if so set."""
    windows = task.windows(role, pose=True)
    chosen = windows if task.config.align.rest else windows.select(windows.label_N != 0)
    if len(chosen) < 2:
        raise UserError(
            f"{task.store.path}: every {role} window left is rest; declare fewer gestures unseen, or give "
            "--set align.rest=true"
        )
    return chosen


def encoder_of(task: Task, path: Path, kind: Kind) -> Encoder:
    """Load the encoder of a masked autoencoder that was trained under the same split.

    Raises:
        UserError: another kind or device, or another split, so that held-out people could leak.
    """
    model = load(path)
    if model.card.kind != kind or not isinstance(model.net, Encoder):
        raise UserError(f"{path} is a {model.card.kind} checkpoint where one of kind {kind} is needed")
    model.card.refuse_other(task.store)
    if model.card.held_out() != task.split:
        raise UserError(f"{path} was trained under another split of users and gestures; align it under the same one")
    name = kind.removesuffix("_mae")
    if model.card.encoders[name] != make_card("cpep", task.store, task.split, task.config, task.seed).encoders[name]:
        raise UserError(
            f"{path} has an encoder of other sizes than this run's settings; give the same --preset and --set"
        )
    return model.net


@torch.no_grad()
def _embedded_pose(task: Task, model: Model, windows: Windows) -> Tensor:
    """Embed the pose of all windows once: the encoder is frozen and its input is not augmented."""
    assert isinstance(model.net, Cpep)
    read = pose_signals(task)
    parts = []
    for part in chunks(windows, 512):
        with autocast(task.config.precision):
            parts.append(model.net.embed_pose(read(part)))
    return torch.cat(parts)
