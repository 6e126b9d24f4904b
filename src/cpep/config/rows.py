"""The rows of a table, each declared once: its name, what it is, and how its settings differ from the run's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cpep.config.schema import RunConfig
from cpep.runtime.registry import Registry

Costs = Callable[[RunConfig], dict[str, float]]
"""Returns the floating-point operations of each stage of CPEP under some settings, in 10^9."""
Changes = Sequence[str] | Callable[[RunConfig, Costs], Sequence[str]]
"""The settings in which a row differs from its run, or a function that returns them."""
Group = Literal["", "all", "ablations", "objectives"]
ADAPT = "evaluate.adapt=true"
CHOSEN = "evaluate.readouts=chosen"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: as docs/results/tables.md has it; a variant has the name of its model before a slash.
        words: what the row is, for readers of tables.
        changes: settings in which the row differs from its run, written as for ``--set``; or a function that returns
            them, given the settings of the run and the costs of stages.
        stage: the stage whose checkpoint is evaluated; empty for a row without a network.
        group: the word that stands for the row in ``--models``: ``all`` systems, the ``ablations`` of cpep, or other
            ``objectives`` of the alignment; empty for none of these.
        role: ``ceiling`` or ``control``, where the row is no model to compare with; else empty.
        needs_anchor: whether its evaluation reads the anchor; what its stages need, they say themselves.
        choice: a stage whose model chooses read-outs inside training people, where there are enough; or empty.
    """

    name: str
    words: str
    changes: Changes = ()
    stage: str = "cpep"
    group: Group = ""
    role: Literal["", "ceiling", "control"] = ""
    needs_anchor: bool = False
    choice: str = ""

    @property
    def is_ablation(self) -> bool:
        """Whether it is one of the ablations or objectives; the control and ``features/lda`` are not."""
        return self.group in ("ablations", "objectives")

    @property
    def adapts(self) -> bool:
        """Whether it has no answer without windows that show no gesture, by which movements are found."""
        return not callable(self.changes) and ADAPT in self.changes

    @property
    def chooses(self) -> bool:
        """Whether its read-outs are chosen inside training people."""
        return not callable(self.changes) and CHOSEN in self.changes

    def changes_of(self, config: RunConfig, costs: Costs) -> tuple[str, ...]:
        """Return the settings in which the row differs from a run, as ``--set`` takes them."""
        return tuple(self.changes(config, costs) if callable(self.changes) else self.changes)


ROWS: Registry[Row] = Registry("row")
"""All rows, in the order in which results and tables have them."""
CONTROL = "cpep/shuffled_pairs"
BEST = "cpep/best"
DEFAULT = (
    BEST, "cpep", "cpep/adapted", "emg_mae", "features", "features/adapted", "features/best", "ridge", "pose", CONTROL
)  # fmt: skip
"""Rows that are made unless others are asked for."""
BARE = ("features/best", "emg_mae", "emg_mae/adapted", "supervised", "features", "features/adapted")
"""The same where recordings have no anchor."""
OF_ANCHOR = ("ridge", "cca", "pose")
"""Rows that map EMG to the anchor, or embed the anchor itself."""
HARD = "align.objective.targets=own"
"""The paper's loss; each of the other objectives changes one thing of it."""


def declare(row: Row) -> Row:
    """Add a row to ``ROWS``.

    Raises:
        ValueError: the name is taken.
    """
    return ROWS.add(row.name, row)


def groups(anchored: bool = True) -> dict[str, tuple[str, ...]]:
    """Return the names of rows by the word that stands for them in ``--models``: a group, or ``default``.

    Args:
        anchored: whether the recordings have an anchor, on which the default depends.
    """
    found = {
        name: tuple(row.name for row in ROWS if row.group == name) for name in ("all", "ablations", "objectives")
    }
    return {**found, "default": DEFAULT if anchored else BARE}


def classical() -> tuple[str, ...]:
    """Return the names of the rows without a network, adapted ones last; one job makes all: they share features."""
    rows = [row for row in ROWS if not row.stage]
    return tuple(row.name for row in sorted(rows, key=lambda row: (row.chooses, row.adapts)))


def words_of(name: str, unknown: str = "") -> str:
    """Say what a row is, or ``unknown`` where no row has that name."""
    return ROWS.get(name).words if name in ROWS else unknown


def role_of(name: str) -> str:
    """Return ``ceiling`` or ``control``, or ``""`` for any other row."""
    return ROWS.get(name).role if name in ROWS else ""


def is_ablation(name: str) -> bool:
    """Tell whether a row is one of the ablations or objectives; an unknown row is if its name has a slash.

    >>> is_ablation("cpep/avg_pool"), is_ablation("cpep"), is_ablation("cpep/shuffled_pairs")
    (True, False, False)
    """
    return ROWS.get(name).is_ablation if name in ROWS else "/" in name


def four_tokens(config: RunConfig, costs: Costs) -> tuple[str, ...]:
    """Return the change to tokens four times as long."""
    return (f"emg.token_ms={4 * config.emg.token_ms:g}",)


def four_bins(config: RunConfig, costs: Costs) -> tuple[str, ...]:
    """Return the change to bins four times as long."""
    return (f"emg.bin_ms={4 * config.emg.bin_ms:g}",)


def equal_compute(config: RunConfig, costs: Costs) -> tuple[str, ...]:
    """Return the changes to random initial weights, and to more steps that cost as much as the EMG autoencoder."""
    cost = costs(config)
    steps = config.align.optim.steps * (1 + cost.get("emg_mae", 0.0) / cost["cpep"])
    return "align.start_emg=false", f"align.optim.steps={round(steps)}"


def fixed_at_tenth(config: RunConfig, costs: Costs) -> tuple[str, ...]:
    """Return the changes to a temperature that stays at 0.1, within bounds that hold it."""
    low, high = min(config.align.temperature_min, 0.1), max(config.align.temperature_max, 0.1)
    bounds = f"align.temperature_min={low!r}", f"align.temperature_max={high!r}"
    return *bounds, "align.learn_temperature=false", "align.temperature=0.1"


NO_AUGMENTATION = tuple(f"augment.{name}=0" for name in ("gain", "common_gain", "noise", "rotate_deg", "drop"))
QUERIES = (HARD, "align.queries=16")
RECONSTRUCT = "align.objective.reconstruct=1"

SYSTEMS: tuple[tuple[str, str, str, Changes], ...] = (
    ("cpep", "EMG encoder aligned to a frozen pose encoder", "cpep", ()),
    (
        "embridge",
        "CPEP with queries, masked poses and soft targets",
        "cpep",
        (*QUERIES, "align.objective.cascle=1", RECONSTRUCT),
    ),
    ("emg_mae", "EMG encoder before alignment (masked autoencoder)", "emg_mae", ()),
    ("features", "classical EMG features, no network", "", ()),
    ("ridge", "linear regression from features to pose, nearest pose", "", ()),
    ("cca", "canonical correlation of features and pose, nearest pose", "", ()),
    ("pose", "the pose (or other anchor) itself instead of EMG", "cpep", ()),
    ("supervised", "the same encoder trained on labels of seen gestures", "supervised", ()),
    ("vemg2pose", "convolutions and an LSTM that predict velocities of the pose", "vemg2pose", ()),
    ("emg2pose", "the same convolutions, an MLP that predicts the pose", "emg2pose", ()),
    ("neuropose", "U-shaped convolutional network that predicts the pose", "neuropose", ()),
    ("sensing_dynamics", "convolutions around the arm that predict the pose", "sensing_dynamics", ()),
    ("pose_t", "CPEP's encoder with a head that predicts the pose", "pose_t", ()),
    ("cpep/adapted", "CPEP after adaptation to each person's recording, without labels", "cpep", (ADAPT,)),
    ("features/adapted", "features after adaptation to each person's recording, without labels", "", (ADAPT,)),
)
"""Name, words, stage and changes of every system."""

OBJECTIVES: tuple[tuple[str, str, Changes], ...] = (
    ("cascle", "soft targets from communities of poses (a part of EMBridge)", (HARD, "align.objective.cascle=1")),
    ("queries", "queries of a Q-Former (a part of EMBridge)", QUERIES),
    ("reconstruct", "queries that also reconstruct masked poses (two parts of EMBridge)", (*QUERIES, RECONSTRUCT)),
    ("sigmoid", "a sigmoid of every pair instead of a softmax", (HARD, "align.objective.contrast=sigmoid")),
    ("smoothing", "targets smoothed over the batch", ("align.objective.targets=even",)),
    ("softclip", "targets on poses that are alike", ("align.objective.targets=pose",)),
    (
        "supcon",
        "targets on all poses of a community",
        ("align.objective.targets=community", "align.objective.share=1"),
    ),
    ("regress", "the pose predicted from the embedding, too", (HARD, "align.objective.regress=1")),
    (
        "adversary",
        "a classifier of people must not find them in the embedding",
        (HARD, "align.objective.adversary=0.1"),
    ),
    ("moments", "mean and covariance of the embedding alike for all people", (HARD, "align.objective.moments=1")),
    ("mixup", "windows mixed with those of other people at the same pose", (HARD, "align.objective.mixup=0.5")),
    (
        "softclip_mixup",
        "targets on poses that are alike, and windows mixed with those of other people",
        ("align.objective.targets=pose", "align.objective.mixup=0.5"),
    ),
)
"""Name, words and changes of the other objectives of the alignment."""

ABLATIONS: tuple[tuple[str, str, Changes], ...] = (
    ("hard_targets", "the paper's loss: each window's own pose is its only target", (HARD,)),
    ("frozen_emg", "EMG encoder frozen, only the projection learns", ("align.freeze_emg=true",)),
    ("random_init_emg", "EMG encoder starts from random weights", ("align.start_emg=false",)),
    ("random_init_pose", "pose encoder with random weights", ("align.start_pose=false",)),
    ("no_mae_equal_compute", "EMG encoder not pre-trained, aligned for longer", equal_compute),
    ("avg_pool", "mean of all tokens instead of [CLS]", ("align.pool=mean",)),
    ("both_trained", "pose encoder trained along", ("align.train_pose=true",)),
    ("no_projection", "no projection head", ("align.projection=none",)),
    ("mlp_projection", "projection head of two layers", ("align.projection=mlp",)),
    ("patch_x4", "EMG tokens four times as long, as near as they divide the window", four_tokens),
    ("bin_x4", "EMG bins four times as long", four_bins),
    ("window_0.5s", "windows of 0.5 s", ("data.window_s=0.5",)),
    ("window_1s", "windows of 1 s", ("data.window_s=1",)),
    (
        "mask_0.25",
        "a quarter of the tokens masked, as near as they divide",
        ("emg_mae.mask=0.25", "pose_mae.mask=0.25"),
    ),
    (
        "mask_0.75",
        "three quarters of the tokens masked, as near as they divide",
        ("emg_mae.mask=0.75", "pose_mae.mask=0.75"),
    ),
    ("fixed_tau", "temperature stays at its initial value", ("align.learn_temperature=false",)),
    ("fixed_tau_0.1", "temperature stays at 0.1", fixed_at_tenth),
    ("raw_patches", "raw EMG samples as tokens", ("emg.tokens=patch",)),
    ("no_augmentation", "no augmentation of the EMG", NO_AUGMENTATION),
    ("pairs_40pct", "aligned on 40 % of the pairs", ("align.pairs=0.4",)),
    ("pairs_10pct", "aligned on 10 % of the pairs", ("align.pairs=0.1",)),
    ("lag_55ms", "paired with the pose 55 ms later", ("data.pose_lag_ms=55",)),
    ("gallery_10pct", "10 % of the gallery's poses", ("evaluate.gallery=0.1",)),
    ("gallery_1pct", "1 % of the gallery's poses", ("evaluate.gallery=0.01",)),
    ("k_1", "the nearest pose alone decides", ("evaluate.neighbours=1",)),
    ("k_50", "the 50 nearest poses vote", ("evaluate.neighbours=50",)),
    ("lda", "probe by linear discriminant analysis", ("evaluate.probe=lda",)),
    ("muscles", "aligned to what the pose asks of muscles instead of the pose", ("data.anchor_view=muscles",)),
    ("joints_and_muscles", "aligned to the pose and to what it asks of muscles", ("data.anchor_view=both",)),
)
"""Name, words and changes of every ablation: CPEP without a part, or with a part done in another way."""

for row in (
    Row(
        BEST,
        "features and CPEP together, read-outs chosen inside training people",
        (CHOSEN,),
        choice="cpep_choice",
    ),
    Row("features/best", "the same read-outs as cpep/best, without a network", (CHOSEN,), stage=""),
    *(
        Row(name, words, changes, stage, "all", "ceiling" if name == "pose" else "", name in OF_ANCHOR)
        for name, words, stage, changes in SYSTEMS
    ),
    Row(
        "emg_mae/adapted",
        "emg_mae after adaptation to each person's recording, without labels",
        (ADAPT,),
        "emg_mae",
    ),
    Row(
        "cpep/pose_head",
        "CPEP's aligned encoder with the head of pose_t, trained further to predict the pose",
        stage="cpep_pose_head",
    ),
    Row(
        CONTROL,
        "CPEP trained with poses paired at random: its zero-shot knows no gesture",
        ("align.shuffled=true",),
        role="control",
    ),
    Row(
        f"{BEST}_shuffled",
        "the same read-outs as cpep/best, all learnt from poses paired at random",
        (CHOSEN, "align.shuffled=true"),
        choice="cpep_choice",
        role="control",
    ),
    *(Row(f"cpep/{name}", words, changes, group="objectives") for name, words, changes in OBJECTIVES),
    *(Row(f"cpep/{name}", words, changes, group="ablations") for name, words, changes in ABLATIONS),
    Row(
        "ridge/muscles",
        "linear regression from features to what the pose asks of muscles, nearest such demand",
        ("data.anchor_view=muscles",),
        stage="",
        needs_anchor=True,
    ),
    Row(
        "ridge/joints_and_muscles",
        "linear regression from features to the pose and what it asks of muscles, nearest of both",
        ("data.anchor_view=both",),
        stage="",
        needs_anchor=True,
    ),
    Row(
        "features/lda",
        "the same features, linear discriminant analysis instead of logistic regression",
        ("evaluate.probe=lda",),
        stage="",
    ),
):
    declare(row)
