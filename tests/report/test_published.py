"""Published figures: the numbers of the papers, to which of ours they belong, and ratios."""

from __future__ import annotations

import pytest

from cpep.config.rows import ROWS
from cpep.report.names import BENCHMARK
from cpep.report.published import UNLIKE, published, published_text, ratios, sources
from cpep.report.table import number, table_of
from tests.report.fake_evaluation import evaluation, everything

# model: linear probe seen, zero-shot seen, linear probe unseen, zero-shot unseen, in the order of cpep.md
TABLE = """
vemg2pose            .647 -    .312 -
emg_mae              .347 -    .334 -
cpep                 .782 .757 .536 .481
cpep/frozen_emg      .372 .344 .326 .298
cpep/random_init_emg .748 .701 .479 .454
cpep/avg_pool        .761 .711 .518 .454
embridge             .785 .777 .505 .528
pose                 .851 -    .649 -
"""


def test_accuracies_are_those_of_the_papers() -> None:
    rows = {name: values for name, *values in (line.split() for line in TABLE.split("\n") if line)}
    columns = [(p, g) for g in ("seen", "unseen") for p in ("linear_probe", "zero_shot")]
    for model in ROWS.names():
        found = [published(model, protocol, gestures) for protocol, gestures in columns]
        values = [number(figure.value) if figure else "-" for figure in found]
        assert values == rows.get(model, ["-"] * 4), model
        assert published(model, "zero_shot_all", "seen") is None
    assert "CPEP" in published("cpep", "linear_probe", "seen").source  # type: ignore[union-attr]
    assert "EMBridge" in published("pose", "linear_probe", "seen").source  # type: ignore[union-attr]
    note = published("vemg2pose", "linear_probe", "unseen").note  # type: ignore[union-attr]
    assert "without saying of which model" in note and ".734 seen, .405 unseen" in note


def test_pose_errors_are_those_of_new_users_and_of_new_users_on_new_stages() -> None:
    found = {}
    for model in BENCHMARK:
        for gestures in ("seen", "unseen"):
            figure = published(model, "pose_error", gestures)
            assert figure is not None and figure.of("angular_error_deg") == figure.value
            assert "2412.02725" in figure.source and figure.of("pose_nrmse") is None
            found[model, gestures] = (figure.value, figure.of("landmark_mm"))
    assert found == {
        ("sensing_dynamics", "seen"): (15.50, 21.80),
        ("sensing_dynamics", "unseen"): (18.70, 27.20),
        ("neuropose", "seen"): (13.20, 17.50),
        ("neuropose", "unseen"): (17.50, 24.90),
        ("emg2pose", "seen"): (12.57, 16.28),
        ("emg2pose", "unseen"): (15.57, 21.49),
        ("vemg2pose", "seen"): (12.24, 15.82),
        ("vemg2pose", "unseen"): (15.63, 21.30),
    }
    assert published("pose_t", "pose_error", "seen") is None


def test_ratios_are_over_the_best_model_of_the_benchmark() -> None:
    results, _ = everything(windows=5)
    table = table_of(results)
    found = ratios(results)
    assert [ratio.gestures for ratio in found] == ["seen", "unseen"]
    for place, (ratio, paper) in enumerate(zip(found, (1.21, 1.72), strict=True)):
        means = {line.model: cell.mean for line in table.lines if (cell := line.cells[place])}
        assert table.columns[place].protocol == "linear_probe"
        best = max(BENCHMARK, key=lambda model: means[model])
        assert ratio.other == best and ratio.ours == pytest.approx(means["cpep"] / means[best])
        assert round(ratio.paper, 2) == paper and f"{ratio.ours:.2f}, in the paper {paper}" in ratio.sentence
        assert ratio.under_trained == (best in ("vemg2pose", "emg2pose")) == ("under-trained" in ratio.sentence)
    results["rows"] = [row for row in results["rows"] if row["model"] not in BENCHMARK]
    assert ratios(results) == []
    assert ratios({"rows": [row for row in everything(windows=2)[0]["rows"] if row["model"] != "cpep"]}) == []


def test_an_under_trained_best_model_of_the_benchmark_is_called_so() -> None:
    results, _ = everything(windows=5)
    keep = ("cpep", "vemg2pose")
    results["rows"] = [row for row in results["rows"] if row["model"] in keep]
    (seen, _) = ratios(results)
    assert seen.sentence.startswith("linear probe on seen gestures: cpep over vemg2pose (the best model of")
    assert seen.under_trained and "here, under-trained)" in seen.sentence


def test_text_sets_ours_beside_the_papers() -> None:
    results, _ = everything(windows=5)
    text = published_text(results, 100)
    assert max(map(len, text.splitlines())) <= 100
    accuracies, errors, words = text.split("\n\n")
    table = table_of(results)
    cpep = [cell.mean for cell in next(line for line in table.lines if line.model == "cpep").cells[:4] if cell]
    papers = (".782", ".536", ".757", ".481")
    pairs = [text for mean, paper in zip(cpep, papers, strict=True) for text in (number(mean), paper)]
    assert f"{'cpep':<22}{'   '.join(pairs)}" in accuracies.splitlines()
    heads = accuracies.splitlines()[:3]
    assert heads[2].index("ours") == heads[1].index("seen") == heads[0].index("linear probe")
    models = [line.split()[0] for line in accuracies.splitlines()[4:]]
    assert models == [
        *("cpep", "embridge", "emg_mae", "pose", "vemg2pose†"),
        *("cpep/frozen_emg", "cpep/random_init_emg", "cpep/avg_pool"),
    ]
    (line,) = (line for line in errors.splitlines() if line.startswith("neuropose"))
    assert line.split()[2::2] == ["13.2", "17.5", "17.5", "24.9"]
    said = " ".join(words.split())
    assert UNLIKE in said and "370 h, 193 people" in UNLIKE and "not comparable" in UNLIKE
    assert all(f"Ratio of {ratio.sentence}." in said for ratio in ratios(results))
    assert "arXiv 2509.04699: cpep, " in said and "(pose errors): vemg2pose, emg2pose, neuropose" in said
    assert said.endswith("† stopped at cpep's total compute while its validation loss was falling: under-trained.")


def test_rows_without_published_figures() -> None:
    results, _ = evaluation(folds=1, windows=2, models={"features": 0.4, "ridge": 0.4})
    assert published_text(results) == "" and sources(results) == []
    results, _ = everything(folds=1, windows=2, glove=True)
    assert "RMSE" not in published_text(results) and "13.2" not in published_text(results)
    assert not any("pose errors" in source for source in sources(results)) and len(sources(results)) == 3
