"""A source, a stream and a recogniser in one loop: what ``cpep stream`` runs."""

from __future__ import annotations

from collections.abc import Callable

from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, Event, Source
from cpep.live.stream import EmgStream


class Foreground:
    """Reads a source until it ends.

    Args:
        source: of EMG.
        stream: of the checkpoint.
        recogniser: of the book.
        tell: called with every event.
        say: called with a sentence when the source is connected, lost or back, and when samples were lost.
    """

    def __init__(
        self,
        source: Source,
        stream: EmgStream,
        recogniser: Recogniser,
        tell: Callable[[Event], None],
        say: Callable[[str], None],
    ) -> None:
        self.source, self.stream, self.recogniser = source, stream, recogniser
        self.events = self.lost = 0
        self._tell, self._say, self._away = tell, say, 0

    def run(self, seconds: float = float("inf")) -> None:
        """Read, for so many seconds of the stream.

        Raises:
            UserError: what is wrong with the source.
        """
        source = self.source
        self._say(f"{source.name}: {source.channels} channels at {source.rate:g} Hz")
        for chunk in source.chunks():
            self._note_loss(chunk)
            for hop in self.stream.push(chunk.emg_TC):
                event = self.recogniser.step(hop).event
                if event is not None:
                    self.events += 1
                    self._tell(event)
            if self.stream.sample >= seconds * source.rate:
                source.close()

    def summary(self) -> str:
        """Return what has happened in one line."""
        seconds = self.stream.sample / self.source.rate
        return f"{seconds:.1f} s, {_counted(self.events, 'event')}, {_counted(self.lost, 'sample')} lost"

    def _note_loss(self, chunk: Chunk) -> None:
        """Tell the stream and the user what is missing; a chunk of a loss alone says that the source is away."""
        if chunk.lost:
            self.stream.lose(chunk.lost)
            self.lost += chunk.lost
        if not len(chunk.emg_TC):
            if not self._away and chunk.lost:
                self._say(f"{self.source.name} is lost; waiting for it to come back")
            self._away += chunk.lost
        elif self._away:
            self._say(f"{self.source.name} is back after {self._in_seconds(self._away + chunk.lost)}")
            self._away = 0
        elif chunk.lost:
            self._say(f"{_counted(chunk.lost, 'sample')} lost, {self._in_seconds(chunk.lost)}")

    def _in_seconds(self, samples: int) -> str:
        return f"{samples / self.source.rate:.3g} s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
