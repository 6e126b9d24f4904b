"""The linear probe: how well a linear classifier on frozen vectors tells gestures apart.

scikit-learn is imported where it is used: that takes as long as importing PyTorch, and training needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cpep.evaluate.metrics import balanced_accuracy
from cpep.types import EmbeddingSet, FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STRENGTHS = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Strengths tried by default."""

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 0.6)
"""Strengths of ``Lda`` that are tried."""

_AT_ONCE = 2**15
"""Vectors whose spread is computed at once, which takes a copy of them."""


class Probe:
    """A linear classifier on vectors that are standardised by its training data.

    Args:
        strength: strength of the regularisation; its meaning depends on the classifier.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self._fitted: Pipeline | None = None

    def classifier(self, windows: int, labels: int) -> Any:
        """Return the scikit-learn classifier for that many windows of that many labels."""
        raise NotImplementedError

    def fit(self, x_ND: FloatArray, label_N: IntArray) -> Self:
        """Fit on labelled vectors.

        Args:
            x_ND: finite vectors.
            label_N: their labels, at least two different ones.

        Raises:
            ValueError: there are fewer than two labels, or a vector is not finite (from scikit-learn).
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x_ND, scaler = x_ND.astype(np.float64), StandardScaler(copy=False)
        for start in range(0, len(x_ND), _AT_ONCE):
            scaler.partial_fit(x_ND[start : start + _AT_ONCE])
        classifier = self.classifier(len(x_ND), len(np.unique(label_N)))
        self._fitted = make_pipeline(scaler, classifier.fit(scaler.transform(x_ND), label_N))
        return self

    def predict(self, x_ND: FloatArray) -> IntArray:
        """Return the most likely label of every vector."""
        assert self._fitted is not None, "fit the probe first"
        label_N: Any = self._fitted.predict(x_ND.astype(np.float64))
        return np.asarray(label_N)

    def log_shares(self, x_ND: FloatArray) -> FloatArray:
        """Return the logarithm of the probability of each label of the training data, in ascending order, (N, K)."""
        assert self._fitted is not None, "fit the probe first"
        log_NK: Any = self._fitted.predict_log_proba(x_ND.astype(np.float64))
        return np.asarray(log_NK)


class LinearProbe(Probe):
    """Multinomial logistic regression.

    It minimises the mean cross-entropy over windows plus ``strength / 2`` times the squared weights. All gestures
    have the same weight, however long they were held, because the score is balanced accuracy.

    Args:
        strength: weight of the penalty. It is per window, so that a strength chosen on one set of gestures
            keeps its meaning on another of a different size.
    """

    def __init__(self, strength: float = 0.01) -> None:
        super().__init__(strength)

    def classifier(self, windows: int, labels: int) -> Any:
        """Return logistic regression; scikit-learn's C multiplies the sum over windows."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=1 / (self.strength * windows), class_weight="balanced", tol=1e-3, max_iter=5000)


class Lda(Probe):
    """Linear discriminant analysis, the usual classifier on classical features (Hargrove et al. 2007).

    All gestures have the same prior. The pooled covariance is shrunk towards a multiple of the identity.

    Args:
        strength: share of the identity, from 0 to 1.
    """

    def __init__(self, strength: float = 0.1) -> None:
        super().__init__(strength)

    def classifier(self, windows: int, labels: int) -> Any:
        """Return a discriminant analysis with a shrunk covariance."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        priors = np.full(labels, 1 / labels)
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=self.strength, priors=priors)


def choose_probe(
    train: EmbeddingSet,
    validation: EmbeddingSet,
    strengths: Sequence[float] = STRENGTHS,
    make: type[LinearProbe] | type[Lda] = LinearProbe,
) -> Probe:
    """Fit probes of several strengths and return the best one on validation people.

    Unseen gestures take no part in a choice: pass windows of seen gestures, then fit ``make(chosen.strength)`` on the
    unseen gestures.

    Args:
        train: labelled vectors of training people.
        validation: labelled vectors of other people, of the same gestures.
        strengths: strengths to try; on a tie the strongest penalty wins.
        make: class of the probe.

    Returns:
        The probe of the best strength, fitted on ``train``.
    """
    train.refuse_shared(validation)
    best: tuple[float, Probe] | None = None
    for strength in sorted(strengths, reverse=True):
        probe = make(strength).fit(train.x_ND, train.label_N)
        accuracy = balanced_accuracy(validation.label_N, probe.predict(validation.x_ND))
        if best is None or accuracy > best[0]:
            best = accuracy, probe
    assert best is not None, "no strengths to choose from"
    return best[1]
