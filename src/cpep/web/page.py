"""The page: what runs by itself (live.js), and the studio where the anchor is a hand."""

from __future__ import annotations

from nicegui import ui
from nicegui.element import Element

from cpep.web.book_list import BookList
from cpep.web.book_store import BookStore
from cpep.web.frames import Live
from cpep.web.studio import Maker, Studio

UNITS = {"noise_sd": "noise SD", "uV": "µV", "count": "counts"}
"""How units are written on the page, where not as in ``Device.emg_unit``."""


class LiveView(Element, component="static/live.js"):
    """EMG, gesture, hand, map and time line; asks the server for what is new by itself."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._props["source"] = live.source
        self._props["unit"] = UNITS.get(live.unit, live.unit)
        self._props["handless"] = live.no_hand


class Page:
    """The page for everybody who opens the address.

    Args:
        live: answers on the session.
        book_store: its book.
        maker: makes a pose with the simulated hand; ``None`` where the hand is a real one.
        rate: pose frames per second of the model.
        window_s: length of its windows.
    """

    def __init__(self, live: Live, book_store: BookStore, maker: Maker | None, rate: float, window_s: float) -> None:
        self.live, self.book_store, self.maker, self.rate = live, book_store, maker, rate
        self.window_s = window_s

    def show(self) -> None:
        """Build the page for one browser tab."""
        ui.add_head_html('<link rel="stylesheet" href="/static/page.css">')
        LiveView(self.live)
        if not self.live.no_hand:
            Studio(self.live, self.book_store, self.maker, self.rate, self.window_s).show()
            return
        with ui.element("section").classes("studio").props('aria-label="Book of gestures"'):
            book = BookList(self.book_store, lambda sentence: said.set_text(sentence), None)
            book.show()
            said = ui.label("Gestures come into this book by `cpep book`.").classes("said").props('role="status"')
