"""What the checks measure on single recordings and sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.data.recording import Recording
from cpep.simulate.conductor import CHANNELS, surface_emg
from cpep.simulate.gestures import SEEN, UNSEEN
from cpep.simulate.motor_units import fire
from cpep.simulate.muscles import Drive
from cpep.simulate.record import Session, perform
from cpep.simulate.variability import CONTROL_RATE, generator
from cpep.types import BoolArray, FloatArray, IntArray, StrArray

WINDOW = 400
"""Samples of a window: 200 ms."""
MOVE_S = 0.6
"""Left out at the start of every prompt where only the held gesture counts."""
BIN = 200
"""Samples of a bin of the envelope: 100 ms."""
LEVELS = (0.03, 0.06, 0.12, 0.25, 0.45, 0.65)
"""Forces at which the EMG is measured, of the maximal voluntary contraction."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one gesture each.

    Attributes:
        x_ND: log RMS, log MAV, log waveform length, and zero crossings of each channel.
        pose_NJ: mean joint angles, rad.
        label_N: index into the vocabulary.
        repetition_N: number of the prompt among those of its label, distinct between files of a session.
        user_N: user id.
        session_N: session id.
    """

    x_ND: FloatArray
    pose_NJ: FloatArray
    label_N: IntArray
    repetition_N: IntArray
    user_N: StrArray
    session_N: StrArray

    def select(self, mask_N: BoolArray) -> Windows:
        """Return some of the windows."""
        return Windows(*(getattr(self, name)[mask_N] for name in self.__dataclass_fields__))


def join(parts: list[Windows]) -> Windows:
    """Return the windows of all parts."""
    fields = Windows.__dataclass_fields__
    return Windows(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def cut_windows(recording: Recording, file: int, skip_s: float = MOVE_S) -> Windows:
    """Return windows of 200 ms side by side in every prompt of a seen or unseen gesture.

    Args:
        recording: simulated.
        file: its number in the session; keeps repetitions of its files apart.
        skip_s: left out at the start of each prompt.
    """
    assert recording.repetition_T is not None and recording.anchor_SJ is not None
    prompt_T = 1000 * recording.label_T.astype(int) + recording.repetition_T
    edges = np.flatnonzero(np.diff(prompt_T)) + 1
    starts: list[int] = []
    for first, last in zip(np.r_[0, edges], np.r_[edges, len(prompt_T)], strict=True):
        if 1 <= recording.label_T[first] <= len(SEEN) + len(UNSEEN):
            starts += range(first + round(skip_s * SAMPLE_RATE), last - WINDOW + 1, WINDOW)
    start_N = np.array(starts, int)
    frame_NS = (start_N[:, None] + np.arange(0, WINDOW, 33)) * recording.anchor_rate / SAMPLE_RATE
    valid_N = recording.valid_S[frame_NS.astype(int)].all(axis=1)
    start_N, frame_NS = start_N[valid_N], frame_NS[valid_N].astype(int)
    emg_NTC = recording.emg_TC[start_N[:, None] + np.arange(WINDOW)]
    return Windows(
        _features(emg_NTC),
        recording.anchor_SJ[frame_NS].mean(axis=1),
        recording.label_T[start_N].astype(int),
        100 * file + recording.repetition_T[start_N].astype(int),
        np.full(len(start_N), recording.user),
        np.full(len(start_N), recording.session),
    )


def _features(emg_NTC: FloatArray) -> FloatArray:
    rms_NC = np.sqrt((emg_NTC**2).mean(axis=1))
    length_NC = np.abs(np.diff(emg_NTC, axis=1)).mean(axis=1)
    crossings_NC = (np.diff(np.signbit(emg_NTC), axis=1)).mean(axis=1)
    logs = [np.log(x_NC + 0.05) for x_NC in (rms_NC, np.abs(emg_NTC).mean(axis=1), length_NC)]
    return np.concatenate([*logs, crossings_NC], axis=1).astype(np.float64)


def signal_measures(recording: Recording) -> dict[str, float]:
    """Return spectrum, correlation between channels and signal over rest of one recording."""
    assert recording.prompt_T is not None
    emg_TC, bins = recording.emg_TC.astype(float), len(recording.emg_TC) // BIN
    power_BC = (emg_TC[: bins * BIN].reshape(bins, BIN, CHANNELS) ** 2).mean(axis=1)
    busy_B = (recording.label_T[: bins * BIN].reshape(bins, BIN) > 0).all(axis=1)
    idle_B = (recording.prompt_T[: bins * BIN].reshape(bins, BIN) == 0).all(axis=1)
    active_TC = emg_TC[recording.label_T > 0]
    near, far = _ring_correlation(np.corrcoef(active_TC.T))
    near_log, far_log = _ring_correlation(np.corrcoef(np.log(power_BC + 0.05).T))
    ratio_C = 10 * np.log10(power_BC[busy_B].mean(axis=0) / power_BC[idle_B].mean(axis=0))
    strongest = np.argsort(active_TC.std(axis=0))[-4:]
    return {
        "median_frequency": _median_frequency(active_TC[:, strongest]),
        "raw_near": near,
        "raw_far": far,
        "log_near": near_log,
        "log_far": far_log,
        "snr": float(np.sort(ratio_C)[-4:].mean()),
    }


def _ring_correlation(r_CC: FloatArray) -> tuple[float, float]:
    """Return the mean correlation of neighbouring and of opposite channels."""
    channel = np.arange(CHANNELS)
    near = r_CC[channel, (channel + 1) % CHANNELS].mean()
    return float(near), float(r_CC[channel, (channel + CHANNELS // 2) % CHANNELS].mean())


def _median_frequency(emg_TC: FloatArray) -> float:
    segments = len(emg_TC) // 1024
    emg_NTC = emg_TC[: segments * 1024].reshape(segments, 1024, -1) * np.hanning(1024)[:, None]
    power_F = (np.abs(np.fft.rfft(emg_NTC, axis=1)) ** 2).sum(axis=(0, 2))
    share_F = np.cumsum(power_F) / power_F.sum()
    return float(np.interp(0.5, share_F, np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)))


def firing_rate(session: Session, stage: str, seconds: float) -> float:
    """Return the mean rate of motor units while they fire, Hz (intervals over 250 ms are pauses)."""
    drive = perform(session, stage, 0, seconds).drive
    time, unit = fire(session.bank.pool, drive.drive_SV, generator(session.person.seed, "check", "rate"))
    interval = np.diff(time)[np.diff(unit) == 0]
    return float(1 / interval[interval < 0.25].mean())


def force_slope(session: Session, muscle: int) -> float:
    """Return the log-log slope of EMG over force, when one muscle pulls at ``LEVELS`` in turn."""
    hold = 2 * CONTROL_RATE
    drive_SV = np.zeros((hold * len(LEVELS), len(session.person.forearm.size_V)), np.float32)
    drive_SV[:, muscle] = np.repeat(LEVELS, hold)
    samples = round(len(drive_SV) / CONTROL_RATE * SAMPLE_RATE)
    rng = generator(session.person.seed, "check", "force", muscle)
    steady = np.zeros(len(drive_SV))
    emg_CT, _ = surface_emg(session.bank, Drive(drive_SV, np.full_like(drive_SV, 0.5)), steady, 0.0, samples, rng)
    rms_CL = np.sqrt((emg_CT.reshape(CHANNELS, len(LEVELS), -1)[..., 500:] ** 2).mean(axis=2))
    best_L = rms_CL[np.argmax(rms_CL[:, -1])]
    return float(np.polyfit(np.log(LEVELS), np.log(best_L), 1)[0])
