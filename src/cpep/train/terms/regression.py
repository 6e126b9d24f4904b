"""The anchor predicted from the EMG embedding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cpep.config.schema import ObjectiveConfig
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.models.losses import in_fp32
from cpep.train.terms.term import TERMS, Known, OwnWindows, Term, whole


class RegressionTerm(Term):
    """A linear layer predicts the mean anchor of each token, in units of SD, from the EMG embedding."""

    reads_anchor = True

    def __init__(self, net: Cpep, settings: ObjectiveConfig, known: Known) -> None:
        super().__init__(net, settings, known)
        self.regression = nn.Linear(net.anchor.width, net.anchor.tokens * net.anchor.columns)

    @classmethod
    def weight(cls, settings: ObjectiveConfig) -> float:
        """Return ``align.objective.regress``."""
        return settings.regress

    def of_windows(self, own: OwnWindows) -> Tensor:
        """Return the mean squared error."""
        return self.error(own.emg, own.read_BSJ, own.net.anchor)

    @in_fp32
    def error(self, emg: Tensor, anchor_BSJ: Tensor, anchor: Encoder) -> Tensor:
        """Return the mean squared error of the anchors that are predicted from embeddings."""
        mean_BNJ = (
            anchor.standardised(anchor_BSJ).reshape(len(anchor_BSJ), anchor.tokens, -1, anchor.columns).mean(dim=2)
        )
        return F.mse_loss(self.regression(whole(emg)), mean_BNJ.flatten(1))


TERMS.add("regress", RegressionTerm)
