"""A source, a stream and a recogniser in one loop: what ``cpep stream`` runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cpep.live.signals import Hop, State
from cpep.types import FloatArray


class Stream(Protocol):
    """What the loop needs of an ``EmgStream``."""

    sample: int

    def push(self, emg_TC: FloatArray) -> Iterable[Hop]:
        """Take in samples; see ``EmgStream``."""
        ...

    def lose(self, samples: int) -> None:
        """Declare a gap; see ``EmgStream``."""
        ...


class Steps(Protocol):
    """What the loop needs of a ``Recogniser``."""

    def step(self, hop: Hop) -> State:
        """Take in an embedding; see ``Recogniser``."""
        ...


@dataclass
class Summary:
    """What has happened so far.

    Attributes:
        seconds: of the stream, those lost among them.
        events: number of them.
        lost: samples.
    """

    seconds: float = 0.0
    events: int = 0
    lost: int = 0

    def text(self) -> str:
        """Return it as a line."""
        return f"{self.seconds:.1f} s, {self.events} events, {self.lost} samples lost"
