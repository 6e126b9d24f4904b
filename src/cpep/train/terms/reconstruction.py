"""Masked pose reconstruction of EMBridge."""

from __future__ import annotations

from torch import Tensor

from cpep.config.schema import ObjectiveConfig
from cpep.models.cpep import Cpep
from cpep.models.embridge import PoseReconstruction
from cpep.train.terms.term import TERMS, Known, OwnWindows, Term
from cpep.types import UserError


class ReconstructionTerm(Term):
    """Predicts hidden anchor tokens from the others and from the queries; see ``embridge.PoseReconstruction``.

    Raises:
        UserError: there are no queries, or none or all of the tokens would be hidden.
    """

    reads_anchor = True

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__(net, settings, known)
        if net.former is None:
            raise UserError("the term reconstruct needs queries that poses are made from; set align.queries=16 too")
        self.reconstruction = PoseReconstruction(net.anchor, settings.mask)

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return ``align.objective.reconstruct``."""
        return settings.reconstruct

    def of_windows(self, own: OwnWindows) -> Tensor:
        """Return the squared error on the hidden tokens."""
        assert own.net.former is not None
        found: Tensor = self.reconstruction(own.net.former, own.states, own.net.anchor, own.read_BSJ)
        return found


TERMS.add("reconstruct", ReconstructionTerm)
