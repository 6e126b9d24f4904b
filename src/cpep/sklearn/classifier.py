"""A classifier of EMG windows: an encoder, pre-trained or trained here, and a linear read-out."""

from __future__ import annotations

import numbers
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from cpep.checkpoints.checkpoint import Model
from cpep.live.book.book import GestureBook
from cpep.sklearn.arrays import examples_in, frames_of, people_in, poses_in, windows_in
from cpep.sklearn.encoding import (
    middle,
    ready,
    refuse_other,
    refuse_other_size,
    standards_of,
    threads_of,
    torch_as_asked,
    vectors_of,
)
from cpep.sklearn.opening import background_of, opened
from cpep.sklearn.posed import book_of, half, shares
from cpep.sklearn.readout import ReadOut
from cpep.sklearn.training import FEWEST_PEOPLE, Examples, Wish, trained, validating
from cpep.types import EmgKind, FloatArray, StrArray, UserError

TINY = 1e-12
"""Added to a probability before its logarithm."""


class CpepClassifier(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """Recognises gestures in EMG windows by a linear read-out of an encoder.

    With a checkpoint the encoder is taken as it is, and ``fit`` takes seconds. Without one ``fit`` trains it on X,
    which takes minutes, by the stages of `cpep train`: a masked autoencoder of EMG; where poses are given, also one
    of poses, to which the EMG encoder is then aligned.

    *Centre and spread.* People, and two wearings of one band, differ in level. Where ``groups`` say who made each
    window, in ``fit`` or later, the windows of one person are centred and scaled by the statistics of that person's
    windows in the same call. No label is read. The statistics start from what is usual, which counts like ten seconds
    of EMG: the median over the people of the encoder's training in ``fit``, and over those of ``fit`` later.

    Without ``groups``, ``fit`` takes all windows to be of one person, and ``predict`` takes the median over the
    people of ``fit``, so that the answer to a window never depends on the windows beside it. New people are
    recognised much better with ``groups``: in ``cross_validate`` set
    ``sklearn.set_config(enable_metadata_routing=True)`` and pass ``params={"groups": people}``, which reaches the
    splitter, ``fit`` and ``score``. scikit-learn's scorers (``scoring="balanced_accuracy"``) and
    ``cross_val_predict`` hand no groups to ``predict``, so that what they say is of new people without groups. For
    another score, derive a class whose ``score`` calls ``predict(X, groups)``, and leave out ``scoring``.

    *Validation.* Where the encoder is trained, the windows of a fifth of the people of ``fit`` validate it, at least
    those of one person. Of fewer than three people, the last fifth of each person's windows of each class validate;
    windows that overlap may then lie on both sides. ``validation_`` says which. All windows fit the read-out.

    Args:
        checkpoint: ``"shipped"`` for the one that comes with cpep (16 channels at 2000 samples per second, windows
            of 1 s), a folder, ``"hf://organisation/name"``, or a model of ``cpep.load``. ``None`` to train one.
        sfreq: samples per second of X.
        kind: ``raw`` EMG or its ``envelope``, for an encoder that is trained.
        unit: unit of X, such as ``uV``; empty where it is not known.
        strength: weight of the penalty of the read-out (logistic regression).
        preset: sizes of an encoder that is trained: ``small``, ``tiny`` (for tests) or ``paper``.
        settings: further settings of its training, as ``("emg.width=64",)``; names as in `cpep train --set`.
        max_steps: most steps of each stage of its training; without it, those of the preset.
        random_state: seed of the training and of the choice of people who validate.
        n_jobs: threads of PyTorch; -1 for all cores.
        verbose: 1 to print what is trained.

    Attributes:
        classes_: names, in ascending order; gestures added later follow.
        model_: the encoder, a ``cpep.Model``.
        validation_: which windows of ``fit`` validated its training (windows,); ``None`` for a given checkpoint.
        validated_by_: ``people``, ``time``, or ``None`` for a given checkpoint.
        standard_: centre and spread that ``predict`` takes without ``groups``.
        temperature_: by which the logarithms of probabilities are divided (see ``predict_proba``).
        book_: the gestures added by pose, beside those of ``fit``; ``None`` before ``add_gesture``.
        n_chans_: channels of a window.
        n_times_: samples of a window.
        n_features_in_: the second axis of X, as scikit-learn counts: channels.
    """

    __metadata_request__fit: ClassVar = {"groups": True, "pose": True, "sessions": True}
    __metadata_request__predict: ClassVar = {"groups": True}
    __metadata_request__predict_proba: ClassVar = {"groups": True}
    __metadata_request__decision_function: ClassVar = {"groups": True}
    __metadata_request__transform: ClassVar = {"groups": True}
    __metadata_request__score: ClassVar = {"groups": True}

    def __init__(
        self,
        checkpoint: str | Path | Model | None = None,
        sfreq: float = 2000.0,
        *,
        kind: EmgKind = "raw",
        unit: str = "",
        strength: float = 0.1,
        preset: str = "small",
        settings: tuple[str, ...] = (),
        max_steps: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int = 1,
        verbose: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.sfreq = sfreq
        self.kind = kind
        self.unit = unit
        self.strength = strength
        self.preset = preset
        self.settings = settings
        self.max_steps = max_steps
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any, groups: Any = None, pose: Any = None, sessions: Any = None) -> Self:
        """Train the encoder where there is no checkpoint, and fit the read-out.

        Args:
            X: EMG windows (windows, channels, samples), or (windows, samples) of a single channel: lists, arrays or
                tensors of any kind of number.
            y: class of each window.
            groups: person of each window.
            pose: joint angles of the same windows (windows, joints, frames), rad, to train with; 20 joints are taken
                to be ``cpep.hand.JOINTS``.
            sessions: wearing of each window, where a person put the band on more than once.

        Raises:
            ValueError: arrays do not fit each other or the checkpoint, or there are too few windows.
        """
        emg_NCT, label_N = examples_in(self, X, y)
        self._check_parameters()
        person_N = people_in(groups, len(emg_NCT))
        worn_N = person_N if sessions is None else _both(person_N, people_in(sessions, len(emg_NCT)))
        self.classes_, target_N = np.unique(label_N, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y has one class alone, {self.classes_.tolist()[0]!r}; give windows of two or more")
        name_N = self.classes_.astype(np.str_)[target_N]
        with torch_as_asked(self.n_jobs):
            self.model_ = self._encoder(emg_NCT, name_N, person_N, worn_N, pose)
            frontend, emg_NTC = self.model_.emg_frontend, ready(self.model_, emg_NCT, self.sfreq)
            standards = standards_of(frontend, emg_NTC, worn_N, frontend.typical())
            self.standard_ = middle(standards)
            x_ND = vectors_of(self.model_, emg_NTC, [standards[worn] for worn in worn_N.tolist()])
        self._n_features_out = x_ND.shape[1]
        self._read = ReadOut.fit(x_ND, target_N, person_N, self.strength)
        self.temperature_ = self._read.temperature
        self.book_: GestureBook | None = None
        self._of_fit = len(self.classes_)
        aside_N = half(name_N, person_N) if self.validation_ is None else self.validation_
        self._shown = x_ND, name_N, aside_N
        return self

    def _check_parameters(self) -> None:
        if not isinstance(self.sfreq, numbers.Real) or not 0 < self.sfreq < float("inf"):
            raise UserError(f"sfreq={self.sfreq!r}: give the samples per second, such as 2000")
        if self.kind not in ("raw", "envelope"):
            raise UserError(f"kind={self.kind!r}: it is 'raw' or 'envelope'")
        if not isinstance(self.strength, numbers.Real) or not 0 < self.strength < float("inf"):
            raise UserError(f"strength={self.strength!r}: give a number above 0, such as 0.1")
        steps = self.max_steps
        if steps is not None and (not isinstance(steps, numbers.Integral) or steps < 1):
            raise UserError(f"max_steps={steps!r}: give a whole number from 1 on, or None for those of the preset")
        if isinstance(self.settings, str):
            raise UserError(f"settings={self.settings!r}: give a tuple, ({self.settings!r},)")

    def _encoder(
        self, emg_NCT: FloatArray, name_N: StrArray, person_N: StrArray, worn_N: StrArray, pose: Any
    ) -> Model:
        """Return the encoder: opened, or trained."""
        if self.checkpoint is not None:
            if pose is not None:
                raise UserError("a checkpoint is taken as it is, so that pose trains nothing; leave out pose")
            model = opened(self.checkpoint, self.unit)
            refuse_other(model, emg_NCT, self.sfreq)
            self.validation_ = self.validated_by_ = None
            return model
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31)
        poses = None if pose is None else poses_in(pose, len(emg_NCT))
        self.validation_ = validating(name_N, person_N, int(seed))
        self.validated_by_ = "people" if len(np.unique(person_N)) >= FEWEST_PEOPLE else "time"
        examples = Examples(emg_NCT, name_N, person_N, worn_N, poses, self.sfreq, self.kind, self.unit)
        wish = Wish(self.preset, tuple(self.settings), self.max_steps, int(seed), threads_of(self.n_jobs))
        return trained(examples, self.validation_, wish, print if self.verbose else _silent)

    def fit_transform(self, X: Any, y: Any, groups: Any = None, pose: Any = None, sessions: Any = None) -> FloatArray:
        """Return ``fit(...).transform(X, groups)``: a pipeline trains what follows on vectors made as later ones are.

        Args:
            X: EMG windows, as in ``fit``.
            y: class of each window.
            groups: person of each window; ``fit`` and ``transform`` read it.
            pose: as in ``fit``.
            sessions: as in ``fit``.

        Raises:
            ValueError: as ``fit``.
        """
        return self.fit(X, y, groups, pose, sessions).transform(X, groups)

    def transform(self, X: Any, groups: Any = None) -> FloatArray:
        """Return the vectors (windows, values) that the read-out reads, float32.

        Args:
            X: EMG windows, as in ``fit``.
            groups: person of each window, or one name where all are of one; see the class.

        Raises:
            ValueError: X has another shape than in ``fit``, is not finite, or must be in another unit.
        """
        check_is_fitted(self)
        emg_NCT = windows_in(self, X, reset=False)
        refuse_other_size(self.model_, emg_NCT)
        emg_NTC = ready(self.model_, emg_NCT, self.sfreq)
        standards = [self.standard_] * len(emg_NTC)
        if groups is not None:
            person_N = people_in(groups, len(emg_NTC))
            of_person = standards_of(self.model_.emg_frontend, emg_NTC, person_N, self.standard_)
            standards = [of_person[person] for person in person_N.tolist()]
        with torch_as_asked(self.n_jobs):
            return vectors_of(self.model_, emg_NTC, standards)

    def predict_proba(self, X: Any, groups: Any = None) -> FloatArray:
        """Return the probability of each class of ``classes_``, (windows, classes).

        The read-out is as sure as it was right on people (or blocks of time) that were left out of ``fit`` in turn.
        Gestures added by pose get the probability that the gesture book gives them, and the classes of ``fit`` share
        the rest.

        Args:
            X: EMG windows.
            groups: as in ``transform``.
        """
        return np.asarray(np.exp(self._log_shares(X, groups)))

    def decision_function(self, X: Any, groups: Any = None) -> FloatArray:
        """Return the logarithm of each probability (windows, classes); of two classes, of their ratio (windows,)."""
        log_NK = self._log_shares(X, groups)
        return log_NK[:, 1] - log_NK[:, 0] if log_NK.shape[1] == 2 else log_NK

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the class of each window; arguments as ``transform``."""
        best_N = self._log_shares(X, groups).argmax(axis=1)
        return np.asarray(self.classes_[best_N])

    def score(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> float:
        """Return the share of windows whose class is predicted."""
        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))

    def add_gesture(self, name: Any, pose: Any) -> tuple[str, ...]:
        """Add a gesture by its pose, without EMG of it; or put another pose in its place.

        Args:
            name: of the gesture: of the type of the other classes, and none of those of ``fit``.
            pose: one pose (joints,) of a hand held still, rad; or windows (windows, joints, frames) of a hand that
                makes it, as long as windows of EMG.

        Returns:
            Names that are hard to tell from it.

        Raises:
            UserError: the encoder is not aligned to poses, or name or pose do not fit.
        """
        check_is_fitted(self)
        if not self.model_.spec.reads_anchor:
            raise UserError(
                "this encoder knows no poses: fit it with pose=, or take an aligned checkpoint such as "
                "checkpoint='shipped'"
            )
        of_fit = self.classes_[: self._of_fit]
        if name in of_fit.tolist():
            raise UserError(f"{name!r} is a class of fit, which the read-out knows by its EMG; give another name")
        if isinstance(name, str) != isinstance(of_fit[0], str):
            raise UserError(f"the name {name!r} is not of the type of the classes, such as {of_fit.tolist()[0]!r}")
        card = self.model_.card
        windows = frames_of(pose, round(card.window_s * card.frame_rate))
        book = self.book_
        if book is None:
            known = None if self.checkpoint is None else background_of(self.checkpoint, self.model_)
            book = book_of(self.model_, *self._shown, known)
        alike = book.add(str(name), windows)
        if self.book_ is None:
            book.choose()
        self.book_ = book
        if name not in self.classes_.tolist():
            self.classes_ = np.append(self.classes_, name)
        return alike

    def _log_shares(self, X: Any, groups: Any) -> FloatArray:
        x_ND = self.transform(X, groups)
        log_NK = self._read.log_shares(x_ND)
        if self.book_ is None:
            return log_NK
        added_NA = shares(self.book_, self.classes_[self._of_fit :].astype(np.str_).tolist(), x_ND)
        others_N1 = 1 - added_NA.sum(axis=1, keepdims=True)
        return np.column_stack([log_NK + np.log(others_N1 + TINY), np.log(added_NA + TINY)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _both(one_N: StrArray, other_N: StrArray) -> StrArray:
    """Return a name (N,) for each pair of names."""
    return np.char.add(np.char.add(one_N, " "), other_N)


def _silent(sentence: str) -> None:
    """Say nothing."""
