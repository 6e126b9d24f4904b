"""A source whose hand can be told what to do."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cpep.types import FloatArray


@runtime_checkable
class Maker(Protocol):
    """A source whose hand can be told what to do: the simulator."""

    def make(self, name: str, pose_J: FloatArray | None = None, hold_s: float | None = None) -> None:
        """Make a gesture by its name, or a pose (20,), rad, and call it that; held so long, or as it happens."""
        ...

    def attend(self, prompts: bool) -> None:
        """Rest from now on but for what ``make`` asks for; or go on by itself again."""
        ...
