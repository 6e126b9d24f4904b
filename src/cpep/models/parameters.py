"""The parameters of a network by what an optimiser does with them."""

from __future__ import annotations

from torch import nn


def by_shape(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters that require a gradient: matrices, which are decayed; vectors; and scalars."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return (
        [p for p in trained if p.ndim > 1],
        [p for p in trained if p.ndim == 1],
        [p for p in trained if p.ndim == 0],
    )
