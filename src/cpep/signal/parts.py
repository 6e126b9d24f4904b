"""A recording on a regular grid, by the stamps and numbers of its samples; cut where its clock jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.signal.counters import Numbers
from cpep.signal.rate import measured_rate, packet_size
from cpep.signal.timeline import Timeline
from cpep.types import BoolArray, FloatArray, IntArray

FILL_S = 0.02
"""Longest hole that is filled, seconds; at a longer one, the recording is cut."""
NODE_S = 5.0
"""The clock of a part is followed from one such span to the next."""


@dataclass(frozen=True, eq=False)
class Part:
    """Samples that follow on each other, with holes of at most 20 ms.

    Attributes:
        rows: of the recording.
        place_T: the place of each row on the grid, from 0.
        rate: samples per second by the clock of the recording; the nominal rate without a clock.
        jump_s: time without samples before the first, seconds; less than 0 where the clock jumps back; 0 at the
            beginning of the recording.
        place_K: places at which the clock is known.
        second_K: their times by the clock, seconds.
    """

    rows: slice
    place_T: IntArray
    rate: float
    jump_s: float
    place_K: FloatArray
    second_K: FloatArray

    def __len__(self) -> int:
        return int(self.place_T[-1]) + 1

    @property
    def row_T(self) -> IntArray:
        """The row of the recording (places,) that each place is, or follows on."""
        return np.asarray(np.searchsorted(self.place_T, np.arange(len(self)), side="right") - 1 + self.rows.start)

    @property
    def hole_T(self) -> BoolArray:
        """Places (places,) without a sample."""
        hole_T = np.ones(len(self), np.bool_)
        hole_T[self.place_T] = False
        return hole_T

    @property
    def rate_K(self) -> FloatArray:
        """Samples per second from each of the places where the clock is known to the next (places - 1,)."""
        return np.asarray(np.diff(self.place_K) / np.diff(self.second_K))

    def fill(self, rows_TC: FloatArray) -> FloatArray:
        """Return the samples of the recording (rows, C) on the grid (places, C), linear in its holes."""
        mine_TC = rows_TC[self.rows]
        if len(mine_TC) == len(self):
            return mine_TC
        left_T = self.row_T - self.rows.start
        right_T = np.minimum(left_T + 1, len(mine_TC) - 1)
        span_T = np.maximum(self.place_T[right_T] - self.place_T[left_T], 1)
        share_T = ((np.arange(len(self)) - self.place_T[left_T]) / span_T)[:, None]
        return np.asarray(mine_TC[left_T] * (1 - share_T) + mine_TC[right_T] * share_T, dtype=mine_TC.dtype)

    def seconds(self, place_S: FloatArray) -> FloatArray:
        """Return the times (S,) of places by the clock of the recording, seconds."""
        late_S = np.interp(place_S, self.place_K, self.second_K - self.place_K / self.rate)
        return np.asarray(late_S + place_S / self.rate)


def rate_of(stamp_T: FloatArray, number_T: FloatArray | None, nominal: float) -> float:
    """Return samples per second by the stamps of a recording, as ``measured_rate``.

    Args:
        stamp_T: the time of each sample, seconds.
        number_T: as ``find_parts``.
        nominal: what the rate should be.
    """
    advance_T = np.ones(len(stamp_T), np.int64) if number_T is None else advance_of(number_T)
    return measured_rate(stamp_T, np.cumsum(advance_T), nominal)


def find_parts(rows: int, stamp_T: FloatArray | None, number_T: FloatArray | None, rate: float) -> list[Part]:
    """Put the samples of a recording on a grid; they keep their values and their order.

    Args:
        rows: samples.
        stamp_T: the time of each sample, seconds; ``None`` without a clock.
        number_T: what the device numbers its samples or packets with, as ``Numbers`` understands it; ``None``
            without.
        rate: samples per second, with a clock by ``rate_of``.

    Returns:
        parts in the order of the rows.
    """
    if stamp_T is None:
        advance_T = np.ones(rows, np.int64) if number_T is None else advance_of(number_T)
        return parts_of(advance_T - 1, None, rate)
    timeline = Timeline(rate, Numbers() if number_T is None else _learned(number_T), live=False)
    return parts_of(np.concatenate([timeline.add(stamp_T, number_T), timeline.end()]), stamp_T, rate)


def advance_of(number_T: FloatArray) -> IntArray:
    """Return by how many samples each row is after the one before it, by the numbers of a whole recording."""
    return _learned(number_T).advance(number_T)


def _learned(number_T: FloatArray) -> Numbers:
    numbers = Numbers()
    numbers.learn(number_T)
    numbers.look_ahead(number_T)
    return numbers


def parts_of(skip_T: IntArray, stamp_T: FloatArray | None, rate: float) -> list[Part]:
    """Cut a recording where more samples are missing than are filled, or the clock jumps back.

    Args:
        skip_T: how many samples are missing before each, at least one; less than 0 where the clock jumps back.
        stamp_T: the time of each sample, seconds; ``None`` without a clock.
        rate: samples per second.

    Returns:
        parts in the order of the rows.
    """
    cuts = np.flatnonzero((skip_T < 0) | (skip_T > FILL_S * rate + 1e-6))
    starts = np.union1d(cuts, [0]).astype(int).tolist()
    parts = []
    for start, stop in zip(starts, [*starts[1:], len(skip_T)], strict=True):
        place_T = np.concatenate([[0], np.cumsum(skip_T[start + 1 : stop] + 1)])
        jump_s = float(skip_T[start] / rate) if start else 0.0
        clock: tuple[FloatArray, FloatArray] = (np.zeros(1), np.array([start / rate]))
        if stamp_T is not None:
            clock = _clock(stamp_T[start:stop], place_T, rate)
        parts.append(Part(slice(start, stop), place_T, rate, jump_s, *clock))
    return parts


def _clock(stamp_T: FloatArray, place_T: IntArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Return places of a part at which its clock is known, and their times.

    Samples of packets are stamped when the last of them is there; other stamps are as often early as late.
    """
    late_T = stamp_T - place_T / rate
    count = min(max(round(len(late_T) / (NODE_S * rate)), 1), len(late_T))
    usual = np.min if packet_size(stamp_T, rate) > 1 else np.median
    places = np.array([part_T.mean() for part_T in np.array_split(place_T, count)])
    return places, np.array([usual(part_T) for part_T in np.array_split(late_T, count)]) + places / rate
