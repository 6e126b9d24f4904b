"""The book of a running session: every change is on disk before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar

from cpep.live.book.book import GestureBook
from cpep.live.enrol.gestures import refuse_other_case
from cpep.live.session import Session
from cpep.runtime.files import State, state_of
from cpep.runtime.locks import PATIENCE_S, hold_file
from cpep.types import FloatArray, UserError

T = TypeVar("T")

LONGEST_NAME = 40


def name_of(text: str) -> str:
    """Return the name that a text from the page gives a gesture.

    Raises:
        UserError: it is empty, long or unprintable.
    """
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UserError(f"give the gesture a name of 1 to {LONGEST_NAME} letters")
    return name


class BookStore:
    """Adds gestures to the book that a session uses, and removes them.

    The stream goes on with the old book until the new one is written. Several programs may change one book.

    Args:
        session: the recogniser that runs.
        path: of the book's file.
    """

    def __init__(self, session: Session, path: Path) -> None:
        self.session, self.path, self._lock = session, path, Lock()
        self._known: State | None = None

    @property
    def book(self) -> GestureBook:
        """The book as it is used now."""
        assert self.session.book is not None, "a session without a checkpoint has no book"
        return self.session.book

    def add(self, name: str, pose: FloatArray) -> tuple[str, ...]:
        """Add a gesture by its pose; see ``GestureBook.add``.

        Raises:
            UserError: an empty, long or unprintable name, a name that is there already, also in other
                case, or as ``GestureBook.add``.
        """
        name = name_of(name)

        def add(book: GestureBook) -> tuple[str, ...]:
            if name in book.names:
                raise UserError(f"there is a gesture {name} already; remove it first, or choose another name")
            refuse_other_case((name,), book.names)
            return book.add(name, pose)

        return self._change(add)

    def remove(self, name: str) -> None:
        """Remove a gesture.

        Raises:
            UserError: it is not there, or is the last.
        """

        def remove(book: GestureBook) -> None:
            if book.names == (name,):
                raise UserError(f"{name} is the last gesture of the book; add another before it is removed")
            book.remove(name)

        self._change(remove)

    def _change(self, change: Callable[[GestureBook], T]) -> T:
        """Change a copy of the book, save it and use it; only one change at a time, from all tabs and programs.

        Where another program has changed the file, such as a second server, its book is what is changed, so that the
        gestures that it added are kept.
        """
        with self._lock, hold_file(self.path, wait_s=PATIENCE_S):
            now = state_of(self.path)
            other = now is not None and now != self._known
            book = type(self.book).load(self.path, self.book.model) if other else self.book.copy()
            found = change(book)
            book.save(self.path)
            self._known = state_of(self.path)
            self.session.use(book)
        return found
