"""A read-out that follows its person through a session without labels: within bounds, and from the past alone.

People make a gesture a little differently each time, and skin and electrodes change. The mean of a name moves with
the windows that surely show it. What cannot go wrong for long: a name moves within a bound about what was shown, no
name appears or goes, and a gesture that is held counts for its first seconds only, so that minutes of it teach no
more than that.
"""

from __future__ import annotations

import numpy as np

from cpep.evaluate.readout import ReadOut
from cpep.types import FloatArray

SURE = 0.8
"""Probability from which a window moves its name."""
SHOWN, MOST = 60, 180
"""What was shown weighs as so many windows; with those met since, at most so many."""
HELD = 60
"""Windows of one name that move it, 3 s; then each sure window of another name allows one more."""
BOUND, NEAR = 1.0, 0.3
"""A mean moves so far, in SDs of a window (root mean square over the features). It moves less far where it decides
whether a window shows none of the names, which gestures that were never shown must not teach."""


class Adapting:
    """Tells windows one after the other, as ``ReadOut.shares`` does, and learns from each after it was told.

    Args:
        readout: what was enrolled; it stays as it is.
    """

    def __init__(self, readout: ReadOut) -> None:
        self.readout = readout
        self.reset()

    def reset(self) -> None:
        """Forget the session: begin anew with what was shown."""
        self._mean_EF = self.readout.discriminant.mean_EF.copy()
        self._near_EF = self._mean_EF.copy()
        self._count_E = np.full(len(self._mean_EF), float(SHOWN))
        self._left_E = np.full(len(self._mean_EF), HELD)

    @property
    def moved_E(self) -> FloatArray:
        """How far the mean of each name has moved, (E,), in SDs of a window; at most ``BOUND``."""
        return self._length(self._mean_EF - self.readout.discriminant.mean_EF)

    def shares(self, x_D: FloatArray) -> FloatArray:
        """Return the probability of each name and, last, of none (E + 1,) for the next window (D,)."""
        discriminant = self.readout.discriminant
        z_F = np.asarray(x_D, np.float64) @ discriminant.whitening_DF
        square_1E, near_1E = (
            np.square(z_F - mean_EF).sum(axis=1)[None] for mean_EF in (self._mean_EF, self._near_EF)
        )
        share_E1 = self.readout.confidence.shares(square_1E, discriminant.features, near_1E)[0]
        self._learn(z_F, int(share_E1[:-1].argmax()), float(share_E1[:-1].max()))
        return np.asarray(share_E1)

    def _learn(self, z_F: FloatArray, name: int, share: float) -> None:
        if share < SURE:
            return
        left = self._left_E[name]
        self._left_E = np.minimum(self._left_E + 1, HELD)
        self._left_E[name] = max(left - 1, 0)
        if not left:
            return
        shown_F = self.readout.discriminant.mean_EF[name]
        self._count_E[name] = min(self._count_E[name] + 1, MOST)
        away_F = self._mean_EF[name] + (z_F - self._mean_EF[name]) / self._count_E[name] - shown_F
        length = max(float(self._length(away_F)), 1e-12)
        self._mean_EF[name] = shown_F + away_F * min(1.0, BOUND / length)
        self._near_EF[name] = shown_F + away_F * min(1.0, NEAR / length)

    def _length(self, z_XF: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(np.square(z_XF).sum(axis=-1) / self.readout.discriminant.features))
