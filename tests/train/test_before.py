"""Stages that go on from simulated people: what is taken over and noted, and which checkpoints are refused."""

from __future__ import annotations

import json

import pytest
import torch

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.met import trained_names
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.experiments.pipeline import reproduce
from cpep.experiments.runs import Request
from cpep.simulate.device_cohort import simulate_device
from cpep.train.align import align
from cpep.train.pretrain import pretrain
from cpep.train.task import Task
from cpep.types import UserError

UNSEEN = ("middle_flexion", "ring_extension", "thumb_adduction", "thumb_extension")
STILL = ("emg_mae.optim.lr=1e-12", "emg_mae.optim.weight_decay=0", "emg_mae.optim.steps=2")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Four simulated people with DB1's device."""
    return simulate_device("ninapro_db1", tmp_path_factory.mktemp("sim") / "store", 4, 0.8, 0)


@pytest.fixture(scope="module")
def people(simulated):
    return make_splits(simulated, test_users=("sim_0000",), val_users=("sim_0001",), unseen=UNSEEN)[0]


@pytest.fixture(scope="module")
def aligned(simulated, people, tmp_path_factory):
    """A pair that was pre-trained and aligned on them."""
    folder, config = tmp_path_factory.mktemp("before"), preset("tiny", ["data.hop_s=0.5"])
    emg, pose = (pretrain(Task(simulated, people, config, 0, folder / side), side) for side in ("emg", "pose"))
    return align(Task(simulated, people, config, 0, folder / "cpep"), emg, pose)


def test_the_encoder_goes_on_from_the_weights_with_statistics_of_its_own_people(store, split, aligned, tmp_path):
    started = pretrain(
        Task(store, split, preset("tiny", [f"emg_mae.start={aligned}", *STILL]), 0, tmp_path / "a"), "emg"
    )
    bare = pretrain(Task(store, split, preset("tiny", STILL), 0, tmp_path / "b"), "emg")
    before, after, other = (
        load(aligned).net.emg.state_dict(),
        load(started).net.state_dict(),
        load(bare).net.state_dict(),
    )
    weights = [name for name in after if "tokeniser" not in name]
    assert weights and all(torch.allclose(after[name], before[name], atol=1e-6) for name in weights)
    assert not all(torch.allclose(other[name], before[name], atol=1e-3) for name in weights)
    assert torch.equal(after["tokeniser.mean"], other["tokeniser.mean"])


def test_the_card_of_a_later_stage_says_whom_its_start_met(store, split, aligned, tmp_path):
    config = preset("tiny", [f"emg_mae.start={aligned}"])
    emg, pose = (pretrain(Task(store, split, config, 0, tmp_path / side), side) for side in ("emg", "pose"))
    model = load(align(Task(store, split, config, 0, tmp_path / "cpep"), emg, pose))
    (entry,) = model.card.provenance["started"]
    assert entry["data"] == "simulated_ninapro_db1" and entry["people"] == 3
    assert "fist" in entry["gestures"] and not set(UNSEEN) & set(entry["gestures"])
    assert set(load(aligned).card.provenance["recordings"]) < set(model.card.provenance["recordings"])
    assert "fist" in trained_names(model)


def test_results_say_that_a_stage_went_on_from_other_people(store, aligned, tmp_path, monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)
    config = preset("tiny", [f"emg_mae.start={aligned}", "evaluate.bootstrap=5", "data.hop_s=1"])
    results = reproduce(
        Request(store.path, tmp_path / "out", config, ("emg_mae",), unseen=UNSEEN, command="x"), lambda _: None
    )
    (entry,) = results["data"]["started"]
    assert (entry["stage"], entry["people"], entry["checkpoint"]) == ("emg_mae", 3, str(aligned))
    assert json.loads((tmp_path / "out" / "results.json").read_text())["data"]["started"] == [entry]
    assert "3 other people (simulated_ninapro_db1)" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("unseen", "sets", "words"),
    [
        (("index_flexion", "middle_flexion"), (), "was trained on EMG of index_flexion, unseen in this run"),
        (UNSEEN, ("emg.width=32",), "other sizes or other windows"),
        (UNSEEN, ("data.window_s=1",), "other sizes or other windows"),
        (UNSEEN, ("emg.bin_ms=20",), "other sizes or other windows"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(store, aligned, tmp_path, unseen, sets, words):
    (split,) = make_splits(store, test_users=("1",), val_users=("2", "3"), unseen=unseen)
    task = Task(store, split, preset("tiny", [f"emg_mae.start={aligned}", *sets]), 0, tmp_path)
    with pytest.raises(UserError, match=words):
        pretrain(task, "emg")


def test_a_checkpoint_that_met_a_person_who_tests_here_is_refused(store, split, tmp_path):
    first = pretrain(Task(store, split, preset("tiny"), 0, tmp_path / "first"), "emg")
    met, config = split.users_train[0], preset("tiny", [f"emg_mae.start={first}"])
    for roles in ({"test_users": (met,)}, {"test_users": split.users_test, "val_users": (met,)}):
        (other,) = make_splits(store, unseen=("3", "6", "9", "12"), **roles)
        with pytest.raises(UserError, match=f"was trained on user .*{met}"):
            pretrain(Task(store, other, config, 0, tmp_path / "other"), "emg")
    with pytest.raises(UserError, match="has no pose encoder"):
        pretrain(Task(store, split, preset("tiny", [f"pose_mae.start={first}"]), 0, tmp_path / "pose"), "pose")
