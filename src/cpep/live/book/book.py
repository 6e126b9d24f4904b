"""The gesture book: the gestures that a live recogniser knows, each an entry of poses or of EMG windows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model
from cpep.evaluate.knn import unit_rows
from cpep.live.book.calibration import (
    Calibration,
    among_themselves,
    by_entry,
    cosines,
    fit,
    named,
    shown,
    told_right,
    usual,
)
from cpep.live.book.entries import REST, UNKNOWN, Background, Entry, Kept, checked, some
from cpep.live.book.estimator import AsClassifier
from cpep.live.book.files import read_book, thinned, write_book
from cpep.live.book.poses import pose_windows
from cpep.live.book.readout import ReadOut, accuracies, best, compared, sentence
from cpep.signal.given import floats_in
from cpep.types import FloatArray, IntArray, StrArray, UserError

FALSE_ALARMS = 0.4
"""Share of windows outside the book, of people on whom nothing was trained, that may pass for a gesture of it."""

ALIKE = 0.65
"""Two entries are hard to tell apart if at most this share of their windows is told right."""


class GestureBook(AsClassifier):
    """Entries by name, with calibrated probabilities.

    It is also a classifier of scikit-learn that reads EMG embeddings (``Model.encode_emg``): ``cross_val_score`` and
    ``clone`` take it. ``cpep.sklearn.ZeroShotClassifier`` holds one and reads EMG itself.

    Args:
        model: an aligned checkpoint, or any that reads EMG if all entries are of EMG windows.
        background: windows on which confidence is calibrated; without them it follows from fixed numbers.
        false_alarms: share of the background outside the book that may be taken for a gesture of it.
    """

    _SETTINGS = ("model", "background", "false_alarms")

    def __init__(
        self, model: Model, background: Background | None = None, false_alarms: float = FALSE_ALARMS
    ) -> None:
        self.model, self.background, self.false_alarms = model, background, false_alarms
        self.entries: tuple[Entry, ...] = ()
        self.notes: tuple[str, ...] = ()
        """Sentences on what was done to it when it was opened."""
        self.read_out = ReadOut.nearest
        self.accuracy: dict[str, float] = {}
        """Balanced accuracy of each read-out, when it was chosen; empty where none was."""
        self._settle()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in the order in which they were added."""
        return tuple(entry.name for entry in self.entries)

    @property
    def classes_(self) -> StrArray:
        """What the columns of ``predict_proba`` mean: the names of the entries, and ``unknown`` last."""
        return np.array([*self.names, UNKNOWN], np.str_)

    def __repr__(self) -> str:
        return f"GestureBook of {', '.join(self.names) or 'no gesture'}"

    @property
    def rest(self) -> int:
        """Index of the entry of rest, or -1."""
        return self.names.index(REST) if REST in self.names else -1

    @property
    def threshold(self) -> float:
        """Probability from which a gesture is accepted."""
        return self.calibration.threshold

    @property
    def pace(self) -> None:
        """The usual pace of a recogniser, which was chosen for embeddings."""
        return

    def add(self, name: str, pose: Any) -> tuple[str, ...]:
        """Add a gesture by its pose, or other anchor; see ``pose_windows``. An entry of that name is replaced.

        Returns:
            Names of the entries that are hard to tell from it.

        Raises:
            UserError: as ``pose_windows``; or the checkpoint has no pose encoder.
        """
        windows_NSJ = pose_windows(self.model.card, pose, checked(name))
        x_ND = self.model.encode_pose(torch.from_numpy(windows_NSJ).transpose(1, 2)).cpu().numpy()
        kept = Kept(pose_GSJ=thinned(self.model.card, windows_NSJ))
        return self._put(Entry(name, *some(unit_rows(x_ND), windows_NSJ[:, -1], kept)))

    def add_emg(self, name: str, x_ND: Any, kept: Kept | None = None) -> tuple[str, ...]:
        """Add a gesture by EMG embeddings of a few of its windows; returns as ``add``.

        Args:
            name: of the gesture.
            x_ND: embeddings.
            kept: the windows of EMG, without which another checkpoint cannot read the entry.

        Raises:
            UserError: embeddings of another shape, or a name that no entry can have.
        """
        x_ND = floats_in(x_ND, name)
        if x_ND.ndim != 2 or not len(x_ND):
            raise UserError(f"{name}: embeddings of shape {x_ND.shape}; give (windows, values), at least one window")
        bare_G0 = np.zeros((len(x_ND), 0), np.float32)
        return self._put(Entry(checked(name), *some(unit_rows(x_ND), bare_G0, kept or Kept())))

    def remove(self, name: str) -> None:
        """Remove a gesture.

        Raises:
            UserError: there is none of that name.
        """
        if name not in self.names:
            raise UserError(f"the book has no gesture {name!r}; it has {', '.join(self.names) or 'none'}")
        self.entries = tuple(entry for entry in self.entries if entry.name != name)
        self._settle()

    def choose(self) -> str:
        """Choose the read-out by the windows of the background whose gesture is known, and return a sentence on it.

        The rule is the same for every data set, see ``cpep.live.book.readout``. Gestures that are added later are
        read in the same way. Without such windows the usual way stays.
        """
        known = self.background
        if known is not None and self.entries:
            target_N, count = named(known.name_N, self.names), len(self.entries)
            self.accuracy = accuracies(known.emg_ND, target_N, self.vector_GD, self.entry_G, count, self.rest)
            self.read_out = best(self.accuracy)
            self._settle()
        return self.said

    @property
    def said(self) -> str:
        """A sentence on the read-out."""
        return sentence(self.read_out, self.accuracy)

    def keep(self, other: GestureBook) -> None:
        """Take in the gestures of another book of the same checkpoint whose names are not in this one."""
        for entry in other.entries:
            if entry.name not in self.names:
                self._put(entry)

    def copy(self) -> GestureBook:
        """Return a book of the same entries that can be changed on its own."""
        return copy.copy(self)  # entries and arrays are replaced, never changed

    def pose_of(self, name: str) -> FloatArray | None:
        """Return the median pose (J,) of an entry, or ``None`` of one of EMG windows."""
        entry = self.entries[self.names.index(name)]
        return np.asarray(np.median(entry.pose_GJ, axis=0)) if entry.shown else None

    def pose_at(self, nearest: int) -> FloatArray | None:
        """Return the pose (J,) of a vector of the gallery, or ``None`` of one of an EMG window."""
        entry = self.entries[self.entry_G[nearest]]
        first = int(np.searchsorted(self.entry_G, self.entry_G[nearest]))
        return entry.pose_GJ[nearest - first] if entry.shown else None

    def fit(self, x_ND: Any, y_N: Sequence[str] | StrArray) -> GestureBook:
        """Take EMG embeddings with their names as entries, in place of all that was there.

        Args:
            x_ND: embeddings.
            y_N: the name of each.

        Raises:
            UserError: another number of names than of embeddings; or as ``add_emg``.
        """
        x_ND, y_N = floats_in(x_ND, "x_ND"), np.asarray(y_N, dtype=np.str_)
        if len(x_ND) != len(y_N):
            raise UserError(f"{len(x_ND)} embeddings for {len(y_N)} names")
        self.entries = ()
        for name in dict.fromkeys(y_N.tolist()):
            self.add_emg(name, x_ND[y_N == name])
        return self

    def similarity(self, x_ND: Any) -> FloatArray:
        """Return the similarity (N, E) of embeddings to each entry: ``by_entry`` less its mean and over its SD.

        Raises:
            UserError: embeddings of another shape than the book's.
        """
        x_ND, width = floats_in(x_ND, "x_ND"), self.vector_GD.shape[1]
        if x_ND.ndim != 2 or x_ND.shape[1] != width:
            raise UserError(f"embeddings of shape {x_ND.shape}; this book takes (windows, {width})")
        return (self._nearness(x_ND) - self.usual_E) / self.spread_E

    def judge(self, x_D: FloatArray) -> tuple[FloatArray, int]:
        """Return probabilities (E + 1,), as ``predict_proba``, and the index of the nearest vector."""
        p_1E, (nearest,) = self.judge_all(x_D[None])
        return p_1E[0], int(nearest)

    def judge_all(self, x_ND: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return what ``judge`` returns of each embedding, (N, E + 1) and (N,)."""
        x_ND = unit_rows(x_ND)
        cosine_NG = cosines(x_ND, self.vector_GD)
        plain = self.read_out is ReadOut.nearest
        near_NE = by_entry(cosine_NG, self.entry_G, len(self.entries)) if plain else self._nearness(x_ND)
        p_NE = self.calibration.probabilities((near_NE - self.usual_E) / self.spread_E)
        return p_NE, cosine_NG.argmax(axis=1)

    def _nearness(self, x_ND: FloatArray) -> FloatArray:
        compared_GD, entry_G = self.compared
        return by_entry(cosines(unit_rows(x_ND), compared_GD), entry_G, len(self.entries))

    def predict_proba(self, x_ND: Any) -> FloatArray:
        """Return the probability of each entry, and in the last column of none of them, (N, E + 1).

        Raises:
            UserError: the book is empty.
        """
        if not self.entries:
            raise UserError("the book is empty; add a gesture first")
        return self.calibration.probabilities(self.similarity(x_ND))

    def predict(self, x_ND: Any) -> StrArray:
        """Return the name of each embedding, or ``unknown``."""
        return np.array([self.answer(p_E) for p_E in self.predict_proba(x_ND)])

    def answer(self, p_E: FloatArray) -> str:
        """Return the name that is meant by probabilities (E + 1,), or ``unknown``."""
        best = int(p_E[:-1].argmax())
        sure = best == self.rest or p_E[best] > self.calibration.threshold
        return self.names[best] if sure else UNKNOWN

    def save(self, path: Path) -> None:
        """Write the book as one file, whole or not at all."""
        write_book(path, self)

    @staticmethod
    def load(path: Path, model: Model) -> GestureBook:
        """Open a book. One of another checkpoint is embedded anew from the windows that it keeps; ``notes`` say so.

        Raises:
            UserError: no book there, a damaged one, one with ``${`` in a name, or one of another checkpoint of which
                an entry cannot be embedded anew.
        """
        read = read_book(path, model)
        book = GestureBook(model, read.background, read.false_alarms)
        book.entries, book.notes = read.entries, read.notes
        book.read_out, book.accuracy = read.read_out, dict(read.accuracy)
        book._settle()
        if read.choose:
            book.choose()
        return book

    def _put(self, entry: Entry) -> tuple[str, ...]:
        others = tuple(entry if old.name == entry.name else old for old in self.entries)
        self.entries = others if entry.name in self.names else (*self.entries, entry)
        self._settle()
        return self._alike(self.names.index(entry.name))

    def _settle(self) -> None:
        """Lay out the gallery, and calibrate."""
        count = len(self.entries)
        width = self.entries[0].vector_GD.shape[1] if self.entries else 0
        self.vector_GD = np.concatenate([np.zeros((0, width), np.float32), *(e.vector_GD for e in self.entries)])
        self.entry_G: IntArray = np.repeat(np.arange(count), [len(e.vector_GD) for e in self.entries])
        self.usual_E, self.spread_E = np.zeros(count, np.float32), np.ones(count, np.float32)
        self.calibration = Calibration()
        self.compared = compared(self.read_out, self.vector_GD, self.entry_G, count)
        """Unit vectors that windows are compared with, and the entry of each."""
        if self.entries:
            self._own_GE = among_themselves(self.vector_GD, self.entry_G, count)
            self._known_NE, self._target_N = self._own_GE, self.entry_G
            if self.background is not None:
                self._calibrate(self.background)

    def _calibrate(self, background: Background) -> None:
        near_NE = self._nearness(background.emg_ND)
        self.usual_E, self.spread_E = usual(near_NE, self.rest)
        self._known_NE = (near_NE - self.usual_E) / self.spread_E
        if background.pose_ND.shape[1]:
            cosine_NG = cosines(unit_rows(background.pose_ND), self.vector_GD)
            pose_NE = by_entry(cosine_NG, self.entry_G, len(self.entries))  # whatever the read-out of EMG is
            self._target_N = shown(pose_NE, self._own_GE, self.entry_G)
        else:
            self._target_N = named(background.name_N, self.names)
        self.calibration = fit(self._known_NE, self._target_N, self.rest, self.false_alarms)

    def _alike(self, mine: int) -> tuple[str, ...]:
        """Return the names of the entries that are hard to tell from entry ``mine``, by EMG or by pose."""
        found = []
        for other, name in enumerate(self.names):
            by_emg = told_right(self._known_NE, self._target_N, mine, other)
            by_pose = told_right(self._own_GE, self.entry_G, mine, other)
            if other != mine and min(by_emg, by_pose) <= ALIKE:
                found.append(name)
        return tuple(found)
