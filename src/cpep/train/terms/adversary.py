"""A classifier of people, which the EMG encoder is trained to defeat."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cpep.config.schema import ObjectiveConfig
from cpep.models.cpep import Cpep
from cpep.models.losses import reversed_gradient
from cpep.train.terms.term import TERMS, Batch, Known, Term, whole


class AdversaryTerm(Term):
    """The classifier learns to tell people apart, and the encoder, by the reversed gradient, to hide them."""

    reads_people = True

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__(net, settings, known)
        self.classifier = nn.Linear(net.anchor.width, known.people)

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return ``align.objective.adversary``."""
        return settings.adversary

    def of_batch(self, batch: Batch) -> Tensor:
        """Return the cross-entropy of the classifier."""
        guess_BU = self.classifier(reversed_gradient(whole(batch.emg)))
        return F.cross_entropy(guess_BU, batch.of_person_B)


TERMS.add("adversary", AdversaryTerm)
