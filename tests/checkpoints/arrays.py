"""Windows of simulated people as arrays: each gesture makes channels of its own loud."""

import numpy as np

RATE, PEOPLE, GESTURES, EACH, CHANNELS, JOINTS = 200.0, 6, 3, 6, 8, 20


def made(seed=0):
    """Return EMG (N, C, T) high-passed already, names of gestures, people, and poses (N, J, S) at 100 Hz."""
    rng = np.random.default_rng(seed)
    loud_GC = rng.uniform(0.3, 3, (GESTURES, CHANNELS))
    pose_GJ = rng.uniform(0, 1.5, (GESTURES, JOINTS))
    label_N = np.tile(np.repeat(np.arange(GESTURES), EACH), PEOPLE)
    person_N = np.repeat(np.arange(PEOPLE), GESTURES * EACH)
    gain_UC = rng.lognormal(0, 0.3, (PEOPLE, CHANNELS))
    noise_NCT = rng.normal(size=(len(label_N), CHANNELS, int(RATE)))
    noise_NCT -= noise_NCT.mean(axis=2, keepdims=True)
    emg_NCT = noise_NCT * (loud_GC[label_N] * gain_UC[person_N])[:, :, None]
    pose_NJS = pose_GJ[label_N][:, :, None] + rng.normal(0, 0.05, (len(label_N), JOINTS, 100))
    names = np.array(["fist", "open", "point"])[label_N]
    return emg_NCT.astype(np.float32), names, [f"P{person}" for person in person_N], pose_NJS
