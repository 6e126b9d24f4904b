"""Table and page of every model and ablation: what stands where, and that it stays legible and small."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cpep.config.rows import ROWS, is_ablation
from cpep.report import figures
from cpep.report.html import table_text, write_report
from cpep.report.names import BENCHMARK
from cpep.report.table import table_of
from tests.report.fake_evaluation import evaluation, everything
from tests.report.test_html import Page

MINUS = "\u2212"
HINT = "Wider than this screen: scroll the table sideways →"


@pytest.mark.parametrize("folds", [1, 4])
def test_text_of_forty_rows_stays_readable(folds: int) -> None:
    results, _ = everything(folds=folds, windows=3)
    text = table_text(results, 100)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    border = next(k for k, line in enumerate(lines) if line.startswith("-- ablations"))
    main, ablations = lines[4:border], lines[border + 1 : lines.index("")]
    names = [line.split()[0] for line in ablations]
    expected = [name for name in ROWS.names() if is_ablation(name)]
    if folds == 1:  # intervals leave less room for names
        expected = [name.removeprefix("cpep/") for name in expected]
        assert lines[border].startswith("-- ablations cpep/... ---")
    assert names[0] == "cpep" and [n for n in names[1:] if n[0] not in ".-"] == expected
    assert ablations[0] == main[0]  # the reference is repeated
    assert sum(line.startswith(" ") for line in [*main, *ablations]) <= 2  # few names take a line of their own
    assert "cpep/shuffled_pairs" in "\n".join(main)
    assert {line.split()[0] for line in main if "†" in line} <= {"vemg2pose†", "emg2pose†"}
    assert "\nvemg2pose† " in text
    assert text.endswith("\n† stopped at cpep's total compute while its validation loss was falling: under-trained.")


def test_one_run_that_spent_the_compute_marks_a_model() -> None:
    results, _ = evaluation(folds=2, windows=5, models={"cpep": 0.4, "emg2pose": 0.4, "supervised": 0.4})
    ends = [("cpep", "steps"), ("emg2pose", "flat"), ("emg2pose", "compute"), ("supervised", "flat")]
    results["training"] = [{"model": model, "stopped": end} for model, end in ends]
    assert {line.marked: line.under_trained for line in table_of(results).lines} == {
        "cpep": False,
        "emg2pose†": True,
        "supervised": False,
    }
    del results["training"]
    assert "†" not in table_text(results, 100)


def test_every_name_is_described() -> None:
    words = [row.words for row in ROWS]
    assert all(words) and len(set(words)) == len(words)
    spec = "cpep embridge emg_mae features ridge cca pose supervised vemg2pose emg2pose neuropose sensing_dynamics"
    assert [name for name in ROWS.names() if "/" not in name and name != "pose_t"] == sorted(
        spec.split(), key=ROWS.names().index
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("full") / "report.html"
    write_report(*everything(windows=5), path)
    return path.read_text(encoding="utf-8")


def part(page: str, start: str, end: str) -> str:
    return page[page.index(f'id="{start}"') : page.index(f'id="{end}"')]


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_page_of_every_model_is_well_formed_and_small(full: str) -> None:
    Page(full)
    assert len(full.encode()) < 3e6
    assert re.findall(r"<h2 id=\"(\w+)\"", full) == [
        *("table", "errors", "people", "confusion", "losses", "map", "run", "files")
    ]
    assert not re.search(r"https?://|url\(|@import|<script", full)
    for svg in re.findall(r"<svg.*?</svg>", full, flags=re.S):
        ElementTree.fromstring(svg)


def test_ablations_have_a_table_of_their_own_and_no_figures(full: str) -> None:
    ablations = [name for name in ROWS.names() if is_ablation(name)]
    rows = [re.findall(r'<th scope="row">(.*?)(?:<span|<small|</th>)', p) for p in full.split("<table")]
    tables = [[row.replace("<wbr>", "") for row in names] for names in rows if names]
    main, _, own, *_ = tables  # all gestures at once have a block of their own
    assert main == [name for name in ROWS.names() if not is_ablation(name)]
    assert own == ["cpep", *ablations]
    figures_ = part(full, "people", "run")
    assert not any(name in figures_ for name in ablations)
    assert "vemg2pose†" in part(full, "people", "confusion") and "† under-trained." in words(figures_)


def test_published_figures_stand_in_their_cells(full: str) -> None:
    main = full[full.index("<tbody>") : full.index("</tbody>")]
    cells = [words(cell) for cell in re.findall(r"<td.*?</td>", main[main.index(">embridge<") :], flags=re.S)[:4]]
    assert [cell.partition(" paper ")[2] for cell in cells] == [".785", ".505", ".777", ".528"]
    said = words(part(full, "table", "ablations"))
    assert "The numbers are not comparable: only orders and ratios may be set side by side." in said
    assert said.count("Ratio of linear probe on") == 2 and "in the paper 1.72" in said
    assert "arXiv 2509.04699" in said and "without saying of which model" in said


def test_under_trained_models_are_tagged_everywhere(full: str) -> None:
    tag = re.compile(r">(\w+)(?:<wbr>)?\w*<span class=\"tag warn\">under-trained")
    for start, end in (("table", "ablations"), ("differences", "errors"), ("errors", "people")):
        tables = 2 if start == "table" else 1
        assert tag.findall(part(full, start, end)) == ["vemg2pose", "emg2pose"] * tables
    assert "Under-trained (vemg2pose, emg2pose): stopped at cpep" in words(full)


def test_differences_are_a_table_with_bold_where_they_hold(tmp_path: Path) -> None:
    results, details = everything(folds=1, windows=3)
    kinds = {
        "ridge": (0.0812, 0.035, 0.12, True, 24),
        "cca": (-0.02, -0.05, 0.012, False, 23),
        "cpep/avg_pool": (-0.1, -0.15, -0.05, True, 24),
    }
    results["comparisons"] = [
        {
            **{"one": "cpep", "other": other, "protocol": "zero_shot", "gestures": "unseen", "difference": mean},
            **{"ci95": [low, high], "holds": holds, "people": people, "seeds": [0], "under_trained": False},
        }
        for other, (mean, low, high, holds, people) in kinds.items()
    ]
    write_report(results, details, tmp_path / "report.html")
    html = part((tmp_path / "report.html").read_text(), "differences", "errors")
    assert re.findall(r"<strong>(.*?)</strong>", html) == ["+.081", f"{MINUS}.100"]
    said = words(html)
    assert f"Other models (23\u201324 people) {HINT} Zero-shot cpep minus … unseen ridge +.081 +.035 to +.120" in said
    assert f"cca {MINUS}.020 {MINUS}.050 to +.012" in said
    lost = f"{MINUS}.100 {MINUS}.150 to {MINUS}.050"
    assert f"Ablations (24 people) {HINT} Zero-shot cpep minus … unseen cpep/ avg_ pool {lost}" in said
    assert "too narrow" not in said
    for comparison in results["comparisons"]:
        comparison["people"] = 5
    write_report(results, details, tmp_path / "report.html")
    assert "With so few people (5) the intervals are too narrow." in words((tmp_path / "report.html").read_text())


def test_pose_errors_have_a_section(full: str) -> None:
    results, _ = everything(windows=5)
    section = words(part(full, "errors", "people"))
    rows = [r for r in results["rows"] if r["protocol"] == "pose_error" and r["model"] == "neuropose"]
    values = [row["angular_error_deg"] for row in rows if row["gestures"] == "seen"]
    assert f"predicts the pose {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f} paper 13.2" in section
    assert "mean pose always the training people's mean pose, without EMG 19.4 ± 0.0" in section
    assert "Angular error, degrees Landmark distance, mm seen unseen seen unseen" in section


def test_pose_errors_of_a_glove_have_no_published_figures(tmp_path: Path) -> None:
    write_report(*everything(folds=1, windows=3, glove=True), tmp_path / "report.html")
    section = words(part((tmp_path / "report.html").read_text(), "errors", "people"))
    assert "Normalised RMSE seen unseen" in section and "1 is what answering the mean" in section
    assert "paper" not in section.lower()


def test_training_says_what_it_cost_and_why_it_stopped(full: str) -> None:
    section = words(full[full.index('id="training"') : full.index("<summary>Configuration")])
    spent = "all compute that it was allowed was spent while its validation loss was falling: under-trained"
    assert f"vemg2pose 5.98 900 99 {spent}" in section
    assert f"its validation loss was flat (2 of 4 runs); {spent} (2" in section
    assert "cpep 0.41 900 100 its number of steps was done" in section
    main, ablations = section.split("Ablations")
    assert "avg_ pool" in ablations and "avg_ pool" not in main and "shuffled_ pairs" in main


def _runs(one: figures.Figure) -> int:
    return one.svg.count('class="curve train"') - 1  # the key has a line too


def test_curves_of_ablations_are_left_out() -> None:
    stages = ["emg2pose", "cpep/avg_pool", "emg_mae-1a2b3c", "cpep", "cpep/shuffled_pairs", "pose_mae", "emg_mae"]
    stages += ["emg_mae", "supervised", "vemg2pose"]
    losses = [{"stage": s, "fold": 0, "seed": 0, "points": [[1, 2.0, 2.0]], "kept_step": 1} for s in stages]
    losses.append({"stage": "pose_t", "fold": 0, "seed": 0, "points": [], "kept_step": 1})
    found = {group: [(one.title, _runs(one)) for one in drawn] for group, drawn in figures.curves(losses)}
    assert found == {
        "Stages of cpep": [
            ("EMG masked autoencoder", 2),
            ("Pose masked autoencoder", 1),
            ("Alignment of EMG to pose", 1),
            ("Alignment of shuffled pairs", 1),
        ],
        "Other models": [("supervised", 1), ("vemg2pose", 1), ("emg2pose", 1)],
    }
    (drawn,) = (one for _, many in figures.curves(losses) for one in many if one.title == "vemg2pose")
    assert "loss (L1)" in drawn.svg and drawn.name == "loss-vemg2pose" and set(BENCHMARK) <= set(figures.STAGES)
