"""Results for people: one self-contained page (the table alone: `table_text`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from cpep.config.rows import is_ablation
from cpep.data.readers.folder import natural
from cpep.report import figures
from cpep.report.challenge import HEAD, WORDS, challenge_of
from cpep.report.choices import HEAD as CHOICES_HEAD
from cpep.report.choices import TITLE as CHOICES_TITLE
from cpep.report.choices import WORDS as CHOICES_WORDS
from cpep.report.choices import choices_of
from cpep.report.control import FEW_PEOPLE, control_sentences
from cpep.report.names import (
    columns_of,
    compared_in,
    explained,
    main_first,
    title_of,
    trainings,
    under_trained,
    under_trained_words,
)
from cpep.report.page import write_page
from cpep.report.pose_errors import errors_of, measure
from cpep.report.published import UNLIKE, published, ratios, sources
from cpep.report.table import TEXT_COLUMNS, Column, Table, legend, number, signed, table_of, table_text

__all__ = ["table_text", "write_report"]

NORMALISATIONS = {
    "none": "none",
    "recording": "by recording: each scaled by its own statistics, without labels",
    "causal": "causal: each scaled by running statistics of its past, without labels",
}
STOPPED = {
    "steps": "its number of steps was done",
    "flat": "its validation loss was flat",
    "best": "all compute that it was allowed was spent; its validation loss was past its best",
    "compute": "all compute that it was allowed was spent while its validation loss was falling: under-trained",
}
"""Why a training ended, in words."""


def write_report(results: dict[str, Any], details: dict[str, Any], path: Path) -> None:
    """Write one HTML page that needs nothing else.

    Args:
        results: content of results.json.
        details: what figures need; every key may be missing: ``confusion`` (list of row, classes, matrix),
            ``losses`` (list of stage, fold, seed, points, kept_step, unit), ``maps`` (list of the fields of
            ``cpep.evaluate.projection.Map``, fold and seed), ``notes`` (list of sentences), ``config`` (any JSON).
        path: file to write, atomically.
    """
    table, rows = table_of(results), results["rows"]
    papers = sources(results)
    marked = under_trained(results.get("training", []))
    matrices = figures.matrices(results, details.get("confusion", []), table)
    write_page(
        "report.html.jinja",
        path,
        run=results["run"],
        data=results["data"],
        table=table,
        blocks=blocks_of(table),
        control=control_sentences(results, details.get("confusion", [])),
        legend=legend(results, table),
        explained=explained((column.protocol, column.gestures) for column in table.columns),
        adapts=any(row["model"].endswith("/adapted") for row in rows),
        chooses=any(row["model"].endswith("/best") for row in rows),
        choices=[(model, list(own)) for model, own in groupby(choices_of(results), key=lambda one: one.model)],
        choices_head=CHOICES_HEAD,
        choices_title=CHOICES_TITLE,
        choices_words=CHOICES_WORDS,
        number=number,
        published=published,
        sources=papers,
        unlike=UNLIKE,
        ratios=ratios(results),
        marked=[model for model in main_first(row["model"] for row in rows) if model in marked],
        under_trained=under_trained_words(results.get("training", [])),
        challenge=challenge_of(results),
        challenge_head=HEAD,
        challenge_words=WORDS,
        grids=_grids(results),
        signed=signed,
        few_people=FEW_PEOPLE,
        errors=errors_of(results),
        errors_published=any("pose errors" in source for source in papers),
        measure=measure,
        training=_training(results),
        notes=details.get("notes", []),
        people=[
            (column, place, dots)
            for c, (column, place) in enumerate(figures.places(table))
            if (dots := figures.dots(results, table, c))
        ],
        seen_unseen=figures.seen_unseen(results, table, details.get("seen_unseen", [])),
        main=next((name for name in ("cpep", *matrices) if name in matrices), ""),
        matrices=matrices,
        curves=figures.curves(details.get("losses", [])),
        maps=figures.maps(results["data"], details.get("maps", [])),
        files=figures.every(results, details),
        config=json.dumps(details.get("config", {}), indent=1) if details.get("config") else "",
        windows=details.get("config", {}).get("data", {}),
        normalisations=[NORMALISATIONS.get(n, n) for n in sorted({row["normalisation"] for row in rows})],
        seeds=sorted({row["seed"] for row in rows}),
        natural=_natural,
        duration=duration(results["run"]["seconds"]),
    )


def duration(seconds: float) -> str:
    """Write a duration with its units, so that nobody takes it for a time of day.

    >>> duration(42.3), duration(1412), duration(3725)
    ('42 s', '23 min 32 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class Block:
    """Columns of the table that stand beside each other on a page.

    Attributes:
        title: their protocols, in words.
        start: number of the first column.
        columns: the columns.
    """

    title: str
    start: int
    columns: tuple[Column, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Protocols in words, with the number of their columns."""
        return [(title, len(list(group))) for title, group in groupby(column.title for column in self.columns)]

    def shows(self, cells: Sequence[Any]) -> bool:
        """Tell whether a line of the table has a number in these columns."""
        return any(cells[self.start : self.start + len(self.columns)])


def blocks_of(table: Table) -> list[Block]:
    """Cut the columns of a table into blocks that fit a page; few-shot and its like stay together.

    Protocols whose titles agree up to a comma are in one block; a block has at most ``TEXT_COLUMNS`` columns
    unless these alone are more.
    """
    parts: list[tuple[list[str], list[Column]]] = []
    for family, group in groupby(table.columns, key=lambda column: column.title.partition(", ")[0]):
        own = list(group)
        if not parts or len(parts[-1][1]) + len(own) > TEXT_COLUMNS:
            parts.append(([], []))
        parts[-1][0].append(family)
        parts[-1][1].extend(own)
    blocks, start = [], 0
    for families, columns in parts:
        title = " and ".join(filter(None, [", ".join(families[:-1]), families[-1]]))
        blocks.append(Block(title[:1].upper() + title[1:], start, tuple(columns)))
        start += len(columns)
    return blocks


@dataclass(frozen=True)
class GridLine:
    """Comparisons with one other model, by column; ``None`` where the model has none there."""

    name: str
    under_trained: bool
    cells: tuple[dict[str, Any] | None, ...]
    about: str = ""


@dataclass(frozen=True)
class Grid:
    """Comparisons of results.json as a table.

    Attributes:
        one: the model that the others are compared with.
        title: what the rows are.
        columns: protocol in words, and gestures.
        lines: other models.
    """

    one: str
    title: str
    columns: tuple[tuple[str, str], ...]
    lines: tuple[GridLine, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Protocols in words, with the number of their columns."""
        return [(title, len(list(group))) for title, group in groupby(title for title, _ in self.columns)]

    @property
    def people(self) -> list[int]:
        """Fewest and most people of a comparison; one number where they are equal."""
        counts = sorted({cell["people"] for line in self.lines for cell in line.cells if cell})
        return counts[:: max(1, len(counts) - 1)]


def _grids(results: dict[str, Any]) -> list[Grid]:
    """Lay out the comparisons, other systems and ablations apart."""
    grids = []
    for title, kind in (("Other models", False), ("Ablations", True)):
        found = {
            (one["other"], one["protocol"], compared_in(one)): one
            for one in results.get("comparisons", [])
            if is_ablation(one["other"]) == kind
        }
        for columns in _cut(columns_of({key[1:] for key in found})):
            lines = []
            for other in dict.fromkeys(key[0] for key in found):
                cells = tuple(found.get((other, *column)) for column in columns)
                marked = any(cell["under_trained"] for cell in cells if cell)
                lines += [GridLine(other, marked, cells)] if any(cells) else []
            one = next(iter(found.values()))["one"]
            grids.append(Grid(one, title, tuple((title_of(p), g) for p, g in columns), tuple(lines)))
    return grids


def _cut(columns: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Cut the columns of comparisons, protocol and gestures, as those of the table are cut."""
    table = Table(tuple(Column(protocol, gestures, 0.0) for protocol, gestures in columns), (), ())
    return [[(one.protocol, one.gestures) for one in block.columns] for block in blocks_of(table)]


def _training(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for every trained row what its training cost and why it ended, over folds and seeds."""
    lines = []
    for model, runs in trainings(results).items():
        ends = [run["stopped"] for run in runs]
        why = [
            STOPPED.get(end, end) + (f" ({ends.count(end)} of {len(ends)} runs)" if len(set(ends)) > 1 else "")
            for end in dict.fromkeys(ends)
        ]
        lines.append(
            {
                "model": model,
                "ablation": is_ablation(model),
                "parameters": _range([run["parameters"] / 1e6 for run in runs], ".2f"),
                "steps": _range([run["steps"] for run in runs], ",d"),
                "share": _range([100 * run["share"] for run in runs], ".0f"),
                "why": "; ".join(why),
            }
        )
    return lines


def _range(values: Sequence[float], form: str) -> str:
    """Write the smallest and the largest value, or one of them where both are written alike."""
    ends = dict.fromkeys(format(value, form) for value in (min(values), max(values)))
    return "\u2013".join(ends)


def _natural(names: Sequence[str]) -> list[str]:
    """Sort names, numbers in them by value."""
    return sorted(names, key=natural)
