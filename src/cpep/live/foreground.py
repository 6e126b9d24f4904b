"""A live source in the foreground: ``cpep stream`` runs it, and prints events and sentences on the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cpep.live.loop import Loop, Observer, Steps
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, Event, Source, State, StreamStep
from cpep.live.sources.fit import told


class Foreground(Observer):
    """Reads a source until it ends.

    Args:
        source: of EMG.
        stream: makes steps of its chunks.
        recogniser: of these steps.
        tell: called with every event.
        say: called with a sentence when the source is connected, lost or back, and when samples were lost.
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

    def run(self, seconds: float = float("inf"), chunks: Iterable[Chunk] | None = None) -> None:
        """Read, for so many seconds of the stream.

        Args:
            seconds: until the source is closed.
            chunks: of the source, where somebody has read part of them already.

        Raises:
            UserError: what is wrong with the source.
        """
        source, self._end = self.source, seconds * self.source.device.emg_rate
        if chunks is None:
            self._say(told(source))
        self.loop.run(source.chunks() if chunks is None else chunks)

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
        if self.loop.stream.sample >= self._end:
            self.source.close()

    def on_step(self, step: StreamStep, state: State) -> None:
        """Tell a gesture that begins."""
        if state.event is not None:
            self.events += 1
            self._tell(state.event)

    def _in_seconds(self, samples: int) -> str:
        return f"{samples / self.source.device.emg_rate:.3g} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
