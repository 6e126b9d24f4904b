"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.runtime.draws import drawn

LEVELS = 1 << 16
"""The probability is rounded to a multiple of one over this."""


class Dropout(nn.Dropout):
    """As ``torch.nn.Dropout``; on a CPU four elements share one 64-bit random number.

    There torch draws one number for each element, which took an eighth of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with some elements zero and the others scaled, so that the mean stays; in evaluation ``x``."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        dropped, values = round(self.p * LEVELS), x[:1].numel()

        def draw(rows: int, generator: torch.Generator | None) -> Tensor:
            quads = torch.empty(-(-rows * values // 4), dtype=torch.int64)
            quads.random_(torch.iinfo(torch.int64).min, None, generator=generator)
            return quads.view(torch.int16)[: rows * values].view(rows, *x.shape[1:])

        kept = drawn(len(x), draw) >= dropped - LEVELS // 2
        return x * kept.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))
