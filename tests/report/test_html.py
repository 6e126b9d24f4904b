"""The table as text, and the page: what it holds, what it must not hold, and what its figures draw."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cpep.report import plots, scatter
from cpep.report.confusion import added
from cpep.report.html import _natural, table_text, write_report
from cpep.report.latex import tables_latex
from cpep.report.markdown import tables_markdown
from cpep.report.svg import round_ticks
from cpep.report.table import number, table_of
from tests.report.fake_evaluation import SEEN, UNSEEN, evaluation

VOID = {"meta", "link", "br", "wbr"}


class Page(HTMLParser):
    """Checks that tags close in order; collects ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(*evaluation(windows=10), path)
    return path.read_text(encoding="utf-8")


def test_the_table_says_where_fewer_people_were_tested() -> None:
    results, _ = evaluation(folds=4, users=8, windows=5)
    assert "8 people tested, each absent" in table_text(results, 100)
    for row in results["rows"]:
        if row["gestures"] == "unseen" and row["fold"]:
            row["per_user"] = {}
    said = " ".join(table_text(results, 100).split())
    assert "8 people tested (2 of them on unseen gestures), each absent" in said


def test_what_is_printed_says_that_not_all_poses_voted(tmp_path: Path) -> None:
    results, details = evaluation()
    results["rows"] = [{**row, "gallery": [30000, 599040]} for row in results["rows"]]
    write_report(results, details, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for said in (table_text(results, 100), page, tables_latex(results), tables_markdown(results)):
        assert "In zero-shot 30,000 of 599,040 poses of training people vote, drawn evenly" in " ".join(said.split())


def test_table_is_the_mean_and_sd_over_folds_and_seeds() -> None:
    results, _ = evaluation(folds=4, seeds=2, windows=5)
    table = table_of(results)
    line = next(line for line in table.lines if line.name == "cpep")
    column = [(c.protocol, c.gestures) for c in table.columns].index(("zero_shot", "unseen"))
    values = [
        row["balanced_accuracy"]
        for row in results["rows"]
        if (row["model"], row["protocol"], row["gestures"]) == ("cpep", "zero_shot", "unseen")
    ]
    cell = line.cells[column]
    assert cell is not None and len(values) == table.runs == 8
    mean = sum(values) / 8
    assert cell.mean == pytest.approx(mean)
    assert cell.sd == pytest.approx((sum((v - mean) ** 2 for v in values) / 7) ** 0.5)
    assert table.columns[column].chance == 0.25
    text = table_text(results, 100)
    assert f"{number(cell.mean)} ± {number(cell.sd)}" in text
    assert "mean ± SD over 4 folds x 2 seeds;" in text.replace("\n", " ")
    assert [c.gestures for c in table.columns] == [*["seen", "unseen"] * 3, "H", "AUSUC"]


def test_bold_is_for_models_that_get_emg() -> None:
    results, _ = evaluation(windows=5)
    table = table_of(results)
    for column in range(len(table.columns)):
        pose = next(line for line in table.lines if line.name == "pose").cells[column]
        best = table.best(column)
        assert pose is not None and best is not None and best < pose.mean


@pytest.mark.parametrize("folds", [1, 4])
def test_text_fits_a_terminal_and_columns_stand_under_their_heads(folds: int) -> None:
    results, _ = evaluation(
        folds=folds, windows=5, models={"cpep": 1.0, "cpep/no_mae_equal_compute": 0.3, "pose": 1.0}
    )
    text = table_text(results, 100)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100 and "\t" not in text and "\x1b" not in text
    starts = [match.start() for match in re.finditer(r"(un)?seen", lines[1])]
    assert len(starts) == 6
    for line in lines[2 : lines.index("")]:
        if line.count(".") >= 6:
            assert all(line[start - 1] == " " and line[start] in ".1" for start in starts)
    said = (
        "8 seen and 4 unseen gestures. H: harmonic mean of seen and unseen; AUSUC: area under the seen-unseen curve."
    )
    assert text.replace("\n", " ").endswith(said)


@pytest.mark.parametrize("width", [40, 60, 80, 99])
def test_text_fits_a_narrow_terminal_in_blocks(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results, _ = evaluation(windows=5)
    monkeypatch.setenv("COLUMNS", str(width))
    text = table_text(results)
    assert max(map(len, text.splitlines())) <= width
    *blocks, legend = text.split("\n\n")
    assert [len(re.findall(r"(?:un)?seen", block)) for block in blocks] == {
        40: [2, 2, 2, 0],
        60: [2, 2, 2, 0],
        80: [4, 2],
        99: [6, 0],
    }[width]
    assert re.search(r" H +AUSUC$", blocks[-1], re.MULTILINE)
    assert " ".join(legend.split()).startswith("Balanced accuracy, mean ± SD over 4 folds; 16 people")
    assert all(block.splitlines()[0].strip() and "cpep/shuffled_pairs" in block for block in blocks)
    assert sum("emg_mae" in block for block in blocks) == 1  # no row of dashes where a model has nothing


def test_text_of_a_small_case() -> None:
    row = {
        "model": "cpep",
        "protocol": "zero_shot",
        "gestures": "seen",
        "normalisation": "recording",
        "balanced_accuracy": 0.4567,
        "ci95": [0.4, 0.523],
        "chance": 0.125,
        "per_user": {"8": 0.44, "9": 0.47},
    }
    results = {"rows": [row], "data": {"gestures_seen": ["fist"] * 8, "gestures_unseen": []}}
    assert table_text(results, 100) == (
        "        zero-shot\n"
        "        seen\n"
        "chance  .125\n"
        "--------------------\n"
        "cpep    .457 .40-.52\n"
        "\n"
        "Balanced accuracy, with 95 % interval (bootstrap over people and their windows); 2 people tested,\n"
        "each absent from training; 8 seen and 0 unseen gestures."
    )
    causal = {**row, "normalisation": "causal", "balanced_accuracy": 0.3}
    both = table_text({**results, "rows": [row, causal]}, 100).splitlines()
    assert both[4].startswith("cpep (recording)  .457") and both[5].startswith("cpep (causal)     .300")


def test_rows_without_accuracy_and_unknown_protocols() -> None:
    results, _ = evaluation(windows=5)
    results["rows"].append({**results["rows"][0], "protocol": "few_shot_9"})
    error = {key: results["rows"][0][key] for key in ("model", "gestures", "fold", "seed", "normalisation")}
    results["rows"].append({**error, "protocol": "pose_error", "angular_error_deg": 12.0})
    table = table_of(results)
    assert [c.title for c in table.columns][-1] == "few shot 9"
    text = table_text(results, 100)
    assert "few shot 9" in text and max(map(len, text.splitlines())) <= 100


def test_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    Page(page)
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:,|#)", page)
    assert not re.search(r"https?://|url\(|@import|<script", page)
    assert "prefers-color-scheme: dark" in page
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.S):
        ElementTree.fromstring(svg)
        assert not re.search(r"#[0-9a-f]{3,6}\b", svg)  # colours belong to the style sheet: light and dark


def test_page_opens_with_the_table_and_keeps_the_order(page: str) -> None:
    heads = re.findall(r"<h2 id=\"(\w+)\"", page)
    assert heads == ["table", "people", "confusion", "losses", "map", "run", "files"]
    text = " ".join(Page(page).texts)
    for words in (
        "balanced accuracy",
        "Linear probe",
        "Zero-shot",
        "unseen",
        "chance .125",
        "abc1234",
        "23 min 32 s",
        "2-second windows",
        "by recording: each scaled by its own statistics",
    ):
        assert words in text
    assert text.count("index flexion answered as index flexion") == 13  # 5 probes, 2 x 4 zero-shot rows


def test_page_survives_missing_details_and_strange_names(tmp_path: Path) -> None:
    results, _ = evaluation(folds=1, unseen=(), windows=5)
    write_report(results, {}, tmp_path / "bare.html")
    heads = re.findall(r"<h2 id=\"(\w+)\"", (tmp_path / "bare.html").read_text())
    assert heads == ["table", "people", "run", "files"]
    evil = '<img src=x onerror="a">&'
    results, details = evaluation(folds=1, windows=5, seen=("fist", evil), models={"cpep": 0.4, evil: 0.4})
    details["notes"] = [evil]
    write_report(results, details, tmp_path / "evil.html")
    text = (tmp_path / "evil.html").read_text()
    assert "<img" not in text
    assert evil in "".join(Page(text).texts)
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.S):
        ElementTree.fromstring(svg)


def test_page_of_several_seeds_of_one_fold(tmp_path: Path) -> None:
    results, details = evaluation(folds=1, seeds=2, windows=5, models={"cpep": 0.4, "pose": 0.9})
    details["losses"].reverse()
    write_report(results, details, tmp_path / "report.html")
    text = " ".join(" ".join(Page((tmp_path / "report.html").read_text()).texts).split())
    assert "mean ± SD over 2 seeds;" in text and "Each seed trains from other random weights." in text
    assert "Grey models are pose (ceiling)." in text
    titles = ("EMG masked autoencoder", "Pose masked autoencoder", "Alignment of EMG to pose")
    assert sorted(titles, key=text.index) == list(titles)  # the order in which they were trained


def test_seen_and_unseen_rows_share_a_matrix_where_the_answers_are_the_same(page: str) -> None:
    main = page[page.index('id="confusion"') : page.index("<details>")]
    assert re.findall(r"Confusion matrix of cpep, ([^\"]+)", main) == [
        "linear probe, seen gestures",
        "linear probe, unseen gestures",
        "zero-shot, seen gestures",
        "zero-shot, unseen gestures",
        "zero-shot among all, seen and unseen gestures",
    ]


def test_people_are_sorted_by_number() -> None:
    assert _natural(["10", "2", "s10", "s9", "1", "anna"]) == ["1", "2", "10", "anna", "s9", "s10"]


def test_matrices_are_summed_over_folds(tmp_path: Path) -> None:
    results, details = evaluation(folds=2, windows=5, models={"cpep": 0.4})
    write_report(results, details, tmp_path / "report.html")
    total = np.zeros((8, 8))
    for item in details["confusion"]:
        row = results["rows"][item["row"]]
        if (row["protocol"], row["gestures"]) == ("zero_shot", "seen"):
            total += np.array(item["matrix"])
    share = 100 * total[0, 1] / total[0].sum()
    text = (tmp_path / "report.html").read_text()
    expected = f"{SEEN[0]} answered as {SEEN[1]}: {share:.0f} % of {total[0].sum():.0f} windows".replace("_", " ")
    assert expected in text


def test_matrices_of_folds_that_offer_other_answers_are_added_by_name() -> None:
    """Training people of a fold may lack a gesture, which then is no answer there."""
    first = {"classes": ["fist", "point", "ok"], "matrix": [[3, 1, 0], [0, 2, 0], [0, 0, 1]]}
    second = {"classes": ["ok", "fist"], "matrix": [[5, 0], [1, 4]]}
    for items in ([first, second], [second, first]):
        classes, total_KK = added(items)
        found = {(a, b): total_KK[i, j] for i, a in enumerate(classes) for j, b in enumerate(classes)}
        assert {pair: count for pair, count in found.items() if count} == {
            **{("fist", "fist"): 7, ("fist", "point"): 1, ("point", "point"): 2, ("ok", "ok"): 6, ("fist", "ok"): 1}
        }


def test_the_page_of_folds_that_offer_other_answers_is_written(tmp_path: Path) -> None:
    results, details = evaluation(folds=2, windows=5, models={"cpep": 0.4, "cpep/shuffled_pairs": 0.0})
    for item in details["confusion"]:
        if results["rows"][item["row"]]["fold"] == 1:
            item["classes"], item["matrix"] = item["classes"][1:], [row[1:] for row in item["matrix"][1:]]
    write_report(results, details, tmp_path / "report.html")
    Page((tmp_path / "report.html").read_text())


def test_heat_draws_every_cell_and_marks_right_answers() -> None:
    svg = plots.heat(np.array([[3.0, 1, 0], [0, 0, 8]]), ["a_b", "c"], ["a_b", "other", "c"], 2, "t")
    tree = ElementTree.fromstring(svg)
    cells = [(rect.get("class"), rect.get("style")) for rect in tree.iter("rect")]
    right, wrong = "cell right", "cell"
    shade = ["fill-opacity:0.060", "fill-opacity:0.295", "fill-opacity:0.765", "fill-opacity:1.000"]
    assert cells[:3] == [(right, shade[2]), (wrong, shade[1]), (wrong, shade[0])]
    assert cells[3:] == [(wrong, shade[0]), (wrong, shade[0]), (right, shade[3])]
    assert [text.text for text in tree.iter("text")] == [
        *("answer →", "made ↓", "a b", "other", "c"),
        *("a b", "75", "25", "c", "100"),
    ]
    upright, level = tree.iter("line")  # seen from unseen, among answers and among rows
    assert (upright.get("class"), level.get("class")) == ("split", "split")
    assert upright.get("x1") == upright.get("x2") and level.get("y1") == level.get("y2")
    assert "split" not in plots.heat(np.eye(2), ["a", "b"], ["a", "b"], 0, "t")


def test_dots_stand_at_their_values() -> None:
    users = {str(u): 0.5 for u in range(6)} | {"low": 0.0, "high": 1.0}
    tree = ElementTree.fromstring(plots.dots([("cpep", "", users), ("pose", "ceiling", {"1": 0.9})], 0.25, "t"))
    circles = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in tree.iter("circle")]
    assert len(circles) == 9
    low, high = circles[6][0], circles[7][0]
    assert {round(x - (low + high) / 2, 1) for x, _ in circles[:6]} <= {-0.1, 0.0, 0.1}
    assert len(set(circles)) == 9  # equal values lie beside each other
    chance = next(line for line in tree.iter("line") if line.get("class") == "chance")
    assert float(chance.get("x1", "")) == pytest.approx(low + 0.25 * (high - low), abs=0.1)


def test_seen_unseen_curves_have_a_colour_each_and_a_ring_at_the_models_own_constant() -> None:
    line = [(0.9, 0.0), (0.5, 0.5), (0.0, 0.8)]
    models = [(f"m{k}", "", line, (0.9, 0.0)) for k in range(9)] + [("pose", "ceiling", line, (0.0, 0.8))]
    tree = ElementTree.fromstring(plots.seen_unseen(models, "t"))
    drawn = [(p.get("class"), p.get("style")) for p in tree.iter("polyline")]
    assert len(set(drawn)) == 10 and drawn[-1] == ("curve between ceiling", None)
    first, rings = next(tree.iter("polyline")), list(tree.iter("circle"))
    ends = [tuple(map(float, point.split(","))) for point in first.get("points", "").split()]
    assert (float(rings[0].get("cx", "")), float(rings[0].get("cy", ""))) == ends[0]
    assert (float(rings[-1].get("cx", "")), float(rings[-1].get("cy", ""))) == ends[-1]
    (x0, y0), (x1, y1), (x2, y2) = ends
    assert (x1 - x2) / (x0 - x2) == pytest.approx(5 / 9, abs=0.01) and (y0 - y1) / (y0 - y2) == pytest.approx(5 / 8)
    names = [text.text for text in tree.iter("text")]
    assert names[-10:] == [f"m{k}" for k in range(9)] + ["pose"]


def test_curves_skip_missing_validation_points_and_stay_inside() -> None:
    runs = [[[10, 5.0, None], [20, 4.0, 4.5], [30, 3.0, 4.25]], [[10, 6.0, 6.5]]]
    tree = ElementTree.fromstring(plots.curves(runs, [20, 10], "nats", "t"))
    lines = [(p.get("class"), p.get("points", "").split()) for p in tree.iter("polyline")]
    assert [(name, len(points)) for name, points in lines] == [
        ("curve train", 3),
        ("curve train", 1),
        ("curve validation", 2),
        ("curve validation", 1),
    ]
    width, height = (float(v) for v in tree.get("viewBox", "").split()[2:])
    for _, points in lines:
        for x, y in (map(float, point.split(",")) for point in points):
            assert 40 < x < width and 0 < y < height - 30
    assert "loss (nats)" in [text.text for text in tree.iter("text")]
    kept = [points[0] for name, points in lines if name == "curve validation"]
    assert [f"{c.get('cx')},{c.get('cy')}" for c in tree.iter("circle")] == kept


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.421, 0.424), (3.0, 5.7), (0.5, 0.5), (-2.0, 900.0), (0, 0)])
def test_ticks_are_round_and_hold_the_data(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 8


def test_scatter_colours_only_the_gestures_shown_and_draws_its_scale_and_key() -> None:
    points = [(0.0, 0.0, SEEN[0]), (1.0, 2.0, UNSEEN[0]), (-1.0, 1.0, SEEN[0])]
    tree = ElementTree.fromstring(scatter.scatter(points, points, [SEEN[0]], "t"))
    paths = {(p.get("class"), p.get("style")): p.get("d", "").count("M") for p in tree.findall("path")}
    assert paths == {("emg", "--colour:var(--c0)"): 2, ("pose", "--colour:var(--c0)"): 2}
    texts = [text.text for text in tree.iter("text")]
    assert texts == ["index flexion", "0.6", "EMG", "pose", "index flexion"]
    bar = next(tree.iter("line"))
    length = float(bar.get("x2", "")) - float(bar.get("x1", ""))
    places = re.findall(r"M([-\d.]+) ([-\d.]+)", next(p for p in tree.iter("path")).get("d", ""))
    (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in places)
    assert np.hypot(x1 - x0, y1 - y0) / length == pytest.approx(2**0.5 / 0.6, rel=0.01)  # one scale in x and y


def test_gestures_that_reuse_a_colour_have_another_mark() -> None:
    names = [f"g{k}" for k in range(16)]
    points = [(float(k % 4), float(k // 4), name) for k, name in enumerate(names)]
    tree = ElementTree.fromstring(scatter.scatter(points, points, names, "t"))
    marks = [(p.get("class"), p.get("style"), p.get("d", "")) for p in tree.findall("path")]
    looks = [(kind, colour, re.sub(r"M[\d.]+ [\d.]+", "", path)) for kind, colour, path in marks]
    assert len(looks) == 32 and len(set(looks)) == 32


def test_labels_of_a_map_cover_none_and_stay_inside() -> None:
    placed = scatter._spread([(f"gesture {k}", (100.0 + k, 50.0 + k % 3)) for k in range(8)], 300, 160)
    heights = sorted(y for _, (_, y) in placed)
    assert all(b - a >= 15 for a, b in pairwise(heights))
    assert heights[0] >= 12 and heights[-1] <= 160
