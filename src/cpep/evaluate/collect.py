"""From the outcomes of folds and seeds to ``results.json`` and what the report draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.splits import Split
from cpep.data.store import Store
from cpep.evaluate.metrics import paired_bootstrap
from cpep.evaluate.protocol import Outcome
from cpep.evaluate.table import PROTOCOLS
from cpep.files import atomic_path, read_json, write_json

SCHEMA = 1
COMPARED = (
    ("cpep", "ridge", "zero_shot", "unseen"),
    ("cpep", "ridge", "zero_shot", "seen"),
    ("cpep", "features", "linear_probe", "seen"),
    ("cpep", "features", "linear_probe", "unseen"),
    ("cpep", "emg_mae", "linear_probe", "seen"),
)


@dataclass(frozen=True, eq=False)
class Fold:
    """What one fold with one seed left behind.

    Attributes:
        fold: number.
        seed: of the run.
        rows: rows of results.json.
        confusion: per row: classes and matrix.
        losses: loss curves of its stages.
        points: EMG and pose embeddings in two dimensions with gesture names.
        arrays: labels, users and predictions of every row, for paired comparisons.
    """

    fold: int
    seed: int
    rows: list[dict[str, Any]]
    confusion: list[dict[str, Any]]
    losses: list[dict[str, Any]]
    points: dict[str, list[list[Any]]]
    arrays: dict[str, Any]

    @staticmethod
    def exists(folder: Path, key: str) -> bool:
        """Tell whether the folder holds this very evaluation."""
        path = folder / "evaluation.json"
        return path.exists() and bool(read_json(path)["key"] == key)

    @classmethod
    def read(cls, folder: Path, fold: int, seed: int) -> Fold:
        """Read what ``save_outcomes`` wrote."""
        plain = read_json(folder / "evaluation.json")
        with np.load(folder / "predictions.npz", allow_pickle=False) as file:
            arrays = dict(file)
        for row in plain["rows"]:
            row["fold"], row["seed"] = fold, seed
        return cls(fold, seed, plain["rows"], plain["confusion"], plain["losses"], plain["points"], arrays)


def save_outcomes(
    folder: Path,
    key: str,
    outcomes: Sequence[Outcome],
    names: tuple[str, ...],
    normalisation: str,
    losses: list[dict[str, Any]],
    points: dict[str, list[list[Any]]],
) -> None:
    """Write the rows, confusions, predictions, curves and map of one fold."""
    arrays: dict[str, Any] = {}
    rows, confusion = [], []
    for number, outcome in enumerate(outcomes):
        rows.append({**row_of(outcome), "normalisation": normalisation})
        classes = [names[label] for label in outcome.classes]
        confusion.append({"row": number, "classes": classes, "matrix": outcome.score.confusion_KK.tolist()})
        arrays |= {
            f"{number}/label": outcome.test.label_N,
            f"{number}/predicted": outcome.predicted_N,
            f"{number}/user": outcome.test.user_N,
        }
    with atomic_path(folder / "predictions.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    write_json(
        folder / "evaluation.json",
        {"key": key, "rows": rows, "confusion": confusion, "losses": losses, "points": points},
    )


def row_of(outcome: Outcome) -> dict[str, Any]:
    """Return one row of results.json, without fold and seed."""
    score = outcome.score
    return {
        "model": outcome.model,
        "protocol": outcome.protocol,
        "gestures": outcome.gestures,
        "balanced_accuracy": round(score.balanced_accuracy, 4),
        "ci95": [round(bound, 4) for bound in score.ci95],
        "chance": round(score.chance, 4),
        "macro_f1": round(score.macro_f1, 4),
        "n_users": score.n_users,
        "n_windows": score.n_windows,
        "per_user": {user: round(value, 4) for user, value in score.per_user.items()},
    }


def results_of(
    run: dict[str, Any],
    store: Store,
    splits: Sequence[Split],
    windows_train: Sequence[int],
    folds: Sequence[Fold],
) -> dict[str, Any]:
    """Return results.json."""
    return {
        "schema": SCHEMA,
        "run": run,
        "data": {
            "name": store.name,
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
    }


def details_of(folds: Sequence[Fold]) -> dict[str, Any]:
    """Return what the report draws beside the table."""
    confusion, offset = [], 0
    for fold in folds:
        confusion += [{**item, "row": item["row"] + offset} for item in fold.confusion]
        offset += len(fold.rows)
    return {
        "confusion": confusion,
        "losses": [curve for fold in folds for curve in fold.losses],
        "map": folds[0].points,
        "comparisons": [sentence for pair in COMPARED if (sentence := compare(folds, *pair))],
    }


def compare(folds: Sequence[Fold], one: str, other: str, protocol: str, gestures: str) -> str:
    """Return a sentence on a paired bootstrap over users, or ``""`` where a row is missing.

    Folds test different people, so their windows are pooled; of several seeds the first is compared.
    """
    pooled: dict[str, list[Any]] = {"label": [], "one": [], "other": [], "user": []}
    for fold in folds:
        if fold.seed != folds[0].seed:
            continue
        rows = [_find(fold, name, protocol, gestures) for name in (one, other)]
        if None in rows:
            return ""
        pooled["label"].append(fold.arrays[f"{rows[0]}/label"])
        pooled["user"].append(fold.arrays[f"{rows[0]}/user"])
        pooled["one"].append(fold.arrays[f"{rows[0]}/predicted"])
        pooled["other"].append(fold.arrays[f"{rows[1]}/predicted"])
    label, first, second, user = (np.concatenate(pooled[name]) for name in ("label", "one", "other", "user"))
    found = paired_bootstrap(label, first, second, user)
    seed = f", seed {folds[0].seed}" if len({fold.seed for fold in folds}) > 1 else ""
    where = f"{PROTOCOLS[protocol]} on {gestures} gestures ({len(np.unique(user))} people{seed})"
    return found.sentence(one, other, where)


def _find(fold: Fold, model: str, protocol: str, gestures: str) -> int | None:
    for number, row in enumerate(fold.rows):
        if (row["model"], row["protocol"], row["gestures"]) == (model, protocol, gestures):
            return number
    return None
