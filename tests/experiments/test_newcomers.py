"""A checkpoint on other stores: nobody whom training met is tested, and gestures are the checkpoint's by name."""

import dataclasses
import json

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import load
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.noted import NOTED, noted, recording_hash
from cpep.data.store.prepare import prepare
from cpep.experiments.newcomers import Wanted, is_own, met_people, splits_for
from cpep.train.pretrain import pretrain
from cpep.train.task import Task
from cpep.types import UserError

HOME = ("fist", "point", "spread", "pinch")
AWAY = ("wave", "fist", "spread", "claw")
SEEN, UNSEEN = {"fist", "spread"}, {"wave", "claw"}


def write(folder, names, users, seed, unit="V", factor=1.0, **more):
    """Write a recording a person, in which EMG follows the gesture; a gesture has the same EMG in every folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.repeat([0, g], [150, 300]) for _ in range(2) for g in range(1, 1 + len(names))])
    every = ("rest", *sorted({*HOME, *AWAY}))
    pattern = np.random.default_rng(7).uniform(1, 9, (len(every), 4))
    vocabulary = ("rest", *names)
    sidecar = {"emg": {"field": "emg"}, "rate": 100, "kind": "envelope", "unit": unit, "user": {"pattern": "^(.)"}}
    sidecar["label"] = {"field": "label", "names": dict(zip(map(str, range(9)), vocabulary, strict=False))}
    for user in users:
        level = pattern[[every.index(name) for name in vocabulary]][label] * rng.lognormal(0, 0.1, 4)
        emg = 1e-4 * factor * (level + rng.random((len(label), 4)))
        np.savez(folder / f"{user}.npz", emg=emg, label=label)
        (folder / f"{user}.json").write_text(json.dumps(sidecar | more))
    return folder


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The store of training (a to f), another data set (c to h) in another unit, and the first under another name."""
    top = tmp_path_factory.mktemp("newcomers")
    home = prepare(write(top / "home", HOME, "abcdef", 0), top / "home.store")
    away = prepare(write(top / "away", AWAY, "cdefgh", 1, "mV", 1e3), top / "away.store")
    copied = prepare(write(top / "copied", HOME, "abcdef", 0), top / "copied.store")
    return home, away, copied


@pytest.fixture(scope="module")
def checkpoint(stores, tmp_path_factory):
    """An EMG encoder trained on c and d of the first store, with point and pinch left out."""
    config = preset("tiny", ["data.hop_s=0.5", "evaluate.bootstrap=5"])
    (split,) = make_splits(stores[0], test_users=("a", "b"), val_users=("e", "f"), unseen=("point", "pinch"))
    return pretrain(Task(stores[0], split, config, 0, tmp_path_factory.mktemp("trained") / "mae"), "emg")


def test_another_data_set_is_evaluated_on_its_own_people_and_gestures(stores, checkpoint, tmp_path, capsys):
    _, away, _ = stores
    out = tmp_path / "out"
    assert main(["evaluate", str(checkpoint), str(away.path), str(out), "--folds", "3"]) == 0
    said = capsys.readouterr().out
    for words in (
        "the checkpoint was trained on home; probes are fitted, chosen and tested on people of away",
        "users c, d, e, f have the id of a training person of home, and count as somebody else",
        "gestures that its training saw: fist, spread",
        "gestures that it never saw (unseen): wave, claw",
    ):
        assert words in said
    assert said.index("never saw") < said.index("Balanced accuracy")
    results = json.loads((out / "results.json").read_text())
    assert set(results["data"]["gestures_seen"]) == SEEN and set(results["data"]["gestures_unseen"]) == UNSEEN
    assert sorted(user for fold in results["data"]["folds"] for user in fold["users_test"]) == list("cdefgh")
    for fold in results["data"]["folds"]:
        roles = [set(fold[f"users_{role}"]) for role in ("train", "val", "test")]
        assert len(set.union(*roles)) == sum(map(len, roles)) == 6
    probe = [row for row in results["rows"] if (row["model"], row["protocol"]) == ("features", "linear_probe")]
    assert {row["gestures"] for row in probe} == {"seen", "unseen"} and {row["fold"] for row in probe} == {0, 1, 2}
    assert np.mean([row["balanced_accuracy"] for row in probe]) > 0.9
    assert (out / "report.html").exists()


def test_the_unit_of_another_store_changes_no_embedding(stores, checkpoint):
    _, away, _ = stores
    model, power = load(checkpoint), away.power_KC[:1]
    other = model.in_unit(away.device.emg_unit)
    assert model.card.device.emg_unit == away.device.emg_unit == "uV" and other is model  # volts are read as uV
    assert 1e3 < float(power.mean()) < 1e7


def test_nobody_whom_training_met_is_tested_under_the_same_name(stores, checkpoint, tmp_path):
    home, away, _ = stores
    model = load(checkpoint)
    grown = dataclasses.replace(away, name="home")  # the same data set with other people and gestures
    assert met_people(model, grown) == set("cdef")
    with pytest.raises(UserError, match=r"user c took part in the training of this checkpoint and cannot test it"):
        splits_for(model, grown, Wanted(test_users=("c",)))
    with pytest.raises(UserError, match="holds recordings of 2 people who may take part"):
        splits_for(model, grown, Wanted())
    assert is_own(model, home, Wanted()) and is_own(model, home, Wanted(folds=3))
    ((split,), sentences) = splits_for(model, home, Wanted())
    assert split == model.card.held_out() and not sentences
    with pytest.raises(UserError, match="the checkpoint's own split says who trains and validates"):
        splits_for(model, home, Wanted(folds=3))


def test_recordings_of_training_are_known_again_under_another_name(stores, checkpoint):
    """A planted leak: the folder of the training, copied under another name."""
    home, _, copied = stores
    model = load(checkpoint)
    assert set(model.card.provenance["recordings"]) == {
        recording_hash(home, entry) for entry in home.entries if entry.user in "cdef"
    }
    assert met_people(model, copied) == set("cdef")
    with pytest.raises(UserError, match="user d took part in the training"):
        splits_for(model, copied, Wanted(test_users=("d",)))
    ((split,), _) = splits_for(model, copied, Wanted())  # the people and labels of the checkpoint: its own split
    assert split == model.card.held_out()
    model.card.provenance["recordings"] = []  # without what is noted the copy would pass: the hash is what holds it
    assert met_people(model, copied) == set()


def test_gestures_none_of_which_training_saw_choose_their_own_read_outs(stores, checkpoint, tmp_path, capsys):
    _, away, _ = stores
    renamed = dataclasses.replace(away, vocabulary=("rest", "n1", "n2", "n3", "n4"))
    splits, sentences = splits_for(load(checkpoint), renamed, Wanted())
    assert splits[0].seen == () and splits[0].choosing == splits[0].unseen == (1, 2, 3, 4)
    assert any("read-outs are chosen on all" in one for one in sentences)
    raw = write(tmp_path / "strange", ("wave", "claw", "fist"), "pqrs", 3)  # one that it saw is too few
    assert main(["evaluate", str(checkpoint), str(raw), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "gestures that it never saw (unseen): wave, claw" in said and "read-outs are chosen on all" in said
    rows = json.loads((tmp_path / "out/results.json").read_text())["rows"]
    assert {row["model"] for row in rows} == {"emg_mae", "features", "features/lda"}
    assert {row["gestures"] for row in rows if row["protocol"] == "linear_probe"} == {"unseen"}


def test_another_device_is_refused(stores, checkpoint, tmp_path, capsys):
    other = prepare(write(tmp_path / "raw", HOME, "abcd", 0, rate=200), tmp_path / "store")
    assert main(["evaluate", str(checkpoint), str(other.path), str(tmp_path / "out")]) == 2
    assert "the checkpoint was trained with emg_rate 100.0" in capsys.readouterr().err


def test_a_few_recordings_of_each_person_are_noted(stores):
    home, _, _ = stores
    many = dataclasses.replace(
        home, entries=tuple(dataclasses.replace(home.entries[0], power_start=n, power_blocks=4) for n in range(20))
    )
    found = noted(many, home.entries[0].user)
    assert len(found) == NOTED and found == sorted({recording_hash(many, one) for one in many.entries})[:NOTED]
    assert noted(home, ()) == []
