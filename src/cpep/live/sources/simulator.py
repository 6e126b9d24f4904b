"""The form ``sim`` of a source; the simulator is imported when it is asked for."""

from __future__ import annotations

from cpep.live.signals import Source
from cpep.live.sources.registry import SOURCES, SourceKind


def _open(text: str, speed: float) -> Source:
    from cpep.live.sources.sim import SimulatedHand  # a second, which who names another source need not wait for

    return SimulatedHand(int(text or 0), speed)


SOURCES.add("sim", SourceKind(("sim", "sim:SEED"), _open, takes=lambda text: not text or text.isdecimal()))
