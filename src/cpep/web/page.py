"""The page: what runs by itself (live.js), and panels for what a person does: enrol, record, pose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import run, ui
from nicegui.element import Element

from cpep.web.frames import Live
from cpep.web.panels import Panel
from cpep.web.panels import panels as show_panels

UNITS = {"noise_sd": "noise SD", "uV": "µV", "count": "counts"}
"""How units are written on the page, where not as in ``Device.emg_unit``."""


class LiveView(Element, component="static/live.js"):
    """EMG, gesture, hand, map and time line; asks the server for what is new by itself."""

    def __init__(self, live: Live, mapless: bool) -> None:
        super().__init__()
        self._props["source"] = live.source
        self._props["unit"] = UNITS.get(live.unit, live.unit)
        self._props["handless"] = live.no_hand
        self._props["mapless"] = mapless
        self.on("act", lambda event: run.io_bound(live.act, str(event.args)))


class Page:
    """The page for everybody who opens the address.

    Args:
        live: answers on the session.
        panels: what a person can do, a tab each; the first is seen.
        mapless: whether there is no book whose map could be shown.
        close: end what goes on, when the server ends.
        busy: each says why another source cannot be taken now, or nothing.
    """

    def __init__(
        self,
        live: Live,
        panels: Sequence[Panel],
        mapless: bool = False,
        close: Sequence[Callable[[], None]] = (),
        busy: Sequence[Callable[[], str]] = (),
    ) -> None:
        self.live, self.panels, self.mapless = live, tuple(panels), mapless
        self._close, self._busy = tuple(close), tuple(busy)

    @property
    def busy(self) -> str:
        """Why another source cannot be taken now, in a sentence; empty where it can."""
        return next((why for busy in self._busy if (why := busy())), "")

    def close(self) -> None:
        """End what goes on."""
        for close in self._close:
            close()

    def show(self, *more: Panel) -> None:
        """Build the page for one browser tab, with more panels after its own."""
        ui.add_head_html('<link rel="stylesheet" href="/static/page.css">')
        LiveView(self.live, self.mapless)
        show_panels((*self.panels, *more))
