"""A stream at another rate: causal resampling that interpolates over no loss, and a clock that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.signal.conditioning import Jumps
from cpep.signal.resampler import PASS, Resampler
from cpep.types import FloatArray, UserError

READ_HZ = {"raw": 450.0, "envelope": 20.0}
"""EMG of the skin has hardly any power above, by its kind."""
COVERED = 0.5
"""Share of the band a checkpoint reads, up to ``READ_HZ``, that a slower source must hold at least."""


class Pace:
    """Brings the chunks of a stream to another rate; how it is cut into chunks does not matter.

    A stretch between two losses is resampled by itself, from its first sample to its last, as ``resampled`` does a
    recording. Its first sample comes out at the place nearest to its time in the source, so that the clock is off by
    half a sample at most. Jumps of raw EMG are taken out before: they would ring. Samples that are not finite count
    as lost.

    Args:
        device: of the source.
        rate: samples per second that come out.
    """

    def __init__(self, device: Device, rate: float) -> None:
        self._device, self.rate = device, rate
        self._jumps = Jumps(device.emg_rate, device.channels) if device.highpass_hz else None
        self._taken = self._first = 0  # samples of the source up to now, and up to the stretch, with those lost
        self._begin = self._place = self._told = 0  # of what comes out: of the stretch, of the next one, told so far
        self._made, self._stamp_s = "", nan  # of the last sample that went in
        self._resampler = self._fresh()

    @property
    def delay_s(self) -> float:
        """How much later a sample comes out than it went in, seconds."""
        return self._resampler.reach / self._device.emg_rate

    def take(self, chunk: Chunk) -> list[Chunk]:
        """Take in a chunk; return those that it completes, perhaps none."""
        found = self._lose(chunk.lost) if chunk.lost else []
        good_T = np.asarray(np.isfinite(chunk.emg_TC).all(axis=1))
        edges = np.flatnonzero(np.diff(good_T)) + 1
        for first, stop in zip([0, *edges], [*edges, len(good_T)], strict=True):
            if first == stop:
                continue
            if good_T[first]:
                stamp_s = chunk.stamp_s - (len(good_T) - stop) / self._device.emg_rate
                found += self._push(chunk.emg_TC[first:stop], chunk.made, stamp_s)
            else:
                found += self._lose(int(stop - first))
        if not len(good_T):  # the source is away, and its clock goes on
            found += self._wait()
        return found

    def end(self) -> list[Chunk]:
        """Return what is held back; no chunk will follow."""
        return list(self._tell(self._resampler.flush()))

    def _push(self, emg_TC: FloatArray, made: str, stamp_s: float) -> list[Chunk]:
        self._taken += len(emg_TC)
        self._made, self._stamp_s = made, stamp_s
        return list(self._tell(self._resampler.push(self._jumps.without(emg_TC) if self._jumps else emg_TC)))

    def _lose(self, samples: int) -> list[Chunk]:
        """End the stretch, and leave at least one sample between it and the next."""
        ended_KC = self._resampler.flush()
        following = round((self._taken + samples) * self.rate / self._device.emg_rate)
        found = list(self._tell(ended_KC[: max(following - 1 - self._place, 0)]))
        self._taken += samples
        self._first, self._begin, self._place = self._taken, following, following
        self._resampler = self._fresh()
        if self._jumps:
            self._jumps.reset()
        return found

    def _wait(self) -> list[Chunk]:
        lost = self._place - 1 - self._told
        if lost <= 0:
            return []
        self._told += lost
        return [Chunk(np.zeros((0, self._device.channels), np.float32), lost)]

    def _tell(self, emg_KC: FloatArray) -> Iterator[Chunk]:
        if not len(emg_KC):
            return
        lost, self._place = self._place - self._told, self._place + len(emg_KC)
        self._told = self._place
        ends_s = self._first / self._device.emg_rate + (self._place - 1 - self._begin) / self.rate
        stamp_s = self._stamp_s - ((self._taken - 1) / self._device.emg_rate - ends_s)
        yield Chunk(emg_KC, lost, self._made, stamp_s)

    def _fresh(self) -> Resampler:
        return Resampler(self._device.emg_rate, self.rate, self._device.channels)


def refuse_narrow(name: str, source: Device, device: Device) -> None:
    """Check that a slower source holds most of what a checkpoint reads.

    Args:
        name: of the source.
        source: what it delivers.
        device: of the checkpoint.

    Raises:
        UserError: below half of its rate there is less than half of the band up to half of the checkpoint's rate (of
            raw EMG up to 450 Hz at most, of an envelope up to 20 Hz).
    """
    has_hz = PASS * source.emg_rate / 2
    reads_hz = min(device.emg_rate / 2, READ_HZ[source.emg_kind])
    if has_hz < COVERED * reads_hz:
        raise UserError(
            f"the checkpoint reads EMG up to {reads_hz:g} Hz; {name} at {source.emg_rate:g} Hz holds only what is "
            f"below {has_hz:.3g} Hz, and no resampling brings back the rest; set the device to at least "
            f"{2 * COVERED * reads_hz / PASS:.0f} Hz, take a checkpoint of {source.emg_rate:g} Hz, or enrol gestures "
            "without one (cpep enrol)"
        )
