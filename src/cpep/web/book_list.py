"""The entries of the book on the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import run, ui

from cpep.types import FloatArray, UserError
from cpep.web.book_store import BookStore
from cpep.web.controls import button, icon_button
from cpep.web.frames import gestures


class BookList:
    """The list of entries of one browser tab.

    Args:
        book_store: the session's book.
        say: shows a sentence.
        pose: shows the pose of an entry, given with its name; ``None`` where there is no hand to show it.
    """

    def __init__(
        self, book_store: BookStore, say: Callable[[str], object], pose: Callable[[FloatArray, str], None] | None
    ) -> None:
        self.book_store, self.say, self.pose = book_store, say, pose
        self._shown: tuple[str, ...] = ()
        self._lit = ""

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("book"):
            ui.html("<h3>Book</h3>", sanitize=False)
            self.entries()
        ui.timer(1.0, self._follow)

    @ui.refreshable_method
    def entries(self) -> None:
        """Build the entries; ``entries.refresh()`` builds them anew."""
        self._shown = self.book_store.book.names
        with ui.element("ul"):
            for name in self._shown:
                with ui.element("li").classes("lit" if name == self._lit else ""):
                    self._swatch(name)
                    ui.label(name)
                    if self.pose is not None and self.book_store.book.pose_of(name) is not None:
                        icon_button("back_hand", f"Pose the hand as {name}", partial(self._pose_of, name))
                    if name != "rest":
                        icon_button("close", f"Remove {name}", partial(self._remove, name))
        if self._lit:
            ui.run_javascript("document.querySelector('.book .lit')?.scrollIntoView({block: 'nearest'})")

    def light(self, name: str) -> None:
        """Build the entries anew; scroll to one of them, and light it up."""
        self._lit = name
        self.entries.refresh()

    def _pose_of(self, name: str) -> None:
        pose_J = self.book_store.book.pose_of(name)
        if pose_J is not None and self.pose is not None:
            self.pose(pose_J, name)

    async def _remove(self, name: str) -> None:
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Remove {name} from the book?")
            with ui.row():
                button("Remove", lambda: dialog.submit(True), main=True)
                button("Keep", dialog.close)
        sure = await dialog
        dialog.delete()
        if not sure:
            return
        try:
            await run.io_bound(self.book_store.remove, name)
            self.say(f"{name} is no longer in the book")
            self._lit = ""
        except UserError as error:
            self.say(str(error))
        self.entries.refresh()

    def _swatch(self, name: str) -> None:
        """Build the mark of an entry, as on the map: after eight gestures the colours come again, as discs."""
        order = gestures(self._shown).index(name) if name != "rest" else 0
        colour = "-rest" if name == "rest" else str(order % 8)
        swatch = ui.element("i").classes("disc" if order >= 8 else "").props('aria-hidden="true"')
        swatch.style(f"background: var(--g{colour})")

    def _follow(self) -> None:
        """Show what another tab has changed."""
        if self.book_store.book.names != self._shown:
            self.entries.refresh()


class BookPanel:
    """The book of a checkpoint whose anchor is no hand, in one browser tab: there is no pose to add."""

    def __init__(self, book_store: BookStore) -> None:
        self.book_store = book_store

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("studio"):
            BookList(self.book_store, lambda sentence: said.set_text(sentence), None).show()
            said = ui.label("Gestures come into this book by `cpep book`.").classes("said").props('role="status"')
