"""Ridge regression and canonical correlation against their closed forms, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge

from cpep.evaluate.knn import knn_vote
from cpep.evaluate.linear import SAME_ERROR, CcaToPose, RidgeToPose, choose_cca, choose_ridge
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
    user_N = np.full(n, user)
    return EmbeddingSet(x.astype(np.float32), np.ones(n, int), user_N, user_N, np.zeros(n), user_N)


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


def test_canonical_correlations_are_those_of_the_generalised_eigenproblem() -> None:
    x, pose = pairs(300, "a", 3.0, 0)
    cca = CcaToPose(4, 0.0).fit(x.x_ND, pose.x_ND)
    z = (x.x_ND - x.x_ND.mean(0)) / x.x_ND.std(0)
    y = (pose.x_ND - pose.x_ND.mean(0)) / pose.x_ND.std(0)
    cxx, cyy, cxy = z.T @ z / 300, y.T @ y / 300, z.T @ y / 300
    zero_xx, zero_yy = np.zeros_like(cxx), np.zeros_like(cyy)
    values, vectors = eigh(np.block([[zero_xx, cxy], [cxy.T, zero_yy]]), np.block([[cxx, cxy * 0], [cxy.T * 0, cyy]]))
    rho, vectors = values[::-1][:4], vectors[:, ::-1][:, :4]  # 4 pairs +rho, -rho; the rest is 0
    assert 0.2 < rho[-1] < rho[0] < 0.99
    np.testing.assert_allclose(cca.correlation_K, rho, atol=1e-5)
    for found, data, rows in (
        (cca.predict(x.x_ND), z, vectors[:30]),
        (cca.standardise(pose.x_ND), y, vectors[30:]),
    ):
        expected = data @ rows
        expected *= rho / expected.std(0)  # of unit variance, times the correlation
        sign = np.sign((expected * found).sum(0))
        np.testing.assert_allclose(found, sign * expected, atol=1e-3)
    signs = (cca.predict(x.x_ND) * cca.standardise(pose.x_ND)).mean(0)
    np.testing.assert_allclose(signs, rho**3, atol=1e-4)  # EMG and pose of a pair lie on the same side
    theirs = CCA(4, max_iter=5000, tol=1e-9).fit(z, y)
    u, v = theirs.transform(z, y)
    np.testing.assert_allclose([np.corrcoef(u[:, k], v[:, k])[0, 1] for k in range(4)], rho, atol=1e-3)


def test_penalised_canonical_correlation_says_what_ridge_says() -> None:
    x, pose = pairs(200, "a", 1.0, 0)
    other, other_pose = pairs(100, "b", 1.0, 1)
    cca, ridge = CcaToPose(4, 0.3).fit(x.x_ND, pose.x_ND), RidgeToPose(0.3).fit(x.x_ND, pose.x_ND)
    error = np.mean((ridge.predict(other.x_ND) - ridge.standardise(other_pose.x_ND)) ** 2)
    assert cca.pose_error(other.x_ND, other_pose.x_ND) == pytest.approx(error, rel=1e-4)
    one = cca.keep(1)
    assert one.pose_error(other.x_ND, other_pose.x_ND) > 1.05 * error
    np.testing.assert_array_equal(one.predict(other.x_ND), cca.predict(other.x_ND)[:, :1])
    assert cca.components == 4


def test_nearest_pose_in_the_canonical_space() -> None:
    """Poses of three gestures, of which the features know a rotation under a loud nuisance."""
    rng = np.random.default_rng(0)
    label = np.arange(300) % 3
    pose = np.eye(3)[label] + 0.1 * rng.normal(size=(300, 3))
    x = np.concatenate([pose @ rng.normal(size=(3, 5)), 100 * rng.normal(size=(300, 20))], axis=1)
    cca = CcaToPose(2, 0.01).fit(x[:200], pose[:200])
    voted = knn_vote(cca.predict(x[200:]), cca.standardise(pose[:200]), label[:200], 10)
    assert np.mean(voted == label[200:]) > 0.95


def test_cca_leaves_out_columns_that_never_change() -> None:
    x, pose = pairs(100, "a", 0.1, 0)
    x.x_ND[:, 7] = 1e6
    pose.x_ND[:, 2] = -4
    cca = CcaToPose(9, 0.0).fit(x.x_ND, pose.x_ND)
    assert np.isfinite(cca.predict(x.x_ND)).all() and np.isfinite(cca.standardise(pose.x_ND)).all()
    assert cca.correlation_K[3] == pytest.approx(0, abs=1e-6) and cca.correlation_K[2] > 0.1  # 3 poses that change
    with pytest.raises(ValueError, match="100 windows of features and 99 of pose"):
        CcaToPose(2).fit(x.x_ND, pose.x_ND[1:])


def test_choice_of_cca_keeps_all_components_that_the_error_does_not_tell_apart() -> None:
    train, train_pose = pairs(60, "a", 3.0, 0)
    validation, validation_pose = pairs(400, "b", 3.0, 1)
    error = {}
    for strength in (1e-4, 1e-2, 0.3, 3.0, 1e4):
        for components in (1, 2, 3, 4):
            cca = CcaToPose(components, strength).fit(train.x_ND, train_pose.x_ND)
            expected = cca.predict(validation.x_ND) @ cca._back_KP[:components]
            y = (validation_pose.x_ND - train_pose.x_ND.mean(0)) / train_pose.x_ND.std(0)
            error[strength, components] = np.mean((expected - y) ** 2)
    strength, fewest = min(error, key=lambda key: error[key])
    kept = max(k for s, k in error if s == strength and error[s, k] <= SAME_ERROR * error[strength, fewest])
    assert 1e-4 < strength < 1e4
    chosen = choose_cca(train, train_pose, validation, validation_pose, (1e-4, 1e-2, 0.3, 3.0, 1e4), (1, 2, 3, 4, 99))
    assert (chosen.strength, chosen.components) == (strength, kept)
    with pytest.raises(AssertionError, match=r"users \['a'\]"):
        choose_cca(train, train_pose, train, train_pose)
