"""Scores of a live recogniser on replayed recordings of people whom nothing was trained or calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
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
from cpep.live.book.book import GestureBook
from cpep.live.book.calibration import of_gestures
from cpep.live.book.entries import REST, UNKNOWN
from cpep.live.recogniser import Recogniser
from cpep.live.sessions import hops_of
from cpep.live.signals import Hop
from cpep.types import FloatArray, Progress, StrArray, no_progress

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
        made_N: gesture of each window that lies within one.
        named_N: the likeliest gesture of the book, rest apart, by that window alone.
        told_N: the book's answer to that window, which may be rest or unknown.
    """

    user: str
    matched: Matched
    pure: bool
    made_N: StrArray
    named_N: StrArray
    told_N: StrArray


def replayed(
    model: Model, book_of: BookOf, store: Store, indices: Sequence[int], progress: Progress = no_progress
) -> list[Replayed]:
    """Replay recordings, those of one session as one stream; each session has a recogniser of its own."""
    out: list[Replayed] = []
    recogniser = Recogniser(book_of(store.entries[indices[0]].user))
    worn: tuple[str, ...] = ()
    for index, hops in groupby(hops_of(model, store, indices), key=itemgetter(0)):
        progress(len(out), len(indices))
        entry = store.entries[index]
        if worn != (entry.user, entry.session, entry.side):
            worn, recogniser = (entry.user, entry.session, entry.side), Recogniser(book_of(entry.user))
        out.append(_replayed(model, recogniser, store, entry, hops))
    progress(len(indices), len(indices))
    return out


def made_in(model: Model, store: Store, entry: Entry) -> tuple[Made, ...]:
    """Return the gestures of a recording that are scored."""
    label_M = np.asarray(store.label_M[entry.start : entry.start + entry.frames])
    return gestures_of(label_M, 1 / store.frame_rate, store.vocabulary, model.card.window_s + CUT_S)


def _replayed(
    model: Model, recogniser: Recogniser, store: Store, entry: Entry, hops: Iterable[tuple[int, int, Hop]]
) -> Replayed:
    frame_s, book = 1 / store.frame_rate, recogniser.book
    label_M = np.asarray(store.label_M[entry.start : entry.start + entry.frames])
    change_M, length = np.cumsum(np.diff(label_M, prepend=label_M[0]) != 0), round(model.card.window_s / frame_s)
    events, windows = [], []
    for _, frame, hop in hops:
        p_E, nearest = book.judge(hop.x_D)
        event = recogniser.judge(hop.time_s, p_E, hop.energy, nearest).event
        if event is not None:
            events.append(replace(event, time_s=frame * frame_s))
        label = int(label_M[frame - 1])
        if label > 0 and change_M[frame - 1] == change_M[frame - length]:
            windows.append(
                (store.vocabulary[label], book.names[of_gestures(p_E, book.rest).argmax()], book.answer(p_E))
            )
    made = made_in(model, store, entry)
    pure = all(gesture.name in book.names for gesture in made)
    columns = np.array(windows, dtype=np.str_).reshape(-1, 3).T
    return Replayed(entry.user, match(made, events, rests_of(label_M, frame_s)), pure, *columns)


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


def window_scores(runs: Sequence[Replayed], names: Sequence[str]) -> dict[str, float | None]:
    """Return balanced accuracies of single windows of the book's gestures, which events are compared with.

    ``named``: each window is given the likeliest gesture; ``told``: as the book answers, so that a window that is
    taken for rest or for unknown is wrong. ``None`` where there is no such window.
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
