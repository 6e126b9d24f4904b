"""Comparisons of cpep with the other rows: which differences hold for other people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpep.config.rows import ROWS, role_of
from cpep.evaluate.generalised import FIGURES, Borders, Both, interval, paired_figures
from cpep.evaluate.metrics import Answers
from cpep.evaluate.paired import Difference, paired_bootstrap, people_interval
from cpep.experiments.fold import ANSWERS, OF_BOTH, Fold
from cpep.report.names import (
    GESTURES,
    TOGETHER,
    UNDER_TRAINED,
    columns_of,
    main_first,
    title_of,
    under_trained,
    under_trained_words,
)

ONE = "cpep"
"""The row that all others are compared with; without it, the first row with a network."""


@dataclass(frozen=True)
class Comparison:
    """One row minus another, under one protocol on one set of gestures.

    Attributes:
        one: name of the first.
        other: name of the second.
        protocol: name of the protocol.
        gestures: ``seen``, ``unseen`` or ``all``.
        difference: difference of balanced accuracy, or of the metric, with its interval over people.
        people: number of people tested.
        seeds: seeds that both rows have; scores are averaged over them.
        under_trained: whether the training of the second was stopped by the limit on compute.
        why: what that means in this run.
        metric: one of ``generalised.FIGURES``; empty for balanced accuracy.
    """

    one: str
    other: str
    protocol: str
    gestures: str
    difference: Difference
    people: int
    seeds: tuple[int, ...]
    under_trained: bool = False
    why: str = UNDER_TRAINED
    metric: str = ""

    def sentence(self) -> str:
        """Return the comparison as a sentence."""
        seeds = f", {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""
        names = {metric: f", {name}, seen and unseen gestures" for name, metric in TOGETHER.items()}
        what = title_of(self.protocol) + names.get(self.metric, f" on {self.gestures} gestures")
        where = f"{what} ({self.people} people{seeds})"
        mark = f" {self.other} {self.why}." if self.under_trained else ""
        return self.difference.sentence(self.one, self.other, where) + mark

    def plain(self) -> dict[str, Any]:
        """Return the comparison as an entry of results.json."""
        found = self.difference
        return {
            "one": self.one,
            "other": self.other,
            "protocol": self.protocol,
            "gestures": self.gestures,
            "difference": round(found.mean, 4),
            "ci95": [round(found.low, 4), round(found.high, 4)],
            "holds": found.holds,
            "people": self.people,
            "seeds": list(self.seeds),
            "under_trained": self.under_trained,
            **({"metric": self.metric} if self.metric else {}),
        }


def comparisons(folds: Sequence[Fold]) -> list[Comparison]:
    """Compare one model, see ``ONE``, with every other by a paired bootstrap over people (`paired_bootstrap`).

    Other systems come first, then ablations. The control and the ceiling are not compared. A seed counts if both
    models are evaluated in all of its folds. People count if every run of both models tests them; where windows are
    long, these can be fewer than all. There is no comparison with fewer than two people.

    Args:
        folds: every fold with every seed.
    """
    models = main_first(row["model"] for fold in folds for row in fold.rows)
    one = reference(models)
    others = [name for name in models if name != one and not role_of(name)]
    trainings = [run for fold in folds for run in fold.training]
    marked = under_trained(trainings)
    why = under_trained_words(trainings)
    found: list[Comparison] = []
    for protocol, gestures in _answered(folds):
        a_of = _runs(folds, one, protocol, gestures)
        for other in others:
            b_of = _runs(folds, other, protocol, gestures)
            seeds = tuple(seed for seed in a_of if seed in b_of)
            a, b = ([runs[seed] for seed in seeds] for runs in (a_of, b_of))
            people = _everywhere([*a, *b])
            if len(people) > 1:
                difference = paired_bootstrap(*([run.of(people) for run in runs] for runs in (a, b)))
                where = (one, other, protocol, gestures)
                found.append(Comparison(*where, difference, len(people), seeds, other in marked, why))
        if gestures == "unseen":
            together = _together(folds, one, others, protocol)
            found += [replace(each, under_trained=each.other in marked, why=why) for each in together]
    order = {name: place for place, name in enumerate(others)}
    return sorted(found, key=lambda comparison: order[comparison.other])


def _together(folds: Sequence[Fold], one: str, others: Sequence[str], protocol: str) -> Iterator[Comparison]:
    """Compare the figures of seen and unseen gestures together."""
    a_of = both_of(folds, one, protocol)
    for other in others:
        b_of = both_of(folds, other, protocol)
        seeds = tuple(seed for seed in a_of if seed in b_of)
        a, b = ([runs[seed] for seed in seeds] for runs in (a_of, b_of))
        people = _people_of([*a, *b])
        for figure in FIGURES if len(people) > 1 else ():
            difference = paired_figures([run.of(people) for run in a], [run.of(people) for run in b], figure)
            where = (one, other, protocol, "all")
            yield Comparison(*where, difference, len(people), seeds, metric=figure)


def reference(models: Sequence[str]) -> str:
    """Return the row that all others are compared with; see ``ONE``.

    >>> reference(["features", "cpep", "emg_mae"]), reference(["features", "emg_mae"]), reference(["features"])
    ('cpep', 'emg_mae', 'features')
    """
    networks = [name for name in models if name not in ROWS or (ROWS.get(name).stage and not role_of(name))]
    return ONE if ONE in models else next(iter([*networks, *models]), ONE)


def summaries(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """Return the balanced accuracy of every row over all tested people, with its interval over people.

    As in `comparisons`, folds test different people and are put together, and seeds are averaged. Rows of seen and of
    unseen gestures have the figures of both together too, where all gestures compete.
    """
    found: list[dict[str, Any]] = []
    for model in dict.fromkeys(row["model"] for fold in folds for row in fold.rows):
        together: dict[str, dict[str, Any]] = {}
        for protocol, gestures in _answered(folds):
            runs = _runs(folds, model, protocol, gestures)
            people = _everywhere(list(runs.values()))
            if protocol not in together:
                together[protocol] = _figures(both_of(folds, model, protocol))
            if len(people) > 1:
                mean, low, high = people_interval([run.of(people) for run in runs.values()])
                found.append(
                    {
                        "model": model,
                        "protocol": protocol,
                        "gestures": gestures,
                        "balanced_accuracy": round(mean, 4),
                        "ci95": [round(low, 4), round(high, 4)],
                        "people": len(people),
                        "seeds": list(runs),
                        **(together[protocol] if gestures in GESTURES else {}),
                    }
                )
    return found


def _figures(runs: Mapping[int, Both]) -> dict[str, Any]:
    """Return the figures of seen and unseen gestures together over all people, with intervals over people."""
    people, found = _people_of(list(runs.values())), dict[str, Any]()
    for figure in FIGURES if len(people) > 1 else ():
        mean, low, high = interval([run.of(people) for run in runs.values()], figure)
        found |= {figure: round(mean, 4), f"{figure}_ci95": [round(low, 4), round(high, 4)]}
    return found


def seen_unseen_curves(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """Return the seen-unseen curve of every row, and the point that its own constant gives: first seed, all folds."""
    found = []
    for protocol in dict.fromkeys(protocol for protocol, _ in _answered(folds)):
        for model in dict.fromkeys(row["model"] for fold in folds for row in fold.rows):
            for both in list(both_of(folds, model, protocol).values())[:1]:
                at = [float(np.nanmean(accuracy_U)) for accuracy_U in both.accuracies]
                points = both.curve().clip(0, 1).round(4).tolist()  # sums of shares of windows can be 1 and a little
                found.append({"model": model, "protocol": protocol, "points": points, "at": np.round(at, 4).tolist()})
    return found


def both_of(folds: Sequence[Fold], model: str, protocol: str) -> dict[int, Both]:
    """Return the answers of a row to seen and unseen gestures together, by seed; see ``_runs``.

    All folds are put together as if one constant were taken in all of them.
    """
    runs = {}
    for seed in dict.fromkeys(fold.seed for fold in folds):
        own = [fold for fold in folds if fold.seed == seed]
        found = [(fold, kind, _find(fold, model, protocol, kind)) for fold in own for kind in GESTURES]
        parts = [(fold, kind, row) for fold, kind, row in found if row is not None and f"{row}/border" in fold.arrays]
        whole = all(any(row["model"] == model for row in fold.rows) for fold in own)
        if whole and {kind for _, kind, _ in parts} == set(GESTURES):
            arrays = [(fold, row) for fold, _, row in parts]
            unseen_N = np.concatenate([np.full(len(f.arrays[f"{row}/label"]), k == "unseen") for f, k, row in parts])
            label_N, predicted_N, user_N = _joined(arrays)
            runs[seed] = Both(label_N, predicted_N, user_N, unseen_N, Borders(*_joined(arrays, OF_BOTH)))
    return runs


def _answered(folds: Sequence[Fold]) -> list[tuple[str, str]]:
    """Return the protocols and sets of gestures of which folds hold answers, in the order of tables."""
    return columns_of(
        {
            (row["protocol"], row["gestures"])
            for fold in folds
            for number, row in enumerate(fold.rows)
            if f"{number}/label" in fold.arrays
        }
    )


def _runs(folds: Sequence[Fold], model: str, protocol: str, gestures: str) -> dict[int, Answers]:
    """Return the answers of a row by seed, for seeds whose folds all have the model.

    A fold that has the model but not this row is left out: none of its test people has these gestures.
    """
    runs = {}
    for seed in dict.fromkeys(fold.seed for fold in folds):
        own = [fold for fold in folds if fold.seed == seed]
        parts = [(fold, row) for fold in own if (row := _find(fold, model, protocol, gestures)) is not None]
        if parts and all(any(row["model"] == model for row in fold.rows) for fold in own):
            runs[seed] = Answers(*_joined(parts))
    return runs


def _everywhere(runs: Sequence[Answers]) -> frozenset[str]:
    """Return the people who have windows in every run."""
    people = [frozenset(run.counts[0]) for run in runs]
    return people[0].intersection(*people) if people else frozenset()


def _people_of(runs: Sequence[Both]) -> frozenset[str]:
    """Return the people who have windows in every run."""
    people = [frozenset(run.users) for run in runs]
    return people[0].intersection(*people) if people else frozenset()


def _joined(parts: Sequence[tuple[Fold, int]], names: Sequence[str] = ANSWERS) -> Iterator[Any]:
    """Yield the labels, predictions and users of all folds, or other arrays of rows."""
    for name in names:
        yield np.concatenate([fold.arrays[f"{row}/{name}"] for fold, row in parts])


def _find(fold: Fold, model: str, protocol: str, gestures: str) -> int | None:
    for number, row in enumerate(fold.rows):
        if (row["model"], row["protocol"], row["gestures"]) == (model, protocol, gestures):
            return number
    return None
