"""The map of the report against a slow computation, and on cases whose answer is known."""

import numpy as np
import pytest

from cpep.evaluate.projection import MOST_POINTS, axes_of, maps_of
from cpep.types import EmbeddingSet

NAMES = ("rest", "fist", "spread", "point", "peace", "ok")
SETS = {"seen": (1, 2, 3), "unseen": (4, 5)}


def embeddings(label_N, seed, noise=0.2, shift_D=0.0):
    """Return vectors about one axis a label, of all lengths; labels 1 to 5 by two people each."""
    rng = np.random.default_rng(seed)
    x_ND = np.eye(8)[label_N] + shift_D + noise * rng.standard_normal((len(label_N), 8))
    x_ND *= np.exp(rng.standard_normal((len(label_N), 1)))  # zero-shot compares directions alone
    user_N = np.array([f"s{k % 2}" for k in range(len(label_N))])
    text_N = np.array([""] * len(label_N))
    return EmbeddingSet(x_ND.astype(np.float32), np.array(label_N), user_N, text_N, np.zeros(len(label_N)), text_N)


def unit(x_ND):
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def test_the_plane_holds_the_most_variance_between_the_mean_poses():
    label_N = np.repeat([1, 2, 3, 4], 50)
    x_ND = unit(embeddings(label_N, 0).x_ND.astype(float))
    axes_2D, shown = axes_of(x_ND, label_N)
    mean_KD = np.array([x_ND[label_N == k].mean(0) for k in (1, 2, 3, 4)])
    scatter_DD = sum(np.outer(m - mean_KD.mean(0), m - mean_KD.mean(0)) for m in mean_KD)
    value_D, vector_DD = np.linalg.eigh(scatter_DD)  # ascending
    assert shown == pytest.approx(value_D[-2:].sum() / value_D.sum())
    assert axes_2D.T @ axes_2D == pytest.approx(vector_DD[:, -2:] @ vector_DD[:, -2:].T, abs=1e-6)
    assert axes_2D @ axes_2D.T == pytest.approx(np.eye(2), abs=1e-9)


def test_two_gestures_are_apart_in_x_and_their_poses_spread_in_y():
    label_N = np.repeat([4, 5], 40)
    rng = np.random.default_rng(0)
    x_ND = np.eye(8)[label_N] + rng.standard_normal((80, 8)) * np.array([0.3, *[0.01] * 7])
    axes_2D, shown = axes_of(x_ND, label_N)
    between = axes_2D[0] @ (np.eye(8)[4] - np.eye(8)[5])
    assert shown == 1 and abs(between) == pytest.approx(2**0.5, abs=0.02)
    assert abs(axes_2D[1, 0]) == pytest.approx(1, abs=0.01)


def test_emg_and_poses_are_projected_alike_and_a_gap_stays():
    """EMG that lies off the poses is drawn off them; nothing moves it to its nearest poses."""
    label_N = np.repeat([1, 2, 3], 60)
    pose, aligned = embeddings(label_N, 1, 0.05), embeddings(label_N, 2, 0.05)
    shift_D = np.array([0, 0.6, -0.6, 0, 0, 0, 0, 1.0])
    shifted = embeddings(label_N, 2, 0.05, shift_D)
    (near,), (far,) = (maps_of(emg, pose, {"seen": (1, 2, 3)}, NAMES, 0) for emg in (aligned, shifted))

    def centre(points):
        return np.mean([point[:2] for point in points], axis=0)

    assert near.gap < 0.05 < 0.5 < far.gap
    assert np.linalg.norm(centre(near.emg) - centre(near.pose)) < 0.03
    assert np.linalg.norm(centre(far.emg) - centre(far.pose)) > 0.3
    means = [[unit(data.x_ND)[label_N == k].mean(0) for k in (1, 2, 3)] for data in (shifted, pose)]
    assert far.gap == pytest.approx(np.linalg.norm(np.mean(means[0], 0) - np.mean(means[1], 0)), abs=1e-4)
    pairs = [np.linalg.norm(means[1][a] - means[1][b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert far.apart == near.apart == pytest.approx(np.mean(pairs), abs=1e-4)
    axes_2D, _ = axes_of(unit(pose.x_ND).astype(float), label_N)
    place_N2 = (unit(shifted.x_ND) - np.mean(means[1], 0)) @ axes_2D.T
    assert np.array([point[:2] for point in far.emg]) == pytest.approx(place_N2, abs=1e-3)


def test_a_set_has_its_own_gestures_and_says_how_many_there_were():
    label_N = np.repeat(range(6), 200)
    emg, pose = embeddings(label_N, 3), embeddings(label_N, 4)
    seen, unseen = maps_of(emg, pose, SETS, NAMES, 0)
    assert {name for *_, name in (*seen.emg, *seen.pose)} == {"fist", "spread", "point"}
    assert {name for *_, name in (*unseen.emg, *unseen.pose)} == {"peace", "ok"}
    assert (seen.windows, seen.poses, seen.people, seen.pose_people) == (600, 600, 2, 2)
    assert len(seen.emg) == len(seen.pose) == MOST_POINTS and unseen.windows == 400
    assert maps_of(emg, pose, SETS, NAMES, 0)[0] == seen


def test_sets_without_emg_and_poses_that_are_all_the_same_have_no_map():
    label_N = np.repeat([1, 2, 3], 10)
    some = embeddings(label_N, 0)
    same = some.with_x(np.ones_like(some.x_ND))
    assert maps_of(some, same, SETS, NAMES, 0) == []
    assert [found.gestures for found in maps_of(some, some, SETS, NAMES, 0)] == ["seen"]
    one = some.select(np.arange(1))
    assert maps_of(some, one, SETS, NAMES, 0) == []
