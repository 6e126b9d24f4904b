"""What a run will use is said before anything is trained, and a run that cannot go through is refused there."""

import json

import numpy as np
import pytest

from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.config.rows import ROWS, Row
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.experiments.plan import refuse_impossible_data
from cpep.experiments.rows import row_of
from cpep.types import UserError
from tests.synthetic import with_splits, write_db1

TINY = ["--preset", "tiny", "--models", "features"]
UNSEEN = ["--unseen", "3,6,9,12"]
SEEN_ALONE = [g for g in range(1, 13) if g not in (3, 6, 9, 12)]
EACH = {"S1_": "train", "S2_": "train", "S3_": "train", "S4_": "train", "S5_": "val", "S6_": "val"}
EACH |= {"S7_": "test", "S8_": "test"}


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    for module in ("experiments.pipeline", "experiments.runs", "runtime.jobs"):
        monkeypatch.setattr(f"cpep.{module}.cores", lambda: 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Users 1 to 5 make all, 6 and 7 no unseen gesture, 8 nothing but rest."""
    folder = tmp_path_factory.mktemp("plan")
    made = {6: SEEN_ALONE, 7: SEEN_ALONE, 8: ()}
    return prepare(write_db1(folder / "db1", users=8, repetitions=2, made=made), folder / "store")


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    """Eight people who make all, with a split column; a recording a person."""
    folder = tmp_path_factory.mktemp("divided")
    return with_splits(prepare(write_db1(folder / "db1", users=8), folder / "store"), EACH)


def reproduced(capsys, store, out, *argv):
    """Run reproduce and return what it said and its results."""
    assert main(["reproduce", "--data", str(store.path), "--out", str(out), *TINY, *argv]) == 0
    return capsys.readouterr().out, json.loads((out / "results.json").read_text())


def refused(capsys, monkeypatch, *argv):
    """Run a command that must be refused before its first job, and return what it said before and its sentence."""
    monkeypatch.setattr(
        "cpep.experiments.pipeline.run_all", lambda *_, **__: pytest.fail("something was trained or evaluated")
    )
    assert main([str(part) for part in argv]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err and said.err.strip().count("\n") == 0
    return said.out, said.err.strip()


def test_folds_win_over_the_split_column_and_both_are_said(divided, tmp_path, capsys):
    said, results = reproduced(capsys, divided, tmp_path / "out", *UNSEEN, "--folds", "4")
    assert "people are divided as asked; the split column of metadata.csv is not used" in said
    assert "training of fold 0: 4 of 4 recordings" in said and "another split" not in said
    assert sorted(user for fold in results["data"]["folds"] for user in fold["users_test"]) == list("12345678")
    assert len({fold["windows_train"] for fold in results["data"]["folds"]}) == 1  # as much of everybody


def test_unseen_gestures_that_are_named_leave_people_to_the_split_column(divided, tmp_path, capsys):
    said, results = reproduced(capsys, divided, tmp_path / "out", *UNSEEN)
    assert "the split column of metadata.csv says who is tested and which recordings are held out" in said
    (fold,) = results["data"]["folds"]
    assert [fold[f"users_{role}"] for role in ("train", "val", "test")] == [list("1234"), list("56"), list("78")]


def test_the_plan_says_what_each_role_uses_and_why_the_rest_is_left_out(store, tmp_path, capsys):
    asked = ["--test-users", "5,7,8", "--val-users", "4,6"]
    said, results = reproduced(capsys, store, tmp_path / "out", *UNSEEN, *asked)
    lines = [line for line in said.splitlines() if "done:" not in line]
    wanted = [
        "training: 3 of 3 recordings, 0.0",
        "  left out: 0.0",
        "  paired with their pose: 0.0",
        "validation: 2 of 2 recordings, 0.0",
        "test: 2 of 3 recordings, 0.0",
    ]
    places = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in wanted]
    assert places == sorted(places)
    assert "h within 0.5 s of an unseen gesture" in lines[places[1]]
    assert any("h (1 recording) of rest" in line for line in lines[places[-1] :])
    assert "test user 7: no unseen gesture; left out of what is asked of unseen ones" in lines
    assert "test user 8: no gesture that is asked; left out" in lines
    assert said.index("test user 8") < said.index("done:")  # before the first job
    tested = {row["gestures"]: set(row["per_user"]) for row in results["rows"]}
    assert tested == {"seen": {"5", "7"}, "unseen": {"5"}, "all": {"5", "7"}}
    assert "(1 of them on unseen gestures)" in " ".join(said.split())  # the sentence is as wide as the table


def test_a_fold_without_unseen_gestures_is_scored_on_seen_ones(store, tmp_path, capsys):
    _, results = reproduced(capsys, store, tmp_path / "out", *UNSEEN, "--folds", "4")
    folds = {row["fold"]: set() for row in results["rows"]}
    for row in results["rows"]:
        folds[row["fold"]] |= {row["gestures"]}
    assert all("seen" in kinds for kinds in folds.values())
    users = [set(fold["users_test"]) for fold in results["data"]["folds"]]
    bare = [number for number, tested in enumerate(users) if tested <= {"6", "7", "8"}]
    assert bare and all("unseen" not in folds[number] for number in bare)
    (whole,) = (one for one in results["summary"] if (one["protocol"], one["gestures"]) == ("linear_probe", "unseen"))
    assert whole["people"] == 5
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--test-users", "6,7"], "test users 6, 7 have none of the unseen gestures (middle_flexion, ring_extension"),
        (["--test-users", "8"], "test user 8 has no gesture that training people have"),
        (["--val-users", "8", "--test-users", "1"], "validation user 8 has none of the 8 seen gestures"),
        (["--test-users", "1", "--val-users", "2,3,4,5,6,7"], "training user 8 has none of the 8 seen gestures"),
        (["--test-users", "1", "--val-users", "2,3,4,5"], "training users 6, 7, 8 have none of the unseen gestures"),
        (["--test-users", "1", "--set", "data.window_s=200"], "no recording is as long as one window"),
        (["--test-users", "1", "--val-users", "2,3", "--set", "data.guard_s=600"], "no val windows are left"),
        (["--test-users", "1", "--set", "align.pairs=0.0001"], "too short for align.pairs"),
        (["--folds", "8"], "test user 8 of fold"),
    ],
)
def test_what_cannot_go_through_is_known_before_anything_is_trained(
    store, tmp_path, capsys, monkeypatch, asked, says
):
    argv = ["reproduce", "--data", store.path, "--out", tmp_path / "out", *TINY, *UNSEEN, *asked]
    said, sentence = refused(capsys, monkeypatch, *argv)
    assert says in sentence
    assert "training" in said or "no recording" in sentence  # the plan came first


def test_rows_of_other_windows_are_checked_too_and_named(store, tmp_path, capsys, monkeypatch):
    long = Row("cpep/window_1s", "windows of 4 s", ("data.window_s=4",))
    monkeypatch.setitem(ROWS._all(), long.name, long)  # longer than any gesture
    argv = ["reproduce", "--data", store.path, "--out", tmp_path / "out", *TINY[:2], *UNSEEN]
    _, sentence = refused(capsys, monkeypatch, *argv, "--models", "cpep/window_1s", "--test-users", "1")
    assert sentence.startswith("cpep: cpep/window_1s: ") and "have none of the 8 seen gestures" in sentence


def test_a_dry_run_shows_the_same_plan_and_the_same_refusal(store, capsys, monkeypatch):
    argv = ["reproduce", "--data", str(store.path), *TINY, *UNSEEN, "--dry-run"]
    assert main([*argv, "--test-users", "5,7,8"]) == 0
    said = capsys.readouterr().out
    assert "test: 2 of 3 recordings" in said and "test user 7: no unseen gesture" in said
    _, sentence = refused(capsys, monkeypatch, *argv, "--test-users", "6,7")
    assert "have none of the unseen gestures" in sentence


def test_a_checkpoint_is_evaluated_under_the_same_plan_and_refusal(store, tmp_path, capsys, monkeypatch):
    asked = ["--test-users", "7,8", "--val-users", "4,5", "--set", "emg_mae.optim.steps=1"]
    out = tmp_path / "mae"
    assert main(["pretrain", "emg", str(store.path), str(out), *TINY[:2], *UNSEEN, *asked]) == 0
    said = capsys.readouterr().out
    assert said.index("training: 4 of 4 recordings") < said.index("checkpoint: ")
    monkeypatch.setattr("cpep.experiments.single.evaluate", lambda *_: pytest.fail("something was evaluated"))
    said, sentence = refused(capsys, monkeypatch, "evaluate", out / "checkpoint", store.path, tmp_path / "evaluation")
    assert "test user 7: no unseen gesture" in said and "test users 7, 8 have none of the unseen gestures" in sentence


def test_pairs_that_cannot_stand_in_one_batch_are_known_before_anything_is_trained(store, monkeypatch):
    splits, config = make_splits(store, test_users=("1",), unseen=("3", "6", "9", "12")), preset("tiny")
    monkeypatch.setattr("cpep.experiments.plan.pairs_of", lambda store, windows, *_: windows.select(np.arange(3)))
    with pytest.raises(UserError, match="the few training windows that are left overlap"):
        refuse_impossible_data(store, splits, config, [row_of("cpep", config)])
    refuse_impossible_data(store, splits, config, [row_of("ridge", config)])  # draws no batches
    monkeypatch.setattr(
        "cpep.experiments.plan.pairs_of", lambda store, windows, *_: windows.select(windows.label_N <= 0)
    )
    with pytest.raises(UserError, match="no window is labelled throughout with a seen gesture"):
        refuse_impossible_data(store, splits, config, [row_of("cpep", config), row_of("supervised", config)])
    refuse_impossible_data(store, splits, config, [row_of("cpep", config)])
