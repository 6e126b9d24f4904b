"""``reproduce``: which stages a table needs, in what order, what they share, and what is written."""

from __future__ import annotations

import json
import platform
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cpep import __version__
from cpep.checkpoint import git_commit, load
from cpep.configs import RunConfig, as_dict, fingerprint
from cpep.data.prepare import prepare
from cpep.data.splits import Split, make_splits
from cpep.data.store import Store, is_store, open_store
from cpep.data.windows import windows_of
from cpep.evaluate.collect import Fold, details_of, results_of, save_outcomes
from cpep.evaluate.protocol import Protocol
from cpep.evaluate.report import write_report
from cpep.files import progress_line, read_json, write_json
from cpep.jobs import Job, cores, run_all
from cpep.train.stages import Task, align, pretrain
from cpep.types import Normalisation, UserError

MODELS = ("cpep", "emg_mae", "features", "ridge", "pose", "cpep/shuffled_pairs")
"""The default rows of results.md; every other name there is still to come."""


EVALUATION = 2
"""Raised with every change of what an evaluation computes, so that a finished run is evaluated again."""


@dataclass(frozen=True)
class Request:
    """What ``reproduce`` was asked for.

    Attributes:
        data: folder of recordings, or a prepared store.
        out: output folder.
        config: settings.
        models: rows.
        seeds: one run of every fold each.
        folds: people cross-validated; 0 for one fold.
        test_users: people held out, instead of folds.
        val_users: people for choices.
        unseen: gestures that no training stage may see, by name or number.
        command: what the user typed, for the report.
    """

    data: Path
    out: Path
    config: RunConfig
    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0,)
    folds: int = 0
    test_users: tuple[str, ...] = ()
    val_users: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class FoldTask:
    """One fold with one seed: all that a job needs, and where its files are."""

    store: Path
    split: Split
    config: RunConfig
    fold: int
    seed: int
    folder: Path

    def task(self, stage: str) -> Task:
        """Return what a stage is given."""
        return Task(open_store(self.store), self.split, self.config, self.seed, self.folder / stage)

    def checkpoint(self, stage: str) -> Path:
        """Return where a stage leaves its checkpoint."""
        return self.folder / stage / "checkpoint"

    def line(self, stage: str, windows: bool = True) -> Any:
        """Return a progress line."""
        return progress_line(f"fold {self.fold} seed {self.seed} {stage}", "windows" if windows else "rows")


def reproduce(request: Request, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run all stages and write ``results.json`` and ``report.html`` in ``request.out``; resumes.

    Raises:
        UserError: bad input, or ``out`` holds another run.
    """
    started, clock_start = datetime.now(UTC), time.monotonic()
    unknown = [name for name in request.models if name not in MODELS]
    if unknown:
        raise UserError(f"no model {', '.join(unknown)}; this version has {', '.join(MODELS)}")
    claim(request)
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
    say(describe(store, splits))
    tasks = [
        FoldTask(store.path, split, request.config, fold, seed, request.out / f"fold{fold}" / f"seed{seed}")
        for seed in request.seeds
        for fold, split in enumerate(splits)
    ]
    jobs = [job for task in tasks for job in jobs_of(task, request.models)]
    threads = request.config.threads
    try:
        run_all(jobs, min(cores() // threads, len(jobs)), threads, note=lambda name: say(f"  done: {name}"))
    finally:
        seconds = worked_seconds(request.out, time.monotonic() - clock_start)
    folds = [Fold.read(task.folder, task.fold, task.seed) for task in tasks]
    run = run_block(request.command, request.config, seconds, started)
    return publish(request.out, run, store, splits, folds, request.config)


def publish(
    out: Path,
    run: dict[str, Any],
    store: Store,
    splits: Sequence[Split],
    folds: Sequence[Fold],
    config: RunConfig,
) -> dict[str, Any]:
    """Write ``results.json``, ``details.json`` and ``report.html``, and return the results."""
    windows = windows_of(store, config.data)
    counts = [len(split.allowed(store, windows, "train")) for split in splits]
    results = results_of(run, store, splits, counts, folds)
    glove = "The pose is an uncalibrated glove's, scaled per recording without labels: neither degrees nor radians."
    notes = [glove] if store.device.pose_unit == "count" else []
    details = {**details_of(folds), "notes": notes, "config": as_dict(config)}
    write_json(out / "details.json", details)
    write_report(results, details, out / "report.html")
    write_json(out / "results.json", results)
    return results


def claim(request: Request, more: dict[str, Any] | None = None) -> None:
    """Note in the output folder which run it holds.

    Raises:
        UserError: it holds another run, or something else. A run that was refused before it made anything may
            be asked for again in other words.
    """
    asked = {
        "data": str(request.data.resolve()),
        "seeds": list(request.seeds),
        "folds": request.folds,
        "test_users": list(request.test_users),
        "val_users": list(request.val_users),
        "unseen": list(request.unseen),
        "config": as_dict(request.config),
        **(more or {}),
    }
    note = request.out / "run.json"
    if note.exists():
        other = read_json(note)["asked"]
        differ = [name for name in asked if other.get(name) != json.loads(json.dumps(asked[name]))]
        made = [*request.out.glob("fold*"), *request.out.glob("evaluation.json")]
        if differ and (made or ("data" in differ and (request.out / "store").exists())):
            raise UserError(f"{request.out} holds another run (its {', '.join(differ)} differ); choose another --out")
        if differ:
            write_json(note, {"asked": asked})
    elif request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise UserError(f"{request.out} exists and holds no run of cpep; choose another --out")
    else:
        write_json(note, {"asked": asked})


def prepared(data: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Store:
    """Open a prepared store, or prepare the recordings of a folder at ``out``."""
    if is_store(data):
        return open_store(data)
    if not is_store(out):
        say(f"preparing {data}")
    return prepare(data, out, workers=cores(), progress=progress_line("prepare", "files"))


def describe(store: Store, splits: Sequence[Split]) -> str:
    """Return a sentence or two on what will be trained and tested."""
    one = splits[0]
    names = [store.vocabulary[label] for label in one.unseen]
    return (
        f"{store.name}: {len(store.users)} users, {store.seconds / 3600:.1f} h, "
        f"{len(one.seen)} seen and {len(one.unseen)} unseen gestures\n"
        f"unseen: {', '.join(names) or 'none'}\n"
        f"{len(splits)} fold(s); the first trains on {len(one.users_train)} users, "
        f"chooses on {len(one.users_val)}, tests on {len(one.users_test)}"
    )


def jobs_of(task: FoldTask, models: Sequence[str]) -> list[Job]:
    """Return the stages that the rows of one fold need, each once, and its evaluation."""
    name = f"fold {task.fold} seed {task.seed}"
    wanted = {
        "emg_mae": bool({"cpep", "cpep/shuffled_pairs", "emg_mae", "pose"} & set(models)),
        "pose_mae": bool({"cpep", "cpep/shuffled_pairs", "pose"} & set(models)),
        "cpep": bool({"cpep", "pose"} & set(models)),
        "cpep/shuffled_pairs": "cpep/shuffled_pairs" in models,
    }
    stages = [stage for stage, needed in wanted.items() if needed]
    pretrained = tuple(f"{name} {stage}" for stage in stages if stage.endswith("mae"))
    jobs = [
        Job(f"{name} {stage}", partial(run_stage, task, stage), () if stage.endswith("mae") else pretrained)
        for stage in stages
    ]
    return [
        *jobs,
        Job(f"{name} evaluation", partial(evaluate_fold, task, tuple(models)), tuple(j.name for j in jobs)),
    ]


def run_stage(task: FoldTask, stage: str) -> None:
    """Train one stage of one fold."""
    if stage.endswith("mae"):
        pretrain(task.task(stage), stage.removesuffix("_mae"), task.line(stage))
    else:
        emg, pose = task.checkpoint("emg_mae"), task.checkpoint("pose_mae")
        align(task.task(stage), emg, pose, shuffled=stage != "cpep", progress=task.line(stage))


def evaluate_fold(task: FoldTask, models: tuple[str, ...]) -> None:
    """Evaluate the rows of one fold; done again only where the stages, the rows or the settings changed."""
    torch.set_num_threads(task.config.threads)
    stages = [read_json(path) for path in sorted(task.folder.rglob("stage.json"))]
    key = fingerprint(EVALUATION, task.config.evaluate, list(models), [stage["key"] for stage in stages], task.split)
    if Fold.exists(task.folder, key):
        return
    store, progress = open_store(task.store), task.line("evaluation", windows=False)
    windows = windows_of(store, task.config.data)
    protocol = Protocol(store, task.split, windows, task.config.evaluate, task.seed)
    kind: Normalisation = task.config.data.normalisation.value
    outcomes = protocol.evaluate(models, lambda name: load(task.checkpoint(name)), kind, progress)
    points = protocol.map_points(load(task.checkpoint("cpep"))) if "cpep" in models else {"emg": [], "pose": []}
    save_outcomes(task.folder, key, outcomes, store.vocabulary, kind, stages_of(task, stages), points)


def stages_of(task: FoldTask, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the loss curves of the stages for the report."""
    names = [str(path.parent.relative_to(task.folder)) for path in sorted(task.folder.rglob("stage.json"))]
    return [
        {
            "stage": name,
            "fold": task.fold,
            "seed": task.seed,
            "points": stage["points"],
            "kept_step": stage["kept_step"],
        }
        for name, stage in zip(names, stages, strict=True)
    ]


def worked_seconds(out: Path, seconds: float) -> float:
    """Add the time of this start to that of earlier ones that were stopped."""
    note = read_json(out / "run.json")
    note["seconds"] = round(note.get("seconds", 0.0) + seconds, 1)
    write_json(out / "run.json", note)
    return float(note["seconds"])


def run_block(command: str, config: RunConfig, seconds: float, started: datetime) -> dict[str, Any]:
    """Return the ``run`` block of results.json."""
    return {
        "command": command or "cpep (called from Python)",
        "preset": config.preset,
        "recipe": config.recipe,
        "git": git_commit(),
        "version": __version__,
        "machine": f"{cores()} x {processor()}, torch {torch.__version__}",
        "seconds": seconds,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def quoted(argv: Sequence[str]) -> str:
    """Return a command as it can be typed again."""
    return shlex.join(["cpep", *argv])
