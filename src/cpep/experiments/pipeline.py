"""``reproduce``: which stages a table needs, in what order, what they share, and what is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cpep.checkpoints.card import make_card
from cpep.checkpoints.checkpoint import Model, load
from cpep.config.schema import RunConfig
from cpep.config.serialise import fingerprint
from cpep.data.splits import Split, make_splits
from cpep.data.store.store import Store, open_store
from cpep.data.windows import windows_of
from cpep.experiments.adapted import idle
from cpep.experiments.evaluators import classical, trained
from cpep.experiments.plan import describe, refuse_impossible_data
from cpep.experiments.protocol import Protocol
from cpep.experiments.results import Fold, evaluated, held, save_row
from cpep.experiments.rows import ADAPTED, ALL, CLASSICAL, VARIANTS, Row, Stage, config_of, names_of
from cpep.experiments.runs import Request, claim, prepared, publish, run_block, worked_seconds
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.runtime import distributed
from cpep.runtime.files import progress_line, read_json
from cpep.runtime.jobs import Job, cores, run_all
from cpep.train.baselines import regress, supervise
from cpep.train.flops import autoencoder, cpep_gflop
from cpep.train.objective import Objective
from cpep.train.stages import PAIRED, align, paired, pretrain
from cpep.train.task import Task, device_of
from cpep.types import Normalisation, UserError

EVALUATION = 7
"""Raised with every change of what an evaluation computes, so that a finished run is evaluated again."""


@dataclass(frozen=True)
class FoldTask:
    """One fold with one seed: all that a job needs, and where its files are."""

    store: Path
    split: Split
    config: RunConfig
    fold: int
    seed: int
    folder: Path

    def at(self, stage: Stage) -> Path:
        """Return the folder of a stage."""
        return self.folder / stage.folder(self.config)

    def task(self, stage: Stage) -> Task:
        """Return what a stage is given."""
        return Task(open_store(self.store), self.split, stage.config, self.seed, self.at(stage))

    def row(self, name: str) -> Row:
        """Return a row of the table by its name."""

        def gflop(config: RunConfig) -> dict[str, float]:
            card = make_card("cpep", open_store(self.store), self.split, config, self.seed)
            return cpep_gflop(card, config)

        return Row(name, config_of(name, self.config, gflop))

    @property
    def name(self) -> str:
        """Fold and seed in words."""
        return f"fold {self.fold} seed {self.seed}"


def fold_task(request: Request, store: Store, split: Split, fold: int, seed: int) -> FoldTask:
    """Return one fold with one seed of a run."""
    folder = request.out / f"fold{fold}" / f"seed{seed}"
    return FoldTask(store.path, split, request.config, fold, seed, folder)


def refuse_impossible(task: FoldTask, store: Store, rows: Sequence[Row]) -> None:
    """Build the network of every stage once, so that settings that do not go together are known at once.

    Raises:
        UserError: a network cannot be built, or no token or every token would be masked.
    """
    for row in rows:
        for stage in _chain(row):
            try:
                net = Model(make_card(stage.kind, store, task.split, stage.config, task.seed)).net
                if isinstance(net, Cpep):
                    Objective(net, stage.config.align)
                if stage.kind in ("emg_mae", "pose_mae"):
                    assert isinstance(net, Encoder)
                    autoencoder(net, stage.config, stage.kind)
            except UserError as error:
                raise UserError(f"{row.name}: {error}") from error


def reproduce(request: Request, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run all stages and write ``results.json`` and ``report.html`` in ``request.out``; resumes.

    Raises:
        UserError: bad input, or ``out`` holds another run.
    """
    started, clock_start = datetime.now(UTC), time.monotonic()
    names = names_of(request.models)
    distributed.on_main_rank(lambda: claim(request))
    store = prepared(request.data, request.out / "store", say)
    splits = make_splits(
        store,
        folds=request.folds,
        test_users=request.test_users,
        val_users=request.val_users,
        unseen=request.unseen,
        guard_s=request.config.data.guard_s,
    )
    splits[0].refuse_single()
    say(describe(store, splits, request.config))
    if cannot := unadapted(names, store, splits, request.config):
        say(
            f"left out: {', '.join(cannot)}; every window of training people has a gesture, or touches an unseen one,"
        )
        say("so that nothing tells movements from rest")
        names = tuple(name for name in names if name not in cannot)
        if not names:
            raise UserError(f"{store.path} leaves no row to make; ask for others with --models")
    tasks = [
        fold_task(request, store, split, fold, seed) for seed in request.seeds for fold, split in enumerate(splits)
    ]
    rows = [tasks[0].row(name) for name in names]
    refuse_impossible(tasks[0], store, rows)
    refuse_impossible_data(store, splits, request.config, {row.name: row.config for row in rows})
    jobs = jobs_of(tasks, names)
    threads = request.config.threads
    workers = (
        min(cores() // threads, len(jobs)) if distributed.world_size() == 1 else 1
    )  # ranks do every job together
    try:
        run_all(jobs, workers, threads, note=lambda name: say(f"  done: {name}"))
    finally:
        seconds = worked_seconds(request.out, time.monotonic() - clock_start) if distributed.is_main_rank() else 0.0

    def write() -> dict[str, Any]:
        run = run_block(request.command, request.config, seconds, started)
        return publish(request.out, run, store, splits, folds_of(request, splits, store), request.config)

    return distributed.on_main_rank(write)


def unadapted(names: Sequence[str], store: Store, splits: Sequence[Split], config: RunConfig) -> list[str]:
    """Return the rows that cannot adapt: see ``idle``."""
    windows = windows_of(store, config.data)
    able = all(len(idle(store, windows, split)) for split in splits)
    return [] if able else [name for name in names if name in ADAPTED]


def folds_of(request: Request, splits: Sequence[Split], store: Store) -> list[Fold]:
    """Read all that the output folder holds of this run: rows and seeds of earlier commands are in its table too.

    Left out is what another version of cpep evaluated, or other settings.
    """
    known, folds = dict.fromkeys((*ALL, *VARIANTS)), []
    seeds = sorted({int(path.name.removeprefix("seed")) for path in request.out.glob("fold*/seed*")})
    for seed in seeds:
        for fold, split in enumerate(splits):
            task = fold_task(request, store, split, fold, seed)
            rows = [task.row(name) for name in known if held(task.folder, name)]
            done = [row.name for row in rows if is_evaluated(task, row, store)]
            if done:
                folds.append(Fold.read(task.folder, fold, seed, done))
    return folds


def is_evaluated(task: FoldTask, row: Row, store: Store) -> bool:
    """Tell whether the folder holds the evaluation of a row as it would be made now."""
    if row.last is not None and not (task.at(row.last) / "stage.json").exists():
        return False
    return evaluated(task.folder, row.name, row_key(task, row, store))


def jobs_of(tasks: Sequence[FoldTask], names: Sequence[str]) -> list[Job]:
    """Return the stages that rows need, each once, and the evaluation of each row.

    Row by row, and within a row fold by fold, so that a run that is stopped has its first rows whole.
    """
    jobs: dict[str, Job] = {}

    def add(task: FoldTask, stage: Stage, row: str) -> str:
        """Add a stage unless it is there, and return its name: of several rows that share it, the first one's."""
        needs = tuple(add(task, start, row) for start in stage.starts)
        folder = stage.folder(task.config)
        own = f"{stage.kind} of {row}" if folder != stage.kind else folder
        job = Job(f"{task.name} {own}", partial(run_stage, task, stage, own), needs)
        return jobs.setdefault(f"{task.name} {folder}", job).name

    for name in names:
        for task in tasks:
            row = task.row(name)
            needs = () if row.last is None else (add(task, row.last, name),)
            shared = tuple(task.row(other) for other in names if other in CLASSICAL) if name in CLASSICAL else (row,)
            text = f"{task.name} evaluation of {', '.join(one.name for one in shared)}"
            jobs.setdefault(text, Job(text, partial(evaluate_rows, task, shared), needs))
    return list(jobs.values())


def run_stage(task: FoldTask, stage: Stage, name: str) -> None:
    """Train one stage of one fold; ``name`` is what the user reads of it."""
    own, progress = task.task(stage), progress_line(f"{task.name} {name}", "windows")
    if stage.kind in ("emg_mae", "pose_mae"):
        pretrain(own, stage.kind.removesuffix("_mae"), progress)
    elif stage.kind == "cpep":
        checkpoints = {start.kind: task.at(start) / "checkpoint" for start in stage.starts}
        align(own, checkpoints.get("emg_mae"), checkpoints.get("pose_mae"), progress)
    elif stage.kind == "supervised":
        supervise(own, progress)
    else:
        regress(own, stage.kind, progress)


def evaluate_rows(task: FoldTask, rows: tuple[Row, ...]) -> None:
    """Evaluate rows that share their windows; done again only where stages or settings changed."""
    torch.set_num_threads(distributed.threads(task.config.threads))
    config, store = rows[0].config, open_store(task.store)
    keys = [row_key(task, row, store) for row in rows]
    if distributed.on_main_rank(lambda: all(is_evaluated(task, row, store) for row in rows)):
        return
    protocol = Protocol(store, task.split, windows_of(store, config.data), config.evaluate, task.seed)
    kind: Normalisation = config.data.normalisation.value
    progress = progress_line(f"{task.name} evaluation of {rows[0].name}", "windows")
    whole = Task(store, task.split, config, task.seed, task.folder)
    pairs = [paired(whole, role) for role in PAIRED] if rows[0].last is None else []
    for row, key in zip(rows, keys, strict=True):
        own = protocol.under(row.config.evaluate)
        if row.last is None:
            found = classical(own, row.name, kind, pairs)
        else:
            model = load(task.at(row.last) / "checkpoint")
            model.net.to(device_of(config.device))
            found = trained(own, row.name, model, progress)
        losses, training = losses_of(task, row), training_of(task, row)
        save = partial(save_row, task.folder, key, row.name, found, store.vocabulary, kind, losses, training)
        distributed.on_main_rank(save)


def row_key(task: FoldTask, row: Row, store: Store) -> str:
    """Return the fingerprint of the evaluation of a row: another one is done again."""
    stages = [] if row.last is None else [read_json(task.at(row.last) / "stage.json")["key"]]
    config = row.config
    return fingerprint(EVALUATION, config.evaluate, config.data, row.name, stages, task.split, store.fingerprint)


def _chain(row: Row) -> list[Stage]:
    """Return the stages of a row in the order of training."""
    return [] if row.last is None else [*row.last.starts, row.last]


def losses_of(task: FoldTask, row: Row) -> list[dict[str, Any]]:
    """Return the loss curves of the stages of a row for the report."""
    curves = []
    for stage in _chain(row):
        note, folder = read_json(task.at(stage) / "stage.json"), stage.folder(task.config)
        name = row.name if folder.startswith("cpep-") else folder
        point = {"stage": name, "fold": task.fold, "seed": task.seed}
        curves.append({**point, "points": note["points"], "kept_step": note["kept_step"]})
    return curves


def training_of(task: FoldTask, row: Row) -> dict[str, Any]:
    """Return what the training of a row cost: operations of all its stages, and their share of CPEP's total."""
    stages = _chain(row)
    if not stages:
        return {}
    notes = [read_json(task.at(stage) / "stage.json") for stage in stages]
    card = make_card("cpep", open_store(task.store), task.split, task.config, task.seed)
    gflop = sum(note["gflop"] for note in notes)
    share = gflop / sum(cpep_gflop(card, task.config).values())
    last = notes[-1]
    return {
        "parameters": last["parameters"],
        "steps": last["steps"],
        "gflop": round(gflop, 1),
        "share": round(share, 3),
        "stopped": last["stopped"],
    }
