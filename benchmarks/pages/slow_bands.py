"""How much of the EMG's power a slower band still holds: the rule of ``cpep.live.sources.pace`` on real recordings.

python benchmarks/pages/flexemg.py data/flexemg_1khz runs/flexemg/recordings
python benchmarks/pages/slow_bands.py runs/flexemg/recordings
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.signal import welch

from cpep.data.readers.folder import find_recordings
from cpep.types import FloatArray

UP_TO_HZ = (92, 115, 230, 460)
"""Half of 200, 250, 500 and 1000 Hz, less what a filter needs."""
LOW_HZ = 20.0


def shares(emg_TC: FloatArray, rate: float) -> FloatArray:
    """Return the share of the power from 20 Hz up that lies below each frequency, the median over channels."""
    hertz_F, power_FC = welch(emg_TC, fs=rate, axis=0, nperseg=round(rate))
    power_FC[hertz_F < LOW_HZ] = 0
    below = [np.median(power_FC[hertz_F < hertz].sum(0) / power_FC.sum(0)) for hertz in UP_TO_HZ]
    return np.array(below)


def main(folder: Path) -> None:
    """Print a line for each person, of the samples in which a gesture is made."""
    found: dict[str, list[FloatArray]] = defaultdict(list)
    for source in find_recordings(folder):
        for recording in source.parts():
            moving_TC = recording.emg_TC[recording.label_T > 0]
            if len(moving_TC) > 2 * recording.device.emg_rate:
                found[recording.user].append(shares(moving_TC, recording.device.emg_rate))
    print("person  recordings  share below " + ", ".join(f"{hertz} Hz" for hertz in UP_TO_HZ))
    for user, shares_NK in sorted(found.items()):
        print(
            f"{user:6}  {len(shares_NK):10}  " + "  ".join(f"{share:.2f}" for share in np.median(shares_NK, axis=0))
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
