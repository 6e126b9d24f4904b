"""Envelopes of the EMG without its spikes: a short cut for electrodes that rectify and smooth by themselves.

Discharges of different units are nearly independent. So the power at an electrode is the sum over all units of their
rate times the energy of their potential there (Campbell 1909), which depends on the excitation of the muscle alone,
and is looked up in a table. The full way (``record.enact``) makes every discharge. tests/simulate/test_envelopes.py
compares both.

Shape letters beside those of the package: E excitations of the table, Q = 6 pairs of the three blocks of
``conductor.Bank``: lengthened, shortened, turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.simulate.conductor import TURN, VOLUME, Bank, slowed, stretched
from cpep.simulate.motor_units import RATE_GAIN, SILENT_DRIVE, UNITS, excitation
from cpep.simulate.muscles import Drive
from cpep.simulate.variability import CONTROL_RATE, smooth_noise
from cpep.types import FloatArray

GRID_E = np.linspace(0, 1.05, 211)
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
AFTER = 512
"""Samples in which the filter of an electrode forgets a potential."""


@dataclass(frozen=True)
class Electrode:
    """An electrode with its own amplifier, rectifier and low-pass.

    Attributes:
        band_hz: of the amplifier.
        smooth_hz: of the low-pass.
        ripple: SD of the power, over its mean, that remains of the interference of units.
        volts: that a contraction of one noise-floor unit of the simulator gives.
        dead: what it does not show, V.
        step: of its converter, V; the smallest value that it delivers.
        most: largest value, V.
    """

    band_hz: tuple[float, float]
    smooth_hz: float
    ripple: float
    volts: float
    dead: float
    step: float
    most: float


OTTO_BOCK = Electrode(
    band_hz=(90.0, 450.0), smooth_hz=3.0, ripple=0.2, volts=0.08, dead=0.06, step=10 / 4096, most=4.665
)
"""Otto Bock 13E200 = 50 as NinaPro DB1 has it: band of its data sheet; step and largest value of the files."""


def power_table(bank: Bank, band_hz: tuple[float, float], fatigue: float) -> FloatArray:
    """Return the power (V, E, C, Q) at electrodes with a band-pass, in noise-floor units squared."""
    basis_KL = stretched(bank.basis_KL, slowed(fatigue))
    long_KL = np.pad(basis_KL.astype(float), ((0, 0), (0, AFTER)))
    filtered_KL = signal.sosfilt(signal.butter(2, band_hz, "band", fs=SAMPLE_RATE, output="sos"), long_KL, axis=1)
    gram_KK = filtered_KL @ filtered_KL.T
    units, (_, channels, ranks) = len(bank.pool.muscle_N), bank.weight_XCK.shape
    weight_BNCK = bank.weight_XCK.reshape(3, units, channels, ranks).astype(float)
    energy_NCQ = np.stack(
        [
            (1 + (a != b)) * np.einsum("nck,kl,ncl->nc", weight_BNCK[a], gram_KK, weight_BNCK[b], optimize=True)
            for a, b in PAIRS
        ],
        axis=-1,
    )
    pool = bank.pool
    above_EN = GRID_E[:, None] - pool.threshold_N
    rate_EN = np.where(above_EN > 0, np.minimum(pool.slowest_N + RATE_GAIN * above_EN, pool.fastest_N), 0)
    rate_VEU = rate_EN.reshape(len(GRID_E), -1, UNITS).transpose(1, 0, 2)
    energy_VUX = energy_NCQ.reshape(-1, UNITS, channels * len(PAIRS))
    power_VEX = rate_VEU @ energy_VUX * (VOLUME**2 / SAMPLE_RATE)
    return np.asarray(power_VEX.reshape(len(power_VEX), len(GRID_E), channels, len(PAIRS)))


def power(table_VECQ: FloatArray, drive: Drive, rotation_S: FloatArray, gain_SV: FloatArray) -> FloatArray:
    """Return the power (S, C) of the muscle signal, in noise-floor units squared.

    Args:
        table_VECQ: of ``power_table``.
        drive: of the muscles.
        rotation_S: turn of the band since it was put on, rad.
        gain_SV: factor of the power of each muscle.
    """
    excited_SV = np.where(drive.drive_SV > SILENT_DRIVE, excitation(drive.drive_SV), 0)
    place_SV = excited_SV / (GRID_E[1] - GRID_E[0])
    below_SV = np.minimum(place_SV.astype(int), len(GRID_E) - 2)
    part_SV = place_SV - below_SV
    turned_S = np.clip(rotation_S / TURN, -1, 1)
    found_SC = np.zeros((len(rotation_S), table_VECQ.shape[2]))
    for muscle, table_ECQ in enumerate(table_VECQ):
        short_S, below_S = drive.shortening_SV[:, muscle], below_SV[:, muscle]
        part_S, gain_S = part_SV[:, muscle], gain_SV[:, muscle]
        blocks = (1 - short_S, short_S, turned_S)
        for pair, (a, b) in enumerate(PAIRS):
            weight_S = blocks[a] * blocks[b] * gain_S
            found_SC += (weight_S * (1 - part_S))[:, None] * table_ECQ[below_S, :, pair]
            found_SC += (weight_S * part_S)[:, None] * table_ECQ[below_S + 1, :, pair]
    return np.maximum(found_SC, 0)


def smoothed(power_SC: FloatArray, smooth_hz: float) -> FloatArray:
    """Return the RMS (S, C) behind a causal low-pass of the power, at 100 Hz."""
    low = signal.butter(2, smooth_hz, fs=CONTROL_RATE, output="sos")
    start = signal.sosfilt_zi(low)[:, :, None] * power_SC[0]
    passed_SC, _ = signal.sosfilt(low, power_SC, axis=0, zi=start)
    return np.asarray(np.sqrt(np.maximum(passed_SC, 0)))


def passed_noise(electrode: Electrode, noise_C: FloatArray) -> FloatArray:
    """Return the power (C,) of white noise, given its SD without a filter, behind the band-pass of an electrode."""
    low, high = electrode.band_hz
    return np.asarray(noise_C**2 * (high - low) / (SAMPLE_RATE / 2))


def ripple(electrode: Electrode, frames: int, muscles: int, rng: np.random.Generator) -> FloatArray:
    """Return factors (S, V) of the power of each muscle: the interference of its units comes and goes."""
    factor_SV: FloatArray = 1 + electrode.ripple * smooth_noise(rng, frames, electrode.smooth_hz, muscles)
    return np.asarray(np.maximum(factor_SV, 0))


def delivered(electrode: Electrode, rms_SC: FloatArray, volts: float) -> FloatArray:
    """Return what electrodes deliver (S, C), V, float32, of the RMS in noise-floor units.

    Args:
        electrode: kind of them.
        rms_SC: of muscles and noise.
        volts: of one noise-floor unit, as somebody turned the screw of the amplifier.
    """
    shown_SC = np.clip(volts * rms_SC - electrode.dead, electrode.step, electrode.most)
    return np.asarray((electrode.step * np.rint(shown_SC / electrode.step)).astype(np.float32))
