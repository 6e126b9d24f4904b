"""A live source of somebody else: a tone on every channel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cpep.plugins import SOURCES, Chunk, Device, SourceKind


class Tone:
    """Plays a tone of so many Hz for three seconds; a tenth of a second in the middle is lost."""

    def __init__(self, text: str, speed: float) -> None:
        self.name = f"tone:{text}"
        self.device = Device(channels=16, emg_rate=2000.0, emg_kind="raw", emg_unit="noise_sd")
        self.closed, self.hz = False, float(text)

    def chunks(self) -> Iterator[Chunk]:
        for first in range(0, 6000, 40):
            if self.closed:
                return
            if 3000 <= first < 3200:
                continue
            time_T1 = np.arange(first, first + 40)[:, None] / self.device.emg_rate
            emg_TC = np.sin(2 * np.pi * self.hz * time_T1) * np.ones(self.device.channels)
            yield Chunk(emg_TC.astype(np.float32), lost=200 if first == 3200 else 0)

    def close(self) -> None:
        self.closed = True


SOURCES.add("tone", SourceKind(("tone:HZ",), Tone))
