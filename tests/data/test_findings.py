from __future__ import annotations

import pytest

from cpep.data.finding_kinds import KINDS
from cpep.data.findings import Marked, findings_of
from cpep.data.marks import Mark

HUM = Mark("hum", (2,), 83.2, 83.2, "50")


def says(*marks_of: tuple[str, str, Mark | None], channels: int = 8) -> list[str]:
    """Sentences on recordings, each a name, a person and a mark or none."""
    marked = [Marked(name, user, (mark,) if mark else ()) for name, user, mark in marks_of]
    return [finding.says for finding in findings_of(marked, channels)]


def test_whose_it_is() -> None:
    hums = "hums: 83 % of its power is at 50 Hz and its harmonics"
    assert says(("a", "S2", HUM), ("b", "S3", None)) == [f"channel 3 of a {hums}"]
    assert says(("a", "S2", HUM), ("b", "S2", HUM), ("c", "S3", None)) == [f"channel 3 of S2 {hums}"]
    assert says(("a", "S2", HUM), ("b", "S3", HUM)) == [f"channel 3 of every recording {hums}"]
    some = [("a", "S2", HUM), ("b", "S2", HUM), ("c", "S2", None), ("d", "S3", None)]
    assert says(*some) == [f"channel 3 in 2 of S2's 3 recordings (a, ...) {hums}"]


def test_many_sets_of_channels_make_one_sentence() -> None:
    marks = [Mark("hum", (k, k + 1)[: 1 + k % 2], 60.0 + k, 70.0 + k, "60") for k in range(6)]
    (sentence,) = says(*[(f"r{k}", f"u{k}", mark) for k, mark in enumerate(marks)])
    assert (
        sentence.startswith("1 to 2 of 8 channels (most often channel ") and "60 to 75 % of their power" in sentence
    )


def test_marks_of_different_details_are_told_apart_and_many_are_counted() -> None:
    marks = [Mark("note", detail=f"note {k}") for k in range(5)]
    found = says(*[("r", "u", mark) for mark in marks], ("s", "v", None))
    assert found == ["r: note 0", "r: note 1", "r: note 2 (and 2 more of this kind)"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_sentence(kind: str) -> None:
    mark = Mark(kind, (0, 1), 1.25, 1.25, "detail", "at 3.0 s")
    for recordings in ([("a", "u", mark), ("b", "v", None)], [("a", "u", mark), ("b", "v", mark)]):
        (finding,) = findings_of([Marked(n, u, (m,) if m else ()) for n, u, m in recordings], 8)
        assert not set("{}[]|") & set(finding.sentence) and "  " not in finding.sentence
    (alone,) = findings_of([Marked("a", "u", (mark,))], 8, everybody="")
    assert " of a " not in alone.says.replace("part of a", "") and not alone.says.startswith(":")
