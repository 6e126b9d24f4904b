"""What the report says of read-outs that were chosen, beside the choices themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

from cpep.experiments.best import Choice, words
from cpep.experiments.readouts import Candidate, Way
from cpep.report.choices import Chosen, choices_of
from cpep.report.html import write_report
from cpep.report.markdown import tables_markdown
from tests.report.fake_evaluation import evaluation
from tests.report.test_html import Page

DASH = "\u2013"
PLAIN, EVEN = Candidate("features"), Candidate("embedding", Way.even)
TAUGHT = Candidate("features", Way.alone, taught=True)
ONE = Choice((PLAIN, EVEN), (EVEN,), ("aligned", "pose from features"), (PLAIN,), (TAUGHT, EVEN), 2.5)
OTHER = replace(ONE, labelled=(PLAIN,), likeness=("aligned",), among=(TAUGHT,), calibration=0.0)


def chosen(choices: list[Choice]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return results whose rows of cpep/best chose in each fold what is given."""
    results, details = evaluation(len(choices), 8, 1, 5, models={"cpep/best": 0.4, "cpep": 0.3})
    for row in results["rows"]:
        if row["model"] == "cpep/best":
            choice = choices[row["fold"]]
            row["read_out"] = words(choice)[row["protocol"]]
            row |= {"calibration": choice.calibration} if row["protocol"] == "zero_shot_all" else {}
    return results, details


def counts(*pairs: tuple[object, int]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), count) for name, count in pairs)


def test_what_each_fold_chose_is_counted() -> None:
    likeness = counts(("aligned", 3), ("pose from features", 2))
    among = counts((TAUGHT, 3), (EVEN, 2))
    results, _ = chosen([ONE, OTHER, ONE])
    found = choices_of(results)
    assert found == [
        Chosen("cpep/best", "linear probe", 3, counts((PLAIN, 3), (EVEN, 2)), (), ()),
        Chosen("cpep/best", "zero-shot, seen gestures", 3, counts((PLAIN, 3)), likeness, ()),
        Chosen("cpep/best", "zero-shot, unseen gestures", 3, among, likeness, ()),
        Chosen("cpep/best", "zero-shot among all", 3, among, likeness, counts((2.5, 2), (0, 1))),
    ]
    assert found[2].said(found[2].readouts) == [str(TAUGHT), "embedding, counts made even (2 of 3)"]


def test_questions_with_one_answer_are_one() -> None:
    results, _ = evaluation(1, 4, 1, 5, models={"cpep/best": 0.4})
    for row in results["rows"]:
        row["read_out"] = "of somebody else"
    for shots in (1, "rep"):
        results["rows"] += [
            {**results["rows"][0], "protocol": f"few_shot_{shots}", "gestures": "all", "read_out": "a; b"}
        ]
    found = choices_of(results)
    assert [one.question for one in found] == ["linear probe; zero-shot", "zero-shot among all", "few-shot"]
    assert [one.said(one.readouts) for one in found] == [["of somebody else"]] * 2 + [["a", "b"]]
    results["rows"][-1]["read_out"] = "a"
    assert [one.question for one in choices_of(results)][2:] == ["few-shot, 1 window", "few-shot, 1 repetition"]


def test_page_and_markdown_say_it_where_something_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    results, details = chosen([ONE, OTHER])
    write_report(results, details, path)
    html = path.read_text(encoding="utf-8")
    Page(html)
    (section,) = re.findall(r'<details class="chosen">(.*?)</details>', html, flags=re.S)
    rows = [
        " ".join(unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in re.findall(r"<tr>.*?</tr>", section, re.S)
    ]
    said = f"{TAUGHT} {EVEN} (1 of 2) aligned pose from features (1 of 2)"
    assert rows[1:] == [
        f"Linear probe {PLAIN} {EVEN} (1 of 2) {DASH} {DASH}",
        f"Zero-shot, seen gestures {PLAIN} aligned pose from features (1 of 2) {DASH}",
        f"Zero-shot, unseen gestures {said} {DASH}",
        f"Zero-shot among all {said} 2.5 (1 of 2) 0 (1 of 2)",
    ]
    assert "In brackets: by how many of the runs" in section and html.count('href="#chosen"') == 2
    assert "| cpep/best | linear probe | features; embedding, counts made even (1 of 2) |  |  |" in tables_markdown(
        results
    )
    plain, details = evaluation(1, 4, 1, 5)
    write_report(plain, details, path)
    assert "chosen" not in tables_markdown(plain) and 'id="chosen"' not in path.read_text(encoding="utf-8")
