"""Geometry of the volume conductor, and synthesis against a slow convolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpep.simulate import conductor
from cpep.simulate.conductor import (
    BEFORE,
    CHANNELS,
    LENGTH,
    PITCH,
    RANK,
    TURN,
    VOLUME,
    Placement,
    draw_placement,
    make_bank,
    surface_emg,
)  # fmt: skip
from cpep.simulate.muscles import Drive
from cpep.simulate.record import MIRROR, Session
from cpep.simulate.variability import generator


def even(session: Session) -> Placement:
    """Return the placement with all channels alike."""
    return replace(session.placement, gain_C=np.ones(CHANNELS), bad=None)


def potentials(session: Session, placement: Placement, shorter: float = 0.0) -> np.ndarray:
    fibres = conductor._draw_fibres(session.person, session.bank.pool)
    return conductor._potentials(session.person, placement, fibres, shorter)


def test_a_turn_by_one_pitch_rolls_the_channels(session: Session) -> None:
    placement = even(session)
    turned = replace(placement, angle=placement.angle + PITCH)
    one, other = potentials(session, placement), potentials(session, turned)
    np.testing.assert_allclose(np.roll(one, -1, axis=1), other, atol=1e-4 * np.abs(one).max())


def test_the_left_band_is_the_mirror_image(session: Session) -> None:
    right, left = even(session), replace(even(session), side="left")
    one, other = potentials(session, right), potentials(session, left)
    np.testing.assert_allclose(one, other[:, list(MIRROR)], atol=1e-4 * np.abs(one).max())
    assert np.abs(one - other).max() > 0.1 * np.abs(one).max()
    assert list(np.array(MIRROR)[list(MIRROR)]) == list(range(CHANNELS))


def test_potentials_fall_with_distance(session: Session) -> None:
    """A unit's largest channel is the electrode that is nearest to it across the arm, in most cases."""
    placement = replace(even(session), angle=0.0, shift=0.0, tilt=(0.0, 0.0))
    size_NC = potentials(session, placement).std(axis=2)
    fibres = conductor._draw_fibres(session.person, session.bank.pool)
    wide, thick = conductor._axes(session.person)
    angle_C = PITCH * np.arange(CHANNELS)
    apart_NC = np.hypot(fibres.x_N[:, None] - wide * np.sin(angle_C), fibres.y_N[:, None] - thick * np.cos(angle_C))
    assert (size_NC.argmax(axis=1) == apart_NC.argmin(axis=1)).mean() > 0.95


def test_a_far_source_is_blurred(session: Session) -> None:
    """Deeper units spread over more electrodes: their largest channel has a smaller share."""
    placement = replace(even(session), shift=0.0, tilt=(0.0, 0.0))
    size_NC = potentials(session, placement).std(axis=2)
    share_N = size_NC.max(axis=1) / size_NC.sum(axis=1)
    fibres = conductor._draw_fibres(session.person, session.bank.pool)
    wide, thick = conductor._axes(session.person)
    depth_N = 1 - np.hypot(fibres.x_N / wide, fibres.y_N / thick)
    shallow, deep = np.quantile(depth_N, [0.2, 0.8])
    assert share_N[depth_N > deep].mean() < 0.8 * share_N[depth_N < shallow].mean()


def test_the_basis_spans_the_potentials(session: Session) -> None:
    placement = even(session)
    bank = make_bank(session.person, placement)
    units = len(bank.pool.muscle_N)
    np.testing.assert_allclose(bank.basis_KL @ bank.basis_KL.T, np.eye(RANK), atol=1e-4)
    true = potentials(session, placement) * bank.pool.amplitude_N[:, None, None]
    rebuilt = bank.weight_XCK[:units] @ bank.basis_KL
    assert ((rebuilt - true) ** 2).sum() < 0.01 * (true**2).sum()


def test_small_turns_are_nearly_linear(session: Session) -> None:
    placement = even(session)

    def turned(angle: float) -> np.ndarray:
        return potentials(session, replace(placement, angle=placement.angle + angle)).astype(float)

    still, true = turned(0.0), turned(TURN / 2)
    guess = still + 0.5 * (turned(TURN) - turned(-TURN)) / 2
    assert ((guess - true) ** 2).sum() < 0.1 * ((still - true) ** 2).sum()


def test_surface_emg_is_the_sum_of_potentials(session: Session) -> None:
    """Against a loop that adds every potential at its discharge."""
    samples, frames = 5000, 250
    drive_SV = np.full((frames, 24), 0.02, np.float32)
    drive = Drive(drive_SV, np.linspace(0, 1, frames * 24, dtype=np.float32).reshape(frames, 24))
    rotation_S = np.linspace(-0.5, 0.5, frames) * TURN
    bank = session.bank
    emg_CT, count = surface_emg(bank, drive, rotation_S, 0.0, samples, generator(9))
    time, unit = conductor.fire(bank.pool, drive_SV, generator(9))
    assert count == len(time) > 500
    units = len(bank.pool.muscle_N)
    wanted_CT = np.zeros((CHANNELS, samples + 2 * LENGTH))
    phi_XCL = bank.weight_XCK.astype(float) @ bank.basis_KL
    for t, n in zip(time, unit, strict=True):
        frame, sample = min(int(t * 100), frames - 1), min(int(t * 2000 + 0.5), samples - 1)
        w = drive.shortening_SV[frame, bank.pool.muscle_N[n]]
        phi_CL = (1 - w) * phi_XCL[n] + w * phi_XCL[n + units] + rotation_S[frame] / TURN * phi_XCL[n + 2 * units]
        at = sample - BEFORE + LENGTH
        wanted_CT[:, at : at + LENGTH] += VOLUME * phi_CL
    wanted_CT = wanted_CT[:, LENGTH : LENGTH + samples]
    np.testing.assert_allclose(emg_CT, wanted_CT, atol=1e-4 * np.abs(wanted_CT).max())


def test_fatigue_slows_the_signal(session: Session) -> None:
    drive = Drive(np.full((500, 24), 0.2, np.float32), np.full((500, 24), 0.5, np.float32))
    power = []
    for fatigue in (0.0, 1.0):
        emg_CT, _ = surface_emg(session.bank, drive, np.zeros(500), fatigue, 10_000, generator(2))
        power.append(np.abs(np.fft.rfft(emg_CT, axis=1)).sum(axis=0) ** 2)
    frequency = np.fft.rfftfreq(10_000, 1 / 2000)
    fresh, tired = (float((frequency * p).sum() / p.sum()) for p in power)
    assert tired < 0.95 * fresh


def test_placements_differ_between_sessions_and_stay_with_the_seed(session: Session) -> None:
    person = session.person
    one, again = (draw_placement(person, "s0", "right") for _ in range(2))
    other = draw_placement(person, "s1", "right")
    assert one.angle == again.angle != other.angle
    still = replace(person, variability=replace(person.variability, session=0.0))
    assert draw_placement(still, "s1", "right").angle == pytest.approx(person.habits.wear_angle)
