import dataclasses

import numpy as np
import pytest
import torch

from cpep.config.schema import DataConfig
from cpep.data.normalise import Normaliser, power_rows
from cpep.data.recording import Device, Recording
from cpep.data.resample import frame_ratio
from cpep.data.sampler import Batches
from cpep.data.statistics import CentreSpread, LoudLevel
from cpep.data.store.frames import to_frames
from cpep.data.store.prepare import prepare
from cpep.data.windows import AnchorReader, SampleReader, anchor_at, list_windows, touches, windows_of
from cpep.types import UNKNOWN, UserError
from tests.models.regressors import MODELS, build
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


@pytest.fixture(scope="module")
def windows(store):
    return list_windows(store, 2.0, 0.25)


def test_labels_and_validity_equal_a_slow_look_at_every_frame(store, windows):
    for i in range(0, len(windows), 7):
        frames = slice(windows.start_N[i], windows.start_N[i] + windows.frames)
        labels = set(store.label_M[frames].tolist())
        assert windows.label_N[i] == (labels.pop() if len(labels) == 1 else UNKNOWN)
        assert windows.valid_N[i] == bool(store.valid_M[frames].all())


def test_windows_stay_within_one_recording(store, windows):
    ends = store.entry_of_frame(windows.start_N + windows.frames - 1)
    assert (store.entry_of_frame(windows.start_N) == windows.entry_N).all()
    assert (ends == windows.entry_N).all()
    for index, entry in enumerate(store.entries):
        assert (windows.entry_N == index).sum() == (entry.frames - 200) // 25 + 1


def test_touches_equals_a_slow_look(store, windows):
    found = touches(store, windows, (3, 7), 0.5)
    for i in range(0, len(windows), 5):
        entry = store.entries[windows.entry_N[i]]
        low = max(windows.start_N[i] - 50, entry.start)
        high = min(windows.start_N[i] + windows.frames + 50, entry.start + entry.frames)
        near = np.concatenate([store.label_M[low:high], store.prompt_M[low:high]])
        assert found[i] == bool(np.isin(near, (3, 7)).any())


def test_a_prompt_counts_where_the_label_is_rest(store, windows):
    """The synthetic prompts begin before and last beyond the labels, as on DB1."""
    by_label = np.array(
        [np.isin(store.label_M[s : s + windows.frames], (3,)).any() for s in windows.start_N], dtype=bool
    )
    assert (touches(store, windows, (3,), 0.0) & ~by_label).any()


def test_a_window_of_no_frame_or_longer_than_all_recordings_is_a_sentence(store):
    with pytest.raises(UserError, match="no recording is as long"):
        list_windows(store, 1e5, 0.25)
    with pytest.raises(UserError, match="at least one frame"):
        list_windows(store, 2.0, 0.001)


def test_batches_are_a_function_of_seed_and_step(store, windows):
    users = windows.users(store)
    one, other = (Batches(windows, users, 32, seed=5) for _ in range(2))
    assert all((one.at(step) == other.at(step)).all() for step in (0, 3, 1))
    assert not np.array_equal(one.at(0), one.at(1))
    assert not np.array_equal(one.at(0), Batches(windows, users, 32, seed=6).at(0))


def test_a_batch_that_is_drawn_ahead_is_that_of_its_step(store, windows):
    one, other = (Batches(windows, windows.users(store), 32, seed=5) for _ in range(2))
    for step in range(4):
        assert np.array_equal(one.at(step), other.at(step))
        assert np.array_equal(one.ahead(step + 1), other.at(step + 1))
    assert np.array_equal(one.at(2), other.at(2)), "a step that is taken again"


def test_no_two_windows_of_a_batch_overlap(store, windows):
    batches = Batches(windows, windows.users(store), 64, seed=0)
    for step in range(20):
        starts = np.sort(windows.start_N[batches.at(step)])
        assert (np.diff(starts) >= windows.frames).all()


def test_batches_balance_users_even_when_one_has_far_more(store, windows):
    first = np.array([entry.start for entry in store.entries])[windows.entry_N]
    few = windows.select((windows.entry_N == 0) | (windows.start_N - first < 1500))
    batches = Batches(few, few.users(store), 16, seed=0)
    counts = np.zeros(4)
    for step in range(40):
        counts += np.bincount(few.entry_N[batches.at(step)], minlength=4)
    assert counts.max() / counts.min() < 1.3


@pytest.mark.parametrize("people", [1, 2])
def test_batches_of_few_people_take_turns(store, windows, people):
    users = windows.users(store)
    batches = Batches(windows, users, 16, seed=0, people=people)
    seen = [set(users[batches.at(step)].tolist()) for step in range(40)]
    assert {len(group) for group in seen} == {people}
    assert set().union(*seen) == set(users.tolist())


def test_the_reader_returns_the_samples_over_the_level_of_the_recording(store, windows):
    read = SampleReader(
        store, windows.frames, Normaliser(power_rows(store), "recording", CentreSpread(np.zeros(10), np.ones(10)))
    )
    some = windows.select(np.array([0, 17, len(windows) - 1]))
    emg = read(some)
    for row, start, index in zip(emg, some.start_N, some.entry_N, strict=True):
        entry = store.entries[index]
        power = store.power_KC[entry.power_start : entry.power_start + entry.power_blocks]
        expected = store.emg_TC[start : start + 200] / LoudLevel().of(power).spread_F
        assert torch.allclose(row, torch.from_numpy(expected.astype(np.float32)), atol=1e-5)


def test_reading_leaves_the_store_as_it_was(store, windows):
    before = np.array(store.emg_TC)
    SampleReader(
        store, windows.frames, Normaliser(power_rows(store), "recording", CentreSpread(np.zeros(10), np.ones(10)))
    )(windows)
    AnchorReader(store, windows.frames)(windows)
    assert np.array_equal(before, store.emg_TC)


def test_pose_is_read_later_by_the_lag(store):
    lagged = list_windows(store, 2.0, 0.25, lag_frames=5)
    read, some = AnchorReader(store, 200), lagged.select(np.arange(3))
    now = dataclasses.replace(some, lag_frames=0)
    assert torch.allclose(read(some)[:, :-5], read(now)[:, 5:])
    assert some.start_N.tolist() == now.start_N.tolist()


def test_the_lag_of_a_run_is_in_its_windows(store):
    late, none = (windows_of(store, DataConfig(pose_lag_ms=lag)) for lag in (55.0, 0.0))
    assert late.lag_frames == 6 and none.lag_frames == 0
    ends = np.array([entry.start + entry.frames for entry in store.entries])
    assert (late.start_N + 200 + 6 <= ends[late.entry_N]).all()


def test_pose_at_the_starts_of_frames_is_the_pose_itself():
    pose = torch.randn(2, 5, 3)
    assert torch.allclose(anchor_at(pose, torch.arange(5) / 100, 100.0), pose, atol=1e-5)


def test_pose_between_two_frames_lies_between_them_and_in_the_last_one_goes_on():
    pose = torch.tensor([0.0, 1.0, 4.0])[None, :, None]
    found = anchor_at(pose, torch.tensor([0.0, 0.005, 0.0175, 0.02, 0.025, 0.03]), 100.0)
    assert found[0, :, 0].tolist() == pytest.approx([0.0, 0.5, 3.25, 4.0, 5.5, 7.0], abs=1e-5)


def timed(rate, pose_rate, seconds=4.0):
    """Return the frames of a recording whose pose is the time at which it was measured."""
    device = Device(1, rate, "raw", "V", anchor_names=("time",), anchor_unit="rad")
    samples, poses = int(seconds * rate), int(seconds * pose_rate) + 2
    pose = (np.arange(poses) / pose_rate).astype(np.float32)[:, None]
    silence, rest = np.zeros((samples, 1), np.float32), np.zeros(samples, np.int64)
    return to_frames(
        Recording(
            "a", "u", "s", "t", "right", device, silence, pose, pose_rate, np.ones(poses, bool), rest, ("rest",)
        )
    )


@pytest.mark.parametrize("pose_rate", [60.0, 100.0, 333.0])
@pytest.mark.parametrize("rate", [100.0, 250.0, 977.0, 1111.0, 1925.925, 2000.0])
def test_the_pose_at_a_time_is_that_measured_at_that_time(rate, pose_rate):
    frame_rate = rate / frame_ratio(rate)
    made = torch.from_numpy(timed(rate, pose_rate).anchor_MJ)
    for first, frames in ((0, 7), (131, 100), (len(made) - 60, 60)):
        window_s = frames / frame_rate
        asked = torch.cat([torch.linspace(0, window_s, 173), window_s - torch.tensor([0.5, 1.0, 1.5]) / frame_rate])
        found = anchor_at(made[None, first : first + frames], asked, frame_rate)[0, :, 0]
        assert torch.allclose(found, first / frame_rate + asked, atol=2e-5)


@pytest.mark.parametrize("rate", [100.0, 250.0, 1000.0, 2000.0])
@pytest.mark.parametrize("make", MODELS)
def test_a_regression_is_taught_the_pose_of_the_times_that_it_says(make, rate):
    frame_rate, samples = rate / frame_ratio(rate), round(2 * rate)
    model = build(make, channels=4, rate=rate, samples=samples)
    made = torch.from_numpy(timed(rate, 100.0).anchor_MJ)[None, : round(2 * frame_rate)]
    assert torch.allclose(anchor_at(made, model.times_S, frame_rate)[0, :, 0], model.times_S, atol=2e-5)


def test_the_pose_of_a_single_frame_holds_throughout():
    assert anchor_at(torch.full((1, 1, 2), 3.0), torch.tensor([0.0, 0.01]), 100.0).eq(3).all()
