"""A run and its output folder: the request, the check that the folder belongs to it, its results and machine."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from cpep.checkpoints.card import git_commit
from cpep.config.rows import DEFAULT
from cpep.config.schema import Hardware, RunConfig, Targets
from cpep.config.serialise import as_dict
from cpep.data.splits import Split
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store, is_store, open_store
from cpep.data.windows import windows_of
from cpep.experiments.fold import Fold
from cpep.experiments.results import details_of, results_of
from cpep.models.encoder import require_encoders
from cpep.report.html import write_report
from cpep.runtime import checked, distributed, sums
from cpep.runtime.checked import NotNegative
from cpep.runtime.files import progress_line, write_json
from cpep.runtime.jobs import cores
from cpep.runtime.leftovers import is_empty
from cpep.types import CONTROL, UserError, refuse_interpolation
from cpep.version import __version__

COMPUTE = "Without pose, cpep's compute, which limits the training of other models, is that of its EMG autoencoder."
"""Note of the report on recordings without an anchor."""


@dataclass(frozen=True)
class Request:
    """The arguments of ``cpep reproduce``.

    Attributes:
        data: folder of recordings, or a prepared store.
        out: output folder.
        config: settings.
        models: names of rows, or of groups of rows.
        seeds: seeds; every fold is run once with each.
        folds: number of folds of a cross-validation over people; 0 for one fold.
        test_users: test people, in place of folds.
        val_users: validation people.
        unseen: unseen gestures, by name or number.
        command: command line of the user, for the report.
    """

    data: Path
    out: Path
    config: RunConfig
    models: tuple[str, ...] = DEFAULT
    seeds: tuple[int, ...] = (0,)
    folds: int = 0
    test_users: tuple[str, ...] = ()
    val_users: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    command: str = ""

    def __post_init__(self) -> None:
        require_encoders(self.config)


OTHER = "choose another output folder (--out)"
MOST_NAMED = 4
"""Names of things that differ, in a sentence; of more, their number."""


def claim(request: Request, more: dict[str, Any] | None = None) -> None:
    """Write into the output folder which run it holds; more rows and more seeds may be added later.

    A run that was refused before it wrote any result may be replaced by another request.

    Raises:
        UserError: the folder holds another run, or something else.
    """
    asked = {
        "data": str(request.data.resolve()),
        "folds": request.folds,
        "test_users": list(request.test_users),
        "val_users": list(request.val_users),
        "unseen": list(request.unseen),
        "config": as_dict(replace(request.config, threads=1)),  # a run may go on with another number of threads
        **(more or {}),
    }
    note = request.out / "run.json"
    refuse_interpolation(asked, "what is asked for")  # run.json could not be read again otherwise
    for path in (request.data, request.out):
        if CONTROL.search(str(path)):
            raise UserError(f"the name {str(path)!r} holds a sign that a terminal obeys; choose another name")
    if note.exists():
        other = read_run(request.out).asked
        differ = [name for name in asked if other.get(name) != json.loads(json.dumps(asked[name]))]
        if differ and (_made(request.out) or ("data" in differ and (request.out / "store").exists())):
            where = _places(asked, other) or differ
            named = ", ".join(where[:MOST_NAMED]) + f" and {len(where) - MOST_NAMED} more" * (len(where) > MOST_NAMED)
            raise UserError(f"{request.out} holds another run (it differs in {named}); {OTHER}")
        if differ:
            _write(request.out, RunNote(asked))
    elif request.out.exists() and not (
        request.out.is_dir() and (is_empty(request.out) or _lost_its_note(request.out))
    ):
        raise UserError(f"{request.out} exists and holds no run of cpep; {OTHER}")
    else:
        _write(request.out, RunNote(asked))


def _places(asked: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return what of a request differs from another one, settings by the names that ``--set`` takes."""
    found: list[str] = []
    for name, value in json.loads(json.dumps(asked)).items():
        before = other.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            found += _places(value, before, "" if name == "config" else f"{prefix}{name}.")
        elif value != before:
            found.append(prefix + name)
    return found


def _lost_its_note(out: Path) -> bool:
    """Tell whether a folder without run.json holds folds of a run: its damaged note was deleted, as cpep advises."""
    return any(path.is_dir() for path in out.glob("fold*/seed*"))


def begin_with(out: Path, store: Store) -> None:
    """Note the store that a run begins with, or check that it is the one that the run began with.

    Raises:
        UserError: it is another one, and something was made of the first.
    """
    note = read_run(out)
    if note.store == store.fingerprint:
        return
    if note.store and _made(out):
        raise UserError(
            f"{store.path} is another store than the one that the run in {out} began with, and a table comes from "
            f"one store; bring that one back, or {OTHER}"
        )
    _write(out, replace(note, store=store.fingerprint))


@dataclass(frozen=True)
class RunNote:
    """The content of run.json.

    Attributes:
        asked: what was asked for, as plain values.
        seconds: of all starts of the run.
        store: fingerprint of the store that it began with; empty before that, and in runs of older versions.
    """

    asked: dict[str, Any]
    seconds: NotNegative = 0.0
    store: str = ""


def read_run(out: Path) -> RunNote:
    """Return what run.json of an output folder holds.

    Raises:
        UserError: it is missing or damaged.
    """
    path = out / "run.json"
    remedy = "delete it, and the command that made it goes on with what the folder holds"
    value = checked.read(path, dict[str, Any], remedy=remedy)
    sums.refuse_broken_seal(value, path, remedy, required=False)  # older ones have none
    return checked.convert(value, RunNote, path, remedy=remedy, others=True)


def _write(out: Path, note: RunNote) -> None:
    write_json(out / "run.json", sums.sealed(vars(note)))


def _made(out: Path) -> bool:
    """Tell whether a run has made something in its folder."""
    return any(any(out.glob(name)) for name in ("fold*/seed*", "rows/*.json", "live.json"))


def prepared(data: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Store:
    """Return a prepared store, or prepare the recordings of a folder at ``out``; over ranks, rank 0 prepares."""
    if is_store(data):
        return open_store(data)
    if not is_store(out):
        say(f"preparing {data}")
    progress = progress_line("prepare", "files")
    return distributed.main_rank_first(lambda: prepare(data, out, workers=cores(), progress=progress))


def worked_seconds(out: Path, seconds: float) -> float:
    """Add the seconds of this start to those of earlier starts of the run, and return the sum."""
    note = read_run(out)
    total = round(note.seconds + seconds, 1)
    _write(out, replace(note, seconds=total))
    return total


def publish(
    out: Path,
    run: dict[str, Any],
    store: Store,
    splits: Sequence[Split],
    folds: Sequence[Fold],
    config: RunConfig,
    started: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Write ``results.json``, ``details.json`` and ``report.html``, and return the results.

    ``started`` says from which checkpoints of other people stages went on.
    """
    windows = windows_of(store, config.data)
    counts = [len(split.allowed(store, windows, "train")) for split in splits]
    results = results_of(run, store, splits, counts, folds)
    if started:
        results["data"]["started"] = [dict(one) for one in started]
    notes = list(store.device.anchor.notes) if store.anchor_MJ is not None else [COMPUTE]
    if store.anchor_MJ is not None and config.align.objective.targets is not Targets.own:
        notes.append(
            "Targets of cpep are soft here (recipe best); published figures are of hard ones (cpep/hard_targets)."
        )
    notes += [
        f"The stage {one['stage']} went on from a checkpoint of {one['people']:,} other people ({one['data']})."
        for one in started
    ]
    details = {**details_of(folds), "notes": notes, "config": as_dict(config)}
    write_json(out / "details.json", details)
    write_report(results, details, out / "report.html")
    write_json(out / "results.json", results)
    return results


def run_block(command: str, config: RunConfig, seconds: float, started: datetime) -> dict[str, Any]:
    """Return the ``run`` block of results.json."""
    used = torch.cuda.is_available() and config.device is not Hardware.cpu
    gpu = f"{torch.cuda.get_device_name()}, " if used else ""
    return {
        "command": command or "cpep (called from Python)",
        "preset": config.preset,
        "recipe": config.recipe,
        "git": git_commit(),
        "version": __version__,
        "machine": f"{cores()} x {processor()}, {gpu}torch {torch.__version__}",
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
    """Return a command as text that can be typed again in a shell."""
    return shlex.join(["cpep", *argv])
