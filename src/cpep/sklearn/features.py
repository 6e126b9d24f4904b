"""Classical features of EMG windows as a transformer."""

from __future__ import annotations

import numbers
import warnings
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import enrol_feature_names, enrol_features
from cpep.evaluate.features import PARTS, classical_feature_names, classical_features
from cpep.sklearn.arrays import windows_in
from cpep.types import EmgKind, FloatArray, UserError

AT_ONCE = 256
"""Windows whose features are computed at once: more take no less time, and more memory."""
SHORT_S = 0.05
"""Shorter windows hold too few periods of EMG for features; they get a warning."""


class EmgFeatures(TransformerMixin, BaseEstimator):
    """Classical features of EMG windows, for any classifier of scikit-learn.

    The mean of each window of raw EMG is taken out; filter slower drift and hum out of the whole recording before
    you cut windows.

    Args:
        sfreq: samples per second.
        kind: ``raw`` EMG, or its rectified and smoothed ``envelope``.
        features: ``enrolment``: log power of each channel in four bands from 20 to 500 Hz and the matrix logarithm of
            the covariance of channels (of an envelope: root of the mean of each channel and log of its share). No
            statistic of other windows enters, and a gain of the whole device adds a constant.
            ``classical``: amplitudes, lengths, zero crossings, spectral moments and the matrix logarithm of the
            covariance (``cpep.evaluate.features``). Each channel is divided by its typical amplitude over the windows
            of ``fit``.

    Attributes:
        n_chans_: channels of a window.
        n_times_: samples of a window.
        n_features_in_: the second axis of X, as scikit-learn counts: channels.
        scale_: amplitude (channels,) that ``classical`` divides by: the median over the windows of ``fit`` of the
            standard deviation (of envelopes: the mean); ones for ``enrolment``.

    Examples:
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(5, 2, 600))  # windows, channels, samples
        >>> features = EmgFeatures(sfreq=2000).fit(X)
        >>> features.transform(X).shape
        (5, 11)
        >>> str(features.get_feature_names_out()[-2])
        'log_cov_ch0_ch1'
    """

    def __init__(
        self,
        sfreq: float = 2000.0,
        *,
        kind: EmgKind = "raw",
        features: Literal["enrolment", "classical"] = "enrolment",
    ) -> None:
        self.sfreq = sfreq
        self.kind = kind
        self.features = features

    def fit(self, X: Any, y: Any = None) -> Self:
        """Keep the shape of a window and, for ``classical``, the amplitude of each channel.

        Args:
            X: EMG windows (windows, channels, samples), or (windows, samples) of a single channel: lists, arrays or
                tensors of any kind of number.
            y: not read.

        Raises:
            ValueError: X has another shape or is not finite, or a parameter is none of its values.
        """
        emg_NCT = windows_in(self, X, reset=True)
        self._check_parameters()
        self.scale_ = np.ones(self.n_chans_)
        if self.features == "classical":
            size_NC = emg_NCT.std(axis=2) if self.kind == "raw" else np.abs(emg_NCT).mean(axis=2)
            size_C = np.median(size_NC, axis=0)
            self.scale_ = np.where(size_C > 0, size_C, 1.0)
        return self

    def transform(self, X: Any) -> FloatArray:
        """Return features (windows, features), float32; their names are those of ``get_feature_names_out``.

        Raises:
            ValueError: X has another shape than in ``fit``, or is not finite.
        """
        check_is_fitted(self)
        emg_NCT = windows_in(self, X, reset=False)
        return np.concatenate([self._of(emg_NCT[at : at + AT_ONCE]) for at in range(0, len(emg_NCT), AT_ONCE)])

    def _of(self, emg_NCT: FloatArray) -> FloatArray:
        """Return the features of a few windows."""
        if self.kind == "raw":
            emg_NCT = emg_NCT - emg_NCT.mean(axis=2, keepdims=True)
        emg_NTC = (emg_NCT / self.scale_[:, None]).transpose(0, 2, 1)
        if self.features == "classical":
            return classical_features(emg_NTC, self.sfreq, self.kind)
        return enrol_features(emg_NTC, self._device())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the name of each feature, such as ``log_cov_ch0_ch1``.

        Args:
            input_features: not used in names; where given, it is checked as scikit-learn does.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(self._names(), dtype=object)

    def _names(self) -> list[str]:
        if self.features == "classical":
            return classical_feature_names(self.n_chans_, self.kind)
        return enrol_feature_names(self.n_times_, self._device())

    def _device(self) -> Device:
        return Device(self.n_chans_, self.sfreq, self.kind, "", highpass_hz=0.0)

    def _check_parameters(self) -> None:
        """Check parameters together with the length of a window."""
        if not isinstance(self.sfreq, numbers.Real) or not 0 < self.sfreq < float("inf"):
            raise UserError(f"sfreq={self.sfreq!r}: give the samples per second, such as 2000")
        if self.kind not in ("raw", "envelope"):
            raise UserError(f"kind={self.kind!r}: it is 'raw' or 'envelope'")
        if self.features not in ("enrolment", "classical"):
            raise UserError(f"features={self.features!r}: it is 'enrolment' or 'classical'")
        if self.features == "classical" and self.n_times_ < 2 * PARTS:
            raise UserError(f"windows of {self.n_times_} samples; classical features take {2 * PARTS} or more")
        self._names()  # refuses windows too short for a spectrum
        if self.n_times_ < SHORT_S * self.sfreq:
            warnings.warn(
                f"windows of {self.n_times_} samples are {1000 * self.n_times_ / self.sfreq:.3g} ms long; features "
                f"of less than {1000 * SHORT_S:g} ms of EMG say little: check sfreq, and that X is (windows, "
                "channels, samples)",
                stacklevel=3,
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
