"""Output scales that validation people choose, and CPEP's encoder that goes on with a head for poses."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.embed import measured_pose, predict_pose
from cpep.config.presets import preset
from cpep.data.windows import list_windows
from cpep.evaluate.challenge import COLLAPSED, scored
from cpep.train import loop
from cpep.train.align import align
from cpep.train.regression import FURTHER, regress
from cpep.train.running import run
from cpep.train.stage import STAGES, compute
from cpep.train.task import Task
from cpep.types import UserError
from tests.models.regressors import MODELS, build, signal

LONG = ("baselines.compute=1000", "baselines.optim.steps=30", "baselines.optim.lr=1e-2", "data.hop_s=1")


@pytest.fixture(autouse=True)
def few_validation_windows(monkeypatch):
    monkeypatch.setattr("cpep.train.regression.HELD_WINDOWS", 16)


def task(store, split, folder, *sets):
    return Task(store, split, preset("tiny", [*LONG, *sets]), 0, folder)


def note(folder):
    return json.loads((folder / "stage.json").read_text())


@pytest.mark.parametrize("make", MODELS)
def test_a_network_is_the_same_at_its_usual_scale(make):
    net = build(make)
    with torch.no_grad():
        small = net(signal(net)) - net.mean_J
        net.scale = 3 * net.usual_scale
        wanted = net(signal(net))
        assert not torch.allclose(wanted - net.mean_J, small, rtol=0.1, atol=1e-5)
        net.fold_scale()
        assert net.scale == net.usual_scale and torch.allclose(net(signal(net)), wanted, atol=1e-5)


def spread(folder, store, split):
    windows = split.allowed(store, list_windows(store, 2.0, 2.0), "val")
    model = load(folder / "checkpoint")
    predicted, measured = predict_pose(model, store, windows), measured_pose(store, windows, model.net.times_S)
    people = windows.users(store)
    return scored(predicted, measured, np.zeros(predicted.shape[2]), people, draws=2, seed=0).spread


def test_validation_people_choose_the_scale_and_its_compute_is_counted(store, split, tmp_path):
    regress(task(store, split, tmp_path / "low", "baselines.scales=[0.0001]"), "pose_t")
    regress(task(store, split, tmp_path / "chosen", "baselines.scales=[0.0001,1]"), "pose_t")
    low, found = note(tmp_path / "low"), note(tmp_path / "chosen")
    assert found["scale"] == 1 and found["scales"]["1"] < found["scales"]["0.0001"] and "scale" not in low
    assert (low["steps"], found["steps"]) == (30, 30 - 2 * 3)
    assert low["gflop"] == pytest.approx(found["gflop"], abs=1e-3)
    assert spread(tmp_path / "low", store, split) < COLLAPSED < spread(tmp_path / "chosen", store, split)


def test_a_choice_that_was_killed_goes_on_where_it_was(store, split, tmp_path, monkeypatch):
    step, calls = loop.train_step, []

    def counted(*args):
        calls.append(args)
        if len(calls) == killed_at[0]:
            raise KeyboardInterrupt
        return step(*args)

    sets = ("baselines.optim.steps=20", "baselines.scales=[0.1,1]")
    monkeypatch.setattr(loop, "train_step", counted)
    killed_at = [0]
    whole = load(regress(task(store, split, tmp_path / "whole", *sets), "pose_t"))
    assert len(calls) == 20
    killed_at[0] = 4
    for _ in range(2):  # in the second short training; then in the training itself
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            regress(task(store, split, tmp_path / "again", *sets), "pose_t")
    calls.clear()
    killed_at[0] = 0
    again = load(regress(task(store, split, tmp_path / "again", *sets), "pose_t"))
    assert len(calls) == 20 - 3 - 3  # nothing was done twice
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_scale_of_nothing_is_refused(store, split, tmp_path):
    with pytest.raises(UserError, match="output scale of 0"):
        regress(task(store, split, tmp_path, "baselines.scales=[0,1]"), "pose_t")


@pytest.mark.parametrize("freeze", [False, True])
def test_cpep_goes_on_with_a_head_for_poses(store, split, tmp_path, freeze):
    sets = (f"baselines.freeze={str(freeze).lower()}", "baselines.optim.steps=3")
    own = task(store, split, tmp_path / "head", *sets)
    pair = align(dataclasses.replace(own, folder=tmp_path / "cpep"), None, None)
    net = load(run(STAGES.get("cpep_pose_head"), own, {"cpep": pair})).net
    before, after = load(pair).net.emg.state_dict(), net.encoder.state_dict()
    same = [torch.equal(tensor, after[name]) for name, tensor in before.items()]
    assert all(same) if freeze else not all(same)
    assert before.keys() == after.keys()


def test_the_head_of_cpep_costs_a_share_on_top_of_cpep(store, split, tmp_path):
    config = preset("tiny", ["baselines.optim.steps=100000", "baselines.compute=2"])
    stage = STAGES.get("cpep_pose_head")
    assert stage.allowed(config) == 2 * FURTHER
    budget = sum(compute("cpep", store, split, config).values())
    assert stage.steps(store, split, config, 1e-3) == int(2 * FURTHER * budget / 1e-3)
