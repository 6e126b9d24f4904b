"""Simulated people enrol six gestures, rest for a while, and then do as they like: what is told of it.

``python -m benchmarks.enrolment [PEOPLE [REST_S [FREE_S]]]`` prints a line for each person and device: their band of
16 channels at 2000 Hz, and every second channel of it at 500 Hz. Most of what they do freely was not enrolled.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpep.data.readers.emg2pose import DEVICE
from cpep.data.recording import Device
from cpep.evaluate.events import Event, Made, Matched, false_per_minute, match, rejected
from cpep.live.enrol.enrolled import Enrolled
from cpep.live.enrol.enroller import Enroller
from cpep.live.enrol.guide import Plan
from cpep.live.enrol.stream import FeatureStream
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk, State, StreamStep
from cpep.live.sources.sim import SimulatedHand

FIRST_SEED = 100
SMALL = Device(channels=8, emg_rate=500.0, emg_kind="raw", emg_unit="uV")


class Told(Observer):
    """Keeps what the hand makes and what is told."""

    def __init__(self) -> None:
        self.runs: list[Made] = []
        self.events: list[Event] = []
        self.time_s = 0.0

    def on_chunk(self, chunk: Chunk) -> None:
        if not self.runs or self.runs[-1].name != chunk.made:
            self.runs.append(Made(self.time_s, self.time_s, chunk.made))
        self.runs[-1] = replace(self.runs[-1], stop_s=self.time_s)

    def on_step(self, step: StreamStep, state: State) -> None:
        self.time_s = step.time_s
        if state.event:
            self.events.append(state.event)

    def matched(self) -> Matched:
        rests = [(run.start_s, run.stop_s) for run in self.runs if run.name == "rest"]
        return match([run for run in self.runs if run.name != "rest"], self.events, rests)


def small(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield every second channel at a quarter of the rate."""
    for chunk in chunks:
        yield replace(chunk, emg_TC=chunk.emg_TC.reshape(-1, 4, DEVICE.channels).mean(axis=1)[:, ::2])


def measured(seed: int, device: Device, rest_s: float, free_s: float) -> tuple[Matched, Enrolled]:
    hand = SimulatedHand(seed, 0)
    chunks = hand.chunks() if device is DEVICE else small(hand.chunks())
    with tempfile.TemporaryDirectory() as folder:
        enroller = Enroller(Path(folder) / "me.enrol", device, Plan(), hand=hand)
        while enroller.now.phase != "done":
            enroller.hear(next(chunks))
    assert enroller.enrolled
    told, steps = Told(), FeatureStream(device)
    loop = Loop(steps, Recogniser(enroller.enrolled), told)
    hand.attend(True)
    while steps.sample < (rest_s + free_s) * device.emg_rate:
        if steps.sample >= rest_s * device.emg_rate:
            hand.attend(False)
        loop.take(next(chunks))
    hand.close()
    return told.matched(), enroller.enrolled


def line(name: str, all_matched: list[Matched], names: tuple[str, ...]) -> str:
    counts = np.zeros(3, int)  # right, told, made; of enrolled gestures
    for one in all_matched:
        counts += [one.right_N.sum(), len(one.told), sum(made.name in names for made in one.made)]
    known = 2 * counts[0] / max(counts[1] + counts[2], 1)
    return (
        f"{name}: {counts[0]} of {counts[2]} enrolled gestures told, F1 of all events {known:.3f}, "
        f"{rejected(all_matched, names):.2f} of others rejected, {false_per_minute(all_matched):.2f} false events a "
        f"minute in {sum(one.rest_s for one in all_matched) / 60:.1f} minutes of rest"
    )


def main(people: int = 8, rest_s: float = 120.0, free_s: float = 150.0) -> None:
    for device in (DEVICE, SMALL):
        found = []
        for seed in range(FIRST_SEED, FIRST_SEED + people):
            matched, enrolled = measured(seed, device, rest_s, free_s)
            found.append(matched)
            accuracy = enrolled.read.checked.accuracy if enrolled.read.checked else float("nan")
            print(line(f"  person {seed} (repetitions {accuracy:.2f})", [matched], enrolled.names), flush=True)
        print(line(f"{device.channels} channels at {device.emg_rate:g} Hz, {people} people", found, enrolled.names))


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((int, float, float), sys.argv[1:], strict=False)))
