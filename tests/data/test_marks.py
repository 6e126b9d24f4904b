from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from cpep.data.findings import Marked, findings_of
from cpep.data.marks import Mark
from cpep.data.recording import Device, Recording, Repair
from cpep.data.summary import summarise
from cpep.types import EmgKind, FloatArray
from tests.signal.emg import emg_like, hum, protocol

RATES = (200.0, 250.0, 500.0, 1000.0, 1111.111, 1259.259, 1925.926, 2000.0, 2148.148)


def recording(emg_TC: FloatArray, rate: float = 1000.0, kind: EmgKind = "raw", **changes: object) -> Recording:
    label_T = protocol(rate, len(emg_TC) / rate + 1)[: len(emg_TC)]
    fields: dict[str, object] = {
        "name": "S2", "user": "S2", "session": "1", "stage": "x", "side": "right",
        "device": Device(emg_TC.shape[1], rate, kind, "mV"),
        "emg_TC": emg_TC.astype(np.float32), "anchor_SJ": None, "anchor_rate": 100.0, "valid_S": np.zeros(0, bool),
        "label_T": label_T, "vocabulary": ("rest", "a", "b", "c", "d", "e"),
    }  # fmt: skip
    return Recording(**(fields | changes))  # type: ignore[arg-type]


def marks(emg_TC: FloatArray, rate: float = 1000.0, kind: EmgKind = "raw", **changes: object) -> list[Mark]:
    """All marks but the one that says that there is no pose."""
    return [m for m in summarise(recording(emg_TC, rate, kind, **changes)).marks if m.kind != "no_anchor"]


def one(emg_TC: FloatArray, rate: float = 1000.0, kind: EmgKind = "raw", **changes: object) -> Mark:
    found = marks(emg_TC, rate, kind, **changes)
    assert len(found) == 1, found
    return found[0]


def says(mark: Mark, channels: int = 8) -> str:
    return findings_of([Marked("S2", "S2", (mark,)), Marked("S3", "S3", ())], channels)[0].sentence


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(RATES),
    st.integers(0, 999),
    st.sampled_from((4, 8, 16)),
    st.sampled_from((1e-6, 1.0, 1e3)),
)
def test_a_clean_recording_has_no_mark(rate: float, seed: int, channels: int, scale: float) -> None:
    assert marks(scale * emg_like(rate, 25.0, channels, seed), rate) == []


def test_a_unit_that_no_muscle_has() -> None:
    """EMG of 5 to 500 uV, read in the unit that it has and in each other one: factors of a thousand."""
    emg_TC = emg_like(1000.0, 10.0, 4, 0)
    emg_TC *= 100 / np.median(emg_TC.std(axis=0))
    uv, mv = (Device(4, 1000.0, "raw", unit) for unit in ("uV", "count"))
    for times, said in ((0.05, ""), (1.0, ""), (5.0, ""), (1e-3, "nV"), (1e-6, "nV"), (1e3, "mV"), (1e6, "V")):
        found = [mark for mark in marks(times * emg_TC, device=uv) if mark.kind == "unit"]
        assert [mark.detail for mark in found] == ([said] if said else [])
        if times == 1e6:
            assert re.fullmatch(
                r"the EMG of S2 has an SD of \d\d V, which no recording of muscles has; check `unit` and `scale`",
                says(found[0]),
            )
        assert not marks(times * emg_TC, device=mv)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from((200.0, 1000.0)), st.integers(0, 999), st.sampled_from((8, 12)))
def test_counts_of_a_coarse_converter_have_no_mark(rate: float, seed: int, bits: int) -> None:
    emg_TC = emg_like(rate, 25.0, 8, seed)
    assert marks(np.rint(emg_TC / np.abs(emg_TC).max() * 2 ** (bits - 1)), rate) == []


@settings(max_examples=6, deadline=None)
@given(st.sampled_from((100.0, 200.0, 1000.0)), st.integers(0, 999))
def test_a_clean_envelope_has_no_mark(rate: float, seed: int) -> None:
    assert marks(envelope(seed)[:: round(1000 / rate)], rate, "envelope") == []


def envelope(seed: int = 0) -> FloatArray:
    emg_TC = np.abs(emg_like(1000.0, 25.0, 8, seed))
    window = np.hanning(200) / np.hanning(200).sum()
    return np.stack([np.convolve(channel, window, "same") for channel in emg_TC.T], axis=1)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(RATES), st.sampled_from((50.0, 60.0)), st.integers(0, 7), st.floats(2.0, 100.0))
def test_hum(rate: float, mains: float, channel: int, share: float) -> None:
    emg_TC = emg_like(rate, 20.0, 8, channel)
    emg_TC[:, channel] += hum(rate, len(emg_TC), mains, share)[:, 0]
    mark = one(emg_TC, rate)
    assert (mark.kind, mark.channels, mark.detail) == ("hum", (channel,), f"{mains:g}")
    assert mark.high > 60 and f"channel {channel + 1} of S2 hums" in says(mark)


def test_hum_in_the_words_of_who_recorded_it() -> None:
    emg_TC = emg_like(1000.0)
    emg_TC[:, 2] += hum(1000.0, len(emg_TC), 50.0, 2.2)[:, 0]
    assert says(one(emg_TC)).startswith("channel 3 of S2 hums: ")
    assert "% of its power is at 50 Hz and its harmonics; prepare with --notch 50; next time" in says(one(emg_TC))


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 99), st.booleans())
def test_an_offset_that_drifts(rate: float, seed: int, drifts: bool) -> None:
    emg_TC = emg_like(rate, 20.0, 8, seed)
    rng = np.random.default_rng(seed)
    offset_C = np.linspace(-40, 38, 8)
    walk_TC = np.cumsum(rng.normal(0, 0.001, emg_TC.shape), axis=0) if drifts else 0
    mark = one(emg_TC + offset_C + walk_TC, rate)
    assert mark.kind == "offset" and len(mark.channels) == 8
    assert (
        says(mark).startswith("all 8 channels of S2 carry an offset of -4") and "to 38 mV" in says(mark)
    ) or drifts


def test_flat_and_silent_channels() -> None:
    emg_TC = emg_like(1000.0)
    emg_TC[:, [1, 4]] = (0.0, 2.5)
    mark = one(emg_TC)
    assert (mark.kind, mark.channels) == ("flat", (1, 4)) and says(mark).startswith("channels 2 and 5 of S2 have no")
    emg_TC = emg_like(1000.0)
    emg_TC[:, 3] *= 1e-3
    assert says(one(emg_TC)).startswith("channel 4 of S2 has next to no signal")
    assert one(np.zeros((20_000, 8))).kind == "silent"


def test_a_channel_that_dies_and_a_gap_of_all_channels() -> None:
    emg_TC = emg_like(1000.0)
    emg_TC[12_000:, 4] = emg_TC[12_000, 4]
    mark = one(emg_TC)
    assert (mark.kind, mark.channels) == ("dead", (4,))
    assert says(mark).startswith("channel 5 of S2 is flat for 18.0 s (from 12.0 s on)")
    emg_TC = emg_like(1000.0)
    emg_TC[3000:5000] = emg_TC[3000]
    mark = one(emg_TC)
    assert (mark.kind, mark.place) == ("held", "from 3.0 s to 5.0 s")


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 99), st.sampled_from((1.0, -0.5)))
def test_copies(rate: float, seed: int, gain: float) -> None:
    emg_TC = emg_like(rate, 20.0, 8, seed)
    emg_TC[:, 2] = gain * emg_TC[:, 1] + 5.0 * (seed % 2)
    found = [mark for mark in marks(emg_TC, rate) if mark.kind != "offset"]
    assert [(mark.kind, mark.channels) for mark in found] == [("copies" if gain > 0 else "turned", (1, 2))]
    if gain > 0:
        assert says(found[0]).startswith("channels 2 and 3 of S2 are copies of each other")


def test_hum_that_all_channels_share_makes_no_copies() -> None:
    for rate in (1000.0, 1259.259, 2148.148):
        emg_TC = emg_like(rate)
        assert {mark.kind for mark in marks(emg_TC + hum(rate, len(emg_TC), 60.0, 200.0), rate)} == {"hum"}


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 99), st.booleans())
def test_clipping(rate: float, seed: int, offset: bool) -> None:
    emg_TC = emg_like(rate, 20.0, 8, seed) + 0.1 * offset  # the ends of the range need not lie evenly round zero
    limit = 1.5 * emg_TC[:, 6].std()
    emg_TC[:, 6] = np.clip(emg_TC[:, 6], -limit, limit)
    mark = one(emg_TC, rate)
    assert mark.kind in ("clipped", "saturated") and mark.channels == (6,)


def test_loud_and_noisy() -> None:
    emg_TC = emg_like(1000.0)
    emg_TC[:, 5] *= 60
    assert (one(emg_TC).kind, one(emg_TC).channels) == ("loud", (5,))
    emg_TC = emg_like(1000.0)
    emg_TC[:, 5] += np.random.default_rng(1).normal(0, 0.3, len(emg_TC))
    assert (one(emg_TC).kind, one(emg_TC).channels) == ("noisy", (5,))


def test_a_knock_on_the_cable() -> None:
    emg_TC = emg_like(1000.0)
    emg_TC[7000:7050] += 20 * np.sin(np.arange(50))[:, None]
    mark = next(mark for mark in marks(emg_TC))
    assert mark.kind == "bursts" and mark.place == "at 7.0 s"


def test_an_envelope_called_raw_and_the_other_way_round() -> None:
    assert [mark.detail for mark in marks(envelope()) if mark.kind == "looks"] == ["envelope"]
    assert [mark.detail for mark in marks(np.abs(emg_like(1000.0))) if mark.kind == "looks"] == ["rectified"]
    assert [mark.detail for mark in marks(emg_like(1000.0), kind="envelope")] == ["raw"]
    assert "looks like an envelope and is declared raw" in says(Mark("looks", detail="envelope"))


@settings(max_examples=6, deadline=None)
@given(st.sampled_from((500.0, 1000.0)), st.integers(0, 99), st.sampled_from(("sinc", "fourier")))
def test_an_upsampled_file(rate: float, seed: int, how: str) -> None:
    from scipy.signal import resample

    few_TC = emg_like(rate, 25.0, 8, seed)
    many_TC = resample_poly(few_TC, 2, 1, axis=0) if how == "sinc" else resample(few_TC, 2 * len(few_TC), axis=0)
    mark = one(many_TC, 2 * rate)
    assert mark.kind == "empty_band" and 0.4 * rate < mark.low < 0.8 * rate


@settings(max_examples=6, deadline=None)
@given(st.sampled_from((200.0, 500.0, 1000.0)), st.integers(2, 5))
def test_samples_that_stand_several_times(rate: float, times: int) -> None:
    mark = one(np.repeat(emg_like(rate, 25.0), times, axis=0), rate * times)
    assert (mark.kind, mark.detail) == ("repeats", str(times))


def test_clock_repairs_and_notes() -> None:
    found = marks(
        emg_like(1000.0), measured_rate=1010.0, repairs=(Repair("lost samples filled", 12),), notes=("odd tide",)
    )
    assert [mark.kind for mark in found] == ["rate", "repair", "note"]
    assert says(found[0]).startswith("the clock of S2 says 1,010 Hz where 1,000 Hz are declared")
    assert says(found[1]).startswith("S2: 12 lost samples filled") and says(found[2]) == "S2: odd tide"
    assert marks(emg_like(1000.0), measured_rate=1001.0) == []


def moving(lead_s: float, rate: float = 1000.0, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """EMG whose strength follows a pose that moves ``lead_s`` later, and the pose at 100 Hz."""
    rng = np.random.default_rng(seed)
    begins, states = np.cumsum(rng.uniform(1.2, 2.0, 40)), rng.normal(size=(41, 6))

    def pose(time_T: FloatArray) -> FloatArray:
        share_KT = np.clip((time_T - begins[:, None]) / 0.35, 0, 1)
        smooth_KT = 10 * share_KT**3 - 15 * share_KT**4 + 6 * share_KT**5
        return np.asarray(states[0] + smooth_KT.T @ np.diff(states, axis=0))

    time_T = np.arange(int(60 * rate)) / rate
    drive_TC = np.exp(0.5 * pose(time_T + lead_s) @ rng.normal(size=(6, 8)))
    return rng.normal(size=drive_TC.shape) * drive_TC, pose(np.arange(6000) / 100)


def posed(lead_s: float, rate: float = 1000.0, **changes: object) -> Recording:
    emg_TC, pose_SJ = moving(lead_s, rate)
    emg_TC = changes.pop("emg_TC", emg_TC)  # type: ignore[assignment]
    device = Device(8, rate, "raw", "mV", anchor_names=tuple("abcdef"), anchor_unit="rad")
    anchor = {"device": device, "anchor_SJ": pose_SJ.astype(np.float32), "valid_S": np.ones(6000, bool)}
    return recording(emg_TC, rate, **(anchor | changes))


@pytest.mark.parametrize("rate", [250.0, 1000.0, 2000.0])
def test_the_lag_of_55_ms(rate: float) -> None:
    summary = summarise(posed(0.055, rate))
    assert summary.lag is not None and summary.lag.clear and abs(summary.lag.ms - 55) < 12
    assert summary.lag.low < summary.lag.ms < summary.lag.high and not summary.marks


def test_an_opposite_and_a_large_lag_are_odd_and_an_unclear_one_is_not_told() -> None:
    early, late = (next(iter(summarise(posed(lead)).marks)) for lead in (-0.2, 0.4))
    assert early.kind == "lag_early" and abs(early.low - 200) < 15
    assert late.kind == "lag_late" and abs(late.low - 400) < 15
    noise = summarise(posed(0.055, emg_TC=np.random.default_rng(9).normal(size=(60_000, 8)).astype(np.float32)))
    assert noise.lag is not None and not noise.lag.clear and not noise.marks


def test_pose_that_is_invalid_still_or_in_degrees() -> None:
    whole = posed(0.055)
    assert whole.anchor_SJ is not None
    kinds = {
        "no_valid": replace(whole, valid_S=np.zeros(6000, bool)),
        "invalid": replace(whole, valid_S=np.arange(6000) > 4000),
        "still": replace(whole, anchor_SJ=whole.anchor_SJ * (np.arange(6) != 2)),
        "degrees": replace(whole, anchor_SJ=whole.anchor_SJ * 57.3),
        "no_labels": replace(whole, label_T=np.full(60_000, -1, np.int16)),
        "no_gesture": replace(whole, label_T=np.zeros(60_000, np.int16)),
        "short": replace(
            whole, emg_TC=whole.emg_TC[4000:5500], label_T=whole.label_T[4000:5500],
            anchor_SJ=whole.anchor_SJ[400:550], valid_S=whole.valid_S[400:550],
        ),
    }  # fmt: skip
    for kind, changed in kinds.items():
        assert [mark.kind for mark in summarise(changed).marks] == [kind]
