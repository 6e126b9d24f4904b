"""The short cut to envelopes: against a slow sum over units, and against the simulator that makes every discharge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from cpep.simulate.conductor import TURN, VOLUME, slowed, stretched
from cpep.simulate.device_cohort import DeviceCohort, script_of, worn_by
from cpep.simulate.envelopes import GRID_E, OTTO_BOCK, delivered, passed_noise, power, power_table, smoothed
from cpep.simulate.kinematics import make_following
from cpep.simulate.motor_units import RATE_GAIN, SILENT_DRIVE, UNITS, force_curve
from cpep.simulate.muscles import Drive
from cpep.simulate.record import Session, act, enact
from cpep.simulate.variability import Variability, generator

RATE = 2000
CLOSE = 0.9
"""Correlation, for each channel, of the short cut with the envelope of all discharges."""


@pytest.fixture(scope="module")
def worn() -> Session:
    return worn_by(DeviceCohort(1, variability=Variability(session=0, fatigue=0)), 0)


def test_the_power_is_the_sum_of_the_energies_of_all_potentials(worn: Session) -> None:
    muscle, e, short, turned, fatigue = 3, 0.4, 0.3, 0.5, 0.2
    pool, wide = worn.bank.pool, stretched(worn.bank.basis_KL, slowed(fatigue))
    band = signal.butter(2, OTTO_BOCK.band_hz, "band", fs=RATE, output="sos")
    wanted_C = np.zeros(10)
    for unit in range(muscle * UNITS, (muscle + 1) * UNITS):
        above = e - pool.threshold_N[unit]
        rate = min(pool.slowest_N[unit] + RATE_GAIN * above, pool.fastest_N[unit]) if above > 0 else 0.0
        blocks = [worn.bank.weight_XCK[unit + block * len(pool.muscle_N)] @ wide for block in range(3)]
        potential_CL = VOLUME * ((1 - short) * blocks[0] + short * blocks[1] + turned * blocks[2])
        passed_CL = signal.sosfilt(band, np.pad(potential_CL, ((0, 0), (0, 800))), axis=1)
        wanted_C += rate * (passed_CL**2).sum(axis=1) / RATE
    force, excitation = force_curve()
    drive_1V = np.zeros((1, 24), np.float32)
    drive_1V[0, muscle] = np.interp(e, excitation, force) + SILENT_DRIVE
    drive = Drive(drive_1V, np.full((1, 24), short, np.float32))
    table = power_table(worn.bank, OTTO_BOCK.band_hz, fatigue)
    found_C = power(table, drive, np.array([turned * TURN]), np.ones((1, 24)))[0]
    np.testing.assert_allclose(found_C, wanted_C, rtol=0.02)
    assert found_C.min() > 0 and GRID_E[0] == 0


def test_an_envelope_follows_that_of_all_discharges(worn: Session) -> None:
    script = script_of(25.0, 1.0, generator(1, "script"))

    def move(rng: np.random.Generator):
        return make_following(worn.person, script, 0.0, rng)

    full, short = enact(worn, "movements", 0, move), act(worn, "movements", 0, move)
    np.testing.assert_array_equal(full.drive.drive_SV, short.drive.drive_SV)
    table = power_table(worn.bank, OTTO_BOCK.band_hz, short.fatigue)
    cut_SC = smoothed(
        power(table, short.drive, short.trajectory.rotation_S, np.ones((2500, 24))), OTTO_BOCK.smooth_hz
    )
    band = signal.butter(2, OTTO_BOCK.band_hz, "band", fs=RATE, output="sos")
    square_SC = (signal.sosfilt(band, full.emg_CT, axis=1).T ** 2).reshape(2500, 20, -1).mean(axis=1)
    full_SC = smoothed(square_SC, OTTO_BOCK.smooth_hz)
    like_C = [np.corrcoef(cut_SC[50:, channel], full_SC[50:, channel])[0, 1] for channel in range(10)]
    size_C = np.log(cut_SC[50:].mean(axis=0) / full_SC[50:].mean(axis=0))
    assert min(like_C) > CLOSE, like_C
    assert np.abs(size_C).max() < 0.15, size_C


def test_electrodes_deliver_steps_between_their_smallest_and_largest_value() -> None:
    rms_S1 = np.linspace(0, 100, 400)[:, None]
    got_S1 = delivered(OTTO_BOCK, rms_S1, 0.1)
    assert got_S1[0, 0] == np.float32(OTTO_BOCK.step) and got_S1[-1, 0] == pytest.approx(OTTO_BOCK.most, abs=0.002)
    np.testing.assert_allclose(got_S1 / OTTO_BOCK.step, np.rint(got_S1 / OTTO_BOCK.step), atol=1e-3)
    between_S1 = (got_S1 > 0.01) & (got_S1 < 4.6)
    np.testing.assert_allclose(got_S1[between_S1], 0.1 * rms_S1[between_S1] - OTTO_BOCK.dead, atol=0.002)


def test_noise_passes_as_far_as_the_band_is_wide() -> None:
    noise_T = np.random.default_rng(0).standard_normal(60_000)
    passed_T = signal.sosfilt(signal.butter(8, OTTO_BOCK.band_hz, "band", fs=RATE, output="sos"), 3 * noise_T)
    assert passed_noise(OTTO_BOCK, np.array([3.0]))[0] == pytest.approx(passed_T.var(), rel=0.05)
    assert passed_noise(replace(OTTO_BOCK, band_hz=(0, 1000)), np.array([3.0]))[0] == pytest.approx(9)
