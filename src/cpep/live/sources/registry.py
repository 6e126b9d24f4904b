"""Opens a source from what a user writes."""

from __future__ import annotations

from pathlib import Path

from cpep.data.recording import Device
from cpep.live.signals import Source
from cpep.types import UserError

FORMS = (
    "replay:PATH",
    "replay:PATH,user=NAME",
    "sim",
    "sim:SEED",
    "lsl:NAME",
    "lsl:type=EMG",
    "brainflow:BOARD",
    "brainflow:cyton,serial_port=/dev/ttyUSB0",
)


def open_source(text: str, device: Device, speed: float = 1.0) -> Source:
    """Open a source.

    Args:
        text: one of ``FORMS``.
        device: of the checkpoint; a source that delivers something else is refused.
        speed: of replay and simulator over real time; 0 for as fast as possible.

    Raises:
        UserError: a text of another form, nothing there, another device, a package that is missing, or a speed other
            than 1 for a device with a pace of its own.
    """
    kind, colon, rest = text.partition(":")
    if kind == "sim" and (rest.isdecimal() or not colon):
        from cpep.live.sources.sim import SimulatedHand

        return SimulatedHand(device, int(rest or 0), speed)
    if kind == "replay" and rest:
        from cpep.live.sources.replay import Replay

        path, comma, user = rest.rpartition(",user=")
        return Replay(Path(path if comma else rest), device, speed, user if comma else "")
    if kind not in ("lsl", "brainflow") or not rest:
        raise UserError(f"--source {text}: write {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    if speed != 1:
        raise UserError(f"--speed {speed:g}: {text} has a pace of its own; speed is for replay and sim")
    if kind == "lsl":
        from cpep.live.sources.lsl import open_lsl

        return open_lsl(rest, device)
    from cpep.live.sources.brainflow import open_board

    return open_board(rest, device)
