"""The parts of a gesture book: entries and background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.types import FloatArray, StrArray, UserError, refuse_interpolation

REST, UNKNOWN = "rest", "unknown"
"""The entry that raises no event, and the answer where no entry fits."""

GALLERY = 200
"""Most vectors of an entry; of more, a random choice is kept."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One gesture.

    Attributes:
        name: what it is called.
        vector_GD: unit vectors, of pose windows or of EMG windows.
        pose_GJ: the last pose (or frame of another anchor) of each window; (G, 0) for EMG windows.
    """

    name: str
    vector_GD: FloatArray
    pose_GJ: FloatArray

    @property
    def shown(self) -> bool:
        """Whether it was added by its pose."""
        return bool(self.pose_GJ.shape[1])


@dataclass(frozen=True, eq=False)
class Background:
    """Windows of people on whom nothing was trained; confidence is calibrated on them.

    Attributes:
        emg_ND: EMG embeddings, unit vectors.
        pose_ND: pose embeddings of the same windows; (N, 0) where there was no pose.
        name_N: gesture of each where it is known, else empty; used where there was no pose.
    """

    emg_ND: FloatArray
    pose_ND: FloatArray
    name_N: StrArray

    def __len__(self) -> int:
        return len(self.emg_ND)


def some(vector_GD: FloatArray, pose_GJ: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return at most ``GALLERY`` of the vectors, chosen at random, with their poses."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(vector_GD))[:GALLERY])
    return vector_GD[chosen], pose_GJ[chosen]


def checked(name: str) -> str:
    """Return a name that a gesture can have.

    Raises:
        UserError: an empty name, ``unknown``, or a name with ``${``.
    """
    if not name.strip() or name == UNKNOWN:
        raise UserError(f"{name!r} cannot be the name of a gesture; give another")
    refuse_interpolation(name, "the name of a gesture")
    return name
