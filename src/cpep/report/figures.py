"""The named figures of the report: each with its caption, drawn with ``cpep.report.plots``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from cpep.report import plots
from cpep.report.confusion import added
from cpep.report.names import BENCHMARK, metric_of, title_of
from cpep.report.scatter import scatter
from cpep.report.table import Column, Table, number, table_of

STAGES = {
    "emg_mae": ("EMG masked autoencoder", "mean squared error"),
    "pose_mae": ("Pose masked autoencoder", "mean squared error"),
    "cpep": ("Alignment of EMG to pose", "InfoNCE, nats"),
    "cpep/shuffled_pairs": ("Alignment of shuffled pairs", "InfoNCE, nats"),
    "embridge": ("embridge", "sum of its losses"),
    "supervised": ("supervised", "cross-entropy, nats"),
    **{name: (name, "L1") for name in (*BENCHMARK, "pose_t")},
    "cpep_pose_head": ("cpep/pose_head", "L1"),
}
"""Title of a stage and unit of its loss, in the order of the page."""

OF_CPEP = ("emg_mae", "pose_mae", "cpep", "cpep/shuffled_pairs")
"""Stages of cpep and its control; the others are of other models."""

ROWS = {"seen": 1, "unseen": 2, "H": 3}
"""Rows of figures of every person on a wide page."""
CONTROL = "cpep/shuffled_pairs"
ABLATION = re.compile(r"/|-[0-9a-f]{6,}$")
"""Finds in the name of a stage's folder a variant, or a hash of settings that differ from the run's."""


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: of its file, without suffix.
        kind: what kind of figure it is, and of what model.
        title: its heading among figures of its kind.
        caption: what is drawn, of how many people, windows and runs.
        svg: the drawing; `cpep.report.plots` escapes every name in it.
    """

    name: str
    kind: str
    title: str
    caption: str
    svg: Markup

    @property
    def whole(self) -> str:
        """The title for a list of all figures."""
        return f"{self.kind}: {self.title}"


def every(results: dict[str, Any], details: dict[str, Any]) -> list[Figure]:
    """Return all figures of the report, in its order.

    Args:
        results: content of results.json.
        details: content of details.json.
    """
    table = table_of(results)
    found = [one for column in range(len(table.columns)) if (one := dots(results, table, column))]
    found += seen_unseen(results, table, details.get("seen_unseen", []))
    for groups in matrices(results, details.get("confusion", []), table).values():
        found += [one for _, drawn in groups for one in drawn]
    found += [one for _, drawn in curves(details.get("losses", [])) for one in drawn]
    return [*found, *maps(results["data"], details.get("maps", []))]


def places(table: Table) -> list[tuple[Column, str]]:
    """Return the columns of the table, each with its place on a wide page: seen above unseen and both.

    A place is text for a style attribute; it is empty where there are more than three protocols.
    """
    titles = [title for title, _ in table.groups]
    if len(titles) > 3:
        return [(column, "") for column in table.columns]
    return [
        (column, f"--column:{titles.index(column.title) + 1};--row:{ROWS.get(column.gestures, 1)}")
        for column in table.columns
    ]


def dots(results: dict[str, Any], table: Table, column: int) -> Figure | None:
    """Draw every person's score of one column, averaged over the runs that tested them.

    Ablations have no dots. Returns ``None`` where no model has a score in this column, and of the area under the
    seen-unseen curve, which is drawn itself.
    """
    about, rows = table.columns[column], []
    of_user = f"{metric_of(about.gestures)}_per_user" if about.together else "per_user"
    if about.gestures == "AUSUC":
        return None
    for line in table.lines:
        if (cell := line.cells[column]) is not None:
            values: dict[str, list[float]] = {}
            for position in cell.rows:
                for user, value in results["rows"][position][of_user].items():
                    values.setdefault(user, []).append(value)
            if values:
                rows.append((line.marked, line.role, {user: float(np.mean(v)) for user, v in values.items()}))
    if not rows:
        return None
    asked = "seen and unseen together" if about.together else f"{about.gestures} gestures"
    title = f"{_capital(about.title)}, {asked}"
    people = len({user for _, _, values in rows for user in values})
    seeds = len({row["seed"] for row in results["rows"]})
    averaged = f", each the mean of {seeds} seeds" if seeds > 1 else ""
    caption = (
        f"{_people(people, 'tested')} (dots{averaged}), their mean (bar) and chance (dashed, {number(about.chance)})."
        f" {'Harmonic mean of seen and unseen accuracy' if about.together else 'Balanced accuracy'} of each person"
        " over the gestures that the person made."
    )
    axis = "harmonic mean" if about.together else "balanced accuracy"
    svg = plots.dots(rows, about.chance, f"Score of every person, {about.title}, {asked}", axis)
    return Figure(_file("people", about.protocol, about.gestures), "Every person", title, caption, Markup(svg))


def seen_unseen(results: dict[str, Any], table: Table, found: Sequence[dict[str, Any]]) -> list[Figure]:
    """Draw the seen-unseen curves of all models, one figure a protocol; ablations have none.

    Args:
        results: content of results.json.
        table: of the same results.
        found: ``seen_unseen`` of details.json.
    """
    drawn, seeds = [], sorted({row["seed"] for row in results["rows"]})
    for protocol in dict.fromkeys(one["protocol"] for one in found):
        of_model = {one["model"]: one for one in found if one["protocol"] == protocol}
        lines = [
            (line.marked, line.role, [(x, y) for x, y in one["points"]], (one["at"][0], one["at"][1]))
            for line in table.lines
            if (one := of_model.get(line.model))
        ]
        if lines:
            title = f"{_capital(title_of(protocol))}: seen against unseen"
            first = f" Seed {seeds[0]}." if len(seeds) > 1 else ""
            caption = (
                "Along a line from right to left, a growing constant is taken from the scores of seen gestures:"
                " accuracy on seen gestures falls, on unseen ones it rises. The ring is where the model itself is."
                f" AUSUC is the area under the line. Accuracies are means over people.{first}"
            )
            svg = plots.seen_unseen(lines, title)
            drawn.append(Figure(_file("seen-unseen", protocol), "Seen-unseen curve", title, caption, Markup(svg)))
    return drawn


def matrices(
    results: dict[str, Any], confusion: Sequence[dict[str, Any]], table: Table
) -> dict[str, list[tuple[str, list[Figure]]]]:
    """Draw confusion matrices, summed over folds and seeds: per model (protocol, its figures).

    Where seen and unseen gestures are offered the same answers, they are rows of one matrix. Ablations have
    none.
    """
    of_row = {item["row"]: item for item in confusion}
    unseen = set(results["data"]["gestures_unseen"])
    drawn: dict[str, list[tuple[str, list[Figure]]]] = {}
    for line in table.lines:
        cells = [(c, cell) for c, cell in zip(table.columns, line.cells, strict=True) if not c.together]
        for title, group in groupby(cells, key=lambda pair: pair[0].title):
            together: dict[frozenset[str], tuple[list[str], list[int]]] = {}
            for column, cell in group:
                protocol = column.protocol
                found = [position for position in (cell.rows if cell else ()) if position in of_row]
                if found:
                    offered = frozenset(name for position in found for name in of_row[position]["classes"])
                    kinds, positions = together.get(offered, ([], []))
                    together[offered] = ([*kinds, column.gestures], [*positions, *found])
            figures = [
                Figure(
                    _file("confusion", line.name, protocol, *kinds),
                    f"Confusion matrix of {line.name}, {title}",
                    f"{' and '.join(kinds)} gestures",
                    _counted(results, positions, [of_row[position] for position in positions]),
                    _heat(
                        f"{line.name}, {title}, {' and '.join(kinds)} gestures",
                        [of_row[position] for position in positions],
                        unseen,
                    ),
                )
                for kinds, positions in together.values()
            ]
            if figures:
                drawn.setdefault(line.name, []).append((title, figures))
    return drawn


def curves(losses: Sequence[dict[str, Any]]) -> list[tuple[str, list[Figure]]]:
    """Draw one figure of loss curves a stage, all its folds and seeds in it: per group (title, its figures).

    Stages of ablations (a slash or a hash in the name of their folder) are left out; the control is shown.
    """
    order = list(STAGES)
    stages: dict[str, list[dict[str, Any]]] = {}
    for curve in losses:
        stage = CONTROL if "shuffled_pairs" in curve["stage"] else curve["stage"]
        if curve["points"] and (stage == CONTROL or not ABLATION.search(stage)):
            stages.setdefault(stage, []).append(curve)
    groups: dict[str, list[Figure]] = {}
    for stage in sorted(stages, key=lambda name: order.index(name) if name in order else len(order)):
        runs = stages[stage]
        title, unit = STAGES.get(stage, (stage, ""))
        points, kept = [run["points"] for run in runs], [run["kept_step"] for run in runs]
        svg = plots.curves(points, kept, runs[0].get("unit", unit), f"Loss curves, {title}")
        group = "Stages of cpep" if stage in OF_CPEP else "Other models"
        of_runs = f"One pair of lines for each of {len(runs)} runs" if len(runs) > 1 else "One run"
        named = ", ".join(f"fold {run['fold']} seed {run['seed']}" for run in runs[:1])
        caption = f"{of_runs}{'' if len(runs) > 1 else f' ({named})'}. The ring is at the weights that were kept."
        groups.setdefault(group, []).append(Figure(_file("loss", stage), "Loss", title, caption, Markup(svg)))
    return list(groups.items())


def maps(data: dict[str, Any], found: Sequence[dict[str, Any]]) -> list[Figure]:
    """Draw the map of each set of gestures.

    Args:
        data: the ``data`` of results.json.
        found: the fields of ``cpep.evaluate.projection.Map``, with fold and seed.
    """
    drawn = []
    for one in found:
        emg, pose = ([tuple(point) for point in one[kind]] for kind in ("emg", "pose"))
        names = [name for name in data[f"gestures_{one['gestures']}"] if any(p[2] == name for p in (*emg, *pose))]
        title = f"{_capital(one['gestures'])} gestures"
        svg = scatter(emg, pose, names, f"Map of embeddings, {title}")
        drawn.append(Figure(_file("map", one["gestures"]), "Map of EMG and poses", title, _mapped(one), Markup(svg)))
    return drawn


def _mapped(one: dict[str, Any]) -> str:
    """Say what a map shows, and how far EMG is from the poses in the whole space."""

    def drawn(kind: str, total: str, noun: str) -> str:
        count, every_one = len(one[kind]), one[total]
        return f"{count:,} of {every_one:,} {noun}" if count < every_one else f"{count:,} {noun}"

    text = (
        f"Fold {one['fold']}, seed {one['seed']}: {drawn('emg', 'windows', 'windows of EMG')} of"
        f" {_people(one['people'], 'tested')} and {drawn('pose', 'poses', 'poses')} of"
        f" {_people(one['pose_people'], 'training')}, projected by one matrix. The axes are the two directions in"
        f" which the mean poses of the gestures differ most ({100 * one['shown']:.0f} % of their variance)."
        f" In the whole space, the centre of EMG is {one['gap']:.2f} from the centre of the poses"
    )
    return text + (f"; two gestures' mean poses are {one['apart']:.2f} apart on average." if one["apart"] else ".")


def _people(count: int, kind: str) -> str:
    return f"{count} {kind} {'people' if count != 1 else 'person'}"


def _counted(results: dict[str, Any], positions: Sequence[int], items: Sequence[dict[str, Any]]) -> str:
    """Say how many windows, people and runs a matrix counts."""
    rows = [results["rows"][position] for position in positions]
    people = len({user for row in rows for user in row["per_user"]})
    runs = len({(row["fold"], row["seed"]) for row in rows})
    total_KK = added(items)[1]
    text = f"{int(total_KK.sum()):,} answers for windows of {_people(people, 'tested')}"
    return f"{text}, in {runs} runs (folds and seeds)." if runs > 1 else f"{text}."


def _heat(what: str, items: Sequence[dict[str, Any]], unseen: set[str]) -> Markup:
    """Draw the rows that have windows, seen gestures before unseen ones."""
    names, total_KK = added(items)
    order_K = sorted(range(len(names)), key=lambda k: names[k] in unseen)
    classes, total_KK = [names[k] for k in order_K], total_KK[np.ix_(order_K, order_K)]
    present_K = total_KK.sum(1) > 0
    rows = [name for name, present in zip(classes, present_K, strict=True) if present]
    split = sum(name not in unseen for name in classes) % len(classes)
    return Markup(plots.heat(total_KK[present_K], rows, classes, split, f"Confusion matrix of {what}"))


def _file(*parts: str) -> str:
    """Return the name of a figure's file.

    >>> _file("confusion", "cpep/shuffled_pairs", "zero_shot", "seen")
    'confusion-cpep_shuffled_pairs-zero_shot-seen'
    """
    return "-".join(re.sub(r"[^\w.]+", "_", part).strip("_") for part in parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
