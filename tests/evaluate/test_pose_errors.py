import numpy as np
import pytest
import torch

from cpep.evaluate.pose_errors import angular_error_deg, landmark_mm, normalised_rmse, pose_error
from cpep.hand.kinematics import Hand

USERS = np.array(["a", "a", "b", "b", "b"])


@pytest.fixture
def poses():
    rng = np.random.default_rng(0)
    measured = rng.uniform(0, 1, (5, 7, 20)).astype(np.float32)
    return measured + rng.normal(0, 0.1, measured.shape).astype(np.float32), measured


def test_the_angular_error_is_the_mean_over_all_joints_and_times(poses):
    predicted, measured = poses
    loop = [abs(predicted[i, s, j] - measured[i, s, j]) for i in range(5) for s in range(7) for j in range(20)]
    assert angular_error_deg(predicted, measured) == pytest.approx(np.mean(loop) * 180 / np.pi, rel=1e-5)


def test_the_landmark_distance_is_the_mean_over_points_times_and_windows(poses):
    predicted, measured = poses
    hand, distances = Hand(), []
    for one, other in zip(predicted.reshape(-1, 20), measured.reshape(-1, 20), strict=True):
        apart = hand(torch.from_numpy(one)) - hand(torch.from_numpy(other))
        distances += [float(np.sqrt((point**2).sum())) for point in apart.numpy()]
    assert landmark_mm(hand, predicted, measured) == pytest.approx(np.mean(distances), rel=1e-4)


def test_the_normalised_rmse_of_the_mean_is_one(poses):
    _, measured = poses
    spread = measured.std(axis=(0, 1))
    mean = np.broadcast_to(measured.mean(axis=(0, 1)), measured.shape)
    assert normalised_rmse(mean, measured, spread) == pytest.approx(1, rel=1e-5)
    assert normalised_rmse(measured, measured, spread) == 0


def test_a_sensor_that_never_moves_does_not_count():
    measured = np.zeros((3, 2, 2))
    measured[..., 0] = [[0, 1], [2, 3], [4, 5]]
    predicted = measured + np.array([measured[..., 0].std(), 9])
    assert normalised_rmse(predicted, measured, measured.std(axis=(0, 1))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("unit", "hand", "names"),
    [
        ("rad", Hand(), ["angular_error_deg", "landmark_mm"]),
        ("rad", None, ["angular_error_deg"]),
        ("count", None, ["pose_nrmse"]),
    ],
)
def test_a_row_says_what_is_known_of_the_pose(poses, unit, hand, names):
    predicted, measured = poses
    mean = measured.mean(axis=(0, 1))
    row = pose_error(predicted, measured, mean, USERS, gestures="seen", unit=unit, hand=hand).plain()
    assert [name for name in row if name in ("angular_error_deg", "landmark_mm", "pose_nrmse")] == names
    assert row["n_windows"] == 5 and row["n_users"] == 2 and set(row["per_user"]) == {"a", "b"}
    assert set(row["mean_pose"]) == set(names) and row["mean_pose"][names[0]] > row[names[0]]
    weighted = (2 * row["per_user"]["a"] + 3 * row["per_user"]["b"]) / 5
    if unit == "rad":
        assert row["angular_error_deg"] == pytest.approx(weighted, abs=0.01)
        wanted = angular_error_deg(np.broadcast_to(mean, measured.shape), measured)
        assert row["mean_pose"]["angular_error_deg"] == pytest.approx(wanted, abs=0.01)
