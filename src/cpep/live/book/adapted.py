"""A gesture book that follows the person who wears the band, without labels, from the first movement on.

The space in which one person's gestures differ is learnt from the book's background: windows of people on whom
nothing was trained, with their names. The book's probabilities say which gesture a movement may be, whether its
entries are of poses or of EMG; what the person makes again and again moves the answers (``evaluate.following``).
Probabilities of rest and of none stay those of the book. All of it is in memory and in no file.
"""

from __future__ import annotations

import numpy as np

from cpep.evaluate.following import Following
from cpep.evaluate.knn import unit_rows
from cpep.evaluate.person import GestureSpace, Prior, grouped_means, numbered
from cpep.live.book.book import GestureBook
from cpep.live.recogniser import Judge, Pace
from cpep.live.runs import HOP_S
from cpep.types import EmbeddingSet, FloatArray, IntArray, StrArray, UserError

LEAST_S, HELD_S = 0.2, 3.0
"""A movement counts from so many seconds on, and by no more than its first so many seconds."""
VARIANCE = 3.0
"""Prior variance of a person's means about the centre of all gestures."""
SMALLEST = 1e-9
"""Smallest probability whose logarithm is taken."""


class AdaptedBook:
    """A judge for one ``Recogniser`` of one stream: a book, and what was learnt of the person since.

    Args:
        book: it stays as it is.
        hop_s: time from step to step of the stream.

    Attributes:
        following: what was learnt.

    Raises:
        UserError: the book does not have what adaptation needs.
    """

    def __init__(self, book: GestureBook, hop_s: float = HOP_S) -> None:
        self.book, self._space = book, space_of(book)
        self._gesture_K = np.array([entry for entry in range(len(book.names)) if entry != book.rest])
        features = self._space.dimensions
        prior = Prior(np.zeros((len(self._gesture_K), features)), np.full(features, VARIANCE))
        self.following = Following(prior, max(round(LEAST_S / hop_s), 1), max(round(HELD_S / hop_s), 1))
        self._last = np.zeros(features), np.zeros(len(self._gesture_K))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the book's entries."""
        return self.book.names

    @property
    def rest(self) -> int:
        """Index of the entry of rest, or -1."""
        return self.book.rest

    @property
    def threshold(self) -> float:
        """Probability from which a gesture is accepted."""
        return self.book.threshold

    @property
    def pace(self) -> Pace | None:
        """The book's."""
        return self.book.pace

    @property
    def learnt(self) -> str:
        """A sentence on what was learnt."""
        movements, kinds = self.following.movements, self.following.kinds
        return f"adapts to you without labels: {movements} movement{'s' * (movements != 1)} so far, {kinds} different"

    def judge(self, x_D: FloatArray) -> tuple[FloatArray, int]:
        """Return probabilities (E + 1,) of each entry and of none, and the index of the nearest vector."""
        p_E, nearest = self.book.judge(x_D)
        own_K = p_E[self._gesture_K]
        z_F = self._space(_one(x_D)[None])[0]
        self._last = z_F, np.log(np.maximum(own_K, SMALLEST))
        p_E = p_E.copy()
        p_E[self._gesture_K] = own_K.sum() * self.following.shares(*self._last)
        return p_E, nearest

    def hear(self, moving: bool, settled: bool) -> None:
        """Learn from the window that was judged last; see ``Following.hear``."""
        self.following.hear(*self._last, moving, settled)

    def pose_at(self, nearest: int) -> FloatArray | None:
        """Return the pose (J,) of a vector of the gallery, or ``None`` of one of an EMG window."""
        return self.book.pose_at(nearest)


def judge_of(book: GestureBook, *, adapts: bool) -> Judge:
    """Return a book that adapts, or the book itself.

    Args:
        book: of gestures.
        adapts: whether it adapts.

    Raises:
        UserError: it is asked to, and cannot.
    """
    return AdaptedBook(book) if adapts else book


def can_adapt(book: GestureBook) -> bool:
    """Tell whether a book has windows of other people, of two or more gestures that its checkpoint was trained on."""
    return len(np.unique(_named(book)[1])) > 1


def _named(book: GestureBook) -> tuple[IntArray, StrArray]:
    """Return places in the background of windows of gestures that the checkpoint was trained on, and their names."""
    if book.background is None:
        return np.zeros(0, int), np.zeros(0, np.str_)
    card = book.model.card
    place_N = np.flatnonzero(
        np.isin(book.background.name_N, [card.vocabulary[label] for label in card.held_out().seen])
    )
    return place_N, book.background.name_N[place_N]


def space_of(book: GestureBook) -> GestureSpace:
    """Return the space in which one person's gestures differ, from the windows of the book's background.

    Of these it is known which gesture each is, and that they are in the order of the recordings; who made them is
    not. So each of as many equal parts as there are validation people is taken for one person.

    Raises:
        UserError: there are too few names to tell gestures apart.
    """
    known = book.background
    if known is None or not can_adapt(book):
        raise UserError(
            "this book cannot adapt: it has no windows of two or more named gestures to learn from; make it again "
            "with `cpep book`, or leave --adapt out"
        )
    place_N, name_N = _named(book)
    people = max(len(book.model.card.held_out().users_val), 1)
    person_N = (place_N * people // len(known)).astype(str)
    run_N = np.cumsum(np.diff(numbered(known.name_N), prepend=0) != 0)[place_N]
    nothing_N = np.full(len(name_N), "")
    windows = EmbeddingSet(
        _rows(known.emg_ND[place_N]), numbered(name_N), person_N, nothing_N, place_N.astype(float), nothing_N
    )
    movement_N = numbered(run_N, person_N)
    first = np.unique(movement_N, return_index=True)[1]
    return GestureSpace(windows.select(first).with_x(grouped_means(windows.x_ND, movement_N)), windows)


def _one(x_D: FloatArray) -> FloatArray:
    return np.asarray(_rows(unit_rows(x_D[None]))[0])


def _rows(x_ND: FloatArray) -> FloatArray:
    """Return one vector a window: of Q vectors (N, Q, D) the mean."""
    return x_ND if x_ND.ndim == 2 else np.asarray(x_ND.mean(axis=1))
