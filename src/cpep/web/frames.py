"""What the page asks for while it runs: the picture of now, and the map of the book."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cpep.models.hand import Hand
from cpep.types import FloatArray, StrArray

if TYPE_CHECKING:
    from cpep.live.book import GestureBook
    from cpep.live.session import Session, View

COLUMNS_PER_S = 250
"""Columns of ``View.emg_TC`` a second."""


class Live:
    """Answers the page's questions about a session; a page that does not ask costs nothing.

    Args:
        session: the recogniser that runs.
        map_of: lays a book's gallery out in a plane: places (G, 2) and the entry's name of each.
        source: what the user calls where the EMG comes from.
        unit: of the EMG.
    """

    def __init__(
        self,
        session: Session,
        map_of: Callable[[GestureBook], tuple[FloatArray, StrArray]],
        source: str,
        unit: str,
    ) -> None:
        self.session, self.source, self.unit, self._map_of = session, source, unit, map_of
        self._hand = Hand()
        self._book: GestureBook | None = None
        self._version = 0

    def frame(self, since: int, after: float) -> dict[str, Any]:
        """Return what is new, as JSON.

        Args:
            since: last column of EMG that the page has; -1 for none.
            after: time of the last event that the page has, s; -1 for none.

        Returns:
            ``emg`` holds the new columns in base64, float32, little-endian, column by column; ``column`` is the
            number of the last one; ``hand`` the landmarks of the nearest pose, mm; ``map`` the version of the map.
        """
        view = self.session.view()
        column, columns_TC = _newer(view, since)
        state = view.state
        return {
            "time": round(view.time_s, 3),
            "column": column,
            "columns": len(view.emg_TC),
            "channels": view.emg_TC.shape[1],
            "emg": base64.b64encode(columns_TC.astype("<f4").tobytes()).decode("ascii"),
            "quality": view.quality_C,
            "name": state.name if state else "",
            "confidence": round(float(state.confidence), 3) if state else 0,
            "made": view.made,
            "events": [(e.time_s, e.name, round(float(e.confidence), 3)) for e in view.events if e.time_s > after],
            "hand": None if view.pose_J is None else self.landmarks(view.pose_J),
            "point": None if view.point is None else [float(place) for place in view.point],
            "lost": view.lost,
            "problem": view.problem,
            "map": self.version(),
        }

    def version(self) -> int:
        """Return a number that changes with the book."""
        if self.session.book is not self._book:
            self._book, self._version = self.session.book, self._version + 1
        return self._version

    def map(self) -> dict[str, Any]:
        """Return the gallery in a plane, as JSON: places, the entry of each and the entries' names."""
        version, book = self.version(), self.session.book
        place_G2, name_G = self._map_of(book)
        index = {name: entry for entry, name in enumerate(book.names)}
        return {
            "version": version,
            "names": list(book.names),
            "entry": [index[str(name)] for name in name_G],
            "places": np.round(np.asarray(place_G2, float), 4).tolist(),
        }

    def landmarks(self, pose_J: FloatArray) -> list[float]:
        """Return the landmarks of a pose in a row, mm, to a tenth."""
        place_L3 = self._hand(torch.as_tensor(np.asarray(pose_J, np.float32)))
        return [round(value, 1) for value in place_L3.flatten().tolist()]


def _newer(view: View, since: int) -> tuple[int, FloatArray]:
    """Return the number of the last column, and the columns after ``since``, or all where that is no past one."""
    column = int(view.time_s * COLUMNS_PER_S + 1e-6)
    wanted = column - since if 0 <= since <= column else len(view.emg_TC)
    return column, view.emg_TC[max(len(view.emg_TC) - wanted, 0) :]
