"""EMG is aligned to what is no hand: fingertips, feature vectors, and a kind that comes from outside the package."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import cpep
from cpep.checkpoints.embed import embed_emg
from cpep.checkpoints.modelcard import model_card
from cpep.cli.main import main
from cpep.data.anchor import ANCHORS
from cpep.data.licences import Terms
from cpep.data.recording import Device, Recording
from cpep.data.store.store import open_store
from cpep.data.windows import AnchorReader, list_windows
from cpep.hand.joints import JOINTS
from cpep.live.book.book import GestureBook
from cpep.simulate import Variability
from cpep.simulate.gestures import VOCABULARY
from cpep.simulate.kinematics import make_trajectory
from cpep.simulate.person import draw_person
from cpep.types import UserError
from cpep.web.columns import range_of
from tests.data.samples import write_generic
from tests.one_core import CPEP

ROOT = Path(__file__).parents[2]
CAUSAL = ["--set", "data.normalisation=causal"]
SETTINGS = ["--preset", "tiny", "--set", "data.window_s=1", "--set", "data.hop_s=0.5", *CAUSAL]
UNSEEN = ["--unseen", "claw,thumb_up"]
WORDS = {"fingertips": "landmarks of 15 coordinates in mm", "features": "features of 64 columns"}


def hands():
    """Yield recordings of simulated movements; the EMG is a noisy function of the pose, as it takes no time."""
    mixing_JC = np.random.default_rng(0).normal(size=(20, 8))
    for user in range(5):
        person = draw_person(3, f"user{user}", Variability(rest=2))
        for repetition, stage in enumerate(("GraspPunchCloseFar", "FingerPinchesSingleFingerPinchesMultiple")):
            rng = np.random.default_rng((user, repetition))
            done = make_trajectory(person, stage, 25.0, rng)
            pose_SJ = done.pose_SJ[:, :20].astype(np.float32)
            emg_TC = np.abs(pose_SJ @ mixing_JC) + 0.1 * rng.random((len(pose_SJ), 8))
            yield Recording(
                name=f"user{user}_{repetition}",
                user=person.user,
                session="one",
                stage=stage,
                side="right",
                device=Device(8, 100.0, "envelope", "V", (), JOINTS, "rad"),
                emg_TC=emg_TC.astype(np.float32),
                anchor_SJ=pose_SJ,
                anchor_rate=100.0,
                valid_S=rng.random(len(pose_SJ)) > 0.001,
                label_T=done.label_S,
                vocabulary=VOCABULARY,
                prompt_T=done.prompt_S,
                repetition_T=done.repetition_S,
            )


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


def says_nothing_of_joints(text):
    assert not re.search(r"\bjoints?\b|\brad\b", text)


@pytest.mark.parametrize("which", WORDS)
def test_any_anchor_goes_all_the_way(which, tmp_path, capsys, monkeypatch):
    raw, store, run = tmp_path / "raw", tmp_path / "store", tmp_path / "run"
    write = runpy.run_path(str(ROOT / "benchmarks/pages/anchors.py"))["write"]
    for recording in hands():
        write(recording, raw, which)
    assert main(["data", "inspect", str(raw)]) == 0
    assert f"anchor      {WORDS[which]}, " in capsys.readouterr().out
    assert main(["data", "prepare", str(raw), str(store)]) == 0
    assert (
        main(
            ["reproduce", "--data", str(store), "--out", str(run), *SETTINGS, *UNSEEN, "--models", "cpep,ridge,pose"]
        )
        == 0
    )
    (checkpoint,) = (path.parent for path in run.rglob("checkpoint/config.json") if "cpep" in path.parts[-3])
    assert main(["evaluate", str(checkpoint), str(store), str(tmp_path / "evaluation")]) == 0
    says_nothing_of_joints(capsys.readouterr().out)
    for folder in (run, tmp_path / "evaluation"):
        report = (folder / "report.html").read_text()
        assert f"What is called pose here is the anchor: {WORDS[which]}." in report
        says_nothing_of_joints(report)
    model = cpep.load(checkpoint)
    card = model_card("a", 'model = cpep.load("here")', model.card, 1, Terms("own", "other", False))
    assert f"| anchor | {WORDS[which]}" in card and "model.encode_anchor(anchor_BJS)" in card
    says_nothing_of_joints(card)
    books(model, checkpoint, store, tmp_path, capsys)
    streams(checkpoint, tmp_path, raw, monkeypatch)


def books(model, checkpoint, store_path, folder, capsys):
    """Make a book of the anchor's windows, one of EMG shots, and none of a pose set by hand."""
    store = open_store(store_path)
    windows = list_windows(store, model.card.window_s, 0.5)
    windows = windows.select(windows.label_N >= 0)
    names = np.array(store.vocabulary)[windows.label_N]
    trained = np.isin(windows.users(store), model.card.split["users_train"]) & windows.valid_N
    shown = ",".join(np.unique(names[trained & np.isin(windows.label_N, model.card.split["seen"])]))
    command = ["book", str(checkpoint), str(store_path), str(folder / "my.book"), "--gestures", shown]
    assert main(command) == 0
    says_nothing_of_joints(capsys.readouterr().out)
    columns, frames = len(model.card.device.anchor_names), round(model.card.window_s * model.card.frame_rate)
    assert model.encode_anchor(torch.zeros(2, columns, frames)).shape == (2, 16)
    book = GestureBook.load(folder / "my.book", model)
    low_J, high_J = np.array(model.card.anchor_range).T
    book.add("set", (low_J + high_J) / 2)
    spread_J = book.entries[-1].kept.pose_GSJ.mean(axis=1).std(axis=0)
    np.testing.assert_allclose(spread_J / (high_J - low_J + 1e-9), 0.1 / 1.6, rtol=0.4)
    sliders_J2 = range_of(model.card)
    assert (sliders_J2[:, 0] < low_J).all() and (sliders_J2[:, 1] > high_J).all()
    known, model.card = model.card, replace(model.card, anchor_range=[])
    for older in (lambda: book.add("mine", np.zeros(columns)), lambda: range_of(model.card)):
        with pytest.raises(UserError, match="older"):
            older()
    model.card = known
    book.add("mine", np.zeros((2 * frames, columns)))
    emg = embed_emg(model, store, windows)
    shots = GestureBook(model).fit(emg.x_ND, names)
    likeliest_N = np.array(shots.names)[shots.predict_proba(emg.x_ND)[:, :-1].argmax(axis=1)]
    assert (likeliest_N == names).mean() > 0.5 and shots.pose_of("fist") is None


def streams(checkpoint, folder, raw, monkeypatch):
    """Stream a recording, and open the live page on it."""
    (user,) = {json.loads(path.read_text())["user"] for path in sorted(raw.glob("*.json"))[:1]}
    source = [str(checkpoint), "--book", str(folder / "my.book"), "--source", f"replay:{raw},user={user}"]
    assert main(["stream", *source, "--speed", "0", "--seconds", "3"]) == 0
    seen = []

    def look(page, *_):
        seen.append((page.live.frame(-1, -1.0)["hand"], page.live.no_hand))
        raise KeyboardInterrupt

    monkeypatch.setattr("cpep.web.server.serve", look)
    assert main(["serve", *source]) == 0
    ((hand, why),) = seen
    assert hand is None and "and the anchor is" in why


@pytest.fixture
def forces(tmp_path, monkeypatch):
    """A module of another person: the example of docs/explanation/anchors.md."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/explanation/anchors.md").read_text(), re.DOTALL)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/forces.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    yield tmp_path / "modules"
    ANCHORS._items.pop("forces", None)
    sys.modules.pop("forces", None)


def test_a_kind_of_anchor_from_outside(forces, tmp_path):
    rng = np.random.default_rng(0)
    sidecar = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "session": "one"}
    sidecar["anchor"] = {"field": "force", "rate": 50, "kind": "forces", "unit": "N"}
    for user, strength in (("ann", 10.0), ("bob", 40.0)):
        force = strength * rng.uniform(0, 1, (500, 5))
        write_generic(tmp_path / "raw", sidecar | {"user": user}, user, emg=rng.normal(size=(2000, 4)), force=force)
    path = os.pathsep.join([str(forces), str(ROOT / "src")])
    environment = os.environ | {"CPEP_PLUGINS": "forces", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [*CPEP, "data", "prepare", str(tmp_path / "raw"), str(tmp_path / "store")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with pytest.raises(UserError, match="no kind of anchor 'forces'"):
        AnchorReader(open_store(tmp_path / "store"), 100)
    __import__("forces")
    store = open_store(tmp_path / "store")
    assert str(store.device.anchor) == "forces of 5 fingers in N" and store.device.anchor.no_hand
    windows = list_windows(store, 1.0, 1.0)
    anchor_BSJ = AnchorReader(store, windows.frames)(windows)
    people = windows.users(store)
    strongest = [float(anchor_BSJ[torch.from_numpy(people == user)].max()) for user in ("ann", "bob")]
    assert strongest == pytest.approx([1, 1], abs=0.1)
