"""The stages on small recordings: they learn, resume, refuse leaks, and repeat to the bit."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import load
from cpep.config.presets import preset
from cpep.data.sampler import Batches
from cpep.data.splits import LeakError, make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import Windows
from cpep.train import loop
from cpep.train.align import align
from cpep.train.pretrain import pretrain
from cpep.train.stage import STAGES
from cpep.train.task import Task, paired
from cpep.train.terms.objective import Objective
from cpep.types import UserError
from tests.synthetic import write_db1

GOLDEN = Path(__file__).with_name("golden_tiny.json")


def task(store, split, folder, *sets):
    return Task(store, split, preset("tiny", sets), 0, folder)


@pytest.fixture(scope="module")
def pretrained(store, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    return tuple(pretrain(task(store, split, folder / m), m) for m in ("emg", "pose"))


def curve(folder):
    return json.loads((folder / "stage.json").read_text())["points"]


@pytest.mark.parametrize("modality", ["emg", "pose"])
def test_a_masked_autoencoder_learns(store, split, tmp_path, modality):
    sets = (f"{modality}_mae.optim.steps=60", f"{modality}_mae.optim.lr=3e-3")
    pretrain(task(store, split, tmp_path, *sets), modality)
    (_, first, _), (_, last, validation) = curve(tmp_path)
    assert last < first and validation < 1.0  # predicting the mean gives 1: values are standardised


def test_bf16_trains_as_fp32_does_but_for_its_rounding(store, split, pretrained, tmp_path):
    for precision in ("fp32", "bf16"):
        sets = (f"precision={precision}", "emg.dropout=0")
        pretrain(task(store, split, tmp_path / precision / "emg", *sets), "emg")
        checkpoint = align(task(store, split, tmp_path / precision / "cpep", *sets), *pretrained)
        assert all(tensor.dtype == torch.float32 for tensor in load(checkpoint).net.state_dict().values())
    for stage in ("emg", "cpep"):
        brief, whole = (np.array(curve(tmp_path / precision / stage)) for precision in ("bf16", "fp32"))
        assert np.allclose(brief, whole, rtol=0.02) and not np.array_equal(brief, whole)


def test_alignment_learns_and_shuffled_pairs_do_not(store, split, pretrained, tmp_path):
    sets = ("align.optim.steps=80", "align.optim.lr=3e-3", "align.optim.checks=4")
    align(task(store, split, tmp_path / "own", *sets), *pretrained)
    align(task(store, split, tmp_path / "shuffled", *sets, "align.shuffled=true"), *pretrained)
    best = {name: min(v for _, _, v in curve(tmp_path / name)) for name in ("own", "shuffled")}
    assert best["own"] < best["shuffled"] - 0.3
    assert best["shuffled"] == pytest.approx(math.log(16), abs=0.02)  # what guessing within a batch costs


def test_shuffled_pairs_are_dealt_anew_at_every_step(store, split, pretrained, tmp_path, monkeypatch):
    at, forward, poses, held = Batches.at, Objective.forward, {"own": [], "shuffled": []}, []
    monkeypatch.setattr(Batches, "at", lambda self, step: at(self, 0))
    monkeypatch.setattr("cpep.train.align.calibrated_info_nce", lambda pairs, *_: held.append(pairs) or 1.0)
    for name, given in poses.items():
        monkeypatch.setattr(
            Objective,
            "forward",
            lambda net, s, p, *more, given=given: (given.append(p), forward(net, s, p, *more))[1],
        )
        align(task(store, split, tmp_path / name, f"align.shuffled={name == 'shuffled'}"), *pretrained)
    own, dealt = poses["own"][0], poses["shuffled"]
    assert all(torch.equal(pose, own) for pose in poses["own"])
    assert all(torch.equal(pose.sort(0).values, own.sort(0).values) for pose in dealt)
    assert not any(torch.equal(one, other) for one, other in itertools.combinations([own, *dealt], 2))
    own, *rest = (pose for _, pose in held[0])
    assert rest and all(torch.equal(pose, own) for pose in rest)
    assert not any(torch.equal(one, other) for one, other in itertools.pairwise(pose for _, pose in held[-1]))
    assert all(torch.equal(pose.sort(0).values, own.sort(0).values) for _, pose in held[-1])


def moved(before, after):
    """Tell whether any weight of a network moved."""
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    return not all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("sets", "emg_moves", "pose_moves", "temperature_moves"),
    [
        ((), True, False, True),
        (("align.freeze_emg=true",), False, False, True),
        (("align.train_pose=true",), True, True, True),
        (("align.learn_temperature=false",), True, False, False),
    ],
)
def test_an_alignment_trains_what_it_is_told(
    store, split, pretrained, tmp_path, sets, emg_moves, pose_moves, temperature_moves
):
    made = load(align(task(store, split, tmp_path, "align.temperature=0.1", *sets), *pretrained))
    emg, pose = (load(path).net for path in pretrained)
    assert moved(emg, made.net.emg) == emg_moves and moved(pose, made.net.anchor) == pose_moves
    assert (abs(float(made.net.temperature.detach()) - 0.1) > 1e-6) == temperature_moves


def test_an_alignment_from_random_weights_fits_its_own_statistics(store, split, pretrained, tmp_path):
    emg, pose = (load(path).net for path in pretrained)
    made = load(align(task(store, split, tmp_path), None, pretrained[1]))
    assert torch.allclose(made.net.emg.tokeniser.std, emg.tokeniser.std, rtol=0.2)
    first = load(align(task(store, split, tmp_path / "own", "align.optim.steps=1"), *pretrained))
    other = load(align(task(store, split, tmp_path / "random", "align.optim.steps=1"), None, pretrained[1]))
    apart = [
        float((net.emg.blocks[0].up.weight - emg.blocks[0].up.weight).detach().abs().mean())
        for net in (first.net, other.net)
    ]
    assert apart[0] < 0.1 * apart[1]
    frozen = load(align(task(store, split, tmp_path / "pose"), pretrained[0], None))
    assert moved(pose.blocks, frozen.net.anchor.blocks)


@pytest.mark.parametrize(("share", "pieces"), [(1.0, 1.0), (0.5, 0.5), (0.25, 0.25)])
def test_a_share_of_the_pairs_is_spread_over_the_recordings(store, split, tmp_path, share, pieces):
    whole = paired(task(store, split, tmp_path), "train")
    part = paired(task(store, split, tmp_path, f"align.pairs={share}"), "train")
    assert set(part.start_N) <= set(whole.start_N)
    assert len(part) == pytest.approx(pieces * len(whole), rel=0.25)
    held = [paired(task(store, split, tmp_path, *sets), "val") for sets in ((), ("align.pairs=0.25",))]
    assert np.array_equal(held[0].start_N, held[1].start_N)


def test_a_share_that_leaves_nothing_is_a_sentence(store, split, tmp_path):
    with pytest.raises(UserError, match="give a larger share"):
        paired(task(store, split, tmp_path, "align.pairs=0.001"), "train")


def test_a_lag_is_no_matter_of_one_modality(store, split, tmp_path):
    plain = pretrain(task(store, split, tmp_path / "plain"), "pose")
    late = task(store, split, tmp_path / "late", "data.pose_lag_ms=55")
    assert not moved(load(plain), load(pretrain(late, "pose")))
    usual = task(store, split, tmp_path)
    for name, same in (("pose_mae", True), ("cpep", False)):
        stage = STAGES.get(name)
        assert (stage.settings(late.config) == stage.settings(usual.config)) == same


def test_alignment_leaves_the_pose_encoder_as_it_was(store, split, pretrained, tmp_path):
    aligned = load(align(task(store, split, tmp_path), *pretrained))
    pose = load(pretrained[1])
    for name, tensor in pose.net.state_dict().items():
        assert torch.equal(tensor, aligned.net.anchor.state_dict()[name]), name


def test_a_stage_that_was_killed_ends_as_if_it_had_not_been(store, split, pretrained, tmp_path, monkeypatch):
    whole = load(align(task(store, split, tmp_path / "whole"), *pretrained))
    step, calls = loop.train_step, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(loop, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        align(task(store, split, tmp_path / "again"), *pretrained)
    assert (tmp_path / "again" / "state.safetensors").exists()
    monkeypatch.setattr(loop, "train_step", step)
    again = load(align(task(store, split, tmp_path / "again"), *pretrained))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not (tmp_path / "again" / "state.safetensors").exists()
    (tmp_path / "again" / "state.safetensors").touch()  # a kill between the checkpoint and the removal
    align(task(store, split, tmp_path / "again"), *pretrained)
    assert not (tmp_path / "again" / "state.safetensors").exists()


def test_a_finished_stage_is_not_trained_again(store, split, pretrained, tmp_path, monkeypatch):
    checkpoint = align(task(store, split, tmp_path), *pretrained)
    monkeypatch.setattr(loop, "train_step", lambda *args: pytest.fail("trained again"))
    assert align(task(store, split, tmp_path), *pretrained) == checkpoint


def test_a_folder_of_the_user_is_not_replaced(store, split, tmp_path):
    mine = tmp_path / "checkpoint" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match="was not made by this command"):
        pretrain(task(store, split, tmp_path), "emg")
    assert mine.read_text() == "mine"


def test_alignment_of_another_encoder_is_another_stage(store, split, pretrained, tmp_path):
    emg, pose = pretrained
    other = pretrain(task(store, split, tmp_path / "emg", "emg_mae.optim.lr=1e-2"), "emg")
    align(task(store, split, tmp_path / "aligned"), emg, pose)
    with pytest.raises(UserError, match="another run"):
        align(task(store, split, tmp_path / "aligned"), other, pose)


def test_a_stage_of_other_recordings_is_another_stage(store, split, tmp_path):
    pretrain(task(store, split, tmp_path / "emg"), "emg")
    other = prepare(write_db1(tmp_path / "raw", users=8, seed=1), tmp_path / "store")
    assert len(other.label_M) == len(store.label_M)
    with pytest.raises(UserError, match="another run"):
        pretrain(task(other, split, tmp_path / "emg"), "emg")


def test_nothing_but_rest_is_a_sentence(store, pretrained, split, tmp_path, monkeypatch):
    windows = Task.windows
    monkeypatch.setattr(Task, "windows", lambda self, *a, **k: (w := windows(self, *a, **k)).select(w.label_N == 0))
    with pytest.raises(UserError, match="is rest; declare fewer"):
        align(task(store, split, tmp_path), *pretrained)


def test_a_folder_with_another_run_is_refused(store, split, pretrained, tmp_path):
    align(task(store, split, tmp_path), *pretrained)
    with pytest.raises(UserError, match="another run"):
        align(task(store, split, tmp_path, "align.optim.lr=0.01"), *pretrained)


def test_checkpoints_of_another_split_are_refused(store, pretrained, tmp_path):
    other = make_splits(store, folds=4, unseen=("3", "6", "9", "12"))[1]
    with pytest.raises(UserError, match="another split"):
        align(task(store, other, tmp_path), *pretrained)


def test_encoders_of_other_sizes_are_refused(store, split, pretrained, tmp_path):
    with pytest.raises(UserError, match="other sizes"):
        align(task(store, split, tmp_path, "pose.token_ms=100"), *pretrained)


def test_a_leak_stops_a_stage(store, split, tmp_path, monkeypatch):
    """With the filter out of order, the second look refuses."""
    monkeypatch.setattr("cpep.data.splits.touches", lambda store, windows, *_: np.zeros(len(windows), dtype=bool))
    with pytest.raises(LeakError, match="unseen gestures"):
        pretrain(task(store, split, tmp_path), "emg")


def test_statistics_come_from_training_users_alone(store, split, tmp_path):
    """Other EMG of test users must not move a single weight, statistic or loss."""
    frames = [(e.start, e.start + e.frames) for e in store.entries if e.user in split.users_test]
    blocks = [(e.power_start, e.power_blocks) for e in store.entries if e.user in split.users_test]
    emg, power = np.array(store.emg_TC), np.array(store.power_KC)
    for (low, high), (start, count) in zip(frames, blocks, strict=True):
        emg[low:high] *= 50
        power[start : start + count] *= 2500
    changed = dataclasses.replace(store, emg_TC=emg, power_KC=power)
    one = load(pretrain(task(store, split, tmp_path / "one"), "emg"))
    other = load(pretrain(task(changed, split, tmp_path / "other"), "emg"))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_one_may_not_train_without_windows(store, split, tmp_path):
    nothing = dataclasses.replace(split, unseen=tuple(range(1, 13)), seen=(), guard_s=1e4)
    with pytest.raises(UserError, match="no train windows are left"):
        pretrain(task(store, nothing, tmp_path), "emg")


def test_windows_of_a_task_are_those_of_its_role(store, split, tmp_path):
    windows = task(store, split, tmp_path).windows("val", anchored=True)
    assert isinstance(windows, Windows) and set(windows.users(store)) == set(split.users_val)


def golden(store, split, folder):
    """Return the losses of 20 steps of every stage of the tiny preset."""
    sets = [f"{s}.optim.{f}" for s in ("emg_mae", "pose_mae", "align") for f in ("steps=20", "checks=4")]
    emg, pose = (pretrain(task(store, split, folder / m, *sets), m) for m in ("emg", "pose"))
    align(task(store, split, folder / "cpep", *sets), emg, pose)
    return {name: curve(folder / name) for name in ("emg", "pose", "cpep")}


def test_the_golden_loss_curve(store, split, tmp_path):
    """Regenerate after a deliberate change: ``make golden``."""
    wanted = json.loads(GOLDEN.read_text())
    found = golden(store, split, tmp_path)
    for name, points in wanted.items():
        assert np.asarray(found[name]) == pytest.approx(np.asarray(points), rel=2e-3), name
