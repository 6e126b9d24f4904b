"""The instruments: noise, artefacts, filters and quantisation of the EMG; motion capture that fails."""

from __future__ import annotations

import numpy as np
from scipy import signal

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.hand.joints import JOINTS
from cpep.simulate.conductor import Placement
from cpep.simulate.variability import CONTROL_RATE, smooth_noise
from cpep.types import BoolArray, FloatArray

STEP = 0.1
"""Quantisation, in noise-floor units (one is 2.46 uV RMS)."""
CLIP = 2700.0
MOCAP_RATE = 60.0
MAINS_HARMONICS = ((1, 1.0), (2, 0.15), (3, 0.35))

_ANALOG = signal.butter(2, [20, 850], "band", fs=SAMPLE_RATE, output="sos")
_DIGITAL = signal.butter(4, 40, "high", fs=SAMPLE_RATE, output="sos")
_FILTERS = np.concatenate([_ANALOG, _DIGITAL])


def measure_emg(
    emg_CT: FloatArray, pose_SJ: FloatArray, placement: Placement, noise: float, rng: np.random.Generator
) -> FloatArray:
    """Return what the band delivers (T, C), float32: the muscle signal with all that disturbs it.

    Args:
        emg_CT: muscle signal; is overwritten.
        pose_SJ: movement at 100 Hz; moves the electrodes.
        placement: noise, powerline and fatigue of this session.
        noise: scale of noise and artefacts.
        rng: random numbers of this recording.
    """
    samples, frames = emg_CT.shape[1], len(pose_SJ)
    white_CT = rng.standard_normal(emg_CT.shape, dtype=np.float32)
    emg_CT += placement.noise_C[:, None].astype(np.float32) * white_CT
    second_T = np.arange(samples, dtype=np.float32) / np.float32(SAMPLE_RATE)
    frame_S = np.arange(frames) / CONTROL_RATE
    swell_T = np.interp(second_T, frame_S, 1 + 0.3 * smooth_noise(rng, frames, 0.3, 1)[:, 0])
    mains = placement.mains * (1 + 2e-4 * rng.standard_normal())
    hum_T = np.zeros(samples)
    for harmonic, weight in MAINS_HARMONICS:
        hum_T += weight * np.sin(2 * np.pi * harmonic * mains * second_T + rng.uniform(0, 2 * np.pi))
    emg_CT += placement.mains_C[:, None].astype(np.float32) * (swell_T * hum_T).astype(np.float32)
    speed_S = CONTROL_RATE * np.abs(np.gradient(pose_SJ, axis=0)).sum(axis=1)
    sway_S = smooth_noise(rng, frames, 6.0, 1)[:, 0] * (2 + 1.5 * np.minimum(speed_S, 8))
    cable_C = (noise * rng.gamma(1.0, 0.8, len(emg_CT))).astype(np.float32)
    emg_CT += cable_C[:, None] * np.interp(second_T, frame_S, sway_S).astype(np.float32)
    _add_pops(emg_CT, noise, rng)
    filtered_CT = signal.sosfilt(_FILTERS, emg_CT, axis=1)
    filtered_CT /= STEP
    np.round(filtered_CT, out=filtered_CT)
    filtered_CT *= STEP
    np.clip(filtered_CT, -CLIP, CLIP, out=filtered_CT)
    return np.ascontiguousarray(filtered_CT.T, dtype=np.float32)


def _add_pops(emg_CT: FloatArray, noise: float, rng: np.random.Generator) -> None:
    """Add contact pops: a step that recovers exponentially, on one to three neighbouring channels."""
    channels, samples = emg_CT.shape
    for _ in range(rng.poisson(0.04 * noise * samples / SAMPLE_RATE)):
        channel, first = int(rng.integers(channels)), int(rng.integers(samples))
        length = int(rng.uniform(0.02, 0.15) * SAMPLE_RATE)
        stop = min(first + length, samples)
        pop_T = rng.normal(0, 60) * np.exp(-np.arange(stop - first) / (0.2 * length))
        for neighbour in range(int(rng.integers(1, 4))):
            emg_CT[(channel + neighbour) % channels, first:stop] += (0.6**neighbour * pop_T).astype(np.float32)


def capture_pose(pose_SJ: FloatArray, seconds: float, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    """Return what motion capture measures at 60 Hz (frames, 20), float32, and where it did not fail."""
    frames = int(seconds * MOCAP_RATE) + 2
    captured_S = np.arange(frames) / MOCAP_RATE
    true_S = np.arange(len(pose_SJ)) / CONTROL_RATE
    measured = [np.interp(captured_S, true_S, pose_SJ[:, joint]) for joint in range(len(JOINTS))]
    pose = np.stack(measured, axis=1) + 0.008 * smooth_noise(rng, frames, 4.0, len(JOINTS), MOCAP_RATE)
    valid = np.ones(frames, bool)
    for _ in range(rng.poisson(0.5 * seconds / 60)):
        first = int(rng.integers(frames))
        valid[first : first + max(int(rng.uniform(0.1, 1.2) * MOCAP_RATE), 1)] = False
    return np.where(valid[:, None], pose, 0).astype(np.float32), valid
