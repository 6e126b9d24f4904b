"""From EMG in chunks of any size to features of windows on a regular grid: the same as of a take that is kept."""

from __future__ import annotations

import numpy as np

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import enrol_features, window_samples
from cpep.live.runs import ENERGY_S, HOP_S, Runs
from cpep.live.signals import StreamStep
from cpep.types import FloatArray, IntArray

SILENT = 1e-30
"""Mean square, in any unit, below which a channel is silent."""
DEAD, USUAL = 1e-3, 0.75
"""A channel has no signal below this share of the usual one, which is louder than so many of them. Envelopes, and the
noise of a channel at rest beside strong muscles, go down to some thousandths."""


class FeatureStream(Runs):
    """Makes features of a stream, with nothing but the description of its device.

    How the stream is cut into chunks does not matter. Windows end on a grid that counts from the first sample, and
    no window reaches over a loss.

    Args:
        device: of the source.
        hop_s: time from step to step, rounded to whole samples.

    Attributes:
        wanted: whether steps are made; without, samples are kept for later ones alone.
    """

    def __init__(self, device: Device, hop_s: float = HOP_S) -> None:
        super().__init__(device.conditioning, device.emg_rate, device.channels, "this stream")
        self.device, self._hop = device, max(round(hop_s * device.emg_rate), 1)
        self._window, self.wanted = window_samples(device), True
        self._run_TC = np.zeros((0, device.channels), np.float32)

    def _forget(self) -> None:
        self._run_TC = self._run_TC[:0]

    def _add(self, emg_TC: FloatArray, steps: list[StreamStep]) -> None:
        run_TC = np.concatenate([self._run_TC, emg_TC])
        began = self.sample - len(self._run_TC)
        self.sample += len(emg_TC)
        first = (self.sample - len(emg_TC)) // self._hop + 1
        end_N = np.arange(first, self.sample // self._hop + 1) * self._hop - began
        end_N = end_N[end_N >= self._window]
        self._run_TC = run_TC[max(len(run_TC) - self._window + 1, 0) :].copy()
        if not len(end_N) or not self.wanted:
            return
        x_NF = features_at(run_TC, end_N, self.device)
        energy_N = energies_at(run_TC, end_N, self.rate)
        for end, x_F, energy in zip((end_N + began).tolist(), x_NF, energy_N.tolist(), strict=True):
            steps.append(StreamStep(end, end / self.rate, x_F, energy))


def features_at(emg_TC: FloatArray, end_N: IntArray, device: Device) -> FloatArray:
    """Return the features (N, F) of the windows of conditioned EMG that end before these samples."""
    samples = window_samples(device)
    windows_NTC = np.stack([emg_TC[end - samples : end] for end in end_N.tolist()])
    return enrol_features(windows_NTC, device)


def energies_at(emg_TC: FloatArray, end_N: IntArray, rate: float) -> FloatArray:
    """Return the energy (N,) of conditioned EMG over the ``ENERGY_S`` before these samples.

    It is the log of the root mean square in the unit of the EMG, mean over the channels that have a signal. A channel
    that dies, or comes back, would else outweigh any movement.
    """
    samples = max(round(ENERGY_S * rate), 1)
    parts_NTC = np.stack([emg_TC[max(end - samples, 0) : end] for end in end_N.tolist()])
    square_NC = np.square(parts_NTC, dtype=np.float64).mean(axis=1)
    log_NC = 0.5 * np.log(np.maximum(square_NC, SILENT))
    usual_N1 = np.quantile(log_NC, USUAL, axis=1)[:, None]
    alive_NC = log_NC >= usual_N1 + np.log(DEAD)
    return np.asarray(np.where(alive_NC, log_NC, 0).sum(axis=1) / alive_NC.sum(axis=1))
