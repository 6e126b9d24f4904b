"""Features of a stream are those of its windows, cut out one by one from the conditioned recording."""

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import enrol_features, window_samples
from cpep.live.enrol.stream import FeatureStream, energies_at
from cpep.live.signals import Chunk
from cpep.signal.conditioning import conditioned
from cpep.types import UserError

BAND = Device(4, 500.0, "raw", "uV")
HOP = 25


@pytest.fixture(scope="module")
def emg_TC():
    rng = np.random.default_rng(0)
    loud_T1 = 1 + 5 * (np.arange(1600) // 400 % 2)[:, None]
    return (300 + loud_T1 * rng.normal(size=(1600, 4))).astype(np.float32)


def streamed(device, emg_TC, sizes):
    stream, at, found = FeatureStream(device), 0, []
    for turn in range(10**6):
        if at >= len(emg_TC):
            return stream, found
        size = sizes[turn % len(sizes)]
        found += stream.take(Chunk(emg_TC[at : at + size]))
        at += size


@pytest.mark.parametrize("sizes", [(1600,), (1, 7, 40), (333,)])
@pytest.mark.parametrize("device", [BAND, Device(4, 500.0, "envelope", "")])
def test_chunks_do_not_matter(device, emg_TC, sizes):
    stream, steps = streamed(device, emg_TC, sizes)
    clean_TC, window = conditioned(emg_TC, device.conditioning, 500.0), window_samples(device)
    ends = [end for end in range(HOP, 1601, HOP) if end >= window]
    assert [step.sample for step in steps] == ends and stream.sample == 1600
    for step in steps:
        (wanted_F,) = enrol_features(clean_TC[step.sample - window : step.sample][None], device)
        np.testing.assert_allclose(step.x_D, wanted_F, rtol=1e-4, atol=1e-4)
        level_C = np.sqrt(np.mean(clean_TC[step.sample - 100 : step.sample].astype(float) ** 2, axis=0))
        assert step.energy == pytest.approx(np.log(level_C).mean(), abs=1e-6)
        assert step.time_s == step.sample / 500


def test_no_window_reaches_over_a_loss_and_the_clock_goes_on(emg_TC):
    stream = FeatureStream(BAND)
    stream.take(Chunk(emg_TC[:400]))
    steps = stream.take(Chunk(emg_TC[400:800], lost=110))
    window = window_samples(BAND)
    assert steps[0].sample == -(-(510 + window) // HOP) * HOP and stream.sample == 910
    fresh = FeatureStream(BAND)
    fresh.sample = 510
    for step, wanted in zip(steps, fresh.push(emg_TC[400:800]), strict=True):
        np.testing.assert_array_equal(step.x_D, wanted.x_D)


def test_samples_that_are_not_finite_are_lost(emg_TC):
    holed_TC = emg_TC[:800].copy()
    holed_TC[400:510, 2] = np.nan
    stream, declared = FeatureStream(BAND), FeatureStream(BAND)
    found = stream.push(holed_TC)
    wanted = declared.push(emg_TC[:400]) + declared.take(Chunk(emg_TC[510:800], lost=110))
    assert [step.sample for step in found] == [step.sample for step in wanted]
    assert all(np.array_equal(a.x_D, b.x_D) for a, b in zip(found, wanted, strict=True))


def test_another_number_of_channels_is_refused(emg_TC):
    with pytest.raises(UserError, match=r"this stream takes \(samples, 4\)"):
        FeatureStream(BAND).push(emg_TC[:, :3])


def test_a_channel_that_dies_hides_no_movement_and_makes_none():
    rng = np.random.default_rng(1)
    emg_TC = rng.normal(size=(3000, 8)) * np.where(np.arange(3000) >= 2000, 4, 1)[:, None]
    emg_TC[1000:, 2] = 37.0
    device = Device(8, 500.0, "raw", "uV")
    _, steps = streamed(device, emg_TC.astype(np.float32), (50,))
    alive, dead, moving = (
        np.median([step.energy for step in steps if at + 500 < step.sample <= at + 1000]) for at in (0, 1000, 2000)
    )
    assert dead == pytest.approx(alive, abs=0.1) and moving == pytest.approx(alive + np.log(4), abs=0.1)


def test_channels_that_are_quiet_beside_strong_ones_count():
    level_C = np.array([0.0024, 0.0024, 0.003, 0.01, 0.1, 0.5, 0.8, 0.9])
    emg_TC = np.tile(level_C, (100, 1)).astype(np.float32)
    (energy,) = energies_at(emg_TC, np.array([100]), 100.0)
    assert energy == pytest.approx(np.log(level_C).mean(), abs=1e-5)


def test_steps_that_nobody_wants_are_not_made_and_those_after_are_the_same(emg_TC):
    stream, other = FeatureStream(BAND), FeatureStream(BAND)
    stream.wanted = False
    assert stream.push(emg_TC[:473]) == [] != other.push(emg_TC[:473])
    stream.wanted = True
    steps, wanted = stream.push(emg_TC[473:900]), other.push(emg_TC[473:900])
    assert [step.sample for step in steps] == [step.sample for step in wanted] != []
    assert all(np.array_equal(a.x_D, b.x_D) for a, b in zip(steps, wanted, strict=True))
