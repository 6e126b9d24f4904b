"""Fine-tuning: a checkpoint goes on with the recordings of a new person, and is kept only if that helps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax

from cpep.checkpoints.checkpoint import BOOK, CHECKPOINT, Model, book_beside, load, save
from cpep.checkpoints.embed import embed_anchor, embed_emg
from cpep.config.presets import from_dict, override
from cpep.config.schema import RunConfig
from cpep.config.serialise import as_dict
from cpep.data.splits import Role
from cpep.data.store.noted import noted
from cpep.data.store.store import Store
from cpep.data.windows import windows_of
from cpep.evaluate.knn import unit_rows
from cpep.evaluate.metrics import balanced_accuracy
from cpep.evaluate.probe import LinearProbe
from cpep.experiments.own import Own, divided
from cpep.experiments.own_live import own_book
from cpep.experiments.runs import Request, claim, prepared
from cpep.live.book.book import GestureBook
from cpep.live.book.files import fingerprint
from cpep.runtime.files import training_line, write_json
from cpep.runtime.hub import local
from cpep.runtime.jobs import threads_alone
from cpep.runtime.locks import alone_in
from cpep.train.finetune import AlignFurther, LabelFurther
from cpep.train.running import train
from cpep.train.stage import Stage
from cpep.train.task import Task, device_of
from cpep.types import EmbeddingSet, FloatArray, IntArray, UserError
from cpep.version import __version__

FOUND = "finetune.json"
"""What was told before and after, in the output folder."""
KINDS = ("cpep", "emg_mae", "supervised")
MAY_SET = ("finetune.", "augment.", "data.hop_s", "precision", "device", "threads")
FEWEST = 2
TEMPERATURE = 0.1
"""Of the softmax over cosines of EMG with mean poses."""


@dataclass(frozen=True)
class Told:
    """How well a model tells one person's gestures apart.

    Attributes:
        windows: number of test windows.
        gestures: number of gestures among them.
        probe: balanced accuracy of a linear read-out on test windows; it is fitted on training repetitions.
        pose: the same of the nearest mean pose, without a label of EMG; ``None`` without poses.
        loss: by which a model is chosen: on validation windows, the mean of the cross-entropies of both. Of the few
            repetitions that validate, accuracies say too little.
    """

    windows: int
    gestures: int
    probe: float
    pose: float | None
    loss: float

    @property
    def words(self) -> str:
        """Both accuracies in words."""
        by_pose = "" if self.pose is None else f", {self.pose:.2f} by their pose alone"
        return f"{self.probe:.2f} by a linear read-out{by_pose}"


def finetune(
    model: Model | str | Path,
    data: Store | str | Path,
    out: str | Path | None = None,
    *,
    sets: Sequence[str] = (),
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> Model:
    """Go on with the training of a model on the recordings of a new person, and return the better model.

    Repetitions of each gesture are divided as in ``cpep train``: the last ones test, those before them validate, the
    others train; of several sessions, the last one tests. Windows of ``from_arrays`` are divided in their order.
    A model that is aligned to poses goes on with its alignment where the recordings have poses, and stays aligned:
    poses are embedded as before. Without poses, what embeds EMG is trained by the labels.

    The result is the given model, unchanged, where validation repetitions are not told better after the training than
    before. Test repetitions are not read by any choice. What was told of them before and after is said at the end.

    On four simulated people, two seeds each, gestures told by their pose alone rose from .27 to .43 (gain .16, SD
    over people .12). A linear read-out on the labels gained nothing on average (.01, SD .07): for that the frozen
    model is enough. Training by labels alone was hardly measured (docs/how-to/training.md).

    Args:
        model: a model, which is not changed; or the folder or address of a checkpoint, or ``shipped`` for the one
            that comes with cpep. It must embed EMG.
        data: recordings of one person, or of a few, with the same device: a store, or the path of a store or of a
            folder of recordings. Two gestures or more, made at least three times each.
        out: folder for the checkpoint, its book of gestures and ``finetune.json``; a call that was stopped goes on
            there. Without it nothing is kept but the returned model.
        sets: settings, as ``field=value``: ``finetune.optim.steps=400``, other fields of ``finetune``, ``augment``,
            and ``data.hop_s``, ``precision``, ``device``, ``threads``.
        seed: of all random numbers.
        say: called with sentences on what is done and what came out.

    Returns:
        the model, in evaluation mode; its card says whose recordings it has met.

    Raises:
        UserError: a model that does not embed EMG by an encoder; another device or unit; no labels, one gesture, or
            too few repetitions; an unknown setting; or ``out`` holds something else.
    """
    opened = copy.deepcopy(model) if isinstance(model, Model) else load(local(model))
    config = settings_of(opened, sets)
    torch.set_num_threads(config.threads)
    with folder_of(out) as top, alone_in(top):
        place = data.path if isinstance(data, Store) else Path(data)
        more = {"checkpoint": fingerprint(opened), "seed": seed}
        claim(Request(data=place, out=top, config=config), more)
        store = data if isinstance(data, Store) else prepared(place, top / "store", say)
        opened.card.refuse_other(store)
        own = own_of(store, top, config)
        stage = stage_of(opened, own)
        say(f"{store.name}: {listed(own)}; trained by {'poses' if aligns(stage) else 'labels'}")
        task = Task(own.divided, own.live, stage.applied(config), seed, top / "trained")
        before = told(opened, own, config)
        tuned = trained(opened, stage, task)
        after = told(tuned, own, config)
        better = after.loss < before.loss
        say(sentence(before, after, better))
        if better:
            tuned.card = replace(tuned.card, **carried(opened, own, task, aligns(stage)))
        chosen = (tuned if better else opened).eval()
        if out is not None:
            kept(chosen, own, book_of_model(model), top, say)
            told_of = {"before": vars(before), "after": vars(after), "kept": "after" if better else "before"}
            write_json(top / FOUND, told_of)
    return chosen


def settings_of(model: Model, sets: Sequence[str]) -> RunConfig:
    """Return the settings of a checkpoint with those that are given.

    Raises:
        UserError: a model that cannot be fine-tuned, or a setting that a trained model has already.
    """
    if model.card.kind not in KINDS:
        raise UserError(f"a {model.card.kind} checkpoint cannot be fine-tuned; take one of kind {', '.join(KINDS)}")
    fixed = [text for text in sets if not text.startswith(MAY_SET)]
    if fixed:
        raise UserError(f"--set {fixed[0]}: a trained model stays as it is; only {', '.join(MAY_SET)} can be set")
    return override(from_dict(model.card.config), [f"threads={threads_alone()}", *sets])


@contextmanager
def folder_of(out: str | Path | None) -> Iterator[Path]:
    """Yield the output folder, or a temporary one."""
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="cpep-finetune-") as temporary:
        yield Path(temporary) / "run"


def own_of(store: Store, out: Path, config: RunConfig) -> Own:
    """Divide the recordings of a person; see ``experiments.own.divided``.

    Raises:
        UserError: no labels, one gesture, too few repetitions, or recordings shorter than a window.
    """
    gestures = {int(label) for label in np.unique(store.label_M)} - {0, -1}
    if len(gestures) < 2:
        found = f"one gesture alone, {store.vocabulary[gestures.pop()]}" if gestures else "no labels of gestures"
        raise UserError(
            f"{store.path} has {found}; fine-tuning is judged by how well gestures are told apart: label two or more"
        )
    if not len(windows_of(store, config.data)):
        raise UserError(
            f"{store.path} has no recording as long as one window of the checkpoint, {config.data.window_s:g} s"
        )
    return divided(store, out / "divided", config)


def stage_of(model: Model, own: Own) -> Stage:
    """Return how a model goes on: by poses where it reads them and they are there, else by labels."""
    further = AlignFurther if model.spec.reads_anchor and own.paired else LabelFurther
    return further("finetune", model.card.kind)


def aligns(stage: Stage) -> bool:
    """Tell whether a stage is trained by poses."""
    return isinstance(stage, AlignFurther)


def trained(model: Model, stage: Stage, task: Task) -> Model:
    """Return a copy of a model that went on with its training; a stopped call goes on in the task's folder."""
    settings = stage.settings(task.config) | {"from": fingerprint(model), "aligns": aligns(stage)}
    key, tuned = task.key(stage.name, settings), copy.deepcopy(model)
    if not task.finished(key):
        working = copy.deepcopy(model).in_unit(task.store.device.emg_unit).unfreeze()
        working.net.to(device_of(task.config.device))
        working.card = replace(working.card, split=as_dict(task.split), vocabulary=task.store.vocabulary)
        torch.manual_seed(task.seed)
        train(stage, task, key, working, {}, *training_line("finetune"))
    tuned.net.load_state_dict(load(task.folder / "checkpoint").net.state_dict())
    return tuned


def told(model: Model, own: Own, config: RunConfig) -> Told:
    """Return how well a model tells the gestures of held-out repetitions.

    Raises:
        UserError: no validation or test repetition is as long as a window.
    """
    store, split = own.divided, own.live
    windows = windows_of(store, config.data)
    windows = windows.select(np.isin(windows.label_N, split.seen))
    user_N = windows.users(store)
    roles: tuple[Role, ...] = ("train", "val", "test")
    found = {role: windows.select(np.isin(user_N, split.users(role))) for role in roles}
    for role, some in found.items():
        if len(np.unique(some.label_N)) < FEWEST:
            raise UserError(
                f"{store.path}: fewer than two gestures of the {role} repetitions are held for a whole window of "
                f"{config.data.window_s:g} s; hold gestures longer, or make them more often"
            )
    emg = {role: embed_emg(model, store, some).averaged() for role, some in found.items()}
    known = np.unique(emg["train"].label_N)
    probe = LinearProbe().fit(emg["train"].x_ND, emg["train"].label_N)
    test, val = ((emg[role], probe.log_shares(emg[role].x_ND)) for role in ("test", "val"))
    losses, posed = [cross_entropy(*val, known)], None
    if model.spec.reads_anchor and own.paired:
        pose = embed_anchor(model, store, found["train"].select(found["train"].valid_N))
        labels = np.unique(pose.label_N)
        posed = accuracy(emg["test"], by_pose(emg["test"], pose), labels)
        losses.append(cross_entropy(emg["val"], by_pose(emg["val"], pose), labels))
    gestures = len(np.unique(emg["test"].label_N))
    return Told(len(emg["test"]), gestures, accuracy(*test, known), posed, float(np.mean(losses)))


def by_pose(emg: EmbeddingSet, pose: EmbeddingSet) -> FloatArray:
    """Return logarithms of the shares (N, K) of gestures: a softmax of the cosines of EMG with mean poses."""
    means = [pose.x_ND[pose.label_N == label].mean(axis=0) for label in np.unique(pose.label_N)]
    cosine_NK = emg.x_ND @ unit_rows(np.stack(means)).T
    found: FloatArray = log_softmax(cosine_NK / TEMPERATURE, axis=1)
    return found


def accuracy(windows: EmbeddingSet, log_NK: FloatArray, labels: IntArray) -> float:
    """Return the balanced accuracy of the likeliest of K labels."""
    return balanced_accuracy(windows.label_N, labels[log_NK.argmax(axis=1)])


def cross_entropy(windows: EmbeddingSet, log_NK: FloatArray, labels: IntArray) -> float:
    """Return the mean cross-entropy of windows whose label is one of K."""
    known_N = np.isin(windows.label_N, labels)
    at_N = np.searchsorted(labels, windows.label_N[known_N])
    return float(-log_NK[known_N][np.arange(len(at_N)), at_N].mean())


def carried(model: Model, own: Own, task: Task, posed: bool) -> dict[str, Any]:
    """Return the fields of a card that change: gestures that training saw, and whose recordings it has met."""
    card, store = model.card, own.store
    names = [store.vocabulary[label] for label in own.live.seen]
    vocabulary = (*card.vocabulary, *(name for name in names if name not in card.vocabulary))
    learnt = {vocabulary.index(name) for name in names}
    split = card.split and card.split | {
        "seen": sorted({*card.split["seen"], *learnt}),
        "unseen": sorted(set(card.split["unseen"]) - learnt),
    }
    provenance = card.provenance
    entry = {
        "data": store.name,
        "people": list(store.users),
        "gestures": names,
        "by": "poses" if posed else "labels",
        "steps": task.config.finetune.optim.steps,
        "seed": task.seed,
        "version": __version__,
    }
    met = sorted({*provenance.get("recordings", ()), *noted(store, store.users)})
    more = {"recordings": met, "finetuned": [*provenance.get("finetuned", ()), entry]}
    return {"vocabulary": vocabulary, "split": split, "provenance": {**provenance, **more}}


def kept(model: Model, own: Own, old: Path | None, out: Path, say: Callable[[str], None]) -> None:
    """Write the checkpoint, and a book of the person's gestures with those of the book beside the old checkpoint."""
    save(model, out / CHECKPOINT)
    here = model.in_unit(own.divided.device.emg_unit)
    here = copy.copy(here)  # a book is of the people of its card, who are here the parts of this person
    here.card = replace(here.card, split=as_dict(own.live), vocabulary=own.divided.vocabulary)
    book = own_book(here, own.divided, own.live)
    if old is not None:
        try:
            book.keep(GestureBook.load(old, here))
        except UserError as error:
            say(f"gestures of the book beside the old checkpoint are not in the new one: {error}")
    book.save(out / BOOK)
    say(f"{out}: checkpoint and book of {len(book.names)} gestures, for `cpep serve {out}` and `cpep stream {out}`")


def book_of_model(model: Model | str | Path) -> Path | None:
    """Return the book beside a checkpoint; ``None`` where there is none."""
    return None if isinstance(model, Model) else book_beside(local(model))


def listed(own: Own) -> str:
    """Return how much is trained, validated and tested on, in words."""
    counts = {part: sum(own.division.count(part).values()) for part in ("train", "val", "test", "later")}
    return (
        f"{len(own.live.seen)} gestures; {counts['train']} repetitions train, {counts['val']} validate, "
        f"{counts['test'] + counts['later']} test"
    )


def sentence(before: Told, after: Told, better: bool) -> str:
    """Return what was told of test repetitions before and after, and which model is kept."""
    chosen = (
        "validation repetitions are told better after it, so it is kept"
        if better
        else "validation repetitions are not told better after it, so the model stays as it was"
    )
    losses = f"cross-entropy {before.loss:.2f} before, {after.loss:.2f} after"
    return (
        f"of {before.windows} windows of test repetitions of {before.gestures} gestures (guessing gives "
        f"{1 / before.gestures:.2f}), the share told right, mean over gestures:\n"
        f"  before: {before.words}\n  after:  {after.words}\n{chosen} ({losses})"
    )
