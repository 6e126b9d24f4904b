"""Write the FlexEMG recordings of data/flexemg_1khz as .npz files that the bring-your-own reader takes.

python benchmarks/pages/flexemg.py data/flexemg_1khz runs/flexemg/recordings

Each trial becomes one recording. The files hold differences of a 16-bit counter; the signal is their sum, modulo
2^16, times ``lsb_mV``, less its mean.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

SIDECAR = {
    "emg": {"field": "emg"},
    "rate": 1000,
    "kind": "raw",
    "unit": "mV",
    "ring": list(range(16)),
    "label": {"field": "label", "names": {"0": "rest", "1": "fist", "2": "raise", "3": "lower", "4": "open"}},
    "user": {"pattern": "(sub\\d+)"},
    "session": {"pattern": "(Session\\d+)"},
    "stage": {"pattern": "(Train|Test)"},
}


def convert(source: Path, target: Path) -> None:
    """Write every trial of every person."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "cpep.json").write_text(json.dumps(SIDECAR, indent=1), encoding="utf-8")
    for path in sorted(source.glob("sub*.npz")):
        with np.load(path) as file:
            counter_NTC = np.cumsum(file["emg_raw_delta_u16"], axis=1, dtype=np.uint16)
            emg_NTC = counter_NTC.astype(np.float32) * file["lsb_mV"]
            label_NT = file["label"]
        for trial, (emg_TC, label_T) in enumerate(zip(emg_NTC, label_NT, strict=True)):
            np.savez_compressed(target / f"{path.stem}_{trial}.npz", emg=emg_TC - emg_TC.mean(axis=0), label=label_T)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
