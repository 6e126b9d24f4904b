"""What a model that cpep knows nothing of is given, and how its poses are scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cpep
from cpep.data.arrays import from_arrays

RATE, JOINTS, CONTEXT, WINDOW = 200, 3, 179, 1000  # 0.895 s and 5 s
SECONDS = (17.0, 11.5, 12.0, 12.0, 12.0, 12.0)
PEOPLE = ("tess", "tess", "tess", "ann", "bob", "val")
MADE = ("horns", "horns", "fist", "fist", "fist", "fist")
ASKED = {"test_users": ("tess",), "unseen": ("horns",)}


@pytest.fixture(scope="module")
def arrays():
    """EMG, labels and poses of recordings of one gesture each."""
    rng = np.random.default_rng(0)
    lengths = [round(seconds * RATE) for seconds in SECONDS]
    emg = [rng.normal(size=(4, length)) for length in lengths]
    labels = [[gesture] * length for gesture, length in zip(MADE, lengths, strict=True)]
    return emg, labels, [rng.uniform(-1, 1, (JOINTS, length // 2)) for length in lengths]


@pytest.fixture(scope="module")
def store(arrays):
    emg, labels, pose = arrays
    return from_arrays(emg, labels, rate=RATE, people=list(PEOPLE), pose=pose, pose_rate=RATE / 2)


@pytest.fixture(scope="module")
def recorded(store):
    """EMG (C, T) and poses (J, M) of each recording as the store has them."""
    parts = [slice(entry.start, entry.start + entry.frames) for entry in store.entries]
    emg = [np.array(store.emg_TC[2 * part.start : 2 * part.stop]).T for part in parts]
    return emg, [np.array(store.anchor_MJ[part]).T for part in parts]


def place_of(emg_CT, recorded):
    """Return the recording that a window is of and its first sample, found by comparing with all of them."""
    for number, every_CT in enumerate(recorded[0]):
        for first in np.flatnonzero(every_CT[0] == emg_CT[0, 0]):
            if np.array_equal(every_CT[:, first : first + emg_CT.shape[1]], emg_CT):
                return number, int(first)
    raise AssertionError("this is no part of a recording")


@pytest.mark.parametrize("times", [1, 4])
def test_the_model_is_given_context_and_window_and_poses_count_at_their_times(store, recorded, times):
    places = []

    def predict(emg_BCT):
        assert emg_BCT.dtype == np.float32 and emg_BCT.shape[1:] == (4, CONTEXT + WINDOW) and len(emg_BCT) <= 3
        found = [place_of(emg_CT, recorded) for emg_CT in emg_BCT]
        places.extend(found)
        poses = []
        for number, first in found:
            frame = (first + CONTEXT) / 2
            at_S = frame + np.arange(500 * times) / times
            poses.append([np.interp(at_S, np.arange(pose_T.size), pose_T) for pose_T in recorded[1][number]])
        return torch.tensor(np.array(poses).swapaxes(1, 2) + 0.25, requires_grad=True)

    found = cpep.score_poses(store, predict, **ASKED, batch=3)
    wanted = {  # windows that follow each other from 0.9 s on, the first frame after the context
        (number, 180 - CONTEXT + 1000 * k) for number, count in ((0, 3), (1, 2)) for k in range(count)
    }
    assert set(places) == wanted and len(places) == len(wanted) == found.n_windows
    assert found.error_rad == pytest.approx(0.25, abs=1e-5) and found.per_user.keys() == {"tess"}
    assert found.spread == pytest.approx(1, abs=1e-4)


def test_one_pose_for_a_window_is_a_constant(store, recorded):
    found = cpep.score_poses(store, lambda emg_BCT: np.full((len(emg_BCT), 1, JOINTS), 0.5), **ASKED)
    errors = [
        np.abs(recorded[1][number][:, frame : frame + 500] - 0.5).mean()
        for number, frame in ((0, 90), (0, 590), (0, 1090), (1, 90), (1, 590))
    ]
    assert found.error_rad == pytest.approx(np.mean(errors), abs=1e-5) and found.spread == 0


@pytest.mark.parametrize(
    ("poses", "told"),
    [
        (np.zeros((5, 500, 2)), r"of shape \(5, 500, 2\); it must be \(5, S, 3\)"),
        (np.zeros((4, 500, 3)), r"it must be \(5, S, 3\)"),
        (np.zeros((5, 0, 3)), r"of shape \(5, 0, 3\)"),
        (np.full((5, 500, 3), np.nan), "not finite"),
    ],
)
def test_poses_that_do_not_fit_are_refused(store, poses, told):
    with pytest.raises(cpep.UserError, match=told):
        cpep.score_poses(store, lambda emg_BCT: poses, **ASKED)


def test_nothing_to_ask_is_refused(store, arrays):
    with pytest.raises(cpep.UserError, match="name others by test_users or unseen"):
        cpep.score_poses(store, lambda emg_BCT: emg_BCT, test_users=("ann",), unseen=("horns",))
    bare = from_arrays(*arrays[:2], rate=RATE, people=list(PEOPLE))
    with pytest.raises(cpep.UserError, match="only joint angles in rad"):
        cpep.score_poses(bare, lambda emg_BCT: emg_BCT, **ASKED)
