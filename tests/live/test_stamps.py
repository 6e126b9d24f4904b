"""Losses found from stamps, against streams whose losses are known."""

import numpy as np
import pytest

from cpep.live.sources.stamps import LossFinder
from cpep.types import UserError


def stamps(rate, kept_T, jitter_T=0.0, drift=0.0, start=1e5):
    """Return stamps of the samples that arrive, of a sender that stamps each with its clock."""
    return start + np.asarray(kept_T) / (rate * (1 + drift)) + jitter_T


def run(rate, number_T, stamp_T, sizes):
    """Feed a stream in chunks; return (samples before it, lost) of every loss, and the samples in order."""
    finder, found, at, first, values = LossFinder(rate, 1), [], 0, 0, []
    while first < len(stamp_T):
        size = next(sizes)
        part = slice(first, first + size)
        for chunk in finder.add(np.asarray(number_T[part], np.float32)[:, None], stamp_T[part]):
            if chunk.lost:
                found.append((at, chunk.lost))
            at += len(chunk.emg_TC)
            values.append(chunk.emg_TC[:, 0])
        first += size
    return found, np.concatenate(values)


def chunk_sizes(rng, most):
    while True:
        yield int(rng.integers(1, most + 1))


@pytest.mark.parametrize("rate", [200.0, 2000.0])
@pytest.mark.parametrize("lost", [1, 2, 40, 3000])
def test_exact_stamps_tell_every_loss_where_it_is(rate, lost):
    rng = np.random.default_rng(0)
    first = round(1.5 * rate)
    number_T = np.r_[: 2 * first, 2 * first + lost : 5 * first + lost]
    found, values = run(rate, number_T, stamps(rate, number_T), chunk_sizes(rng, 50))
    assert found == [(2 * first, lost)]
    np.testing.assert_array_equal(values, number_T[: len(values)])
    assert len(values) == len(number_T)


def test_several_losses_close_together_are_each_found():
    number_T = np.delete(np.arange(20_000), [6000, 6001, 6002, 6004, *range(9000, 9100), 9150])
    found, values = run(2000.0, number_T, stamps(2000.0, number_T), chunk_sizes(np.random.default_rng(1), 60))
    assert sum(lost for _, lost in found) == 105
    assert len(values) == len(number_T)


@pytest.mark.parametrize("drift", [-1e-3, 1e-3])
def test_a_clock_that_is_off_loses_nothing(drift):
    number_T = np.arange(60_000)
    found, values = run(2000.0, number_T, stamps(2000.0, number_T, drift=drift), iter([40] * 2000))
    assert found == [] and len(values) == 60_000


@pytest.mark.parametrize("held_up", [80, 300, 450])
def test_a_sender_that_is_held_up_and_catches_up_loses_nothing(held_up):
    """Samples that waited for the processor, for up to a quarter of a second, get their stamps all at once."""
    stamp_T = stamps(2000.0, np.arange(40_000), np.random.default_rng(2).exponential(2e-4, 40_000))
    for first in range(5000, 40_000, 3000):
        stalled = slice(first, first + held_up)
        stamp_T[stalled] = np.maximum(stamp_T[stalled], stamp_T[first + held_up - 1])
    found, values = run(2000.0, np.arange(40_000), np.maximum.accumulate(stamp_T), iter([40] * 1000))
    assert found == [] and len(values) == 40_000


def test_chunks_stamped_on_arrival_jitter_and_lose_nothing():
    rng = np.random.default_rng(3)
    chunk_T = np.repeat(rng.uniform(0, 0.008, 1500), 40)
    found, values = run(2000.0, np.arange(60_000), stamps(2000.0, np.arange(60_000), chunk_T), iter([40] * 1500))
    assert found == [] and len(values) == 60_000


def test_a_loss_larger_than_the_jitter_is_found_within_it():
    rng = np.random.default_rng(4)
    number_T = np.r_[:20_000, 20_200:40_000]
    chunk_T = np.repeat(rng.uniform(0, 0.008, 995), 40)
    found, _ = run(2000.0, number_T, stamps(2000.0, number_T, chunk_T), iter([40] * 995))
    ((at, lost),) = found
    assert at == 20_000 and abs(lost - 200) <= 16


def test_exact_stamps_hold_nothing_back():
    finder = LossFinder(2000.0, 1)
    for first in range(0, 8000, 40):
        chunks = finder.add(np.zeros((40, 1), np.float32), stamps(2000.0, np.arange(first, first + 40)))
        assert sum(len(chunk.emg_TC) for chunk in chunks) == 40
    assert finder.add(np.zeros((0, 1), np.float32), np.zeros(0)) == []


def test_a_stream_that_is_slower_than_it_says_is_refused_after_some_seconds():
    finder = LossFinder(2000.0, 1, "lsl:slow", lambda real: f"write rate={real:.5g}")
    with pytest.raises(UserError, match=r"2000 samples a second, .* stamped as 1850 a second; write rate=1850"):
        for first in range(0, 12_000, 40):
            chunks = finder.add(np.zeros((40, 1), np.float32), stamps(1850.0, np.arange(first, first + 40)))
            assert not any(chunk.lost for chunk in chunks)


@pytest.mark.parametrize("rate", [1999.9999, 1995.0, 2004.0])
def test_a_stream_that_is_nearly_as_fast_as_it_says_is_read(rate):
    number_T = np.arange(20_000)
    found, values = run(2000.0, number_T, stamps(rate, number_T), iter([40] * 500))
    assert found == [] and len(values) == 20_000


def test_a_clock_that_is_set_back_loses_nothing():
    number_T = np.arange(8000)
    stamp_T = stamps(200.0, number_T) - 3600.0 * (number_T >= 3000)
    found, values = run(200.0, number_T, stamp_T, iter([7] * 2000))
    assert found == [] and len(values) > 7900
