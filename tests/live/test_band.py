"""A simulated person with a band, over LSL."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from cpep.hand.inverse import joint_angles
from cpep.live.band import SimulatedBand, main
from cpep.types import UserError
from tests.live.loopback import pylsl_on_loopback


@pytest.fixture(scope="module")
def pylsl():
    return pylsl_on_loopback()


def inlet(pylsl, name):
    found = pylsl.resolve_byprop("name", name, timeout=5)
    opened = pylsl.StreamInlet(found[0])
    opened.open_stream()
    return opened


def rows(opened):
    values, stamps = opened.pull_chunk(timeout=0.0, max_samples=100_000)
    return np.array(values), np.array(stamps)


def test_it_makes_what_it_is_asked_and_sends_the_pose_that_it_makes(pylsl):
    name = f"band-{time.monotonic_ns()}"
    with SimulatedBand(name, channels=8, rate=500, pose="landmarks", side="left") as band:
        emg, pose = inlet(pylsl, name), inlet(pylsl, f"{name}-pose")
        band.make("fist", 0.5)
        while len(band.made) < 3:
            time.sleep(0.05)
        time.sleep(0.3)
        (emg_TC, emg_T), (pose_SX, pose_S) = rows(emg), rows(pose)
    assert [made.gesture for made in band.made] == ["rest", "fist", "rest"]
    _, fist_s, rest_s = (made.time_s for made in band.made)
    assert 0.7 < rest_s - fist_s < 1.1
    assert emg_TC.shape[1] == 8 and pose_SX.shape[1] == 63
    np.testing.assert_allclose(np.diff(emg_T), 1 / 500, atol=1e-4)
    assert np.diff(pose_S).max() < 2 / 60 + 1e-3
    level_T = np.abs(emg_TC).mean(axis=1)
    held, still = (emg_T > fist_s + 0.45) & (emg_T < rest_s), emg_T < fist_s
    assert level_T[held].mean() > 1.5 * level_T[still].mean()
    angles = joint_angles(pose_SX.reshape(-1, 21, 3), "left")
    assert angles.valid_N.all() and angles.error_N.max() < 0.01
    bent_S = angles.pose_NJ[:, 6]  # of the index finger
    assert bent_S[(pose_S > fist_s + 0.45) & (pose_S < rest_s)].min() > bent_S[pose_S < fist_s].max() + 0.4


def test_the_command_takes_gestures_and_says_what_is_made(pylsl, monkeypatch, capsys):
    said = []

    def lines():
        yield "fits\n"
        yield "fist 0.1\n"
        while '"gesture": "fist"' not in "".join(said):
            time.sleep(0.05)
            said.append(capsys.readouterr().out)

    monkeypatch.setattr(sys, "stdin", lines())
    main([f"band-{time.monotonic_ns()}", "--pose", "none", "--rate", "200", "--channels", "2"])
    assert said[0].startswith('{"time_s": ') and '"gesture": "rest"}' in said[0]


def test_what_the_simulator_cannot_give_is_refused():
    with pytest.raises(UserError, match="20 channels at 500 Hz; it has 1 to 16 channels at 50 to 2000 Hz"):
        SimulatedBand("any", channels=20)
