"""An hour of the simulated stream at 20 times real time: does memory grow, does the clock drift?

python benchmarks/hour.py [SPEED [SECONDS]]

Prints for every tenth of it the memory of the process, the events, and the latency of those that name what the hand
makes, counted in samples that were pushed and so by another clock than the recogniser's own.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from cpep.checkpoints.checkpoint import load
from cpep.live.book.book import GestureBook
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, State, StreamStep
from cpep.live.sources.fit import fitted
from cpep.live.sources.registry import open_source
from cpep.live.stream import EmgStream
from cpep.share.demo import demo_paths

PARTS = 10


def resident_mib() -> float:
    """Return the memory of this process, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


class Hour(Observer):
    """Counts, and prints a line after every tenth of the time."""

    def __init__(self, rate: float, seconds: float) -> None:
        self.rate, self.seconds, self.started = rate, seconds, time.monotonic()
        self.pushed = self.began = self.part = self.events = 0
        self.made, self.late, self.drift = "", list[float](), 0.0
        print(f"{'min':>5} {'MiB':>7} {'events':>7} {'latency s':>10} {'drift s':>8} {'x real time':>12}")

    def on_chunk(self, chunk: Chunk) -> None:
        if self.pushed >= (self.part + 1) * self.seconds * self.rate / PARTS:
            self.part += 1
            self.print_part()
        self.pushed += chunk.lost + len(chunk.emg_TC)
        if chunk.made != self.made:
            self.made, self.began = chunk.made, self.pushed - len(chunk.emg_TC)

    def on_step(self, step: StreamStep, state: State) -> None:
        if state.event is None:
            return
        self.events += 1
        self.drift = max(self.drift, abs(state.event.time_s - self.pushed / self.rate))
        if state.event.name == self.made:
            self.late.append((self.pushed - self.began) / self.rate)

    def print_part(self) -> None:
        passed_s = self.pushed / self.rate
        pace = passed_s / (time.monotonic() - self.started)
        middle = f"{np.median(self.late):10.2f}" if self.late else f"{'-':>10}"
        print(
            f"{passed_s / 60:5.0f} {resident_mib():7.0f} {self.events:7d} {middle} {self.drift:8.3f} {pace:12.1f}",
            flush=True,
        )
        self.events, self.late, self.drift = 0, [], 0.0


def main(speed: float = 20.0, seconds: float = 3600.0) -> None:
    checkpoint, book = demo_paths()
    model = load(checkpoint)
    source = fitted(open_source("sim", speed), model.card.device)
    hour = Hour(source.device.emg_rate, seconds)
    loop = Loop(EmgStream(model), Recogniser(GestureBook.load(book, model)), hour)
    for chunk in source.chunks():
        loop.take(chunk)
        if hour.part == PARTS:
            source.close()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
