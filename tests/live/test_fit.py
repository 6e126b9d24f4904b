"""A source at the rate and in the unit of a checkpoint."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.fit import Fitted, fitted, origin, told
from cpep.live.sources.pace import Pace
from cpep.signal.conditioning import without_jumps
from cpep.signal.resampler import resampled
from cpep.types import UserError

SLOW = Device(channels=2, emg_rate=500.0, emg_kind="raw", emg_unit="mV")
FAST = Device(channels=2, emg_rate=2000.0, emg_kind="raw", emg_unit="uV")


class Played:
    """A source of given chunks."""

    def __init__(self, device, chunks):
        self.name, self.device, self.given, self.closed = "lab", device, chunks, False

    def chunks(self):
        yield from self.given

    def close(self):
        self.closed = True


def noise(samples, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, channels)).astype(np.float32)


def cut(emg_TC, sizes):
    """Chunks of these sizes, over and over."""
    parts, at = [], 0
    while at < len(emg_TC):
        size = sizes[len(parts) % len(sizes)]
        parts.append(Chunk(emg_TC[at : at + size]))
        at += size
    return parts


def emg_of(chunks):
    return np.concatenate([chunk.emg_TC for chunk in chunks])


@pytest.mark.parametrize(("rate", "new_rate"), [(500.0, 2000.0), (2000.0, 500.0), (1925.926, 2000.0), (1000, 1100)])
@pytest.mark.parametrize("sizes", [(1,), (7, 90, 1), (10_000,)])
def test_a_stream_in_any_chunks_is_resampled_as_a_recording(rate, new_rate, sizes):
    emg_TC = noise(900)
    emg_TC[700:, 1] += 5000  # an electrode that is pressed on again
    source = fitted(Played(replace(SLOW, emg_rate=rate), cut(emg_TC, sizes)), replace(FAST, emg_rate=new_rate))
    free_TC, jumps = without_jumps(1000 * emg_TC, rate)
    assert jumps == 1
    np.testing.assert_allclose(emg_of(source.chunks()), resampled(free_TC, rate, new_rate), atol=1)  # of 1000 uV


@pytest.mark.parametrize("new_rate", [2000.0, 800.0, 230.0])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_interpolated_over_a_loss_and_the_clock_goes_on(new_rate, seed):
    """The oracle resamples each stretch by itself; a loss is told by its number, or by values that are not finite."""
    rng = np.random.default_rng(seed)
    chunks, wanted, at, before = [], [], 0, 0
    for number in range(12):
        samples, lost, size = int(rng.choice([1, 2, 40, 150])), int(rng.choice([1, 2, 600])), int(rng.integers(1, 90))
        emg_TC = noise(samples, seed=number)
        wanted.append((at, resampled(emg_TC, 500.0, new_rate)))
        mine = cut(emg_TC, [size])
        mine[0] = replace(mine[0], lost=before)
        before = lost if number % 2 else 0
        chunks += mine if before else [*mine, Chunk(np.full((lost, 2), nan, np.float32))]
        at += samples + lost
    slow = replace(SLOW, emg_unit="uV")
    found, clock = {}, 0
    for chunk in fitted(Played(slow, chunks), replace(FAST, emg_rate=new_rate)).chunks():
        clock += chunk.lost
        place = clock if chunk.lost or not found else max(found)
        found.setdefault(place, []).append(chunk.emg_TC)
        clock += len(chunk.emg_TC)
    places = []
    for at, emg_TC in wanted:
        places.append(round(at * new_rate / 500))
        if places[-1] not in found:  # so short that nothing of it comes out
            assert len(emg_TC) <= 2
            continue
        mine = np.concatenate(found[places[-1]])
        assert len(emg_TC) - 2 <= len(mine) <= len(emg_TC)
        np.testing.assert_allclose(mine, emg_TC[: len(mine)], rtol=1e-4, atol=1e-4)
    assert set(found) <= set(places) and len(found) >= 6


def test_a_source_that_is_away_lets_the_clock_go_on():
    pace = Pace(SLOW, 2000.0)
    pace.take(Chunk(noise(500)))
    away = [chunk for _ in range(4) for chunk in pace.take(Chunk(np.zeros((0, 2), np.float32), lost=250))]
    assert len(away[0].emg_TC) and [len(chunk.emg_TC) for chunk in away[1:]] == [0] * 4
    assert sum(chunk.lost for chunk in away[1:]) == pytest.approx(4000, abs=4)
    back = [*pace.take(Chunk(noise(100))), *pace.end()]
    assert back[0].lost == 1


def test_stamps_are_those_of_the_samples_that_come_out():
    pace = Pace(SLOW, 2000.0)
    chunks = []
    for number in range(20):
        lost = 100 if number == 10 else 0
        at_s = 7 + (25 * (number + 1) - 1 + (100 if number >= 10 else 0)) / 500
        chunks += pace.take(Chunk(noise(25), lost=lost, made=str(number // 10), stamp_s=at_s))
    clock = 0
    for chunk in [*chunks, *pace.end()]:
        clock += chunk.lost + len(chunk.emg_TC)
        assert chunk.stamp_s == pytest.approx(7 + (clock - 1) / 2000, abs=1e-6)
    assert isnan(Pace(SLOW, 2000.0).take(Chunk(noise(100)))[0].stamp_s)
    assert {chunk.made for chunk in chunks} == {"0", "1"}


def test_an_envelope_keeps_its_steps():
    envelope = replace(SLOW, emg_kind="envelope", emg_rate=100.0, highpass_hz=0)
    emg_TC = np.repeat(np.float32([1, 400, 1]), 100)[:, None] * np.ones((1, 2), np.float32)
    source = fitted(Played(envelope, cut(emg_TC, [10])), replace(envelope, emg_rate=200.0))
    assert emg_of(source.chunks()).max() > 380


def test_a_rate_within_half_a_per_cent_is_taken_as_it_is():
    near = Played(replace(FAST, emg_rate=1991.0), cut(noise(100), [10]))
    np.testing.assert_array_equal(emg_of(fitted(near, FAST).chunks()), noise(100))
    assert told(fitted(near, FAST)) == "lab: 2 channels of raw EMG at 1991 Hz in uV"


def test_what_is_done_to_a_source_is_told():
    source = Played(SLOW, [])
    assert told(source) == "lab: 2 channels of raw EMG at 500 Hz in mV"
    line = told(fitted(source, FAST))
    assert line == "lab: 2 channels of raw EMG at 500 Hz in mV, resampled to 2000 Hz (36 ms later)"
    source.assumed = "taken as raw EMG"
    assert told(fitted(source, FAST)) == f"{line}; taken as raw EMG"
    assert origin(fitted(source, FAST)) is source


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        ({"emg_rate": 200.0}, {}, "reads EMG up to 450 Hz; lab at 200 Hz holds only what is below 92 Hz.*489 Hz"),
        ({"emg_rate": 125.0}, {"emg_rate": 400.0}, "reads EMG up to 200 Hz; lab at 125 Hz"),
        ({"channels": 32}, {"channels": 16}, r"choose 16 of its 32 with lab\[1-16\]"),
        ({"channels": 1}, {}, "take a checkpoint of 1 channel, or enrol gestures without one"),
        ({"emg_kind": "envelope", "highpass_hz": 0}, {}, "lab has .* envelope EMG.*; take a device that sends raw"),
        ({"emg_unit": "count"}, {}, "EMG in uV; lab has EMG in count"),
        ({"highpass_hz": 0}, {}, r"filtered before \(highpass 0\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(mine, theirs, said):
    source = Played(replace(SLOW, **mine), [])
    with pytest.raises(UserError, match=said):
        fitted(source, replace(FAST, **theirs))
    assert source.closed


@pytest.mark.parametrize(("rate", "new_rate", "kind"), [(500, 2000, "raw"), (120, 200, "raw"), (50, 100, "envelope")])
def test_a_slower_source_with_most_of_the_band_is_resampled(rate, new_rate, kind):
    slow = Device(2, float(rate), kind, "")
    assert isinstance(fitted(Played(slow, []), replace(slow, emg_rate=float(new_rate), highpass_hz=None)), Fitted)
