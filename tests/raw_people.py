"""Small generic recordings of raw EMG with pose, with or without what conditioning takes out, for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cpep.types import FloatArray

RATE, CHANNELS, REST_S, HOLD_S = 200, 4, 1.5, 2.5
NAMES = {"0": "rest", "1": "fist", "2": "spread", "3": "point"}


def write_raw_people(
    folder: Path,
    users: int = 4,
    *,
    offset: float = 0.0,
    jumps: float = 0.0,
    hum_hz: float = 0.0,
    factor: float = 1.0,
    rounds: int = 3,
    **said: object,
) -> Path:
    """Write one .npz a person: EMG of 15 uV and more, rest and gestures in turn, with the pose of each.

    Args:
        folder: made where it is missing.
        users: number of people.
        offset: largest offset of a channel, uV, which also drifts.
        jumps: size of the jumps of the offset, uV; one in each 8 s, each of one channel.
        hum_hz: hum of ten times the loudest EMG at this frequency.
        factor: of all EMG in the end.
        rounds: how often each gesture is made.
        said: keys of the sidecar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for user in range(1, users + 1):
        label_T, emg_TC = _emg(user, rounds)
        rng, time_T = np.random.default_rng(100 + user), np.arange(len(label_T)) / RATE
        drift_TC = np.cumsum(rng.normal(0, 1, emg_TC.shape), axis=0) if offset else 0
        emg_TC = emg_TC + offset * rng.uniform(-1, 1, CHANNELS) + drift_TC
        if jumps:
            for start in range(7 * RATE + user, len(emg_TC), 8 * RATE):
                emg_TC[start:, rng.integers(CHANNELS)] += jumps * rng.choice([-1, 1])
        if hum_hz:
            emg_TC = emg_TC + 1700 * np.sin(2 * np.pi * hum_hz * time_T)[:, None]
        pose_TJ = np.repeat(np.eye(4)[label_T], 2, axis=1) + rng.normal(0, 0.05, (len(label_T), 8))
        arrays = {"emg": (factor * emg_TC).astype("f4"), "gesture": label_T, "pose": pose_TJ.astype("f4")}
        np.savez(folder / f"S{user}.npz", **arrays)
    sidecar = {
        "emg": {"field": "emg"}, "rate": RATE, "kind": "raw", "unit": "uV", "user": {"pattern": "S(\\d+)"},
        "pose": {"field": "pose", "unit": "rad"}, "label": {"field": "gesture", "names": NAMES},
    }  # fmt: skip
    (folder / "cpep.json").write_text(json.dumps(sidecar | said))
    return folder


def _emg(user: int, rounds: int) -> tuple[FloatArray, FloatArray]:
    """Return labels and noise of 20 to 90 Hz, louder in other channels for each gesture."""
    turns = [0, *(label for _ in range(rounds) for gesture in (1, 2, 3) for label in (gesture, 0))]
    label_T = np.concatenate([np.full(round((HOLD_S if label else REST_S) * RATE), label) for label in turns])
    noise_TC = np.random.default_rng(user).standard_normal((len(label_T), CHANNELS))
    hertz_F, noise_FC = np.fft.rfftfreq(len(label_T), 1 / RATE), np.fft.rfft(noise_TC, axis=0)
    noise_FC[(hertz_F < 20) | (hertz_F > 90)] = 0
    noise_TC = np.fft.irfft(noise_FC, len(label_T), axis=0)
    gain_KC = np.random.default_rng(99).uniform(1, 8, (4, CHANNELS))
    gain_KC[0] = 1
    return label_T, noise_TC / noise_TC.std() * gain_KC[label_T] * 15
