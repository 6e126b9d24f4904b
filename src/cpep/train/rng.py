"""The random numbers of a step follow from (seed, step), and over ranks from (seed, step, rank)."""

from __future__ import annotations

import torch

from cpep.runtime import distributed


def seed_step(seed: int, step: int) -> None:
    """Seed the random numbers of a step (masks, dropout, augmentation) from (seed, step)."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)


def part_draws(part: distributed.Part, values: int = 0) -> torch.Generator | None:
    """Seed the global generator of each rank by its own rows.

    Before this call all ranks draw the same numbers, for the whole batch; after it each draws its own (dropout). A
    rank that has the whole batch is not seeded again.

    Args:
        part: rows of this rank.
        values: uniform numbers that the network will draw for each row.

    Returns:
        The generator from which the network draws these numbers, so that every row gets the same numbers as in one
        process; ``None`` stands for the global generator.
    """
    if part.stop - part.start == part.whole:
        return None
    drawn = torch.Generator()
    drawn.set_state(torch.get_rng_state())
    torch.rand(part.start * values, generator=drawn)
    torch.manual_seed((int(torch.randint(2**62, ())) + part.start) % 2**63)
    return drawn
