"""What flows through a live recogniser: chunks of EMG in, embeddings, states and events out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import Protocol

from cpep.data.recording import Device
from cpep.evaluate.events import Event
from cpep.types import FloatArray

__all__ = ["Chunk", "Event", "Source", "State", "StreamStep"]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive samples of a source.

    Attributes:
        emg_TC: float32, in the device's unit; any number of samples, none where a source has nothing but a loss to
            tell.
        lost: samples that were lost before the first of these.
        made: what the hand is known to make (replay and simulator), empty where that is not known.
        stamp_s: when the last of these was measured, by ``time.monotonic`` of this machine; nan where the source does
            not know it, or where there is no sample.
    """

    emg_TC: FloatArray
    lost: int = 0
    made: str = ""
    stamp_s: float = nan


class Source(Protocol):
    """Where EMG comes from. It knows nothing of a checkpoint; ``live.sources.fit.fitted`` makes it fit one.

    Attributes:
        name: what the user calls it.
        device: what it delivers: channels, rate, kind and unit of its EMG.
    """

    name: str
    device: Device

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks as they arrive, at the source's own pace, until it ends or is closed.

        Raises:
            UserError: what is wrong with the source, in a sentence.
        """
        ...

    def close(self) -> None:
        """End ``chunks`` soon, from any thread."""
        ...


@dataclass(frozen=True, eq=False)
class StreamStep:
    """One embedding of a stream, or the features of one window, at the end of a hop.

    Attributes:
        sample: samples of the source up to the window's end, those lost among them.
        time_s: the same in seconds.
        x_D: embedding, with queries (Q, D); or features.
        energy: log energy of the last ``cpep.live.runs.ENERGY_S`` seconds, mean over channels; of an embedding
            standardised, of features in the unit of the EMG. ``Pace.idle`` is on the same scale.
    """

    sample: int
    time_s: float
    x_D: FloatArray
    energy: float


@dataclass(frozen=True, eq=False)
class State:
    """What the recogniser says after a step.

    Attributes:
        time_s: end of the window, seconds of the stream.
        name: the gesture that is made; ``rest``; or ``unknown`` for what is in no entry of the book.
        confidence: calibrated probability of ``name``; of ``unknown``, that it is not the likeliest gesture.
        share_E: smoothed probability of every entry of the book, in its order.
        nearest: index of the nearest vector in the gallery.
        event: the gesture that begins at this step; ``None`` where none does.
        alone_E: probability of every entry and of none (E + 1,) by the step's window alone.
    """

    time_s: float
    name: str
    confidence: float
    share_E: FloatArray
    nearest: int
    event: Event | None
    alone_E: FloatArray
