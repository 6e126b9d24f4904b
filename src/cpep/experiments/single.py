"""One stage or one checkpoint at a time, for the commands beside ``cpep reproduce``."""

from __future__ import annotations

import dataclasses
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
from cpep.config.rows import ROWS
from cpep.config.rows import classical as classical_rows
from cpep.config.serialise import fingerprint
from cpep.data.splits import Split, make_splits
from cpep.data.store.store import Store, open_store
from cpep.data.windows import list_windows, windows_of
from cpep.evaluate.protocols.base import chosen
from cpep.experiments.adapted import idle
from cpep.experiments.evaluators import Subject, evaluate
from cpep.experiments.fold import Fold, save_row
from cpep.experiments.plan import describe, refuse_impossible_data
from cpep.experiments.protocol import SplitData
from cpep.experiments.rows import row_of
from cpep.experiments.runs import Request, claim, prepared, publish, run_block, worked_seconds
from cpep.export.folder import FLOAT, INT8, Gallery, write_export
from cpep.export.parity import held_out, judged, noise, parity
from cpep.live.book.book import GestureBook
from cpep.live.book.calibration import NEIGHBOURS
from cpep.runtime import distributed
from cpep.runtime.files import atomic_path, progress_line
from cpep.runtime.hub import local
from cpep.runtime.jobs import threads_alone
from cpep.train.task import PAIRED, Task, device_of, paired
from cpep.types import UserError


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
    test_users: tuple[str, ...],
    overrides: Sequence[str],
    command: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Evaluate a checkpoint that reads EMG, under its own split or on other test people, and return the results.

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
    request = Request(data, out, config, test_users=test_users, command=command)
    distributed.on_main_rank(lambda: claim(request, {"checkpoint": str(checkpoint.resolve())}))
    started, clock_start = datetime.now(UTC), time.monotonic()
    store = prepared(data, out / "store", say)
    model.card.refuse_other(store)
    model = model.in_unit(store.device.emg_unit)
    split = split_for(model, store, test_users)
    split.refuse_single()
    say(describe(store, [split], config))
    able = (*model.spec.rows, *classical_rows())
    asked = [row_of(name, config) for name in able if store.anchor_MJ is not None or not ROWS.get(name).needs_anchor]
    refuse_impossible_data(store, [split], config, [one for one in asked if not one.row.stage])
    windows = windows_of(store, config.data)
    evaluated = SplitData(store, split, windows, config.evaluate, 0)
    kind, key = model.emg_frontend.normalisation, fingerprint(config.evaluate, split, str(checkpoint))
    model.net.to(device_of(config.device))
    pairs = [paired(Task(store, split, config, 0, out), role) for role in PAIRED]
    rows = [one for one in asked if not one.row.adapts or len(idle(store, windows, split))]
    for one in rows:
        name, own = one.name, evaluated.under(one.config.evaluate)
        progress = progress_line(f"evaluate {name}", "windows")
        found = evaluate(own, Subject(name, kind, pairs, model if one.row.stage else None, progress))
        distributed.on_main_rank(partial(save_row, out, key, name, found, store.vocabulary, kind, [], {}))
    names = [one.name for one in rows]

    def write() -> dict[str, Any]:
        run = run_block(command, config, worked_seconds(out, time.monotonic() - clock_start), started)
        return publish(out, run, store, [split], [Fold.read(out, 0, 0, names)], config)

    return distributed.on_main_rank(write)


def split_for(model: Model, store: Store, test_users: tuple[str, ...]) -> Split:
    """Return the split of a checkpoint, with other test people where they are given.

    Raises:
        UserError: a test user took part in training, or the store lacks a user or gesture of the split.
    """
    if not model.card.split:
        return _metadata_split(model, store, test_users)
    split = model.card.held_out()
    if store.vocabulary != model.card.vocabulary:
        raise UserError(
            f"{store.path} has other labels than the checkpoint's training data; evaluate it on that data"
        )
    met = sorted(set(test_users) & (set(split.users_train) | set(split.users_val)))
    if met:
        raise UserError(f"user {', '.join(met)} took part in the training of this checkpoint and cannot test it")
    wanted = dataclasses.replace(split, users_test=test_users or split.users_test)
    missing = sorted({*wanted.users_train, *wanted.users_val, *wanted.users_test} - set(store.users))
    if missing:
        raise UserError(f"{store.path} has no user {', '.join(missing)}, whom the evaluation needs")
    return wanted


def _metadata_split(model: Model, store: Store, test_users: tuple[str, ...]) -> Split:
    """Return a split for a checkpoint without one: by the split column of the store, or by the given test people.

    Raises:
        UserError: a test person may have taken part in training.
    """
    doubtful = {entry.user for entry in store.entries if entry.split != "test" and (entry.split or not test_users)}
    unknown = f"this {model.card.kind} checkpoint does not say on whom it was trained"
    if met := sorted(doubtful & set(test_users)):
        raise UserError(
            f"{unknown}, and metadata.csv has user {', '.join(met)} for training or validation; test others"
        )
    if test_users or set(store.users) - doubtful:
        guard_s = model.card.config["data"]["guard_s"]
        (split,) = make_splits(store, test_users=test_users, guard_s=guard_s)
        if not doubtful & set(split.users_test):
            return split
    raise UserError(
        f"{unknown}, and {store.path} has no train, val and test people by the split column of a metadata.csv; "
        "name people whom it has not met: --test-users"
    )


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
    if out.exists():
        raise UserError(f"{out} exists; choose another folder or delete it")
    model, gallery = load(checkpoint), None
    if book is not None:
        found = GestureBook.load(book, model)
        if not found.names:
            raise UserError(f"{book} has no gesture; add one first, or export without a book")
        gallery = Gallery(found.vector_GD, found.entry_G, found.names, NEIGHBOURS, found.usual_E, found.spread_E)
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
