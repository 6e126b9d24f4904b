"""From what a user writes to a session: the source, the checkpoint that fits it, its book and its enrolment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cpep.checkpoints.checkpoint import Model, load
from cpep.data.readers.emg2pose import DEVICE
from cpep.data.recording import Device
from cpep.live.book.book import GestureBook
from cpep.live.demo import demo_paths
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.session import Session
from cpep.live.signals import Source
from cpep.live.sources.registry import open_source
from cpep.live.sources.replay import emg_of_person
from cpep.runtime.locks import PATIENCE_S, hold_file
from cpep.signal.rate import same_rate
from cpep.types import UserError
from cpep.web.build import Files


@dataclass(frozen=True)
class Wanted:
    """What a page is opened with, whatever its source.

    Attributes:
        checkpoint: an aligned one; ``None`` for the shipped one, where it knows the band.
        book: of the checkpoint's gestures.
        asked: whether a checkpoint is needed at the start, since its book was named.
        enrolment: of the person's gestures.
        recordings: folder of the data set.
        calibrate: recording of this session, for a checkpoint that is not causal.
        adapts: whether the book follows the person without labels.
    """

    checkpoint: Path | None
    book: Path
    asked: bool
    enrolment: Path
    recordings: Path
    calibrate: Path | None = None
    adapts: bool = False


@dataclass(frozen=True, eq=False)
class Opened:
    """A session that has not started.

    Attributes:
        session: it.
        source: as it was opened, such as a simulated hand that follows prompts.
        files: where its files are.
        notes: sentences on what was done to the book.
    """

    session: Session
    source: Source
    files: Files
    notes: tuple[str, ...] = ()


def open_session(wanted: Wanted, text: str, beside: bool = False) -> Opened:
    """Open a source and what is recognised in it.

    Args:
        wanted: files and checkpoint.
        text: the source, as the user wrote it.
        beside: whether another band takes the place of the one that the files were named for: then its gestures may
            go into a file beside the enrolment, and the shipped checkpoint is left out where it does not fit.

    Raises:
        UserError: there is no such source, or something does not fit it; the source is closed then.
    """
    source = open_source(text)
    try:
        asked = not beside and (wanted.asked or wanted.calibrate is not None)
        model = _model(wanted.checkpoint, source.device, asked)
        known, standard = None, None
        if model is not None:
            known = GestureBook.load(_book_at(wanted.book, model), model)
            if wanted.calibrate is not None:
                standard = model.calibrate(emg_of_person(wanted.calibrate, model.card.device).T)
        enrolment = _beside(wanted.enrolment, source.device) if beside else wanted.enrolment
        session = Session(_as_enrolled(source, enrolment), known, standard, adapts=wanted.adapts)
    except UserError:
        source.close()
        raise
    files = Files(text, wanted.book, enrolment, wanted.recordings)
    return Opened(session, source, files, known.notes if known else ())


def _model(checkpoint: Path | None, device: Device, asked: bool) -> Model | None:
    """Return the checkpoint; without one, the shipped one where it is asked for or knows just this band."""
    if checkpoint is not None:
        return load(checkpoint)
    mine, other = ((one.channels, one.emg_kind, one.emg_unit or DEVICE.emg_unit) for one in (device, DEVICE))
    known = mine == other and same_rate(device.emg_rate, DEVICE.emg_rate)
    return load(demo_paths()[0]) if asked or known else None


def _as_enrolled(source: Source, path: Path) -> Source:
    """Return the source in the unit and at the rate of an enrolment, if there is one."""
    if not path.exists():
        return source
    try:
        return Enrolment.load(path).fitted(source)
    except UserError as error:
        raise UserError(f"{path}: {error}; or name another file with --enrolment") from error


def _beside(path: Path, device: Device) -> Path:
    """Return the path of an enrolment, or of one beside it where it is of a band of other channels."""
    if not path.exists() or Enrolment.load(path).device.channels == device.channels:
        return path
    return path.with_stem(f"{path.stem}-{device.channels}-channels")


def _book_at(path: Path, model: Model) -> Path:
    """Return the path of a book, which is the shipped one where there was none."""
    with hold_file(path, wait_s=PATIENCE_S):  # two servers may begin at once
        if not path.exists():
            GestureBook.load(demo_paths()[1], model).save(path)
    return path
