"""How much of its people's recordings a role uses, how much it leaves out, and why: in recordings and hours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cpep.data.splits import Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.types import REST, UNKNOWN, BoolArray

LEAST = 0.01
"""A share of the recordings that is not larger than this is not listed as left out."""


@dataclass(frozen=True)
class Amount:
    """A number of recordings, and a time in seconds."""

    recordings: int
    seconds: float

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.recordings - other.recordings, self.seconds - other.seconds)

    @property
    def text(self) -> str:
        """The hours, and the number of recordings where it is not 0."""
        count = f" ({self.recordings:,} recording{'' if self.recordings == 1 else 's'})" if self.recordings else ""
        return f"{hours(self.seconds)} h{count}"


@dataclass(frozen=True)
class Usage:
    """How much of some recordings is used.

    Attributes:
        whole: the recordings.
        used: the part that lies in at least one used window.
        left_out: the rest, by reason; ``recordings`` counts only recordings that are left out as a whole.
    """

    whole: Amount
    used: Amount
    left_out: tuple[tuple[str, Amount], ...]

    @property
    def text(self) -> str:
        """The used part, in words."""
        return (
            f"{self.used.recordings:,} of {self.whole.recordings:,} recordings, "
            f"{hours(self.used.seconds)} of {hours(self.whole.seconds)} h"
        )

    @property
    def without(self) -> list[str]:
        """One line for each reason, with what it leaves out; none for as little as the ends of recordings."""
        least = LEAST * self.whole.seconds
        worth = [(why, lost) for why, lost in self.left_out if lost.recordings or lost.seconds > least]
        return [f"  left out: {lost.text} {why}" for why, lost in worth]


def hours(seconds: float) -> str:
    """Write seconds as hours, with two significant digits below one hour.

    >>> hours(903240), hours(1404), hours(0.36)
    ('250.9', '0.39', '0.00010')
    """
    value = seconds / 3600
    if value >= 1:
        return f"{value:,.1f}"
    digits = 1 - math.floor(math.log10(value)) if value else 1  # after the point, so that two are significant
    return f"{value:.{digits}f}"


def used_in_training(store: Store, split: Split, every: Windows, allowed: Windows, role: Role) -> Usage:
    """Return how much of a role's recordings training or model selection uses.

    Args:
        store: prepared recordings.
        split: the people and gestures that are held out.
        every: all windows of the store.
        allowed: windows that ``Split.allowed`` gives to the role.
        role: ``train`` or ``val``.
    """
    mine_E = _of_role(store, split, role)
    open_E = mine_E & split.open_to_training(store)
    steps = (
        ("of another split in metadata.csv", _entries(store, open_E)),
        ("too short for a window", covered(store, every.select(open_E[every.entry_N]))),
        (f"within {split.guard_s:g} s of an unseen gesture", covered(store, allowed)),
    )
    return _funnel(_entries(store, mine_E), steps)


def used_in_test(store: Store, split: Split, every: Windows) -> Usage:
    """Return how much of test people's recordings is in ``Split.evaluated``; arguments as ``used_in_training``."""
    mine_E = _of_role(store, split, "test")
    windows = every.select(mine_E[every.entry_N])
    valid = windows.select(windows.valid_N)
    gesture = valid.select(valid.label_N != REST)
    single = gesture.select(gesture.label_N != UNKNOWN)
    asked = single.select(np.isin(single.label_N, split.seen + split.unseen))
    steps = (
        ("too short for a window", covered(store, windows)),
        ("without valid pose", covered(store, valid)),
        ("of rest", covered(store, gesture)),
        ("without one label for a whole window", covered(store, single)),
        ("of gestures that are neither seen nor unseen", covered(store, asked)),
    )
    return _funnel(_entries(store, mine_E), steps)


def used_in_pairs(store: Store, windows: Windows, paired: Windows, rest: bool) -> Usage:
    """Return how much alignment uses of the windows that training may use.

    Args:
        store: prepared recordings.
        windows: windows of a role.
        paired: the windows among them that are paired with their pose.
        rest: whether windows of rest are paired, too.
    """
    valid = windows.select(windows.valid_N)
    moving = valid if rest else valid.select(valid.label_N != REST)
    steps = (
        ("without valid pose", covered(store, valid)),
        ("of rest", covered(store, moving)),
        ("beyond align.pairs", covered(store, paired)),
    )
    return _funnel(covered(store, windows), steps)


def covered(store: Store, windows: Windows) -> Amount:
    """Return the recordings that have one of the windows, and the time that the windows cover together."""
    if not len(windows):
        return Amount(0, 0.0)
    frames = windows.frames + np.minimum(np.diff(np.sort(windows.start_N)), windows.frames).sum()
    return Amount(len(np.unique(windows.entry_N)), float(frames) / store.frame_rate)


def _funnel(whole: Amount, steps: Sequence[tuple[str, Amount]]) -> Usage:
    """Return the usage after all steps; each takes something away from what the step before it left."""
    before, left_out = whole, []
    for why, after in steps:
        if (lost := before - after).recordings or lost.seconds > 0:
            left_out.append((why, lost))
        before = after
    return Usage(whole, before, tuple(left_out))


def _of_role(store: Store, split: Split, role: Role) -> BoolArray:
    return np.isin([entry.user for entry in store.entries], split.users(role))


def _entries(store: Store, mask_E: BoolArray) -> Amount:
    frames: Iterable[int] = (entry.frames for entry, mine in zip(store.entries, mask_E, strict=True) if mine)
    return Amount(int(mask_E.sum()), sum(frames) / store.frame_rate)
