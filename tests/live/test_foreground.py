"""What is told and said of a stream, with a stream and a recogniser that are easy to predict."""

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.foreground import Foreground
from cpep.live.signals import Chunk, Event, State, StreamStep

RATE = 100.0


class Source:
    """Plays given chunks; a number of samples each, or (samples, lost)."""

    name, device = "lab", Device(2, RATE, "raw", "")
    dead, heals = 0, False

    def __init__(self, *plan):
        self.plan, self.closed = [part if isinstance(part, tuple) else (part, 0) for part in plan], False
        self.rng = np.random.default_rng(0)

    def chunks(self):
        for samples, lost in self.plan:
            if self.closed:
                return
            emg_TC = self.rng.normal(size=(samples, 2)).astype(np.float32)
            emg_TC[:, : self.dead] = 37
            self.dead = 0 if self.heals else self.dead
            yield Chunk(emg_TC, lost)

    def close(self):
        self.closed = True


class Stream:
    """One step a chunk."""

    def __init__(self):
        self.sample, self.heard = 0, []

    def take(self, chunk):
        if chunk.lost:
            self.sample += chunk.lost
            self.heard.append(("lost", chunk.lost))
        self.sample += len(chunk.emg_TC)
        self.heard.append(("samples", len(chunk.emg_TC)))
        return [StreamStep(self.sample, self.sample / RATE, np.zeros(3), 0.0)] if len(chunk.emg_TC) else []


class Recogniser:
    """An event at every second step."""

    def __init__(self):
        self.steps = 0

    def step(self, step):
        self.steps += 1
        event = Event(step.time_s, "fist", 0.9) if self.steps % 2 == 0 else None
        return State(step.time_s, "fist", 0.9, np.ones(1), 0, event, np.ones(2))

    def states(self, steps):
        return map(self.step, steps)


@pytest.fixture
def run():
    def build(*plan, **settings):
        told, said = [], []
        made = Foreground(Source(*plan), Stream(), Recogniser(), told.append, said.append)
        made.run(**settings)
        return made, told, said

    return build


def test_events_are_told_and_counted(run):
    made, told, said = run(100, 100, 100, 100)
    assert [event.time_s for event in told] == [2.0, 4.0]
    assert said == ["lab: 2 channels of raw EMG at 100 Hz"]
    assert made.summary() == "4.0 s, 2 events, 0 samples lost"


def test_a_loss_is_told_to_the_stream_before_the_samples_after_it(run):
    made, told, said = run(100, (50, 25))
    assert made.loop.stream.heard == [("samples", 100), ("lost", 25), ("samples", 50)]
    assert said[1:] == ["25 samples lost, 0.25 s"] and told[0].time_s == 1.75
    assert made.summary() == "1.8 s, 1 event, 25 samples lost"
    assert run(100, (50, 1))[2][1:] == ["1 sample lost, 0.01 s"]


def test_a_source_that_goes_and_comes_back_is_said_once_each(run):
    made, _, said = run(100, (0, 50), (0, 50), (100, 20), 100)
    assert said[1:] == ["lab is lost; waiting for it to come back", "lab is back after 1.2 s"]
    assert made.loop.lost == 120 and made.loop.stream.sample == 420


def test_a_chunk_of_nothing_is_no_news(run):
    made, _, said = run(0, 100, 0, 0, 100)
    assert len(said) == 1 and made.loop.lost == 0 and made.loop.stream.sample == 200
    _, _, said = run(100, (0, 50), 0, (0, 50), (100, 0))
    assert said[1:] == ["lab is lost; waiting for it to come back", "lab is back after 1 s"]


def test_it_ends_after_the_seconds_that_were_asked_for(run):
    made, _, _ = run(*[10] * 100, seconds=2.05)
    assert made.loop.stream.sample == 205 and made.source.closed
    made, told, _ = run(100, (100, 500), seconds=3)
    assert made.loop.stream.sample == 100 and made.source.closed and told == []


def test_channels_without_signal_are_said_once_and_when_they_are_back():
    said = []
    source = Source(300, 300, 300)
    source.dead, source.heals = 1, True
    Foreground(source, Stream(), Recogniser(), lambda event: None, said.append).run()
    assert said[1:] == [
        "channel 1: no signal; press the electrode on, or leave it out",
        "all channels have a signal again",
    ]


def test_values_that_are_no_numbers_are_said_and_count_as_lost():
    said = []
    source = Source(300, 300)
    chunks = list(source.chunks())
    chunks[0].emg_TC[[5, 7], 1] = np.nan, np.inf
    made = Foreground(source, Stream(), Recogniser(), lambda event: None, said.append)
    made.run(chunks=chunks)
    wrong = "channel 2 sends values that are no numbers (NaN) in 2 of 300 samples, which count as lost"
    assert said == [f"{wrong}; leave it out"]
    assert made.summary() == "6.0 s, 1 event, 2 samples lost"
