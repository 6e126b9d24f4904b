"""The table that a command prints and the report opens with: models by protocol and gestures."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from typing import Any

import numpy as np

PROTOCOLS = {
    "linear_probe": "linear probe",
    "zero_shot": "zero-shot",
    "zero_shot_all": "zero-shot among all",
}
GESTURES = ("seen", "unseen")
MODELS = {
    "cpep": "EMG encoder aligned to a frozen pose encoder",
    "embridge": "CPEP with queries, masked poses and soft targets",
    "emg_mae": "EMG encoder before alignment (masked autoencoder)",
    "features": "classical EMG features, no network",
    "ridge": "linear regression from features to pose, nearest pose",
    "cca": "canonical correlation of features and pose, nearest pose",
    "pose": "the hand's pose itself instead of EMG",
    "supervised": "the same encoder trained on labels",
    "cpep/shuffled_pairs": "poses dealt to EMG at random: zero-shot must be at chance",
}
ROLES = {"pose": "ceiling", "cpep/shuffled_pairs": "control"}
TEXT_WIDTH = 100
TEXT_COLUMNS = 6
TEXT_NAMES = 10
"""Characters kept for names of models before fewer columns stand beside each other."""


@dataclass(frozen=True)
class Cell:
    """One number of the table.

    Attributes:
        mean: over folds and seeds.
        sd: over folds and seeds; 0 of a single run.
        ci95: of the first run.
        rows: positions in results.json of the rows behind it.
    """

    mean: float
    sd: float
    ci95: tuple[float, float]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """One protocol on one set of gestures."""

    protocol: str
    gestures: str
    chance: float

    @property
    def title(self) -> str:
        """Protocol in words."""
        return PROTOCOLS.get(self.protocol, self.protocol.replace("_", " "))


@dataclass(frozen=True)
class Line:
    """One model of the table; a column without a row holds ``None``."""

    name: str
    role: str
    about: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """Rows of results.json, averaged over folds and seeds."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def runs(self) -> int:
        """Number of folds times seeds, of the cell that has most."""
        return max((len(cell.rows) for line in self.lines for cell in line.cells if cell), default=0)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Protocols in words, with the number of their columns."""
        return [(title, len(list(group))) for title, group in groupby(column.title for column in self.columns)]

    def best(self, column: int) -> float | None:
        """Return the highest mean of a column among models given EMG; nothing where there is no contest."""
        means = [c.mean for line in self.lines if not line.role and (c := line.cells[column])]
        return max(means) if len(means) > 1 else None


def table_of(results: dict[str, Any]) -> Table:
    """Average the accuracy rows of results.json over folds and seeds.

    Lines come in the order of their first row. Of several normalisations, each has its own lines.
    """
    several = len({row["normalisation"] for row in results["rows"]}) > 1
    models: dict[str, str] = {}
    found: dict[tuple[str, str, str], list[int]] = {}
    for number, row in enumerate(results["rows"]):
        if "balanced_accuracy" in row:
            name = f"{row['model']} ({row['normalisation']})" if several else row["model"]
            models.setdefault(name, row["model"])
            found.setdefault((name, row["protocol"], row["gestures"]), []).append(number)
    protocols = [*PROTOCOLS, *sorted({protocol for _, protocol, _ in found} - PROTOCOLS.keys())]
    columns = []
    for protocol in protocols:
        for gestures in GESTURES:
            numbers = [n for key, numbers in found.items() if key[1:] == (protocol, gestures) for n in numbers]
            if numbers:
                chance = float(np.mean([results["rows"][n]["chance"] for n in numbers]))
                columns.append(Column(protocol, gestures, chance))
    lines = []
    for name, model in models.items():
        numbers_C = [found.get((name, column.protocol, column.gestures), []) for column in columns]
        cells = tuple(_cell(results["rows"], numbers) for numbers in numbers_C)
        lines.append(Line(name, ROLES.get(model, ""), MODELS.get(model, ""), cells))
    return Table(tuple(columns), tuple(lines))


def table_text(results: dict[str, Any], width: int | None = None) -> str:
    """Return the table as aligned text, for terminals and README files.

    Columns that do not fit beside each other follow in further blocks, so that no line wraps.

    Args:
        results: content of results.json.
        width: longest line; that of the terminal where there is one, at most 100, unless it is given.
    """
    width = width or min(TEXT_WIDTH, shutil.get_terminal_size((TEXT_WIDTH, 0)).columns)
    table, gap = table_of(results), "  "
    cells = max(11, *(len(spoken(cell)) for line in table.lines for cell in line.cells), 0)
    names = max((len(line.name) for line in table.lines), default=0)
    pairs = max(1, (width - min(names, TEXT_NAMES)) // (2 * (cells + len(gap))))  # seen and unseen stay together
    together = min(len(table.columns), 2 * pairs, TEXT_COLUMNS)
    names = max(min(names, width - together * (cells + len(gap))), len("chance"))
    blocks = [
        "\n".join(_block(table, slice(start, start + together), names, cells, gap))
        for start in range(0, len(table.columns), max(together, 1))
    ]
    return "\n\n".join([*blocks, fill(legend(results, table), width)])


def _block(table: Table, part: slice, names: int, width: int, gap: str) -> list[str]:
    """Write some columns of the table; a name that is too long stands on a line of its own."""
    columns = table.columns[part]
    titles = ["" if k and column.title == columns[k - 1].title else column.title for k, column in enumerate(columns)]
    texts = ["".ljust(names) + gap + _titles(titles, width, gap)]
    texts.append(gap.join(["".ljust(names), *(c.gestures.ljust(width) for c in columns)]))
    texts.append(gap.join(["chance".ljust(names), *(number(c.chance).ljust(width) for c in columns)]))
    texts.append("-" * (names + len(columns) * (width + len(gap))))
    for line in table.lines:
        if not any(line.cells[part]):
            continue  # of this block, the model has nothing
        name = line.name
        if len(name) > names:
            texts.append(name)
            name = ""
        texts.append(gap.join([name.ljust(names), *(spoken(c).ljust(width) for c in line.cells[part])]))
    return [text.rstrip() for text in texts]


def _cell(rows: Sequence[dict[str, Any]], numbers: Sequence[int]) -> Cell | None:
    if not numbers:
        return None
    values = [rows[number]["balanced_accuracy"] for number in numbers]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    low, high = rows[numbers[0]]["ci95"]
    return Cell(float(np.mean(values)), sd, (low, high), tuple(numbers))


def number(value: float, digits: int = 3) -> str:
    """Write a share without the zero that all shares have; 1 has a digit less, so that columns align.

    Halves go up, as readers expect of a chance of 1/16.

    >>> number(0.1254), number(1.0), number(0.034, 2), number(1 / 16)
    ('.125', '1.00', '.03', '.063')
    """
    text = f"{value + 1e-9:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0") else text[:-1]


def spoken(cell: Cell | None) -> str:
    """Write a cell as text: mean ± SD, or mean and interval of a single run."""
    if cell is None:
        return "-"
    if len(cell.rows) > 1:
        return f"{number(cell.mean)} ± {number(cell.sd)}"
    return f"{number(cell.mean)} {number(cell.ci95[0], 2)}-{number(cell.ci95[1], 2)}"


def _titles(titles: Sequence[str], width: int, gap: str) -> str:
    """Write every title over its own column and the untitled ones that follow."""
    text = ""
    for column, title in enumerate(titles):
        if title:
            text = text.ljust(column * (width + len(gap))) + title
    return text


def legend(results: dict[str, Any], table: Table) -> str:
    """Say what the numbers of a table are, in one sentence."""
    people = len({user for row in results["rows"] for user in row.get("per_user", {})})
    data = results["data"]
    kind = f"mean ± SD over {_runs(results)}" if table.runs > 1 else "with 95 % interval"
    return (
        f"Balanced accuracy, {kind}; {people} people tested, each absent from training; "
        f"{len(data['gestures_seen'])} seen and {len(data['gestures_unseen'])} unseen gestures."
    )


def _runs(results: dict[str, Any]) -> str:
    """Say what a mean was taken over."""
    counts = {what: len({row[what] for row in results["rows"]}) for what in ("fold", "seed")}
    return " x ".join(f"{count} {what}s" for what, count in counts.items() if count > 1)
