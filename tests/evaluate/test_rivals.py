"""Ridge regression against its closed form and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from cpep.evaluate.rivals import RidgeToPose, choose_ridge
from cpep.types import EmbeddingSet, FloatArray


def pairs(windows: int, user: str, noise: float, seed: int) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Features of which 5 of 30 tell the pose, and the pose."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(windows, 30)) * np.linspace(0.1, 30, 30) + 3
    mix = np.random.default_rng(1).normal(size=(5, 4)) / np.linspace(0.1, 30, 30)[:5, None]
    pose = (x[:, :5] - 3) @ mix + noise * rng.normal(size=(windows, 4)) + 10
    return one(x, user), one(pose, user)


def one(x: FloatArray, user: str) -> EmbeddingSet:
    n = len(x)
    return EmbeddingSet(x.astype(np.float32), np.ones(n, int), np.full(n, user), np.full(n, "r"), np.zeros(n))


def test_ridge_is_the_closed_form() -> None:
    x, pose = pairs(200, "a", 1.0, 0)
    z = (x.x_ND - x.x_ND.mean(0)) / x.x_ND.std(0)
    y = (pose.x_ND - pose.x_ND.mean(0)) / pose.x_ND.std(0)
    weight = np.linalg.inv(z.T @ z + 0.3 * 200 * np.eye(30)) @ z.T @ y
    ridge = RidgeToPose(0.3).fit(x.x_ND, pose.x_ND)
    np.testing.assert_allclose(ridge.predict(x.x_ND), z @ weight, atol=1e-4)
    np.testing.assert_allclose(ridge.standardise(pose.x_ND), y, atol=1e-4)
    sklearn = Ridge(alpha=0.3 * 200).fit(z, y)
    np.testing.assert_allclose(ridge.predict(x.x_ND), sklearn.predict(z), atol=1e-4)


def test_ridge_limits() -> None:
    x, pose = pairs(500, "a", 0.0, 0)
    exact = RidgeToPose(1e-9).fit(x.x_ND, pose.x_ND)
    np.testing.assert_allclose(exact.predict(x.x_ND), exact.standardise(pose.x_ND), atol=1e-3)
    strict = RidgeToPose(1e9).fit(x.x_ND, pose.x_ND)
    np.testing.assert_allclose(strict.predict(x.x_ND), 0, atol=1e-6)


def test_columns_that_never_change_stay_out() -> None:
    x, pose = pairs(100, "a", 0.1, 0)
    x.x_ND[:, 7] = 1e6
    pose.x_ND[:, 2] = -4
    ridge = RidgeToPose(0.1).fit(x.x_ND, pose.x_ND)
    assert np.isfinite(ridge.predict(x.x_ND)).all()
    np.testing.assert_allclose(ridge.predict(x.x_ND)[:, 2], 0, atol=1e-6)
    with pytest.raises(ValueError, match="100 windows of features and 99 of pose"):
        RidgeToPose().fit(x.x_ND, pose.x_ND[1:])


def test_choice_has_the_least_error_on_validation_users() -> None:
    train, train_pose = pairs(40, "a", 3.0, 0)
    validation, validation_pose = pairs(400, "b", 3.0, 1)
    strengths = (1e-4, 1e-2, 0.3, 3.0, 1e4)
    error = {}
    for s in strengths:
        ridge = RidgeToPose(s).fit(train.x_ND, train_pose.x_ND)
        error[s] = np.mean((ridge.predict(validation.x_ND) - ridge.standardise(validation_pose.x_ND)) ** 2)
    best = min(strengths, key=lambda s: error[s])
    assert 1e-4 < best < 1e4
    chosen = choose_ridge(train, train_pose, validation, validation_pose, strengths)
    assert chosen.strength == best


def test_choice_refuses_a_user_on_both_sides() -> None:
    train, pose = pairs(20, "a", 1.0, 0)
    with pytest.raises(AssertionError, match=r"users \['a'\]"):
        choose_ridge(train, pose, train, pose)
