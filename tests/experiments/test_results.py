"""From folds to results.json and to what the report draws."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cpep.evaluate.generalised import generalised, interval
from cpep.evaluate.metrics import score
from cpep.evaluate.pose_errors import PoseError
from cpep.evaluate.projection import Map
from cpep.evaluate.protocols.base import Outcome
from cpep.experiments.compare import both_of, comparisons, summaries
from cpep.experiments.evaluators import Evaluation
from cpep.experiments.fold import Fold, evaluated, save_row
from cpep.experiments.results import details_of, results_of
from cpep.types import EmbeddingSet, UserError
from tests.experiments.test_compare import fold

CURVE = {"fold": 2, "seed": 5}


def found(predicted: list[int]) -> Evaluation:
    """Return what an evaluation of two windows finds."""
    label, user, answer = np.array([1, 2]), np.array(["7", "8"]), np.array(predicted)
    test = EmbeddingSet(np.zeros((2, 1), np.float32), label, user, user, np.zeros(2), user)
    outcome = Outcome("zero_shot", "seen", answer, test, (1, 2), score(label, answer, user, (1, 2), draws=10))
    error = PoseError("seen", {"pose_nrmse": 0.5}, {"pose_nrmse": 1.0}, {"7": 0.5, "8": 0.5}, 2)
    drawn = Map("seen", [[0.0, 1.0, "fist"]], [], 1.0, 0.25, 0.5, windows=2, poses=0, people=2, pose_people=0)
    return Evaluation([outcome], [error], [drawn])


def of_both() -> list[Outcome]:
    """Return the outcomes of a seen and of an unseen window of each of two people, with all gestures as answers."""
    label, user = np.array([1, 2, 1, 2]), np.array(["7", "7", "8", "8"])
    score_NK = np.array([[3.0, 1], [0, 1], [2, 0], [3, 1]])
    both = generalised(score_NK, np.array([1, 2]), label, user, (1,), draws=20)
    outcomes = []
    for gestures, own in (("seen", label == 1), ("unseen", label == 2)):
        test = EmbeddingSet(np.zeros((2, 1), np.float32), label[own], user[own], user[own], np.zeros(2), user[own])
        answer = both.both.predicted_N[own]
        rated = score(label[own], answer, user[own], (1, 2), draws=10)
        outcomes.append(Outcome("zero_shot_all", gestures, answer, test, (1, 2), rated, both))
    return outcomes


def test_figures_of_both_are_on_both_rows_with_what_pools_them(tmp_path: Path) -> None:
    save_row(tmp_path, "key", "cpep", Evaluation(of_both()), ("rest", "fist", "point"), "recording", [], {})
    read = Fold.read(tmp_path, 0, 0, ("cpep",))
    for row in read.rows:
        assert (row["harmonic_mean"], row["ausuc"]) == (0.6667, 0.75)  # half of unseen right; two of four pairs tie
        assert row["harmonic_mean_per_user"] == {"7": 1, "8": 0} and row["ausuc_per_user"] == {"7": 1, "8": 0.5}
        assert (row["harmonic_mean_chance"], row["ausuc_chance"], row["calibration"]) == (0.5, 0.5, 0)
    assert read.arrays["1/border"].tolist() == [-1, 2] and read.arrays["0/right"].tolist() == [True, True]
    (found,) = both_of([read], "cpep", "zero_shot_all").values()
    assert found.ausuc(np.ones((1, 2), int)) == 0.75 and np.array_equal(found.label_N, [1, 1, 2, 2])
    (summary, other) = summaries([read])
    assert (summary["ausuc"], summary["harmonic_mean"]) == (other["ausuc"], other["harmonic_mean"]) == (0.75, 0.6667)
    assert summary["ausuc_ci95"] == [round(bound, 4) for bound in interval([found], "ausuc")[1:]]
    (curve,) = details_of([read])["seen_unseen"]
    assert (curve["at"], curve["points"]) == ([1, 0.5], [[1, 0], [1, 0.5], [0, 1]])
    path = tmp_path / "rows" / "cpep.npz"
    arrays, plain = dict(np.load(path)), json.loads(path.with_suffix(".json").read_text())
    np.savez(path, **{name: array for name, array in arrays.items() if name != "1/border"})
    path.with_suffix(".json").write_text(json.dumps({k: v for k, v in plain.items() if k not in ("sum", "arrays")}))
    with pytest.raises(UserError, match="1/border and right do not fit its labels"):
        Fold.read(tmp_path, 0, 0, ("cpep",))


def test_what_is_saved_of_each_row_is_read_back_as_one_fold(tmp_path: Path) -> None:
    names, curve = ("rest", "fist", "point"), {**CURVE, "stage": "emg_mae", "points": [], "kept_step": 0}
    for model, predicted in (("cpep", [1, 2]), ("cpep/window_0.5s", [1, 1])):
        training = {"parameters": 3, "steps": 2, "gflop": 0.1, "share": 0.5, "stopped": "steps"}
        save_row(tmp_path, f"key of {model}", model, found(predicted), names, "recording", [curve], training)
    read = Fold.read(tmp_path, 2, 5, ("cpep/window_0.5s", "cpep"))
    assert [(row["model"], row["protocol"], row["fold"], row["seed"]) for row in read.rows] == [
        ("cpep/window_0.5s", "zero_shot", 2, 5),
        ("cpep/window_0.5s", "pose_error", 2, 5),
        ("cpep", "zero_shot", 2, 5),
        ("cpep", "pose_error", 2, 5),
    ]
    assert read.arrays["0/predicted"].tolist() == [1, 1] and read.arrays["2/predicted"].tolist() == [1, 2]
    assert [item["row"] for item in read.confusion] == [0, 2] and read.losses == [curve]
    assert read.rows[1]["pose_nrmse"] == 0.5 and "balanced_accuracy" not in read.rows[1]
    assert [(one["gap"], one["emg"]) for one in read.maps] == [(0.25, [(0.0, 1.0, "fist")])] * 2
    assert [item["model"] for item in read.training] == ["cpep/window_0.5s", "cpep"]
    assert evaluated(tmp_path, "cpep", "key of cpep") and not evaluated(tmp_path, "cpep", "another key")
    assert not evaluated(tmp_path, "ridge", "key of cpep")


def test_results_and_details_hold_what_the_folds_left() -> None:
    folds = [fold(0, 0, ("1", "2"), stopped=("vemg2pose",)), fold(1, 0, ("3", "4"))]
    for one in folds:
        one.confusion.append({"row": 2, "classes": [], "matrix": []})
        one.losses.append({"stage": "cpep", "fold": one.fold})
        one.maps.append({"gestures": "seen"})
    store: Any = SimpleNamespace(name="made up", vocabulary=["rest", "fist", "point"], anchor_MJ=None)
    split: Any = SimpleNamespace(seen=(1,), unseen=(2,), users_train=("5",), users_val=("6",), users_test=("1", "2"))
    run: dict[str, Any] = {"command": "cpep reproduce"}
    results = results_of(run, store, [split, split], [10, 20], folds)
    assert results["rows"] == folds[0].rows + folds[1].rows and len(results["rows"]) == 36
    assert results["training"] == [{"model": "vemg2pose", "stopped": "compute"}]
    found = comparisons(folds)
    assert results["comparisons"] == [comparison.plain() for comparison in found] and len(found) == 6
    assert (results["data"]["gestures_seen"], results["data"]["gestures_unseen"]) == (["fist"], ["point"])
    assert results["data"]["pose"] is False
    assert [item["windows_train"] for item in results["data"]["folds"]] == [10, 20]
    details = details_of(folds)
    assert details["comparisons"] == [comparison.sentence() for comparison in found]
    assert [item["row"] for item in details["confusion"]] == [2, 20]  # rows are counted over all folds
    assert [curve["fold"] for curve in details["losses"]] == [0, 1]
    assert details["maps"] == [{"gestures": "seen", "fold": 0, "seed": 0}]  # of the first fold alone
