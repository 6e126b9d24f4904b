"""How much of its people's recordings a role uses, how much it leaves out, and why: in recordings and hours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cpep.data.amounts import Amount, Usage, funnel
from cpep.data.splits import Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.types import REST, UNKNOWN, BoolArray


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
    return funnel(_entries(store, mine_E), steps)


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
    return funnel(_entries(store, mine_E), steps)


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
    return funnel(covered(store, windows), steps)


def covered(store: Store, windows: Windows) -> Amount:
    """Return the recordings that have one of the windows, and the time that the windows cover together."""
    if not len(windows):
        return Amount(0, 0.0)
    frames = windows.frames + np.minimum(np.diff(np.sort(windows.start_N)), windows.frames).sum()
    return Amount(len(np.unique(windows.entry_N)), float(frames) / store.frame_rate)


def _of_role(store: Store, split: Split, role: Role) -> BoolArray:
    return np.isin([entry.user for entry in store.entries], split.users(role))


def _entries(store: Store, mask_E: BoolArray) -> Amount:
    frames: Iterable[int] = (entry.frames for entry, mine in zip(store.entries, mask_E, strict=True) if mine)
    return Amount(int(mask_E.sum()), sum(frames) / store.frame_rate)
