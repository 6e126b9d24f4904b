"""Windows in which each gesture is a channel that is louder than the others, with a pose of one joint for each."""

from __future__ import annotations

import numpy as np

NAMES = ("fist", "open", "pinch")
RATE, SAMPLES = 1000.0, 400


def people(users: int = 3, each: int = 12, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows, names, people and poses; people differ in the gain of each channel."""
    rng = np.random.default_rng(seed)
    gesture_N = np.tile(np.arange(3), users * each // 3)
    gain_UC = np.exp(rng.normal(0, 0.7, (users, 3)))
    who_N = np.repeat(np.arange(users), each)
    X = rng.normal(size=(users * each, 3, SAMPLES)) * gain_UC[who_N][:, :, None]
    X[np.arange(len(X)), gesture_N] *= 3
    pose = rng.normal(0, 0.02, (len(X), 4, 40))
    pose[np.arange(len(X)), gesture_N] += 1.0
    return X, np.array(NAMES)[gesture_N], np.array([f"user {who}" for who in who_N]), pose
