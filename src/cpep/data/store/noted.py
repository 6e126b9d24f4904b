"""Recordings known again by their EMG, under whatever name: a checkpoint notes some of those it was trained on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cpep.data.store.store import Entry, Store

NOTED = 8
"""Hashes that are noted of one person: the smallest, so that two stores with the same recordings share some."""
PIECE = 64
"""Blocks of power that a hash is made of: 16 s."""


def recording_hashes(store: Store, entry: Entry) -> set[str]:
    """Return hashes of a recording, one for each piece of ``PIECE`` blocks: in which of them the total power rises.

    They are the same in another unit. Where samples were rounded by another format, or the end was cut off, most
    are. A piece in which the power stands still is left out, as it is the same in many recordings. A recording
    shorter than a piece has one hash, of its power to the bit.
    """
    power_KC = store.power_KC[entry.power_start : entry.power_start + entry.power_blocks]
    if len(power_KC) <= PIECE:
        return {_hash(np.ascontiguousarray(power_KC).tobytes())}
    change_K = np.diff(power_KC.sum(axis=1, dtype=np.float64))
    pieces = [change_K[k : k + PIECE] for k in range(0, len(change_K) - PIECE + 1, PIECE)]
    return {_hash(np.packbits(piece > 0).tobytes()) for piece in pieces if piece.all()}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def noted(store: Store, users: Sequence[str]) -> list[str]:
    """Return the ``NOTED`` smallest hashes of the recordings of each of some people."""
    of_user: dict[str, set[str]] = defaultdict(set)
    for entry in store.entries:
        if entry.user in users:
            of_user[entry.user] |= recording_hashes(store, entry)
    return sorted(one for hashes in of_user.values() for one in sorted(hashes)[:NOTED])
