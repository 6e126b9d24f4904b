"""What is known of the windows of one recording, from its labels and the validity of its anchor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.config.schema import DataConfig
from cpep.data.amounts import Amount, Usage, funnel
from cpep.data.recording import Recording
from cpep.data.resample import frame_ratio, resample_anchor
from cpep.types import REST, UNKNOWN, BoolArray, IntArray

REASONS = (
    "too short for a window",
    "without a valid anchor for a whole window",
    "of rest",
    "without one label for a whole window",
)
"""Why windows are not those of a labelled gesture, in the order in which they are sorted out."""


def one_label(label_M: IntArray, first_N: IntArray, frames: int) -> IntArray:
    """Return the label (N,) that every frame of a window carries; UNKNOWN where they differ.

    Args:
        label_M: labels of the frames of a recording.
        first_N: first frame of each window.
        frames: length of a window.
    """
    changes = np.concatenate([[0], np.cumsum(label_M[1:] != label_M[:-1])])
    same_N = changes[first_N] == changes[first_N + frames - 1]
    return np.where(same_N, label_M[first_N], UNKNOWN)


def all_valid(valid_M: BoolArray, first_N: IntArray, frames: int) -> BoolArray:
    """Tell (N,) whether every frame of a window is valid; arguments as ``one_label``."""
    invalid = np.concatenate([[0], np.cumsum(~valid_M)])
    return np.asarray(invalid[first_N + frames] == invalid[first_N])


@dataclass(frozen=True)
class Covered:
    """Seconds of a recording, and those that windows cover after each of ``REASONS`` has taken some away."""

    seconds: float
    after: tuple[float, ...]


def covered(recording: Recording, config: DataConfig) -> Covered:
    """Return how much of a recording windows of labelled gestures with a valid anchor cover.

    A recording without an anchor loses nothing for want of a valid one.
    """
    rate, ratio = recording.device.emg_rate, frame_ratio(recording.device.emg_rate)
    count = len(recording.emg_TC) // ratio
    frames, hop = round(config.window_s * rate / ratio), max(round(config.hop_s * rate / ratio), 1)
    first_N = np.arange(0, count - frames + 1, hop)
    if not len(first_N):
        return Covered(recording.seconds, (0.0,) * len(REASONS))
    label_MR = recording.label_T[: count * ratio].reshape(count, ratio)
    label_M = np.where((label_MR == label_MR[:, :1]).all(axis=1), label_MR[:, 0], UNKNOWN)
    label_N = one_label(label_M, first_N, frames)
    valid_N = np.ones(len(first_N), bool)
    if recording.anchor_SJ is not None:
        _, valid_M = resample_anchor(
            recording.anchor_SJ[:, :0], recording.valid_S, recording.anchor_rate, rate / ratio, count
        )
        valid_N = all_valid(valid_M, first_N, frames)
    moving_N = valid_N & (label_N != REST)
    masks = np.ones_like(valid_N), valid_N, moving_N, moving_N & (label_N != UNKNOWN)
    return Covered(recording.seconds, tuple(_union(first_N[mask], frames) * ratio / rate for mask in masks))


def usage_of(recordings: list[Covered]) -> Usage:
    """Sum up how much of some recordings serves as labelled gestures, and why the rest does not."""
    whole = Amount(len(recordings), sum(one.seconds for one in recordings))
    steps = [
        (
            why,
            Amount(sum(one.after[k] > 0 for one in recordings), sum(one.after[k] for one in recordings)),
        )
        for k, why in enumerate(REASONS)
    ]
    return funnel(whole, steps)


def _union(first_N: IntArray, frames: int) -> int:
    """Return how many frames some windows, in order, cover together."""
    return int(np.minimum(np.diff(first_N), frames).sum()) + frames if len(first_N) else 0
