"""By how much a person is behind the hand that they follow."""

from __future__ import annotations

from cpep.data.recording import Recording
from cpep.signal.lag import FEWEST, SEARCH_S, Lag, find_lag
from cpep.types import UserError

EMG_FIRST_MS = 50.0
"""Muscles are active so long before the hand moves: a shown pose belongs this much after the EMG that makes it."""

EDGE_MS = 50.0
"""A lag so near to the longest that is looked for may be a longer one."""
LEAST, SURE_MS = 0.08, 200.0
"""A lag is told where the correlation at its peak is at least this, and nine of ten draws lie within so much.

A window is some hundred milliseconds long or more, so a lag may be less sure than where a recording is judged
(``cpep.signal.lag``). Chosen on ten simulated people, with whom no script of another person passed (0 of 120).
"""


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
    if lag.curve_L.max() < LEAST or lag.high - lag.low > SURE_MS or abs(lag.ms) > 1000 * SEARCH_S - EDGE_MS:
        raise UserError(
            f"{name}: the EMG does not tell how far the person is behind the hand (correlation "
            f"{lag.curve_L.max():.2f}; {-lag.high:.0f} to {-lag.low:.0f} ms); see that the band sits well, follow "
            f"the hand closely, at most {SEARCH_S:g} s behind it, and for some minutes more"
        )
    return lag
