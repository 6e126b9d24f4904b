"""The random numbers of a step follow from (seed, step), with any number of ranks."""

from __future__ import annotations

import torch

from cpep.runtime import distributed, draws


def seed_step(seed: int, step: int) -> None:
    """Seed the random numbers of a step (masks, dropout, augmentation) from (seed, step)."""
    draws.end()
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)


def part_draws(part: distributed.Part, values: int = 0) -> torch.Generator | None:
    """Let the network of each rank draw its random numbers as one process does.

    Before this call all ranks draw the same numbers, for the whole batch. After it, until the step ends, cpep's own
    networks draw through ``runtime.draws``: on a CPU those of one process. Others draw from the global generator,
    which each rank seeds by its own rows; so does dropout on a GPU. A rank that has the whole batch is not seeded
    again.

    Args:
        part: rows of this rank.
        values: uniform numbers that the network will draw for each row.

    Returns:
        The generator from which the network draws these numbers, so that every row gets the same numbers as in one
        process; ``None`` stands for the global generator.
    """
    if part.stop - part.start == part.whole:
        return None
    own, shared = torch.Generator(), torch.Generator()
    for generator, rows in ((own, part.start), (shared, part.whole)):
        generator.set_state(torch.get_rng_state())
        torch.rand(rows * values, generator=generator)
    draws.share(part, shared)
    torch.manual_seed((int(torch.randint(2**62, ())) + part.start) % 2**63)
    return own
