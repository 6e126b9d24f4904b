"""The gesture studio of an anchor that is no drawn hand, such as a glove: a slider for each column."""

from __future__ import annotations

import numpy as np
from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from cpep.checkpoints.card import Card
from cpep.types import FloatArray, UserError
from cpep.web.adding import Adding
from cpep.web.book_list import BookList
from cpep.web.book_store import BookStore
from cpep.web.controls import Slider, button
from cpep.web.frames import Live

GROUPS = 5
"""Columns of sliders beside each other."""
STEPS = 200
"""Steps of a slider over its range."""


def range_of(card: Card) -> FloatArray:
    """Return low and high (J, 2) of the slider of each column: its range in training and a quarter more.

    Raises:
        UserError: the checkpoint does not know the range, as older ones.
    """
    if not len(card.anchor_range):
        raise UserError(
            f"this checkpoint knows {card.device.anchor}, but is older than sliders for it: train it again, or add "
            "gestures by `cpep book`"
        )
    range_J2 = np.asarray(card.anchor_range, np.float64)
    more_J = np.maximum(np.ptp(range_J2, axis=1), 1e-6) / 8
    return np.stack([range_J2[:, 0] - more_J, range_J2[:, 1] + more_J], axis=1).round(4)


class ColumnStudio:
    """The studio of one browser tab.

    Args:
        live: answers on the session.
        book_store: its book.
        card: of the checkpoint.

    Raises:
        UserError: see ``range_of``.
    """

    def __init__(self, live: Live, book_store: BookStore, card: Card) -> None:
        self.live, self.book_store, self.card = live, book_store, card
        self.range_J2 = range_of(card)
        self.anchor_J = np.asarray(card.anchor_range).mean(axis=1)
        self.sliders: list[Slider] = []
        self._setting = False
        self.adding = Adding(book_store, lambda: self.anchor_J.astype(np.float32), self._added)
        self.entries = BookList(book_store, self.adding.say, lambda anchor_J, name: self.set_anchor(anchor_J))

    def show(self) -> None:
        """Build it."""
        anchor = self.card.device.anchor
        with ui.element("div").classes("studio"):
            with ui.element("div").classes("posed"):
                ui.label(f"The anchor is {anchor}.").classes("hint")
            with ui.element("div").classes("fingers"):
                for some in np.array_split(np.arange(len(anchor.names)), GROUPS):
                    self._group(some.tolist())
            with ui.element("div").classes("making"):
                self._start()
                self.adding.show()
            self.entries.show()
        self.set_anchor(self.anchor_J)

    def _group(self, columns: list[int]) -> None:
        """Build the sliders of some columns, one below the other."""
        anchor = self.card.device.anchor
        with ui.element("fieldset"):
            for column in columns:
                name, (low, high) = anchor.names[column], self.range_J2[column].tolist()
                unit = f" {anchor.read_unit}" if anchor.read_unit else ""
                step = float(f"{(high - low) / STEPS:.1g}")
                self.sliders.append(Slider(name, name, unit, low, high, step, turned=self._turned))

    def _start(self) -> None:
        """Build what values can start from."""
        self.known = ui.select(self._shown(), label="Start from", on_change=self._preset)
        self.known.props("dense outlined options-dense")
        with ui.element("div").classes("buttons"):
            button("Take what is recognised", self._take)

    def _shown(self) -> list[str]:
        book = self.book_store.book
        return [name for name in book.names if book.pose_of(name) is not None]

    def set_anchor(self, anchor_J: FloatArray) -> None:
        """Set the sliders to values of the anchor, within their ranges."""
        self.anchor_J = np.clip(anchor_J, *self.range_J2.T)
        self._setting = True
        for slider, value in zip(self.sliders, self.anchor_J.tolist(), strict=True):
            slider.value = float(f"{value:.4g}")
        self._setting = False

    def _turned(self) -> None:
        if not self._setting:
            self.anchor_J = np.array([slider.value for slider in self.sliders])

    def _preset(self, event: ValueChangeEventArguments[str | None]) -> None:
        anchor_J = self.book_store.book.pose_of(event.value) if event.value in self.book_store.book.names else None
        if anchor_J is not None:
            self.set_anchor(anchor_J)

    def _take(self) -> None:
        anchor_J = self.live.session.view().pose_J
        if anchor_J is None:
            self.adding.say("nothing is recognised yet: the first window is not full")
        else:
            self.set_anchor(anchor_J)

    def _added(self, name: str) -> None:
        self.entries.light(name)
        self.known.set_options(self._shown())
