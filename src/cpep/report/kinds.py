"""results.json and details.json, typed: plain values that every table, figure and model card may rely on.

The kinds are dictionaries, as the files are and as the reports take them. A field that files of older versions lack
is ``NotRequired``. (No annotations of the future here: Python would not see which fields these are.)
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from msgspec import Meta

from cpep.report.names import SCHEMA
from cpep.runtime import checked
from cpep.runtime.checked import Count, Share, Size, Text
from cpep.runtime.files import MOST_ROWS
from cpep.types import CONTROL, LONGEST_NAME, UserError

AGAIN = "run the command that made it again"
ERRORS = ("angular_error_deg", "landmark_mm", "pose_nrmse", "angular_error_rad")
"""Errors of a predicted pose; a person's error is the first of these that a row has."""
TOGETHER = (
    "calibration",
    *(f"{name}{part}" for name in ("harmonic_mean", "ausuc") for part in ("", "_chance", "_per_user")),
)
"""Fields of a row that has figures of seen and unseen gestures together."""

Label = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME, pattern=f"^[^{CONTROL.pattern[1:-1]}]+$")]
"""A name that tables print: without signs that a terminal obeys."""
Figure = Annotated[float, Meta(ge=-1e12, le=1e12)]
"""A number that can be drawn."""
Error = Annotated[float, Meta(ge=0, le=1e12)]
Difference = Annotated[float, Meta(ge=-1, le=1)]
Interval = Annotated[list[Share], Meta(min_length=2, max_length=2)]
Seeds = Annotated[list[Count], Meta(min_length=1)]


class PoseErrors(TypedDict):
    """Errors of poses, by metric."""

    angular_error_deg: NotRequired[Error]
    landmark_mm: NotRequired[Error]
    pose_nrmse: NotRequired[Error]
    angular_error_rad: NotRequired[Error]


class Generalised(TypedDict):
    """Seen and unseen gestures together, with all gestures as answers; the same on the rows of both sets.

    A figure of one person has no interval.
    """

    harmonic_mean: NotRequired[Share]
    harmonic_mean_ci95: NotRequired[Interval]
    harmonic_mean_chance: NotRequired[Share]
    harmonic_mean_per_user: NotRequired[dict[str, Share]]
    ausuc: NotRequired[Share]
    ausuc_ci95: NotRequired[Interval]
    ausuc_chance: NotRequired[Share]
    ausuc_per_user: NotRequired[dict[str, Share]]
    calibration: NotRequired[Figure]


class Scored(PoseErrors, Generalised):
    """An evaluation of one model by one protocol on one set of gestures: scores, or errors of poses."""

    model: Label
    protocol: Label
    gestures: Label
    normalisation: Label
    n_users: Size
    n_windows: Size
    per_user: Annotated[dict[str, Error], Meta(min_length=1)]
    balanced_accuracy: NotRequired[Share]
    ci95: NotRequired[Interval]
    chance: NotRequired[Share]
    macro_f1: NotRequired[Share]
    read_out: NotRequired[Label]
    gallery: NotRequired[Annotated[list[Size], Meta(min_length=2, max_length=2)]]
    mean_pose: NotRequired[PoseErrors]
    error_ci95: NotRequired[Annotated[list[Error], Meta(min_length=2, max_length=2)]]
    spread: NotRequired[Error]
    n_excluded: NotRequired[Count]
    n_short: NotRequired[Count]


class Row(Scored):
    """A row of results.json."""

    fold: Count
    seed: Count


class Cost(TypedDict):
    """What the training of a row cost, and why it ended."""

    parameters: Size
    steps: Count
    gflop: NotRequired[Error]
    share: Error
    stopped: Label
    allowed: NotRequired[Error]
    scale: NotRequired[Error]


class Training(Cost):
    """The same, of one model in one fold with one seed."""

    model: Label
    fold: Count
    seed: Count


class Summary(TypedDict):
    """A row over all people."""

    model: Label
    protocol: Label
    gestures: Label
    balanced_accuracy: Share
    ci95: Interval
    people: Size
    seeds: Seeds
    harmonic_mean: NotRequired[Share]
    harmonic_mean_ci95: NotRequired[Interval]
    ausuc: NotRequired[Share]
    ausuc_ci95: NotRequired[Interval]


class Compared(TypedDict):
    """One model minus another; of balanced accuracies where no metric is named."""

    one: Label
    other: Label
    protocol: Label
    gestures: Label
    difference: Difference
    ci95: Annotated[list[Difference], Meta(min_length=2, max_length=2)]
    holds: bool
    people: Size
    seeds: Seeds
    under_trained: bool
    metric: NotRequired[Literal["harmonic_mean", "ausuc"]]


class FoldOf(TypedDict):
    """Who is who in a fold."""

    users_train: list[str]
    users_val: list[str]
    users_test: list[str]
    windows_train: Count


class StartedFrom(TypedDict):
    """A checkpoint of other people that a stage went on from."""

    stage: Text
    checkpoint: Text
    data: Text
    people: Count
    gestures: list[str]


class Data(TypedDict):
    """What was evaluated."""

    name: Text
    pose: NotRequired[bool]
    gestures_seen: list[str]
    gestures_unseen: list[str]
    folds: Annotated[list[FoldOf], Meta(min_length=1)]
    started: NotRequired[list[StartedFrom]]


class Run(TypedDict):
    """Where and how."""

    command: Text
    preset: Text
    recipe: Text
    git: Text
    version: Text
    machine: Text
    seconds: Error
    started: Text


class Results(TypedDict):
    """The content of results.json."""

    schema: Literal[1]
    run: Run
    data: Data
    rows: Annotated[list[Row], Meta(min_length=1)]
    training: NotRequired[list[Training]]
    summary: NotRequired[list[Summary]]
    comparisons: NotRequired[list[Compared]]


class Confusion(TypedDict):
    """A confusion matrix, of windows by true and answered gesture."""

    row: Count
    classes: Annotated[list[str], Meta(min_length=1)]
    matrix: list[list[Count]]


class SeenUnseen(TypedDict):
    """The curve of seen and unseen accuracy of a model, and the point at its own constant."""

    model: Label
    protocol: Label
    points: Annotated[list[tuple[Share, Share]], Meta(min_length=1)]
    at: tuple[Share, Share]


class Curve(TypedDict):
    """The loss curve of a stage: points are step, training loss and validation loss."""

    stage: Label
    fold: Count
    seed: Count
    points: list[tuple[Count, Figure | None, Figure | None]]
    kept_step: Count
    unit: NotRequired[Text]


class Drawn(TypedDict):
    """The fields of ``cpep.evaluate.projection.Map``."""

    gestures: Literal["seen", "unseen"]
    emg: list[tuple[Figure, Figure, str]]
    pose: list[tuple[Figure, Figure, str]]
    shown: Share
    gap: Error
    apart: Error
    windows: Count
    poses: Count
    people: Count
    pose_people: Count


class DrawnOf(Drawn):
    """A map of one fold and seed."""

    fold: Count
    seed: Count


class Details(TypedDict):
    """The content of details.json: what figures need beside results.json."""

    confusion: NotRequired[list[Confusion]]
    losses: NotRequired[list[Curve]]
    maps: NotRequired[list[DrawnOf]]
    seen_unseen: NotRequired[list[SeenUnseen]]
    notes: NotRequired[list[Text]]


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
