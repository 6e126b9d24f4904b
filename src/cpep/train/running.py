"""The function that runs any stage: it checks what it starts from, trains, and saves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.registry import make_card
from cpep.config.schema import OptimConfig
from cpep.runtime.locks import alone_in
from cpep.train.before import BEFORE, carried, joined
from cpep.train.loop import fit
from cpep.train.schedule import History, is_past_its_best
from cpep.train.stage import STAGES, Stage, refuse_bare
from cpep.train.task import STATE, Task, build_model, save_stage
from cpep.types import Note, Progress, UserError, no_note, no_progress


def run(
    stage: Stage,
    task: Task,
    starts: Mapping[str, Path] | None = None,
    progress: Progress = no_progress,
    note: Note = no_note,
) -> Path:
    """Train a stage and return its checkpoint.

    Resumes an unfinished run; returns at once where the stage is complete.

    Args:
        stage: the stage.
        task: store, split, settings, seed, folder.
        starts: checkpoints that it may start from, by the name of their stage; a part without one starts from random
            weights.
        progress: called with windows done and in all.
        note: called with the losses at every check.

    Raises:
        UserError: see ``Task``; the recordings have no anchor and the stage needs one; or a checkpoint has another
            kind, device, split or sizes.
    """
    if stage.needs_anchor:
        refuse_bare(task.store, f"the stage {stage.name}")
    with alone_in(task.folder):
        return _run(stage, task, starts, progress, note)


def _run(stage: Stage, task: Task, starts: Mapping[str, Path] | None, progress: Progress, note: Note) -> Path:
    given = {name: (starts or {})[name] for name in stage.starts(task.config) if name in (starts or {})}
    models = {name: _loaded(task, stage, name, path) for name, path in given.items()}
    known = [one.card.provenance for one in models.values()]
    if others := stage.before(task.config):
        models[BEFORE] = others.opened(stage.model, task.store, task.split, task.config)
        given[BEFORE] = others.folder
        known.append(carried(models[BEFORE]))
    key = task.key(stage.name, stage.settings(task.config), *given.values())
    if task.finished(key):
        return task.folder / "checkpoint"
    task = dataclasses.replace(task, config=stage.applied(task.config))
    model = build_model(task, stage.model)
    model.card = dataclasses.replace(model.card, provenance={**model.card.provenance, **joined(known)})
    return train(stage, task, key, model, models, progress, note)


def train(
    stage: Stage,
    task: Task,
    key: str,
    model: Model,
    before: Mapping[str, Model],
    progress: Progress = no_progress,
    note: Note = no_note,
) -> Path:
    """Train a model by a stage, save it, and return its checkpoint.

    Args:
        stage: the stage.
        task: store, split, settings as ``Stage.applied`` returns them, seed, folder.
        key: fingerprint of all that the result depends on; see ``Task.key``.
        model: what is trained, on its device.
        before: models that the stage starts from, by the name of their stage.
        progress: called with windows done and in all.
        note: called with the losses at every check.
    """
    optim = stage.optim(task.config)
    lesson = stage.lesson(task, model, before)
    gflop = lesson.trained.gflop(optim.batch)
    most = stage.steps(task.store, task.split, task.config, gflop)
    before_it = stage.rehearse(task, key, lesson, most)
    history = fit(
        lesson.trained.net,
        lesson.loss_at,
        lesson.validate,
        dataclasses.replace(optim, steps=max(1, most - before_it.steps)),
        seed=task.seed,
        state=task.folder / STATE,
        key=key,
        chance_loss=lesson.chance_loss,
        progress=progress,
        note=note,
    )
    before_it.finish()
    stopped = _stopped(history, optim, most, lesson.chance_loss)
    save_stage(
        task, key, model, history, gflop=gflop, stopped=stopped, spent=before_it.steps, chosen=before_it.chosen
    )
    return task.folder / "checkpoint"


def _stopped(history: History, optim: OptimConfig, most: int, chance_loss: float) -> str:
    """Return why a stage ended, as ``save_stage`` notes it."""
    if history.flat_at:
        return "flat"
    if is_past_its_best(history, optim, chance_loss):
        return "best"
    return "compute" if most < optim.steps else "steps"


def _loaded(task: Task, stage: Stage, name: str, path: Path) -> Model:
    """Load a checkpoint that a stage starts from, trained under the same split.

    Raises:
        UserError: it has another kind, device or sizes; or another split, so that held-out people could leak.
    """
    model, kind = load(path), STAGES.get(name).model
    if model.card.kind != kind:
        raise UserError(f"{path} is a {model.card.kind} checkpoint where one of kind {kind} is needed")
    model.card.refuse_other(task.store)
    model = model.in_unit(task.store.device.emg_unit)
    if not stage.may_start_from(model.card.held_out(), task.split):
        raise UserError(f"{path} was trained under another split of users and gestures; align it under the same one")
    own = make_card(stage.model, task.store, task.split, task.config, task.seed)
    for side, sizes in model.card.encoders.items():
        if own.encoders.get(side, sizes) != sizes or own.config[side]["tokens"] != model.card.config[side]["tokens"]:
            raise UserError(
                f"{path} has an encoder of another kind or other sizes than this run's settings; "
                "give the same --preset and --set"
            )
    return model
