"""By how much a person is behind the hand that they follow, and the pose put where it was made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpep.data.recording import Recording, Repair
from cpep.signal.lag import FEWEST, SEARCH_S, Lag, find_lag
from cpep.types import REST, IntArray, UserError

EMG_FIRST_MS = 50.0
"""Muscles are active so long before the hand moves: a pose is put this much after the EMG that belongs to it."""


def lag_of(recording: Recording) -> Lag:
    """Return by how much later the shown pose moves than the EMG changes: negative for a person who follows a hand.

    Args:
        recording: EMG with the poses that were shown, on one clock.

    Raises:
        UserError: no pose, too few movements to tell, or EMG that does not change with them.
    """
    name, device = recording.name, recording.device
    if recording.anchor_SJ is None:
        raise UserError(f"{name} holds no pose that was shown")
    lag = find_lag(
        recording.emg_TC,
        device.emg_rate,
        device.emg_kind,
        recording.anchor_SJ,
        recording.anchor_rate,
        recording.valid_S,
    )
    if lag is None or lag.movements < FEWEST:
        raise UserError(
            f"{name}: {lag.movements if lag else 0} movements with EMG around them are too few to find how far the "
            "person is behind the hand; follow it for two minutes or more"
        )
    if not lag.clear:
        raise UserError(
            f"{name}: the EMG does not tell how far the person is behind the hand (correlation "
            f"{lag.curve_L.max():.2f}; {-lag.high:.0f} to {-lag.low:.0f} ms); see that the band sits well, follow "
            f"the hand closely, at most {SEARCH_S:g} s behind it, and for some minutes more"
        )
    return lag


def moved_by(recording: Recording, lag: Lag) -> Recording:
    """Return a recording with poses and labels moved to when the person made them, which the EMG tells.

    Frames that have no pose then, at the start, are invalid, and their labels are rest.

    Args:
        recording: with the poses that were shown.
        lag: of the person, from ``lag_of``.
    """
    assert recording.anchor_SJ is not None
    later_s = (EMG_FIRST_MS - lag.ms) / 1000
    at_S = np.arange(len(recording.valid_S)) - later_s * recording.anchor_rate
    last = len(recording.valid_S) - 1
    before_S = np.clip(np.floor(at_S).astype(int), 0, last)
    after_S = np.minimum(before_S + 1, last)
    share_S1 = np.clip(at_S - before_S, 0, 1)[:, None]
    anchor_SJ = (1 - share_S1) * recording.anchor_SJ[before_S] + share_S1 * recording.anchor_SJ[after_S]
    valid_S = recording.valid_S[before_S] & recording.valid_S[after_S] & (at_S >= 0) & (at_S <= last)
    samples = round(later_s * recording.device.emg_rate)
    repair = Repair(f"frames of the shown pose moved by {1000 * later_s:.0f} ms to where the EMG is", len(valid_S))
    return replace(
        recording,
        anchor_SJ=anchor_SJ.astype(np.float32),
        valid_S=valid_S,
        repairs=(*recording.repairs, repair),
        label_T=_later(recording.label_T, samples),
        prompt_T=None if recording.prompt_T is None else _later(recording.prompt_T, samples),
        repetition_T=None if recording.repetition_T is None else _later(recording.repetition_T, samples),
    )


def _later(label_T: IntArray, samples: int) -> IntArray:
    """Return labels that many samples later (earlier where negative), with rest where there were none."""
    later_T = np.full_like(label_T, REST)
    kept = max(len(label_T) - abs(samples), 0)
    later_T[max(samples, 0) :][:kept] = label_T[max(-samples, 0) :][:kept]
    return later_T
