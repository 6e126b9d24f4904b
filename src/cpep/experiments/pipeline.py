"""``cpep reproduce``: the stages that a table needs, each once and in order, the evaluation of rows, the results."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.registry import make_card
from cpep.config.rows import ROWS
from cpep.config.schema import RunConfig
from cpep.data.splits import Split, make_splits
from cpep.data.store.store import Store
from cpep.data.windows import windows_of
from cpep.evaluate.protocols.base import chosen
from cpep.experiments.adapted import idle
from cpep.experiments.fold import Fold, held, mend
from cpep.experiments.fold_jobs import FoldTask, fold_task, is_evaluated, jobs_of
from cpep.experiments.plan import describe, refuse_impossible_data
from cpep.experiments.rows import RowRun, left_out, names_of, rows_for
from cpep.experiments.runs import Request, begin_with, claim, prepared, publish, run_block, worked_seconds
from cpep.runtime import distributed
from cpep.runtime.jobs import cores, run_all
from cpep.runtime.locks import alone_in
from cpep.train.before import carried
from cpep.types import UserError


def refuse_impossible(task: FoldTask, store: Store, rows: Sequence[RowRun]) -> None:
    """Check the settings before training: build the network of every stage, and look up the protocols.

    Raises:
        UserError: a network cannot be built, no token or every token would be masked, or a protocol does not exist.
    """
    chosen(task.config.evaluate.protocols)
    for row in rows:
        for one in row.chain():
            try:
                model = Model(make_card(one.stage.model, store, task.split, one.config, task.seed))
                one.stage.trained(model, one.config, task.split)
            except UserError as error:
                raise UserError(f"{row.name}: {error}") from error


def started_from(tasks: Sequence[FoldTask], store: Store, rows: Sequence[RowRun]) -> list[dict[str, Any]]:
    """Return what results.json says of checkpoints of other people that stages go on from.

    Raises:
        UserError: one does not fit, or was trained on what a fold holds out; see ``train.before``.
    """
    found: dict[str, dict[str, Any]] = {}
    for one in (one for row in rows for one in row.chain()):
        if (others := one.stage.before(one.config)) is None:
            continue
        for task in tasks:
            model = others.opened(one.stage.model, store, task.split, one.config)
        found[one.name] = {"stage": one.name, "checkpoint": str(others.path), **carried(model)["started"][-1]}
    return list(found.values())


def reproduce(request: Request, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run all stages, write ``results.json`` and ``report.html`` in ``request.out``, and return the results; resumes.

    Raises:
        UserError: the input does not fit, ``out`` holds another run, or another command writes it.
    """
    names_of(request.models)
    with alone_in(request.out):
        return _reproduce(request, say)


def _reproduce(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    started, clock_start = datetime.now(UTC), time.monotonic()
    distributed.on_main_rank(lambda: claim(request))
    store = prepared(request.data, request.out / "store", say)
    distributed.on_main_rank(lambda: begin_with(request.out, store))
    distributed.on_main_rank(lambda: mend(request.out.glob("fold*/seed*"), say))
    names, bare = rows_for(request.models, store, request.config)
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
    for sentence in left_out(bare):
        say(sentence)
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
    refuse_impossible_data(store, splits, request.config, rows)
    before = started_from(tasks[: len(splits)], store, rows)
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
        return publish(request.out, run, store, splits, folds_of(request, splits, store), request.config, before)

    return distributed.on_main_rank(write)


def unadapted(names: Sequence[str], store: Store, splits: Sequence[Split], config: RunConfig) -> list[str]:
    """Return the names of the adapted rows if a fold has no idle windows to adapt with; see ``idle``."""
    windows = windows_of(store, config.data)
    able = all(len(idle(store, windows, split)) for split in splits)
    return [] if able else [name for name in names if ROWS.get(name).adapts]


def folds_of(request: Request, splits: Sequence[Split], store: Store) -> list[Fold]:
    """Read all folds of this run in the output folder; rows and seeds of earlier commands are included.

    Evaluations under other settings or by another version of cpep are left out.
    """
    folds = []
    found = (re.fullmatch(r"seed([0-9]{1,18})", path.name) for path in request.out.glob("fold*/seed*"))
    seeds = sorted({int(one[1]) for one in found if one})
    for seed in seeds:
        for fold, split in enumerate(splits):
            task = fold_task(request, store, split, fold, seed)
            rows = [task.row(name) for name in ROWS.names() if held(task.folder, name)]
            done = [row.name for row in rows if is_evaluated(task, row, store)]
            if done:
                folds.append(Fold.read(task.folder, fold, seed, done))
    return folds
