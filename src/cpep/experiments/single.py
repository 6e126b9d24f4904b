"""One stage or one checkpoint at a time, for the commands beside ``cpep reproduce``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.embed import embed_emg
from cpep.config.presets import from_dict, override, preset
from cpep.config.rows import classical as classical_rows
from cpep.config.schema import RunConfig
from cpep.config.serialise import fingerprint
from cpep.data.splits import Split, make_splits
from cpep.data.store.store import Store, open_store
from cpep.data.windows import list_windows, windows_of
from cpep.evaluate.protocols.base import chosen
from cpep.experiments.evaluators import Subject, evaluate
from cpep.experiments.fold import Fold, save_row
from cpep.experiments.newcomers import Wanted, split_for, splits_for
from cpep.experiments.pipeline import unadapted
from cpep.experiments.plan import describe, refuse_impossible_data
from cpep.experiments.protocol import SplitData
from cpep.experiments.rows import RowRun, row_of
from cpep.experiments.runs import Request, claim, prepared, publish, run_block, worked_seconds
from cpep.export.folder import FLOAT, INT8, Gallery, write_export
from cpep.export.parity import held_out, judged, noise, parity
from cpep.live.book.book import GestureBook
from cpep.live.book.calibration import NEIGHBOURS
from cpep.runtime import distributed
from cpep.runtime.files import atomic_path, progress_line
from cpep.runtime.hub import local
from cpep.runtime.jobs import threads_alone
from cpep.runtime.locks import alone_in, hold_file
from cpep.train.task import PAIRED, Task, device_of, paired
from cpep.types import UserError

LEARNT_ON_SEEN = ("ridge", "cca")
"""Rows that learn a map from EMG to pose, which must be away from unseen gestures."""


def single_task(
    store_path: Path,
    out: Path,
    preset_name: str,
    overrides: Sequence[str],
    unseen: tuple[str, ...],
    test_users: tuple[str, ...],
    val_users: tuple[str, ...],
    seed: int,
) -> Task:
    """Return the task of one pre-training stage outside ``reproduce``."""
    config = preset(preset_name, [f"threads={threads_alone()}", *overrides])
    store = open_store(store_path)
    guard_s = config.data.guard_s
    (split,) = make_splits(store, test_users=test_users, val_users=val_users, unseen=unseen, guard_s=guard_s)
    return Task(store, split, config, seed, out)


def aligned_task(
    store_path: Path, out: Path, preset_name: str, recipe: str, overrides: Sequence[str], emg: Path, seed: int
) -> Task:
    """Return the task of an alignment, under the split of its EMG checkpoint."""
    config = preset(preset_name, [f"threads={threads_alone()}", *overrides], recipe)
    return Task(open_store(store_path), load(emg).card.held_out(), config, seed, out)


def evaluate_checkpoint(
    checkpoint: Path,
    data: Path,
    out: Path,
    wanted: Wanted,
    overrides: Sequence[str],
    command: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Evaluate a checkpoint that reads EMG, and return the results.

    On the store of its training it is evaluated under its own split, or on other test people. On another store of
    the same kind of device, probes are fitted on labels of some people whom it has not met, and tested on others.

    Args:
        checkpoint: folder or address.
        data: recordings, or a store.
        out: output folder.
        wanted: who is tested.
        overrides: settings, as ``field=value``.
        command: command line of the user, for the report.
        say: called with sentences on what is evaluated.

    Raises:
        UserError: a test user took part in training, the device is another one, or ``out`` holds something else.
    """
    checkpoint = local(checkpoint)  # an address is resolved once, to one commit
    model = load(checkpoint)
    if model.frontend is None:
        raise UserError(f"{checkpoint} is a {model.card.kind} checkpoint; evaluate takes one that reads EMG")
    fixed = [text for text in overrides if not text.startswith(("evaluate.", "data.hop_s", "threads="))]
    if fixed:
        raise UserError(
            f"--set {fixed[0]}: a trained model stays as it is; only evaluate.*, data.hop_s and threads can be set"
        )
    config = override(from_dict(model.card.config), [f"threads={threads_alone()}", *overrides])
    torch.set_num_threads(distributed.threads(config.threads))
    chosen(config.evaluate.protocols)
    request = Request(
        data,
        out,
        config,
        test_users=wanted.test_users,
        val_users=wanted.val_users,
        folds=wanted.folds,
        command=command,
    )
    with alone_in(out):
        distributed.on_main_rank(lambda: claim(request, {"checkpoint": str(checkpoint.resolve())}))
        return _evaluated(model, checkpoint, request, wanted, say)


def _evaluated(
    model: Model, checkpoint: Path, request: Request, wanted: Wanted, say: Callable[[str], None]
) -> dict[str, Any]:
    config, data, out = request.config, request.data, request.out
    started, clock_start = datetime.now(UTC), time.monotonic()
    store = prepared(data, out / "store", say)
    model.card.refuse_other(store)
    splits, sentences = splits_for(model, store, wanted)
    model = model.in_unit(store.device.emg_unit)
    for sentence in sentences:
        say(sentence)
    say(describe(store, splits, config))
    asked = _rows(model, store, splits[0], config)
    refuse_impossible_data(store, splits, config, [one for one in asked if one.name in LEARNT_ON_SEEN])
    cannot = unadapted([one.name for one in asked], store, splits, config)
    rows = [one for one in asked if one.name not in cannot]
    model.net.to(device_of(config.device))
    folders = [out if len(splits) == 1 else out / f"fold{fold}" for fold in range(len(splits))]
    for split, folder in zip(splits, folders, strict=True):
        _evaluate_rows(model, str(checkpoint), Task(store, split, config, 0, folder), rows)
    names = [one.name for one in rows]

    def write() -> dict[str, Any]:
        run = run_block(request.command, config, worked_seconds(out, time.monotonic() - clock_start), started)
        folds = [Fold.read(folder, fold, 0, names) for fold, folder in enumerate(folders)]
        return publish(out, run, store, splits, folds, config)

    return distributed.on_main_rank(write)


def _rows(model: Model, store: Store, split: Split, config: RunConfig) -> list[RowRun]:
    """Return the rows that a checkpoint is evaluated as, and those without a network, as far as the store allows."""
    names = (*model.spec.rows, *classical_rows())
    rows = [row_of(name, config) for name in names]
    rows = [one for one in rows if one.config.data.anchor_view is config.data.anchor_view]
    if store.anchor_MJ is None:
        rows = [one for one in rows if not one.row.needs_anchor]
    if split.choosing != split.seen:  # nothing that is seen: maps from EMG to pose, and adaptation, learn from it
        known = [one for one in rows if not (one.row.adapts or one.row.chooses)]
        rows = [one for one in known if one.name not in LEARNT_ON_SEEN]
    return rows


def _evaluate_rows(model: Model, checkpoint: str, task: Task, rows: Sequence[RowRun]) -> None:
    """Evaluate rows under one split, and write what was found into the folder of the task."""
    store, config, split = task.store, task.config, task.split
    evaluated = SplitData(store, split, windows_of(store, config.data), config.evaluate, task.seed)
    kind, key = model.emg_frontend.normalisation, fingerprint(config.evaluate, split, checkpoint)
    maps = any(one.name in LEARNT_ON_SEEN for one in rows)
    pairs = [paired(task, role) for role in PAIRED] if maps else []
    for one in rows:
        name, own = one.name, evaluated.under(one.config.evaluate)
        progress = progress_line(f"evaluate {name}", "windows")
        view = one.config.data.anchor_view
        found = evaluate(own, Subject(name, kind, view, pairs, model if one.row.stage else None, progress))
        distributed.on_main_rank(partial(save_row, task.folder, key, name, found, store.vocabulary, kind, [], {}))


def embed_file(checkpoint: Path, data: Path, out: Path, hop_s: float) -> str:
    """Write the embeddings of all windows of a store or folder to an ``.npz`` file.

    Raises:
        UserError: the device is another one, there is no EMG encoder, the name does not end in .npz, or the file
            exists.
    """
    if distributed.on_main_rank(out.exists):
        raise UserError(f"{out} exists; choose another file or delete it")
    if out.suffix != ".npz":
        raise UserError(f"{out}: the embeddings are written as .npz; give a name that ends so")
    model = load(checkpoint)
    with tempfile.TemporaryDirectory() as own:
        scratch = distributed.on_main_rank(lambda: own)  # the same path for all ranks of this machine
        store = prepared(data, Path(scratch) / "store")
        model.card.refuse_other(store, data)
        windows = list_windows(store, model.card.window_s, hop_s)
        found = embed_emg(model, store, windows, progress_line("embed", "windows"))

    def write() -> None:
        with atomic_path(out) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                embedding=found.x_ND,
                label=found.label_N,
                vocabulary=np.array(store.vocabulary),
                user=found.user_N,
                recording=found.recording_N,
                time_s=found.time_N,
            )

    distributed.on_main_rank(write)
    return f"{out}: {len(found)} windows x {' x '.join(map(str, found.x_ND.shape[1:]))} dimensions"


def export_folder(
    checkpoint: Path, out: Path, book: Path | None, check: Path | None, say: Callable[[str], None]
) -> str:
    """Write a checkpoint as ONNX graphs with card, runner and gallery; return a text on how close the graphs are.

    Args:
        checkpoint: checkpoint of a model that embeds EMG.
        out: new folder; it appears whole or not at all.
        book: gesture book with the gallery for the runner, if any.
        check: store or recordings; the graphs are compared on windows of its test people, and without it on noise.
        say: called with messages to the user.

    Raises:
        UserError: ``out`` exists, the model embeds no EMG, the book is empty, the device is another one, the extra
            ``export`` is missing, or the float32 graph differs from the checkpoint.
    """
    with hold_file(out):
        if out.exists():
            raise UserError(f"{out} exists; choose another folder or delete it")
        return _exported(checkpoint, out, book, check, say)


def _exported(checkpoint: Path, out: Path, book: Path | None, check: Path | None, say: Callable[[str], None]) -> str:
    model, gallery = load(checkpoint), None
    if book is not None:
        found = GestureBook.load(book, model)
        if not found.names:
            raise UserError(f"{book} has no gesture; add one first, or export without a book")
        gallery = Gallery(*found.compared, found.names, NEIGHBOURS, found.usual_E, found.spread_E)
    if check is None:
        sample = noise(model)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            store = prepared(check, Path(scratch) / "store", say)
            model.card.refuse_other(store, check)
            if model.card.device.emg_unit != (unit := store.device.emg_unit):
                model = model.in_unit(unit)
                say(f"the graphs take EMG in {model.card.device.emg_unit}, as {check} has it")
            sample = held_out(model, store, split_for(model, store, ()))
    with atomic_path(out) as temporary:
        write_export(temporary, model, gallery)
        said = judged(parity(temporary, sample))
        sizes = [f"{name} {(temporary / name).stat().st_size / 1e6:.1f} MB" for name in (FLOAT, INT8)]
    if model.emg_frontend.normalisation == "recording":
        say("the runner takes what is typical of training people, where a session of its own should be calibrated")
    against = f"{len(sample.x)} windows of {'noise' if check is None else 'held-out people'}"
    return f"{out}: {', '.join(sizes)}; against the checkpoint on {against}:\n{said}"
