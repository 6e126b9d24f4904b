"""The rows of a table: which stages each one needs, and in what it differs from the settings of the run."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cpep.checkpoints.card import Kind
from cpep.config.presets import override
from cpep.config.schema import RunConfig
from cpep.config.serialise import fingerprint
from cpep.train.task import settings_of
from cpep.types import UserError

CONTROL = "cpep/shuffled_pairs"
DEFAULT = ("cpep", "cpep/adapted", "emg_mae", "features", "features/adapted", "ridge", "pose", CONTROL)
CLASSICAL = ("features", "ridge", "cca", "features/lda", "features/adapted")
"""Rows without a network: one job, since they share their features."""

BASELINES: tuple[Kind, ...] = ("supervised", "vemg2pose", "emg2pose", "neuropose", "sensing_dynamics", "pose_t")
ADAPTED = ("cpep/adapted", "features/adapted")
ALL = ("cpep", "embridge", "emg_mae", "features", "ridge", "cca", "pose", *BASELINES, *ADAPTED)
"""Every system: names without a slash (results.md), and those that adapt to a person."""
HARD = "align.objective.targets=own"
"""The paper's loss, which the rows of ``OBJECTIVES`` change in one thing each."""

NO_AUGMENTATION = tuple(f"augment.{name}=0" for name in ("gain", "common_gain", "noise", "rotate_deg", "drop"))
VARIANTS: dict[str, tuple[str, ...]] = {
    CONTROL: ("align.shuffled=true",),
    "embridge": (HARD, "align.queries=16", "align.objective.cascle=1", "align.objective.reconstruct=1"),
    "cpep/cascle": (HARD, "align.objective.cascle=1"),
    "cpep/queries": (HARD, "align.queries=16"),
    "cpep/reconstruct": (HARD, "align.queries=16", "align.objective.reconstruct=1"),
    "cpep/sigmoid": (HARD, "align.objective.contrast=sigmoid"),
    "cpep/smoothing": ("align.objective.targets=even",),
    "cpep/softclip": ("align.objective.targets=pose",),
    "cpep/supcon": ("align.objective.targets=community", "align.objective.share=1"),
    "cpep/regress": (HARD, "align.objective.regress=1"),
    "cpep/adversary": (HARD, "align.objective.adversary=0.1"),
    "cpep/moments": (HARD, "align.objective.moments=1"),
    "cpep/mixup": (HARD, "align.objective.mixup=0.5"),
    "cpep/softclip_mixup": ("align.objective.targets=pose", "align.objective.mixup=0.5"),
    "cpep/hard_targets": (HARD,),
    "cpep/frozen_emg": ("align.freeze_emg=true",),
    "cpep/random_init_emg": ("align.start_emg=false",),
    "cpep/random_init_pose": ("align.start_pose=false",),
    "cpep/no_mae_equal_compute": ("align.start_emg=false",),  # and more steps: see config_of
    "cpep/avg_pool": ("align.pool=mean",),
    "cpep/both_trained": ("align.train_pose=true",),
    "cpep/no_projection": ("align.projection=none",),
    "cpep/mlp_projection": ("align.projection=mlp",),
    "cpep/patch_x4": (),  # see config_of
    "cpep/bin_x4": (),
    "cpep/window_0.5s": ("data.window_s=0.5",),
    "cpep/window_1s": ("data.window_s=1",),
    "cpep/mask_0.25": ("emg_mae.mask=0.25", "pose_mae.mask=0.25"),
    "cpep/mask_0.75": ("emg_mae.mask=0.75", "pose_mae.mask=0.75"),
    "cpep/fixed_tau": ("align.learn_temperature=false",),
    "cpep/fixed_tau_0.1": ("align.learn_temperature=false", "align.temperature=0.1"),
    "cpep/raw_patches": ("emg.tokens=patch",),
    "cpep/no_augmentation": NO_AUGMENTATION,
    "cpep/pairs_40pct": ("align.pairs=0.4",),
    "cpep/pairs_10pct": ("align.pairs=0.1",),
    "cpep/lag_55ms": ("data.pose_lag_ms=55",),
    "cpep/gallery_10pct": ("evaluate.gallery=0.1",),
    "cpep/gallery_1pct": ("evaluate.gallery=0.01",),
    "cpep/k_1": ("evaluate.neighbours=1",),
    "cpep/k_50": ("evaluate.neighbours=50",),
    "cpep/lda": ("evaluate.probe=lda",),
    "features/lda": ("evaluate.probe=lda",),
    "cpep/adapted": ("evaluate.adapt=true",),
    "features/adapted": ("evaluate.adapt=true",),
}
"""Rows that differ from ``cpep`` in some settings (results.md, "Names")."""

PARTS = "cascle queries reconstruct sigmoid smoothing softclip supcon regress adversary moments mixup softclip_mixup"
OBJECTIVES = tuple(f"cpep/{name}" for name in PARTS.split())
ABLATIONS = tuple(name for name in VARIANTS if name not in (CONTROL, "features/lda", *ALL, *OBJECTIVES))
GROUPS = {"all": ALL, "ablations": ABLATIONS, "objectives": OBJECTIVES, "default": DEFAULT}


@dataclass(frozen=True)
class Stage:
    """One training stage of a row.

    Attributes:
        kind: what is trained.
        config: settings of the row.
        starts: stages whose checkpoints it starts from.
    """

    kind: Kind
    config: RunConfig
    starts: tuple[Stage, ...] = ()

    @property
    def settings(self) -> list[Any]:
        """All settings that decide what it computes, those of the stages before it included."""
        return [settings_of(self.config, self.kind), *(stage.settings for stage in self.starts)]

    def folder(self, base: RunConfig) -> str:
        """Name its folder: the kind, and a hash where settings differ from those of the run."""
        own, usual = fingerprint(self.settings), fingerprint(stage(self.kind, base).settings)
        return self.kind if own == usual else f"{self.kind}-{own[:6]}"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: per results.md.
        config: settings of the run with what is different in this row.
    """

    name: str
    config: RunConfig

    @property
    def last(self) -> Stage | None:
        """The stage whose checkpoint is evaluated; a row without a network has none."""
        if self.name in CLASSICAL:
            return None
        kinds: dict[str, Kind] = {"emg_mae": "emg_mae", **{name: name for name in BASELINES}}
        return stage(kinds.get(self.name, "cpep"), self.config)


def stage(kind: Kind, config: RunConfig) -> Stage:
    """Return a stage with the stages that it starts from."""
    if kind != "cpep":
        return Stage(kind, config)
    starts: list[Kind] = ["emg_mae"] if config.align.start_emg else []
    starts += ["pose_mae"] if config.align.start_pose else []
    return Stage(kind, config, tuple(Stage(start, config) for start in starts))


def names_of(asked: Sequence[str]) -> tuple[str, ...]:
    """Return names of rows, each once; ``default``, ``all``, ``ablations`` and ``objectives`` stand for several.

    Raises:
        UserError: no such row; the nearest is named.
    """
    known = {*ALL, *VARIANTS}
    names: dict[str, None] = {}
    for name in asked:
        if name not in known and name not in GROUPS:
            near = difflib.get_close_matches(name, [*known, *GROUPS], n=1, cutoff=0.0)[0]
            raise UserError(f"no model {name}; did you mean {near}? There are {', '.join(sorted(known))}")
        names |= dict.fromkeys(GROUPS.get(name, (name,)))
    return tuple(names)


def config_of(
    name: str, config: RunConfig, gflop: Callable[[RunConfig], dict[str, float]] = lambda _: {}
) -> RunConfig:
    """Return the settings of a row.

    Args:
        name: of the row.
        config: settings of the run.
        gflop: returns the cost of the stages under given settings, where a row is made of it.

    Raises:
        UserError: what is different does not go with the settings of the run.
    """
    changes = list(VARIANTS.get(name, ()))
    if name == "cpep/patch_x4":
        changes.append(f"emg.token_ms={4 * config.emg.token_ms:g}")
    if name == "cpep/bin_x4":
        changes.append(f"emg.bin_ms={4 * config.emg.bin_ms:g}")
    if name == "cpep/no_mae_equal_compute":
        cost = gflop(config)
        changes.append(f"align.optim.steps={round(config.align.optim.steps * (1 + cost['emg_mae'] / cost['cpep']))}")
    if name == "cpep/fixed_tau_0.1":
        align = config.align
        bounds = min(align.temperature_min, 0.1), max(align.temperature_max, 0.1)
        align = dataclasses.replace(align, temperature_min=bounds[0], temperature_max=bounds[1])
        config = dataclasses.replace(config, align=align)
    try:
        return override(config, changes)
    except UserError as error:
        raise UserError(f"{name} cannot be derived from these settings: {error}") from error
