"""The error of the challenge, against one that loops over windows, times and joints."""

import numpy as np
import pytest

from cpep.evaluate import challenge


def test_the_error_is_the_mean_over_windows_joints_and_times():
    rng, users = np.random.default_rng(0), np.array(["a", "a", "b", "b", "b"])
    measured = rng.uniform(-1, 1, (5, 7, 3))
    poses, mean = measured + rng.normal(0, 0.1, measured.shape), measured.mean(axis=(0, 1))
    found = challenge.scored(poses, measured, mean, users, draws=200, seed=0)
    loop = [[abs(poses[n, s, j] - measured[n, s, j]) for s in range(7) for j in range(3)] for n in range(5)]
    of_window = [sum(errors) / 21 for errors in loop]
    assert found.error_rad == pytest.approx(sum(of_window) / 5)
    assert found.per_user == pytest.approx({"a": np.mean(of_window[:2]), "b": np.mean(of_window[2:])})
    still = [abs(mean[j] - measured[n, s, j]) for n in range(5) for s in range(7) for j in range(3)]
    assert found.mean_pose_rad == pytest.approx(np.mean(still))
    assert min(of_window) <= found.ci95[0] < found.error_rad < found.ci95[1] <= max(of_window)
    assert found.spread == pytest.approx(1, abs=0.1)
    row = found.plain()
    assert row["gestures"] == "user_stage" and row["n_windows"] == 5 and row["n_users"] == 2


def test_the_interval_draws_people_before_windows():
    errors, users = np.array([1.0] * 50 + [3.0] * 50), np.array(["a"] * 50 + ["b"] * 50)
    assert challenge.interval(errors, users, 400, 0) == (1.0, 3.0)  # a draw of one person twice is no rare one
    assert challenge.interval(errors[:50], users[:50], 20, 0) == (1.0, 1.0)
