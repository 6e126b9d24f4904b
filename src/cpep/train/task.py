"""The task that every stage of training is given, and functions that stages share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import WEIGHTS, Model, save
from cpep.checkpoints.registry import make_card
from cpep.config.schema import AlignConfig, Hardware, Precision, RunConfig
from cpep.config.serialise import as_dict, fingerprint
from cpep.data.anchor_view import ViewedAnchor
from cpep.data.augment import Augmentation
from cpep.data.frontend import Frontend
from cpep.data.sampler import Batches
from cpep.data.splits import WORDS, Role, Split
from cpep.data.store.noted import noted
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, WindowReader, Windows, windows_of
from cpep.runtime import distributed
from cpep.train.note import NAME, read_note, write_note
from cpep.train.schedule import History
from cpep.types import REST, BoolArray, UserError

TRAINING = 6
"""Version of what training computes (``make golden``). Raise it with every change, so that no run mixes versions."""
STATE = "state.safetensors"
"""Name of the file of an unfinished stage."""
STATISTICS_WINDOWS = 2048
"""Training windows that statistics are fitted on."""
VALIDATION_WINDOWS = 2048
RANGE_WINDOWS, RANGE = 512, (1, 99)
"""Training windows, and percentiles of each column of their anchor, that a card gives as its range."""
PAIRED: tuple[Role, ...] = ("train", "val")
"""Roles of the people whose EMG and anchors are paired."""
PIECE_S = 10.0
"""Length of the pieces of a store of which a share is paired, seconds."""


@dataclass(frozen=True)
class Task:
    """The input of every stage of training.

    Attributes:
        store: prepared recordings.
        split: held-out people and unseen gestures.
        config: settings.
        seed: seed of the run.
        folder: where the checkpoint goes; it also holds the state of an unfinished run.
    """

    store: Store
    split: Split
    config: RunConfig
    seed: int
    folder: Path

    def windows(self, role: Role, *, anchored: bool) -> Windows:
        """Return the windows that a stage may use for a role, checked against leaks.

        Args:
            role: training or validation.
            anchored: whether only windows with valid anchors are returned.
        """
        windows = windows_of(self.store, self.config.data)
        windows = self.split.allowed(self.store, windows, role)
        if anchored:
            windows = windows.select(windows.valid_N)
        self.split.refuse_leak(self.store, windows, role)
        self.store.let_go()
        return enough(self.store, windows, role)

    def key(self, stage: str, settings: dict[str, Any], *inputs: Path) -> str:
        """Return the fingerprint of one stage of this run: settings, people, recordings, and checkpoints before it.

        Args:
            stage: its name.
            settings: settings on which its result depends.
            inputs: checkpoints that it starts from.
        """
        weights = [hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest() for path in inputs]
        return fingerprint(TRAINING, settings, self.split, self.store.fingerprint, self.seed, stage, weights)

    def finished(self, key: str) -> bool:
        """Tell whether the folder holds the complete stage of that key.

        Raises:
            UserError: it holds another stage, or a checkpoint that no stage wrote.
        """
        return distributed.on_main_rank(lambda: self._finished(key))

    def _finished(self, key: str) -> bool:
        note, checkpoint = self.folder / NAME, self.folder / "checkpoint"
        if note.exists() and read_note(self.folder).key != key:
            raise UserError(
                f"{self.folder} holds a stage of another run, or of another version of cpep; choose another folder"
            )
        if checkpoint.exists() and not note.exists():
            raise UserError(f"{checkpoint} was not made by this command; choose another output folder")
        complete = note.exists() and checkpoint.exists()
        if complete:
            (self.folder / STATE).unlink(missing_ok=True)  # a kill came before it was removed
        return complete


def enough(store: Store, windows: Windows, role: Role) -> Windows:
    """Check that the windows of a role are enough to train or to choose on, and return them.

    Raises:
        UserError: there are fewer than two.
    """
    if len(windows) < 2:
        with_pose = "" if store.anchor_MJ is None else " and with valid pose"
        raise UserError(
            f"{store.path}: no {role} windows are left without unseen gestures{with_pose}; name other "
            "people (--test-users, --val-users), or fewer unseen gestures (--unseen)"
        )
    return windows


def refuse_overlap(store: Store, windows: Windows, role: Role) -> None:
    """Check that two windows that do not overlap can be in one batch.

    Raises:
        UserError: all of them overlap.
    """
    if np.bincount(windows.phase_N).max() < 2:
        raise UserError(
            f"{store.path}: the few {WORDS[role]} windows that are left overlap; give more people or longer "
            "recordings, or shorten the windows (--set data.window_s)"
        )


def save_stage(
    task: Task,
    key: str,
    model: Model,
    history: History,
    *,
    gflop: float,
    stopped: str = "steps",
    spent: int = 0,
    chosen: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write ``stage.json`` and the checkpoint of a finished stage, and delete its state.

    Args:
        task: task of the stage.
        key: fingerprint of the stage.
        model: the trained model.
        history: steps and losses.
        gflop: floating-point operations of one step, in 10^9.
        stopped: why it ended: ``flat`` after a plateau of validation; ``best``, since validation had passed its
            lowest loss; ``compute``, since CPEP's operations were spent; or ``steps``, as many as set.
        spent: steps of short trainings before, by which something was chosen; their operations are counted.
        chosen: what was chosen.
    """
    validation = {step: value for step, _, value in history.points}
    provenance = {
        **model.card.provenance,
        "steps": history.step,
        "kept_step": history.kept_step,
        "validation": validation.get(history.kept_step),
        "parameters": model.parameter_count,
        "gflop": round(gflop * (spent + history.step), 3),
        "stopped": stopped,
        **chosen,
    }
    posed = model.spec.reads_anchor and task.store.anchor_MJ is not None  # fine-tuning may be by labels alone
    found = anchor_range(task) if posed else []
    met = noted(task.store, (*task.split.users_train, *task.split.users_val))
    noting = {**provenance, "recordings": sorted({*met, *provenance.get("recordings", ())})}
    model.card = dataclasses.replace(model.card, provenance=noting, anchor_range=found)

    def write() -> None:
        write_note(task.folder, {"key": key, "points": history.points, **provenance})
        save(model, task.folder / "checkpoint")
        (task.folder / STATE).unlink(missing_ok=True)

    distributed.on_main_rank(write)


def anchor_range(task: Task) -> list[list[float]]:
    """Return low and high, the 1st and 99th percentile, of each column of the anchor, in windows that may train."""
    some = subsample(task.windows("train", anchored=True), RANGE_WINDOWS)
    anchor_BSJ = AnchorReader(task.store, some.frames)(some).numpy()
    low_J, high_J = np.percentile(anchor_BSJ.reshape(-1, anchor_BSJ.shape[2]), RANGE, axis=0)
    return [[round(float(low), 4), round(float(high), 4)] for low, high in zip(low_J, high_J, strict=True)]


def build_model(task: Task, kind: str) -> Model:
    """Return an untrained model, seeded, with the front end fitted on training people."""
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
    """Return the device on which networks run.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if hardware is Hardware.cuda and not there:
        raise UserError("--set device=cuda: torch finds no GPU here; install its CUDA build, or leave device=auto")
    return torch.device("cuda" if there and hardware is not Hardware.cpu else "cpu")


def autocast(config: RunConfig) -> torch.autocast:
    """Return the number format of a step: bf16 if it is set, or if the hardware multiplies it natively."""
    kind, precision = device_of(config.device).type, config.precision
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)  # before Ampere it is slower than fp32
    else:
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    wanted = precision is Precision.bf16 or (precision is Precision.auto and native)
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=wanted)


def augmentation(task: Task, frontend: Frontend) -> Augmentation:
    """Return the EMG augmentation for the output of a front end.

    Args:
        task: whose settings and device it follows.
        frontend: of the model that is trained.
    """
    settings, device = as_dict(task.config.augment), task.store.device
    return Augmentation(**settings, ring=device.ring, raw=not frontend.bin_samples, channels=device.channels)


def subsample(windows: Windows, count: int) -> Windows:
    """Return at most ``count`` windows, at equal distances in the list."""
    return windows.select(np.unique(np.linspace(0, len(windows) - 1, count).astype(int)))


class Signals:
    """Reads the input of a network, on its device.

    Args:
        read: from the store.
        after: what is made of it, on the device.
    """

    def __init__(self, read: WindowReader, after: Callable[[Tensor], Tensor]) -> None:
        self.read, self.after = read, after

    def __call__(self, windows: Windows) -> Tensor:
        """Return the input of the network, (B, ...)."""
        return self.after(self.read(windows))

    def of_step(self, windows: Windows, batches: Batches, step: int) -> None:
        """Ask the system for what this rank reads at a step that comes soon, so that the step waits for no disk."""
        chosen = batches.ahead(step)
        self.read.ahead(windows.select(chosen[distributed.part(len(chosen)).rows]))


def emg_signals(task: Task, model: Model) -> Signals:
    """Return what reads the input of the EMG network, on its device.

    Args:
        task: whose store is read.
        model: whose front end reads it.
    """
    read, device = model.emg_frontend.reader(task.store, frames(task)), model.device
    return Signals(read, lambda signal: signal.to(device))


def anchor_signals(task: Task) -> Signals:
    """Return what reads the input of the anchor's encoder, on its device."""
    read, device = AnchorReader(task.store, frames(task)), device_of(task.config.device)
    view = ViewedAnchor(task.store.device.anchor, task.config.data.anchor_view, task.store.frame_rate)
    return Signals(read, lambda anchor_BSJ: view(anchor_BSJ).to(device))


def frames(task: Task) -> int:
    """Return the frames of a window."""
    return round(task.config.data.window_s * task.store.frame_rate)


def batches_of(windows: Windows, size: int) -> list[Windows]:
    """Cut a list of windows into batches, without a last one that is too small to contrast."""
    count = max(1, len(windows) // size)
    return [windows.select(part) for part in np.array_split(np.arange(len(windows)), count)]


def paired(task: Task, role: Role) -> Windows:
    """Return the windows of a role with valid anchors; windows of rest throughout only where ``align.rest`` is set.

    Of training people, only the share ``align.pairs`` of the recordings is paired.

    Raises:
        UserError: there are fewer than two.
    """
    chosen = pairs_of(task.store, task.windows(role, anchored=True), task.config.align, role)
    refuse_few_pairs(task.store, chosen, task.config.align, role)
    return chosen


def pairs_of(store: Store, windows: Windows, settings: AlignConfig, role: Role) -> Windows:
    """Return the windows of a role that are paired: see ``paired``."""
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
    """Tell which windows begin in a paired piece of the store: pieces of 10 s, at equal distances."""
    piece_N = windows.start_N // round(PIECE_S * store.frame_rate)
    return np.asarray(np.floor((piece_N + 1) * share + 1e-9) > np.floor(piece_N * share + 1e-9))
