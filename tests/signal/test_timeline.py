"""Places of samples, against streams whose losses are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.signal.timeline import Timeline
from tests.signal.streams import in_chunks, packet_stamps, places

RATES = st.sampled_from([10.0, 50.0, 125.0, 200.0, 250.0, 1000.0, 1111.111, 2000.0, 4000.0])
SIZES = st.sampled_from([1, 2, 3, 5, 9, 12, 20])


def sent(rate, seconds=6.0):
    return np.arange(int(np.clip(rate * seconds, 200, 8000)))


@settings(max_examples=40, deadline=None)
@given(rate=RATES, size=SIZES, seed=st.integers(0, 2**16), drift=st.sampled_from([0.0, -1e-3, 1e-3]))
def test_packets_and_jitter_lose_nothing(rate, size, seed, drift):
    rng, number_T = np.random.default_rng(seed), sent(rate)
    delay_P = rng.exponential(rng.choice([0.0, 1e-3, 0.03]), len(number_T))[number_T // size]
    stamp_T = 1.7e9 + packet_stamps(number_T, rate * (1 - drift), size) + delay_P
    assert not in_chunks(Timeline(rate), stamp_T, seed=seed).any()


@settings(max_examples=40, deadline=None)
@given(
    rate=RATES,
    span=st.sampled_from([1, 1, 2, 9]),
    step=st.sampled_from([1, 2]),
    turn=st.sampled_from([100, 128, 201, 256, 65536]),
    begin=st.integers(0, 300),
    seed=st.integers(0, 2**16),
)
def test_numbers_tell_every_loss_at_its_place(rate, span, step, turn, begin, seed):
    """Of samples (span 1) or of whole packets, 10 % of them, from the first on, amid bursts of 10 ms."""
    rng, number_T = np.random.default_rng(seed), sent(rate, 8.0)
    number_T = number_T[: len(number_T) // span * span]
    keep_P = rng.random(len(number_T) // span) > 0.1
    keep_P[0] = True
    number_T = number_T[np.repeat(keep_P, span)]
    stamp_T = 1.7e9 + np.ceil(number_T / rate / 0.01) * 0.01
    counter_T = ((begin + number_T // span) * step % (turn * step)).astype(float)
    skip_T = in_chunks(Timeline(rate), stamp_T, counter_T, seed=seed)
    off_T = places(skip_T) - number_T
    # The last numbers before they begin anew may be lost in the first turns, when nobody knows yet where that is. Of
    # 700 streams one had more than three places wrong, and it had four.
    assert np.abs(off_T).max() <= 3 * span
    assert np.count_nonzero((skip_T[1:] > 0) != (np.diff(number_T) > 1)) <= 5


@pytest.mark.parametrize(("rate", "turn"), [(250, 256), (1000, 256), (200, 201), (1600, 201)])
def test_a_tenth_lost_in_the_first_second_too(rate, turn):
    rng = np.random.default_rng(1)
    number_T = np.flatnonzero(rng.random(60 * rate) > 0.1)
    stamp_T = np.ceil(number_T / rate / 0.01) * 0.01 + 1e9
    timeline = Timeline(rate)
    skip_T = in_chunks(timeline, stamp_T, (number_T % turn).astype(float))
    np.testing.assert_array_equal(places(skip_T), number_T - number_T[0])
    assert timeline.numbers.modulus == turn


def test_an_outage_of_many_turns_of_the_numbers_is_told_by_the_stamps():
    number_T = np.r_[7:1500, 1500 + 3 * 256 + 40 : 6000]
    skip_T = in_chunks(Timeline(250.0), 1e9 + packet_stamps(number_T, 250, 5), (number_T % 256).astype(float))
    np.testing.assert_array_equal(places(skip_T), number_T - 7)


def test_a_device_that_begins_to_count_anew_loses_nothing():
    counter_T = np.r_[np.arange(600) % 256, np.arange(2000) % 256].astype(float)
    skip_T = in_chunks(Timeline(250.0), 1e9 + np.arange(2600) / 250, counter_T)
    assert abs(skip_T.sum()) <= 1 and np.count_nonzero(skip_T) <= 1


@pytest.mark.parametrize(
    "counter_T",
    [
        np.zeros(1000),
        np.random.default_rng(0).integers(0, 256, 1000),
        np.repeat(np.arange(200), [3, 7, 4, 6, 5] * 40),
    ],
)
def test_numbers_that_count_something_else_are_passed_over(counter_T):
    timeline = Timeline(250.0)
    number_T = np.r_[0:500, 520:1020]
    skip_T = in_chunks(timeline, number_T / 250, np.asarray(counter_T, float))
    assert not timeline.numbers.counting
    np.testing.assert_array_equal(places(skip_T), number_T)


@settings(max_examples=20, deadline=None)
@given(rate=st.sampled_from([125.0, 250.0, 1000.0]), size=st.sampled_from([2, 5, 9]), seed=st.integers(0, 2**16))
def test_single_samples_lost_amid_packets_are_found_within_a_packet(rate, size, seed):
    rng, number_T = np.random.default_rng(seed), sent(rate, 20.0)
    begin, end = max(rate, 17 * size), len(number_T) - 0.5 * rate  # what is usual is learned; what follows is seen
    keep_T = (rng.random(len(number_T)) > 0.002) | (number_T < begin) | (number_T > end)
    number_T = number_T[keep_T]
    skip_T = in_chunks(Timeline(rate), packet_stamps(number_T, rate, size), seed=seed)
    off_T = places(skip_T) - number_T
    lost_T = np.diff(number_T, prepend=0) > 1
    soon_T = np.convolve(lost_T, np.ones(2 * size + 1))[: len(lost_T)] > 0
    assert not off_T[~soon_T][: -20 * size].any() and np.abs(off_T).max() <= 3


def test_losses_that_jitter_hides_do_not_make_the_clock_drift_off():
    """Singly they cannot be seen amid packets of 12 that come up to 100 ms late; without them nothing is declared."""
    rng, number_T = np.random.default_rng(2), np.arange(120_000)
    stamp_T = packet_stamps(number_T, 1000.0, 12) + rng.exponential(0.02, 10_000)[number_T // 12]
    assert not in_chunks(Timeline(1000.0), stamp_T).any()
    keep_T = (rng.random(len(number_T)) > 0.005) | (number_T < 1000)
    skip_T = in_chunks(Timeline(1000.0), stamp_T[keep_T])
    off_T = places(skip_T) - number_T[keep_T]
    assert off_T[-1] > -100 and np.abs(off_T).max() < 120 and (~keep_T).sum() > 500
    assert np.count_nonzero(skip_T) < 60


@pytest.mark.parametrize("jump_s", [-3600.0, -0.4, 0.4, 3600.0])
@pytest.mark.parametrize("size", [1, 9])
def test_a_jump_of_the_clock_is_seen_at_its_place(jump_s, size):
    number_T = np.arange(4000)
    stamp_T = 5e4 + packet_stamps(number_T, 250.0, size) + jump_s * (number_T >= 1800)
    skip_T = in_chunks(Timeline(250.0), stamp_T)
    assert np.flatnonzero(skip_T).tolist() == [1800] and abs(skip_T[1800] - jump_s * 250) <= 1


def test_one_wrong_stamp_is_a_jump_and_one_back():
    stamp_T = np.arange(4000) / 250
    stamp_T[1800] = 0
    skip_T = in_chunks(Timeline(250.0), stamp_T)
    assert np.flatnonzero(skip_T).tolist() == [1800, 1801] and skip_T.sum() == 0


def test_the_rate_is_measured_within_seconds_and_no_loss_is_made_of_it():
    timeline = Timeline(2000.0)
    skip_T = in_chunks(timeline, 10 + np.arange(10_000) / 1850)
    assert not skip_T.any() and timeline.measured_rate == pytest.approx(1850)
    timeline = Timeline(2000.0)
    in_chunks(timeline, packet_stamps(np.arange(12_000), 1990.5, 9))
    assert timeline.measured_rate == pytest.approx(1990.5, rel=1e-4)
