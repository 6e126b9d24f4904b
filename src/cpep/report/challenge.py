"""The table of the challenge: how far predicted joint angles are from measured ones, as NeuralBench scores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np

from cpep.config.rows import words_of
from cpep.evaluate.challenge import COLLAPSED
from cpep.report.names import DAGGER, main_first, under_trained, under_trained_words
from cpep.report.table import text_width
from cpep.runtime.markdown import table

TITLE = "Challenge: EMG to pose as NeuralBench scores it"
MEAN_POSE = "mean pose"
DOUBLE_DAGGER = "\u2021"
COLLAPSE = (
    f"collapsed: its poses vary less than {COLLAPSED:g} times as much as the measured ones, close to a constant"
)
HEAD = ("error, rad", "95 % interval", "people", "windows", "poses vary", "compute")
WORDS = (
    "Mean absolute error of joint angles over 5-s windows without overlap, of people and stages that no training had;"
    " windows with a pose that is not valid are left out. Poses vary: SD of predicted poses over that of measured"
    " ones. Compute: of all stages of the row, in multiples of cpep's. Lower errors are better."
)


@dataclass(frozen=True)
class Line:
    """One model, over all folds and seeds; the first line is the mean pose, which knows nothing.

    Attributes:
        name: of the row, with marks.
        about: what it is.
        error: in rad, mean over folds and seeds.
        sd: between them; 0 of one.
        ci95: interval over people where there is one run; else empty.
        people: lowest and highest error of a person; empty for the mean pose.
        windows: scored, of one seed.
        spread: of predicted poses over measured ones; 0 for the mean pose.
        share: operations of its training in multiples of cpep's; ``None`` where not known.
    """

    name: str
    about: str
    error: float
    sd: float
    ci95: tuple[float, ...]
    people: tuple[float, ...]
    windows: int
    spread: float
    share: float | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of ``HEAD`` in words."""
        beside = f" ± {self.sd:.3f}" if self.sd else ""
        low_high, people = (" to ".join(f"{bound:.3f}" for bound in pair) or "-" for pair in (self.ci95, self.people))
        share = "-" if self.share is None else f"{self.share:.2f}"
        return f"{self.error:.3f}{beside}", low_high, people, str(self.windows), f"{self.spread:.2f}", share


@dataclass(frozen=True)
class Challenge:
    """The table, and what is left out of it.

    Attributes:
        lines: the mean pose, then models; empty where no model was scored.
        excluded: windows without a valid pose throughout.
        short: recordings that are too short for a window.
        marks: what the marks of names mean.
    """

    lines: tuple[Line, ...]
    excluded: int
    short: int
    marks: tuple[str, ...]

    @property
    def left_out(self) -> str:
        """What was left out, in words."""
        return f"Left out: {self.excluded} windows with a pose that is not valid, and {self.short} short recordings."


def challenge_of(results: dict[str, Any]) -> Challenge:
    """Return the table of the rows of protocol ``challenge``; without them it has no lines."""
    rows = [row for row in results["rows"] if row["protocol"] == "challenge"]
    trainings = results.get("training", [])
    names, falling = main_first(row["model"] for row in rows), under_trained(trainings)
    own = {name: [row for row in rows if row["model"] == name] for name in names}
    flat = {name for name in names if any(row.get("spread", 1) < COLLAPSED for row in own[name])}
    marks = {name: DAGGER * (name in falling) + DOUBLE_DAGGER * (name in flat) for name in names}
    lines = [
        _line(name, marks[name], own[name], [one for one in trainings if one["model"] == name]) for name in names
    ]
    first = own[names[0]] if names else []
    said = (
        [f"{DAGGER} {under_trained_words(trainings)}."] if falling & set(names) else [],
        [f"{DOUBLE_DAGGER} {COLLAPSE}."] if flat else [],
    )
    return Challenge(
        lines=(*([_knows_nothing(first)] if first else []), *lines),
        excluded=_of_one_seed(first, "n_excluded"),
        short=_of_one_seed(first, "n_short"),
        marks=tuple(sentence for sentences in said for sentence in sentences),
    )


def challenge_text(results: dict[str, Any], width: int | None = None) -> str:
    """Return the table as aligned text, or ``""`` where there is none.

    Args:
        results: content of results.json.
        width: longest line of the words below; without it the terminal's width, at most 100.
    """
    found, width = challenge_of(results), width or text_width()
    if not found.lines:
        return ""
    rows = [("", *HEAD), *((line.name, *line.cells) for line in found.lines)]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    texts = ["".join(f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "-" * (sum(widths) - 2)
    words = [fill(text, width) for text in (f"{TITLE}. {WORDS} {found.left_out}", *found.marks)]
    return "\n".join([texts[0], rule, *texts[1:], "", *words])


def challenge_markdown(results: dict[str, Any]) -> str:
    """Return the table as Markdown, or ``""`` where there is none."""
    found = challenge_of(results)
    if not found.lines:
        return ""
    text = table(["", *HEAD], [[line.name, *line.cells] for line in found.lines])
    return "\n\n".join([text, found.left_out, *found.marks])


def _line(name: str, marks: str, rows: Sequence[dict[str, Any]], trainings: Sequence[dict[str, Any]]) -> Line:
    values = [row["angular_error_rad"] for row in rows]
    people = [value for row in rows for value in row["per_user"].values()]
    return Line(
        name=name + marks,
        about=words_of(name),
        error=float(np.mean(values)),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        ci95=tuple(rows[0].get("error_ci95", ())) if len(rows) == 1 else (),
        people=(min(people), max(people)),
        windows=_of_one_seed(rows, "n_windows"),
        spread=float(np.mean([row.get("spread", np.nan) for row in rows])),
        share=float(np.mean([one["share"] for one in trainings])) if trainings else None,
    )


def _knows_nothing(rows: Sequence[dict[str, Any]]) -> Line:
    errors = [row["mean_pose"]["angular_error_rad"] for row in rows if "mean_pose" in row]
    windows = _of_one_seed(rows, "n_windows")
    about = "always the training people's mean pose, without EMG"
    mean = float(np.mean(errors)) if errors else float("nan")
    return Line(MEAN_POSE, about, mean, 0.0, (), (), windows, 0.0, None)


def _of_one_seed(rows: Sequence[dict[str, Any]], what: str) -> int:
    """Return a number of one seed, summed over folds."""
    return sum(row.get(what, 0) for row in rows if row["seed"] == rows[0]["seed"])
