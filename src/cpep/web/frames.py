"""What the page asks for while it runs: the view of this moment, and the map of the book."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpep.hand.kinematics import Hand
from cpep.hand.muscles import REST_J
from cpep.live.book.entries import REST, UNKNOWN
from cpep.live.session import Session, View
from cpep.live.tally import Counted
from cpep.types import FloatArray
from cpep.web.prompt import Prompt, Prompter, drawn

MARKS = {
    "flat": ("flat", "no signal: press the electrode on"),
    "clipped": ("clipped", "beyond the band's range: lower its gain"),
    "hum": ("hum", "hum of the mains: press the electrode on, and keep away from chargers"),
    "noisy": ("loose", "loose electrode: press it on"),
}
"""Marks of a channel: in one word, and what is wrong and to be done."""
NUMBERS = count(1)
HELD = 4096
"""Poses whose landmarks are held, as many as twenty gestures of a book have; to compute one takes .3 ms."""
MOST_TOLD = 3
"""So many kinds of marks are explained at once."""


class Live:
    """Answers the page's questions about a session; a page that does not ask costs nothing.

    Args:
        session: the recogniser that runs.
        source: name of the source of EMG.
        unit: of the EMG.
        no_hand: why no hand is shown, in a sentence; empty where one is.
        prompters: what may ask the person for something; ``start`` goes to the last.
        todo: what to do where no gesture is known yet, in a sentence.
    """

    def __init__(
        self,
        session: Session,
        source: str,
        unit: str,
        no_hand: str = "",
        prompters: Sequence[Prompter] = (),
        todo: str = "",
    ) -> None:
        self.session, self.source, self.unit, self.no_hand = session, source, unit, no_hand
        self.prompters, self.todo = prompters, todo
        self._hand, self.number = Hand(), next(NUMBERS)
        self._landmarks = lru_cache(HELD)(self._landmarks_of)
        self._seen: tuple[object, object] = (None, None)
        self._version = 0

    def frame(self, since: int, after: float) -> dict[str, Any]:
        """Return what is new, as JSON.

        Args:
            since: last column of EMG that the page has; -1 for none.
            after: time of the last event that the page has, s; -1 for none.

        Returns:
            ``emg`` holds the new columns in base64, float32, little-endian, column by column; ``column`` is the
            number of the last one; ``number`` is another one for another source; ``hand`` the landmarks of the
            nearest pose, mm; ``map`` the version of the map.
        """
        view = self.session.view()
        columns_TC, state, prompt = _newer(view, since), view.state, self.prompt()
        return {
            "number": self.number,
            "time": round(view.time_s, 3),
            "column": view.column,
            "columns": len(view.emg_TC),
            "seconds": len(view.emg_TC) * view.column_s,
            "channels": view.emg_TC.shape[1],
            "emg": base64.b64encode(columns_TC.astype("<f4").tobytes()).decode("ascii"),
            "quality": [MARKS.get(mark, (mark,))[0] for mark in view.quality_C],
            "advice": advice(view.quality_C),
            "name": state.name if state else "",
            "confidence": round(float(state.confidence), 3) if state else 0,
            "made": view.made,
            "tally": _last(view.tally),
            "events": [(e.time_s, e.name, round(float(e.confidence), 3)) for e in view.events if e.time_s > after],
            "hand": self._hand_of(view),
            "prompt": None if prompt is None else prompt.json(self.landmarks),
            "known": self.session.known is not None,
            "todo": self.todo,
            "point": None if view.point is None else [float(place) for place in view.point],
            "lost": view.lost,
            "adapted": view.adapted,
            "notices": view.notices,
            "problem": view.problem,
            "by": self.session.by,
            "sides": self.session.sides,
            "map": self.version(),
            "mapping": self.session.mapping,
        }

    def version(self) -> int:
        """Return a number that changes with the book, and again when its map is laid out."""
        now = (self.session.known, self.session.map)
        if any(one is not other for one, other in zip(now, self._seen, strict=True)):
            self._seen, self._version = now, self._version + 1
        return self._version

    def map(self) -> dict[str, Any]:
        """Return the gallery in a plane, as JSON: the names of the gestures without rest, places and their names."""
        version, plane, known = self.version(), self.session.map, self.session.known
        return {
            "version": version,
            "known": gestures(known.names) if known else [],
            "gestures": gestures(tuple(dict.fromkeys(plane.name_M))) if plane else [],
            "name": list(plane.name_M) if plane else [],
            "places": np.round(plane.place_M2, 4).tolist() if plane else [],
        }

    def prompt(self) -> Prompt | None:
        """Return what the person is asked now."""
        return next((asked for one in self.prompters if (asked := one.prompt())), None)

    def act(self, what: str) -> None:
        """Do what was pressed: at the prompt; ``start`` where nothing is asked; ``by book`` or ``by gestures``.

        ``forget`` lets the book forget what it learnt of the person without labels.
        """
        if what == "forget":
            self.session.forget()
            return
        if what in ("by book", "by gestures"):
            self.session.choose("book" if what == "by book" else "gestures")
            return
        asking = next((one for one in self.prompters if one.prompt()), None)
        if asking is not None:
            asking.act(what)
        elif what == "start" and self.prompters:
            self.prompters[-1].act(what)

    def _hand_of(self, view: View) -> list[float] | None:
        """Return the nearest pose, or the drawing of what is recognised where that is no pose."""
        pose_J = view.pose_J
        if pose_J is None and view.state is not None:
            pose_J = drawn(REST if view.state.name == UNKNOWN else view.state.name)
        return None if pose_J is None or self.no_hand else self.landmarks(pose_J)

    def landmarks(self, pose_J: FloatArray) -> list[float]:
        """Return the landmarks of a pose (20,), or (22,) with the wrist, in a row, mm, to a tenth."""
        return list(self._landmarks(np.asarray(pose_J, np.float32).tobytes()))

    def _landmarks_of(self, pose: bytes) -> tuple[float, ...]:
        pose_J = np.frombuffer(pose, np.float32)
        place_LC = self._hand(torch.as_tensor(pose_J[:20].copy()))
        if len(pose_J) == 22:
            place_LC = place_LC @ _bent(float(pose_J[21] - REST_J[21])).T
        return tuple(round(value, 1) for value in place_LC.flatten().tolist())


def _bent(angle: float) -> Tensor:
    """Return the turn (3, 3) of a hand whose wrist is flexed so far, rad."""
    sin, cos = math.sin(angle), math.cos(angle)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])


def advice(quality_C: Sequence[str]) -> list[str]:
    """Return a sentence for each kind of mark but an offset, which is taken out and needs nothing done.

    >>> advice(("", "flat", "hum", "flat"))[0]
    'Channels 2, 4: no signal: press the electrode on.'
    """
    found = []
    for mark in dict.fromkeys(mark for mark in quality_C if mark not in ("", "offset")):
        which = [str(channel + 1) for channel, other in enumerate(quality_C) if other == mark]
        listed = f"Channel{'s' if len(which) > 1 else ''} {', '.join(which)}"
        found.append(f"{listed}: {MARKS[mark][1] if mark in MARKS else mark}.")
    return found[:MOST_TOLD]


def gestures(names: tuple[str, ...]) -> list[str]:
    """Return the names that have a colour, in the order of colours: all but rest."""
    return [name for name in names if name != "rest"]


def _last(counted: Counted) -> dict[str, Any] | None:
    """Return the gesture that was made last, what it was recognised as, and how often it was right of all times."""
    made, name = counted.last
    mine = [(one, times) for other, one, times in counted.pairs if other == made]
    if not mine:
        return None
    right = sum(times for one, times in mine if one == made)
    return {"made": made, "name": name, "right": right, "of": sum(times for _, times in mine)}


def _newer(view: View, since: int) -> FloatArray:
    """Return the columns after ``since``, or all of them if ``since`` is no past column."""
    wanted = view.column - since if 0 <= since <= view.column else len(view.emg_TC)
    return view.emg_TC[max(len(view.emg_TC) - wanted, 0) :]
