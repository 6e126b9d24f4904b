"""Tables of results as Markdown, for pages such as docs/results/tables.md: accuracies with intervals over people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cpep.config.rows import is_ablation
from cpep.report.challenge import TITLE, challenge_markdown
from cpep.report.choices import TITLE as CHOICES
from cpep.report.choices import choices_markdown
from cpep.report.names import (
    DAGGER,
    columns_of,
    compared_in,
    gallery_words,
    main_first,
    summarised,
    title_of,
    trainings,
    under_trained,
    under_trained_words,
)
from cpep.report.pose_errors import errors_of, measure
from cpep.report.published import published
from cpep.report.table import number, signed
from cpep.runtime.markdown import table

Pick = Callable[[str], bool]


def tables_markdown(results: dict[str, Any]) -> str:
    """Return the tables of results.json, one after another; those without rows are left out.

    Args:
        results: content of results.json.
    """
    tables = [
        ("Models", _accuracies(results, lambda model: not is_ablation(model))),
        ("Ablations", _accuracies(results, is_ablation)),
        (f"{_one(results)} minus the others", _differences(results, lambda model: not is_ablation(model))),
        ("Each ablation minus cpep", _differences(results, is_ablation, -1)),
        ("Pose errors", _errors(results)),
        (TITLE, challenge_markdown(results)),
        (CHOICES, choices_markdown(results)),
        ("Training", _training(results)),
    ]
    runs = results.get("training", [])
    note = f"{DAGGER} {under_trained_words(runs)}." if under_trained(runs) else ""
    notes = filter(None, [note, gallery_words(results["rows"])])
    return "\n\n".join([*(f"### {title}\n\n{text}" for title, text in tables if text), *notes])


def _accuracies(results: dict[str, Any], pick: Pick) -> str:
    found = summarised(results)
    columns = columns_of({key[1:] for key in found})
    marked = under_trained(results.get("training", []))

    def cell(model: str, protocol: str, gestures: str) -> str:
        if (model, protocol, gestures) not in found:
            return ""
        value, ci95, _ = found[model, protocol, gestures]
        low, high = (number(bound, 2) for bound in ci95)
        paper = published(model, protocol, gestures)
        beside = f"; paper {number(paper.value)}" if paper else ""
        return f"{number(value)} ({low} to {high}{beside})"

    models = [model for model in main_first(key[0] for key in found) if pick(model)]
    rows = [[model + DAGGER * (model in marked), *(cell(model, *column) for column in columns)] for model in models]
    return table(["", *(f"{title_of(p)}, {g}" for p, g in columns)], rows)


def _one(results: dict[str, Any]) -> str:
    """Return the model that all others are compared with."""
    return next((str(row["one"]) for row in results.get("comparisons", [])), "")


def _differences(results: dict[str, Any], pick: Pick, sign: int = 1) -> str:
    found = {
        (row["other"], row["protocol"], compared_in(row)): row
        for row in results.get("comparisons", [])
        if pick(row["other"])
    }
    columns = columns_of({key[1:] for key in found})

    def cell(model: str, protocol: str, gestures: str) -> str:
        row = found.get((model, protocol, gestures))
        if row is None:
            return ""
        low, high = sorted(sign * bound for bound in row["ci95"])
        text = f"{signed(sign * row['difference'])} ({signed(low)} to {signed(high)})"
        return f"**{text}**" if row["holds"] else text

    models = dict.fromkeys(key[0] for key in found)
    marked = under_trained(results.get("training", []))
    rows = [[model + DAGGER * (model in marked), *(cell(model, *column) for column in columns)] for model in models]
    return table(["", *(f"{title_of(p)}, {g}" for p, g in columns)], rows)


def _errors(results: dict[str, Any]) -> str:
    found = errors_of(results)
    if not found.columns:
        return ""
    rows = [
        [
            line.marked,
            *(
                measure(cell.mean, column.metric) + (f" ± {measure(cell.sd, column.metric)}" if cell.runs > 1 else "")
                if cell
                else ""
                for cell, column in zip(line.cells, found.columns, strict=True)
            ),
        ]
        for line in found.lines
    ]
    return table(["", *(f"{column.title}, {column.gestures}" for column in found.columns)], rows)


def _training(results: dict[str, Any]) -> str:
    rows = []
    for model, own in trainings(results).items():
        steps = [item["steps"] for item in own]
        many = f"{min(steps)} to {max(steps)}" if min(steps) < max(steps) else str(steps[0])
        share = sum(item["share"] for item in own) / len(own)
        stopped = dict.fromkeys(item["stopped"] for item in own)
        rows.append([model, f"{own[0]['parameters']:,}", many, f"{share:.2f}", ", ".join(stopped)])
    return table(["", "parameters", "steps of the last stage", "compute over cpep's", "stopped by"], rows)
