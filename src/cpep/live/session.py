"""A live session: a source, who hears it, and what is recognised in it, in a thread; and a view of it for a page."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from cpep.data.statistics import CentreSpread
from cpep.live.book.adapted import AdaptedBook, judge_of
from cpep.live.book.book import GestureBook
from cpep.live.enrol.stream import FeatureStream
from cpep.live.loop import Loop, Observer, Steps
from cpep.live.map import Map, map_of
from cpep.live.recogniser import Judge, Recogniser
from cpep.live.shown import Shown
from cpep.live.signals import Chunk, Event, Source, State, StreamStep
from cpep.live.sources.fit import fitted
from cpep.live.stream import EmgStream
from cpep.live.tally import Counted, Tally
from cpep.types import FloatArray, UserError

KEPT_EVENTS = 50

Side = Literal["gestures", "book"]
"""By what is recognised: the gestures that the person enrolled, or a checkpoint's book."""


class Hearer(Protocol):
    """Who hears every chunk as the source gives it, in the session's thread: an enrolment, a recording."""

    def hear(self, chunk: Chunk) -> None:
        """Take in a chunk."""
        ...


@dataclass(frozen=True, eq=False)
class View:
    """A session at one moment.

    Attributes:
        time_s: stream clock, seconds.
        emg_TC: the last seconds, conditioned; see ``Shown.columns``.
        column: number of the last of these columns since the start. Columns are cut from the samples that came,
            whatever their chunks; lost samples are in none.
        column_s: length of a column, seconds.
        quality_C: for each channel ``""`` if it is good, else what is wrong with it.
        state: what is recognised; ``None`` until the first window is full, or where no gesture is known.
        made: what the hand is known to make, or empty.
        tally: how often what was made was recognised as what, since the gestures last changed.
        events: the last ones.
        pose_J: the nearest pose of the gallery, rad; ``None`` where the nearest vector is of EMG.
        point: place of the latest embedding on ``Session.map``; ``None`` without a map.
        lost: samples that were lost.
        adapted: a sentence on what was learnt of the person; empty where nothing is.
        notices: sentences on what is odd, and goes on.
        problem: a sentence where the source has failed.
    """

    time_s: float
    emg_TC: FloatArray
    column: int
    column_s: float
    quality_C: tuple[str, ...]
    state: State | None
    made: str
    tally: Counted
    events: tuple[Event, ...]
    pose_J: FloatArray | None
    point: tuple[float, float] | None
    lost: int
    adapted: str
    notices: tuple[str, ...]
    problem: str


class _Told(Observer):
    """What one recogniser makes of a stream."""

    def __init__(self, steps: Steps, known: Judge | None, rate: float) -> None:
        self.known, self.rate = known, rate
        self.loop = Loop(steps, Recogniser(known) if known else None, self)
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.state: State | None = None
        self.x_D: FloatArray | None = None
        self.tally = Tally()

    def use(self, known: Judge | None) -> None:
        """Recognise by something else from the next step on."""
        with self.loop.lock:
            self.known, self.loop.recogniser = known, Recogniser(known) if known else None
            self.state = self.x_D = None  # they speak of the other one
            self.tally.clear()

    def on_chunk(self, chunk: Chunk) -> None:
        """Count what is made, once it can be recognised."""
        if self.state is not None:
            self.tally.hear(chunk.made, self.loop.stream.sample / self.rate)

    def on_step(self, step: StreamStep, state: State) -> None:
        """Keep what is recognised."""
        self.state, self.x_D = state, step.x_D
        if state.event:
            self.events.append(state.event)
            self.tally.recognise(state.event.name)


class _Passing:
    """A source that lets somebody hear each chunk before it goes on."""

    def __init__(self, session: Session) -> None:
        self.name, self.device, self._session = session.source.name, session.source.device, session

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._session.source.chunks():
            self._session.hear(chunk)
            yield chunk

    def close(self) -> None:
        self._session.source.close()


class Session:
    """Runs until its source ends or ``stop``; looking at it never holds it up.

    Args:
        source: of EMG, of any device.
        book: gestures of a checkpoint, if there is one that fits; ``use`` swaps it while the session runs.
        standard: see ``EmgStream``.
        adapts: whether the book follows the person without labels (``AdaptedBook``).

    Attributes:
        by: by what is recognised now.
        map: of the book.
        mapping: whether a map is being laid out; the one before is shown until then.

    Raises:
        UserError: the source does not fit the checkpoint.
    """

    def __init__(
        self,
        source: Source,
        book: GestureBook | None = None,
        standard: CentreSpread | None = None,
        *,
        adapts: bool = False,
    ) -> None:
        self.source, self.book, self.adapts = source, book, adapts
        self.by: Side = "book" if book else "gestures"
        self.map: Map | None = None
        self.mapping = False
        self._features = FeatureStream(source.device)
        self._features.wanted = False
        self._told: dict[Side, _Told] = {"gestures": _Told(self._features, None, source.device.emg_rate)}
        self._passing: Source = _Passing(self)
        if book is not None:
            self._passing = fitted(self._passing, book.model.card.device)
            stream = EmgStream(book.model, standard=standard)
            self._told["book"] = _Told(stream, self._judge_of(book), book.model.card.device.emg_rate)
        self._shown, self._lock = Shown(source.device), threading.Lock()
        self._point: tuple[object, object, tuple[float, float]] | None = None
        self._hearers: dict[str, Hearer] = {}
        self._notices: dict[str, str] = {}
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    @property
    def known(self) -> Judge | None:
        """What is recognised now; ``None`` where no gesture is known."""
        return self._told[self.by].known

    @property
    def sides(self) -> tuple[Side, ...]:
        """By what can be recognised."""
        return tuple(side for side, told in self._told.items() if told.known is not None)

    @property
    def ended(self) -> bool:
        """Whether its source has ended or failed."""
        return bool(self._problem)

    def start(self) -> None:
        """Begin."""
        if self.book is not None:
            self._map_anew(self.book)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self.source.close()
        self._thread.join(timeout=5)

    def use(self, book: GestureBook) -> None:
        """Recognise by another book from the next step on; the map follows when it is laid out."""
        self.book = book
        self._told["book"].use(self._judge_of(book))
        self._map_anew(book)

    def forget(self) -> None:
        """Forget what was learnt of the person without labels."""
        told = self._told["book" if self.book else "gestures"]
        with told.loop.lock:
            if isinstance(told.known, AdaptedBook):
                told.known.following.forget()

    def _judge_of(self, book: GestureBook) -> Judge:
        return judge_of(book, adapts=self.adapts)

    def enrolled(self, known: Judge | None) -> None:
        """Recognise by what the person enrolled from the next step on; ``None`` where nothing is left of it."""
        self._told["gestures"].use(known)
        self._features.wanted = known is not None
        self.by = "gestures" if known is not None or self.book is None else "book"

    def choose(self, side: Side) -> None:
        """Recognise by one of ``sides``."""
        if side in self.sides:
            self.by = side

    def claim(self, made: str) -> None:
        """Say what a person makes from now on, for ``View.tally``; empty for nothing."""
        for told in self._told.values():
            with told.loop.lock:
                told.tally.claimed = made

    def count_anew(self) -> None:
        """Begin ``View.tally`` anew."""
        for told in self._told.values():
            with told.loop.lock:
                told.tally.clear()

    def join(self, name: str, hearer: Hearer) -> None:
        """Let somebody hear every chunk from now on; one that fails hears no more, and a notice says so."""
        with self._lock:
            self._notices.pop(name, None)
            self._hearers[name] = hearer

    def leave(self, name: str) -> None:
        """Let somebody hear no more."""
        with self._lock:
            self._hearers.pop(name, None)

    def hear(self, chunk: Chunk) -> None:
        """Take in a chunk of the source."""
        self._safely("recognition by your gestures", partial(self._told["gestures"].loop.take, chunk))
        with self._lock:
            self._shown.take(chunk, self._features.latest_TC)
            hearers = list(self._hearers.items())
        for name, hearer in hearers:
            if not self._safely(name, partial(hearer.hear, chunk)):
                self.leave(name)

    def view(self) -> View:
        """Return the session as it is now."""
        told = self._told[self.by]
        with told.loop.lock:
            state, x_D, known, events = told.state, told.x_D, told.known, tuple(told.events)
            tally = told.tally.read()
            adapted = known.learnt if isinstance(known, AdaptedBook) else ""
        with self._lock:
            shown, plane = self._shown, self.map if self.by == "book" else None
            now = View(
                time_s=shown.sample / self.source.device.emg_rate,
                emg_TC=shown.columns(),
                column=shown.column,
                column_s=shown.column_s,
                quality_C=shown.quality_C,
                state=state,
                made=shown.made,
                tally=tally,
                events=events,
                pose_J=None,
                point=None,
                lost=shown.lost,
                adapted=adapted,
                notices=tuple(filter(None, (shown.pace(), shown.odd, *self._notices.values()))),
                problem=self._problem,
            )
        if state is None or x_D is None or known is None:
            return now
        return replace(now, pose_J=known.pose_at(state.nearest), point=self._point_of(plane, x_D) if plane else None)

    def _point_of(self, plane: Map, x_D: FloatArray) -> tuple[float, float]:
        """Return the place of an embedding; it is computed once, however many look and however often."""
        last = self._point
        if last is None or last[0] is not plane or last[1] is not x_D:
            self._point = last = (plane, x_D, plane.point(x_D))
        return last[2]

    def _safely(self, name: str, what: Callable[[], object]) -> bool:
        """Do something whose failure must not end the stream; tell whether it went well."""
        try:
            what()
            return True
        except Exception as error:  # the stream goes on, and whoever looks is told
            if not isinstance(error, UserError) and name not in self._notices:
                traceback.print_exc()
            with self._lock:
                self._notices[name] = f"{name} has stopped: {error}"
            return False

    def _map_anew(self, book: GestureBook) -> None:
        self.mapping = True
        threading.Thread(target=self._lay_out, args=(book,), daemon=True).start()

    def _lay_out(self, book: GestureBook) -> None:
        found = map_of(book, self.map)
        with self._lock:
            if book is self.book:
                self.map, self.mapping = found, False

    def _run(self) -> None:
        try:
            if "book" in self._told:
                self._told["book"].loop.run(self._passing.chunks())
            else:
                for _ in self._passing.chunks():  # those who hear have heard it
                    pass
        except UserError as error:
            self._problem = str(error)
        except Exception as error:  # whoever looks must be told that nothing comes any more
            self._problem = f"{self.source.name} has failed: {error}"
            raise
        finally:  # a source that ends its thread, as by sys.exit, says nothing
            self._problem = self._problem or f"{self.source.name} has ended"
