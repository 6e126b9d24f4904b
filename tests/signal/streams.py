"""Stamps and numbers of streams whose losses are known."""

import numpy as np


def packet_stamps(number_T, rate, size, spread_s=1e-5):
    """Return stamps of samples that come in packets, each stamped when the last of its packet is there."""
    last_T = number_T // size * size + size - 1
    return last_T / rate + number_T % size * spread_s


def in_chunks(timeline, stamp_T, number_T=None, seed=0):
    """Feed a stream in chunks of up to a fifth of a second; return what was lost before each sample."""
    rng, parts, first, most = np.random.default_rng(seed), [], 0, int(timeline.rate / 5)
    while first < len(stamp_T):
        part = slice(first, first + int(rng.integers(1, most + 1)))
        parts.append(timeline.add(stamp_T[part], None if number_T is None else number_T[part]))
        first = part.stop
    return np.concatenate([*parts, timeline.end()])


def places(skip_T):
    """Return the place of each sample, from 0."""
    return np.cumsum(skip_T + 1) - 1 - skip_T[0]
