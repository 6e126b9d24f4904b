"""Whatever is in results.json and details.json: tables, figures, the frame and the model card, or one sentence."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from cpep.report.figures import every
from cpep.report.frame import results as frame
from cpep.report.latex import tables_latex
from cpep.report.markdown import tables_markdown
from cpep.report.pose_errors import errors_text
from cpep.report.published import published_text
from cpep.report.results import read_details, read_results, results_in
from cpep.report.table import table_text
from cpep.share.card_results import results_text
from cpep.types import UserError
from tests.mutated import files_mutated
from tests.report.fake_evaluation import REGRESSORS, evaluation, everything


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The files of a small finished run with every kind of row."""
    models = {"cpep": 0.4, "features": 0.4, "cpep/shuffled_pairs": 0.0, "cpep/k_1": 0.3}
    results, details = evaluation(1, 4, 1, 6, SEEN, UNSEEN, models)
    whole, _ = everything(1, 8, 1, 4)
    results["rows"] += [row for row in whole["rows"] if row["model"] == REGRESSORS[0]][-2:]
    models_here = {row["model"] for row in results["rows"]}
    results["training"] = [one for one in whole["training"] if one["model"] in models_here]
    results["comparisons"] = [one for one in whole["comparisons"] if one["other"] in models_here][:4]
    results["summary"] = [
        {"model": "cpep", "protocol": "zero_shot", "gestures": "seen", "balanced_accuracy": 0.5, "ci95": [0.4, 0.6]}
        | {"people": 4, "seeds": [0]}
    ]
    details["losses"] = [one | {"points": one["points"][:4]} for one in details["losses"]]
    details["maps"] = [one | {"emg": one["emg"][:3], "pose": one["pose"][:3]} for one in details["maps"]]
    return {"results.json": json.dumps(results), "details.json": json.dumps(details)}


@pytest.fixture
def run(tmp_path: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


SEEN, UNSEEN = ("fist", "point", "spread"), ("pinch", "wave")


def used(run: Path) -> None:
    """Make everything that is made of a finished run."""
    results = read_results(run)
    for text in (table_text(results), tables_markdown(results), tables_latex(results), errors_text(results)):
        assert isinstance(text, str)
    published_text(results)
    results_text(results)
    assert len(frame(run)) and len(frame(run, people=True))
    every(results, read_details(run, results))


@pytest.mark.parametrize(("name", "count"), [("results.json", 120), ("details.json", 40)])
def test_every_mutation_is_drawn_or_a_sentence(run: Path, name: str, count: int) -> None:
    path, refused = run / name, 0
    used(run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in files_mutated(path.read_bytes(), count):
            path.write_bytes(data)
            try:
                used(run)
            except UserError as error:
                refused += 1
                assert "s.json" in str(error) and "\n" not in str(error), data[:300]
    assert refused > count / 3


def changed(value: Any, place: str, new: Any) -> Any:
    """Return plain values of which one is another; ``place`` is dotted."""
    holder, *names = [value, *place.split(".")]
    for name in names[:-1]:
        holder = holder[int(name) if name.isdigit() else name]
    last = names[-1]
    holder[int(last) if last.isdigit() else last] = new
    return value


CASES = {
    "rows.0.balanced_accuracy": 1.5,
    "rows.0.n_windows": 10**400,
    "rows.0.per_user": {},
    "rows.0.ci95": [0.1],
    "rows.0.seed": "²",
    "rows.0.model": "a\u001b[31m",
    "rows.0.chance": 0,
    "rows.0.protocol": "pose_error",
    "rows.0.pose_nrmse": 0.5,
    "run.machine": "${oc.env:HF_TOKEN}",
    "data.folds": [],
    "schema": "1",
}


@pytest.mark.parametrize(("place", "new"), CASES.items(), ids=list(CASES))
def test_a_value_that_cannot_be_is_named(run: Path, place: str, new: Any) -> None:
    path = run / "results.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, new)))
    with pytest.raises(UserError, match=r"results\.json"):
        used(run)


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        ("confusion.0.row", 10**6, "of a row that has no scores"),
        ("confusion.0.matrix.0", [1, 2], "no square matrix"),
        ("confusion.0.classes.0", "point", "names one twice"),
        ("losses.0.points.0", [1, 2], "losses"),
        ("maps.0.emg.0", ["x", 1, "fist"], "expected a number, got a text"),
    ],
)
def test_details_that_do_not_fit_are_named(run: Path, place: str, new: Any, said: str) -> None:
    path = run / "details.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, new)))
    with pytest.raises(UserError, match=rf"details\.json.*{said}"):
        used(run)


def test_results_of_older_versions_are_read() -> None:
    shipped = Path(__file__).parents[2] / "src" / "cpep" / "live" / "shipped" / "results.json"
    assert table_text(results_in(shipped))  # without ``pose``
