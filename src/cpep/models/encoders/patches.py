"""The encoder of the paper: one linear layer makes the vector of a token from its values."""

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
    """The same over log energies of bins, and over the rates of bins where ``emg.rates`` is set."""

    reads_bins = True


ENCODERS.add("patch", PatchEncoder)
ENCODERS.add("log_rms", EnergyEncoder)
