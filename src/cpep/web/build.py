"""Puts a page together for a session: which panels and sections mean something for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cpep.checkpoints.card import Card
from cpep.experiments.own import live_of
from cpep.live.enrol.enroller import Hand
from cpep.live.enrol.guide import Plan
from cpep.live.session import Session
from cpep.live.signals import Source
from cpep.live.sources.fit import origin
from cpep.web.book_list import BookPanel
from cpep.web.book_store import BookStore
from cpep.web.columns import ColumnStudio
from cpep.web.enrol import EnrolPanel
from cpep.web.enrol_store import EnrolStore
from cpep.web.frames import Live
from cpep.web.page import Page
from cpep.web.panels import Panel
from cpep.web.record import RecordPanel
from cpep.web.record_store import RecordStore
from cpep.web.studio import Studio
from cpep.web.tally import TallyPanel
from cpep.web.train import TrainPanel
from cpep.web.train_store import TrainStore


@dataclass(frozen=True)
class Files:
    """Where the files of a page are.

    Attributes:
        source: of the EMG, as the user wrote it.
        book: of the checkpoint's gestures; where there is no checkpoint it is not looked at.
        enrolment: of the person's gestures; it is made where it is missing.
        recordings: folder of the data set; it is made where it is missing.
    """

    source: str
    book: Path
    enrolment: Path
    recordings: Path


TODO = "Press Start and copy the hand that is drawn."


def page_of(session: Session, opened: Source, files: Files, plan: Plan | None = None) -> Page:
    """Return the page of a session that is about to start.

    Args:
        session: it.
        opened: its source as the user opened it, such as a simulated hand that follows prompts.
        files: where its files are.
        plan: how often and how long gestures are made in an enrolment; as usual unless it is given.

    Raises:
        UserError: the enrolment is damaged, of another band, or used by another program.
    """
    source, hand = session.source, maker if isinstance(maker := origin(opened), Hand) else None
    enrolling = EnrolStore(session, files.enrolment, hand, plan, lambda: _recorded(recording))
    recording = RecordStore(session, files.recordings, opened, files.source, lambda: _enrolled(enrolling))
    training = TrainStore(files.recordings, live_of(files.recordings), files.source, lambda: _recorded(recording))
    prompters = (recording, enrolling)
    live = Live(session, _described(session), source.device.emg_unit, _no_hand(session), prompters, TODO)
    panels = [
        Panel("Enrol", lambda: EnrolPanel(live, enrolling).show(), "Enrol gestures"),
        Panel("Record", lambda: RecordPanel(recording).show(), "Record"),
        Panel("Train", lambda: TrainPanel(training).show(), "Train a model of your own"),
        Panel("Tally", lambda: TallyPanel(session).show(), "Tally: what was made, and what it was recognised as"),
    ]
    if session.book is not None:
        panels.insert(0, _of_book(live, BookStore(session, files.book), session.book.model.card, hand))
    closing = (training.close, recording.close, enrolling.close)
    busy = (lambda: _recorded(recording), lambda: _enrolled(enrolling), lambda: _trained(training))
    return Page(live, panels, mapless=session.book is None, close=closing, busy=busy)


def _of_book(live: Live, store: BookStore, card: Card, hand: Hand | None) -> Panel:
    if live.no_hand and len(card.anchor_range):
        return Panel("Studio", lambda: ColumnStudio(live, store, card).show(), "Gesture studio")
    if live.no_hand:
        return Panel("Book", lambda: BookPanel(store).show(), "Book of gestures")
    return Panel("Studio", lambda: Studio(live, store, hand, card.frame_rate, card.window_s).show(), "Gesture studio")


def _enrolled(enrolling: EnrolStore) -> str:
    return "an enrolment goes on; stop it, or let it end" if enrolling.running else ""


def _trained(training: TrainStore) -> str:
    return "a training goes on; stop it, or let it end" if training.running else ""


def _recorded(recording: RecordStore) -> str:
    return "a recording goes on; stop it first" if recording.seconds >= 0 else ""


def _described(session: Session) -> str:
    device = session.source.device
    return f"{session.source.name}: {device.channels} channels at {device.emg_rate:g} Hz"


def _no_hand(session: Session) -> str:
    return session.book.model.card.device.anchor.no_hand if session.book else ""
