"""Figures as files: sizes, fonts, and that what is drawn is where the page has it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cpep.cli.main import main
from cpep.report import figures, plots
from cpep.report.canvas import drawn, write_figures
from cpep.report.scatter import scatter
from cpep.report.style import LIGHT, RULES, looks_of
from cpep.runtime.files import write_json
from cpep.types import UserError
from tests.report.fake_evaluation import evaluation

SMALL = {"cpep": 0.4, "cpep/shuffled_pairs": 0.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    results, details = evaluation(folds=1, windows=5, models=SMALL)
    write_json(folder / "results.json", results)
    write_json(folder / "details.json", details)
    return folder


def millimetres(path: Path) -> float:
    """Return the width of a PDF's page."""
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", path.read_bytes())
    assert box
    return float(box[1]) * 25.4 / 72


def test_the_command_writes_the_asked_figures_in_every_format_with_captions(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--format", "svg,pdf", "--only", "map-*,confusion-cpep_shuffled_pairs-zero_shot-unseen"]
    assert main(["figures", str(run), str(tmp_path / "out"), *asked]) == 0
    names = ["confusion-cpep_shuffled_pairs-zero_shot-unseen", "map-seen", "map-unseen"]
    expected = sorted([f"{name}.{form}" for name in names for form in ("svg", "pdf")] + ["captions.md"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == expected
    assert "3 figures as svg, pdf;" in capsys.readouterr().out
    captions = (tmp_path / "out" / "captions.md").read_text()
    assert "**map-seen** (85 mm wide)" in captions and "900 windows of EMG of 4 tested people" in captions
    for name in names:
        pdf, svg = ((tmp_path / "out" / f"{name}.{form}").read_bytes() for form in ("pdf", "svg"))
        assert b"/FontFile2" in pdf and millimetres(tmp_path / "out" / f"{name}.pdf") <= 85.1
        assert b"<text" not in svg and not re.search(
            rb"href=\"http", svg
        )  # letters are outlines: any viewer has them
    assert main(["figures", str(run), str(tmp_path / "out"), "--format", "png", "--only", "loss-cpep"]) == 0
    assert (tmp_path / "out" / "loss-cpep.png").is_file() and (tmp_path / "out" / "map-seen.pdf").is_file()


def test_files_of_one_run_are_the_same_bytes(run: Path, tmp_path: Path) -> None:
    results, details = evaluation(folds=1, windows=5, models=SMALL)
    every = figures.every(results, details)
    for out in ("a", "b"):
        write_figures(every, tmp_path / out, ("svg", "pdf"), ("loss-cpep",))
    for form in ("svg", "pdf"):
        assert (tmp_path / "a" / f"loss-cpep.{form}").read_bytes() == (
            tmp_path / "b" / f"loss-cpep.{form}"
        ).read_bytes()


def test_a_wide_figure_takes_two_columns() -> None:
    names = [f"gesture_{k}" for k in range(40)]
    _, one = drawn(plots.heat(np.eye(12), names[:12], names[:12], 0, "t"))
    _, two = drawn(plots.heat(np.eye(40), names, names, 0, "t"))
    assert one <= 85.01 and 85.01 < two <= 178.01


def test_what_is_asked_wrongly_is_a_sentence(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for asked, said in (
        (["--format", "eps"], "--format eps: give some of svg, pdf, png"),
        (["--format", ","], "--format nothing"),
        (["--only", "nap-*"], "no figure is named nap-*"),
    ):
        assert main(["figures", str(run), str(tmp_path / "new"), *asked]) == 2
        assert said in capsys.readouterr().err
    assert main(["figures", str(tmp_path), str(tmp_path / "new")]) == 2
    assert "holds no results.json" in capsys.readouterr().err
    with pytest.raises(UserError, match="no figure is in this run"):
        write_figures([], tmp_path / "new", ("svg",))
    assert not (tmp_path / "new").exists()


def test_dots_are_drawn_in_their_colours_where_the_page_has_them(tmp_path: Path) -> None:
    emg, pose = [(0.0, 0.0, "fist"), (1.0, 1.0, "ok")], [(0.0, 1.0, "fist")]
    svg = scatter(emg, pose, ["fist", "ok"], "t")
    paper, _ = drawn(svg)
    paper.savefig(tmp_path / "a.png", dpi=288)
    width = float(re.findall(r'viewBox="0 0 (\d+) ', svg)[0])
    with Image.open(tmp_path / "a.png") as image:
        rgb = np.asarray(image.convert("RGB"), float)
    scale = rgb.shape[1] / width
    for number, name in ((0, "c0"), (1, "c1")):
        x, y = re.findall(r'class="emg" style="--colour:var\(--c\d\)" d="M([\d.]+) ([\d.]+)', svg)[number]
        pixel = rgb[round(float(y) * scale), round(float(x) * scale)]
        colour = np.array([int(LIGHT[name][k : k + 2], 16) for k in (1, 3, 5)])
        assert np.abs(pixel - (0.75 * colour + 0.25 * 255)).max() < 30, name


def test_every_rule_is_known_to_files() -> None:
    for selector, _ in RULES:
        classes = selector.removeprefix(".").split(".") if selector.startswith(".") else []
        looks = looks_of("path" if classes else selector, classes, "--colour:var(--c0)")
        assert looks and not any("var(" in value for value in looks.values())
