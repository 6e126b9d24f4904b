"""Random numbers of a batch that ranks divide: all draw those of the whole batch, and each takes its rows.

So a window is masked, and has dropout, as in one process. While no batch is shared, numbers are drawn for the rows
that are there, from the global generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from cpep.runtime.distributed import Part


@dataclass(frozen=True)
class _Shared:
    part: Part
    generator: torch.Generator


_shared: _Shared | None = None


def share(part: Part, generator: torch.Generator) -> None:
    """Begin with a batch: ``drawn`` draws for all of it from a generator that has the same state on all ranks."""
    global _shared
    _shared = _Shared(part, generator)


def end() -> None:
    """End with the batch."""
    global _shared
    _shared = None


def drawn(rows: int, draw: Callable[[int, torch.Generator | None], Tensor]) -> Tensor:
    """Return random numbers for rows of a batch, those that one process draws for them.

    A network that is called with other rows than its rank's part of the batch draws for these alone.

    Args:
        rows: how many the network was called with.
        draw: returns the numbers of so many rows, first dimension rows, from a generator or the global one.
    """
    if _shared is None or rows != _shared.part.stop - _shared.part.start:
        return draw(rows, None)
    return draw(_shared.part.whole, _shared.generator)[_shared.part.rows]
