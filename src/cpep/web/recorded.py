"""The dialog that takes a pose from a recording."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import run, ui
from nicegui.events import MultiUploadEventArguments, ValueChangeEventArguments

from cpep.types import FloatArray, UserError
from cpep.web.uploads import LARGEST, Poses, read_poses

STRETCH_S = 0.5
"""Taken on each side of the middle of a labelled gesture, s."""


def button(text: str, pressed: Callable[[], object], main: bool = False) -> None:
    """Build a button in the colours of page.css."""
    found = ui.button(text, on_click=pressed, color=None).props("no-caps dense unelevated")
    found.classes("main" if main else "side")


class Recorded:
    """Uploads a recording and chooses a stretch of it.

    Args:
        rate: frames per second of the poses.
        use: called with the frames (S, J), rad, and the name of their gesture, ``""`` where it is not known.
    """

    def __init__(self, rate: float, use: Callable[[FloatArray, str], None]) -> None:
        self.rate, self.use = rate, use
        with ui.dialog() as self.dialog, ui.card().classes("recorded"):
            ui.html("<h2>Take a pose from a recording</h2>", sanitize=False)
            ui.label("emg2pose (.hdf5), or .npz with its sidecar (.json): send both; up to 20 MB").classes("hint")
            self.upload = ui.upload(
                multiple=True, max_total_size=LARGEST, auto_upload=True, label="Choose files",
                on_multi_upload=self._read, on_rejected=lambda: self._say("that is more than 20 MB, or no file"),
            ).props("flat bordered")  # fmt: skip
            self.stretch = ui.element("div").classes("stretch")
            self.said = ui.label().classes("said").props('role="status"')
            button("Close", self.dialog.close)

    def open(self) -> None:
        """Show the dialog."""
        self.dialog.open()

    async def _read(self, event: MultiUploadEventArguments) -> None:
        files = [(file.name, await file.read()) for file in event.files]
        self.upload.reset()
        self.stretch.clear()
        self._say("")
        try:
            poses = await run.io_bound(read_poses, files, self.rate)
        except UserError as error:
            self._say(str(error))
            return
        if poses is not None:  # else the server ends
            with self.stretch:
                self._choose(poses)

    def _choose(self, poses: Poses) -> None:
        """Build the choice of a stretch."""
        last = round(poses.seconds, 1)
        ui.label(f"{poses.name}: {last:g} s of pose")
        span = ui.range(min=0, max=last, step=0.1, value={"min": 0, "max": min(2 * STRETCH_S, last)})
        span.props('label-always aria-label="stretch, seconds"')
        gestures = {place: f"{name}, {place:.1f} s" for name, place in poses.gestures}

        def jump(event: ValueChangeEventArguments[float | None]) -> None:
            if event.value is not None:
                low, high = max(event.value - STRETCH_S, 0), min(event.value + STRETCH_S, last)
                span.value = {"min": round(low, 1), "max": round(high, 1)}

        if gestures:
            ui.select(gestures, label="Labelled gestures", on_change=jump).props("dense outlined")

        def take() -> None:
            try:
                frames_SJ = poses.stretch(span.value["min"], span.value["max"])
            except UserError as error:
                self._say(str(error))
                return
            middle = (span.value["min"] + span.value["max"]) / 2
            near = [name for name, place in poses.gestures if abs(place - middle) < STRETCH_S]
            self.use(frames_SJ, near[0] if near else "")
            self.dialog.close()

        button("Take this stretch", take, main=True)

    def _say(self, sentence: str) -> None:
        self.said.text = sentence
