"""The encoder of the paper: each token is one linear layer of its values."""

from __future__ import annotations

from typing import Unpack

from torch import nn

from cpep.models.encoder import ENCODERS, Sizes, TransformerEncoder


class PatchEncoder(TransformerEncoder):
    """A Transformer over patches: of raw samples, or of the columns of a pose.

    Args:
        sizes: see ``Sizes``.
    """

    def __init__(self, **sizes: Unpack[Sizes]) -> None:
        super().__init__(nn.Linear(sizes["token_steps"] * sizes["columns"], sizes["width"]), **sizes)


class EnergyEncoder(PatchEncoder):
    """The same over log energies of bins, with their rates if so set."""

    reads_bins = True


ENCODERS.add("patch", PatchEncoder)
ENCODERS.add("log_rms", EnergyEncoder)
