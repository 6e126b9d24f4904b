"""What a model card says, and that the hub can read it."""

import json
import re
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelCard

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.import_weights import untrained
from cpep.checkpoints.modelcard import model_card
from cpep.checkpoints.registry import MODELS
from cpep.data.licences import terms_of
from cpep.share.card_results import read_results, results_text, without_people
from cpep.share.demo import RESULTS, card_text, demo_paths
from cpep.types import UserError

CHECKPOINT = demo_paths()[0]
SHIPPED = CHECKPOINT.parent


@pytest.fixture(scope="module")
def demo():
    return load(CHECKPOINT)


def card_of(model, data="", told="", **more):
    card = replace(model.card, provenance={**model.card.provenance, **({"data": data} if data else {})})
    terms = terms_of(card.provenance["data"], told)
    return model_card("org/name", 'import cpep\nmodel = cpep.load("hf://org/name")', card, 1234567, terms, **more)


def test_the_shipped_card_is_the_one_that_the_code_writes():
    """After a change of the text: ``python -c "from cpep.share.demo import *; c = demo_paths()[0]; \\
    (c / 'README.md').write_text(card_text(c.parent))"``."""
    assert (CHECKPOINT / "README.md").read_text(encoding="utf-8") == card_text(SHIPPED)


def test_the_shipped_card_has_the_figures_of_the_run_with_intervals_and_how_to_get_them(demo):
    text, results = card_text(SHIPPED), json.loads((SHIPPED / RESULTS).read_text())
    assert results["run"]["git"] == demo.card.provenance["git"]
    rows = {(row["model"], row["protocol"], row["gestures"]): row for row in results["summary"]}
    row = rows["cpep", "zero_shot", "unseen"]
    low, high = (f"{bound:.2f}"[1:] for bound in row["ci95"])
    assert f"| {row['balanced_accuracy']:.3f}".replace("0.", ".") + f" ({low} to {high}" in text
    assert "cpep reproduce --data runs/live-demo/cohort" in text and "seed(s) 0" in text
    assert "Preset small" in text and "2 x AMD EPYC" in text


def test_nobody_is_named(demo):
    text = card_text(SHIPPED)
    assert not [
        user for part in ("train", "val", "test") for user in demo.card.split[f"users_{part}"] if user in text
    ]
    assert "Trained on 80 people; 10 others" in text and "--test-users <10 people>" in text


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("cpep evaluate a b --test-users=ann,bob --seed 1", "cpep evaluate a b --test-users=<2 people> --seed 1"),
        ("cpep x --val-users 'ann lee,bob' --out ann", "cpep x --val-users <2 people> --out ann"),
        ("cpep x '--users=ann lee'", "cpep x --users=<1 people>"),
        ("cpep (called from Python)", "cpep (called from Python)"),
    ],
)
def test_a_command_names_nobody(command, shown):
    assert without_people(command) == shown


@pytest.mark.parametrize(
    ("data", "told", "licence", "warned"),
    [
        ("emg2pose", "", "cc-by-nc-sa-4.0", True),
        ("emg2pose_simulated", "", "apache-2.0", False),
        ("ninapro_db1", "", "other", True),
        ("mine", "CC-BY-NC-4.0", "cc-by-nc-4.0", True),
        ("mine", 'evil: "]\n---\n# yes, {really}', "other", False),
        ("mine", "§", "other", False),
    ],
)
def test_the_hub_reads_the_licence_and_people_are_warned(demo, data, told, licence, warned):
    text = card_of(demo, data, told)
    read = ModelCard(text)
    assert read.data.license == licence and read.data.library_name == "cpep"
    assert {"emg", "gesture-recognition"} <= set(read.data.tags)
    assert bool(getattr(read.data, "license_name", None)) == (licence == "other")
    assert ("trained on non-commercial data" in read.text.split("## ")[0]) is warned
    assert ("nothing about real hands" in read.text.split("## ")[0]) is (data == "emg2pose_simulated")
    assert "None are given" in read.text


def test_the_code_of_a_card_runs(demo, monkeypatch):
    monkeypatch.setattr("cpep.load", lambda _: demo)
    found = run(card_of(demo))
    assert found["similarity_BB"].shape == (8, 8) and found["similarity_BB"].isfinite().all()
    monkeypatch.undo()
    assert "cpep.load()" in card_text(SHIPPED) and run(card_text(SHIPPED))["x_BD"].shape == found["x_BD"].shape


def test_the_code_runs_for_a_model_that_predicts_pose_and_is_of_people_unknown(monkeypatch):
    model = untrained("vemg2pose", window_s=1.0)
    monkeypatch.setattr("cpep.load", lambda _: model)
    text = card_of(model)
    joints = len(model.card.device.anchor_names)
    assert run(text)["pose_BJS"].shape[:2] == (8, joints)
    assert "is not known: cpep imported these weights" in text and "CC-BY-NC-SA-4.0" in text


def run(text):
    """Run the Python of a card and return its names."""
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    torch.manual_seed(0)
    names = {}
    exec(code, names)
    return names


def test_every_kind_has_words():
    assert all(spec.words and spec.name == name for name, spec in zip(MODELS.names(), MODELS, strict=True))


@pytest.mark.parametrize("fault", ["people", "gestures", "schema", "live.json", "list"])
def test_results_of_something_else_are_refused(demo, tmp_path, fault):
    results = json.loads((SHIPPED / RESULTS).read_text())
    if fault == "people":
        results["data"]["folds"][0]["users_train"].pop()
    elif fault == "gestures":
        results["data"]["gestures_seen"].pop()
    elif fault == "schema":
        results["schema"] = 2
    elif fault == "live.json":
        del results["summary"]
    else:
        results = [results]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    said = {"live.json": "is no results", "schema": "is of another version", "list": "expected an object, got a list"}
    said = said.get(fault, "trained on other people")
    with pytest.raises(UserError, match=said):
        read_results(path, demo.card)


@pytest.mark.parametrize(("place", "name"), [("run", "command"), ("run", "preset"), ("data", "name")])
def test_results_that_ask_for_the_environment_are_refused(demo, tmp_path, monkeypatch, place, name):
    """A card is public: the environment of whoever pushes it must not get into it."""
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    results = json.loads((SHIPPED / RESULTS).read_text())
    results[place][name] = "${oc.env:CPEP_SECRET}"
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=rf"results\.json: {place}\.{name} holds '\$\{{oc"):
        read_results(tmp_path / "results.json", demo.card)
    assert "hunter2" not in card_of(demo, results=results_text(results))


def test_several_folds_say_that_the_weights_are_of_one(demo):
    results = json.loads((SHIPPED / RESULTS).read_text())
    results["data"]["folds"] *= 2
    assert "of one fold and one seed" in card_of(demo, results=results_text(results))
    assert "of one fold and one seed" not in card_text(SHIPPED)


def test_a_file_that_is_no_json_is_not_to_be_deleted(demo, tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(UserError, match="is no results") as refused:
        read_results(tmp_path / "notes.md", demo.card)
    assert "delete" not in str(refused.value)
