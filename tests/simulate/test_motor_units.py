"""Fuglevand pools: recruitment, rate coding, force, renewal statistics."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.simulate.motor_units import UNITS, draw_pool, excitation, fire, force_curve
from cpep.simulate.person import draw_person
from cpep.simulate.variability import Variability, generator


def discharge(level: float, seconds: float = 20.0) -> tuple[list[np.ndarray], object]:
    """Return the discharge times of every unit of muscle 3, which alone is driven."""
    pool = draw_pool(draw_person(0, "user_00", Variability()))
    drive_SV = np.zeros((int(seconds * 100), 24), np.float32)
    drive_SV[:, 3] = level
    time, unit = fire(pool, drive_SV, generator(1))
    assert set(np.unique(unit) // UNITS) <= {3}
    return [time[unit == number] for number in range(3 * UNITS, 4 * UNITS)], pool


def test_thresholds_span_the_recruitment_range() -> None:
    pool = draw_pool(draw_person(0, "user_00", Variability()))
    first = pool.threshold_N[:UNITS]
    assert (np.diff(first) > 0).all()
    assert first[-1] / first[0] == pytest.approx(60, rel=0.1)
    assert pool.amplitude_N[:UNITS].max() / pool.amplitude_N[:UNITS].min() > 50


def test_size_principle() -> None:
    """Small units join first, more force recruits more, and none leaves."""
    counts = []
    for level in (0.02, 0.1, 0.4, 0.9):
        trains, _ = discharge(level, 5.0)
        active = [len(train) > 0 for train in trains]
        assert active == sorted(active, reverse=True)
        counts.append(sum(active))
    assert counts == sorted(counts) and counts[0] < counts[-1] == UNITS


def test_silence_without_drive() -> None:
    trains, _ = discharge(0.0, 2.0)
    assert not any(len(train) for train in trains)


def test_rates_and_interval_variability() -> None:
    trains, pool = discharge(0.3)
    intervals = [np.diff(train) for train in trains if len(train) > 100]
    rates = np.array([1 / interval.mean() for interval in intervals])
    assert rates.min() > 5 and rates.max() < 42
    spread = np.array([interval.std() / interval.mean() for interval in intervals])
    assert spread.mean() == pytest.approx(0.18, abs=0.02)
    # An oracle for one unit: rate = min(slowest + 60 (E - threshold), fastest).
    unit = 3 * UNITS
    over = float(excitation(np.array(0.3))) - pool.threshold_N[unit]
    wanted = min(pool.slowest_N[unit] + 60 * over, pool.fastest_N[unit])
    assert rates[0] == pytest.approx(wanted, rel=0.03)


def test_force_curve_is_inverted() -> None:
    """A loop over units gives back the force that the excitation was asked for."""
    _, grid = force_curve()

    def force(e: float) -> float:
        total = 0.0
        for i in range(UNITS):
            rank = (i + 0.5) / UNITS
            threshold = 0.65 * np.exp(np.log(60) * rank) / 60
            if e <= threshold:
                continue
            rate = min(8 + 60 * (e - threshold), 38 - 14 * rank)
            twitch = np.exp(np.log(100) * rank)
            stimulus = rate * 0.09 * twitch ** (-1 / 4.2)
            total += twitch * (0.2998 * stimulus if stimulus < 0.4 else 1 - np.exp(-2 * stimulus**3))
        return total

    for wanted in (0.05, 0.2, 0.5, 0.8):
        e = float(excitation(np.array(wanted + 0.0015)))
        assert force(e) / force(float(grid[-1])) == pytest.approx(wanted, abs=0.02)


def test_discharges_follow_a_changing_drive() -> None:
    pool = draw_pool(draw_person(0, "user_00", Variability()))
    drive_SV = np.zeros((1000, 24), np.float32)
    drive_SV[400:600, 0] = 0.3
    time, _ = fire(pool, drive_SV, generator(1))
    assert len(time) > 100 and time.min() >= 3.99 and time.max() <= 6.01
