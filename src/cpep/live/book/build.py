"""A gesture book from a store: poses of training users, confidence calibrated on validation users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.embed import embed_anchor
from cpep.data.normalise import sessions
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.data.windows import AnchorReader, SampleReader, Windows, list_windows
from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import REST, Background, Kept, checked, no_windows
from cpep.live.book.files import FEWEST_KEPT, KEPT_HZ, thinned
from cpep.live.store_stream import embed_streamed
from cpep.types import BoolArray, IntArray, UserError

SHOWN = 200
"""Largest number of EMG windows that an entry is made of where there is no pose."""

LONGEST_HOP_S = 0.25
MOST = 3000
"""Largest number of windows of the background; of more, a random choice is kept."""

KEPT_BYTES = 12_000_000
"""Largest size of the background windows that a book keeps for another checkpoint; where that is less than
``FEWEST_KEPT`` windows, it keeps none."""


def book_of(
    model: Model, store: Store, gestures: Sequence[str] = (), false_alarms: float | None = None
) -> GestureBook:
    """Return a book of gestures as people show them in a store.

    Poses are those of the checkpoint's training users. On its validation users the read-out is chosen
    (``GestureBook.choose``), and confidence is calibrated. No recording of test users is read, and no EMG of unseen
    gestures; labels serve to find the poses and to choose the read-out. Where the checkpoint reads no pose, or the
    store has none, a gesture is known by EMG of training users instead.

    Args:
        model: a checkpoint that reads EMG.
        store: with labels, of the checkpoint's own people.
        gestures: names from the store's vocabulary; without any, those that the checkpoint's training saw.
        false_alarms: see ``GestureBook``.

    Raises:
        UserError: no such gesture, no training user makes it for a whole window, no window to calibrate on, or a
            store of other people.
    """
    model.card.refuse_other(store)
    split = model.card.held_out()
    if not set(split.users_train) | set(split.users_val) <= set(store.users):
        raise UserError(
            f"{store.path} does not hold the people that the checkpoint was trained on; give its own store"
        )
    names = tuple(gestures) or tuple(model.card.vocabulary[label] for label in split.seen)
    for name in names:
        if checked(name) not in store.vocabulary:
            raise UserError(f"{store.path} has no gesture {name!r}; it has {', '.join(store.vocabulary)}")
    windows = list_windows(store, model.card.window_s, grid_s(model))
    windows = windows.select(windows.valid_N)
    user_N = windows.users(store)
    # no window of an unseen gesture, not even of validation users: confidence must not know them either
    known = split.allowed(store, windows, "val")
    if not len(known):
        raise UserError(
            f"{store.path}: the checkpoint's validation users ({', '.join(split.users_val)}), on whom confidence is "
            f"calibrated, have no window of {model.card.window_s:g} s with valid pose away from unseen gestures"
        )
    background = background_of(model, store, known)
    book = GestureBook(model, background, *([] if false_alarms is None else [false_alarms]))
    posed, train_N = by_pose(model, store), np.isin(user_N, split.users_train)
    read = AnchorReader(store, windows.frames) if posed else None
    refuse_unseen(model, split, () if posed else names)
    for name in dict.fromkeys((REST, *names)):
        mine = _some(windows, train_N & (windows.label_N == store.vocabulary.index(name)))
        if not len(mine) and name == REST and REST not in names:
            continue  # hands never rest, or nobody labelled it
        if not len(mine):
            raise UserError(f"{store.path}: no training user makes {name} for a whole window")
        if read is None:
            add_shown(book, store, name, mine)
        else:
            book.add(name, read(mine).numpy())
    book.choose()
    return book


def by_pose(model: Model, store: Store) -> bool:
    """Tell whether a book of people in a store knows gestures by their pose."""
    return model.spec.reads_anchor and store.anchor_MJ is not None


def refuse_unseen(model: Model, split: Split, names: Sequence[str]) -> None:
    """Check that no gesture that a checkpoint's training left out is put into a book by its EMG.

    Raises:
        UserError: one is.
    """
    if left_out := {model.card.vocabulary[label] for label in split.unseen} & set(names):
        raise UserError(
            f"{', '.join(sorted(left_out))} was left out of the training of this checkpoint, so that it can be added "
            "by a pose alone, and there is none; leave it out, or show it live"
        )


def add_shown(book: GestureBook, store: Store, name: str, mine: Windows) -> None:
    """Add a gesture to a book by EMG windows of a store; of many, by those at equal distances."""
    some = mine.select(np.unique(np.linspace(0, len(mine) - 1, SHOWN).round().astype(int)))
    found = embed_streamed(book.model, store, some, grid_s(book.model))
    book.add_emg(name, found, replace(kept_of(book.model, store, some), pose_GSJ=no_windows()))


def grid_s(model: Model) -> float:
    """Return a hop, at most ``LONGEST_HOP_S``, on whose grid windows begin and end as those of a stream do."""
    step_s = model.emg_frontend.bin_samples / model.card.device.emg_rate or 1 / model.card.frame_rate
    steps = round(model.card.window_s / step_s)
    most = max(int(LONGEST_HOP_S / step_s + 1e-9), 1)
    return step_s * max(hop for hop in range(1, most + 1) if steps % hop == 0)


def background_of(model: Model, store: Store, windows: Windows) -> Background:
    """Return at most ``MOST`` of the windows, embedded as by a stream, and their poses if the model reads any."""
    chosen = _some(windows, np.ones(len(windows), bool), MOST)
    x_ND, pose_ND = embed_streamed(model, store, chosen, grid_s(model)), np.zeros((len(chosen), 0), np.float32)
    if by_pose(model, store):
        pose_ND = embed_anchor(model, store, chosen).x_ND
    names = np.array([store.vocabulary[label] if label >= 0 else "" for label in chosen.label_N], np.str_)
    few = _few(model, len(chosen))
    kept = kept_of(model, store, chosen.select(few)) if len(few) >= FEWEST_KEPT else Kept()
    return Background(unit_rows(x_ND), pose_ND, names, kept, names[few] if len(few) >= FEWEST_KEPT else names[:0])


def kept_of(model: Model, store: Store, windows: Windows) -> Kept:
    """Return the windows of a store, and their anchors if the model reads any, as a book keeps them."""
    emg_NTC = SampleReader(store, windows.frames, None)(windows).numpy()
    session_E = np.zeros(len(store.entries), np.int16)
    for number, files in enumerate(sessions(store)):
        session_E[files] = number
    pose_NSJ = no_windows()
    if by_pose(model, store):
        pose_NSJ = thinned(model.card, AnchorReader(store, windows.frames)(windows).numpy())
    return Kept(pose_NSJ, emg_NTC, session_E[windows.entry_N])


def _few(model: Model, count: int) -> IntArray:
    """Return the indices of the windows that fit into ``KEPT_BYTES``, at equal distances."""
    card = model.card
    size = 2 * (card.samples * card.device.channels + round(card.window_s * KEPT_HZ) * len(card.device.anchor_names))
    return np.unique(np.linspace(0, count - 1, min(count, KEPT_BYTES // size)).round().astype(int))


def _some(windows: Windows, mask_N: BoolArray, most: int = 400) -> Windows:
    index_N = np.random.default_rng(0).permutation(np.flatnonzero(mask_N))[:most]
    return windows.select(np.sort(index_N))
