"""The dialog that takes a pose from a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import run, ui

from cpep.types import FloatArray, UserError
from cpep.web.chooser import Chooser
from cpep.web.controls import Slider, button
from cpep.web.uploads import LARGEST, Poses, read_poses


class Recorded:
    """Uploads a recording and chooses a stretch of it.

    Args:
        rate: frames per second of the poses.
        window_s: length of the model's windows; a stretch must hold at least one.
        use: called with the frames (S, J), rad, and the name of their gesture, ``""`` where it is not known.
    """

    def __init__(self, rate: float, window_s: float, use: Callable[[FloatArray, str], None]) -> None:
        self.rate, self.window_s, self.use = rate, window_s, use
        with ui.dialog() as self.dialog, ui.card().classes("recorded"):
            ui.html("<h2>Take a pose from a recording</h2>", sanitize=False)
            accepted = "emg2pose (.hdf5), or .npz or .csv with its sidecar (.json): send both; up to 20 MB"
            ui.label(accepted).classes("hint")
            self.chooser = Chooser(LARGEST, self._read, self._say)
            # In the browser, since a file dialog opens only on a click there.
            pick = f"() => getElement({self.chooser.id}).pick()"
            button("Choose files…").on("click", js_handler=pick)
            self.stretch = ui.element("div").classes("stretch")
            self.said = ui.label().classes("said").props('role="status"')
            button("Close", self.dialog.close)

    def open(self) -> None:
        """Show the dialog."""
        self.dialog.open()

    async def _read(self, files: Sequence[tuple[str, bytes]]) -> None:
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
        gestures = {middle: f"{name}, {middle:.1f} s" for name, middle in poses.gestures}
        picked = ui.select(gestures, label="Labelled gestures", on_change=lambda event: jump(event.value))
        picked.props("dense outlined").set_visibility(bool(gestures))
        start, stop = (Slider(label, f"{label}, seconds", " s", 0, last, 0.1) for label in ("from", "to"))

        def jump(middle: float) -> None:
            start.value, stop.value = (round(end, 1) for end in poses.around(middle, self.window_s))

        def take() -> None:
            try:
                frames_SJ = poses.stretch(start.value, stop.value, self.window_s)
            except UserError as error:
                self._say(str(error))
                return
            about = (start.value + stop.value) / 2 if picked.value is None else picked.value
            near = [(abs(at - about), name) for name, at in poses.gestures if start.value <= at <= stop.value]
            self.use(frames_SJ, min(near)[1] if near else "")
            self.dialog.close()

        jump(0)
        button("Take this stretch", take, main=True)

    def _say(self, sentence: str) -> None:
        self.said.text = sentence
