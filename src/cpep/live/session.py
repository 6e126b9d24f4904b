"""A live session: source, stream and recogniser in a thread of their own, and a view of it for a page."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.data.statistics import CentreSpread
from cpep.evaluate.knn import nearest_columns, unit_rows
from cpep.evaluate.plane import plane
from cpep.live.book.book import GestureBook
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, Event, Source, State, StreamStep
from cpep.live.stream import EmgStream, Ring
from cpep.signal.quality import quality
from cpep.types import FloatArray, UserError

SHOWN_S, SHOWN_HZ = 4.0, 250.0
"""Length and rate of the EMG that is kept to be drawn."""

JUDGED_S = 2.0
"""Length of the EMG by which the quality of channels is judged, once a second."""

MAPPED, AMID = 30, 5
"""Vectors of an entry on the map; number of nearest vectors whose median place is the live point's."""

KEPT_EVENTS = 50
FEWEST_MAPPED = 5


@dataclass(frozen=True, eq=False)
class Map:
    """Some vectors of a book's gallery in a plane.

    Attributes:
        place_M2: where they lie.
        name_M: their entries.
        vector_MD: the vectors.
    """

    place_M2: FloatArray
    name_M: tuple[str, ...]
    vector_MD: FloatArray

    def point(self, x_D: FloatArray) -> tuple[float, float]:
        """Return the place of an embedding: the median place of the vectors that are nearest to it."""
        cosine = unit_rows(x_D[None]) @ self.vector_MD.T
        near_k = nearest_columns(cosine.reshape(-1, len(self.vector_MD)).max(axis=0)[None], AMID)[0]
        x, y = np.median(self.place_M2[near_k], axis=0)
        return float(x), float(y)


def map_of(book: GestureBook) -> Map | None:
    """Lay out a book's gallery; ``None`` where too few vectors differ."""
    chosen = [np.flatnonzero(book.entry_G == entry)[:MAPPED] for entry in range(len(book.entries))]
    index_M = np.concatenate([np.zeros(0, int), *chosen])
    vector_MD = book.vector_GD[index_M]
    if len(np.unique(vector_MD.round(6), axis=0)) < FEWEST_MAPPED:
        return None
    names = tuple(book.names[entry] for entry in book.entry_G[index_M])
    return Map(plane(vector_MD.astype(np.float64), 0), names, vector_MD)


@dataclass(frozen=True, eq=False)
class View:
    """A session at one moment.

    Attributes:
        time_s: stream clock, seconds.
        emg_TC: the last ``SHOWN_S`` at ``SHOWN_HZ``, conditioned, of each span the value furthest from zero.
        column: number of the last of these spans since the start. Spans are cut from the samples that came, whatever
            their chunks; lost samples are in no span.
        column_s: length of a span, seconds.
        quality_C: for each channel ``""`` if it is good, else what is wrong with it.
        state: what is recognised; ``None`` until the first window is full.
        made: what the hand is known to make, or empty.
        events: the last ones.
        pose_J: the nearest pose of the gallery, rad; ``None`` where the nearest vector is of EMG.
        point: place of the latest embedding on ``Session.map``; ``None`` without a map.
        lost: samples that were lost.
        problem: a sentence where the source has failed.
    """

    time_s: float
    emg_TC: FloatArray
    column: int
    column_s: float
    quality_C: tuple[str, ...]
    state: State | None
    made: str
    events: tuple[Event, ...]
    pose_J: FloatArray | None
    point: tuple[float, float] | None
    lost: int
    problem: str


class Session(Observer):
    """Runs until its source ends or ``stop``; looking at it never holds it up.

    Args:
        source: of EMG, of the checkpoint's device (``live.sources.fit.fitted``).
        model: checkpoint.
        book: gestures; ``use`` swaps it while the session runs.
        standard: see ``EmgStream``.
    """

    def __init__(self, source: Source, model: Model, book: GestureBook, standard: CentreSpread | None = None) -> None:
        self.source, self.model, self.book = source, model, book
        self.map: Map | None = None
        self._loop = Loop(EmgStream(model, standard=standard), Recogniser(book), self)
        self._span = max(1, round(source.device.emg_rate / SHOWN_HZ))
        self._shown = Ring(round(SHOWN_S * SHOWN_HZ), source.device.channels)
        self._judged = Ring(round(JUDGED_S * source.device.emg_rate), source.device.channels)
        self._part_TC = np.zeros((0, source.device.channels), np.float32)
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._state: State | None = None
        self._x_D: FloatArray | None = None
        self._quality_C = ("",) * source.device.channels
        self._judged_at = 0
        self._made = self._problem = ""
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._mapping = threading.Thread(target=self._lay_out, args=(book,), daemon=True)

    def start(self) -> None:
        """Begin."""
        self._mapping.start()
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self.source.close()
        self._thread.join(timeout=5)

    def use(self, book: GestureBook) -> None:
        """Recognise by another book from the next step on; the map follows when it is laid out."""
        with self._loop.lock:
            self.book, self._loop.recogniser = book, Recogniser(book)
            self._state = self._x_D = None  # they speak of the other book
        self._mapping = threading.Thread(target=self._lay_out, args=(book,), daemon=True)
        self._mapping.start()

    def view(self) -> View:
        """Return the session as it is now."""
        with self._loop.lock:
            x_D, book, known = self._x_D, self.book, self.map
            now = View(
                time_s=self._loop.stream.sample / self.source.device.emg_rate,
                emg_TC=self._shown.last().copy(),
                column=self._shown.rows,
                column_s=self._span / self.source.device.emg_rate,
                quality_C=self._quality_C,
                state=self._state,
                made=self._made,
                events=tuple(self._events),
                pose_J=None,
                point=None,
                lost=self._loop.lost,
                problem=self._problem,
            )
        if now.state is None or x_D is None:
            return now
        return replace(now, pose_J=book.pose_at(now.state.nearest), point=known.point(x_D) if known else None)

    def _lay_out(self, book: GestureBook) -> None:
        found = map_of(book)
        with self._loop.lock:
            if book is self.book:
                self.map = found

    def _run(self) -> None:
        try:
            self._loop.run(self.source.chunks())
            self._problem = f"{self.source.name} has ended"
        except UserError as error:
            self._problem = str(error)
        except Exception as error:  # whoever looks must be told that nothing comes any more
            self._problem = f"{self.source.name} has failed: {error}"
            raise

    def on_step(self, step: StreamStep, state: State) -> None:
        """Keep what is recognised."""
        self._state, self._x_D = state, step.x_D
        if state.event:
            self._events.append(state.event)

    def on_chunk(self, chunk: Chunk) -> None:
        """Keep what is drawn, which is conditioned, and what is judged, which is not."""
        self._made = chunk.made
        part_TC = np.concatenate([self._part_TC, self._loop.stream.latest_TC])
        spans = len(part_TC) // self._span
        cut_KSC = part_TC[: spans * self._span].reshape(spans, self._span, self.source.device.channels)
        furthest_KC = np.abs(cut_KSC).argmax(axis=1)
        self._shown.extend(np.take_along_axis(cut_KSC, furthest_KC[:, None], axis=1)[:, 0])
        self._part_TC = part_TC[spans * self._span :]
        self._judged.extend(chunk.emg_TC)
        device = self.source.device
        if self._judged.rows - self._judged_at >= device.emg_rate and self._judged.rows >= self._judged.length:
            self._judged_at = self._judged.rows
            self._quality_C = quality(self._judged.last(), device.emg_rate, device.emg_kind)
