"""Scores of a live recogniser on replayed recordings of people whom nothing was trained or calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpep.checkpoint import Model
from cpep.data.store import Entry, Store
from cpep.data.windows import list_windows
from cpep.evaluate.embed import embed_emg
from cpep.evaluate.events import (
    Event,
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
from cpep.live.book import GestureBook
from cpep.live.entries import REST, UNKNOWN
from cpep.live.recogniser import Recogniser
from cpep.live.stream import EmgStream
from cpep.types import FloatArray, Progress, StrArray, no_progress

CHUNK_S = 0.02
CUT_S = 0.5
"""A gesture that a recording's end cuts off sooner than this after a window's length is not scored."""
DRAWS = 1000

BookOf = Callable[[str], GestureBook]
"""Returns the book that a person is recognised by."""


@dataclass(frozen=True, eq=False)
class Replayed:
    """One recording, replayed.

    Attributes:
        user: whose.
        matched: its gestures and events.
        pure: whether every gesture in it is in the book.
    """

    user: str
    matched: Matched
    pure: bool


def replay(model: Model, book: GestureBook, store: Store, entry: Entry) -> list[Event]:
    """Push a recording through stream and recogniser in small chunks, and return the events."""
    rows = slice(entry.start * store.ratio, (entry.start + entry.frames) * store.ratio)
    emg_TC, size = store.emg_TC[rows], max(1, round(CHUNK_S * store.device.emg_rate))
    stream, recogniser, events = EmgStream(model), Recogniser(book), []
    for first in range(0, len(emg_TC), size):
        for hop in stream.push(emg_TC[first : first + size]):
            state = recogniser.step(hop)
            if state.event is not None:
                events.append(state.event)
    return events


def replayed(
    model: Model, book_of: BookOf, store: Store, entries: Sequence[Entry], progress: Progress = no_progress
) -> list[Replayed]:
    """Replay recordings."""
    frame_s, least_s = 1 / store.frame_rate, model.card.window_s + CUT_S
    out = []
    for number, entry in enumerate(entries):
        progress(number, len(entries))
        book = book_of(entry.user)
        label_M = np.asarray(store.label_M[entry.start : entry.start + entry.frames])
        made = gestures_of(label_M, frame_s, store.vocabulary, least_s)
        events = replay(model, book, store, entry)
        pure = all(gesture.name in book.names for gesture in made)
        out.append(Replayed(entry.user, match(made, events, rests_of(label_M, frame_s)), pure))
    progress(len(entries), len(entries))
    return out


def scores(runs: Sequence[Replayed], names: Sequence[str]) -> dict[str, Any]:
    """Return all figures of replayed recordings as JSON.

    Args:
        runs: of all people.
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
    """Return the mean over gestures of the F1 of their events."""
    right_K, told_K, made_K = np.sum([f1_table(run.matched, names) for run in runs], axis=0)
    known_K = made_K > 0
    return float(np.mean(2 * right_K[known_K] / (told_K + made_K)[known_K])) if known_K.any() else float("nan")


def with_interval(
    runs: Sequence[Replayed], figure: Callable[[Sequence[Replayed]], float], seed: int = 0
) -> dict[str, Any]:
    """Return a figure with its 95 % bootstrap interval over people."""
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


def window_scores(model: Model, book_of: BookOf, store: Store, entries: Sequence[Entry]) -> dict[str, float]:
    """Return balanced accuracies of whole windows, without smoothing: what events are compared with.

    ``named``: each window is given the likeliest gesture of the book; ``accepted``: as the book answers, so that a
    window that is taken for rest or for unknown is wrong.
    """
    windows = list_windows(store, model.card.window_s, 0.25)
    wanted_E = np.array([entry in entries for entry in store.entries])
    windows = windows.select(wanted_E[windows.entry_N] & (windows.label_N > 0))
    found = embed_emg(model, store, windows)
    made_N = np.array(store.vocabulary)[windows.label_N]
    named_N: StrArray = made_N.astype(object)
    accepted_N: StrArray = made_N.astype(object)
    known_N = np.zeros(len(made_N), bool)
    for user in dict.fromkeys(entry.user for entry in entries):
        mine = np.flatnonzero(found.user_N == user)
        book = book_of(user)
        known_N[mine] = np.isin(made_N[mine], book.names)
        if len(mine):
            accepted_N[mine] = book.predict(found.x_ND[mine])
            named_N[mine] = likeliest(book, found.x_ND[mine])
    vocabulary = [*store.vocabulary, UNKNOWN]
    place = {name: index for index, name in enumerate(vocabulary)}

    def accuracy(answer_N: StrArray) -> float:
        label_N, predicted_N = (np.array([place[str(n)] for n in names[known_N]]) for names in (made_N, answer_N))
        return round(balanced_accuracy(label_N, predicted_N), 4)

    return {"named": accuracy(named_N), "accepted": accuracy(accepted_N)}


def likeliest(book: GestureBook, x_ND: FloatArray) -> StrArray:
    """Return the likeliest gesture of each window, rest apart."""
    p_NE = book.predict_proba(x_ND)[:, :-1]
    if book.rest >= 0:
        p_NE[:, book.rest] = -1
    return np.asarray(np.array(book.names)[p_NE.argmax(axis=1)])


def names_of(book: GestureBook) -> tuple[str, ...]:
    """Return the gestures of a book, without rest."""
    return tuple(name for name in book.names if name != REST)


def _quantile(values: FloatArray, share: float) -> float | None:
    return round(float(np.quantile(values, share)), 3) if len(values) else None
