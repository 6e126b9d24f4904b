"""The results of one fold with one seed, and their files: one evaluation of each row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpep.evaluate.protocols.base import Outcome
from cpep.experiments.evaluators import Evaluation
from cpep.runtime.files import atomic_path, read_json, write_json


@dataclass(frozen=True, eq=False)
class Fold:
    """The results of one fold with one seed.

    Attributes:
        fold: number of the fold.
        seed: seed of the run.
        rows: rows of results.json.
        confusion: number of the row, classes and matrix, for each row that classifies.
        losses: loss curves of the stages, each once.
        training: cost of training, for each model with a network.
        maps: embeddings of EMG and of poses in a plane, for each set of gestures (`cpep.evaluate.projection.Map`).
        arrays: labels, users and predictions of every row that classifies, for paired comparisons.
    """

    fold: int
    seed: int
    rows: list[dict[str, Any]]
    confusion: list[dict[str, Any]]
    losses: list[dict[str, Any]]
    training: list[dict[str, Any]]
    maps: list[dict[str, Any]]
    arrays: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, fold: int, seed: int, models: Sequence[str]) -> Fold:
        """Read the files that ``save_row`` wrote for the given models."""
        run = {"fold": fold, "seed": seed}
        made = cls(fold, seed, [], [], [], [], [], {})
        curves: dict[str, dict[str, Any]] = {}
        for model in models:
            path, offset = _files(folder, model), len(made.rows)
            plain = read_json(path.with_suffix(".json"))
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
                for name, array in file.items():
                    number, _, what = name.partition("/")
                    made.arrays[f"{int(number) + offset}/{what}"] = array
            made.rows.extend({**row, **run} for row in plain["rows"])
            made.confusion.extend({**item, "row": item["row"] + offset} for item in plain["confusion"])
            curves |= {curve["stage"]: curve for curve in plain["losses"]}
            if plain["training"]:
                made.training.append({"model": model, **run, **plain["training"]})
            made.maps.extend(plain["maps"])
        made.losses.extend(curves.values())
        return made


def _files(folder: Path, model: str) -> Path:
    """Return the path of a row's files without suffix; a dot in a name, as in window_0.5s, becomes ``_``."""
    return folder / "rows" / (model.replace("/", "--").replace(".", "_"))


def held(folder: Path, model: str) -> bool:
    """Tell whether the folder holds an evaluation of a model."""
    return _files(folder, model).with_suffix(".json").exists()


def evaluated(folder: Path, model: str, key: str) -> bool:
    """Tell whether the folder holds the evaluation of a model with this key."""
    return held(folder, model) and bool(read_json(_files(folder, model).with_suffix(".json"))["key"] == key)


def save_row(
    folder: Path,
    key: str,
    model: str,
    found: Evaluation,
    names: tuple[str, ...],
    normalisation: str,
    losses: list[dict[str, Any]],
    training: dict[str, Any],
) -> None:
    """Write the evaluation of one model on one fold: rows, confusions, predictions, errors, curves and map."""
    arrays: dict[str, Any] = {}
    rows, confusion = [], []
    for number, outcome in enumerate(found.outcomes):
        rows.append({"model": model, **row_of(outcome), "normalisation": normalisation})
        classes = [names[label] for label in outcome.classes]
        confusion.append({"row": number, "classes": classes, "matrix": outcome.score.confusion_KK.tolist()})
        arrays |= {
            f"{number}/label": outcome.test.label_N,
            f"{number}/predicted": outcome.predicted_N,
            f"{number}/user": outcome.test.user_N,
        }
    for error in found.errors:
        rows.append({"model": model, "protocol": "pose_error", "normalisation": normalisation, **error.plain()})
    path = _files(folder, model)
    with atomic_path(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    maps = [asdict(one) for one in found.maps]
    plain = {"rows": rows, "confusion": confusion, "losses": losses, "training": training, "maps": maps}
    write_json(path.with_suffix(".json"), {"key": key, **plain})


def row_of(outcome: Outcome) -> dict[str, Any]:
    """Return one row of results.json, without its model, fold and seed."""
    score = outcome.score
    return {
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
