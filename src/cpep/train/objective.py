"""What the alignment minimises: the contrastive loss of CPEP section 2, others, and the parts of EMBridge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn

from cpep.config.schema import AlignConfig, Contrast, Targets
from cpep.data.windows import Windows
from cpep.models.cpep import Cpep
from cpep.models.embridge import PoseReconstruction
from cpep.models.losses import (
    affinities,
    cascle,
    in_fp32,
    info_nce,
    moment_distance,
    reversed_gradient,
    sigmoid_loss,
    similarities,
    soft_targets,
)
from cpep.runtime import distributed
from cpep.train.task import Task, anchor_signals, autocast, batches_of
from cpep.types import IntArray

CLUSTERED = 20_000
"""Communities are found among at most this many poses, spread evenly."""
SIGMOID_BIAS = -10.0
"""Initial bias of the sigmoid loss (Zhai et al. 2023)."""


class Objective(nn.Module):
    """The network that is aligned, and what only its training needs.

    Args:
        net: the pair of encoders.
        settings: of the alignment.
        centre_KD: centres of communities of poses; see ``communities``.
        people: who train.
    """

    centre_KD: Tensor

    def __init__(self, net: Cpep, settings: AlignConfig, centre_KD: Tensor | None = None, people: int = 1) -> None:
        super().__init__()
        self.net, self.settings = net, settings.objective
        self.register_buffer("centre_KD", torch.empty(0, net.anchor.width) if centre_KD is None else centre_KD)
        self.bias = nn.Parameter(torch.tensor(SIGMOID_BIAS)) if self.settings.contrast is Contrast.sigmoid else None
        self.reconstruction = (
            PoseReconstruction(net.anchor, self.settings.mask) if self.settings.reconstruct else None
        )
        poses = net.anchor.tokens * net.anchor.columns
        self.regression = nn.Linear(net.anchor.width, poses) if self.settings.regress else None
        self.adversary = nn.Linear(net.anchor.width, people) if self.settings.adversary else None

    @property
    def reads_anchor(self) -> bool:
        """Whether the loss needs the poses themselves, not their embeddings alone."""
        return self.reconstruction is not None or self.regression is not None

    @property
    def reads_people(self) -> bool:
        """Whether the loss needs to know whose the windows are."""
        return bool(self.settings.adversary or self.settings.moments)

    def forward(
        self,
        signal_BNF: Tensor,
        anchor_BD: Tensor,
        anchor_BSJ: Tensor | None = None,
        person_B: Tensor | None = None,
        part: distributed.Part | None = None,
    ) -> Tensor:
        """Return the loss of a batch; over ranks a loss whose mean over them is that of the batch.

        Every rank embeds the EMG of its own windows, and computes what contrasts them from those of all.

        Args:
            signal_BNF: EMG of the own windows.
            anchor_BD: embeddings of the poses of the whole batch.
            anchor_BSJ: poses of the own windows, where ``reads_anchor``.
            person_B: index of the person of each window of the batch, where ``reads_people``.
            part: which windows of the batch are the own ones, if not all.
        """
        emg, loss = self.embed(signal_BNF, anchor_BSJ)
        if part is not None:
            emg, loss = distributed.gathered(emg, part), part.weighed(loss)
        loss = loss + self._contrast(emg, anchor_BD)
        if self.settings.cascle:
            affinity_BK = self._affinities(anchor_BD)
            soft = cascle(emg, anchor_BD, affinity_BK, self.net.temperature, self.settings.target_temperature)
            loss = loss + self.settings.cascle * soft
        if person_B is not None:
            loss = loss + self._of_people(_whole(emg), person_B)
        return loss

    def embed(self, signal_BNF: Tensor, anchor_BSJ: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return EMG embeddings, (B, D) or (B, Q, D), and the terms that no other window of the batch enters."""
        loss = signal_BNF.new_zeros(())
        if self.net.former is None:
            emg = self.net.embed_emg(signal_BNF)
        else:
            states = self.net.query_states(signal_BNF)
            emg = self.net.of_queries(states)
            if self.reconstruction is not None:
                assert anchor_BSJ is not None
                error = self.reconstruction(self.net.former, states, self.net.anchor, anchor_BSJ)
                loss = loss + self.settings.reconstruct * error
        if self.regression is not None:
            assert anchor_BSJ is not None
            loss = loss + self.settings.regress * self._pose_error(emg, anchor_BSJ)
        return emg, loss

    def _contrast(self, emg: Tensor, anchor_BD: Tensor) -> Tensor:
        temperature = self.net.temperature
        if self.bias is not None:
            return sigmoid_loss(emg, anchor_BD, temperature, self.bias)
        return info_nce(emg, anchor_BD, temperature, self._targets(anchor_BD))

    def _targets(self, anchor_BD: Tensor) -> Tensor | None:
        """Return where the target of each window lies, (B, B); none where all of it is on the own pose."""
        kind, warmth = self.settings.targets, self.settings.target_temperature
        anchor_BD = anchor_BD.detach()  # where poses are trained too, they must not move their own target
        if kind is Targets.own:
            return None
        if kind is Targets.pose:
            alike_BB = similarities(anchor_BD, anchor_BD)
        elif kind is Targets.even:
            alike_BB = torch.zeros(len(anchor_BD), len(anchor_BD), device=anchor_BD.device)
        else:
            first_B = self._affinities(anchor_BD).argmax(dim=1)
            alike_BB = torch.log((first_B[:, None] == first_B).float())
            warmth = 1.0
        return soft_targets(alike_BB, warmth, self.settings.share)

    def _affinities(self, anchor_BD: Tensor) -> Tensor:
        return affinities(anchor_BD, self.centre_KD, self.settings.keep, self.settings.target_temperature)

    @in_fp32
    def _pose_error(self, emg: Tensor, anchor_BSJ: Tensor) -> Tensor:
        """Return the squared error of the mean pose of each token, in SDs, read from the embedding."""
        assert self.regression is not None
        anchor = self.net.anchor
        mean_BNJ = torch.unflatten(anchor.standardised(anchor_BSJ), 1, (anchor.tokens, -1)).mean(dim=2)
        return F.mse_loss(self.regression(_whole(emg)), mean_BNJ.flatten(1))

    @in_fp32
    def _of_people(self, emg_BD: Tensor, person_B: Tensor) -> Tensor:
        """Return what makes embeddings of people alike."""
        loss = self.settings.moments * moment_distance(emg_BD, person_B)
        if self.adversary is not None:
            guess_BU = self.adversary(reversed_gradient(emg_BD))
            loss = loss + self.settings.adversary * F.cross_entropy(guess_BU, person_B)
        return loss


def _whole(emg: Tensor) -> Tensor:
    """Return one embedding a window (B, D): the mean of its queries where there are queries."""
    return emg if emg.ndim == 2 else emg.mean(dim=1)


class AnchorSide:
    """Poses of a list of windows; embedded once where the encoder is frozen, since its input is not augmented.

    Each rank embeds and holds its own part of the list: of 250 hours, the 3.6 million windows every 0.25 s are 3.7 GB
    in all. A batch is of any windows; its rows come from the ranks that hold them, 256 kB a step.

    Args:
        task: store and settings.
        net: whose pose encoder embeds them.
        windows: the windows.
    """

    def __init__(self, task: Task, net: Cpep, windows: Windows) -> None:
        self.windows, self.net = windows, net
        self.read: Callable[[Windows], Tensor] = anchor_signals(task)
        self.part = distributed.part(len(windows))
        self.own_ND = None if net.train_pose else self._embedded(task)

    def every(self) -> Tensor:
        """Return embeddings (N, D) of all windows, of all ranks."""
        assert self.own_ND is not None, "the pose encoder is trained: there are no lasting embeddings"
        return distributed.gathered(self.own_ND, self.part)

    def embed(self, chosen: IntArray, part: distributed.Part) -> Tensor:
        """Return embeddings (B, D) of windows by their position in the list; ``part`` is what this rank computes."""
        if self.own_ND is None:
            return distributed.gathered(self.net.embed_anchor(self.pose(chosen[part.rows])), part)
        return distributed.rows_of(self.own_ND, self.part, torch.from_numpy(chosen))

    def pose(self, chosen: IntArray) -> Tensor:
        """Return their poses (B, S, J)."""
        return self.read(self.windows.select(chosen))

    @torch.no_grad()
    def _embedded(self, task: Task) -> Tensor:
        parts = []
        for some in batches_of(self.windows.select(np.arange(self.part.start, self.part.stop)), 512):
            with autocast(task.config):
                parts.append(self.net.embed_anchor(self.read(some)))
        return torch.cat(parts)


def communities(side: AnchorSide, settings: AlignConfig, seed: int) -> Tensor | None:
    """Find communities of poses by k-means on embeddings; return their centres (K, D), if they are used."""
    objective = settings.objective
    if side.own_ND is None or not (objective.cascle or objective.targets is Targets.community):
        return None
    chosen = np.unique(np.linspace(0, side.part.whole - 1, CLUSTERED).astype(int))
    pose_ND = distributed.rows_of(side.own_ND, side.part, torch.from_numpy(chosen)).cpu().numpy()
    means = KMeans(min(objective.communities, len(pose_ND)), n_init=1, random_state=seed).fit(pose_ND)
    return torch.from_numpy(means.cluster_centers_).to(side.own_ND)
