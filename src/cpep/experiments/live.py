"""Scores of a live recogniser on replayed recordings of people who are in no training or calibration data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.data.store.store import Entry, Store
from cpep.evaluate.events import (
    Made,
    Matched,
    confusion,
    f1_table,
    false_per_minute,
    gestures_of,
    latencies,
    match,
    rejected,
    reliability,
    rests_of,
)
from cpep.evaluate.metrics import balanced_accuracy
from cpep.live.book.adapted import AdaptedBook
from cpep.live.book.book import GestureBook
from cpep.live.book.calibration import of_gestures
from cpep.live.book.entries import REST, UNKNOWN
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Event, State, StreamStep
from cpep.live.store_stream import StoreSession, streams_of
from cpep.types import FloatArray, Progress, StrArray, no_progress

CUT_S = 0.5
"""A gesture that the end of a recording cuts short is scored only if it lasts a window and this, seconds."""
DRAWS = 1000

BookOf = Callable[[str], GestureBook]
"""From a person to the book by which the person is recognised."""


@dataclass(frozen=True, eq=False)
class Replayed:
    """One recording, replayed.

    Attributes:
        user: person of the recording.
        matched: its gestures and events.
        pure: whether every gesture in it is in the book.
        made_N: gesture of each window that lies within one gesture.
        named_N: likeliest gesture of the book, except rest, for each such window alone.
        told_N: answer of the book to each such window, which may be rest or unknown.
    """

    user: str
    matched: Matched
    pure: bool
    made_N: StrArray
    named_N: StrArray
    told_N: StrArray


def replayed(
    model: Model,
    book_of: BookOf,
    store: Store,
    indices: Sequence[int],
    progress: Progress = no_progress,
    *,
    adapts: bool = False,
) -> list[Replayed]:
    """Replay recordings; the recordings of a session are one stream with a recogniser of its own.

    Args:
        model: that reads EMG.
        book_of: from a person to the book.
        store: prepared recordings.
        indices: of recordings, in ``store.entries``.
        progress: called with recordings begun and in all.
        adapts: whether the book follows the person in each session; see ``AdaptedBook``.
    """
    out: list[Replayed] = []
    begun = count()

    def note() -> None:
        progress(next(begun), len(indices))

    for session, stream in streams_of(model, store, indices):
        book = book_of(session.user)
        tapes = _Tapes(model, book, session, note)
        Loop(stream, Recogniser(AdaptedBook(book) if adapts else book), tapes).run(session.chunks())
        out += [tape.replayed() for tape in tapes.of.values()]
    progress(len(indices), len(indices))
    return out


def made_in(model: Model, store: Store, entry: Entry) -> tuple[Made, ...]:
    """Return the gestures of a recording that are scored."""
    label_M = np.asarray(store.label_M[entry.start : entry.start + entry.frames])
    return gestures_of(label_M, 1 / store.frame_rate, store.vocabulary, model.card.window_s + CUT_S)


class _Tapes(Observer):
    """The states of the recogniser, by recording; a recording that is shorter than a window has none."""

    def __init__(self, model: Model, book: GestureBook, session: StoreSession, note: Callable[[], None]) -> None:
        self.of: dict[int, _Tape] = {}
        self._model, self._book, self._session, self._note = model, book, session, note

    def on_step(self, step: StreamStep, state: State) -> None:
        index, frame = self._session.place(step)
        if index not in self.of:
            self._note()
            self.of[index] = _Tape(self._model, self._book, self._session.store, index)
        self.of[index].take(frame, state)


class _Tape:
    """The events of one recording, and the answers to each of its windows that lies within a gesture."""

    def __init__(self, model: Model, book: GestureBook, store: Store, index: int) -> None:
        self._model, self.store, self.book, self.entry = model, store, book, store.entries[index]
        self.frame_s = 1 / store.frame_rate
        self.label_M = np.asarray(store.label_M[self.entry.start : self.entry.start + self.entry.frames])
        self._change_M = np.cumsum(np.diff(self.label_M, prepend=self.label_M[0]) != 0)
        self._length = round(model.card.window_s / self.frame_s)
        self._events: list[Event] = []
        self._windows: list[tuple[str, str, str]] = []

    def take(self, frame: int, state: State) -> None:
        """Note the event and the answer for the window that ends at a frame."""
        if state.event is not None:
            self._events.append(replace(state.event, time_s=frame * self.frame_s))
        label, p_E, book = int(self.label_M[frame - 1]), state.alone_E, self.book
        if label > 0 and self._change_M[frame - 1] == self._change_M[frame - self._length]:
            likeliest = book.names[of_gestures(p_E, book.rest).argmax()]
            self._windows.append((self.store.vocabulary[label], likeliest, book.answer(p_E)))

    def replayed(self) -> Replayed:
        """Return the recording with its events matched with its gestures."""
        made = made_in(self._model, self.store, self.entry)
        matched = match(made, self._events, rests_of(self.label_M, self.frame_s))
        pure = all(gesture.name in self.book.names for gesture in made)
        columns = np.array(self._windows, dtype=np.str_).reshape(-1, 3).T
        return Replayed(self.entry.user, matched, pure, *columns)


def scores(runs: Sequence[Replayed], names: Sequence[str]) -> dict[str, Any]:
    """Return all scores of replayed recordings, as plain values for JSON.

    Args:
        runs: recordings of all people.
        names: gestures of the book, without rest.
    """
    pure = [run for run in runs if run.pure]
    alone = [run.matched for run in pure]
    told = [event for one in alone for event in one.told]
    right_N = np.concatenate([np.zeros(0, bool), *(one.right_N for one in alone)])
    late = latencies(alone)
    return {
        "recordings": len(runs),
        "people": len({run.user for run in runs}),
        "f1": with_interval(pure, lambda some: f1_of(some, names)),
        "f1_of_all_recordings": with_interval(runs, lambda some: f1_of(some, names)),
        "latency_s": {"p50": _quantile(late, 0.5), "p90": _quantile(late, 0.9)},
        "false_events_per_minute_of_rest": with_interval(
            runs, lambda some: false_per_minute([run.matched for run in some])
        ),
        "rejected": with_interval(runs, lambda some: rejected([run.matched for run in some], names)),
        "calibration": vars(reliability(np.array([event.confidence for event in told]), right_N)) if told else None,
        "confusion": {"names": list(names), "counts": confusion(alone, names).tolist()},
    }


def f1_of(runs: Sequence[Replayed], names: Sequence[str]) -> float:
    """Return the mean F1 of events over the gestures that were made; NaN if none was made."""
    right_K, told_K, made_K = np.sum([f1_table(run.matched, names) for run in runs], axis=0)
    known_K = made_K > 0
    return float(np.mean(2 * right_K[known_K] / (told_K + made_K)[known_K])) if known_K.any() else float("nan")


def with_interval(
    runs: Sequence[Replayed], figure: Callable[[Sequence[Replayed]], float], seed: int = 0
) -> dict[str, Any]:
    """Return a score (``mean``) with its 95 % bootstrap interval over people (``low``, ``high``)."""
    by_user: dict[str, list[Replayed]] = {}
    for run in runs:
        by_user.setdefault(run.user, []).append(run)
    people, rng = list(by_user.values()), np.random.default_rng(seed)
    value = figure(runs) if runs else float("nan")
    if np.isnan(value):
        return {"mean": None, "low": None, "high": None}
    drawn = [
        figure([run for index in rng.integers(len(people), size=len(people)) for run in people[index]])
        for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"mean": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def window_scores(runs: Sequence[Replayed], names: Sequence[str]) -> dict[str, float | None]:
    """Return balanced accuracies of single windows of the book's gestures, to compare with the scores of events.

    ``named``: the answer to a window is the likeliest gesture. ``told``: the answer is that of the book, so that rest
    and unknown are wrong. ``None`` where there is no such window.
    """
    place = {name: index for index, name in enumerate([*names, REST, UNKNOWN])}

    def accuracy(answers: Sequence[StrArray]) -> float | None:
        pairs = [
            (place[made], place.get(answer, -1))
            for run, answer_N in zip(runs, answers, strict=True)
            for made, answer in zip(run.made_N.tolist(), answer_N.tolist(), strict=True)
            if made in names
        ]
        return round(balanced_accuracy(*np.array(pairs, int).T), 4) if pairs else None

    return {"named": accuracy([run.named_N for run in runs]), "told": accuracy([run.told_N for run in runs])}


def names_of(book: GestureBook) -> tuple[str, ...]:
    """Return the gestures of a book, without rest."""
    return tuple(name for name in book.names if name != REST)


def _quantile(values: FloatArray, share: float) -> float | None:
    return round(float(np.quantile(values, share)), 3) if len(values) else None
