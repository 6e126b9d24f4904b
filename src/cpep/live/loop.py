"""The one loop over a live source: takes chunks, and tells an observer of embeddings, states and events."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from cpep.live.recogniser import Recogniser
from cpep.live.runs import unusable
from cpep.live.signals import Chunk, State, StreamStep
from cpep.types import FloatArray


class Steps(Protocol):
    """What makes steps of chunks: the embeddings of a checkpoint, or features.

    Attributes:
        sample: samples so far, those lost among them.
        latest_TC: the samples of the last chunk, conditioned; those that are not finite as they came.
    """

    sample: int
    latest_TC: FloatArray

    def take(self, chunk: Chunk) -> list[StreamStep]:
        """Take in a chunk and what was lost before it, and return a step for each hop that it completes.

        Raises:
            UserError: another number of channels.
        """
        ...


class Observer:
    """What a loop tells as it runs; a subclass overrides what it wants to hear."""

    def on_chunk(self, chunk: Chunk) -> None:
        """Hear of a chunk and of the loss before it; the steps that it completes follow."""

    def on_step(self, step: StreamStep, state: State) -> None:
        """Hear of an embedding and of what the recogniser makes of it; ``state.event`` is a gesture that begins."""


class Loop:
    """Takes chunks of any length, with any gap between them.

    Args:
        stream: makes steps of chunks: ``EmgStream`` of a checkpoint, ``FeatureStream`` of an enrolment.
        recogniser: of these steps; another one may take its place at any time, under ``lock``. ``None`` where no
            gesture is known yet: then no step is told.
        observer: is told of everything, under ``lock``.

    Attributes:
        lock: held while the observer is told of a chunk or a step; another thread takes it to see no half of one.
        lost: samples that were lost so far, and those with a value that is not finite.
    """

    def __init__(self, stream: Steps, recogniser: Recogniser | None, observer: Observer) -> None:
        self.stream, self.recogniser, self.observer = stream, recogniser, observer
        self.lock, self.lost = threading.Lock(), 0

    def run(self, chunks: Iterable[Chunk]) -> None:
        """Take chunks until there are no more.

        Raises:
            UserError: what is wrong with the source.
        """
        for chunk in chunks:
            self.take(chunk)

    def take(self, chunk: Chunk) -> None:
        """Take one chunk.

        Raises:
            UserError: another number of channels than the stream's.
        """
        steps = self.stream.take(chunk)
        with self.lock:
            self.lost += chunk.lost + unusable(chunk.emg_TC)
            self.observer.on_chunk(chunk)
        if steps:
            with self.lock:
                if self.recogniser is not None:
                    for step, state in zip(steps, self.recogniser.states(steps), strict=True):
                        self.observer.on_step(step, state)
