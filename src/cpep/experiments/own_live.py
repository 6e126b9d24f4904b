"""The live side of one person's model: its book, and what its recogniser tells of recordings that were held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.windows import list_windows
from cpep.experiments.live import names_of, replayed, scores, window_scores
from cpep.live.book.book import GestureBook
from cpep.live.book.build import add_shown, background_of, book_of, grid_s
from cpep.live.book.entries import REST


@dataclass(frozen=True, eq=False)
class Told:
    """What a live recogniser made of recordings that were held out.

    Attributes:
        windows: balanced accuracies of single windows; see ``experiments.live.window_scores``.
        events: see ``experiments.live.scores``.
        made: number of gestures that the hand made.
        right: number of them that were told.
        told: number of events.
        threshold: confidence from which the book accepts a gesture.
    """

    windows: dict[str, float | None]
    events: dict[str, Any]
    made: int
    right: int
    told: int
    threshold: float


def own_book(model: Model, store: Store, split: Split) -> GestureBook:
    """Return the book of what a person made: each gesture by pose where it has one, else by EMG.

    Its read-out is chosen, and it is calibrated, on validation windows with a pose, or on all where no recording has
    one.

    It is empty, but calibrated, where recordings have no labels.

    Args:
        model: trained on the store.
        store: divided recordings.
        split: of the training; its seen gestures come into the book.
    """
    windows = list_windows(store, model.card.window_s, grid_s(model))
    trained = windows.select(np.isin(windows.users(store), split.users_train))
    names = [store.vocabulary[label] for label in split.seen if (trained.label_N == label).any()]
    posed = set(trained.label_N[trained.valid_N].tolist()) if model.spec.reads_anchor else set()
    if by_pose := [name for name in names if store.vocabulary.index(name) in posed]:
        book = book_of(model, store, by_pose)
    else:
        usable = windows.select(windows.valid_N) if model.spec.reads_anchor else windows
        known = split.allowed(store, usable, "val")
        book = GestureBook(model, background_of(model, store, known))
    for name in (REST, *names) if names else ():
        mine = trained.select(trained.label_N == store.vocabulary.index(name))
        if len(mine) and name not in book.names:
            add_shown(book, store, name, mine)
    book.choose()
    return book


def told_in(model: Model, book: GestureBook, store: Store, split: Split) -> Told | None:
    """Replay the labelled test recordings of a split as a live stream; ``None`` where nothing is made in them."""
    indices = [
        index
        for index, entry in enumerate(store.entries)
        if entry.user in split.users_test and (store.label_M[entry.start : entry.start + entry.frames] > 0).any()
    ]
    runs = replayed(model, lambda user: book, store, indices)
    names = [name for name in names_of(book) if any(one.name == name for run in runs for one in run.matched.made)]
    if not names:
        return None
    matched = [run.matched for run in runs]
    return Told(
        windows=window_scores(runs, names),
        events=scores(runs, names),
        made=sum(len(one.made) for one in matched),
        right=sum(int((one.event_M >= 0).sum()) for one in matched),
        told=sum(len(one.told) for one in matched),
        threshold=book.calibration.threshold,
    )
