"""Places of samples on a regular grid, from stamps that jitter and come in bursts; live and from files alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from cpep.signal.counters import Numbers
from cpep.signal.drift import Drift, line, smooth
from cpep.signal.rate import packet_size
from cpep.types import BoolArray, FloatArray, IntArray

MEMORY_S = (1.0, 8.0)
"""What is usual of the stamps is learned from so many seconds, shortest and longest."""
LEARN_S = (0.25, 1.0)
"""Losses are looked for after the first so many seconds; numbers that are not understood by the second are left,"""
LEARN = 64
"""but not before so many samples."""
HOLD_S = (0.05, 0.5)
"""Shortest and longest wait after a jump of the stamps, s, to see whether they come back."""
LATE = 0.5
"""A stamp that jumps by more than so many samples is looked at."""
SLOWER = 1e-3
"""So much a clock may be slow where jitter hides by how much it is."""
BACK_S = 0.02
"""A stamp that is earlier by more than that than any before comes of another clock, or of another order."""
AT_ONCE_S = 1.0
"""Before anything has been learned, and at the end, only a jump by more than that is one."""
BLOCKS = (16, 32)
"""Blocks that show what is usual, fewest and how many are kept at least."""
CHANCE = 1e-6
"""Probability that stamps which only jitter are taken for a loss, at each jump that is looked at."""


class Timeline:
    """Finds where samples are missing, from the stamps of those that arrive and, where there are any, their numbers.

    A sample is late by its stamp less that of its place at the nominal rate. Jitter, a packet whose samples are
    stamped together, or a sender that was held up can make samples late: then later ones are on time again. Samples
    were lost where all samples that follow are later than usual. What is usual is seen in the last seconds, in blocks
    that are longer than a packet and than what holds a sender up. Samples after a jump are held back until it is
    known what the jump means: mostly 50 ms, at most half a second or eight blocks.

    With numbers (``Numbers``), each loss is seen at its place, and stamps only tell how often the numbers began anew.
    Without them this is possible:

    - Where the earliest stamps of the blocks do not jitter (packets stamped on arrival at even times, stamps of the
      device), each loss is seen, in its packet or the next: but not in the first quarter of a second, nor in the
      first 16 packets.
    - Where they jitter, losses larger than the jitter are seen, and are right within it. Smaller ones are not seen
      one by one. When they have added up to more than the jitter, they are declared together, so that the clock is
      never off by more (``Drift``).
    - A clock that runs a little fast or slow does no harm where it moves the stamps smoothly. Where jitter hides
      that, it may be fast, or slow by 0.02 %; what is more looks like hidden losses.

    Stamps that are rounded to a sample or more cannot tell a lost one from a clock that is a little off.

    A clock that was set, or rows of a file in another order, are seen as a jump back of the stamps by more than 20 ms
    that is no end of a delay.

    Args:
        rate: nominal samples per second.
        numbers: what is known of the numbers that will be given with the stamps; by default they are learned from
            the first ones, which are held back until then.
        live: whether the samples make a clock that must go on. Else losses that jitter hides one by one are not
            declared, since their place is not known; and where stamps jump by more than 20 ms, numbers that go on
            evenly do not hide it, since another clock begins there.
    """

    def __init__(self, rate: float, numbers: Numbers | None = None, *, live: bool = True) -> None:
        self._live = live
        self.rate, self.numbers = rate, numbers or Numbers()
        self._drift = Drift(rate)
        self._waiting = numbers is None
        self._early: list[tuple[FloatArray, FloatArray]] = []  # stamps and numbers that wait to be understood
        self._first: float | None = None
        self._next = 0.0  # place of the next sample
        self._known_M, self._stamp_M = np.zeros(0), np.zeros(0)  # lateness and stamp of samples that were let go
        self._late_T, self._stamp_T = np.zeros(0), np.zeros(0)  # of those that are held
        self._skip_T = np.zeros(0, np.int64)
        self._over = False
        self._since = 0
        self._block, self._slope, self._unsure = 1, 0.0, SLOWER

    def add(self, stamp_T: FloatArray, number_T: FloatArray | None = None) -> IntArray:
        """Take in the stamps of the next samples, seconds, and their numbers: always or never.

        Returns:
            for each sample that can be let go, how many were lost before it; less than 0 where the clock jumps back.
        """
        if number_T is None or not self._waiting:
            return self._take(stamp_T, number_T)
        self._early.append((stamp_T, number_T))
        stamps, numbers = (np.concatenate(parts) for parts in zip(*self._early, strict=True))
        seconds = len(stamps) / self.rate
        understood = seconds >= LEARN_S[0] and self.numbers.learn(numbers)
        if not understood and (seconds < LEARN_S[1] or len(stamps) < LEARN) and not self._over:
            return np.zeros(0, np.int64)
        self._waiting, self._early = False, []
        return self._take(stamps, numbers)

    def end(self) -> IntArray:
        """Return the same for all samples that are still held; none will come."""
        self._over = True
        if self._waiting and self._early:
            skip_T = self.add(np.zeros(0), np.zeros(0))
            return np.concatenate([skip_T, *self._settled()])
        return np.concatenate([np.zeros(0, np.int64), *self._settled()])

    @property
    def measured_rate(self) -> float:
        """Samples per second by the stamps, of the last seconds; 0 where that is not known."""
        return self._drift.measured_rate

    def _take(self, stamp_T: FloatArray, number_T: FloatArray | None) -> IntArray:
        skip_T: IntArray = np.zeros(len(stamp_T), np.int64)
        if number_T is not None and self.numbers.counting and len(number_T):
            skip_T = self.numbers.advance(number_T) - 1
        size = max(round(MEMORY_S[0] * self.rate), 1)
        parts: list[IntArray] = [np.zeros(0, np.int64)]
        for first in range(0, len(stamp_T), size):
            self._hold(stamp_T[first : first + size], skip_T[first : first + size])
            parts += self._settled()
        return np.concatenate(parts)

    def _hold(self, stamp_T: FloatArray, skip_T: IntArray) -> None:
        if self._first is None:
            self._first = float(stamp_T[0])
        if self._live and not self.numbers.counting and (owed := self._drift.owed()):
            self._known_M = self._known_M - owed
            skip_T = np.concatenate([[skip_T[0] + owed], skip_T[1:]])
        place_T = self._next + np.cumsum(skip_T + 1) - 1
        self._next = float(place_T[-1]) + 1
        self._late_T = np.concatenate([self._late_T, (stamp_T - self._first) * self.rate - place_T])
        self._stamp_T = np.concatenate([self._stamp_T, stamp_T])
        self._skip_T = np.concatenate([self._skip_T, skip_T])

    def _settled(self) -> Iterator[IntArray]:
        judged = 0
        while len(self._late_T):
            usual = _Usual(self._known_M, self._block, (self._slope, self._unsure), self.rate)
            late_T = self._late_T - self._slope * np.arange(1, len(self._late_T) + 1)
            jump = usual.next_jump(late_T, judged)
            if jump:
                yield self._release(jump)
                judged = 0
                continue
            moved = usual.moved(late_T, self._over)
            if moved is None:
                return
            shift = max(self._lost(moved), 0) if moved > 0 else round(moved)
            self._late_T = self._late_T - shift
            self._skip_T[0] += shift
            self._next += shift
            judged = 1

    def _lost(self, moved: float) -> int:
        """Return what is lost where samples come so much later than usual."""
        if not self.numbers.counting:
            return round(moved)
        if not self._live:
            return round(moved) if moved > max(BACK_S * self.rate, 2.0) else 0
        return round(moved / self.numbers.turn) * self.numbers.turn if self.numbers.turn else 0

    def _release(self, samples: int) -> IntArray:
        late_T, self._late_T = self._late_T[:samples], self._late_T[samples:]
        stamp_T, self._stamp_T = self._stamp_T[:samples], self._stamp_T[samples:]
        skip_T, self._skip_T = self._skip_T[:samples], self._skip_T[samples:]
        shortest, longest = (round(seconds * self.rate) for seconds in MEMORY_S)
        keep = int(np.clip(BLOCKS[1] * self._block, max(shortest, BLOCKS[1]), max(longest, BLOCKS[1])))
        self._known_M = np.concatenate([self._known_M, late_T])[-keep:]
        self._stamp_M = np.concatenate([self._stamp_M, stamp_T])[-keep:]
        self._drift.add(late_T, self._block)
        self._since += samples
        if self._since >= LEARN_S[0] * self.rate:
            self._since = 0
            self._block = block_size(self._known_M, self._stamp_M, self.rate)
            slope = _smooth_slope(self._known_M, self._block)
            self._slope, self._unsure = (0.0, SLOWER) if slope is None else (slope, 0.0)
        return skip_T


class _Usual:
    """How late samples usually are.

    Args:
        known_M: lateness of the last samples, in samples.
        block: samples of a block.
        slope: by how much the lateness grows from sample to sample, and by how much more it may grow.
        rate: samples per second.
    """

    def __init__(self, known_M: FloatArray, block: int, slope: tuple[float, float], rate: float) -> None:
        age_M = np.arange(len(known_M) - 1, -1, -1)
        self._level_M, self._unsure = known_M + slope[0] * age_M, slope[1]
        self._block, self._rate = block, rate
        self._learned = len(known_M) >= max(BLOCKS[0] * block, LEARN_S[0] * rate)
        self._latest = float((self._level_M + slope[1] * age_M).max(initial=-math.inf))
        self._earliest = float(self._level_M.min(initial=math.inf))
        at_once = max(AT_ONCE_S * rate, 2.0)
        self._late, self._back = at_once, at_once
        if self._learned:
            self._late = LATE
            self._back = max(BACK_S * rate, 2.0, (self._latest - self._earliest) / 2)

    @cached_property
    def _low_K(self) -> FloatArray:
        """The earliest sample of each block."""
        return _lows(self._level_M, self._block)

    def next_jump(self, late_T: FloatArray, start: int) -> int:
        """Return which sample, from ``start`` on, is the first later than all before it, or much earlier."""
        if not len(self._level_M):
            return 1
        found = np.flatnonzero(self._jumps(late_T)[start:])
        return start + int(found[0]) if len(found) else len(late_T)

    def moved(self, late_T: FloatArray, over: bool) -> float | None:
        """Return by how many samples all that follow are later than usual; ``None`` where that is open.

        Args:
            late_T: lateness of the samples from a jump on.
            over: no more samples will come.
        """
        back = late_T[0] < self._earliest - self._back
        stop = np.flatnonzero(late_T < self._earliest - self._back)
        closed = not back and len(stop) > 0  # what follows is another jump
        late_T = late_T[: int(stop[0])] if closed else late_T
        least = max(round(HOLD_S[0] * self._rate), 4 * self._block, 2)
        most = max(round(HOLD_S[1] * self._rate), 8 * self._block, least)
        if back:
            return None if len(late_T) < least and not over else min(self._later(late_T[:least]), -1.0)
        least = int(np.clip(2 * (late_T[0] - self._latest), least, most))
        low = float(late_T[:most].min())
        enough = max(least, self._block * self._blocks_for(low))
        if enough > most:
            return 0.0
        if len(late_T) < enough and not (closed or over):
            return None
        if len(late_T) < enough and low <= self._latest + (self._late if closed else AT_ONCE_S * self._rate):
            return 0.0
        return max(self._later(late_T[:enough]), 0.0)

    def _jumps(self, late_T: FloatArray) -> BoolArray:
        latest_T = np.maximum(np.maximum.accumulate(np.concatenate([[-math.inf], late_T[:-1]])), self._latest)
        return np.asarray((late_T > latest_T + self._late) | (late_T < self._earliest - self._back))

    def _blocks_for(self, low: float) -> int:
        """Return how many blocks must all be as late as ``low``, so that this is hardly chance."""
        if not self._learned:
            return 1
        age_K = self._block * np.arange(len(self._low_K) - 1, -1, -1)
        as_late = int(np.count_nonzero(self._low_K + self._unsure * age_K > low - LATE))
        share = max((as_late + 1) / (len(self._low_K) + 1), 1 / (BLOCKS[1] + 1))
        return math.ceil(math.log(CHANCE) / math.log(share)) if share < 1 else 10**9

    def _later(self, late_T: FloatArray) -> float:
        """Return by how much samples are later than usual, with the earliest of as many samples as the measure."""
        count = min(max(-(-len(late_T) // self._block), 1), len(self._low_K))
        if count == 0:
            return float(late_T.min()) - self._earliest
        windows = np.lib.stride_tricks.sliding_window_view(self._low_K, count).min(axis=1)
        return float(late_T.min() - np.median(windows))


def block_size(late_M: FloatArray, stamp_M: FloatArray, rate: float) -> int:
    """Return a number of samples that is longer than packets are, and than delays last.

    Args:
        late_M: lateness of samples, in samples.
        stamp_M: their stamps, seconds.
        rate: samples per second.
    """
    least = int(np.clip(round(HOLD_S[0] * rate), 1, 8))
    return max(packet_size(stamp_M, rate), least, 2 * _delay(late_M))


def _delay(late_M: FloatArray) -> int:
    """Return over how many samples the lateness stays alike; a power of two, 0 where it does not vary."""
    if len(late_M) < BLOCKS[0]:
        return 0
    at_M = np.arange(len(late_M), dtype=float)
    moved_M = late_M - line(late_M, at_M)[0] * at_M
    moved_M = moved_M - np.median(moved_M)
    power = float(np.square(moved_M).mean())
    if power < 0.01:
        return 0
    lag = 1
    while lag < len(late_M) // (2 * BLOCKS[1]) and (moved_M[lag:] * moved_M[:-lag]).mean() > power / 2:
        lag *= 2
    return lag


def _smooth_slope(late_M: FloatArray, block: int) -> float | None:
    """Return by how much the lateness grows from sample to sample; ``None`` where it does not grow smoothly."""
    low_K = _lows(late_M, block)
    if len(low_K) < BLOCKS[0] // 2:
        return None
    half = len(low_K) // 2
    slope = float(np.median(low_K[half:] - low_K[:-half])) / half
    moved_K = low_K - slope * np.arange(len(low_K))
    rest = float(np.median(np.abs(moved_K - np.median(moved_K)))) ** 2  # passes over what was late and came on time
    return slope / block if smooth(slope * len(low_K), rest) else None


def _lows(late_M: FloatArray, block: int) -> FloatArray:
    """Return the least of each block; blocks end with the last sample."""
    count = len(late_M) // block
    return np.asarray(late_M[len(late_M) - count * block :].reshape(count, block).min(axis=1))
