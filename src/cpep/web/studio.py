"""The gesture studio: a hand is posed, named and put into the book."""

from __future__ import annotations

import numpy as np
from nicegui import ui
from nicegui.element import Element
from nicegui.events import ValueChangeEventArguments

from cpep.hand.joints import JOINTS
from cpep.hand.muscles import HIGHEST_J, LOWEST_J, REST_J
from cpep.live.enrol.enroller import Hand
from cpep.simulate.gestures import GESTURES
from cpep.types import FloatArray
from cpep.web.adding import Adding
from cpep.web.book_list import BookList
from cpep.web.book_store import BookStore
from cpep.web.controls import Slider, button
from cpep.web.frames import Live
from cpep.web.recorded import Recorded

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
BASES = {"FE": "flexion", "AA": "spread"}
PRESETS: dict[str, FloatArray] = {"relaxed": REST_J[:20], "flat": np.zeros(20)} | {
    name: gesture.pose_J[:20] for name, gesture in GESTURES.items() if not gesture.motion
}
"""Poses to start from, rad."""


class PosedHand(Element, component="static/posed_hand.js"):
    """The hand of the studio."""

    def pose(self, landmarks: list[float]) -> None:
        """Show landmarks, mm."""
        self.run_method("pose", landmarks)


def label_of(joint: str) -> str:
    """Return what a joint is called on the page.

    >>> [label_of(name) for name in ("THUMB_CMC_AA", "INDEX_MCP_FE", "INDEX_MCP_AA", "PINKY_PIP_FE")]
    ['base spread', 'knuckle', 'spread', 'middle joint']
    """
    finger, place, motion = joint.split("_")
    if finger == "THUMB":
        return {"CMC": f"base {BASES[motion]}", "MCP": "knuckle", "IP": "tip joint"}[place]
    return {"MCP": "spread" if motion == "AA" else "knuckle", "PIP": "middle joint", "DIP": "tip joint"}[place]


class Studio:
    """The studio of one browser tab.

    Args:
        live: answers on the session.
        book_store: its book.
        maker: makes a pose with the simulated hand; ``None`` where the hand is a real one.
        rate: pose frames per second of the model.
        window_s: length of its windows.
    """

    def __init__(self, live: Live, book_store: BookStore, maker: Hand | None, rate: float, window_s: float) -> None:
        self.live, self.book_store, self.maker, self.rate = live, book_store, maker, rate
        self.window_s = window_s
        self.pose_J = REST_J[:20].copy()
        self.recorded_SJ: FloatArray | None = None  # in place of pose_J, until a slider is moved
        self.sliders: list[Slider] = []
        self.curls: list[Slider] = []
        self._setting = False
        self.named = ""  # the entry whose pose is shown
        self.adding = Adding(book_store, self._shown, self._added)
        self.entries = BookList(book_store, self.adding.say, lambda pose_J, name: self.set_pose(pose_J, named=name))

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("studio"):
            with ui.element("div").classes("posed"):
                self.hand = PosedHand()
            with ui.element("div").classes("fingers"):
                for finger in range(len(FINGERS)):
                    self._finger(finger)
            with ui.element("div").classes("making"):
                self._start()
                self.adding.show()
            self.entries.show()
        self.set_pose(self.pose_J)

    def _finger(self, finger: int) -> None:
        """Build the sliders of a finger: how far it is curled, then joint by joint, in the order of a pose."""
        name = FINGERS[finger]
        with ui.element("fieldset"):
            ui.html(name, sanitize=False, tag="legend")
            curl = Slider("curl", f"{name} curl", " %", 0, 100, turned=lambda: self._curl(finger))
            self.curls.append(curl)
            for joint in range(4 * finger, 4 * finger + 4):
                low, high = np.rad2deg([LOWEST_J[joint], HIGHEST_J[joint]]).round().tolist()
                label = label_of(JOINTS[joint])
                self.sliders.append(Slider(label, f"{name} {label}", "°", low, high, turned=self._turned))

    def _start(self) -> None:
        """Build what a pose can start from."""
        ui.select(list(PRESETS), label="Start from", on_change=self._preset).props("dense outlined options-dense")
        with ui.element("div").classes("buttons"):
            button("Take what the hand shows", self._take)
            button("From a recording…", Recorded(self.rate, self.window_s, self._from_recording).open)
            if self.maker is not None:
                button("Let the simulated hand make it", self._make)

    def _shown(self) -> FloatArray:
        return self.pose_J if self.recorded_SJ is None else self.recorded_SJ

    def set_pose(self, pose_J: FloatArray, recorded_SJ: FloatArray | None = None, named: str = "") -> None:
        """Pose the hand, within its range of motion, and set the sliders to it.

        Args:
            pose_J: joint angles, rad.
            recorded_SJ: frames to save in their place.
            named: entry of the book whose pose it is.
        """
        self.named = named
        self.pose_J, self.recorded_SJ = np.clip(pose_J, LOWEST_J[:20], HIGHEST_J[:20]), recorded_SJ
        self._setting = True
        for slider, angle in zip(self.sliders, self.pose_J, strict=True):
            slider.value = round(float(np.rad2deg(angle)))
        for finger, curl in enumerate(self.curls):
            joints = _flexions(finger)
            span_J = HIGHEST_J[joints] - np.maximum(LOWEST_J[joints], 0)
            curl.value = round(100 * float(np.clip(self.pose_J[joints] / span_J, 0, 1).mean()))
        self._setting = False
        self._draw()

    def _draw(self) -> None:
        self.hand.pose(self.live.landmarks(self.pose_J))

    def _turned(self) -> None:
        """Take the angles of the sliders."""
        if not self._setting:
            self.pose_J = np.deg2rad([slider.value for slider in self.sliders])
            self.recorded_SJ, self.named = None, ""
            self._draw()

    def _curl(self, finger: int) -> None:
        if not self._setting:
            joints = _flexions(finger)
            pose_J = self.pose_J.copy()
            pose_J[joints] = HIGHEST_J[joints] * self.curls[finger].value / 100
            self.set_pose(pose_J)

    def _preset(self, event: ValueChangeEventArguments[str | None]) -> None:
        if event.value:
            known = self.book_store.book.names
            self.set_pose(PRESETS[event.value], named=event.value if event.value in known else "")

    def _take(self) -> None:
        pose_J = self.live.session.view().pose_J
        if pose_J is None:
            self.adding.say("the hand shows nothing yet: the first window is not full")
        else:
            self.set_pose(pose_J)

    def _from_recording(self, pose_SJ: FloatArray, name: str) -> None:
        self.set_pose(pose_SJ[len(pose_SJ) // 2], pose_SJ)
        self.adding.name.value = self.adding.name.value or name

    def _make(self) -> None:
        if self.maker is not None:
            name = self.named or self.adding.name.value or "the studio's hand"
            self.maker.make(name, self.pose_J)
            self.adding.say(f"the simulated hand makes {name}; Tally counts how it is recognised")

    def _added(self, name: str) -> None:
        self.named = name
        self.entries.light(name)


def _flexions(finger: int) -> list[int]:
    """Return the columns of the joints that curl a finger."""
    return [joint for joint in range(4 * finger, 4 * finger + 4) if JOINTS[joint].endswith("FE")]
