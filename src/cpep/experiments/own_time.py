"""How long a training will take on this machine, measured by a few steps of each of its stages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from cpep.experiments.fold_jobs import FoldTask
from cpep.experiments.rows import StageRun
from cpep.train.loop import optimiser_of
from cpep.train.rng import seed_step
from cpep.train.task import build_model

STEPS = 3
"""Steps that are timed, after one that is not."""
REST_SHARE = 1.25
"""Time of all over that of the steps: validation, evaluation, book and replay."""


def minutes_of(tasks: Sequence[FoldTask], row: str, workers: int) -> str:
    """Return how long the stages that are not finished will take together, in words.

    Args:
        tasks: the folds.
        row: the row that is trained.
        workers: processes that train side by side.
    """
    missing = [
        (task, stage)
        for task in tasks
        for stage in task.row(row).chain()
        if not (task.at(stage) / "stage.json").exists()
    ]
    step_s: dict[str, float] = {}
    of_task_s = dict.fromkeys((task.name for task in tasks), 0.0)
    for task, stage in missing:
        if stage.name not in step_s:
            step_s[stage.name] = seconds_of_step(task, stage)
        of_task_s[task.name] += step_s[stage.name] * stage.stage.optim(stage.config).steps
    steps_s = max(sum(of_task_s.values()) / workers, *of_task_s.values())
    return f"{max(1, round(REST_SHARE * steps_s / 60 + 0.5))} minutes"


def seconds_of_step(task: FoldTask, stage: StageRun) -> float:
    """Return the seconds of one training step of a stage, measured on untrained networks; nothing is kept."""
    own = replace(task.task(stage), config=stage.stage.applied(stage.config))
    model, optim = build_model(own, stage.stage.model), stage.stage.optim(own.config)
    lesson = stage.stage.lesson(own, model, {})
    optimiser = optimiser_of(lesson.trained.net, optim)
    lesson.trained.net.train()
    began = 0.0
    for step in range(STEPS + 1):
        if step == 1:
            began = time.monotonic()
        seed_step(own.seed, step)
        optimiser.zero_grad()
        lesson.loss_at(step).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return (time.monotonic() - began) / STEPS
