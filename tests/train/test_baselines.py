"""Baselines on small recordings: they learn, stop where they must, resume, and meet nobody they should not."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import load
from cpep.config.presets import preset
from cpep.data.augment import Augmentation
from cpep.data.sampler import Batches
from cpep.data.splits import LeakError
from cpep.train import loop
from cpep.train.regression import regress
from cpep.train.stage import compute
from cpep.train.supervised import supervise
from cpep.train.task import Task
from cpep.types import UserError

KINDS = ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics", "pose_t")


@pytest.fixture(autouse=True)
def few_validation_windows(monkeypatch):
    monkeypatch.setattr("cpep.train.supervised.VALIDATION_WINDOWS", 8 * 16)
    monkeypatch.setattr("cpep.train.regression.HELD_WINDOWS", 16)


def task(store, split, folder, *sets):
    return Task(store, split, preset("tiny", sets), 0, folder)


def train(task, kind):
    return supervise(task) if kind == "supervised" else regress(task, kind)


def note(folder):
    return json.loads((folder / "stage.json").read_text())


def test_a_pose_regression_learns(store, split, tmp_path):
    sets = ("baselines.compute=1000", "baselines.optim.steps=120", "baselines.optim.lr=3e-3")
    regress(task(store, split, tmp_path, *sets), "pose_t")
    (_, first, _), (_, last, _) = note(tmp_path)["points"]
    assert last < 0.8 * first and note(tmp_path)["stopped"] == "steps"


def test_the_supervised_encoder_learns_the_labels(store, split, tmp_path):
    sets = ("baselines.compute=1000", "baselines.optim.steps=100", "align.optim.lr=5e-3")
    supervise(task(store, split, tmp_path, *sets))
    assert note(tmp_path)["points"][-1][1] < 0.5 * math.log(8)  # guessing among 8 seen gestures costs log 8


@pytest.mark.parametrize("kind", ["supervised", *KINDS])
def test_a_baseline_ends_at_the_compute_of_cpep_and_says_so(store, split, tmp_path, kind):
    share = 0.5 if kind in ("supervised", "pose_t") else 200
    limited = task(store, split, tmp_path, "baselines.optim.steps=100000", f"baselines.compute={share}")
    config = limited.config
    budget = share * sum(compute("cpep", store, split, config).values())
    train(limited, kind)
    found = note(tmp_path)
    each = found["gflop"] / found["steps"]
    assert found["stopped"] == "compute"
    assert found["steps"] == max(1, int(budget / each))
    assert found["parameters"] == sum(p.numel() for p in load(tmp_path / "checkpoint").net.parameters())


def test_a_baseline_ends_once_its_validation_is_flat(store, split, tmp_path, monkeypatch):
    losses = iter([2.0] + [1.0] * 20)  # the first is that of the mean pose
    monkeypatch.setattr("cpep.train.regression.mean_error", lambda *_: next(losses))
    sets = ("baselines.compute=1000", "baselines.optim.steps=40", "baselines.optim.checks=20")
    regress(task(store, split, tmp_path, *sets, "baselines.optim.patience=3"), "pose_t")
    assert note(tmp_path)["stopped"] == "flat" and note(tmp_path)["steps"] == 10


def test_a_killed_baseline_ends_as_if_it_had_not_been(store, split, tmp_path, monkeypatch):
    step, calls = loop.train_step, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(*args)

    sets = ("baselines.compute=1000",)
    whole = load(regress(task(store, split, tmp_path / "whole", *sets), "pose_t"))
    monkeypatch.setattr(loop, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        regress(task(store, split, tmp_path / "again", *sets), "pose_t")
    monkeypatch.setattr(loop, "train_step", step)
    again = load(regress(task(store, split, tmp_path / "again", *sets), "pose_t"))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


@pytest.mark.parametrize("kind", ["supervised", "emg2pose"])
def test_a_leak_stops_a_baseline(store, split, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("cpep.data.splits.touches", lambda store, windows, *_: np.zeros(len(windows), dtype=bool))
    with pytest.raises(LeakError, match="unseen gestures"):
        train(task(store, split, tmp_path), kind)


@pytest.mark.parametrize("kind", ["supervised", "vemg2pose"])
def test_a_baseline_trains_on_the_people_and_windows_of_cpep(store, split, tmp_path, monkeypatch, kind):
    met = []
    init = Batches.__init__

    def noted(self, windows, *args):
        met.append(windows)
        init(self, windows, *args)

    monkeypatch.setattr(Batches, "__init__", noted)
    train(task(store, split, tmp_path), kind)
    (windows,) = met
    assert set(windows.users(store)) == set(split.users_train)
    labels = set(windows.label_N.tolist())
    assert labels <= set(split.seen) if kind == "supervised" else not labels & {0, *split.unseen}


def test_a_pose_regression_meets_emg_turned_by_up_to_one_channel_and_changed_in_no_other_way(
    store, split, tmp_path, monkeypatch
):
    used = set()
    call = Augmentation.__call__

    def noted(self, signal, part):
        used.add(self)
        return call(self, signal, part)

    monkeypatch.setattr(Augmentation, "__call__", noted)
    regress(task(store, split, tmp_path), "emg2pose")
    (augment,) = used
    assert augment.ring == store.device.ring and augment.rotate_deg * len(augment.ring) / 360 == 1
    assert augment.gain == augment.common_gain == augment.noise == augment.drop == 0


def moved(store, people):
    """Return the store with the pose of some people elsewhere."""
    rows = np.concatenate([np.arange(e.start, e.start + e.frames) for e in store.entries if e.user in people])
    pose = np.array(store.anchor_MJ)
    pose[rows] += np.linspace(-500, 500, len(rows))[:, None] ** 2
    return dataclasses.replace(store, anchor_MJ=pose)


def test_statistics_of_a_baseline_come_from_training_users_alone(store, split, tmp_path):
    one = load(regress(task(store, split, tmp_path / "one"), "emg2pose"))
    other = load(regress(task(moved(store, split.users_test), split, tmp_path / "other"), "emg2pose"))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    validated = load(regress(task(moved(store, split.users_val), split, tmp_path / "validated"), "emg2pose"))
    assert torch.equal(one.net.mean_J, validated.net.mean_J)
    trained = load(regress(task(moved(store, split.users_train), split, tmp_path / "trained"), "emg2pose"))
    assert not torch.allclose(one.net.mean_J, trained.net.mean_J)


def test_a_window_too_short_for_a_model_is_a_sentence(store, split, tmp_path):
    with pytest.raises(UserError, match="window"):
        regress(task(store, split, tmp_path, "data.window_s=0.5"), "vemg2pose")


def test_a_baseline_predicts_poses_around_the_mean_of_training_people(store, split, tmp_path):
    model = load(regress(task(store, split, tmp_path), "neuropose"))
    emg = torch.rand(2, 10, 200, generator=torch.Generator().manual_seed(0))
    pose = model.predict_pose(emg)
    assert pose.shape == (2, 22, len(model.net.times_S))
    assert model.encode_emg(emg).shape == (2, 256)
    with pytest.raises(UserError, match="a supervised checkpoint does not predict pose"):
        load(supervise(task(store, split, tmp_path / "labels"))).predict_pose(emg)
