"""Which windows the challenge asks, and which prediction each of their frames has."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cpep.data.arrays import from_arrays
from cpep.data.splits import Split
from cpep.data.windows import Windows, list_windows
from cpep.experiments import challenged as challenge
from cpep.models.baselines.emg2pose import Emg2Pose
from cpep.models.baselines.neuropose import NeuroPose

RATE, JOINTS = 200, 3
SECONDS = (17.0, 11.5, 5.8, 12.0, 12.0, 12.0)
PEOPLE = ("tess", "tess", "tess", "tess", "ann", "val")
MADE = ("horns", "horns", "horns", "fist", "fist", "fist")


@pytest.fixture(scope="module")
def store():
    """Recordings of one gesture each; the second window of the first one has a frame without a pose."""
    rng = np.random.default_rng(0)
    lengths = [round(seconds * RATE) for seconds in SECONDS]
    emg = [rng.normal(size=(4, length)) for length in lengths]
    pose = [rng.uniform(-1, 1, (JOINTS, length // 2)) for length in lengths]
    pose[0][:, 640] = np.nan
    labels = [[gesture] * length for gesture, length in zip(MADE, lengths, strict=True)]
    return from_arrays(emg, labels, rate=RATE, people=list(PEOPLE), pose=pose, pose_rate=RATE / 2)


@pytest.fixture(scope="module")
def split(store):
    fist, horns = (store.vocabulary.index(name) for name in ("fist", "horns"))
    return Split(("ann",), ("val",), ("tess",), (fist,), (horns,), 0.5)


def test_windows_are_of_test_people_in_new_stages_after_the_context_and_of_valid_poses(store, split):
    asked = challenge.asked_of(store, split)
    context, frames = 90, 500  # at 100 frames a second: 0.895 s and 5 s
    wanted, lost, short = [], 0, 0
    for entry, person, made in zip(store.entries, PEOPLE, MADE, strict=True):
        if person != "tess" or made != "horns":
            continue
        begins = [entry.start + begin for begin in range(context, entry.frames - frames + 1, frames)]
        whole = [begin for begin in begins if all(store.valid_M[begin + k] for k in range(frames))]
        wanted, lost, short = wanted + whole, lost + len(begins) - len(whole), short + (not begins)
    assert asked.windows.start_N.tolist() == wanted and len(wanted) == 4
    assert (asked.excluded, asked.short) == (lost, short) == (1, 1)


def test_a_stage_that_no_training_person_has_is_held_out_whatever_its_labels(store, split):
    stages = ("new", "new", "old", "other", "old", "other")
    staged = replace(store, entries=tuple(replace(e, stage=s) for e, s in zip(store.entries, stages, strict=True)))
    assert challenge.held_out(staged, replace(split, unseen=())).tolist() == [True, True, False, True, False, False]
    assert challenge.held_out(staged, split).tolist() == [True, True, True, True, False, False]


@pytest.mark.parametrize("lag", [0, 6])
@pytest.mark.parametrize(("make", "seconds"), [(Emg2Pose, 2.0), (Emg2Pose, 5.8), (NeuroPose, 1.0), (NeuroPose, 5.84)])
def test_every_frame_has_the_prediction_for_its_own_time(store, split, monkeypatch, make, seconds, lag):
    kind = ("velocity",) if make is Emg2Pose else ()
    net = make(4, RATE, round(seconds * RATE), JOINTS, *kind)
    read = []

    def times_of(_, __, windows: Windows):
        """Predict, as every joint, the time in the store for which a pose is predicted, in frames."""
        read.extend(zip(windows.entry_N.tolist(), windows.start_N.tolist(), strict=True))
        times_NS = windows.start_N[:, None] + lag + net.times_S.numpy().astype(np.float64) * 100
        return np.repeat(times_NS[:, :, None], JOINTS, axis=2)

    monkeypatch.setattr(challenge, "predict_pose", times_of)
    asked = challenge.asked_of(store, split).windows
    model = SimpleNamespace(net=net, card=SimpleNamespace(window_s=seconds))
    found = challenge.predicted(model, store, asked, lag)
    wanted = asked.start_N[:, None] + np.arange(500)
    held = 0.5 + 100 * max(0.0, float(net.times_S[0]) - 0.9 + lag / 100)  # frames before the first output
    late = np.abs(found - wanted[:, :, None])
    between = 0.01 if make is Emg2Pose else 0.5  # the U-shaped network has its outputs half a step from its ends
    assert late[:, int(held) + 1 : 495].max() < between and late.max() <= max(held, 5)
    frames = round(100 * seconds)
    for index, begin in read:
        entry = store.entries[index]
        assert entry.start <= begin and begin + frames <= entry.start + entry.frames


def test_the_mean_pose_is_of_training_people_alone(store, split):
    every = list_windows(store, 2.0, 0.5)
    ann = store.entries[4]
    starts = range(ann.start, ann.start + ann.frames - 199, 50)
    wanted = np.mean([store.anchor_MJ[start : start + 200].mean(axis=0) for start in starts], axis=0)
    assert challenge.mean_pose(store, split, every) == pytest.approx(wanted, abs=1e-5)


def test_nothing_is_asked_of_other_units_nor_without_new_stages(store, split):
    every = list_windows(store, 2.0, 0.5)
    for other in (SimpleNamespace(device=SimpleNamespace(anchor=SimpleNamespace(unit="count"))),):
        assert challenge.challenge(None, other, split, every, 10, 0) is None
    assert challenge.challenge(None, store, replace(split, unseen=()), every, 10, 0) is None
    assert challenge.challenge(None, store, split, list_windows(store, 6.0, 0.5), 10, 0) is None
