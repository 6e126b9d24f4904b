"""Recordings with a clock or a counter: samples keep their values, and lie where the device took them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data.samples import write_generic

BASIC: dict[str, object] = {"rate": 200, "kind": "raw", "unit": "count", "user": "ann"}
CLOCK = {"emg": {"field": "emg", "clock": {"field": "t", "unit": "s"}}}


def parts_of(folder: Path, sidecar: dict[str, object], **arrays: np.ndarray) -> tuple[Recording, ...]:
    write_generic(folder, BASIC | sidecar, **arrays)
    (source,) = find_recordings(folder)
    return source.parts()


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, 2)).astype(np.float32)


def repairs(part: Recording) -> dict[str, int]:
    return {repair.what: repair.count for repair in part.repairs}


def test_two_samples_under_each_stamp_are_not_averaged(tmp_path: Path) -> None:
    """A Myo: 100 packets a second with two samples each, stamped in microseconds."""
    emg, time = noise(2700), 1530437403075359 + np.arange(2700) // 2 * 10_000
    sidecar = {"emg": {"field": "emg", "clock": {"field": "t", "unit": "us"}}}
    (part,) = parts_of(tmp_path, sidecar, emg=emg, t=time)
    np.testing.assert_array_equal(part.emg_TC, emg)
    assert part.repairs == () and part.notes == () and part.measured_rate == pytest.approx(200)


def test_packets_that_are_stamped_as_they_arrive_are_not_interpolated(tmp_path: Path) -> None:
    """9 samples 10 us apart, then nothing for 36 ms; every 50th packet is lost, in all 2 % of the samples."""
    number = np.arange(9000)
    time = (number // 9 * 9 + 8) / 250 + number % 9 * 1e-5
    emg = noise(9000)
    (part,) = parts_of(tmp_path / "whole", CLOCK | {"rate": 250}, emg=emg, t=time)
    np.testing.assert_array_equal(part.emg_TC, emg)
    keep = number // 9 % 50 != 30
    parts = parts_of(tmp_path / "lost", CLOCK | {"rate": 250}, emg=emg[keep], t=time[keep])
    assert len(parts) == 21 and sum(len(part.emg_TC) for part in parts) == keep.sum()
    np.testing.assert_array_equal(np.concatenate([part.emg_TC for part in parts]), emg[keep])


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from([10.0, 50.0, 100.0, 200.0, 250.0, 1000.0, 2000.0, 4000.0]),
    size=st.sampled_from([1, 2, 5, 12]),
    drift=st.sampled_from([0.0, 3e-3, -3e-3]),
    jump_s=st.sampled_from([0.0, 0.0, -5.0, 5.0, 3600.0, -3600.0]),
    ragged=st.booleans(),
)
def test_samples_keep_values_and_order(
    tmp_path_factory: pytest.TempPathFactory, rate: float, size: int, drift: float, jump_s: float, ragged: bool
) -> None:
    samples = int(np.clip(rate * 30, 400, 8000))
    number, place = np.arange(samples), samples // 2 // size * size
    time = (number // size * size + size - 1) / (rate * (1 + drift)) + jump_s * (number >= place)
    if ragged:
        time += np.random.default_rng(1).uniform(0, 0.3 / rate, samples)
    emg = noise(samples)
    found = parts_of(tmp_path_factory.mktemp("a"), CLOCK | {"rate": rate}, emg=emg, t=1.7e9 + time)
    assert [len(part.emg_TC) for part in found] == ([place, samples - place] if jump_s else [samples])
    np.testing.assert_array_equal(np.concatenate([part.emg_TC for part in found]), emg)
    assert found[0].measured_rate == pytest.approx(rate * (1 + drift), rel=4e-3)
    assert all("jump" in "".join(repairs(part)) for part in found[1:])


def test_short_holes_are_filled_and_counted_and_no_anchor_is_valid_in_them(tmp_path: Path) -> None:
    number = np.r_[0:1000, 1003:2000]
    ramp = np.stack([number, -number], axis=1).astype(np.float32)
    pose = {"field": "pose", "unit": "ratio", "rate": 100, "clock": {"field": "p", "unit": "s"}}
    frames = np.arange(1000) / 100
    label = {"field": "g", "names": {"1": "fist"}}
    (part,) = parts_of(
        tmp_path,
        CLOCK | {"pose": pose, "label": label},
        emg=ramp,
        t=number / 200,
        p=frames,
        pose=frames[:, None],
        g=(number < 1000).astype(int),
    )
    np.testing.assert_allclose(part.emg_TC[:, 0], np.arange(2000))
    assert repairs(part) == {"lost samples filled by interpolation in holes of at most 20 ms": 3}
    assert np.flatnonzero(~part.valid_S).tolist() == [500, 501]
    assert part.label_T.tolist() == [1] * 1003 + [-1] * 997


def test_another_rate_is_resampled_and_counted(tmp_path: Path) -> None:
    time = np.arange(4000) / 193.0
    tone = np.sin(2 * np.pi * 20 * time)[:, None]
    (part,) = parts_of(tmp_path, CLOCK, emg=tone, t=time)
    inner = np.arange(200, len(part.emg_TC) - 200)
    np.testing.assert_allclose(part.emg_TC[inner, 0], np.sin(2 * np.pi * 20 * inner / 200), atol=2e-3)
    assert part.measured_rate == pytest.approx(193) and part.seconds == pytest.approx(4000 / 193, abs=0.01)
    assert repairs(part) == {"samples resampled from 193 Hz by their clock to the declared 200 Hz": 4000}
    assert "by its clock it has 193 samples a second, and its sidecar asks for 200" in part.notes[0]


def test_the_anchor_follows_the_clock_of_a_device_that_is_slow(tmp_path: Path) -> None:
    """Of 0.3 % in 100 s, which would be 0.3 s at the end."""
    time, frames = 7 + np.arange(20_000) / 199.4, np.arange(0, 120, 1 / 30)
    pose = {"field": "pose", "unit": "ratio", "rate": 30, "clock": {"field": "p", "unit": "s"}}
    (part,) = parts_of(tmp_path, CLOCK | {"pose": pose}, emg=noise(20_000), t=time, p=frames, pose=frames[:, None])
    assert part.anchor_SJ is not None and part.valid_S.all()
    np.testing.assert_allclose(part.anchor_SJ[:, 0], 7 + np.arange(len(part.anchor_SJ)) / 30 * 200 / 199.4, atol=1e-3)


def test_files_that_were_joined_are_parts_each_with_its_own_anchor(tmp_path: Path) -> None:
    time = np.r_[np.arange(1000), np.arange(1400)] / 200
    frames = np.r_[np.arange(500), np.arange(700)] / 100
    value = np.r_[np.full(500, 1.0), np.full(700, 2.0)][:, None]
    pose = {"field": "pose", "unit": "ratio", "rate": 100, "clock": {"field": "p", "unit": "s"}}
    arrays = {"emg": noise(2400), "t": time, "p": frames, "pose": value}
    one, two = parts_of(tmp_path, CLOCK | {"pose": pose}, **arrays)
    assert (one.name, two.name, len(one.emg_TC), len(two.emg_TC)) == ("a~1", "a~2", 1000, 1400)
    assert one.anchor_SJ is not None and (one.anchor_SJ == 1).all() and one.valid_S.all()
    assert two.anchor_SJ is not None and (two.anchor_SJ == 2).all() and two.valid_S.mean() > 0.99
    assert "it is cut at row 1000, where its clock jumps back by 5 s" in two.notes[0]
    with pytest.raises(UserError, match="the clock 'p' jumps back 1 times, at row 500 first, and that of the EMG 0"):
        parts_of(tmp_path, CLOCK | {"pose": pose}, **arrays | {"t": np.arange(2400) / 200})


def test_rows_that_were_mixed_up_are_not_sorted(tmp_path: Path) -> None:
    order = np.r_[0:400, 500:600, 400:500, 600:1500]
    emg = noise(1500)
    parts = parts_of(tmp_path, CLOCK, emg=emg[order], t=order / 200)
    assert [len(part.emg_TC) for part in parts] == [400, 100, 100, 900]
    assert "jumps back by 1 s; cpep keeps rows in the order of the file, so sort" in parts[2].notes[0]
    shuffled = np.random.default_rng(0).permutation(1500)
    with pytest.raises(UserError, match=r"far from the declared|no part is as long as a frame"):
        parts_of(tmp_path, CLOCK, emg=emg, t=shuffled / 2.0)


def test_parts_that_are_shorter_than_a_frame_are_left_out_and_counted(tmp_path: Path) -> None:
    time = np.arange(1000) / 200
    time[500] = 0
    one, two = parts_of(tmp_path, CLOCK, emg=noise(1000), t=time)
    assert (len(one.emg_TC), len(two.emg_TC)) == (500, 499)
    assert repairs(one) == {"rows left out, between jumps of the clock that are less than a frame apart": 1}


@pytest.mark.parametrize("clocked", [True, False])
def test_a_counter_tells_lost_packets(tmp_path: Path, clocked: bool) -> None:
    number = np.delete(np.arange(1200), np.r_[10:14, 600:602, 1000:1100])
    ramp = number[:, None].astype(np.float32)
    sidecar = {"emg": CLOCK["emg"] if clocked else {"field": "emg"}, "counter": {"field": "n"}}
    jitter = np.random.default_rng(0).uniform(0, 0.05, len(number))
    one, two = parts_of(tmp_path, sidecar, emg=ramp, n=number // 2 % 101, t=number / 200 + jitter)
    np.testing.assert_allclose(one.emg_TC[:, 0], np.arange(1000))
    np.testing.assert_allclose(two.emg_TC[:, 0], np.arange(1100, 1200))
    assert repairs(one) == {"lost samples filled by interpolation in holes of at most 20 ms": 6}


@pytest.mark.parametrize(
    ("arrays", "sidecar", "said"),
    [
        ({"t": np.zeros(500)}, CLOCK, "the clock 't' stands still"),
        ({"t": np.arange(500) / 0.2}, CLOCK, "it has 0.2 samples a second, .* rate of 200; check the clock's unit"),
        ({"t": np.where(np.arange(500) == 7, np.nan, np.arange(500))}, CLOCK, "the time of row 7 is missing"),
        ({"n": np.zeros(500)}, {"counter": {"field": "n"}}, "'n' counts neither samples nor packets"),
        ({"n": np.ones(499)}, {"counter": {"field": "n"}}, "'n' has 499 rows"),
        ({"n": np.ones(500)}, {"counter": {}}, "'counter.field' is missing"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], sidecar: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        parts_of(tmp_path, {"emg": {"field": "emg"}} | sidecar, emg=noise(500), **arrays)


@pytest.mark.parametrize(
    "write",
    [
        lambda second: f"2024-05-01 23:59:{second:06.3f}",
        lambda second: f"2024-05-01T23:59:{second:06.3f}Z",
        lambda second: f"2024-05-01T23:59:{second:06.3f}+02:00",
        lambda second: f"9:59:{second:06.3f}",
        lambda second: f"{second:.3f}",
    ],
)
def test_times_may_be_dates(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    (part,) = parts_of(tmp_path, CLOCK, emg=noise(1000), t=np.array([write(k / 200) for k in range(1000)]))
    np.testing.assert_array_equal(part.emg_TC, noise(1000))
    assert part.measured_rate == pytest.approx(200)


def test_another_way_to_write_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'t' holds '01/05/2024 12:00', which is no time .* dates as 2024-05-01T12"):
        parts_of(tmp_path, CLOCK, emg=noise(500), t=np.array(["01/05/2024 12:00"] * 500))


def test_a_clock_that_is_set_forward_is_no_loss_where_numbers_go_on(tmp_path: Path) -> None:
    emg, number = noise(2000), np.arange(2000)
    set_T, lost_T = number / 200 + 60.0 * (number >= 1000), (number + 12000 * (number >= 1000)).astype(float)
    counted = CLOCK | {"counter": {"field": "n"}}
    for name, sidecar, n, words in (
        (
            "set",
            counted,
            number,
            "by 60 s and its numbers go on: no sample is missing, as the clock was set",
        ),
        ("lost", counted, lost_T, "nothing was recorded for 60 s by its clock"),
        ("unknown", CLOCK, number, "nothing was recorded for 60 s by its clock, unless the clock was set there"),
    ):
        first, second = parts_of(tmp_path / name, sidecar, emg=emg, t=set_T, n=n)
        assert (len(first.emg_TC), len(second.emg_TC), first.notes) == (1000, 1000, ())
        assert second.notes[0].endswith(words)
