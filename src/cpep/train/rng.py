"""What a step draws at random follows from (seed, step), and over ranks from (seed, step, rank)."""

from __future__ import annotations

import torch

from cpep.runtime import distributed


def seed_step(seed: int, step: int) -> None:
    """Seed what a step draws (masks, dropout, augmentation) from (seed, step)."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)


def part_draws(part: distributed.Part, values: int = 0) -> torch.Generator | None:
    """Let ranks part in what they draw: the same until here, for the whole batch; each its own (dropout) from here.

    Nothing happens where one rank has the whole batch.

    Args:
        part: rows of this rank.
        values: uniform numbers that the network yet draws for each row.

    Returns:
        where the network is to draw these, so that every row gets what it would get in one process; the global
        generator without it.
    """
    if part.stop - part.start == part.whole:
        return None
    drawn = torch.Generator()
    drawn.set_state(torch.get_rng_state())
    torch.rand(part.start * values, generator=drawn)
    torch.manual_seed((int(torch.randint(2**62, ())) + part.start) % 2**63)
    return drawn
