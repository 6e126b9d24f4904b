"""One fold with one seed: the jobs that train its stages and evaluate its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from cpep.checkpoints.checkpoint import Model, load
from cpep.config.schema import RunConfig
from cpep.config.serialise import fingerprint
from cpep.data.splits import Split
from cpep.data.store.store import Store, open_same
from cpep.data.windows import windows_of
from cpep.experiments.evaluators import Subject, evaluate
from cpep.experiments.fold import evaluated, save_row
from cpep.experiments.protocol import SplitData
from cpep.experiments.rows import RowRun, StageRun, row_of
from cpep.experiments.runs import Request
from cpep.experiments.window_features import shared_in
from cpep.runtime import distributed
from cpep.runtime.files import progress_line, training_line
from cpep.runtime.jobs import Job
from cpep.train.baseline import Baseline
from cpep.train.note import read_note
from cpep.train.running import run
from cpep.train.stage import budget
from cpep.train.task import PAIRED, Task, device_of, paired
from cpep.types import Normalisation

EVALUATION = 13
"""Version of what an evaluation computes. Raise it with every change, so that finished runs are evaluated again."""


@dataclass(frozen=True)
class FoldTask:
    """One fold with one seed: all that a job needs, and the folder of its files.

    A job opens the store by its path; ``fingerprint`` is that of the store with which the run began.
    """

    store: Path
    fingerprint: str
    split: Split
    config: RunConfig
    fold: int
    seed: int
    folder: Path

    def opened(self) -> Store:
        """Open the store.

        Raises:
            UserError: another one is there now.
        """
        return open_same(self.store, self.fingerprint)

    def at(self, stage: StageRun) -> Path:
        """Return the folder of a stage."""
        return self.folder / stage.folder(self.config)

    def task(self, stage: StageRun) -> Task:
        """Return the task of a stage."""
        return Task(self.opened(), stage.stage.split(self.split), stage.config, self.seed, self.at(stage))

    def row(self, name: str) -> RowRun:
        """Return a row of the table by its name."""
        return row_of(name, self.config, self.costs)

    def costs(self, config: RunConfig) -> dict[str, float]:
        """Return the operations that a baseline may spend, in 10^9; see ``stage.budget``."""
        return budget(self.opened(), self.split, config)

    @property
    def name(self) -> str:
        """Fold and seed in words."""
        return f"fold {self.fold} seed {self.seed}"


def fold_task(request: Request, store: Store, split: Split, fold: int, seed: int) -> FoldTask:
    """Return one fold with one seed of a run."""
    folder = request.out / f"fold{fold}" / f"seed{seed}"
    return FoldTask(store.path, store.fingerprint, split, request.config, fold, seed, folder)


def is_evaluated(task: FoldTask, row: RowRun, store: Store) -> bool:
    """Tell whether the folder holds the evaluation of a row under the present settings and version."""
    stages = (one for one in (row.last, row.choice(task.split)) if one is not None)
    if not all((task.at(one) / "stage.json").exists() for one in stages):
        return False
    return evaluated(task.folder, row.name, row_key(task, row, store))


def jobs_of(tasks: Sequence[FoldTask], names: Sequence[str], scored: bool = True) -> list[Job]:
    """Return jobs for the stages that rows need, each once, and, if ``scored``, for the evaluation of rows.

    They are ordered by row, then by fold, so that a run that is stopped has its first rows complete. Evaluations of
    rows that bring no stage of their own come last: they are short, and fill the time in which another core ends a
    long one. Rows that share a checkpoint, and rows without one, are evaluated by one job: what it embeds serves all
    of them.
    """
    jobs: dict[str, Job] = {}
    last: dict[str, Job] = {}

    def add(task: FoldTask, stage: StageRun, row: str) -> str:
        """Add the job of a stage unless it is there; return its name, which has the first row that needs it."""
        needs = tuple(add(task, start, row) for start in stage.starts)
        folder = stage.folder(task.config)
        own = f"{stage.name} of {row}" if folder != stage.name else folder
        job = Job(f"{task.name} {own}", partial(run_stage, task, stage, own), needs)
        return jobs.setdefault(f"{task.name} {folder}", job).name

    for name in names:
        for task in tasks:
            rows, known = beside(task, name, names) if scored else (task.row(name),), len(jobs)
            stages = [(one.name, stage) for one in rows for stage in (one.last, one.choice(task.split))]
            needs = tuple(dict.fromkeys(add(task, stage, row) for row, stage in stages if stage is not None))
            if not scored:
                continue
            text = f"{task.name} evaluation of {', '.join(one.name for one in rows)}"
            if text not in jobs:
                (last if len(jobs) == known else jobs).setdefault(
                    text, Job(text, partial(evaluate_rows, task, rows), needs)
                )
    return [*jobs.values(), *last.values()]


def beside(task: FoldTask, name: str, names: Sequence[str]) -> tuple[RowRun, ...]:
    """Return the rows that are evaluated together with a row, in their order: of the same windows and checkpoint."""
    row, rows = task.row(name), [task.row(other) for other in names]
    if row.last is None:
        return tuple(one for one in rows if one.last is None)
    folder = task.at(row.last)
    return tuple(
        one for one in rows if one.last and task.at(one.last) == folder and one.config.data == row.config.data
    )


def run_stage(task: FoldTask, stage: StageRun, name: str) -> None:
    """Train one stage of one fold; ``name`` is in its progress line."""
    checkpoints = {start.name: task.at(start) / "checkpoint" for start in stage.starts}
    run(stage.stage, task.task(stage), checkpoints, *training_line(f"{task.name} {name}"))


def evaluate_rows(task: FoldTask, rows: tuple[RowRun, ...]) -> None:
    """Evaluate rows that share their windows, those that are not evaluated already."""
    torch.set_num_threads(distributed.threads(task.config.threads))
    config, store = rows[0].config, task.opened()
    done = distributed.on_main_rank(lambda: [is_evaluated(task, row, store) for row in rows])
    rows = tuple(row for row, is_done in zip(rows, done, strict=True) if not is_done)
    if not rows:
        return
    keys = [row_key(task, row, store) for row in rows]
    data = SplitData(store, task.split, windows_of(store, config.data), config.evaluate, task.seed)
    kind: Normalisation = config.data.normalisation.value
    progress = progress_line(f"{task.name} evaluation of {rows[0].name}", "windows")
    whole = Task(store, task.split, config, task.seed, task.folder)
    pairs = [paired(whole, role) for role in PAIRED] if rows[0].last is None else []

    @cache
    def opened(folder: Path) -> Model:
        model = load(folder / "checkpoint")
        model.net.to(device_of(config.device))
        return model

    with shared_in(task.folder.parents[1] / "features" / str(EVALUATION), store):
        for row, key in zip(rows, keys, strict=True):
            model = None if row.last is None else opened(task.at(row.last))
            choice = row.choice(task.split)
            choosing = None if choice is None else opened(task.at(choice))
            subject = Subject(
                row.name,
                kind,
                row.config.data.anchor_view,
                pairs,
                model,
                progress,
                choosing=choosing,
                shuffled=row.config.align.shuffled,
            )
            found = evaluate(data.under(row.config.evaluate), subject)
            losses, training = losses_of(task, row), training_of(task, row)
            save = partial(save_row, task.folder, key, row.name, found, store.vocabulary, kind, losses, training)
            distributed.on_main_rank(save)


def row_key(task: FoldTask, row: RowRun, store: Store) -> str:
    """Return the fingerprint of the evaluation of a row; a row with another fingerprint is evaluated again."""
    stages = [read_note(task.at(one)).key for one in (row.last, row.choice(task.split)) if one is not None]
    config = row.config
    return fingerprint(EVALUATION, config.evaluate, config.data, row.name, stages, task.split, store.fingerprint)


def losses_of(task: FoldTask, row: RowRun) -> list[dict[str, Any]]:
    """Return the loss curves of the stages of a row for the report."""
    curves = []
    for stage in row.chain():
        note, folder = read_note(task.at(stage)), stage.folder(task.config)
        name = row.name if stage == row.last and folder != stage.name else folder
        point = {"stage": name, "fold": task.fold, "seed": task.seed}
        curves.append({**point, "points": note.points, "kept_step": note.kept_step})
    return curves


def training_of(task: FoldTask, row: RowRun) -> dict[str, Any]:
    """Return the cost of training a row: parameters and steps, operations of all its stages, share of CPEP's."""
    stages = row.chain()
    if not stages:
        return {}
    notes = [read_note(task.at(stage)) for stage in stages]
    gflop = sum(note.gflop for note in notes)
    share = gflop / sum(task.costs(task.config).values())
    last, end = notes[-1], stages[-1].stage
    return {
        "parameters": last.parameters,
        "steps": last.steps,
        "gflop": round(gflop, 1),
        "share": round(share, 3),
        "stopped": last.stopped,
        **({"allowed": end.allowed(row.config)} if isinstance(end, Baseline) else {}),
        **({"scale": last.scale} if last.scale else {}),
    }
