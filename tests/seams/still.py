"""A source of poses of somebody else: a hand that holds still."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np

from cpep.hand import JOINTS
from cpep.plugins import POSES, PoseFrame, PoseKind


class Still:
    """Bends every joint by so many radians."""

    def __init__(self, text: str, options: Mapping[str, str], side: str) -> None:
        self.name, self.anchor_names, self.unit, self.rate = f"still:{text}", JOINTS, "rad", 50.0
        self.bend, self.closed = float(text), False

    def frames(self) -> Iterator[PoseFrame]:
        while not self.closed:
            time.sleep(1 / self.rate)
            yield PoseFrame(time.monotonic(), np.full(len(JOINTS), self.bend))

    def close(self) -> None:
        self.closed = True


POSES.add("still", PoseKind(("still:RAD",), Still, options=("side",)))
