"""Puts a page together for a session: which panels and sections mean something for it."""

from __future__ import annotations

from pathlib import Path

from cpep.live.enrol.enroller import Hand
from cpep.live.session import Session
from cpep.web.book_list import BookPanel
from cpep.web.book_store import BookStore
from cpep.web.enrol import EnrolPanel
from cpep.web.enrol_store import EnrolStore
from cpep.web.frames import Live
from cpep.web.page import Page
from cpep.web.panels import Panel
from cpep.web.studio import Studio

TODO = "Press Start and copy the hand that is drawn."


def page_of(session: Session, book: Path, enrolment: Path, hand: Hand | None = None) -> Page:
    """Return the page of a session.

    Args:
        session: that is about to start.
        book: path of the checkpoint's book; where there is no checkpoint it is not looked at.
        enrolment: path of the person's gestures; the file is made where it is missing.
        hand: a simulated one; ``None`` where the hand is a real one.

    Raises:
        UserError: the enrolment is damaged, of another band, or used by another program.
    """
    source = session.source
    enrolling = EnrolStore(session, enrolment, hand)
    live = Live(session, _described(session), source.device.emg_unit, _no_hand(session), (enrolling,), TODO)
    enrol = Panel("Enrol", lambda: EnrolPanel(live, enrolling).show(), "Enrol gestures")
    if session.book is None:
        return Page(live, [enrol], mapless=True)
    card, store = session.book.model.card, BookStore(session, book)
    if live.no_hand:
        shown = Panel("Book", lambda: BookPanel(store).show(), "Book of gestures")
    else:
        shown = Panel(
            "Studio",
            lambda: Studio(live, store, hand, card.frame_rate, card.window_s).show(),
            "Gesture studio",
        )
    return Page(live, [shown, enrol])


def _described(session: Session) -> str:
    device = session.source.device
    return f"{session.source.name}: {device.channels} channels at {device.emg_rate:g} Hz"


def _no_hand(session: Session) -> str:
    return session.book.model.card.device.anchor.no_hand if session.book else ""
