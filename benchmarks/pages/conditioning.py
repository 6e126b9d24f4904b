"""Write recordings of made-up people, clean and disturbed: what offsets, hum and re-seated electrodes cost.

python benchmarks/pages/conditioning.py runs/conditioning

Eight people make six gestures with eight channels at 250 Hz; a pose of 14 columns goes with each. Every folder holds
the same EMG: ``plain``; ``offset`` (+-100 mV, drifting); ``jumps`` (100 mV in one channel every eight seconds);
``hum50`` and ``hum60`` (ten times the EMG of gestures, within 0.1 Hz of the mains, with the notch); ``notch50`` and
``notch60`` (clean, with the notch).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from cpep.types import FloatArray, IntArray

RATE, CHANNELS, PEOPLE, REPETITIONS = 250, 8, 8, 3
GESTURES = ("rest", "fist", "spread", "point", "pinch", "ok", "three")
REST_S, HOLD_S = 2.0, 3.0
BAND_HZ = (20.0, 120.0)
MICROVOLTS, NOISE = 15.0, 8.0
OFFSET, JUMP, JUMP_EVERY_S, HUM = 1e5, 1e5, 8.0, 10.0
SIDECAR = {
    "emg": {"field": "emg"},
    "rate": RATE,
    "kind": "raw",
    "unit": "uV",
    "pose": {"field": "pose", "unit": "rad"},
    "label": {"field": "gesture", "names": {str(k): name for k, name in enumerate(GESTURES)}},
    "user": {"pattern": "S(\\d+)"},
}
NOTCH = {"hum50": 50, "notch50": 50, "hum60": 60, "notch60": 60}
FOLDERS = ("plain", "offset", "jumps", *NOTCH)


def labels() -> IntArray:
    """Return what is made, sample by sample: rest between gestures."""
    rest, held = round(REST_S * RATE), round(HOLD_S * RATE)
    parts = [np.zeros(rest, int)]
    for _ in range(REPETITIONS):
        for gesture in range(1, len(GESTURES)):
            parts += [np.full(held, gesture), np.zeros(rest, int)]
    return np.concatenate(parts)


def person(user: int, label_T: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return EMG (T, C), uV, and pose (T, 14), rad, of one person, whose channels mix in a way of their own."""
    rng = np.random.default_rng(user)
    gain_GC = np.random.default_rng(99).uniform(1, 8, (len(GESTURES), CHANNELS))
    gain_GC[0] = 1
    line_FC = np.fft.rfft(rng.standard_normal((len(label_T), CHANNELS)), axis=0)
    hertz_F = np.fft.rfftfreq(len(label_T), 1 / RATE)
    line_FC[(hertz_F < BAND_HZ[0]) | (hertz_F > BAND_HZ[1])] = 0
    noise_TC = np.fft.irfft(line_FC, len(label_T), axis=0)
    own_TC = noise_TC / noise_TC.std() * gain_GC[label_T] * MICROVOLTS * rng.lognormal(0, 0.4, CHANNELS)
    mixed_TC = own_TC @ (np.eye(CHANNELS) + 0.3 * rng.normal(size=(CHANNELS, CHANNELS)))
    emg_TC = mixed_TC + rng.normal(0, NOISE, mixed_TC.shape)
    pose_GJ = np.log(gain_GC) @ np.random.default_rng(5).normal(size=(CHANNELS, 14)) / 3
    return emg_TC, pose_GJ[label_T] + rng.normal(0, 0.05, (len(label_T), 14))


def disturbed(kind: str, user: int, emg_TC: FloatArray, label_T: IntArray) -> FloatArray:
    """Return the EMG of a folder."""
    rng, time_T = np.random.default_rng([user, 1]), np.arange(len(emg_TC)) / RATE
    if kind == "offset":
        drift_TC = np.cumsum(rng.normal(0, 2.0, emg_TC.shape), axis=0)
        slow_T = 2e4 * np.sin(2 * np.pi * time_T / 60 + user)
        return np.asarray(emg_TC + rng.uniform(-OFFSET, OFFSET, CHANNELS) + drift_TC + slow_T[:, None])
    if kind == "jumps":
        starts = np.arange(3, time_T[-1], JUMP_EVERY_S) + rng.uniform(0, JUMP_EVERY_S / 2)
        step_TC = np.zeros_like(emg_TC)
        for start in (starts * RATE).astype(int):
            step_TC[start:, rng.integers(CHANNELS)] += JUMP * rng.choice([-1, 1])
        return np.asarray(emg_TC + step_TC)
    if kind.startswith("hum"):
        phase_T = 2 * np.pi * np.cumsum(NOTCH[kind] + 0.1 * np.sin(2 * np.pi * time_T / 40 + user)) / RATE
        size = HUM * np.sqrt(2 * np.square(emg_TC[label_T > 0]).mean())
        wave_T = np.sin(phase_T) + 0.1 * np.sin(2 * phase_T)
        return np.asarray(emg_TC + size * wave_T[:, None] * rng.uniform(0.7, 1, CHANNELS))
    return emg_TC


def main(out: Path) -> None:
    """Write every folder."""
    label_T = labels()
    for kind in FOLDERS:
        folder = out / kind
        folder.mkdir(parents=True, exist_ok=True)
        notch = {"notch": NOTCH[kind]} if kind in NOTCH else {}
        (folder / "cpep.json").write_text(json.dumps(SIDECAR | notch, indent=1))
        for user in range(1, PEOPLE + 1):
            emg_TC, pose_TJ = person(user, label_T)
            emg_TC = disturbed(kind, user, emg_TC, label_T).astype(np.float32)
            np.savez(folder / f"S{user}.npz", emg=emg_TC, gesture=label_T, pose=pose_TJ.astype(np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
