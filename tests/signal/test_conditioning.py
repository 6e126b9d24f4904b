from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from cpep.data.recording import Device
from cpep.signal import conditioning
from cpep.signal.conditioning import (
    AT_ONCE,
    BLOCK_S,
    CLIPPED,
    FALL_S,
    JUMP,
    RISE_S,
    Asked,
    Conditioner,
    Conditioning,
    Jumps,
    conditioned,
    usual_highpass,
)
from cpep.types import FloatArray, UserError

RATE = 1000.0
PLAIN = Conditioning(20.0)


def emg(seconds: float = 6, channels: int = 3, seed: int = 0, rate: float = RATE) -> FloatArray:
    """EMG of 20 to 400 Hz: rest of 3 uV with bursts of 40 uV."""
    rng = np.random.default_rng(seed)
    time_T = np.arange(round(seconds * rate)) / rate
    loud_T = np.where(time_T % 2 > 1, 40.0, 3.0)
    high = min(400.0, 0.45 * rate)
    noise_TC = sosfilt(
        butter(4, [20, high], "bandpass", fs=rate, output="sos"), rng.normal(size=(len(time_T), channels)), 0
    )
    return np.asarray(noise_TC / noise_TC.std() * loud_T[:, None])


def rms(x_TC: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.square(x_TC, dtype=float).mean(axis=0)))


def lost(found_TC: FloatArray, wanted_TC: FloatArray, start: int = 500) -> float:
    """RMS of the difference over the RMS of rest, the largest of the channels, after half a second."""
    return float((rms(found_TC[start:] - wanted_TC[start:]) / 3).max())


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=8),
    st.sampled_from([PLAIN, Conditioning(20, 50), Conditioning(0, 60), Conditioning(5.5), Conditioning()]),
    st.sampled_from([200.0, 977.3, 2148.148]),
)
def test_the_chunks_change_no_value(sizes: list[int], wanted: Conditioning, rate: float) -> None:
    emg_TC = (emg(1.5, rate=rate) + np.array([2e4, -5e4, 0])).astype(np.float32)
    emg_TC[200:, 1] += 1e5
    stream, parts, at, turn = Conditioner(wanted, rate, 3), [], 0, 0
    while at < len(emg_TC):
        parts.append(stream.push(emg_TC[at : at + sizes[turn % len(sizes)]]))
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    np.testing.assert_array_equal(np.concatenate(parts), conditioned(emg_TC, wanted, rate))


def test_a_long_recording_is_filtered_in_parts() -> None:
    emg_TC = np.random.default_rng(0).normal(size=(2 * AT_ONCE + 7, 1))
    np.testing.assert_array_equal(conditioned(emg_TC, PLAIN, RATE), Conditioner(PLAIN, RATE, 1).push(emg_TC))


def test_a_high_pass_is_the_one_of_scipy_and_an_offset_has_no_transient() -> None:
    emg_TC = emg()
    wanted_TC = sosfilt(butter(conditioning.ORDER, 20, "highpass", fs=RATE, output="sos"), emg_TC - emg_TC[0], axis=0)
    np.testing.assert_allclose(conditioned(emg_TC, PLAIN, RATE), wanted_TC, atol=1e-4)
    np.testing.assert_allclose(conditioned(emg_TC + np.array([1e5, -1e5, 0]), PLAIN, RATE), wanted_TC, atol=1e-4)
    assert np.abs(conditioned(np.full((2000, 2), 1e5), Conditioning(20, 50), RATE)).max() < 1e-3


def test_a_reset_begins_anew() -> None:
    emg_TC, stream = emg(), Conditioner(Conditioning(20, 50), RATE, 3)
    first_TC = stream.push(emg_TC + 7)
    stream.reset()
    np.testing.assert_array_equal(stream.push(emg_TC + 7), first_TC)


def test_offsets_that_drift_are_gone() -> None:
    plain_TC, rng = emg(), np.random.default_rng(1)
    offset_TC = rng.uniform(-1e5, 1e5, 3) + np.cumsum(rng.normal(0, 1, plain_TC.shape), axis=0)
    assert lost(conditioned(plain_TC + offset_TC, PLAIN, RATE), conditioned(plain_TC, PLAIN, RATE)) < 0.6


@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("off", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("rate", [250.0, 1000.0])
def test_hum_and_its_harmonics_are_gone_also_where_the_mains_are_off(mains: float, off: float, rate: float) -> None:
    plain_TC, wanted = emg(rate=rate), Conditioning(20, mains)
    time_T = np.arange(len(plain_TC)) / rate
    hum_T = sum(np.sin(2 * np.pi * k * (mains + off) * time_T) / k**3 for k in (1, 2) if k * mains < rate / 2)
    found_TC = conditioned(plain_TC + 400 * np.sqrt(2) * np.asarray(hum_T)[:, None], wanted, rate)
    assert lost(found_TC, conditioned(plain_TC, wanted, rate), round(2 * rate)) < 0.6


def test_a_notch_takes_little_else() -> None:
    plain_TC = emg()
    assert rms(conditioned(plain_TC, Conditioning(20, 50), RATE)) == pytest.approx(
        rms(conditioned(plain_TC, PLAIN, RATE)), rel=0.15
    )


@pytest.mark.parametrize("size", [1e5, -1e5, 2e4])
def test_a_jump_of_the_offset_leaves_no_trace(size: float) -> None:
    """In rest, in a burst, one after another, and in one channel alone."""
    plain_TC = emg(8)
    jumped_TC = plain_TC.copy()
    for sample in (2300, 3500, 3501, 6700):
        jumped_TC[sample:, 1] += size
    found_TC, wanted_TC = conditioned(jumped_TC, PLAIN, RATE), conditioned(plain_TC, PLAIN, RATE)
    assert lost(found_TC, wanted_TC) < 0.6
    np.testing.assert_array_equal(found_TC[:, [0, 2]], wanted_TC[:, [0, 2]])


@pytest.mark.parametrize("rest", [0.0, 1.0, 3.0])
def test_emg_alone_has_no_jumps(rest: float) -> None:
    """Not even where strong contractions follow the noise of the amplifier, or a channel that was dead."""
    emg_TC = emg(8)
    emg_TC[(np.arange(len(emg_TC)) % 2000) <= 1000] *= rest / 3
    wanted_TC = sosfilt(butter(conditioning.ORDER, 20, "highpass", fs=RATE, output="sos"), emg_TC - emg_TC[0], axis=0)
    np.testing.assert_allclose(conditioned(emg_TC, PLAIN, RATE), wanted_TC, atol=1e-4)


def test_steps_of_a_converter_are_no_jumps() -> None:
    """EMG of whole counts that rests at zero for most of the time."""
    counts_TC = np.round(emg(8) / 6)
    wanted_TC = sosfilt(
        butter(conditioning.ORDER, 20, "highpass", fs=RATE, output="sos"), counts_TC - counts_TC[0], axis=0
    )
    np.testing.assert_allclose(conditioned(counts_TC, PLAIN, RATE), wanted_TC, atol=1e-4)


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    emg_TC = emg().astype(np.float32)
    assert conditioned(emg_TC, Conditioning(), RATE) is emg_TC
    assert not Conditioning() and PLAIN and Conditioning(0, 50)


@pytest.mark.parametrize(
    ("kind", "rate", "wanted"), [("raw", 2000, 20), ("raw", 200, 20), ("raw", 100, 10), ("envelope", 2000, 0)]
)
def test_the_usual_high_pass(kind: str, rate: float, wanted: float) -> None:
    assert usual_highpass(kind, rate) == wanted  # type: ignore[arg-type]
    assert Device(2, rate, kind, "uV").conditioning == Conditioning(wanted)  # type: ignore[arg-type]
    assert Device(2, rate, kind, "uV", highpass_hz=0.0).conditioning == Conditioning()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "rate", "said"),
    [
        (Conditioning(500), 1000, "a high-pass at 500 Hz does not fit EMG at 1000 Hz; give one below 500 Hz"),
        (Conditioning(-1), 1000, "a high-pass at -1 Hz"),
        (Conditioning(20, 55), 1000, "a notch at 55 Hz; give 50 or 60, or 0 for none"),
        (Conditioning(20, 50), 100, "a notch at 50 Hz does not fit EMG at 100 Hz"),
    ],
)
def test_what_does_not_fit_is_refused(wanted: Conditioning, rate: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        wanted.check(rate)
    with pytest.raises(UserError, match=said):
        Device(2, rate, "raw", "uV", highpass_hz=wanted.highpass_hz, notch_hz=wanted.notch_hz)


def test_harmonics_reach_to_half_the_rate() -> None:
    assert Conditioning(20, 60).harmonics(250) == [60, 120]
    assert Conditioning(20, 50).harmonics(200) == [50]
    assert Conditioning(20).harmonics(2000) == []
    assert len(Conditioning(20, 50).sections(2000)) == conditioning.ORDER // 2 + 2 * 19


def test_it_is_said_in_words_and_as_options() -> None:
    assert str(Conditioning(20, 50)) == "high-passed at 20 Hz, with a notch at 50 Hz and its harmonics"
    assert str(Conditioning(20)) == "high-passed at 20 Hz" and str(Conditioning()) == "not filtered by cpep"
    assert str(Conditioning(0, 60)) == "filtered by a notch at 60 Hz and its harmonics"
    assert Conditioning(20, 50).options == "--highpass 20 --notch 50" and Conditioning().options == "--highpass 0"


@pytest.mark.parametrize("asked", [{"notch_hz": 55.0}, {"highpass_hz": -1.0}, {"highpass_hz": float("nan")}])
def test_what_fits_no_recording_is_refused_before_any_is_read(asked: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"a (notch|high-pass) at (55|-1|nan) Hz; give"):
        Asked(**asked)


def without_jumps_slowly(x_T: FloatArray, rate: float) -> tuple[list[float], int, float | None]:
    """Return one channel without its jumps, sample after sample, their number, and the usual step at the end."""
    block = max(1, round(BLOCK_S * rate))
    last, offset, usual, total, filled, count = float(x_T[0]), 0.0, None, 0.0, 0, 0
    out = []
    for x in map(float, x_T):
        step, last = x - last, x
        square = step * step
        if usual:
            if square > JUMP**2 * usual:
                offset, count = offset + step, count + 1
            square = min(square, CLIPPED**2 * usual)
        out.append(x - offset)
        total, filled = total + square, filled + 1
        if filled == block:
            mean = total / block
            usual = mean if usual is None else usual
            usual += block / rate / (RISE_S if mean > usual else FALL_S) * (mean - usual)
            total, filled = 0.0, 0
    return out, count, usual


@pytest.mark.parametrize(("jumps", "spikes", "silent_s"), [(0, 0, 0.0), (0, 4, 0.0), (3, 0, 0.0), (3, 4, 0.6)])
def test_jumps_are_what_a_loop_over_samples_finds(jumps: int, spikes: int, silent_s: float) -> None:
    """To the last bit: blocks in which nothing is clipped or nothing jumps are passed over."""
    rng, x_TC = np.random.default_rng(jumps + spikes), emg(2)
    for at in rng.integers(500, len(x_TC), jumps):
        x_TC[at:, rng.integers(3)] += 1e5
    for at in rng.integers(500, len(x_TC), spikes):
        x_TC[at, rng.integers(3)] *= 60
    x_TC[: round(silent_s * RATE), 1] = 0
    found = Jumps(RATE, 3)
    parts = [found.without(part) for part in np.array_split(x_TC, 7)]
    wanted = [without_jumps_slowly(x_T, RATE) for x_T in x_TC.T]
    np.testing.assert_array_equal(np.concatenate(parts), np.stack([out for out, _, _ in wanted], axis=1))
    assert found.count == sum(count for _, count, _ in wanted) >= jumps
    np.testing.assert_array_equal(found._usual_C, [usual for _, _, usual in wanted])
