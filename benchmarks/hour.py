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
from cpep.live.recogniser import Recogniser
from cpep.live.sources.registry import open_source
from cpep.live.stream import EmgStream
from cpep.share.demo import demo_paths

PARTS = 10


def resident_mib() -> float:
    """Return the memory of this process, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main(speed: float = 20.0, seconds: float = 3600.0) -> None:
    checkpoint, book = demo_paths()
    model = load(checkpoint)
    recogniser, stream = Recogniser(GestureBook.load(book, model)), EmgStream(model)
    source = open_source("sim", model.card.device, speed)
    pushed, began, made, part, events, late, drift = 0, 0, "", 0, 0, [], 0.0
    started = time.monotonic()
    print(f"{'min':>5} {'MiB':>7} {'events':>7} {'latency s':>10} {'drift s':>8} {'x real time':>12}")
    for chunk in source.chunks():
        pushed += chunk.lost + len(chunk.emg_TC)
        if chunk.made != made:
            made, began = chunk.made, pushed - len(chunk.emg_TC)
        for hop in stream.push(chunk.emg_TC):
            event = recogniser.step(hop).event
            if event is None:
                continue
            events += 1
            drift = max(drift, abs(event.time_s - pushed / source.rate))
            if event.name == made:
                late.append((pushed - began) / source.rate)
        if pushed >= (part + 1) * seconds * source.rate / PARTS:
            part += 1
            pace = pushed / source.rate / (time.monotonic() - started)
            middle = f"{np.median(late):10.2f}" if late else f"{'-':>10}"
            minutes = pushed / source.rate / 60
            print(f"{minutes:5.0f} {resident_mib():7.0f} {events:7d} {middle} {drift:8.3f} {pace:12.1f}", flush=True)
            events, late, drift = 0, [], 0.0
        if part == PARTS:
            source.close()
            break


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
