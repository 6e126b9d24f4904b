"""Figures that papers report for the models of the table, beside those measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from textwrap import fill
from typing import Any

from cpep.report.names import BENCHMARK, DAGGER, GESTURES, under_trained_words
from cpep.report.pose_errors import errors_of, measure, zip_cells
from cpep.report.table import number, table_of, text_width, titles_over

CPEP = "CPEP, arXiv 2509.04699"
EMBRIDGE = "EMBridge, ICLR 2026"
EMG2POSE = "emg2pose, arXiv 2412.02725"
UNLIKE = (
    "Published figures are of emg2pose (370 h, 193 people) with other people, gestures (4 seen and 4 unseen groups:"
    " chance .250) and sizes of model and training; ours are of this data. The numbers are not comparable: only"
    " orders and ratios may be set side by side."
)
BASELINE = (
    "The papers give a linear probe of “emg2pose baseline features” without saying of which model; it stands here"
    " beside vemg2pose. EMBridge measured it again: .734 seen, .405 unseen."
)


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes:
        value: balanced accuracy; of a pose error the angular error in degrees.
        source: the paper that reports it.
        landmark_mm: of a pose error, the landmark distance in millimetres.
        note: what a reader must know about it.
    """

    value: float
    source: str
    landmark_mm: float | None = None
    note: str = ""

    def of(self, metric: str) -> float | None:
        """Return the value of a pose error's metric; papers report no normalised RMSE."""
        return {"angular_error_deg": self.value, "landmark_mm": self.landmark_mm}.get(metric)


_ACCURACY: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "cpep": (CPEP, (0.782, 0.536, 0.757, 0.481)),
    "embridge": (EMBRIDGE, (0.785, 0.505, 0.777, 0.528)),
    "emg_mae": (EMBRIDGE, (0.347, 0.334, None, None)),
    "vemg2pose": (CPEP, (0.647, 0.312, None, None)),
    "pose": (EMBRIDGE, (0.851, 0.649, None, None)),
    "cpep/frozen_emg": (CPEP, (0.372, 0.326, 0.344, 0.298)),
    "cpep/random_init_emg": (CPEP, (0.748, 0.479, 0.701, 0.454)),
    "cpep/avg_pool": (CPEP, (0.761, 0.518, 0.711, 0.454)),
}
"""Source and balanced accuracy in the columns of ``_COLUMNS``."""

_PROBE = "linear_probe"
_COLUMNS = list(product((_PROBE, "zero_shot"), GESTURES))
"""Protocols and gestures of which papers report balanced accuracies."""

POSE_ERRORS = {
    "vemg2pose": {"user": (12.24, 15.82), "stage": (15.22, 20.38), "user_stage": (15.63, 21.30)},
    "emg2pose": {"user": (12.57, 16.28), "stage": (15.17, 20.53), "user_stage": (15.57, 21.49)},
    "neuropose": {"user": (13.20, 17.50), "stage": (17.20, 24.00), "user_stage": (17.50, 24.90)},
    "sensing_dynamics": {"user": (15.50, 21.80), "stage": (18.80, 26.60), "user_stage": (18.70, 27.20)},
}
"""Angular error (degrees) and landmark distance (mm) of new people, new stages, and both new (arXiv 2412.02725)."""


def published(model: str, protocol: str, gestures: str) -> Published | None:
    """Return the published figure for a row of the table, or nothing where there is none.

    People who are tested here took part in no training, so pose errors on seen gestures stand beside the
    benchmark's new users, on unseen gestures beside its new users on new stages.

    Args:
        model: name of the row (``cpep.config.rows``).
        protocol: ``linear_probe``, ``zero_shot`` or ``pose_error``.
        gestures: ``seen`` or ``unseen``.

    >>> published("cpep", "zero_shot", "unseen").value, published("neuropose", "pose_error", "seen").landmark_mm
    (0.481, 17.5)
    """
    if protocol == "pose_error" and model in POSE_ERRORS:
        degrees, landmark_mm = POSE_ERRORS[model]["user" if gestures == "seen" else "user_stage"]
        return Published(degrees, EMG2POSE, landmark_mm)
    if model not in _ACCURACY or (protocol, gestures) not in _COLUMNS:
        return None
    source, values = _ACCURACY[model]
    if (value := values[_COLUMNS.index((protocol, gestures))]) is None:
        return None
    return Published(value, source, note=BASELINE if model == "vemg2pose" else "")


@dataclass(frozen=True)
class Ratio:
    """Linear probe of cpep over that of the best model of the benchmark.

    Attributes:
        gestures: ``seen`` or ``unseen``.
        other: the model of the benchmark whose linear probe is best here, on average over folds and seeds.
        under_trained: whether it was stopped by the limit on compute.
        ours: measured here.
        paper: the published ratio, over the benchmark's features.
    """

    gestures: str
    other: str
    under_trained: bool
    ours: float
    paper: float

    @property
    def sentence(self) -> str:
        """Say it in words."""
        mark = ", under-trained" if self.under_trained else ""
        return (
            f"linear probe on {self.gestures} gestures: cpep over {self.other} (the best model of the benchmark"
            f" here{mark}) {self.ours:.2f}, in the paper {self.paper:.2f}"
        )


def ratios(results: dict[str, Any]) -> list[Ratio]:
    """Return the ratio of the paper's claim per set of gestures, where the table has cpep and a benchmark model."""
    table = table_of(results)
    found = []
    for place, column in enumerate(table.columns):
        cells = [(line, cell) for line in table.lines if (cell := line.cells[place]) and column.protocol == _PROBE]
        own = [cell.mean for line, cell in cells if line.model == "cpep"]
        others = [(cell.mean, line) for line, cell in cells if line.model in BENCHMARK]
        if own and others:
            best, line = max(others, key=lambda pair: pair[0])
            figures = [published(model, _PROBE, column.gestures) for model in ("cpep", "vemg2pose")]
            paper, baseline = (figure.value for figure in figures if figure)
            found.append(Ratio(column.gestures, line.name, line.under_trained, own[0] / best, paper / baseline))
    return found


def sources(results: dict[str, Any]) -> list[str]:
    """Return a sentence for each paper that has figures for these rows, with the rows' models; then the notes."""
    models: dict[str, list[str]] = {}
    notes = []
    for row in results["rows"]:
        figure = published(row["model"], row["protocol"], row["gestures"])
        if figure and (row["protocol"] != "pose_error" or any(figure.of(metric) for metric in row)):
            kind = " (pose errors)" if row["protocol"] == "pose_error" else ""
            models.setdefault(figure.source + kind, []).append(row["model"])
            notes.append(figure.note)
    named = [f"{source}: {', '.join(dict.fromkeys(names))}." for source, names in models.items()]
    return [*named, *dict.fromkeys(note for note in notes if note)]


def published_text(results: dict[str, Any], width: int | None = None) -> str:
    """Return our numbers beside the published ones as aligned text, ``""`` where no row has a published figure.

    Args:
        results: content of results.json.
        width: longest line of the words below the table; without it the terminal's width, at most 100.
    """
    blocks = [_block(*part) for part in (_accuracies(results), _errors(results)) if part[1]]
    if not blocks:
        return ""
    width = width or text_width()
    words = [f"Ratio of {ratio.sentence}." for ratio in ratios(results)]
    words += [UNLIKE, " ".join(["Sources:", *sources(results)])]
    if any(DAGGER in block for block in blocks):
        words.append(f"{DAGGER} {under_trained_words(results.get('training', []))}.")
    return "\n\n".join([*blocks, "\n".join(fill(text, width) for text in words)])


Beside = list[tuple[str, list[tuple[str, str]]]]
"""Lines: a name, and for each column our number and the paper's."""


def _accuracies(results: dict[str, Any]) -> tuple[list[tuple[str, str]], Beside]:
    """Return titles and gestures of columns, and lines."""
    table = table_of(results)
    shown = [place for place, column in enumerate(table.columns) if (column.protocol, column.gestures) in _COLUMNS]
    columns = [table.columns[place] for place in shown]
    lines: Beside = []
    for line in (*table.lines, *table.ablations):
        pairs = []
        for place, column in zip(shown, columns, strict=True):
            cell, figure = line.cells[place], published(line.model, column.protocol, column.gestures)
            pairs.append((number(cell.mean) if cell else "-", number(figure.value) if figure and cell else "-"))
        lines.append((line.marked, pairs))
    return [(column.title, column.gestures) for column in columns], _with_figures(lines)


def _errors(results: dict[str, Any]) -> tuple[list[tuple[str, str]], Beside]:
    """Return titles and gestures of columns, and lines."""
    table = errors_of(results)
    lines: Beside = []
    for line in table.lines:
        pairs = []
        for cell, column in zip_cells(table, line):
            figure = published(line.model, "pose_error", column.gestures)
            value = figure.of(column.metric) if figure and cell else None
            ours = measure(cell.mean, column.metric) if cell else "-"
            pairs.append((ours, "-" if value is None else measure(value, column.metric)))
        lines.append((line.marked, pairs))
    return [(column.title, column.gestures) for column in table.columns], _with_figures(lines)


def _with_figures(lines: Beside) -> Beside:
    return [(name, pairs) for name, pairs in lines if any(paper != "-" for _, paper in pairs)]


def _block(columns: Sequence[tuple[str, str]], lines: Beside) -> str:
    """Write lines of pairs, (ours, the paper's), under the titles of their columns."""
    names = max(len(name) for name, _ in lines)
    heads = [
        titles_over([title for title, _ in columns], 14),
        "".join(f"{gestures:<14}" for _, gestures in columns),
        f"{'ours':<7}{'paper':<7}" * len(columns),
    ]
    texts = [" " * (names + 2) + head for head in heads]
    texts.append("-" * (names + 14 * len(columns)))
    for name, pairs in lines:
        texts.append(f"{name:<{names + 2}}" + "".join(f"{ours:<7}{paper:<7}" for ours, paper in pairs))
    return "\n".join(text.rstrip() for text in texts)
