"""Recordings of a store as one stream for each session of the device: what a live recogniser would have seen."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.data.normalise import sessions
from cpep.data.store.finite import emg_of
from cpep.data.store.store import Store
from cpep.data.windows import Windows
from cpep.live.runs import HOP_S
from cpep.live.signals import Chunk, StreamStep
from cpep.live.sources.clock import AT_ONCE_S
from cpep.live.sources.replay import GAP_S
from cpep.live.stream import EmgStream
from cpep.types import FloatArray


class StoreSession:
    """Recordings of one session in chunks, one after another with a declared gap between them.

    So causal statistics go on from recording to recording, as they do while a band is worn.

    Args:
        store: prepared recordings.
        indices: of the session's recordings, in ``store.entries``.
        grid: samples of a hop of the stream; each recording begins on the grid.
    """

    def __init__(self, store: Store, indices: list[int], grid: int) -> None:
        self.store, self.indices = store, indices
        self.user = store.entries[indices[0]].user
        gap = round(GAP_S * store.device.emg_rate)
        self._first = [0]  # sample of the stream where each recording begins
        for index in indices[:-1]:
            end = self._first[-1] + store.entries[index].frames * store.ratio
            self._first.append(-(-(end + gap) // grid) * grid)

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks as fast as they are taken, to the end."""
        store, at = self.store, 0
        size = max(1, round(AT_ONCE_S * store.device.emg_rate))
        for index, first in zip(self.indices, self._first, strict=True):
            emg_TC = emg_of(store, index)
            for sample in range(0, len(emg_TC), size):
                yield Chunk(emg_TC[sample : sample + size], lost=first + sample - at)
                at = min(first + sample + size, first + len(emg_TC))

    def place(self, step: StreamStep) -> tuple[int, int]:
        """Return the recording that a step lies in, and the frame of it where its window ends."""
        number = bisect_left(self._first, step.sample) - 1
        return self.indices[number], (step.sample - self._first[number]) // self.store.ratio


def streams_of(
    model: Model, store: Store, indices: Collection[int], hop_s: float = HOP_S
) -> Iterator[tuple[StoreSession, EmgStream]]:
    """Yield each session of some recordings with its own stream; other recordings are left out.

    Args:
        model: that reads EMG.
        store: prepared recordings.
        indices: of recordings, in ``store.entries``.
        hop_s: see ``EmgStream``.
    """
    wanted = set(indices)
    for files in sessions(store):
        if mine := [index for index in files if index in wanted]:
            stream = EmgStream(model.in_unit(store.device.emg_unit), hop_s, conditioned=True)
            yield StoreSession(store, mine, stream.hop_samples), stream


def steps_of(
    model: Model, store: Store, indices: Collection[int], hop_s: float = HOP_S
) -> Iterator[tuple[int, int, StreamStep]]:
    """Stream recordings; yield for each step its recording, the frame at which the window ends, and the step."""
    for session, stream in streams_of(model, store, indices, hop_s):
        for chunk in session.chunks():
            for step in stream.take(chunk):
                yield *session.place(step), step


def embed_streamed(model: Model, store: Store, windows: Windows, hop_s: float) -> FloatArray:
    """Return the embeddings (N, D) of windows on a grid of ``hop_s``, computed as a stream of their sessions.

    Every recording that has one of the windows is streamed, and no other.
    """
    start_E = np.array([entry.start for entry in store.entries])
    end_N = windows.start_N - start_E[windows.entry_N] + windows.frames
    place = {key: n for n, key in enumerate(zip(windows.entry_N.tolist(), end_N.tolist(), strict=True))}
    found: dict[int, FloatArray] = {}
    for index, frame, step in steps_of(model, store, np.unique(windows.entry_N).tolist(), hop_s):
        if (index, frame) in place:
            found[place[index, frame]] = step.x_D
    assert len(found) == len(windows), f"{len(windows) - len(found)} windows end off the grid of {hop_s} s"
    return np.stack([found[n] for n in range(len(windows))])
