"""results.json and details.json of a run, read and checked: what ``kinds`` says of them, and what fits together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from cpep.report.kinds import Details, Results
from cpep.report.names import SCHEMA
from cpep.runtime import checked
from cpep.runtime.files import MOST_ROWS
from cpep.types import UserError

AGAIN = "run the command that made it again"
ERRORS = ("angular_error_deg", "landmark_mm", "pose_nrmse", "angular_error_rad")
"""Errors of a predicted pose; a person's error is the first of these that a row has."""
TOGETHER = (
    "calibration",
    *(f"{name}{part}" for name in ("harmonic_mean", "ausuc") for part in ("", "_chance", "_per_user")),
)
"""Fields of a row that has figures of seen and unseen gestures together."""


def read_results(run: Path) -> dict[str, Any]:
    """Return the content of the results.json of a run.

    Args:
        run: output folder of a finished run, or the file in it.

    Raises:
        UserError: as ``results_in``.
    """
    path = run / "results.json" if run.is_dir() else run
    if path.name != "results.json" or not path.is_file():
        raise UserError(f"{run} holds no results.json; give the output folder of a finished run")
    return results_in(path)


def results_in(path: Path) -> dict[str, Any]:
    """Return the content of a results.json, whatever the file is called.

    Raises:
        UserError: there is no such file, another version of cpep wrote it, or it is damaged.
    """
    value = checked.read(path, dict[str, Any], most=MOST_ROWS, remedy=AGAIN)
    schema = value.get("schema")
    if isinstance(schema, int) and schema != SCHEMA:
        raise UserError(f"{path} is of another version of cpep; {AGAIN}")
    found = checked.convert(value, Results, path, remedy=AGAIN, others=True)
    if wrong := next(wrong_rows(found["rows"]), ""):
        raise UserError(f"{path}: {wrong}; {AGAIN}")
    return cast(dict[str, Any], found)


def read_details(run: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the details.json of a run.

    Args:
        run: output folder of a finished run.
        results: of the same run; see ``read_results``.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    path = run / "details.json"
    if not path.is_file():
        raise UserError(f"{run} holds no details.json; give the output folder of a finished run")
    found = checked.read(path, Details, most=MOST_ROWS, remedy=AGAIN, others=True)
    if wrong := next(wrong_matrices(found.get("confusion", []), results["rows"]), ""):
        raise UserError(f"{path}: {wrong}; {AGAIN}")
    return cast(dict[str, Any], found)


def wrong_rows(rows: Any) -> Iterator[str]:
    """Yield what rows say twice, or leave out.

    Args:
        rows: of ``Scored`` or ``Row``.
    """
    for number, row in enumerate(rows):
        scores = [name in row for name in ("balanced_accuracy", "ci95", "chance", "macro_f1")]
        errors = [name for name in ERRORS if name in row]
        if any(scores) == bool(errors) or any(scores) != all(scores):
            yield f"rows[{number}] has neither all scores nor an error of poses, or parts of both"
        elif errors != _errors_of(row["protocol"], errors):
            yield f"rows[{number}] has other numbers than its protocol {row['protocol']} gives"
        elif scores[0] and (max(row["per_user"].values()) > 1 or not 0 < row["chance"] <= 1):
            yield f"rows[{number}] has a share that is more than 1, or a chance of 0"
        elif (both := [name for name in TOGETHER if name in row]) and (len(both) < len(TOGETHER) or not scores[0]):
            yield f"rows[{number}] has parts of the figures of seen and unseen gestures together"


def _errors_of(protocol: str, errors: list[str]) -> list[str]:
    """Return those of the errors in a row that its protocol gives."""
    given = {"pose_error": ERRORS[:3], "challenge": ERRORS[3:]}.get(protocol, ())
    return [name for name in errors if name in given] or list(given[:1])


def wrong_matrices(confusion: Any, rows: Any) -> Iterator[str]:
    """Yield what confusion matrices have that does not fit, by themselves or with their rows.

    Args:
        confusion: of ``Confusion``.
        rows: that they are of.
    """
    for number, one in enumerate(confusion):
        size = len(one["classes"])
        if len(set(one["classes"])) < size or [len(line) for line in one["matrix"]] != [size] * size:
            yield f"confusion[{number}] is no square matrix of its classes, or names one twice"
        elif not any(map(any, one["matrix"])):
            yield f"confusion[{number}] counts no window"
        elif one["row"] >= len(rows) or "balanced_accuracy" not in rows[one["row"]]:
            yield f"confusion[{number}] is of a row that has no scores"
