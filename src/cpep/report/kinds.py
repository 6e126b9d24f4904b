"""results.json and details.json, typed: plain values that every table, figure and model card may rely on.

The kinds are dictionaries, as the files are and as the reports take them. A field that files of older versions lack
is ``NotRequired``. (No annotations of the future here: Python would not see which fields these are.)
"""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from cpep.runtime.checked import Count, Share, Size, Text
from cpep.types import CONTROL, LONGEST_NAME

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
