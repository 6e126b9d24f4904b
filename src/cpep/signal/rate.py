"""Samples per second by the stamps of a recording, whatever jitters, is lost, comes in packets or jumps in them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cpep.types import FloatArray, IntArray

SAME = 0.005
"""Share by which two rates may differ that are the same."""
CLOSE = 0.25
"""Stamps are even where half of their steps differ from the usual one by no more than this share."""
LOST = 0.75
"""A step that is longer by this share, or more, passes over something lost; a shorter one jitters, or is rounded."""
PAUSE_S = 5.0
"""A longer step between stamps is a pause or a jump, and not that of a packet."""
SPAN_S = (5.0, 30.0)
"""The rate is that of most spans of so many seconds; of packets, over the second number of seconds,"""
SPANS = 8
"""or over this part of the recording, so that few spans hold a jump."""


def same_rate(one: float, other: float) -> bool:
    """Tell whether two rates are the same for all that follows: within half a per cent."""
    return abs(one - other) <= SAME * max(one, other)


def measured_rate(stamp_T: FloatArray, place_T: IntArray, nominal: float) -> float:
    """Return samples per second by the stamps of a recording.

    Args:
        stamp_T: seconds; they may jitter, come in packets, and jump now and then.
        place_T: number of each sample, in which those that are known to be lost are left out.
        nominal: what the rate should be.

    Returns:
        ``nominal`` where so short a recording does not tell another one.
    """
    if len(stamp_T) < 2:
        return nominal
    step_T = np.diff(stamp_T) / np.diff(place_T)
    if rate := _even_rate(step_T):
        return rate
    heads, packet = _heads(stamp_T, nominal), packet_size(stamp_T, nominal)
    whole_K = np.diff(place_T[heads]) == packet
    if packet > 1 and whole_K.mean() >= 0.5 and (rate := _even_rate(np.diff(stamp_T[heads])[whole_K] / packet)):
        return rate
    block = max(packet, round(0.05 * nominal), 1)
    if len(stamp_T) < 4 * block:
        rate = _rate_of_packets(stamp_T[heads], place_T[heads], nominal)
    else:
        rate = nominal / (1 + _slope((stamp_T - stamp_T[0]) * nominal - place_T, place_T, block, nominal))
    unsure = 2 * (packet + 1) / len(stamp_T)
    return nominal if abs(nominal / rate - 1) <= unsure else rate


def _even_rate(step_T: FloatArray) -> float:
    """Return the rate of samples (or of packets) by the time from one to the next; 0 where it is not even.

    What is lost makes some of these times longer; the usual one is then that of a sample.
    """
    usual = float(np.median(step_T)) if len(step_T) >= 8 else 0.0
    if usual <= 0:
        return 0.0
    close_T = np.abs(step_T - usual) <= CLOSE * usual
    passed_s = np.abs(step_T[np.abs(step_T) < PAUSE_S]).sum()
    few_short = float((step_T < CLOSE * usual).mean()) < 0.01
    if close_T.mean() < 0.5 or not few_short or step_T[close_T].sum() < passed_s / 2:
        return 0.0
    spans = np.array_split(step_T, int(np.clip(round(len(step_T) * usual / SPAN_S[0]), 1, len(step_T))))
    return 1 / float(np.median([span[np.abs(span - usual) < LOST * usual].mean() for span in spans]))


def _rate_of_packets(head_K: FloatArray, place_K: IntArray, nominal: float) -> float:
    """Return the rate of so few samples that one jump of the clock would hide it."""
    step_K = np.diff(head_K) / np.diff(place_K)
    usual = float(np.median(step_K)) if len(step_K) else 0.0
    return 1 / usual if usual > 0 else nominal


def _heads(stamp_M: FloatArray, rate: float) -> npt.NDArray[np.intp]:
    """Return the first sample of each packet."""
    return np.asarray(np.r_[0, np.flatnonzero(np.abs(np.diff(stamp_M)) * rate > 0.5) + 1], np.intp)


def packet_size(stamp_M: FloatArray, rate: float) -> int:
    """Return how many samples most packets have: those are stamped together, or nearly so; 1 without packets."""
    return math.ceil(float(np.quantile(np.diff(np.r_[_heads(stamp_M, rate), len(stamp_M)]), 0.9)))


def _slope(late_T: FloatArray, place_T: IntArray, block: int, rate: float) -> float:
    """Return by how much the lateness grows from sample to sample; jumps do not count, as most pairs have none."""
    count = len(late_T) // block
    low_K = late_T[: count * block].reshape(count, block).min(axis=1)
    place_K = place_T[: count * block : block]
    lag = max(min(count // SPANS, round(SPAN_S[1] * rate / block)), 1)
    return float(np.median((low_K[lag:] - low_K[:-lag]) / (place_K[lag:] - place_K[:-lag])))
