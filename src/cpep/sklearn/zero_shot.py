"""A classifier that knows gestures by their poses alone, and names windows of EMG."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from cpep.checkpoints.checkpoint import Model
from cpep.live.book.book import FALSE_ALARMS, GestureBook
from cpep.live.book.entries import UNKNOWN
from cpep.runtime.hub import SHIPPED
from cpep.signal.given import floats_in
from cpep.sklearn.arrays import frames_of, people_in, windows_in
from cpep.sklearn.encoding import ready, refuse_other, standards_of, torch_as_asked, vectors_of
from cpep.sklearn.opening import background_of, opened
from cpep.types import FloatArray, StrArray, UserError


class ZeroShotClassifier(ClassifierMixin, BaseEstimator):
    """Names windows of EMG by gestures that were shown as poses: nobody has to make them for the training.

    ``fit`` takes poses, ``predict`` takes EMG: pipelines and ``cross_validate`` of scikit-learn, which hand both the
    same X, do not apply. The gestures are in ``book_``, the ``cpep.live.GestureBook`` that ``cpep.live.Recogniser``
    takes.

    Args:
        checkpoint: an aligned checkpoint: ``"shipped"`` for the one that comes with cpep, a folder,
            ``"hf://organisation/name"``, or a model of ``cpep.load``.
        sfreq: samples per second of the EMG.
        unit: unit of the EMG, such as ``uV``; empty where it is not known.
        unknown: whether ``predict`` may answer ``unknown``, and ``classes_`` ends with it.
        false_alarms: share of windows of other movements that may be taken for a gesture, on the people whom the
            checkpoint's own book is calibrated on (see ``calibrated_``).
        n_jobs: threads of PyTorch.

    Attributes:
        classes_: names of the gestures in the order in which they were added, and ``unknown`` where it is an answer.
        book_: the gestures, as the live recogniser takes them.
        model_: the checkpoint.
        calibrated_: whether confidence is calibrated: by the EMG of the book beside the checkpoint, if there is one.
            Else it follows from fixed numbers.
    """

    def __init__(
        self,
        checkpoint: str | Path | Model = SHIPPED,
        sfreq: float = 2000.0,
        *,
        unit: str = "",
        unknown: bool = False,
        false_alarms: float = FALSE_ALARMS,
        n_jobs: int = 1,
    ) -> None:
        self.checkpoint = checkpoint
        self.sfreq = sfreq
        self.unit = unit
        self.unknown = unknown
        self.false_alarms = false_alarms
        self.n_jobs = n_jobs

    def fit(self, poses: Any, names: Any) -> Self:
        """Take gestures by their poses, in place of all that was there.

        Args:
            poses: one pose of each gesture (gestures, joints), rad, of a hand held still; or windows (windows,
                joints, frames) of hands that make them.
            names: of each pose or window.

        Raises:
            UserError: the checkpoint is not aligned to poses, poses and names do not fit, or ``false_alarms`` is no
                share.
        """
        share: Any = self.false_alarms
        if not isinstance(share, numbers.Real) or not 0 < float(share) < 1:
            raise UserError(f"false_alarms={share!r}: give a share between 0 and 1, such as 0.4")
        name_N = np.asarray(names)
        shown, once = floats_in(poses, "poses"), list(dict.fromkeys(name_N.tolist())) if name_N.ndim == 1 else []
        if not once or name_N.shape != shown.shape[:1]:
            raise UserError(f"poses of shape {shown.shape} for names of shape {name_N.shape}; give a name for each")
        if wrong := [name for name in once if not isinstance(name, str)]:
            raise UserError(f"names holds {wrong[0]!r}; give texts, such as 'fist', as predict returns them")
        self.model_ = opened(self.checkpoint, self.unit)
        if not self.model_.spec.reads_anchor:
            raise UserError("this checkpoint knows no poses; take one that is aligned to them, such as 'shipped'")
        background = background_of(self.checkpoint, self.model_)
        self.calibrated_ = background is not None
        self.book_ = GestureBook(self.model_, None, self.false_alarms)
        for name in once:
            if name == once[-1]:
                self.book_.background = background  # a book is calibrated whenever an entry comes: once is enough
            own = shown[name_N == name]
            if shown.ndim == 2 and len(own) > 1:
                raise UserError(f"{len(own)} poses of {name!r}; give one, or windows (windows, joints, frames)")
            self.add(str(name), own[0] if shown.ndim == 2 else own)
        self.book_.choose()
        return self

    def add(self, name: str, pose: Any) -> tuple[str, ...]:
        """Add a gesture, or put another pose in its place; return the names that are hard to tell from it.

        Args:
            name: of the gesture.
            pose: one pose (joints,), or windows (windows, joints, frames); see ``fit``.

        Raises:
            UserError: name or pose do not fit.
        """
        check_is_fitted(self)
        card = self.model_.card
        with torch_as_asked(self.n_jobs):
            return self.book_.add(name, frames_of(pose, round(card.window_s * card.frame_rate)))

    @property
    def classes_(self) -> StrArray:
        """Names of the gestures, and ``unknown`` last where it is an answer."""
        check_is_fitted(self, "book_")
        return np.array([*self.book_.names, *([UNKNOWN] if self.unknown else [])], np.str_)

    def predict_proba(self, X: Any, groups: Any = None) -> FloatArray:
        """Return the probability of each of ``classes_``, (windows, classes).

        Args:
            X: EMG windows (windows, channels, samples): lists, arrays or tensors of any kind of number.
            groups: person of each window, or one name where all are of one. The windows of a person are then centred
                and scaled by their own statistics, which improves the recognition of new people a lot; without it,
                by those of the people whom the checkpoint was trained on.

        Raises:
            ValueError: X does not fit the checkpoint.
        """
        check_is_fitted(self)
        emg_NCT = windows_in(self, X, reset=not hasattr(self, "n_times_"))
        refuse_other(self.model_, emg_NCT, self.sfreq)
        emg_NTC, frontend = ready(self.model_, emg_NCT, self.sfreq), self.model_.emg_frontend
        standards = [frontend.typical()] * len(emg_NTC)
        if groups is not None:
            person_N = people_in(groups, len(emg_NTC))
            of_person = standards_of(frontend, emg_NTC, person_N, frontend.typical())
            standards = [of_person[person] for person in person_N.tolist()]
        with torch_as_asked(self.n_jobs):
            p_NE = self.book_.predict_proba(vectors_of(self.model_, emg_NTC, standards))
        if self.unknown:
            return p_NE
        return np.asarray(p_NE[:, :-1] / p_NE[:, :-1].sum(axis=1, keepdims=True))

    def predict(self, X: Any, groups: Any = None) -> StrArray:
        """Return the name of each window; arguments as ``predict_proba``."""
        p_NE = self.predict_proba(X, groups)
        if self.unknown:
            return np.array([self.book_.answer(p_E) for p_E in p_NE], np.str_)
        return np.asarray(self.classes_[p_NE.argmax(axis=1)])

    def score(self, X: Any, y: Sequence[str] | StrArray, groups: Any = None, sample_weight: Any = None) -> float:
        """Return the share of windows that are named right."""
        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))

    def save(self, path: str | Path) -> None:
        """Write the gestures as a book, which `cpep serve` and `cpep stream` read beside the checkpoint."""
        check_is_fitted(self)
        self.book_.save(Path(path))

    def load(self, path: str | Path) -> Self:
        """Take the gestures of a book, in place of ``fit``.

        Raises:
            UserError: no book is there, or it is of another checkpoint and cannot be read anew.
        """
        self.model_ = opened(self.checkpoint, self.unit)
        self.book_ = GestureBook.load(Path(path), self.model_)
        self.calibrated_ = self.book_.background is not None
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array, tags.input_tags.two_d_array = True, False
        return tags
