"""The gallery of tutorials: their order, and how long one may take."""

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
