from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import cpep.experiments.own as own_module
import cpep.experiments.runs as runs_module
from cpep.checkpoints.checkpoint import book_beside, load
from cpep.config.presets import preset
from cpep.data.store.prepare import prepare
from cpep.data.store.store import open_store
from cpep.experiments.own import LEFT_OUT, SETTINGS, forget_changed, never_made, train_own
from cpep.experiments.own_pose import begin_with_shipped
from cpep.experiments.rows import stage_run
from cpep.hand.joints import JOINTS
from cpep.live.book.book import GestureBook
from cpep.live.demo import demo_paths
from cpep.runtime.files import read_json
from cpep.train.running import run
from cpep.types import UserError

RATE, NAMES = 100, ("rest", "fist", "ok", "point", "three", "claw", "gun")
SIDECAR = {
    "emg": {"field": "emg"},
    "rate": RATE,
    "kind": "envelope",
    "unit": "count",
    "label": {"field": "label", "names": dict(zip("0123456", NAMES, strict=True))},
    "user": "ann",
}
POSE = {"pose": {"field": "pose", "unit": "count"}}
FAST = (
    "data.hop_s=0.5",
    "evaluate.protocols=[linear_probe,zero_shot,zero_shot_all]",
    "evaluate.bootstrap=5",
    "emg_mae.optim.steps=2",
    "pose_mae.optim.steps=2",
    "align.optim.steps=2",
    "align.optim.batch=64",
)


def write(folder, gestures, rounds, sidecar=SIDECAR):
    """Write a recording in which EMG follows a pose of six sensors."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    order = [g for _ in range(rounds) for g in rng.permutation(np.arange(1, gestures + 1))]
    label = np.concatenate([np.zeros(110, int), *(np.repeat([g, 0], [170, 110]) for g in order)])
    target, mixing = rng.normal(0, 40, (len(NAMES), 6)), np.abs(rng.normal(size=(6, 8)))
    pose = target[label] + rng.normal(0, 2, (len(label), 6))
    emg = np.abs(pose) @ mixing + rng.random((len(label), 8))
    np.savez(folder / "one.npz", emg=emg, pose=pose, label=label)
    (folder / "one.json").write_text(json.dumps(sidecar))
    return folder


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(own_module, "cores", lambda: 1)
    monkeypatch.setattr(runs_module, "cores", lambda: 1)


def test_from_recordings_to_a_live_folder_with_a_report(tmp_path):
    said: list[str] = []
    raw, out = write(tmp_path / "raw", 6, 3, SIDECAR | POSE), tmp_path / "live"
    train_own(raw, out, said.append, sizes="tiny", sets=FAST)
    model = load(out)
    book = GestureBook.load(book_beside(out), model)
    assert set(book.names) == set(NAMES) and not book.notes
    assert not np.isnan(book.calibration.false_alarms)
    assert np.shape(model.card.anchor_range) == (6, 2)
    assert model.card.held_out().unseen == ()
    text = (out / "report.txt").read_text()
    held = " and ".join(NAMES[label] for label in (1, 2, 3, 4, 5, 6) if NAMES[label] in never_made(sorted(NAMES[1:])))
    for words in ("guessing gives 0.17", "guessing gives 0.50", f"({held})", "held out: 1 fist", f"cpep serve {out}",
                  "gestures were told", "this model"):  # fmt: skip
        assert words in text
    assert any("takes about" in sentence and "minutes" in sentence for sentence in said)

    without = load(out / "fold1" / "seed0" / "cpep" / "checkpoint").card.held_out()
    divided = open_store(out / "divided")
    assert len(without.unseen) == LEFT_OUT
    assert not {entry.user for entry in divided.entries} - {"ann~train", "ann~val", "ann~test"}

    book.add("mine", np.zeros(6, np.float32))
    book.save(out / "gestures.book")
    stages = {path: path.stat().st_mtime_ns for path in out.glob("fold*/seed0/*/stage.json")}
    train_own(raw, out, said.append, sizes="tiny", sets=FAST)
    assert len(stages) == 6
    assert stages == {path: path.stat().st_mtime_ns for path in out.glob("fold*/seed0/*/stage.json")}
    assert set(GestureBook.load(book_beside(out), load(out)).names) == {*NAMES, "mine"}
    with pytest.raises(UserError, match="another run"):
        train_own(raw, out, said.append, sizes="tiny", sets=["align.optim.steps=5"])


def test_without_a_pose_what_can_be_done_is_done(tmp_path):
    out = tmp_path / "live"
    said: list[str] = []
    train_own(write(tmp_path / "raw", 3, 3), out, said.append, sizes="tiny", sets=FAST)
    model = load(out)
    book = GestureBook.load(book_beside(out), model)
    assert model.card.kind == "emg_mae" and set(book.names) == {"rest", "fist", "ok", "point"}
    assert all(len(entry.kept.emg_GTC) for entry in book.entries)
    text = (out / "report.txt").read_text()
    assert "alignment with poses, and gestures by pose: the recordings have no pose" in text
    assert "a read-out on all training repetitions" in text and "under Studio" not in text
    assert any("there is no pose" in sentence for sentence in said)
    rows = read_json(out / "fold0" / "seed0" / "rows" / "emg_mae.json")["rows"]
    assert {user for row in rows for user in row["per_user"]} == {"ann~test"}


def test_poses_without_labels_give_a_model_to_add_gestures_to(tmp_path):
    sidecar = {key: value for key, value in SIDECAR.items() if key != "label"} | POSE
    out = tmp_path / "live"
    train_own(write(tmp_path / "raw", 6, 4, sidecar), out, lambda _: None, sizes="tiny", sets=FAST)
    book = GestureBook.load(book_beside(out), load(out))
    assert book.names == () and len(book.background)
    book.add("flat", np.zeros(6, np.float32))
    assert book.names == ("flat",)
    assert "nothing can be scored" in (out / "report.txt").read_text()


def test_recordings_without_a_pose_stand_beside_others(tmp_path):
    unlabelled = {key: value for key, value in SIDECAR.items() if key != "label"} | POSE
    raw = write(tmp_path / "raw", 3, 3)
    for path in write(tmp_path / "followed", 6, 4, unlabelled).iterdir():
        path.rename(raw / f"two{path.suffix}")
    out, said = tmp_path / "live", []
    train_own(raw, out, said.append, sizes="tiny", sets=FAST)
    assert any("1 of 2 recordings have no pose" in sentence for sentence in said)
    model = load(out)
    book = GestureBook.load(book_beside(out), model)
    assert model.card.kind == "cpep" and set(book.names) == {"rest", "fist", "ok", "point"}
    assert not any(entry.shown for entry in book.entries)
    assert all(len(entry.kept.emg_GTC) and not len(entry.kept.pose_GSJ) for entry in book.entries)
    text = (out / "report.txt").read_text()
    assert "no gesture has a label and a pose" in text and "under Studio" in text


def test_too_few_repetitions_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UserError, match="three times or more"):
        train_own(write(tmp_path / "raw", 6, 2, SIDECAR | POSE), tmp_path / "live", lambda _: None, sizes="tiny")
    assert not list((tmp_path / "live").glob("fold*"))


def test_neither_labels_nor_a_pose_are_refused(tmp_path):
    sidecar = {key: value for key, value in SIDECAR.items() if key != "label"}
    with pytest.raises(UserError, match="nothing can be recognised; record with protocol gestures"):
        train_own(write(tmp_path / "raw", 6, 4, sidecar), tmp_path / "live", lambda _: None, sizes="tiny")


def test_what_was_made_of_other_recordings_is_forgotten_and_what_is_used_stays(tmp_path):
    raw, out = write(tmp_path / "raw", 3, 3), tmp_path / "live"
    prepare(raw, out / "store")
    for name in ("fold0", "features", "divided", "checkpoint"):
        (out / name).mkdir()
    said: list[str] = []
    forget_changed(raw, out, said.append)
    assert not said and (out / "fold0").exists()
    write(tmp_path / "more", 3, 3)
    for path in (tmp_path / "more").iterdir():
        path.rename(raw / f"two{path.suffix}")
    forget_changed(raw, out, said.append)
    assert "everything is trained again" in said[0] and [path.name for path in out.iterdir()] == ["checkpoint"]


def hand_task(tmp_path, config):
    """A fold of one person's recordings with the joints of a hand."""
    columns = {"pose": {"field": "pose", "unit": "rad", "names": list(JOINTS)}}
    raw = write(tmp_path / "raw", 3, 3, SIDECAR | columns)
    with np.load(raw / "one.npz") as file:
        arrays = dict(file)
    np.savez(raw / "one.npz", **arrays | {"pose": np.tile(arrays["pose"] / 100, (1, 4))[:, :20]})
    own = own_module.divided(prepare(raw, tmp_path / "store"), tmp_path, config)
    return own_module.tasks_of(own, config, tmp_path)[0]


def test_the_shipped_encoder_reads_the_poses_of_a_hand(tmp_path):
    config = preset("small", SETTINGS, "best")
    task = hand_task(tmp_path, config)
    assert begin_with_shipped(task) and begin_with_shipped(task)
    stage = stage_run("pose_mae", config)
    path = run(stage.stage, task.task(stage))  # finished already: nothing is trained
    weights, shipped = load(path).net.state_dict(), load(demo_paths()[0]).net.anchor.state_dict()
    assert weights.keys() == shipped.keys()
    assert all(torch.equal(tensor, shipped[name]) for name, tensor in weights.items())
    assert load(path).card.held_out() == task.split


def test_an_encoder_of_other_sizes_is_trained(tmp_path):
    task = hand_task(tmp_path, preset("tiny", SETTINGS, "best"))
    assert not begin_with_shipped(task)
    assert not (task.folder / "pose_mae").exists()


def test_a_gesture_called_unknown_is_refused_before_anything_is_trained(tmp_path):
    names = dict(zip("0123456", ("rest", "unknown", *NAMES[2:]), strict=True))
    raw = write(tmp_path / "raw", 3, 3, SIDECAR | POSE | {"label": {"field": "label", "names": names}})
    with pytest.raises(UserError, match="'unknown' cannot be the name of a gesture"):
        train_own(raw, tmp_path / "live", sizes="tiny", sets=FAST)
    assert not list((tmp_path / "live").glob("fold*"))
