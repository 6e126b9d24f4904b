"""Operations, memory and reading of the stages of a run, counted on their networks with a few windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.schema import Precision, RunConfig
from cpep.config.serialise import fingerprint
from cpep.data.readers import emg2pose
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device
from cpep.data.resample import frame_ratio
from cpep.data.sampler import Batches
from cpep.data.splits import Split, make_splits
from cpep.data.store.checked_rows import CheckedRows
from cpep.data.store.frames import POWER_BLOCK_S
from cpep.data.store.store import Store, is_store, open_store
from cpep.experiments.pace import seconds_of_step
from cpep.experiments.plan import describe, refuse_impossible_data
from cpep.experiments.rows import StageRun, row_of, rows_for
from cpep.experiments.runs import Request
from cpep.train.flops import saved_bytes, step_kernels
from cpep.train.stage import Trained, budget
from cpep.train.task import Task

WHOLE_S, TRAIN_S = 370.3 * 3600, 250.9 * 3600
"""Seconds of emg2pose and of its training split (arXiv 2412.02725)."""


@dataclass(frozen=True)
class Basis:
    """The data from which the sizes of the networks and the number of windows come.

    Attributes:
        store: a prepared store, or one without recordings.
        splits: one split for each fold.
        known_s: seconds of training people, where the store has no recording; 0 if not known.
        disk: bytes of the store; 0 if not known.
        text: description of the data.
    """

    store: Store
    splits: tuple[Split, ...]
    known_s: float
    disk: float
    text: str

    @property
    def split(self) -> Split:
        """Split of the first fold."""
        return self.splits[0]


@dataclass(frozen=True)
class Cost:
    """Sizes and cost of one stage.

    Attributes:
        name: name of the stage, with the name of the row if the row changes its settings.
        times: how often it is trained: folds times seeds.
        trained: number of parameters that are trained.
        weights: number of all parameters in memory.
        tokens: tokens of a window, [CLS] included; 0 for a network that reads samples.
        batch: windows of a step.
        steps: number of steps; for a baseline the largest number.
        flop: operations of a step.
        kernels: operators that a step calls one after another.
        window_bytes: bytes of activations of one window that are kept for the backward pass.
        signal_bytes: bytes of one window that are read from the store.
        windows: number of different windows that it may draw; 0 if not known.
        cached_bytes: bytes of the pose embeddings of all windows that are kept.
        share: number of windows without overlap over number of windows (hop over length).
        step_s: seconds of a step on this machine.
    """

    name: str
    times: int
    trained: int
    weights: int
    tokens: int
    batch: int
    steps: int
    flop: float
    kernels: int
    window_bytes: float
    signal_bytes: int
    windows: int
    cached_bytes: int
    share: float
    step_s: float

    def memory(self, gpus: int) -> float:
        """Return bytes a GPU: weights and their best copy, gradients and two moments in fp32, casts, activations."""
        static = 8 * self.weights + 12 * self.trained + 2 * self.trained
        return static + (self.window_bytes + self.signal_bytes) * self.batch / gpus + self.cached_bytes / gpus

    def hours(self, gpus: int, rate: float) -> float:
        """Return the hours of all its trainings, with ``rate`` operations a second on each GPU."""
        return self.times * self.steps * self.flop / rate / gpus / 3600

    def reading(self, rate: float) -> float:
        """Return the bytes a second that a GPU reads with ``rate`` operations a second."""
        return self.signal_bytes * self.batch * rate / self.flop

    @property
    def read(self) -> float:
        """Bytes that all its trainings read from the store."""
        return float(self.times * self.steps * self.batch * self.signal_bytes)

    @property
    def passes(self) -> float:
        """How often training sees every second of its recordings; 0 if not known."""
        return self.steps * self.batch / (self.windows * self.share) if self.windows else 0.0


def basis_of(request: Request, data: Path | None) -> Basis:
    """Return the basis from a store, from the first recording of a folder, or from emg2pose's paper; writes nothing.

    Raises:
        UserError: there are no recordings, or people and gestures cannot be divided as asked.
    """
    seen = Split(("train",), ("val",), ("test",), (1, 2, 3, 4), (5, 6, 7, 8), request.config.data.guard_s)
    if data is None:
        store = _without_recordings(Path("emg2pose"), emg2pose.DEVICE)
        text = "no --data: the sizes of emg2pose, 370.3 h, of which all of 250.9 h train: no window is left out for "
        text += "rest,\nlost pose or an unseen gesture"
        return Basis(store, (seen,), TRAIN_S, WHOLE_S * bytes_a_second(store), text)
    if is_store(data):
        store = open_store(data)
        asked = {"test_users": request.test_users, "val_users": request.val_users, "unseen": request.unseen}
        splits = tuple(make_splits(store, folds=request.folds, guard_s=seen.guard_s, **asked))
        text = f"{data}: windows of fold 0\n{describe(store, splits, request.config)}"
        return Basis(store, splits, 0.0, sum(file.stat().st_size for file in data.iterdir()), text)
    sources = find_recordings(data)
    store = _without_recordings(data, sources[0].parts()[0].device)
    text = (
        f"{data}: {len(sources)} recordings, not prepared: sizes are those of {sources[0].name}, hours are not known"
    )
    return Basis(store, (seen,), 0.0, 0.0, f"{text} (give a prepared store)")


def _without_recordings(path: Path, device: Device) -> Store:
    ratio = frame_ratio(device.emg_rate)
    columns = len(device.anchor_names)
    number, truth = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return Store(
        path=path,
        name=path.name,
        device=device,
        vocabulary=("rest", *(str(label) for label in range(1, 9))),
        frame_rate=device.emg_rate / ratio,
        ratio=ratio,
        entries=(),
        emg_TC=CheckedRows(np.zeros((0, device.channels), np.float32)),
        anchor_MJ=CheckedRows(np.zeros((0, columns), np.float32)) if columns else None,
        valid_M=truth,
        label_M=number,
        prompt_M=number,
        repetition_M=number,
        power_KC=np.zeros((0, device.channels), np.float32),
        power_block_s=POWER_BLOCK_S,
        fingerprint="",
    )


def bytes_a_second(store: Store) -> float:
    """Return the bytes of a second of recording in a store (``cpep.data.store.store``)."""
    channels, joints = store.device.channels, len(store.device.anchor_names)
    frame = 4 * joints + 1 + 3 * 2  # pose; valid; label, prompt and repetition
    return 4 * channels * (store.device.emg_rate + 1 / POWER_BLOCK_S) + frame * store.frame_rate


def costs_of(request: Request, basis: Basis) -> list[Cost]:
    """Return the cost of every stage that the asked rows need, each once, in the order of training.

    Raises:
        UserError: a network cannot be built from the settings, or the recordings cannot be trained or tested on.
    """

    def costs(config: RunConfig) -> dict[str, float]:
        return budget(basis.store, basis.split, config)

    found: dict[str, Cost] = {}
    times = len(request.seeds) * max(1, request.folds)
    names, _ = rows_for(request.models, basis.store, request.config)
    rows = [row_of(name, request.config, costs) for name in names]
    if basis.store.entries:
        refuse_impossible_data(basis.store, basis.splits, request.config, rows)
    for row in rows:
        for one in row.chain():
            if (key := fingerprint(one.name, one.settings)) not in found:
                own = one.folder(request.config) == one.name
                found[key] = _cost(one, one.name if own else f"{one.name} of {row.name}", times, basis)
    return list(found.values())


def _cost(run: StageRun, name: str, times: int, basis: Basis) -> Cost:
    """Return the cost of one stage, counted on its network."""
    config, stage = run.config, run.stage
    optim = stage.optim(config)
    with torch.random.fork_rng(devices=[]):
        trained = stage.trained(
            Model(make_card(stage.model, basis.store, basis.split, config, 0)), config, basis.split
        )
        trained.net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision is not Precision.fp32):
            kept, kernels = saved_bytes(trained.total_of), step_kernels(trained.total_of)
        gflop = trained.gflop(optim.batch)
    windows, drawn = _windows(run, basis)
    return Cost(
        name=name,
        times=times,
        trained=sum(p.numel() for p in trained.net.parameters() if p.requires_grad),
        weights=sum(p.numel() for p in trained.net.parameters()),
        tokens=trained.tokens,
        batch=optim.batch,
        steps=stage.steps(basis.store, basis.split, config, gflop),
        flop=1e9 * gflop,
        kernels=kernels,
        window_bytes=kept,
        signal_bytes=_signal_bytes(trained, config, basis.store),
        windows=windows,
        cached_bytes=4 * windows * trained.kept_values,
        share=config.data.hop_s / config.data.window_s,
        step_s=seconds_of_step(run, basis.store, basis.split, drawn),
    )


def _signal_bytes(trained: Trained, config: RunConfig, store: Store) -> int:
    """Return the bytes that a step reads from a store for one window."""
    device = store.device
    emg = trained.reads_emg * device.emg_rate * device.channels
    anchor = trained.reads_anchor * store.frame_rate * len(device.anchor_names)
    return round(4 * config.data.window_s * (emg + anchor))


def _windows(run: StageRun, basis: Basis) -> tuple[int, int]:
    """Return how many windows a stage may draw (0 if not known), and how many a step draws."""
    batch = run.stage.optim(run.config).batch
    if not basis.store.entries:
        return int(basis.known_s / run.config.data.hop_s), batch
    task = Task(basis.store, basis.split, run.stage.applied(run.config), 0, Path())
    windows = run.stage.windows(task, "train")
    return len(windows), len(Batches(windows, windows.users(basis.store), batch, 0).at(0))
