"""What a person is asked to do at one moment, for every tab alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from cpep.hand.muscles import REST_J
from cpep.live.book.entries import REST
from cpep.simulate.gestures import GESTURES
from cpep.types import FloatArray

OVER = "another source was chosen, and this page is of the one before; load the page again"
"""Said where something is pressed on a page that does not know yet that its session has ended."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt.

    Attributes:
        name: of the gesture.
        phase: what kind of moment it is, for its colours: ``ready``, ``hold``, ``relax`` or ``wait``.
        ask: the same in words for the person: ``get ready``, ``hold``, ...
        how: what the gesture is, in a sentence.
        note: why it is asked again, in a sentence.
        left_s: seconds until the next phase; negative where nobody counts them.
        share: of the phase that is over, 0 to 1.
        done: repetitions of this gesture so far.
        of: repetitions in all.
        place: where one is in the whole, such as ``gesture 2 of 7``.
        next: name of what comes next, or empty.
        pose_J: the hand to make, rad, 20 joints or 22 with the wrist; ``None`` where there is no drawing.
        acts: what a person may press: by action, its words.
    """

    name: str
    phase: str
    ask: str
    how: str = ""
    note: str = ""
    left_s: float = -1.0
    share: float = 0.0
    done: int = 0
    of: int = 0
    place: str = ""
    next: str = ""
    pose_J: FloatArray | None = None
    acts: Mapping[str, str] = field(default_factory=dict)

    def json(self, landmarks: Callable[[FloatArray], list[float]]) -> dict[str, Any]:
        """Return it as the page takes it; ``landmarks`` gives those of a pose, mm."""
        name = self.name.replace("_", " ")
        count = f" {name}, {self.done + 1} of {self.of}" if name and self.done < self.of else f" {name}"
        return {
            "name": self.name,
            "phase": self.phase,
            "ask": self.ask,
            "how": self.how,
            "note": self.note,
            "left": round(self.left_s, 2),
            "share": round(min(max(self.share, 0.0), 1.0), 3),
            "done": self.done,
            "of": self.of,
            "place": self.place,
            "next": self.next,
            "hand": None if self.pose_J is None else landmarks(self.pose_J),
            "acts": dict(self.acts),
            "said": ". ".join(filter(None, (self.ask + count.rstrip(), self.note))),
        }


class Prompter(Protocol):
    """What asks a person for something, and takes what is pressed."""

    def prompt(self) -> Prompt | None:
        """Return what is asked now; ``None`` where nothing is."""
        ...

    def act(self, what: str) -> None:
        """Do what was pressed: one of ``Prompt.acts``."""
        ...


def drawn(name: str) -> FloatArray | None:
    """Return the pose (22,) of a gesture that the simulator knows, by its name with spaces or without; rad."""
    gesture = GESTURES.get("_".join(name.lower().replace("-", " ").split()))
    return REST_J if name == REST else None if gesture is None else np.asarray(gesture.pose_J)
