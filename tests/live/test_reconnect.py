"""A device that goes and comes back, in simulated time."""

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.types import UserError

RATE = 100.0


class Lab:
    """A device with a clock: ten samples every 0.1 s while it is on; each attempt to connect takes 0.1 s."""

    def __init__(self, monkeypatch, on, refuses=()):
        self.now, self.on, self.connections, self.open = 0.0, on, 0, 0
        self.refuses = refuses
        monkeypatch.setattr("cpep.live.sources.reconnect.time.monotonic", lambda: self.now)
        self.source = Reconnecting("lab", Device(2, RATE, "raw", ""), self.connect(), self.connect)
        monkeypatch.setattr(self.source._closed, "wait", self._wait)

    def _wait(self, seconds):
        self.now += seconds

    def connect(self):
        if self.connections:
            self.now += 0.1
        if self.connections in self.refuses:
            raise UserError("another device")
        if not self.on(self.now):
            raise Lost
        self.connections += 1
        self.open += 1
        return self

    def read(self):
        self.now += 0.1
        state = self.on(self.now)
        if state == "silent":
            return []
        if not state:
            raise Lost
        return [Chunk(np.zeros((10, 2), np.float32))]

    def close(self):
        self.open -= 1

    def run(self, until):
        chunks = []
        for chunk in self.source.chunks():
            chunks.append((self.now, len(chunk.emg_TC), chunk.lost))
            if self.now >= until:
                self.source.close()
        return chunks


def test_a_device_that_stays_loses_nothing(monkeypatch):
    lab = Lab(monkeypatch, lambda now: True)
    assert [chunk[1:] for chunk in lab.run(2)] == [(10, 0)] * 20
    assert lab.connections == 1 and lab.open == 0


@pytest.mark.parametrize("away", [0.35, 1.25, 7.0])
def test_time_without_a_connection_is_declared_as_it_passes(monkeypatch, away):
    lab = Lab(monkeypatch, lambda now: not 2 < now < 2 + away)
    chunks = lab.run(12)
    assert lab.connections == 2 and lab.open == 0
    for now, _, _ in chunks:  # the clock of the stream is that of the world, at any moment
        told = sum(samples + lost for at, samples, lost in chunks if at <= now)
        assert told == pytest.approx(now * RATE, abs=1)
    gaps = np.diff([now for now, _, _ in chunks])
    assert gaps.max() < 0.9
    assert sum(lost for _, _, lost in chunks) == pytest.approx(away * RATE, abs=0.35 * RATE)


def test_a_connection_that_says_nothing_is_given_up(monkeypatch):
    lab = Lab(monkeypatch, lambda now: "silent" if 2 < now < 9 else True)
    chunks = lab.run(12)
    assert lab.connections > 2 and lab.open == 0
    assert sum(samples + lost for _, samples, lost in chunks) == pytest.approx(chunks[-1][0] * RATE, abs=1)


def test_a_short_silence_is_waited_for(monkeypatch):
    lab = Lab(monkeypatch, lambda now: "silent" if 2 < now < 3.5 else True)
    assert {lost for _, _, lost in lab.run(6)} == {0} and lab.connections == 1


def test_another_device_that_comes_back_is_refused(monkeypatch):
    lab = Lab(monkeypatch, lambda now: not 2 < now < 3, refuses=(1,))
    with pytest.raises(UserError, match="another device"):
        lab.run(6)
    assert lab.open == 0
