"""A stream as runs of good samples: conditioned, counted, and cut where samples were lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cpep.live.signals import Chunk, StreamStep
from cpep.signal.conditioning import Conditioner, Conditioning
from cpep.signal.given import array_in
from cpep.types import FloatArray, UserError

HOP_S = 0.05
"""Time from step to step."""
ENERGY_S = 0.2
"""Span of the energy of a step, s: it tells movement from rest sooner than a whole window."""


class Runs:
    """What every maker of steps does with a chunk; a subclass makes steps of the runs (``Steps`` of a ``Loop``).

    Args:
        conditioning: of the EMG; nothing where it is conditioned already.
        rate: samples per second.
        channels: of the EMG.
        whose: what takes so many channels, for sentences.

    Attributes:
        sample: samples so far, those lost among them.
        latest_TC: the samples of the last ``push``, conditioned; those that are not finite as they came.
    """

    def __init__(self, conditioning: Conditioning, rate: float, channels: int, whose: str) -> None:
        self.rate, self.channels, self.sample = rate, channels, 0
        self.latest_TC = np.zeros((0, channels), np.float32)
        self._conditioner, self._whose = Conditioner(conditioning, rate, channels), whose

    def take(self, chunk: Chunk) -> list[StreamStep]:
        """Take in a chunk of a source and what was lost before it; see ``push``."""
        if chunk.lost:
            self.lose(chunk.lost)
        return self.push(chunk.emg_TC)

    def push(self, emg_TC: Any) -> list[StreamStep]:
        """Take in the next samples (T, C) and return a step for each hop that they complete.

        Samples with a value that is not finite count as lost. Lists, arrays and tensors of any numbers are taken.

        Raises:
            UserError: another number of channels.
        """
        emg_TC = array_in(emg_TC, "a chunk")
        if emg_TC.ndim != 2 or emg_TC.shape[1] != self.channels:
            raise UserError(f"a chunk of shape {emg_TC.shape}; {self._whose} takes (samples, {self.channels})")
        steps: list[StreamStep] = []
        parts: list[FloatArray] = []
        for part_TC, good in finite_runs(emg_TC):
            parts.append(part_TC)
            if good:
                parts[-1] = self._conditioner.push(part_TC)
                self._add(parts[-1], steps)
            else:
                self.lose(len(part_TC))
        self.latest_TC = np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else emg_TC
        return steps

    def lose(self, samples: int) -> None:
        """Declare that samples are missing: the clock goes on, and no window reaches over the gap."""
        self.sample += samples
        self._conditioner.reset()
        self._forget()

    def _add(self, emg_TC: FloatArray, steps: list[StreamStep]) -> None:
        """Take in conditioned samples, count them, and append the steps that they complete."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Begin a new run."""
        raise NotImplementedError


def unusable(emg_TC: FloatArray) -> int:
    """Return how many samples (T, C) have a value that is not finite: they count as lost."""
    return len(emg_TC) - int(np.isfinite(emg_TC).all(axis=1).sum())


def no_numbers(emg_TC: FloatArray) -> str:
    """Return a sentence on channels of samples (T, C) that send values that are not finite; empty where none does.

    >>> no_numbers(np.array([[1.0, np.nan], [2.0, 3.0]]))
    'channel 2 sends values that are no numbers (NaN) in 1 of 2 samples, which count as lost; leave it out'
    """
    wrong_C = np.flatnonzero(~np.isfinite(emg_TC).all(axis=0)) + 1
    if not len(wrong_C):
        return ""
    one = len(wrong_C) == 1
    which = f"channel{'' if one else 's'} {', '.join(map(str, wrong_C.tolist()))} send{'s' if one else ''}"
    share = f"{unusable(emg_TC)} of {len(emg_TC)} samples, which count as lost"
    return f"{which} values that are no numbers (NaN) in {share}; leave {'it' if one else 'them'} out"


def finite_runs(emg_TC: FloatArray) -> Iterator[tuple[FloatArray, bool]]:
    """Yield runs of samples that are all finite, and of such that are not, with whether they are."""
    good_T = np.asarray(np.isfinite(emg_TC).all(axis=1))
    if good_T.all() and len(good_T):
        yield emg_TC, True
        return
    edges = np.flatnonzero(np.diff(good_T)) + 1
    for first, stop in zip([0, *edges], [*edges, len(good_T)], strict=True):
        if first < stop:
            yield emg_TC[first:stop], bool(good_T[first])
