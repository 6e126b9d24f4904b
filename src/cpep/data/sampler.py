"""Which windows go together in a batch."""

from __future__ import annotations

import numpy as np

from cpep.data.windows import Windows
from cpep.types import IntArray, StrArray, UserError


class Batches:
    """Batches as a pure function of (seed, step): users balanced, no two windows overlap.

    Overlapping windows of one recording would be each other's negatives with nearly the same pose, so a
    batch takes windows of one phase alone.

    Args:
        windows: candidates.
        user_N: their users.
        size: windows of a batch; fewer where one phase has fewer.
        seed: of the run.
        people: users of a batch, drawn anew for each; 0 for all. With few, a window's negatives are mostly of
            its own person and session, so that telling people apart does not lower a contrastive loss.

    Raises:
        UserError: there are no two windows to contrast.
    """

    def __init__(self, windows: Windows, user_N: StrArray, size: int, seed: int, people: int = 0) -> None:
        self.size, self.seed, self.people = size, seed, people
        self._ahead: dict[int, IntArray] = {}
        self.pools: list[list[IntArray]] = []
        for phase in np.unique(windows.phase_N):
            mine = np.flatnonzero(windows.phase_N == phase)
            users = user_N[mine]
            pool = [mine[users == user] for user in np.unique(users)]
            if len(mine) > 1:
                self.pools.append(pool)
        if not self.pools:
            raise UserError("fewer than two training windows that do not overlap; the recordings are too short")

    def at(self, step: int) -> IntArray:
        """Return the indices (B,) of the windows of one step."""
        drawn = self._ahead.pop(step, None)
        return self._drawn(step) if drawn is None else drawn

    def ahead(self, step: int) -> IntArray:
        """Return what ``at`` will return for a step, which it keeps until then."""
        self._ahead = {step: self._drawn(step)}
        return self._ahead[step]

    def _drawn(self, step: int) -> IntArray:
        rng = np.random.default_rng([self.seed, step])
        pool = self.pools[rng.integers(len(self.pools))]
        if self.people and self.people < len(pool):
            pool = [pool[user] for user in rng.choice(len(pool), size=self.people, replace=False)]
        share = -(-self.size // len(pool))
        picks = [rng.choice(own, size=min(share, len(own)), replace=False) for own in pool]
        return np.asarray(rng.permutation(np.concatenate(picks))[: self.size])
