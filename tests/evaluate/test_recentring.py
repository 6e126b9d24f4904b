"""Recentred covariances against scipy's slow matrix functions, and the properties that make them worth having."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm, inv, logm, sqrtm

from cpep.evaluate.recentring import geometric_mean, matrices, recentred, running_means, triangles

pytestmark = pytest.mark.filterwarnings("ignore:logm result may be inaccurate")


@pytest.fixture
def covariances() -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(30, 40, 4)) * [1, 2, 0.5, 1]
    return made.transpose(0, 2, 1) @ made / 40


def logs(full: np.ndarray) -> np.ndarray:
    return triangles(np.stack([logm(one).real for one in full]))


def test_recentred_is_the_slow_formula(covariances):
    mean = covariances[0] + np.eye(4)
    white = inv(sqrtm(mean).real)
    slow = logs(np.stack([white @ one @ white for one in covariances]))
    np.testing.assert_allclose(recentred(logs(covariances), logs(mean[None])[0]), slow, atol=1e-9)


def test_the_geometric_mean_leaves_nothing(covariances):
    left = recentred(logs(covariances), geometric_mean(logs(covariances))).mean(axis=0)
    assert np.abs(left).max() < 1e-8 < np.abs(logs(covariances).mean(axis=0)).max()


def test_a_mixture_of_channels_is_taken_out_but_for_a_rotation(covariances):
    mixture = np.random.default_rng(1).normal(size=(4, 4)) + 2 * np.eye(4)
    own, mixed = (
        recentred(logs(some), geometric_mean(logs(some))) for some in (covariances, mixture @ covariances @ mixture.T)
    )
    spectrum = [np.sort(np.linalg.eigvalsh(matrices(some)), axis=1) for some in (own, mixed)]
    np.testing.assert_allclose(spectrum[0], spectrum[1], atol=1e-6)
    assert np.abs(logs(covariances) - logs(mixture @ covariances @ mixture.T)).max() > 1


def test_running_means_know_the_past_alone_and_reach_the_mean(covariances):
    log_KF, start = logs(covariances), np.zeros(10)
    found = running_means(log_KF, start, 1)
    np.testing.assert_array_equal(found[0], start)
    np.testing.assert_array_equal(found[:11], running_means(log_KF[:10], start, 1))
    half = expm(matrices(found[3][None])[0] / 2)
    step = expm(matrices(recentred(log_KF[3:4], found[3]))[0] / 5)
    np.testing.assert_allclose(found[4], logs((half @ step @ half)[None])[0], atol=1e-9)
    assert np.abs(running_means(np.tile(log_KF, (20, 1)), start, 1)[-1] - geometric_mean(log_KF)).max() < 0.1
