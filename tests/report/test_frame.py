"""The DataFrame of results: against the table that is printed, and against the file, number by number."""

import json

import numpy as np
import pandas as pd
import pytest

import cpep
from cpep.report.frame import KEYS, OF_PEOPLE, POOLED
from cpep.report.names import metric_of
from cpep.report.table import table_of
from cpep.types import UserError
from tests.report.fake_evaluation import evaluation


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    results, _ = evaluation(folds=3, users=9, seeds=2, windows=12)
    (folder / "results.json").write_text(json.dumps(results))
    return folder, results


def test_means_over_folds_and_seeds_are_those_of_the_printed_table(run):
    folder, results = run
    found = cpep.results(folder)
    assert tuple(found.columns) == POOLED
    means = found[found.metric != "macro_f1"].groupby(["metric", "model", "protocol", "gestures"])[
        ["value", "baseline"]
    ]
    means, table, seen = means.mean(), table_of(results), 0
    for line in (*table.lines, *table.ablations):
        for column, cell in zip(table.columns, line.cells, strict=True):
            if cell:
                gestures = "all" if column.together else column.gestures
                mean = means.loc[metric_of(column.gestures), line.model, column.protocol, gestures]
                assert mean.value == pytest.approx(cell.mean) and mean.baseline == pytest.approx(column.chance)
                seen += 1
    assert seen == len(means) > 10


def test_every_number_of_the_file_is_there_once(run):
    folder, results = run
    found = cpep.results(folder / "results.json")
    accuracies = [row for row in results["rows"] if "balanced_accuracy" in row]
    errors = [row for row in results["rows"] if "angular_error_deg" in row]
    both = [row for row in accuracies if "ausuc" in row]
    assert both and len(both) % 2 == 0  # two figures, on two rows
    count = 2 * len(accuracies) + len(both) + len(errors) + sum("landmark_mm" in row for row in errors)
    assert len(found) == count
    assert not found.duplicated(["model", "normalisation", "protocol", "gestures", "metric", "fold", "seed"]).any()
    row = accuracies[-1]
    lines = found.set_index(list(KEYS)).sort_index()
    line = lines.loc[tuple("balanced_accuracy" if name == "metric" else row[name] for name in KEYS)]
    assert (line.value, line.low, line.high) == (row["balanced_accuracy"], *row["ci95"])
    assert (line.baseline, line.people, line.windows) == (row["chance"], row["n_users"], row["n_windows"])


def test_people_have_a_row_each(run):
    folder, results = run
    found = cpep.results(folder, people=True)
    assert tuple(found.columns) == OF_PEOPLE
    people = sum(len(row["per_user"]) for row in results["rows"])
    assert len(found) == people + sum(len(row.get("ausuc_per_user", {})) for row in results["rows"])
    one = found[(found.model == "cpep") & (found.protocol == "zero_shot") & (found.gestures == "seen")]
    wanted = {
        (row["fold"], row["seed"], user): value
        for row in results["rows"]
        if (row["model"], row["protocol"], row["gestures"]) == ("cpep", "zero_shot", "seen")
        for user, value in row["per_user"].items()
    }
    assert {(row.fold, row.seed, row.user): row.value for row in one.itertuples()} == wanted
    assert one.user.nunique() > 5


def test_pose_errors_stand_beside_the_mean_pose(tmp_path):
    row = {
        **{"model": "vemg2pose", "protocol": "pose_error", "normalisation": "recording", "gestures": "unseen"},
        **{
            "angular_error_deg": 11.5,
            "landmark_mm": 14.25,
            "mean_pose": {"angular_error_deg": 17.0, "landmark_mm": 21.0},
        },
        **{"n_users": 2, "n_windows": 30, "per_user": {"a": 11.0, "b": 12.0}, "fold": 0, "seed": 3},
    }
    (tmp_path / "results.json").write_text(json.dumps(evaluation(1, 4)[0] | {"rows": [row]}))
    found = cpep.results(tmp_path).set_index("metric")
    assert found.value.to_dict() == {"angular_error_deg": 11.5, "landmark_mm": 14.25}
    assert found.baseline.to_dict() == row["mean_pose"] and found.low.isna().all()
    people = cpep.results(tmp_path, people=True)
    assert set(people.metric) == {"angular_error_deg"} and dict(zip(people.user, people.value, strict=True)) == {
        "a": 11.0,
        "b": 12.0,
    }


def test_the_shipped_run_is_read_and_numbers_are_numbers():
    from cpep.share.demo import RESULTS, demo_paths

    found = cpep.results(demo_paths()[0].parent / RESULTS)
    assert pd.api.types.is_float_dtype(found.value) and pd.api.types.is_integer_dtype(found.fold)
    macro = found[found.metric == "macro_f1"]
    assert len(macro) and macro.baseline.isna().all() and np.isfinite(found.value).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "expected an object, got a list"),
        ('{"schema": 2, "rows": []}', "is of another version of cpep"),
        ('{"schema": 1}', "the field run is missing"),
    ],
)
def test_another_file_is_a_sentence(tmp_path, content, said):
    with pytest.raises(UserError, match=r"holds no results\.json; give the output folder"):
        cpep.results(tmp_path)
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=said):
        cpep.results(tmp_path)
