"""Recordings known again by their EMG, under whatever name: a checkpoint notes some of those it was trained on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cpep.data.store.store import Entry, Store

NOTED = 8
"""Hashes that are noted of one person: the smallest, so that two stores with the same recordings share some."""


def recording_hash(store: Store, entry: Entry) -> str:
    """Return a hash of a recording: of the power of its EMG in blocks, as it was prepared."""
    rows = slice(entry.power_start, entry.power_start + entry.power_blocks)
    return hashlib.sha256(np.ascontiguousarray(store.power_KC[rows]).tobytes()).hexdigest()[:12]


def noted(store: Store, users: Sequence[str]) -> list[str]:
    """Return the ``NOTED`` smallest hashes of the recordings of each of some people."""
    of_user: dict[str, set[str]] = defaultdict(set)
    for entry in store.entries:
        if entry.user in users:
            of_user[entry.user].add(recording_hash(store, entry))
    return sorted(one for hashes in of_user.values() for one in sorted(hashes)[:NOTED])
