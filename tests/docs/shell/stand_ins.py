"""What stands in for hardware and for the hub while the pages' commands run.

A band of any kind that needs a device (``lsl``, ``brainflow``, ``mindrove``, ``myo``) is one of eight channels
at 500 Hz, or the one that the checkpoint of the command knows. Somebody wears it who makes what is asked, and
it is heard as fast as it is read. A pose from LSL or a camera is a hand that moves on the band's clock. Streams
of LSL themselves, boards and cameras are tested in tests/live. huggingface.co is a folder. A cohort that is
simulated is the one of ``inputs.py``, which is written in no time; ``-m slow`` simulates.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHUNK_S = 0.02
MOST_S = 3600.0
LIVE = ("serve", "stream", "record", "enrol")


class Wearer:
    """A band on somebody who makes what is asked for, else one gesture after another."""

    clock_s = 0.0
    """Seconds that the newest of them has delivered; poses follow it."""

    def __init__(self, name: str, device: Any, paced: bool) -> None:
        self.name, self.device = name, device
        self._paced, self._closed, self._asked = paced, False, "rest"
        self._left, self._rng = 0, np.random.default_rng(zlib.crc32(name.encode()))

    def attend(self, prompts: bool) -> None:
        """Rest until something is asked for."""
        self._asked, self._left = "rest", 0

    def make(self, name: str, pose_J: Any = None, hold_s: float | None = None) -> None:
        """Make a gesture."""
        self._asked, self._left = name, round(self.device.emg_rate * (hold_s or 2.0))

    def chunks(self) -> Iterator[Any]:
        """Yield noise that is louder on some channels for each gesture."""
        from cpep.live.signals import Chunk

        start, rate, channels = time.monotonic(), self.device.emg_rate, self.device.channels
        step = round(CHUNK_S * rate)
        for number in range(round(MOST_S / CHUNK_S)):
            if self._closed:
                return
            if self._paced:
                time.sleep(CHUNK_S)
            made = self._asked if self._left > 0 else "rest"
            self._left -= step
            gain_C = 1 + 8 * np.random.default_rng(zlib.crc32(made.encode())).random(channels) * (made != "rest")
            emg_TC = (10 * gain_C * self._rng.normal(size=(step, channels))).astype(np.float32)
            Wearer.clock_s = start + (number + 1) * CHUNK_S
            yield Chunk(emg_TC, stamp_s=Wearer.clock_s)

    def close(self) -> None:
        """End it."""
        self._closed = True


class Hand:
    """A hand whose fingers bend and stretch, on the clock of the band."""

    unit, rate = "rad", 50.0

    def __init__(self, name: str) -> None:
        from cpep.hand.joints import JOINTS

        self.name, self.anchor_names, self._closed = name, tuple(JOINTS), False

    def frames(self) -> Iterator[Any]:
        """Yield frames as the band goes on."""
        from cpep.live.poses.source import PoseFrame

        told_s = 0.0
        while not self._closed:
            if Wearer.clock_s < told_s + 1 / self.rate:
                time.sleep(0.0005)
                continue
            told_s = max(told_s + 1 / self.rate, Wearer.clock_s - 1.0)
            yield PoseFrame(told_s, np.full(len(self.anchor_names), 0.4 + 0.3 * np.sin(told_s)))

    def close(self) -> None:
        """End it."""
        self._closed = True


def put(words: list[str]) -> None:
    """Put them in place of the real ones, in the process that runs these words."""
    if words[1] in LIVE:
        _bands(_device(words), paced=words[1] == "serve")
    if words[1] == "simulate" and "DOC_EVERYTHING" not in os.environ:
        _cohort()
    if any("hf://" in word for word in words):
        _hub()


def _device(words: list[str]) -> Any:
    """Return what the checkpoint of a command knows, else a band of eight channels."""
    from cpep.checkpoints.checkpoint import load
    from cpep.data.recording import Device

    for path in (Path(word) / inside for word in words for inside in ("", "checkpoint")):
        if (path / "config.json").is_file():
            return load(path).card.device
    return Device(8, 500.0, "raw", "uV")


def _cohort() -> None:
    import cpep.simulate

    cpep.simulate.simulate_cohort = lambda out, **_: shutil.copytree(os.environ["DOC_COHORT"], out)


def _bands(device: Any, paced: bool) -> None:
    from cpep.live.poses.source import POSES
    from cpep.live.sources.registry import SOURCES

    def opened(name: str) -> Callable[[str, float], Wearer]:
        return lambda text, speed: Wearer(f"{name}:{text}", device, paced)

    for name in ("lsl", "brainflow", "mindrove", "myo"):
        _swap(SOURCES, name, open=opened(name))
    for name in ("lsl", "camera"):
        _swap(POSES, name, open=lambda text, options, side: Hand(text))


def _swap(registry: Any, name: str, **parts: Any) -> None:
    """Give an entry of a registry other parts; it takes the same texts and options as before."""
    from dataclasses import replace

    registry._items[name] = replace(registry.get(name), **parts)


def _hub() -> None:
    import huggingface_hub

    from tests.runtime.fake_hub import FakeHub

    hub: Any = FakeHub(Path("hub").absolute())
    huggingface_hub.HfApi = lambda **_: hub
    huggingface_hub.hf_hub_download, huggingface_hub.snapshot_download = hub.hf_hub_download, hub.snapshot_download
