"""From the results of folds and seeds to ``results.json`` and the details of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.experiments.compare import comparisons, seen_unseen_curves, summaries
from cpep.experiments.fold import Fold
from cpep.report.names import SCHEMA


def results_of(
    run: dict[str, Any],
    store: Store,
    splits: Sequence[Split],
    windows_train: Sequence[int],
    folds: Sequence[Fold],
) -> dict[str, Any]:
    """Return the content of results.json."""
    return {
        "schema": SCHEMA,
        "run": run,
        "data": {
            "name": store.name,
            "pose": store.anchor_MJ is not None,
            "gestures_seen": [store.vocabulary[label] for label in splits[0].seen],
            "gestures_unseen": [store.vocabulary[label] for label in splits[0].unseen],
            "folds": [
                {
                    "users_train": list(split.users_train),
                    "users_val": list(split.users_val),
                    "users_test": list(split.users_test),
                    "windows_train": count,
                }
                for split, count in zip(splits, windows_train, strict=True)
            ],
        },
        "rows": [row for fold in folds for row in fold.rows],
        "training": [item for fold in folds for item in fold.training],
        "summary": summaries(folds),
        "comparisons": [comparison.plain() for comparison in comparisons(folds)],
    }


def details_of(folds: Sequence[Fold]) -> dict[str, Any]:
    """Return what the report has beside its table: confusions, loss curves, maps, seen-unseen curves, comparisons."""
    confusion, offset = [], 0
    for fold in folds:
        confusion += [{**item, "row": item["row"] + offset} for item in fold.confusion]
        offset += len(fold.rows)
    return {
        "confusion": confusion,
        "losses": [curve for fold in folds for curve in fold.losses],
        "maps": [{**one, "fold": folds[0].fold, "seed": folds[0].seed} for one in folds[0].maps],
        "seen_unseen": seen_unseen_curves(folds),
        "comparisons": [comparison.sentence() for comparison in comparisons(folds)],
    }
