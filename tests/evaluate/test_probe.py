"""The probe against scikit-learn by hand, and what a choice may look at."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cpep.evaluate.probe import SHRINKAGES, Lda, LinearProbe, choose_probe
from cpep.types import EmbeddingSet, IntArray


def clusters(windows: int, width: int, classes: int, users: tuple[str, ...], noise: float, seed: int) -> EmbeddingSet:
    rng = np.random.default_rng(seed)
    centre = np.random.default_rng(99).normal(size=(classes, width))
    label: IntArray = rng.integers(classes, size=windows) + 1
    x = (centre[label - 1] + noise * rng.normal(size=(windows, width))).astype(np.float32)
    x = x * np.linspace(0.01, 100, width, dtype=np.float32) + 5  # scales that only standardising removes
    zeros = np.zeros(windows)
    return EmbeddingSet(x, label, rng.choice(users, size=windows), np.full(windows, "r"), zeros, np.full(windows, ""))


def test_probe_is_standardised_logistic_regression() -> None:
    train = clusters(600, 8, 4, ("a", "b"), 1.5, 0)
    test = clusters(500, 8, 4, ("c",), 1.5, 1)
    reference = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=1 / (0.05 * 600), class_weight="balanced", tol=1e-8, max_iter=10_000),
    ).fit(train.x_ND.astype(float), train.label_N)
    found = LinearProbe(0.05).fit(train.x_ND, train.label_N).predict(test.x_ND)
    expected = reference.predict(test.x_ND.astype(float))
    assert (found == expected).mean() > 0.995  # a looser tolerance moves windows on the border alone
    assert (found == test.label_N).mean() > 0.6


def test_probe_minimises_what_its_docstring_says() -> None:
    """Two classes of unequal size, the loss written out and minimised by another solver."""
    rng = np.random.default_rng(0)
    label = np.array([1] * 30 + [2] * 90)
    x = rng.normal(size=(120, 2)) + label[:, None]
    z = (x - x.mean(0)) / x.std(0)
    weight = np.where(label == 1, 120 / 2 / 30, 120 / 2 / 90)

    def loss(flat: np.ndarray) -> float:
        """Binary cross-entropy per window, weighted, plus strength / 2 of the squared weights."""
        logit = z @ flat[:2] + flat[2]
        cross = logsumexp(np.stack([np.zeros(120), np.where(label == 2, -logit, logit)]), axis=0)
        return float(np.mean(weight * cross) + 0.1 / 2 * np.sum(flat[:2] ** 2))

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    probe = LinearProbe(0.1).fit(x, label)
    assert probe._fitted is not None
    fitted = probe._fitted[-1]
    np.testing.assert_allclose([*fitted.coef_[0], fitted.intercept_[0]], best, atol=0.01)


def test_strength_is_per_window() -> None:
    train, test = clusters(300, 6, 3, ("a",), 2.0, 0), clusters(400, 6, 3, ("c",), 2.0, 1)
    once = LinearProbe(0.1).fit(train.x_ND, train.label_N).predict(test.x_ND)
    thrice = LinearProbe(0.1).fit(np.tile(train.x_ND, (3, 1)), np.tile(train.label_N, 3)).predict(test.x_ND)
    assert (once == thrice).mean() > 0.99


def test_choice_is_the_best_on_validation_users_and_ties_prefer_the_stronger() -> None:
    train, validation = clusters(60, 40, 3, ("a", "b"), 4.0, 0), clusters(600, 40, 3, ("c",), 4.0, 1)
    strengths = (1e-6, 1e-2, 1.0)
    accuracy = {
        s: np.mean(
            [
                (LinearProbe(s).fit(train.x_ND, train.label_N).predict(validation.x_ND) == validation.label_N)[
                    validation.label_N == k
                ].mean()
                for k in (1, 2, 3)
            ]
        )
        for s in strengths
    }
    assert choose_probe(train, validation, strengths).strength == max(strengths, key=lambda s: accuracy[s])
    easy, same = clusters(60, 4, 3, ("a",), 0.01, 0), clusters(60, 4, 3, ("c",), 0.01, 1)
    assert choose_probe(easy, same, (0.001, 0.01)).strength == 0.01
    np.testing.assert_array_equal(choose_probe(easy, same).predict(same.x_ND), same.label_N)


def test_choice_refuses_a_user_on_both_sides() -> None:
    with pytest.raises(AssertionError, match=r"users \['b'\]"):
        choose_probe(clusters(50, 4, 2, ("a", "b"), 1, 0), clusters(50, 4, 2, ("b", "c"), 1, 1))


def test_probe_is_fast_enough_for_a_whole_evaluation() -> None:
    train = clusters(20_000, 128, 12, ("a",), 6.0, 0)
    started = time.perf_counter()
    LinearProbe(0.01).fit(train.x_ND, train.label_N)
    assert time.perf_counter() - started < 15  # measured: under 1 s


def test_lda_is_the_rule_of_its_textbook() -> None:
    """The score of a class, written out: shrunk pooled covariance, equal priors."""
    train, test = clusters(300, 5, 3, ("a", "b"), 1.5, 0), clusters(200, 5, 3, ("c",), 1.5, 1)
    mean, sd = train.x_ND.astype(float).mean(0), train.x_ND.astype(float).std(0)
    z, query = (train.x_ND - mean) / sd, (test.x_ND - mean) / sd
    labels = np.unique(train.label_N)
    centre = np.stack([z[train.label_N == label].mean(0) for label in labels])
    pooled = np.zeros((5, 5))
    for label, middle in zip(labels, centre, strict=True):
        apart = z[train.label_N == label] - middle
        shrunk = np.cov(apart.T, bias=True)
        shrunk = 0.7 * shrunk + 0.3 * np.diag(shrunk).mean() * np.eye(5)
        pooled += shrunk / len(labels)
    inverse = np.linalg.inv(pooled)
    score = query @ inverse @ centre.T - 0.5 * np.einsum("kd,de,ke->k", centre, inverse, centre)
    found = Lda(0.3).fit(train.x_ND, train.label_N).predict(test.x_ND)
    assert (found == labels[score.argmax(1)]).all()


def test_the_shrinkage_of_lda_is_chosen_on_validation_people() -> None:
    train, validation = clusters(60, 40, 3, ("a",), 3.0, 0), clusters(200, 40, 3, ("b",), 3.0, 1)
    chosen = choose_probe(train, validation, SHRINKAGES, Lda)
    right = {
        s: (Lda(s).fit(train.x_ND, train.label_N).predict(validation.x_ND) == validation.label_N).mean()
        for s in SHRINKAGES
    }
    assert isinstance(chosen, Lda) and len(set(right.values())) > 1
    assert right[chosen.strength] >= max(right.values()) - 0.02  # balanced accuracy chose, this is the plain one


def test_the_spread_of_many_vectors_is_that_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    label_N = rng.integers(1, 4, 500)
    x_ND = (rng.normal(size=(500, 6)) + label_N[:, None] + np.linspace(0, 50, 500)[:, None]).astype(np.float32)
    whole = LinearProbe(0.01).fit(x_ND, label_N)
    monkeypatch.setattr("cpep.evaluate.probe._AT_ONCE", 64)
    np.testing.assert_allclose(
        LinearProbe(0.01).fit(x_ND, label_N).log_shares(x_ND), whole.log_shares(x_ND), atol=1e-6
    )
