"""The table that a command prints and the report opens with: models by protocol and gestures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from textwrap import fill
from typing import Any

import numpy as np

from cpep.config.rows import is_ablation, role_of, words_of
from cpep.report.names import (
    DAGGER,
    GESTURES,
    TOGETHER,
    columns_of,
    gallery_words,
    metric_of,
    title_of,
    under_trained,
    under_trained_words,
)

TEXT_WIDTH = 100
TEXT_COLUMNS = 6
TEXT_NAMES = 10
"""Most characters that names of models are sure of when the number of columns in a block is chosen."""


@dataclass(frozen=True)
class Cell:
    """One number of the table.

    Attributes:
        mean: over folds and seeds.
        sd: over folds and seeds; 0 of a single run.
        ci95: of the first run; ``None`` where it tested one person, of figures of seen and unseen together.
        rows: positions in results.json of the rows behind it.
    """

    mean: float
    sd: float
    ci95: tuple[float, float] | None
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """One protocol on one set of gestures, or a figure of seen and unseen gestures together (``names.TOGETHER``)."""

    protocol: str
    gestures: str
    chance: float

    @property
    def together(self) -> bool:
        """Whether it is a figure of seen and unseen gestures together."""
        return self.gestures in TOGETHER

    @property
    def title(self) -> str:
        """Protocol in words."""
        return title_of(self.protocol)


@dataclass(frozen=True)
class Line:
    """One model of the table.

    Attributes:
        name: of the model, with its normalisation where there are several.
        model: name of the row (``cpep.config.rows``).
        under_trained: whether the limit on compute stopped at least one run of it.
        cells: by column; ``None`` where there is no row.
        bare: whether it is shown without the name of the model that it varies.
    """

    name: str
    model: str
    under_trained: bool
    cells: tuple[Cell | None, ...]
    bare: bool = False

    @property
    def role(self) -> str:
        """``ceiling`` or ``control``; ``""`` for a model that is given EMG."""
        return role_of(self.model)

    @property
    def about(self) -> str:
        """What it is, or how it differs from the model it is a variant of."""
        return words_of(self.model)

    @property
    def marked(self) -> str:
        """The name as text, with a dagger where under-trained."""
        name = self.name.partition("/")[2] if self.bare else self.name
        return name + DAGGER * self.under_trained


@dataclass(frozen=True)
class Table:
    """Rows of results.json, averaged over folds and seeds.

    Attributes:
        columns: protocols on sets of gestures.
        lines: models.
        ablations: variants of models.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    ablations: tuple[Line, ...]

    @property
    def references(self) -> tuple[Line, ...]:
        """Models that the ablations are variants of."""
        bases = {line.model.partition("/")[0] for line in self.ablations}
        return tuple(line for line in self.lines if line.model in bases)

    @property
    def runs(self) -> int:
        """Largest number of runs (folds times seeds) of a cell."""
        lines = (*self.lines, *self.ablations)
        return max((len(cell.rows) for line in lines for cell in line.cells if cell), default=0)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Protocols in words, with the number of their columns."""
        return [(title, len(list(group))) for title, group in groupby(column.title for column in self.columns)]

    def best(self, column: int) -> float | None:
        """Return the highest mean of a column among models given EMG; ``None`` with fewer than two."""
        means = [c.mean for line in self.lines if not line.role and (c := line.cells[column])]
        return max(means) if len(means) > 1 else None


def table_of(results: dict[str, Any]) -> Table:
    """Average the accuracy rows of results.json over folds and seeds.

    Lines come in the order of their first row. Each normalisation has lines of its own.
    """
    called = names_of(results)
    marked = under_trained(results.get("training", []))
    models: dict[str, str] = {}
    found: dict[tuple[str, str, str], list[int]] = {}
    for number, row in enumerate(results["rows"]):
        if "balanced_accuracy" in row:
            name = called(row)
            models.setdefault(name, row["model"])
            found.setdefault((name, row["protocol"], row["gestures"]), []).append(number)
            for figure, metric in TOGETHER.items() if row["gestures"] == "unseen" else ():  # both rows have them
                if metric in row:
                    found.setdefault((name, row["protocol"], figure), []).append(number)
    columns = []
    for column in columns_of({key[1:] for key in found}):
        numbers = [n for key, numbers in found.items() if key[1:] == column for n in numbers]
        chance = f"{TOGETHER[column[1]]}_chance" if column[1] in TOGETHER else "chance"
        columns.append(Column(*column, float(np.mean([results["rows"][n][chance] for n in numbers]))))
    lines = []
    for name, model in models.items():
        numbers_C = [found.get((name, column.protocol, column.gestures), []) for column in columns]
        pairs = zip(columns, numbers_C, strict=True)
        cells = tuple(_cell(results["rows"], numbers, column.gestures) for column, numbers in pairs)
        lines.append(Line(name, model, model in marked, cells))
    main, ablations = (tuple(line for line in lines if is_ablation(line.model) == kind) for kind in (False, True))
    return Table(tuple(columns), main, ablations)


def names_of(results: dict[str, Any]) -> Callable[[dict[str, Any]], str]:
    """Return a function from a row to the name of its line: the model, and one of several normalisations."""
    if len({row["normalisation"] for row in results["rows"]}) > 1:
        return lambda row: f"{row['model']} ({row['normalisation']})"
    return lambda row: str(row["model"])


def table_text(results: dict[str, Any], width: int | None = None) -> str:
    """Return the table as aligned text, for terminals and README files.

    Columns that do not fit beside each other follow in further blocks, so that no line wraps. Ablations stand
    below the models, with the model that they vary on top; where their names are too long, they are written without
    the name of that model.

    Args:
        results: content of results.json.
        width: longest line; without it the terminal's width, at most 100.
    """
    width = width or text_width()
    table, gap = table_of(results), "  "
    lines = (*table.lines, *table.ablations)
    cells = max(11, *(len(spoken(cell)) for line in lines for cell in line.cells), 0)
    names = max((len(line.marked) for line in lines), default=0)
    pairs = max(1, (width - min(names, TEXT_NAMES)) // (2 * (cells + len(gap))))  # seen and unseen stay together
    together = min(len(table.columns), 2 * pairs, TEXT_COLUMNS)
    names = max(min(names, width - together * (cells + len(gap))), len("chance"))
    if sum(len(line.marked) > names for line in table.ablations) > 1:
        table = replace(table, ablations=tuple(replace(line, bare=True) for line in table.ablations))
    blocks = [
        "\n".join(_block(table, slice(start, start + together), names, cells, gap))
        for start in range(0, len(table.columns), max(together, 1))
    ]
    why = f"{DAGGER} {under_trained_words(results.get('training', []))}."
    mark = [fill(why, width)] if any(line.under_trained for line in lines) else []
    return "\n\n".join([*blocks, "\n".join([fill(legend(results, table), width), *mark])])


def text_width() -> int:
    """Return the longest line to print: that of the terminal, at most 100, and 100 without one."""
    return min(TEXT_WIDTH, shutil.get_terminal_size((TEXT_WIDTH, 0)).columns)


def _block(table: Table, part: slice, names: int, width: int, gap: str) -> list[str]:
    """Write some columns of the table."""
    columns = table.columns[part]
    heads = zip(*(column.title.partition(", ")[::2] for column in columns), strict=True)
    texts = ["".ljust(names) + gap + titles_over(head, width + len(gap)) for head in heads if any(head)]
    texts.append(gap.join(["".ljust(names), *(c.gestures.ljust(width) for c in columns)]))
    texts.append(gap.join(["chance".ljust(names), *(number(c.chance).ljust(width) for c in columns)]))
    rule = names + len(columns) * (width + len(gap))
    texts.append("-" * rule)
    texts += _lines(table.lines, part, names, width, gap)
    if ablations := _lines(table.ablations, part, names, width, gap):
        bases = dict.fromkeys(line.model.partition("/")[0] + "/... " for line in table.ablations if line.bare)
        texts.append(f"-- ablations {''.join(bases)}".ljust(rule, "-"))
        texts += [*_lines(table.references, part, names, width, gap), *ablations]
    return [text.rstrip() for text in texts]


def _lines(lines: Sequence[Line], part: slice, names: int, width: int, gap: str) -> list[str]:
    """Write the models with a number in these columns; a name that is too long stands on a line of its own."""
    texts = []
    for line in lines:
        if not any(line.cells[part]):
            continue
        name = line.marked
        if len(name) > names:
            texts.append(name)
            name = ""
        texts.append(gap.join([name.ljust(names), *(spoken(c).ljust(width) for c in line.cells[part])]))
    return texts


def _cell(rows: Sequence[dict[str, Any]], numbers: Sequence[int], gestures: str) -> Cell | None:
    if not numbers:
        return None
    metric = metric_of(gestures)
    values = [rows[number][metric] for number in numbers]
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    ci95 = rows[numbers[0]].get(f"{metric}_ci95" if gestures in TOGETHER else "ci95")
    return Cell(float(np.mean(values)), sd, (ci95[0], ci95[1]) if ci95 else None, tuple(numbers))


def number(value: float, digits: int = 3) -> str:
    """Write a share without the zero that all shares have; 1 has a digit less, so that columns align.

    Halves are rounded up: readers expect .063 for a chance level of 1/16.

    >>> number(0.1254), number(1.0), number(0.034, 2), number(1 / 16)
    ('.125', '1.00', '.03', '.063')
    """
    text = f"{value + 1e-9:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0") else text[:-1]


def signed(value: float, digits: int = 3) -> str:
    """Write a difference of shares with its sign, without the zero that all shares have.

    >>> signed(0.0812), signed(-0.0349), signed(0.0)
    ('+.081', '\u2212.035', '.000')
    """
    sign = {1: "+", -1: "\u2212"}.get((round(value, digits) > 0) - (round(value, digits) < 0), "")
    return sign + number(abs(value), digits)


def spoken(cell: Cell | None) -> str:
    """Write a cell as text: mean ± SD, or mean and interval of a single run."""
    if cell is None:
        return "-"
    if len(cell.rows) > 1:
        return f"{number(cell.mean)} ± {number(cell.sd)}"
    if cell.ci95 is None:
        return number(cell.mean)
    return f"{number(cell.mean)} {number(cell.ci95[0], 2)}-{number(cell.ci95[1], 2)}"


def titles_over(titles: Sequence[str], width: int) -> str:
    """Write every title over the first of the columns, ``width`` wide, that share it.

    >>> titles_over(["zero-shot", "zero-shot", "error"], 6)
    'zero-shot   error'
    """
    text = ""
    for column, title in enumerate(titles):
        if not column or title != titles[column - 1]:
            text = text.ljust(column * width) + title
    return text


def legend(results: dict[str, Any], table: Table) -> str:
    """Say what the numbers of a table are, in a sentence, and in another what the recordings lack."""
    people, data = _people(results["rows"]), results["data"]
    tested = ((kind, _people([row for row in results["rows"] if row["gestures"] == kind])) for kind in GESTURES)
    fewer = [f"{count} of them on {kind} gestures" for kind, count in tested if 0 < count < people]
    tried = "1 person" if people == 1 else f"{people} people"
    tried += " tested" + (f" ({' and '.join(fewer)})" if fewer else "")
    drawn = "people and their windows" if people > 1 else "windows of one person: other people may lie outside"
    kind = f"mean ± SD over {_runs(results)}" if table.runs > 1 else f"with 95 % interval (bootstrap over {drawn})"
    absent = "each absent" if people > 1 else "absent"
    gestures = f"{len(data['gestures_seen'])} seen and {len(data['gestures_unseen'])} unseen gestures"
    posed = "" if data.get("pose", True) else " The recordings have no pose, so that there is no zero-shot."
    both = " H: harmonic mean of seen and unseen; AUSUC: area under the seen-unseen curve."
    both = both if any(column.together for column in table.columns) else ""
    drawn = gallery_words(results["rows"])
    drawn = f" {drawn}" if drawn else ""
    return f"Balanced accuracy, {kind}; {tried}, {absent} from training; {gestures}.{both}{posed}{drawn}"


def _people(rows: Sequence[dict[str, Any]]) -> int:
    """Return how many people were tested."""
    return len({user for row in rows for user in row.get("per_user", {})})


def _runs(results: dict[str, Any]) -> str:
    """Say what a mean was taken over."""
    counts = {what: len({row[what] for row in results["rows"]}) for what in ("fold", "seed")}
    return " x ".join(f"{count} {what}s" for what, count in counts.items() if count > 1)
