"""The table of pose errors: what is averaged over what, and how it reads."""

from __future__ import annotations

from typing import Any

import pytest

from cpep.report.pose_errors import ErrorCell, errors_of, errors_text
from tests.report.fake_evaluation import evaluation, everything


def row(model: str, gestures: str, fold: int, values: dict[str, float], mean: dict[str, float]) -> dict[str, Any]:
    where = {"model": model, "protocol": "pose_error", "gestures": gestures, "fold": fold, "seed": 0}
    return {**where, "normalisation": "recording", **values, "mean_pose": mean, "per_user": {}}


def hand(degrees: float, landmark_mm: float) -> dict[str, float]:
    return {"angular_error_deg": degrees, "landmark_mm": landmark_mm}


def small_case() -> dict[str, Any]:
    rows = [
        row("pose_t", "seen", 0, hand(14.0, 18.0), hand(20.0, 30.0)),
        row("pose_t", "seen", 1, hand(15.0, 19.0), hand(22.0, 31.0)),
        row("emg2pose", "seen", 0, hand(13.0, 17.0), hand(20.2, 30.0)),  # some windows fewer
        row("emg2pose", "seen", 1, hand(16.0, 17.0), hand(22.0, 31.0)),
        row("emg2pose", "unseen", 0, {"angular_error_deg": 18.0}, {"angular_error_deg": 25.0}),
        {**row("cpep", "seen", 0, {}, {}), "protocol": "zero_shot", "balanced_accuracy": 0.5},
    ]
    training = [{"model": "emg2pose", "stopped": "flat"}, {"model": "emg2pose", "stopped": "compute"}]
    return {"rows": rows, "training": training}


def test_errors_are_averaged_over_folds_and_the_mean_pose_over_models_first() -> None:
    table = errors_of(small_case())
    assert [(column.metric, column.gestures) for column in table.columns] == [
        ("angular_error_deg", "seen"),
        ("angular_error_deg", "unseen"),
        ("landmark_mm", "seen"),
    ]
    cells = {line.name: line.cells for line in table.lines}
    assert list(cells) == ["mean pose", "pose_t", "emg2pose"]
    assert cells["pose_t"] == (ErrorCell(14.5, pytest.approx(0.5**0.5), 2), None, ErrorCell(18.5, 0.5**0.5, 2))
    assert cells["emg2pose"][1] == ErrorCell(18.0, 0.0, 1)
    first, second = cells["mean pose"][:2]
    assert first is not None and first.mean == pytest.approx((20.1 + 22) / 2) and first.runs == 2
    assert second == ErrorCell(25.0, 0.0, 1)
    assert [line.under_trained for line in table.lines] == [False, False, True]
    assert [table.best(column) for column in range(3)] == [14.5, None, 17.0]  # the mean pose is no model


def test_text_of_a_small_case() -> None:
    assert errors_text(small_case(), 100).split("\n\n")[0] == (
        "           angular error, degrees  landmark distance, mm\n"
        "           seen        unseen      seen\n"
        "---------------------------------------------\n"
        "mean pose  21.1 ± 1.3  25.0        30.5 ± 0.7\n"
        "pose_t     14.5 ± 0.7  -           18.5 ± 0.7\n"
        "emg2pose†  14.5 ± 2.1  18.0        17.0 ± 0.0"
    )


def test_text_says_what_the_metrics_are() -> None:
    results, _ = everything(windows=2, glove=True)
    text = errors_text(results, 100)
    assert max(map(len, text.splitlines())) <= 100
    words = " ".join(text.split())
    assert "normalised RMSE" in words and "1 is what answering the mean" in words and "degrees" not in words
    assert "always answering the training people's mean pose, without EMG. Lower is better." in words
    assert words.endswith("while its validation loss was falling: under-trained.")
    head, *lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:8]] == [
        *("mean", "vemg2pose†", "emg2pose†", "neuropose", "sensing_dynamics", "pose_t")
    ]
    starts = [lines[0].index("seen"), lines[0].index("unseen")]
    assert head.index("normalised") == starts[0]
    assert all(line[start] in ".1" and line[start - 1] == " " for line in lines[2:8] for start in starts)
    assert "mean ± SD over 4 runs" in words
    results, _ = everything(folds=1, windows=2)
    assert "Pose errors of one run." in errors_text(results, 100)


def test_without_pose_errors_there_is_no_table() -> None:
    results, _ = evaluation(folds=1, windows=2)
    assert errors_text(results) == "" and errors_of(results).lines == ()
