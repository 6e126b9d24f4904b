"""The parts of a gesture book: entries and background."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cpep.types import FloatArray, IntArray, StrArray, UserError, refuse_interpolation

REST, UNKNOWN = "rest", "unknown"
"""The entry that raises no event, and the answer where no entry fits."""

GALLERY = 200
"""Most vectors of an entry; of more, a random choice is kept."""


def no_windows() -> FloatArray:
    """Return no windows: what is not known, or was not kept."""
    return np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Kept:
    """Windows from which another checkpoint can embed anew what a book has as vectors.

    Attributes:
        pose_GSJ: windows of the anchor at ``kept_rate`` frames per second; none where nothing was shown by anchor.
        emg_GTC: windows of conditioned EMG at the rate of the band; none where nothing was shown by EMG.
        session_G: number of the wearing that each EMG window is of: centre and spread are taken of each.
    """

    pose_GSJ: FloatArray = field(default_factory=no_windows)
    emg_GTC: FloatArray = field(default_factory=no_windows)
    session_G: IntArray = field(default_factory=lambda: np.zeros(0, np.int16))

    def select(self, index_G: IntArray) -> Kept:
        """Return some of the windows; of what was not kept, none."""
        pose_GSJ = self.pose_GSJ[index_G] if len(self.pose_GSJ) else self.pose_GSJ
        emg = (self.emg_GTC[index_G], self.session_G[index_G]) if len(self.emg_GTC) else ()
        return Kept(pose_GSJ, *emg)


@dataclass(frozen=True, eq=False)
class Entry:
    """One gesture.

    Attributes:
        name: what it is called.
        vector_GD: unit vectors, of pose windows or of EMG windows.
        pose_GJ: the last pose (or frame of another anchor) of each window; (G, 0) for EMG windows.
        kept: the windows themselves.
    """

    name: str
    vector_GD: FloatArray
    pose_GJ: FloatArray
    kept: Kept = field(default_factory=Kept)

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
        kept: some of the windows themselves, with their anchors.
        kept_name_N: gesture of each of these.
    """

    emg_ND: FloatArray
    pose_ND: FloatArray
    name_N: StrArray
    kept: Kept = field(default_factory=Kept)
    kept_name_N: StrArray = field(default_factory=lambda: np.zeros(0, np.str_))

    def __len__(self) -> int:
        return len(self.emg_ND)


def some(vector_GD: FloatArray, pose_GJ: FloatArray, kept: Kept) -> tuple[FloatArray, FloatArray, Kept]:
    """Return at most ``GALLERY`` of the vectors, chosen at random, with their poses and windows."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(vector_GD))[:GALLERY])
    return vector_GD[chosen], pose_GJ[chosen], kept.select(chosen)


def checked(name: str) -> str:
    """Return a name that a gesture can have.

    Raises:
        UserError: an empty name, ``unknown``, or a name with ``${``.
    """
    if not name.strip() or name == UNKNOWN:
        raise UserError(f"{name!r} cannot be the name of a gesture; give another")
    refuse_interpolation(name, "the name of a gesture")
    return name
