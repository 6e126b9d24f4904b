"""What every stage of training is given, and what they share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoints.card import Kind, make_card
from cpep.checkpoints.checkpoint import WEIGHTS, Model, save
from cpep.config.schema import Hardware, Precision, RunConfig
from cpep.config.serialise import as_dict, fingerprint
from cpep.data.augment import Augmentation
from cpep.data.frontend import Frontend
from cpep.data.splits import WORDS, Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, Windows, windows_of
from cpep.runtime import distributed
from cpep.runtime.files import read_json, write_json
from cpep.train.schedule import History
from cpep.types import UserError

TRAINING = 4
"""Raised with every change of what training computes (``make golden``), so that no run mixes two of them."""
STATISTICS_WINDOWS = 2048


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
        return enough(self.store, windows, role)

    def key(self, kind: Kind, *inputs: Path) -> str:
        """Return the fingerprint of one stage of this run: settings, people, recordings, and what it starts from.

        Args:
            kind: which stage.
            inputs: checkpoints that it starts from.
        """
        settings = settings_of(self.config, kind)
        weights = [hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest() for path in inputs]
        return fingerprint(TRAINING, settings, self.split, self.store.fingerprint, self.seed, kind, weights)

    def finished(self, key: str) -> bool:
        """Tell whether the folder holds the stage of that key, complete.

        Raises:
            UserError: it holds another stage, or a checkpoint that no stage left there.
        """
        return distributed.on_main_rank(lambda: self._finished(key))

    def _finished(self, key: str) -> bool:
        note, checkpoint = self.folder / "stage.json", self.folder / "checkpoint"
        if note.exists() and read_json(note)["key"] != key:
            raise UserError(
                f"{self.folder} holds a stage of another run, or of another version of cpep; choose another folder"
            )
        if checkpoint.exists() and not note.exists():
            raise UserError(f"{checkpoint} was not made by this command; choose another output folder")
        return note.exists() and checkpoint.exists()


def enough(store: Store, windows: Windows, role: Role) -> Windows:
    """Return windows of a role that are enough to train or to choose on.

    Raises:
        UserError: they are not.
    """
    if len(windows) < 2:
        raise UserError(
            f"{store.path}: no {role} windows are left without unseen gestures and with valid pose; name other "
            "people (--test-users, --val-users), or fewer unseen gestures (--unseen)"
        )
    return windows


def refuse_overlap(store: Store, windows: Windows, role: Role) -> None:
    """Check that two windows can stand in one batch.

    Raises:
        UserError: all of them overlap.
    """
    if np.bincount(windows.phase_N).max() < 2:
        raise UserError(
            f"{store.path}: the few {WORDS[role]} windows that are left overlap; give more people or longer "
            "recordings, or shorten the windows (--set data.window_s)"
        )


def settings_of(config: RunConfig, kind: Kind) -> dict[str, Any]:
    """Return the settings that decide what a stage computes: rows of a table that agree on them share it."""
    plain = as_dict(config)
    parts = {"emg_mae": ("emg", "emg_mae", "augment"), "pose_mae": ("pose", "pose_mae")}
    if kind == "cpep":
        names: tuple[str, ...] = ("emg", "pose", "align", "augment")
    else:  # a baseline may spend the compute of all of CPEP
        names = parts.get(kind, ("emg", "pose", "emg_mae", "pose_mae", "align", "augment", "baselines"))
    if kind in parts:
        del plain["data"]["pose_lag_ms"]
    if kind == "pose_mae":
        del plain["data"]["normalisation"]
    return {name: plain[name] for name in ("threads", "precision", "data", *names)}


def save_stage(task: Task, key: str, model: Model, history: History, *, gflop: float, stopped: str = "steps") -> None:
    """Note which stage this is and what it cost, write the checkpoint, and drop the state.

    Args:
        task: of the stage.
        key: of the stage.
        model: trained.
        history: of its training.
        gflop: floating-point operations of one step, in 10^9.
        stopped: why it ended: ``steps`` (as many as set); ``flat`` (validation); or CPEP's compute was spent,
            with validation past its best (``best``) or still falling (``compute``).
    """
    validation = {step: value for step, _, value in history.points}
    provenance = {
        **model.card.provenance,
        "steps": history.step,
        "kept_step": history.kept_step,
        "validation": validation.get(history.kept_step),
        "parameters": model.parameter_count,
        "gflop": round(gflop * history.step, 3),
        "stopped": stopped,
    }
    model.card = dataclasses.replace(model.card, provenance=provenance)

    def write() -> None:
        write_json(task.folder / "stage.json", {"key": key, "points": history.points, **provenance})
        save(model, task.folder / "checkpoint")
        (task.folder / "state.safetensors").unlink(missing_ok=True)

    distributed.on_main_rank(write)


def build_model(task: Task, kind: Kind) -> Model:
    """Return an untrained model, seeded, with the front end fitted on training users."""
    torch.set_num_threads(distributed.threads(task.config.threads))
    torch.manual_seed(task.seed)
    model = Model(make_card(kind, task.store, task.split, task.config, task.seed))
    if (frontend := model.frontend) is not None:
        distributed.on_main_rank(
            lambda: frontend.fit(task.store, task.split.users_train)
        )  # and writes the bins of the store
        distributed.same(frontend.buffers())
    model.net.to(device_of(task.config.device))
    return model


def device_of(hardware: Hardware) -> torch.device:
    """Return where networks run.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if hardware is Hardware.cuda and not there:
        raise UserError("--set device=cuda: torch finds no GPU here; install its CUDA build, or leave device=auto")
    return torch.device("cuda" if there and hardware is not Hardware.cpu else "cpu")


def autocast(config: RunConfig) -> torch.autocast:
    """Return the number format of a step: bf16 if asked for, or if the processor multiplies it natively."""
    kind, precision = device_of(config.device).type, config.precision
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)  # before Ampere it is slower than fp32
    else:
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    wanted = precision is Precision.bf16 or (precision is Precision.auto and native)
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=wanted)


def augmentation(task: Task, frontend: Frontend) -> Augmentation:
    """Return the EMG augmentation for what this front end returns."""
    settings, device = as_dict(task.config.augment), task.store.device
    return Augmentation(**settings, ring=device.ring, raw=not frontend.bin_samples, channels=device.channels)


def subsample(windows: Windows, count: int) -> Windows:
    """Return at most ``count`` windows, spread evenly."""
    return windows.select(np.unique(np.linspace(0, len(windows) - 1, count).astype(int)))


def emg_signals(task: Task, model: Model) -> Callable[[Windows], Tensor]:
    """Return a function that reads what the EMG network takes."""
    read, device = model.emg_frontend.reader(task.store, frames(task)), model.device
    return lambda windows: read(windows).to(device)


def anchor_signals(task: Task) -> Callable[[Windows], Tensor]:
    """Return a function that reads what the pose encoder takes."""
    read, device = AnchorReader(task.store, frames(task)), device_of(task.config.device)
    return lambda windows: read(windows).to(device)


def frames(task: Task) -> int:
    """Return the frames of a window."""
    return round(task.config.data.window_s * task.store.frame_rate)


def batches_of(windows: Windows, size: int) -> list[Windows]:
    """Cut a list of windows into batches, without a last one that is too small to contrast."""
    count = max(1, len(windows) // size)
    return [windows.select(part) for part in np.array_split(np.arange(len(windows)), count)]
