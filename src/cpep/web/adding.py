"""The field and the button that put something into the book."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import run, ui

from cpep.types import FloatArray, UserError
from cpep.web.book_store import LONGEST_NAME, BookStore, name_of
from cpep.web.controls import Said, button


class Adding:
    """Names what is shown and adds it, in one browser tab.

    Args:
        book_store: the session's book.
        shown: returns the pose, or other anchor, to add.
        added: called with the name once it is in the book.
    """

    def __init__(self, book_store: BookStore, shown: Callable[[], FloatArray], added: Callable[[str], None]) -> None:
        self.book_store, self.shown, self.added = book_store, shown, added
        self._adds = ""

    def show(self) -> None:
        """Build it."""
        self.name = ui.input("Name").props(f'dense outlined maxlength={LONGEST_NAME} autocomplete="off"')
        self.name.classes("name").on("keydown.enter", self._add)
        self.button = button("Add to the book", self._add, main=True)
        self.said = Said()
        self.said.answers(self.button)
        self.said.answers(self.name, "keydown.enter")

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self.said.say(sentence)

    async def _add(self) -> None:
        """Add it, and name the entries that are hard to tell from it; the typed name stays where it is refused."""
        if self._adds:
            self.say(f"adding {self._adds}…")
            return
        typed = self.name.value
        self._adds = typed
        self.button.props("loading")
        self.say(f"adding {typed}…")
        try:
            same = await run.io_bound(self.book_store.add, typed, self.shown())
        except UserError as error:
            self.say(str(error))
            return
        finally:
            self._adds = ""
            self.button.props(remove="loading")
        if self.name.value == typed:  # else the next name is being typed
            self.name.value = ""
        name = name_of(typed)
        warning = f", but cannot be told from {', '.join(same)}: change one of them, or remove it" if same else ""
        self.say(f"{name} is in the book{warning}")
        self.added(name)
