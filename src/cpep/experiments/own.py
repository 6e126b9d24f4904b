"""``cpep train``: from one person's own recordings to a live model, with what is held out told in plain words.

Nobody else is there to be held out, so repetitions are, and the last of several sessions (``data.store.divide``). Two
folds run side by side. The first knows all gestures; its checkpoint and book go live. The second leaves two gestures
out of every stage, so that zero-shot of gestures that were never made can be scored.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from cpep.checkpoints.checkpoint import BOOK, CHECKPOINT, load
from cpep.config.presets import preset
from cpep.config.schema import RunConfig
from cpep.data.readers.folder import find_recordings
from cpep.data.splits import Split, hashed
from cpep.data.store.divide import MARK, PARTS, Division, divide, division_of
from cpep.data.store.index import read_index
from cpep.data.store.prepare import stamp_of
from cpep.data.store.store import Store, is_store
from cpep.data.windows import windows_of
from cpep.experiments.asked import Asked
from cpep.experiments.fold import Fold, mend
from cpep.experiments.fold_jobs import FoldTask, jobs_of
from cpep.experiments.own_live import Told, own_book, told_in
from cpep.experiments.own_pose import begin_with_shipped
from cpep.experiments.own_report import headline, report_text
from cpep.experiments.own_time import minutes_of
from cpep.experiments.runs import Request, begin_with, claim, prepared
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import checked
from cpep.runtime.files import atomic_path, write_text
from cpep.runtime.jobs import cores, run_all
from cpep.runtime.locks import alone_in
from cpep.types import UserError

SETTINGS = (
    "data.window_s=1",
    "data.normalisation=causal",
    "align.rest=true",
    "emg.token_ms=100",
    "emg_mae.optim.steps=300",
    "pose_mae.optim.steps=200",
    "align.optim.steps=160",
)
"""In what a live model of one person differs from the preset; as `make live-demo`, but for the steps."""
REPORT = "report.txt"
SHIPPED = (
    "poses are read by the encoder that comes with cpep: it knows the hands of 80 simulated people, who made some of "
    "these gestures, perhaps those of the second model, too"
)
TRAINED = "the encoder of poses is trained on these recordings: the one that comes with cpep reads other poses"
LEFT_OUT, FEWEST_TO_LEAVE = 2, 6
"""Gestures that the second fold never sees, and how many a person must have made for that."""
PAIRED_ROWS, BARE_ROWS = ("cpep", "features"), ("emg_mae", "features")
"""Rows with and without an anchor."""


@dataclass(frozen=True, eq=False)
class Own:
    """One person's, or a few people's, recordings, divided, and what can be done with them.

    Attributes:
        store: as they were prepared.
        divided: as they were divided; see ``data.store.divide``.
        division: how.
        live: everything that was made takes part.
        never: some gestures are in no stage; ``None`` where too few were made.
    """

    store: Store
    divided: Store
    division: Division
    live: Split
    never: Split | None

    @property
    def paired(self) -> bool:
        """Whether there is an anchor, to which EMG can be aligned."""
        posed = set(self.divided.entries) - set(self.divided.bare)
        return {"train", "val"} <= {entry.user.rpartition(MARK)[2] for entry in posed}

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows that are trained and scored."""
        return PAIRED_ROWS if self.paired else BARE_ROWS

    def scored(self, config: RunConfig) -> bool:
        """Tell whether gestures of held-out repetitions can be asked."""
        asked = Asked.of(self.divided, self.live, windows_of(self.divided, config.data))
        return "seen" in asked.gestures and asked.enough(tuple(asked.windows_of("val")))

    @property
    def model(self) -> str:
        """Row whose checkpoint goes live."""
        return self.rows[0]


def live_of(folder: Path) -> Path:
    """Return where the model of a folder of recordings goes unless another place is asked for."""
    place = folder.resolve()
    return place.with_name(f"{place.name}.live")


def train_own(
    folder: Path, out: Path, say: Callable[[str], None] = print, *, sizes: str = "small", sets: Sequence[str] = ()
) -> str:
    """Train, evaluate and calibrate on one person's recordings; the same call goes on where it was stopped.

    If recordings were added or changed, everything is trained again; gestures that were added to the book stay in it.

    Args:
        folder: recordings in any layout that cpep reads, or a prepared store.
        out: output folder: ``checkpoint``, the book ``gestures.book`` and ``report.txt``; `cpep serve OUT` and
            `cpep stream OUT` find both. Everything else in it is what a stopped run goes on from.
        say: called with sentences on what is done, what it takes in minutes, and what came out.
        sizes: name of a preset.
        sets: further settings, as ``field=value``.

    Returns:
        what came out, in a sentence.

    Raises:
        UserError: there is too little to train on, ``out`` holds another run, or another command writes it.
    """
    config = preset(sizes, [*SETTINGS, *sets], "best")
    with alone_in(out):
        return _train_own(folder, out, say, config)


def _train_own(folder: Path, out: Path, say: Callable[[str], None], config: RunConfig) -> str:
    claim(Request(data=folder, out=out, config=config))
    forget_changed(folder, out, say)
    store = prepared(folder, out / "store", say)
    begin_with(out, store)
    mend(out.glob("fold*/seed*"), say)
    own = divided(store, out, config)
    say(text_of(own))
    tasks = tasks_of(own, config, out)
    shipped = own.paired and all([begin_with_shipped(task) for task in tasks])
    if own.paired:
        say(SHIPPED if shipped else TRAINED)
    scored = own.scored(config)
    jobs = jobs_of(tasks, own.rows, scored)
    workers = min(cores() // config.threads or 1, len(jobs))
    minutes = minutes_of(tasks, own.model, workers)
    say(f"this takes about {minutes} on this machine; if it is stopped, the same command continues")
    done = count(1)
    run_all(jobs, workers, config.threads, note=lambda name: say(f"  step {next(done)} of {len(jobs)}: {name}"))
    told = put_live(own, tasks[0], out, say)
    folds = [Fold.read(task.folder, task.fold, task.seed, own.rows if scored else ()) for task in tasks]
    text = report_text(own, folds, told, out)
    write_text(out / REPORT, text + "\n")
    say(text)
    return headline(told)


def forget_changed(folder: Path, out: Path, say: Callable[[str], None]) -> None:
    """Remove what a run made of recordings that changed since; checkpoint, book and report stay until the end."""
    store = out / "store"
    if is_store(folder) or not is_store(store):
        return
    if read_index(store).index.sources == [stamp_of(source) for source in find_recordings(folder)]:
        return
    say(f"{folder}: the recordings changed since the last training; everything is trained again")
    made = (*out.glob("fold*"), out / "features", out / "divided")
    for path in (*made, store):  # the store last: it tells that something is left
        shutil.rmtree(path, ignore_errors=True)


def divided(store: Store, out: Path, config: RunConfig) -> Own:
    """Divide a store by repetition and session, and return what can be done with it.

    Raises:
        UserError: too few gestures were made often enough, nothing is left to validate on, or a gesture has a name
            that a book cannot take.
    """
    division = division_of(store, config.data.guard_s)
    parts = {span.part for span in division.spans}
    often = [label for label, count in division.count("val").items() if count and division.count("train")[label]]
    if division.made and len(often) < 2:
        raise UserError(
            f"{store.path}: {len(often)} gestures were made three times or more in one session; make two or more "
            "gestures at least three times each: one repetition trains, one validates and one tests"
        )
    if not division.made and store.anchor_MJ is None:
        raise UserError(
            f"{store.path}: neither gestures are labelled nor is there a pose, so that nothing can be recognised; "
            "record with protocol gestures or follow"
        )
    if not {"train", "val", "test"} <= parts and not {"train", "val", "later"} <= parts:
        raise UserError(f"{store.path}: too short to hold anything out; record some minutes")
    for label in sorted(division.count("train")):
        checked(store.vocabulary[label])  # before the training: the book refuses such a name after it
    made = divide(store, division, out / "divided")
    people = {part: [user for user in made.users if user.endswith(MARK + part)] for part in PARTS}
    users = tuple(people["train"]), tuple(people["val"]), (*people["test"], *people["later"])
    seen = tuple(sorted(division.count("train")))
    live = Split(*users, seen, (), config.data.guard_s, by_column=True)
    held = never_made([store.vocabulary[label] for label in sorted(often) if label in posed(store)])
    unseen = tuple(label for label in seen if store.vocabulary[label] in held)
    rest = tuple(label for label in seen if label not in unseen)
    never = Split(*users, rest, unseen, config.data.guard_s, by_column=True) if unseen else None
    own = Own(store, made, division, live, never)
    return own if own.paired else Own(store, made, division, live, None)


def posed(store: Store) -> set[int]:
    """Return the labels that are made with a valid pose."""
    return set(np.unique(store.label_M[store.valid_M]).tolist())


def never_made(names: Sequence[str]) -> tuple[str, ...]:
    """Return the gestures that the second fold leaves out: the first by a hash of their names, or none of few."""
    return tuple(hashed(names)[:LEFT_OUT]) if len(names) >= FEWEST_TO_LEAVE else ()


def tasks_of(own: Own, config: RunConfig, out: Path) -> list[FoldTask]:
    """Return the folds: with all gestures, and without some."""
    splits = [split for split in (own.live, own.never) if split]
    return [
        FoldTask(own.divided.path, own.divided.fingerprint, split, config, fold, 0, out / f"fold{fold}" / "seed0")
        for fold, split in enumerate(splits)
    ]


def text_of(own: Own) -> str:
    """Return a text on what is used for what, and on what cannot be done."""
    store, names = own.store, own.store.vocabulary
    seconds = {part: 0.0 for part in PARTS}
    for span in own.division.spans:
        seconds[span.part] += (span.stop - span.start) / store.frame_rate
    counts = {part: sum(own.division.count(part).values()) for part in PARTS}
    words = {"train": "train", "val": "validate and calibrate", "test": "test", "later": "test, of the last session"}
    lines = [
        f"{store.name}: {store.seconds / 60:.1f} minutes, {len(own.live.seen)} gestures "
        f"({', '.join(names[label] for label in own.live.seen) or 'no labels'})",
        *(f"  {seconds[part] / 60:4.1f} min, {counts[part]:3d} repetitions {words[part]}" for part in PARTS
          if seconds[part]),
    ]  # fmt: skip
    if own.never:
        lines.append(
            f"a second model is trained without {' and '.join(names[label] for label in own.never.unseen)}, to see "
            "how well gestures that were never made are told by their pose"
        )
    elif own.paired:
        lines.append(
            f"zero-shot is not scored: it takes {FEWEST_TO_LEAVE} gestures with a pose, made three times each"
        )
    if own.paired and store.bare:
        lines.append(
            f"{len(store.bare)} of {len(store.entries)} recordings have no pose: they train the EMG encoder alone, "
            "and what was made in them only is told by its EMG"
        )
    if not own.paired:
        lines.append(
            "there is no pose: the EMG encoder is pre-trained and reads gestures that were made; gestures cannot be "
            "added by pose"
        )
    return "\n".join(lines)


def put_live(own: Own, task: FoldTask, out: Path, say: Callable[[str], None]) -> Told | None:
    """Copy the trained checkpoint, make its book, and return what the live recogniser tells of what was held out.

    Gestures of an earlier book that these recordings do not have, such as those added by pose, stay in the book.
    """
    last = task.row(own.model).last
    assert last is not None
    trained, checkpoint = task.at(last) / "checkpoint", out / CHECKPOINT
    with atomic_path(checkpoint) as temporary:
        shutil.copytree(trained, temporary)
    model = load(checkpoint)
    book = own_book(model, own.divided, own.live)
    told = told_in(model, book, own.divided, own.live) if book.names else None
    place = out / BOOK
    if place.exists():
        try:
            book.keep(GestureBook.load(place, model))
        except UserError as error:
            aside = place.with_name(f"before.{BOOK}")
            place.replace(aside)
            say(f"gestures of the book before this training are in {aside}, not in the new book: {error}")
    book.save(place)
    return told
