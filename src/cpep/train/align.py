"""Alignment of EMG to the anchor (CPEP section 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.sampler import Batches
from cpep.data.splits import Role, Split
from cpep.data.windows import Windows
from cpep.models.cpep import Cpep
from cpep.models.losses import calibrated_info_nce
from cpep.runtime import distributed, memory
from cpep.train.lasting import Lasting
from cpep.train.neighbours import drawn, mixed, neighbours_of
from cpep.train.rng import part_draws
from cpep.train.running import run
from cpep.train.stage import STAGES, Lesson, Stage, Trained
from cpep.train.task import (
    STATISTICS_WINDOWS,
    VALIDATION_WINDOWS,
    Task,
    anchor_signals,
    augmentation,
    autocast,
    batches_of,
    emg_signals,
    paired,
    subsample,
)
from cpep.train.terms.objective import Objective
from cpep.train.terms.term import Known
from cpep.types import IntArray, Note, Progress, no_note, no_progress

Read = Callable[[Windows], Tensor]
CLUSTERED = 20_000
"""Communities are found among at most this many anchors, at equal distances in the list of windows."""


class AlignStage(Stage):
    """Aligns the EMG encoder to the anchor's encoder.

    With ``align.shuffled`` the anchors of every batch are shuffled anew among its EMG windows: the control that must
    be at chance. A single shuffle for the whole training would be a map that can be learnt, and right by luck.
    """

    sections = ("emg", "pose", "align", "augment")
    needs_anchor = True

    def starts(self, config: RunConfig) -> tuple[str, ...]:
        """Name the masked autoencoders that the settings start from."""
        used = {"emg_mae": config.align.start_emg, "pose_mae": config.align.start_pose}
        return tuple(name for name, is_used in used.items() if is_used)

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return ``align.optim``."""
        return config.align.optim

    def windows(self, task: Task, role: Role) -> Windows:
        """Return windows with valid anchors; see ``paired``."""
        return paired(task, role)

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the objective built without data; only the parts whose size depends on people are smaller."""
        return costed(Objective(cast(Cpep, model.net), config.align))

    def begin(self, net: Cpep, task: Task, train: Windows, starts: Mapping[str, Model], read: Read) -> None:
        """Start both encoders from checkpoints, or from statistics of training windows."""
        for name, encoder, signals in (("emg_mae", net.emg, read), ("pose_mae", net.anchor, anchor_signals(task))):
            if name in starts:
                encoder.load_state_dict(starts[name].net.state_dict())
            else:
                encoder.fit(signals(subsample(train, STATISTICS_WINDOWS)))
        if net.former is not None and task.config.align.start_pose:
            net.former.start_from(net.anchor)

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Start both encoders from checkpoints or training statistics, and return the loss on batches of pairs."""
        settings, net = task.config.align, cast(Cpep, model.net)
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        read = emg_signals(task, model)
        self.begin(net, task, train, starts, read)
        anchors, held_anchors = (AnchorSide(task, net, windows) for windows in (train, validation))
        people, person_N = np.unique(train.users(task.store), return_inverse=True)
        centres = cache(lambda: communities(anchors, settings.objective.communities, task.seed))
        objective = Objective(net, settings, Known(len(people), centres)).to(model.device)
        mixup = settings.objective.mixup
        neighbours = neighbours_of(anchors.every(), train.users(task.store)) if mixup else None
        batches, held_batches = (
            Batches(windows, windows.users(task.store), settings.optim.batch, task.seed, settings.people)
            for windows in (train, validation)
        )
        augment = augmentation(task, model.emg_frontend)

        def partners(chosen: IntArray) -> IntArray:
            return chosen[torch.randperm(len(chosen)).numpy()] if settings.shuffled else chosen

        def loss_at(step: int) -> Tensor:
            chosen = batches.at(step)
            part = distributed.part(len(chosen))
            signal, others = read(train.select(chosen[part.rows])), partners(chosen)
            read.of_step(train, batches, step + 1)
            if neighbours is not None:
                other = read(train.select(drawn(neighbours[chosen])[part.rows]))
                signal = mixed(signal, other, mixup, part)
            signal = augment(signal, part)
            part_draws(part)
            anchor_BSJ = anchors.windows_of(others[part.rows]) if objective.reads_anchor else None
            person_B = torch.from_numpy(person_N[chosen]).to(signal.device) if objective.reads_people else None
            with autocast(task.config):
                loss: Tensor = objective(signal, anchors.embed(others, part), anchor_BSJ, person_B, part)
            return loss

        def validate() -> float:
            pairs = []
            for step in range(max(1, VALIDATION_WINDOWS // settings.optim.batch)):
                chosen = held_batches.at(step)
                part = distributed.part(len(chosen))
                signal = read(validation.select(chosen[part.rows]))
                with autocast(task.config):
                    emg, anchor_BD = net.embed_emg(signal), held_anchors.embed(partners(chosen), part)
                pairs.append((distributed.gathered(emg, part), anchor_BD))
            return calibrated_info_nce(pairs, settings.temperature_min, settings.temperature_max)

        return Lesson(costed(objective), loss_at, validate)


STAGES.add("cpep", AlignStage("cpep"))


def align(
    task: Task, emg: Path | None, pose: Path | None, progress: Progress = no_progress, note: Note = no_note
) -> Path:
    """Align the EMG encoder to the anchor's encoder and return the checkpoint; see ``running.run``.

    Args:
        task: store, split, settings, folder.
        emg: checkpoint of the EMG masked autoencoder; without it, or with ``align.start_emg=false``, the encoder
            starts from random weights.
        pose: checkpoint of the anchor's masked autoencoder, likewise.
        progress: called with windows done and in all.
        note: called with the losses at every check.
    """
    starts = {name: path for name, path in (("emg_mae", emg), ("pose_mae", pose)) if path}
    return run(STAGES.get("cpep"), task, starts, progress, note)


def costed(objective: Objective) -> Trained:
    """Return an objective with the cost of a step.

    The count includes the embedding of EMG, the losses of each window by itself, and the anchor's encoder where it
    is trained. The losses between windows are not counted.
    """
    net = objective.net
    emg, anchor, device = net.emg, net.anchor, net.log_temperature.device

    def total_of(count: int) -> Tensor:
        signal = torch.zeros(count, emg.steps, emg.columns, device=device)
        anchor_BSJ = torch.zeros(count, anchor.steps, anchor.columns, device=device)
        embedding, terms = objective.embed(signal, anchor_BSJ)
        total = embedding.sum() + terms
        return total + net.embed_anchor(anchor_BSJ).sum() if net.train_pose else total

    return Trained(
        objective,
        total_of,
        emg.tokens + 1,
        reads_anchor=objective.reads_anchor or net.train_pose,
        kept_values=0 if net.train_pose else net.anchor.width,
    )


class AnchorSide:
    """Anchors of a list of windows; embedded once where the encoder is frozen, since its input is not augmented.

    Each rank embeds and holds its own part of the list, on disk where it is long (``Lasting``): 250 hours with a hop
    of 0.25 s are 3.6 million windows, or 3.7 GB in all. A batch may hold any windows; their embeddings come from the
    ranks that hold them, 256 kB a step.

    Args:
        task: store and settings.
        net: the pair of encoders; its anchor encoder embeds the anchors.
        windows: the windows.
    """

    def __init__(self, task: Task, net: Cpep, windows: Windows) -> None:
        self.windows, self.net = windows, net
        self.read: Callable[[Windows], Tensor] = anchor_signals(task)
        self.part = distributed.part(len(windows))
        self._own = None if net.train_pose else self._embedded(task)

    def every(self) -> Tensor:
        """Return embeddings (N, D) of all windows, of all ranks."""
        return distributed.gathered(self._lasting.rows_ND, self.part)

    def embed(self, chosen: IntArray, part: distributed.Part) -> Tensor:
        """Return embeddings (B, D) of windows by their positions in the list; ``part`` is the part of this rank."""
        if self._own is None:
            return distributed.gathered(self.net.embed_anchor(self.windows_of(chosen[part.rows])), part)
        return self.lasting(chosen)

    def lasting(self, chosen: IntArray) -> Tensor:
        """Return the lasting embeddings (B, D) of windows by their positions in the list."""
        return distributed.rows_of(self._lasting.take, self.part, torch.from_numpy(chosen))

    @property
    def _lasting(self) -> Lasting:
        assert self._own is not None, "the anchor encoder is trained: there are no lasting embeddings"
        return self._own

    def windows_of(self, chosen: IntArray) -> Tensor:
        """Return the anchors (B, S, J) of windows by their positions in the list."""
        return self.read(self.windows.select(chosen))

    @torch.no_grad()
    def _embedded(self, task: Task) -> Lasting:
        def of(some: Windows) -> Tensor:
            with autocast(task.config):
                return self.net.embed_anchor(self.read(some))

        own = self.windows.select(np.arange(self.part.start, self.part.stop))
        with memory.kept():
            return Lasting(map(of, batches_of(own, 512)), len(own), task.folder)


def communities(side: AnchorSide, count: int, seed: int) -> Tensor:
    """Find communities of anchors by k-means on their embeddings, and return their centres (K, D).

    Args:
        side: anchors of training people.
        count: how many communities; fewer where there are fewer windows.
        seed: of the run.
    """
    from sklearn.cluster import KMeans  # slow to import, see cpep.evaluate.probe

    chosen = np.unique(np.linspace(0, side.part.whole - 1, CLUSTERED).astype(int))
    anchor_ND = side.lasting(chosen)
    means = KMeans(min(count, len(anchor_ND)), n_init=1, random_state=seed).fit(anchor_ND.cpu().numpy())
    return torch.from_numpy(means.cluster_centers_).to(anchor_ND)
