"""Recordings of a store as one stream for each session of the device: what a live recogniser would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.data.normalise import sessions
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.live.signals import Hop
from cpep.live.sources.clock import CHUNK_S
from cpep.live.sources.replay import GAP_S
from cpep.live.stream import HOP_S, EmgStream
from cpep.types import FloatArray


def hops_of(
    model: Model, store: Store, indices: Sequence[int], hop_s: float = HOP_S
) -> Iterator[tuple[int, int, Hop]]:
    """Stream recordings in small chunks, those of one session after each other with a declared gap between them.

    Causal statistics so go on from recording to recording, as they do while a band is worn.

    Args:
        model: that reads EMG.
        store: prepared recordings.
        indices: of recordings, in ``store.entries``; the others are as if they had never been.
        hop_s: see ``EmgStream``; each recording begins on the grid.

    Yields:
        The recording, the frame of it where the window ends, and the hop.
    """
    size = max(1, round(CHUNK_S * store.device.emg_rate))
    for worn in sessions(store):
        stream = EmgStream(model, hop_s)
        grid = round(stream.hop_s * stream.rate)
        for index in worn:
            if index not in indices:
                continue
            entry, first = store.entries[index], stream.sample
            emg_TC = store.emg_TC[entry.start * store.ratio : (entry.start + entry.frames) * store.ratio]
            for at in range(0, len(emg_TC), size):
                for hop in stream.push(emg_TC[at : at + size]):
                    yield index, (hop.sample - first) // store.ratio, hop
            gap = stream.sample + round(GAP_S * stream.rate)
            stream.lose(-(-gap // grid) * grid - stream.sample)


def embed_streamed(model: Model, store: Store, windows: Windows, hop_s: float) -> FloatArray:
    """Return the embeddings of windows on a grid of ``hop_s`` as a stream of their sessions has them.

    Every recording that has one of the windows is streamed, and no other.
    """
    start_E = np.array([entry.start for entry in store.entries])
    end_N = windows.start_N - start_E[windows.entry_N] + windows.frames
    place = {key: n for n, key in enumerate(zip(windows.entry_N.tolist(), end_N.tolist(), strict=True))}
    found: dict[int, FloatArray] = {}
    for index, frame, hop in hops_of(model, store, np.unique(windows.entry_N).tolist(), hop_s):
        if (index, frame) in place:
            found[place[index, frame]] = hop.x_D
    assert len(found) == len(windows), f"{len(windows) - len(found)} windows end off the grid of {hop_s} s"
    return np.stack([found[n] for n in range(len(windows))])
