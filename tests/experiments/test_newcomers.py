"""A checkpoint on other stores: nobody whom training met is tested, and gestures are the checkpoint's by name."""

import dataclasses
import json

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.met import met_people, trained_names
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.data.splits import make_splits
from cpep.data.store.noted import NOTED, PIECE, noted, recording_hashes
from cpep.data.store.prepare import prepare
from cpep.experiments.newcomers import Wanted, is_own, splits_for
from cpep.experiments.single import _rows, evaluate_checkpoint
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
    with pytest.raises(UserError, match="holds recordings of 2 people new to this checkpoint"):
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
    trained = [recording_hashes(home, entry) for entry in home.entries if entry.user in "cdef"]
    assert set(model.card.provenance["recordings"]) == set.union(*trained)
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


def powered(store, power_KC):
    """Return a store with one recording, of that power."""
    entry = dataclasses.replace(store.entries[0], power_start=0, power_blocks=len(power_KC))
    return dataclasses.replace(store, entries=(entry,), power_KC=power_KC.astype(np.float32))


def hashes(store):
    return set.union(*(recording_hashes(store, entry) for entry in store.entries))


def test_a_few_pieces_of_each_person_are_noted(stores):
    home = stores[0]
    long = powered(home, np.random.default_rng(0).random((20 * PIECE + 1, 4)))
    assert len(hashes(long)) == 20
    assert noted(long, home.entries[0].user) == sorted(hashes(long))[:NOTED] and noted(home, ()) == []


def test_a_recording_is_known_again_in_another_unit_rounded_or_cut(stores):
    rng = np.random.default_rng(0)
    power_KC = rng.lognormal(0, 0.1, (40 * PIECE + 1, 4))
    plain = hashes(powered(stores[0], power_KC))
    assert hashes(powered(stores[0], power_KC * np.float32(1e-6))) == plain
    rounded = hashes(powered(stores[0], power_KC * rng.normal(1, 3e-4, power_KC.shape)))
    assert 0.5 < len(rounded & plain) / len(plain) < 1
    assert hashes(powered(stores[0], power_KC[: 10 * PIECE + 9])) < plain
    assert not hashes(powered(stores[0], rng.lognormal(0, 0.1, power_KC.shape))) & plain
    assert not hashes(powered(stores[0], np.ones((200, 4))))  # a band on a table, in many recordings
    short, other = powered(stores[0], power_KC[:9]), powered(stores[0], power_KC[1:10])
    assert len(hashes(short)) == len(hashes(other)) == 1 and hashes(short) != hashes(other)


def test_recordings_of_training_under_other_ids_are_known_again(stores, checkpoint, tmp_path):
    """A planted leak: the same people and labels under another name, everybody with the id of somebody else."""
    home = stores[0]
    model = load(checkpoint)
    turned = dict(zip("abcdef", "cdefab", strict=True))  # who trained, c to f, is e, f, a and b here
    entries = tuple(dataclasses.replace(entry, user=turned[entry.user]) for entry in home.entries)
    lab = dataclasses.replace(home, name="lab", entries=entries)
    assert met_people(model, lab) == set("efab") and not is_own(model, lab, Wanted())
    with pytest.raises(UserError, match="recordings of 2 people new to this checkpoint"):
        splits_for(model, lab, Wanted())
    with pytest.raises(UserError, match="user a, b took part in the training of this checkpoint"):
        splits_for(model, dataclasses.replace(lab, name="home"), Wanted())


def test_the_unit_of_another_store_changes_no_score(stores, checkpoint, tmp_path, monkeypatch):
    """The store says mV, and the checkpoint knows uV: its front end is rescaled by 1000."""
    away = stores[1]
    monkeypatch.setattr("cpep.experiments.single._rows", lambda *given: _rows(*given)[:1])
    emg_TC, power_KC = away.emg_TC / np.float32(1e3), away.power_KC / np.float32(1e6)
    device = dataclasses.replace(away.device, emg_unit="mV")
    in_mv = dataclasses.replace(away, emg_TC=emg_TC, power_KC=power_KC, device=device)
    scores = []
    for number, store in enumerate((away, in_mv)):
        monkeypatch.setattr("cpep.experiments.single.prepared", lambda *given, store=store: store)
        out = tmp_path / str(number)
        results = evaluate_checkpoint(checkpoint, away.path, out, Wanted(), [], "evaluate", lambda said: None)
        scores.append([row["balanced_accuracy"] for row in results["rows"]])
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-6)


def test_a_gesture_that_differs_by_its_capitals_is_told(stores, checkpoint):
    model, away = load(checkpoint), stores[1]
    loud = dataclasses.replace(away, vocabulary=("rest", "wave", "Fist", "spread", "claw"))
    ((split,), sentences) = splits_for(model, loud, Wanted())
    assert {loud.vocabulary[label] for label in split.seen} == {"spread"}
    (told,) = [one for one in sentences if "to the letter" in one]
    assert told.startswith("Fist is not taken for fist, which its training saw")


def test_a_gesture_that_was_trained_on_and_not_evaluated_is_not_unseen(stores, checkpoint):
    """As emg2pose and the simulator have them: gestures of training that no table has."""
    model, away = load(checkpoint), stores[1]
    split = model.card.split | {"seen": []}
    model.card = dataclasses.replace(model.card, split=split)
    assert trained_names(model) >= {"fist", "spread"} and not trained_names(model) & {"point", "pinch"}
    ((found,), _) = splits_for(model, away, Wanted())
    assert {away.vocabulary[label] for label in found.seen} == SEEN


@pytest.mark.parametrize("users", ["g", "gh"])
def test_one_or_two_new_people_are_refused(stores, checkpoint, users):
    few = dataclasses.replace(stores[1], entries=tuple(e for e in stores[1].entries if e.user in users))
    with pytest.raises(UserError, match=rf"recordings of {len(users)} (person|people) new to this checkpoint"):
        splits_for(load(checkpoint), few, Wanted(test_users=(users[0],)))


def test_more_folds_than_people_are_refused(stores, checkpoint):
    with pytest.raises(UserError, match=r"recordings of 6 people.*; 7 or more are needed"):
        splits_for(load(checkpoint), stores[1], Wanted(folds=7))
