"""Mean and covariance of the EMG embedding alike for all people."""

from __future__ import annotations

from torch import Tensor

from cpep.config.schema import ObjectiveConfig
from cpep.models.losses import moment_distance
from cpep.train.terms.term import TERMS, Batch, Term, whole


class MomentsTerm(Term):
    """Distance between people in the first two moments of their embeddings; see ``losses.moment_distance``."""

    reads_people = True

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return ``align.objective.moments``."""
        return settings.moments

    def of_batch(self, batch: Batch) -> Tensor:
        """Return the distance."""
        return moment_distance(whole(batch.emg), batch.of_person_B)


TERMS.add("moments", MomentsTerm)
