"""The table of the challenge: what is averaged, what its marks say, and that the page and the tables have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cpep.report.challenge import challenge_markdown, challenge_of, challenge_text
from cpep.report.html import write_report
from cpep.report.markdown import tables_markdown
from tests.report.fake_evaluation import evaluation


def row(model: str, fold: int, error: float, spread: float, people: dict[str, float]) -> dict[str, Any]:
    where = {"model": model, "protocol": "challenge", "gestures": "user_stage", "fold": fold, "seed": 0}
    numbers = {"n_users": len(people), "n_windows": 10, "n_excluded": 2, "n_short": 1, "per_user": people}
    errors = {"angular_error_rad": error, "error_ci95": [error - 0.05, error + 0.05], "spread": spread}
    return {**where, "normalisation": "recording", **numbers, **errors, "mean_pose": {"angular_error_rad": 0.4}}


def case(folds: int) -> dict[str, Any]:
    rows = [row("emg2pose", fold, 0.39, 0.02, {"a": 0.3, "b": 0.5}) for fold in range(folds)]
    rows += [row("pose_t", fold, 0.3 + 0.02 * fold, 0.7, {"a": 0.2, f"c{fold}": 0.45}) for fold in range(folds)]
    where = {"fold": 0, "seed": 0, "parameters": 5, "steps": 9}
    training = [{"model": "emg2pose", **where, "share": 10.0, "stopped": "compute", "allowed": 10.0}]
    training += [{"model": "pose_t", **where, "share": 0.5, "stopped": "flat", "allowed": 10.0}]
    return {"rows": rows, "training": training}


def test_one_run_has_intervals_over_people_and_what_a_row_cost() -> None:
    found = challenge_of(case(1))
    still, collapsed, good = found.lines
    assert (still.name, still.error, still.spread, still.share) == ("mean pose", 0.4, 0.0, None)
    assert collapsed.name == "emg2pose†‡" and good.name == "pose_t"
    assert good.cells == ("0.300", "0.250 to 0.350", "0.200 to 0.450", "10", "0.70", "0.50")
    assert found.left_out == "Left out: 2 windows with a pose that is not valid, and 1 short recordings."
    assert [mark[0] for mark in found.marks] == ["†", "‡"]
    assert "at 10 times cpep's total compute" in found.marks[0] and "close to a constant" in found.marks[1]


def test_several_runs_have_a_spread_and_the_windows_of_all_folds() -> None:
    good = challenge_of(case(2)).lines[2]
    assert good.cells == ("0.310 ± 0.014", "-", "0.200 to 0.450", "20", "0.70", "0.50")


def test_a_decoder_that_answers_a_constant_is_told_as_collapsed_in_every_form(tmp_path: Path) -> None:
    results, details = evaluation(1, 8, windows=5)
    assert challenge_text(results) == challenge_markdown(results) == ""
    own = case(1)
    results["rows"] += own["rows"]
    results["training"] = own["training"]
    write_report(results, details, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for text in (challenge_text(results, 100), tables_markdown(results), page):
        assert "†‡" in text and "‡ collapsed: its poses vary less than 0.1 times as much" in " ".join(text.split())
    assert max(map(len, challenge_text(results, 100).splitlines())) <= 100
