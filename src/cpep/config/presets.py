"""Complete runs by name, and typed overrides.

``small()`` builds a complete run; ``override(small(), ["align.optim.lr=3e-4"])`` changes a field and refuses an
unknown one by naming the nearest. A preset sets sizes, a recipe sets the objective: ``paper`` is hard InfoNCE as
published, ``best`` is ours (docs/results/generalisation.md) and the default of the commands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, TypeVar, get_type_hints

from cpep.config.ranges import out_of_range
from cpep.config.schema import (
    AlignConfig,
    BaselineConfig,
    Contrast,
    EncoderConfig,
    EvaluateConfig,
    MaeConfig,
    OptimConfig,
    Precision,
    RunConfig,
    Targets,
)
from cpep.config.serialise import fields_of, nearest_field, parsed, typed, with_plain
from cpep.types import UserError, refuse_interpolation

C = TypeVar("C")

SETTINGS = "the checkpoint's config"
"""The name of what ``from_dict`` reads, for its sentences."""


def small() -> RunConfig:
    """Return the preset for two CPU cores: all stages take minutes. LOG.md says why it has these values."""
    # the pose encoder trains as long as the EMG encoder beside it, so that no core waits
    emg_mae, pose_mae, alignment = OptimConfig(steps=300), OptimConfig(steps=200), OptimConfig(steps=400)
    baseline = OptimConfig(steps=100_000, batch=64, weight_decay=0.0, patience=3)
    return RunConfig(
        emg=EncoderConfig(bin_ms=50.0, rates=True, dropout=0.2),
        pose=EncoderConfig(tokens="patch", token_ms=100.0, dropout=0.0),
        emg_mae=MaeConfig(optim=emg_mae),
        pose_mae=MaeConfig(optim=pose_mae, augment=False),
        align=AlignConfig(people=2, optim=alignment),
        baselines=BaselineConfig(optim=baseline),
    )


def tiny() -> RunConfig:
    """Return the preset of tests. It runs in seconds, learns next to nothing, and takes every path of ``small``."""
    optim = OptimConfig(steps=6, batch=16, checks=2)
    emg = EncoderConfig(width=16, depth=1, heads=2, token_ms=250.0, dropout=0.0)
    return RunConfig(
        preset="tiny",
        precision=Precision.fp32,
        emg=emg,
        pose=dataclasses.replace(emg, tokens="patch"),
        emg_mae=MaeConfig(optim=optim),
        pose_mae=MaeConfig(optim=optim, augment=False),
        align=AlignConfig(optim=optim),
        baselines=BaselineConfig(optim=OptimConfig(steps=4, batch=8, weight_decay=0.0, checks=2), scales=()),
        evaluate=EvaluateConfig(bootstrap=50, strengths=(0.1,), ridge_strengths=(0.1,)),
    )


def paper() -> RunConfig:
    """Return the published sizes: raw patches, depth 4, width 256, batch 256; for GPUs, not measured on two cores.

    100 epochs of emg2pose's training split: 250.9 h in 2-s windows without overlap are 451,620 windows, 1,764
    batches of 256.
    """
    optim = OptimConfig(steps=176_400, batch=256, lr=3e-4, checks=100)
    emg = EncoderConfig(tokens="patch", token_ms=20.0, width=256, heads=8)
    return RunConfig(
        preset="paper",
        emg=emg,
        pose=dataclasses.replace(emg, token_ms=50.0, dropout=0.0),
        emg_mae=MaeConfig(optim=optim),
        pose_mae=MaeConfig(optim=optim, augment=False),
        align=AlignConfig(optim=optim),
        baselines=BaselineConfig(
            optim=OptimConfig(steps=10_000_000, batch=512, weight_decay=0.0, checks=100, patience=4)
        ),
    )


PRESETS = {"tiny": tiny, "small": small, "paper": paper}
RECIPES: dict[str, tuple[str, ...]] = {"best": ("align.objective.targets=pose",), "paper": ()}


def preset(name: str, overrides: Sequence[str] = (), recipe: str = "paper") -> RunConfig:
    """Return the preset of that name under a recipe, with ``field=value`` overrides.

    Raises:
        UserError: no such preset, recipe or field, or a value of the wrong type.
    """
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    if recipe not in RECIPES:
        raise UserError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    config = dataclasses.replace(PRESETS[name](), recipe=recipe)
    return override(config, [*RECIPES[recipe], *overrides])


def override(config: C, assignments: Sequence[str]) -> C:
    """Return ``config`` with typed ``field=value`` assignments applied.

    >>> override(small(), ["align.optim.lr=3e-4"]).align.optim.lr
    0.0003

    Raises:
        UserError: unknown field (the nearest is named), missing ``=``, ``${``, or a value of the wrong type.
    """
    known = fields_of(config)
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        if not sign or not path:
            raise UserError(f"--set {assignment}: write field=value, for example align.optim.lr=3e-4")
        if path not in known:
            near = " or ".join(nearest_field(path, known))
            raise UserError(f"--set {assignment}: there is no field {path}; did you mean {near}?")
        if path in ("preset", "recipe"):
            raise UserError(f"--set {assignment}: a name alone changes nothing; use --{path}")
        refuse_interpolation(text, f"--set {path}")
        try:
            config = _with(config, path, text)
        except TypeError as error:
            raise UserError(f"--set {assignment}: {path} must be {error}") from error
        if expected := out_of_range(path, attrgetter(path)(config)):
            raise UserError(f"--set {assignment}: {path} must be {expected}")
    _check_together(config)
    return config


def _with(config: Any, path: str, text: str) -> Any:
    """Return a configuration in which one field has the value that a text stands for."""
    name, _, rest = path.partition(".")
    if rest:
        return dataclasses.replace(config, **{name: _with(getattr(config, name), rest, text)})
    kind = get_type_hints(type(config))[name]
    return dataclasses.replace(config, **{name: typed(kind, parsed(kind, text))})


def _check_together(config: Any) -> None:
    """Refuse a run whose fields contradict each other."""
    if not isinstance(config, RunConfig):
        return
    for name in ("emg", "pose"):
        encoder: EncoderConfig = getattr(config, name)
        if encoder.width % encoder.heads:
            raise UserError(f"{name}.heads={encoder.heads} must divide {name}.width={encoder.width}; set both")
    align = config.align
    if not align.temperature_min <= align.temperature <= align.temperature_max:
        raise UserError(
            f"align.temperature={align.temperature:g} must lie between temperature_min={align.temperature_min:g} "
            f"and temperature_max={align.temperature_max:g}; set all three"
        )
    objective = align.objective
    if objective.reconstruct and not align.queries:
        raise UserError(
            "align.objective.reconstruct needs queries that poses are made from; set align.queries=16 too"
        )
    if objective.contrast is Contrast.sigmoid and objective.targets is not Targets.own:
        raise UserError("a sigmoid of every pair takes no soft targets; set align.objective.targets=own too")
    if align.train_pose and (objective.cascle or objective.targets is Targets.community or objective.mixup):
        raise UserError("poses that are alike are found with a frozen pose encoder; leave align.train_pose=false")


def from_dict(plain: dict[str, Any]) -> RunConfig:
    """Rebuild a configuration from the plain values that ``as_dict`` returned, as a checkpoint holds them.

    Raises:
        UserError: an unknown field, a value of another type or out of range, or ``${`` in a text.
    """
    refuse_interpolation(plain, SETTINGS)
    config = with_plain(RunConfig(), plain, SETTINGS)
    for path in fields_of(config):
        value = attrgetter(path)(config)
        if expected := out_of_range(path, value):
            raise UserError(f"{SETTINGS}.{path} is {value!r}; it must be {expected}")
    _check_together(config)
    return config
