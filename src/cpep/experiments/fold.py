"""The results of one fold with one seed, and their files: one evaluation of each row of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from cpep.config.rows import ROWS
from cpep.data.readers.unpacked import read_npz
from cpep.evaluate.generalised import FIGURES, Estimate, Generalised
from cpep.evaluate.protocols.base import Outcome
from cpep.experiments.evaluators import Evaluation
from cpep.report.kinds import Confusion, Cost, Curve, Drawn, Scored
from cpep.report.results import wrong_matrices, wrong_rows
from cpep.runtime import checked, sums
from cpep.runtime.files import MOST_ROWS, atomic_path, write_json
from cpep.types import UserError

AGAIN = "it is evaluated again"
ANSWERS = ("label", "predicted", "user")
"""Arrays of each row that classifies: one value a window."""
OF_BOTH = ("border", "right")
"""Further arrays of a row that has the figures of seen and unseen gestures together, see ``generalised.Borders``."""


@dataclass(frozen=True)
class Saved:
    """The JSON of one evaluation; its arrays are in an .npz beside it.

    Attributes:
        key: fingerprint of all that it depends on.
        rows: rows of results.json, without fold and seed.
        confusion: their matrices.
        losses: loss curves of the stages.
        training: cost of training; empty without a network.
        maps: embeddings in a plane.
        arrays: checksum of the .npz; empty in files of older versions.
    """

    key: str
    rows: list[Scored]
    confusion: list[Confusion]
    losses: list[Curve]
    training: dict[str, Any]
    maps: list[Drawn]
    arrays: str = ""


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
        """Read the files that ``save_row`` wrote for the given models.

        Raises:
            UserError: a file is missing or damaged.
        """
        run = {"fold": fold, "seed": seed}
        made = cls(fold, seed, [], [], [], [], [], {})
        curves: dict[str, dict[str, Any]] = {}
        for model in models:
            offset = len(made.rows)
            saved, arrays = _read(folder, model)
            made.arrays.update({f"{number + offset}/{what}": array for (number, what), array in arrays.items()})
            made.rows.extend({**row, **run} for row in saved.rows)
            made.confusion.extend({**item, "row": item["row"] + offset} for item in saved.confusion)
            curves |= {curve["stage"]: dict(curve) for curve in saved.losses}
            if saved.training:
                made.training.append({"model": model, **run, **saved.training})
            made.maps.extend(dict(one) for one in saved.maps)
        made.losses.extend(curves.values())
        return made


def _files(folder: Path, model: str) -> Path:
    """Return the path of a row's files without suffix; a dot in a name, as in window_0.5s, becomes ``_``."""
    return folder / "rows" / (model.replace("/", "--").replace(".", "_"))


def _read(folder: Path, model: str) -> tuple[Saved, dict[tuple[int, str], Any]]:
    """Return the evaluation of a model: what is in its JSON, and arrays by the number of their row and their name.

    Raises:
        UserError: a file is missing or damaged.
    """
    path = _files(folder, model).with_suffix(".json")
    value = checked.read(path, dict[str, Any], most=MOST_ROWS, remedy=AGAIN)
    sums.refuse_broken_seal(value, path, AGAIN, required=False)  # older ones have none
    saved = checked.convert(value, Saved, path, remedy=AGAIN, others=True)
    if saved.training:
        checked.convert(saved.training, Cost, f"{path}: training", remedy=AGAIN)
    wrong = next(chain(wrong_rows(saved.rows), wrong_matrices(saved.confusion, saved.rows)), "")
    if wrong or {row["model"] for row in saved.rows} - {model}:
        raise UserError(f"{path}: {wrong or 'a row is of another model'}; {AGAIN}")
    packed = path.with_suffix(".npz")
    if saved.arrays:
        sums.refuse_other_file(packed, saved.arrays, AGAIN)
    return saved, _answers(packed, saved.rows)


def _answers(path: Path, rows: Sequence[Scored]) -> dict[tuple[int, str], Any]:
    """Return labels, predictions and users of the windows of every row that classifies.

    Raises:
        UserError: the file is missing or damaged, or does not fit the rows.
    """
    found = read_npz(path)
    made: dict[tuple[int, str], Any] = {}
    for number in (number for number, row in enumerate(rows) if "balanced_accuracy" in row):
        arrays = [found[name] for what in ANSWERS if (name := f"{number}/{what}") in found]
        forms = [(array.dtype.kind, array.ndim) for array in arrays]
        lengths = {array.shape for array in arrays}
        if forms != [("i", 1), ("i", 1), ("U", 1)] or len(lengths) > 1 or (0,) in lengths:
            raise UserError(f"{path} is damaged: {number}/label, predicted and user do not fit each other; {AGAIN}")
        made |= {(number, what): array for what, array in zip(ANSWERS, arrays, strict=True)}
        if "ausuc" in rows[number]:
            made |= {
                (number, what): array for what, array in zip(OF_BOTH, _of_both(path, found, number), strict=True)
            }
    return made


def _of_both(path: Path, found: dict[str, Any], number: int) -> list[Any]:
    arrays = [found[name] for what in OF_BOTH if (name := f"{number}/{what}") in found]
    forms = [(array.dtype.kind, array.shape) for array in arrays]
    shape = found[f"{number}/label"].shape
    if forms != [("f", shape), ("b", shape)] or not np.isfinite(arrays[0]).all():
        raise UserError(f"{path} is damaged: {number}/border and right do not fit its labels; {AGAIN}")
    return arrays


def held(folder: Path, model: str) -> bool:
    """Tell whether the folder holds an evaluation of a model."""
    return _files(folder, model).with_suffix(".json").exists()


def evaluated(folder: Path, model: str, key: str) -> bool:
    """Tell whether the folder holds the evaluation of a model with this key.

    Raises:
        UserError: a file of it is damaged.
    """
    return held(folder, model) and _read(folder, model)[0].key == key


def mend(folders: Iterable[Path], say: Callable[[str], None]) -> None:
    """Remove evaluations that are damaged, and say so: they are derived, and are made again where they are asked for.

    Args:
        folders: of folds and seeds.
        say: called with a sentence for each.
    """
    for folder in folders:
        for model in ROWS.names():
            if not held(folder, model):
                continue
            try:
                _read(folder, model)
            except UserError as error:
                say(f"{error}: both files of {model} are removed for that")
                for ending in (".json", ".npz"):
                    _files(folder, model).with_suffix(ending).unlink(missing_ok=True)


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
        row = {"model": model, **row_of(outcome), "normalisation": normalisation}
        if words := found.choice.get(outcome.protocol):
            row["read_out"] = words
        rows.append(row)
        classes = [names[label] for label in outcome.classes]
        confusion.append({"row": number, "classes": classes, "matrix": outcome.score.confusion_KK.tolist()})
        arrays |= {
            f"{number}/label": outcome.test.label_N,
            f"{number}/predicted": outcome.predicted_N,
            f"{number}/user": outcome.test.user_N.astype(np.str_),
        }
        if outcome.generalised is not None:
            both = outcome.generalised.both
            own_N = both.unseen_N == (outcome.gestures == "unseen")
            arrays |= {
                f"{number}/border": both.borders.border_N[own_N],
                f"{number}/right": both.borders.right_N[own_N],
            }
    for error in found.errors:
        rows.append({"model": model, "protocol": error.protocol, "normalisation": normalisation, **error.plain()})
    path = _files(folder, model)
    with atomic_path(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    maps = [asdict(one) for one in found.maps]
    plain = {"rows": rows, "confusion": confusion, "losses": losses, "training": training, "maps": maps}
    noted = {"key": key, **plain, "arrays": sums.of_file(path.with_suffix(".npz"))}
    write_json(path.with_suffix(".json"), sums.sealed(noted))


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
        "per_user": _rounded(score.per_user),
        **(_of_generalised(outcome.generalised) if outcome.generalised else {}),
        **({"gallery": list(outcome.drawn)} if outcome.drawn else {}),
    }


def _of_generalised(both: Generalised) -> dict[str, Any]:
    """Return the figures of seen and unseen gestures together; one person has no interval."""
    row: dict[str, Any] = {"calibration": both.calibration}
    for name in FIGURES:
        found: Estimate = getattr(both, name)
        row |= {name: round(found.value, 4), f"{name}_chance": round(found.chance, 4)}
        row[f"{name}_per_user"] = _rounded(found.per_user)
        if found.ci95:
            row[f"{name}_ci95"] = [round(bound, 4) for bound in found.ci95]
    return row


def _rounded(per_user: Mapping[str, float]) -> dict[str, float]:
    return {user: round(value, 4) for user, value in per_user.items()}
