"""The community-aware soft contrastive loss of EMBridge."""

from __future__ import annotations

from torch import Tensor

from cpep.config.schema import ObjectiveConfig
from cpep.models.cpep import Cpep
from cpep.models.losses import affinities, cascle
from cpep.train.terms.term import TERMS, Batch, Known, Term


class CascleTerm(Term):
    """Brings windows together whose anchors belong to the same communities; see ``losses.cascle``."""

    centre_KD: Tensor

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__(net, settings, known)
        self.register_buffer("centre_KD", known.centres())

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return ``align.objective.cascle``."""
        return settings.cascle

    def of_batch(self, batch: Batch) -> Tensor:
        """Return the loss."""
        warmth = self.settings.target_temperature
        affinity_BK = affinities(batch.anchor_BD, self.centre_KD, self.settings.keep, warmth)
        return cascle(batch.emg, batch.anchor_BD, affinity_BK, batch.net.temperature, warmth)


TERMS.add("cascle", CascleTerm)
