"""The same signal in two recordings: a file that was copied, or a channel that was exported twice.

Copies that count as two people, or stand on both sides of a split, make results look better than they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from cpep.types import FloatArray


def digests(emg_TC: FloatArray) -> tuple[str, ...]:
    """Return a text for every channel by which the same samples are known; an empty one for a flat channel."""
    channels = np.ascontiguousarray(emg_TC.T)
    return tuple(
        hashlib.blake2b(channel.tobytes(), digest_size=12).hexdigest() if np.ptp(channel) else ""
        for channel in channels
    )


def copies(recordings: Iterable[tuple[str, tuple[str, ...]]]) -> Iterable[tuple[str, str]]:
    """Yield the name of each recording that holds a channel of an earlier one, and a sentence about it.

    Args:
        recordings: name and ``digests`` of each.
    """
    seen: dict[str, tuple[str, int]] = {}
    for name, mine in recordings:
        found = [(number, *seen[digest]) for number, digest in enumerate(mine) if digest in seen]
        for number, digest in enumerate(mine):
            if digest:
                seen.setdefault(digest, (name, number))
        if found:
            number, other, there = found[0]
            if len(found) == sum(map(bool, mine)):
                yield name, f"its EMG is that of {other}: one is a copy of the other; remove one"
            else:
                yield name, f"EMG channel {number} is channel {there} of {other}, sample by sample; one is a copy"
