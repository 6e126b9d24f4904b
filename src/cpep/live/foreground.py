"""A live source in the foreground: ``cpep stream`` runs it, and prints events and sentences on the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from cpep.live.enrol.advice import of_marks
from cpep.live.loop import Loop, Observer, Steps
from cpep.live.recogniser import Recogniser
from cpep.live.runs import no_numbers
from cpep.live.signals import Chunk, Event, Source, State, StreamStep
from cpep.live.sources.fit import told
from cpep.signal.quality import quality
from cpep.types import FloatArray

LOOK_S = 2.0
"""Channels without a signal are looked for in so much of the stream at a time."""


class Foreground(Observer):
    """Reads a source until it ends.

    Args:
        source: of EMG.
        stream: makes steps of its chunks.
        recogniser: of these steps.
        tell: called with every event.
        say: called with a sentence when the source is connected, lost or back, when samples were lost, and when
            channels have no signal, or have one again.
    """

    def __init__(
        self,
        source: Source,
        stream: Steps,
        recogniser: Recogniser,
        tell: Callable[[Event], None],
        say: Callable[[str], None],
    ) -> None:
        self.source, self.loop = source, Loop(stream, recogniser, self)
        self.events = 0
        self._tell, self._say, self._away, self._end = tell, say, 0, float("inf")
        self._heard: list[FloatArray] = []
        self._flat: tuple[str, ...] = ()
        self._odd = ""

    def run(self, seconds: float = float("inf"), chunks: Iterable[Chunk] | None = None) -> None:
        """Read, for so many seconds of the stream.

        Args:
            seconds: until the source is closed.
            chunks: of the source, where somebody has read part of them already.

        Raises:
            UserError: what is wrong with the source.
        """
        source, samples = self.source, seconds * self.source.device.emg_rate
        self._end = samples if samples == float("inf") else round(samples)
        if chunks is None:
            self._say(told(source))
        self.loop.run(self._to_the_end(source.chunks() if chunks is None else chunks))

    def summary(self) -> str:
        """Return one line: seconds of the stream, events, lost samples."""
        seconds = self.loop.stream.sample / self.source.device.emg_rate
        return f"{seconds:.1f} s, {_counted(self.events, 'event')}, {_counted(self.loop.lost, 'sample')} lost"

    def on_chunk(self, chunk: Chunk) -> None:
        """Say what was lost; a chunk without samples means that the source is away. Close the source at the end."""
        if not len(chunk.emg_TC):
            if not self._away and chunk.lost:
                self._say(f"{self.source.name} is lost; waiting for it to come back")
            self._away += chunk.lost
        elif self._away:
            self._say(f"{self.source.name} is back after {self._in_seconds(self._away + chunk.lost)}")
            self._away = 0
        elif chunk.lost:
            self._say(f"{_counted(chunk.lost, 'sample')} lost, {self._in_seconds(chunk.lost)}")
        self._look(chunk.emg_TC)
        if self.loop.stream.sample >= self._end:
            self.source.close()

    def on_step(self, step: StreamStep, state: State) -> None:
        """Tell a gesture that begins."""
        if state.event is not None:
            self.events += 1
            self._tell(state.event)

    def _to_the_end(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield chunks, the last of them cut where no more is wanted."""
        for chunk in chunks:
            left = self._end - self.loop.stream.sample - chunk.lost
            if left < 1:
                self.source.close()
                return
            yield replace(chunk, emg_TC=chunk.emg_TC[: int(left)]) if len(chunk.emg_TC) > left else chunk

    def _look(self, emg_TC: FloatArray) -> None:
        """Say which channels have no signal, or send no numbers, where they are others than before."""
        device = self.source.device
        self._heard.append(emg_TC)
        if sum(map(len, self._heard)) < LOOK_S * device.emg_rate:
            return
        heard_TC = np.concatenate(self._heard)
        marks = quality(heard_TC, device.emg_rate, device.emg_kind)
        odd = no_numbers(heard_TC)
        if odd and not self._odd:
            self._say(odd)
        self._odd = odd
        self._heard.clear()
        flat = of_marks([mark if mark == "flat" else "" for mark in marks])
        if flat != self._flat:
            self._say(". ".join(flat) or "all channels have a signal again")
        self._flat = flat

    def _in_seconds(self, samples: int) -> str:
        return f"{samples / self.source.device.emg_rate:.3g} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
