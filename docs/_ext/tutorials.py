"""The gallery of tutorials: their order, and how long one may take.

A tutorial is a script ``docs/tutorials/plot_NAME.py`` (the model is ``plot_by_pose.py``):

- It begins with a docstring: the title, and what the reader will have at the end. Text is reStructuredText in
  comments below a line ``# %%``; each such block is followed by code that does what the text says.
- It imports public modules of cpep alone (``cpep.PUBLIC``), and needs no network, no file of ours and no argument.
  Data are simulated, in a temporary folder. Commands are called by ``subprocess.run(["cpep", ...], check=True)``.
- It has one picture at least that says what was found, with axes and units, and a number with its chance level.
- It says at the end where what it showed does not work, with a link (``:doc:`/results/index```).
- It takes at most 20 s of one core; all of them together 150 s on two cores. Seeds are fixed.
- Its name is in ``ORDER``. ``make docs`` runs those that changed; look at the built page before you merge.
"""

import signal
from types import FrameType
from typing import Any

from sphinx_gallery.sorting import ExplicitOrder

CORE_S, CLOCK_S = 40, 300
"""Seconds of a core and by the clock: a tutorial takes at most 20 s of an idle core, more of one that others use."""
ORDER = (
    "plot_by_pose.py",
    "plot_csv_folder.py",
    "plot_arrays.py",
    "plot_no_pose.py",
    "plot_band.py",
    "plot_record_and_train.py",
    "plot_finetune.py",
    "plot_onnx.py",
)
"""From the shortest way to a result to what somebody does last."""


class InOrder(ExplicitOrder):
    """Tutorials in their order; one that is not named comes last."""

    def __init__(self, src_dir: str) -> None:
        super().__init__([*ORDER, "*"])


def limit(gallery_conf: dict[str, Any], fname: str, when: str) -> None:
    """Start the time limit before a tutorial, and end it afterwards."""

    def late(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"{fname} took too long; a tutorial takes at most 20 s of one core")

    starts = when == "before"
    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_PROF, CORE_S if starts else 0)
    signal.alarm(CLOCK_S if starts else 0)
