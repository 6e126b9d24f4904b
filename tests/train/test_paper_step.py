"""One optimiser step of every stage of CPEP as the paper preset has it, on simulated 2-s windows (minutes)."""

import dataclasses
import json
import math

import pytest
import torch

from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.registry import make_card
from cpep.config.presets import paper, preset
from cpep.data.sampler import Batches
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.simulate import simulate_cohort
from cpep.train.align import align
from cpep.train.pretrain import pretrain
from cpep.train.task import Task, paired

ONE = [f"{stage}.optim.{name}=1" for stage in ("emg_mae", "pose_mae", "align") for name in ("steps", "checks")]


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_every_stage_of_the_paper_preset_makes_a_full_step(tmp_path, monkeypatch):
    for stage in ("align", "pretrain"):
        monkeypatch.setattr(f"cpep.train.{stage}.VALIDATION_WINDOWS", 256)
    simulate_cohort(tmp_path / "cohort", users=8, minutes=4, seed=0)
    store = prepare(tmp_path / "cohort", tmp_path / "store")
    task = Task(store, make_splits(store)[0], preset("paper", ONE), 0, tmp_path)
    windows, batch = paired(task, "train"), paper().align.optim.batch
    assert windows.frames == 200 and batch == 256
    assert len(Batches(windows, windows.users(store), batch, 0).at(0)) == batch

    def at(name):
        return dataclasses.replace(task, folder=tmp_path / name)

    made = {f"{name}_mae": pretrain(at(f"{name}_mae"), name) for name in ("emg", "pose")}
    made["cpep"] = align(at("cpep"), made["emg_mae"], made["pose_mae"])
    nets = {name: load(path).net for name, path in made.items()}
    for name in made:
        note = json.loads((tmp_path / name / "stage.json").read_text())
        ((step, loss, validation),) = note["points"]
        assert step == note["steps"] == 1 and math.isfinite(loss) and math.isfinite(validation)
    for name in ("emg_mae", "pose_mae"):
        torch.manual_seed(0)
        start = Model(make_card(name, store, task.split, task.config, 0)).net
        assert not any(same(*pair) for pair in zip(start.blocks, nets[name].blocks, strict=True))
    assert not same(nets["cpep"].emg, nets["emg_mae"]) and same(nets["cpep"].anchor, nets["pose_mae"])
