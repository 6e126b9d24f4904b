"""The contrastive loss of CPEP section 2, its soft targets, and the sigmoid loss of each pair."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.config.schema import Contrast, ObjectiveConfig, Targets
from cpep.models.cpep import Cpep
from cpep.models.losses import affinities, info_nce, sigmoid_loss, similarities, soft_targets
from cpep.train.terms.term import TERMS, Batch, Known, Term

SIGMOID_BIAS = -10.0
"""Initial bias of the sigmoid loss (Zhai et al. 2023)."""


class ContrastTerm(Term):
    """EMG finds its anchor among the batch, and the anchor its EMG; always on, with weight 1."""

    centre_KD: Tensor

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__(net, settings, known)
        self.bias = nn.Parameter(torch.tensor(SIGMOID_BIAS)) if settings.contrast is Contrast.sigmoid else None
        used = settings.targets is Targets.community
        self.register_buffer("centre_KD", known.centres() if used else None)

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return 1."""
        return 1.0

    def of_batch(self, batch: Batch) -> Tensor:
        """Return InfoNCE, or the sigmoid loss."""
        temperature = batch.net.temperature
        if self.bias is not None:
            return sigmoid_loss(batch.emg, batch.anchor_BD, temperature, self.bias)
        return info_nce(batch.emg, batch.anchor_BD, temperature, self.targets(batch.anchor_BD))

    def targets(self, anchor_BD: Tensor) -> Tensor | None:
        """Return the target distribution of each window, (B, B); ``None`` where it is the own anchor alone."""
        settings, warmth = self.settings, self.settings.target_temperature
        anchor_BD = anchor_BD.detach()  # an anchor encoder that is trained must not move its own target
        if settings.targets is Targets.own:
            return None
        if settings.targets is Targets.pose:
            alike_BB = similarities(anchor_BD, anchor_BD)
        elif settings.targets is Targets.even:
            alike_BB = torch.zeros(len(anchor_BD), len(anchor_BD), device=anchor_BD.device)
        else:
            first_B = affinities(anchor_BD, self.centre_KD, settings.keep, warmth).argmax(dim=1)
            alike_BB = torch.log((first_B[:, None] == first_B).float())
            warmth = 1.0
        return soft_targets(alike_BB, warmth, settings.share)


TERMS.add("contrast", ContrastTerm)
