"""What a user can write as a source; recordings at a pace."""

import time
from dataclasses import replace
from itertools import groupby
from threading import Event, Timer

import numpy as np
import pytest

from cpep.data.readers.emg2pose import DEVICE, read_recording, write_recording
from cpep.data.recording import Device
from cpep.live.sources.clock import PlaybackClock
from cpep.live.sources.fit import Fitted, fitted
from cpep.live.sources.registry import forms, open_source
from cpep.live.sources.replay import Replay, emg_of_person
from cpep.types import UserError
from tests.data.samples import emg2pose_like, write_generic

SMALL = Device(channels=4, emg_rate=200.0, emg_kind="raw", emg_unit="uV")


@pytest.fixture
def folder(tmp_path):
    """Two recordings of one person, one of another, and a left-handed one."""
    mirror = tuple(-channel % 16 for channel in range(16))
    for name, user, changes in (
        ("a", "ann", {}),
        ("b", "bob", {}),
        ("c", "ann", {"side": "left", "mirror": mirror}),
    ):
        recording = emg2pose_like(name, samples=1010, seed=len(name + user), user=user, **changes)
        write_recording(tmp_path / f"{name}.hdf5", recording, start=1e9, simulated=True)
    return tmp_path


def test_replay_plays_every_sample_of_one_person_with_a_gap_between_files(folder):
    source = open_source(f"replay:{folder}", 0)
    chunks = list(source.chunks())
    first, second = read_recording(folder / "a.hdf5"), read_recording(folder / "c.hdf5")
    wanted_TC = np.concatenate([first.emg_TC, second.emg_TC[:, second.mirror]])
    np.testing.assert_array_equal(np.concatenate([chunk.emg_TC for chunk in chunks]), wanted_TC)
    begun = [index for index, chunk in enumerate(chunks) if chunk.lost]
    assert [chunks[index].lost for index in begun] == [2000]
    ends = np.minimum(np.arange(40, 1050, 40), 1010) - 1  # every 20 ms
    names = [first.vocabulary[label] if label >= 0 else "" for label in first.label_T[ends]]
    assert [chunk.made for chunk in chunks[: begun[0]] for _ in range(0, len(chunk.emg_TC), 40)] == names
    assert [chunk.made for chunk in chunks[: begun[0]]] == [name for name, _ in groupby(names)] != names
    assert {"", "rest"} < set(names)


def test_replay_in_time_hands_out_what_is_due(folder):
    source = Replay(folder / "a.hdf5", speed=50.0)
    chunks = source.chunks()
    assert len(next(chunks).emg_TC) == 40
    time.sleep(0.02)  # so that all is due
    recording = read_recording(folder / "a.hdf5")
    rest = list(chunks)
    assert sum(len(chunk.emg_TC) for chunk in rest) == 970
    ends = np.minimum(np.arange(80, 1050, 40), 1010) - 1
    assert len(rest) == 1 + np.count_nonzero(np.diff(recording.label_T[ends]))


def test_replay_of_a_named_person_and_of_one_file(folder):
    wanted_TC = read_recording(folder / "b.hdf5").emg_TC
    for source in (
        Replay(folder, 0, "bob"),
        Replay(folder / "b.hdf5", 0),
        open_source(f"replay:{folder},user=bob", 0),
    ):
        np.testing.assert_array_equal(np.concatenate([chunk.emg_TC for chunk in source.chunks()]), wanted_TC)
    with pytest.raises(UserError, match="no recording of eve"):
        open_source(f"replay:{folder},user=eve")


def test_replay_of_any_layout(tmp_path):
    emg_TC = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    sidecar = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "u"}
    path = write_generic(tmp_path, sidecar, emg=emg_TC)
    chunks = list(open_source(f"replay:{path}", 0).chunks())
    np.testing.assert_array_equal(np.concatenate([chunk.emg_TC for chunk in chunks]), emg_TC)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (SMALL, r"4 channels of raw EMG at 200 Hz in uV; replay:.* has 16 channels of raw EMG at 2000 Hz"),
        (replace(DEVICE, emg_kind="envelope"), "envelope EMG .* raw EMG"),
    ],
)
def test_another_device_is_refused(folder, device, said):
    with pytest.raises(UserError, match=said):
        fitted(open_source(f"replay:{folder}"), device)
    with pytest.raises(UserError, match=said.replace("replay:.*", "sim:0")):
        fitted(open_source("sim"), device)


def test_another_unit_is_refused_where_both_are_known(folder):
    microvolts = replace(DEVICE, emg_unit="uV")
    for source in (f"replay:{folder}", "sim"):
        with pytest.raises(UserError, match=r"EMG in uV; .* has EMG in noise_sd; convert to uV"):
            fitted(open_source(source), microvolts)
    with pytest.raises(UserError, match="EMG in uV"):
        emg_of_person(folder, microvolts)
    source = open_source("sim")
    assert fitted(source, replace(DEVICE, emg_unit="")) is source
    source.device = replace(microvolts, emg_rate=1999.9999)  # a rate that differs in the eighth digit
    assert fitted(source, microvolts).device == microvolts
    source.device = replace(DEVICE, emg_unit="")
    assert not isinstance(fitted(source, microvolts), Fitted)


@pytest.mark.parametrize(
    "text", ["", "sim:x", "sim:", "replay:", "lsl:", "brainflow:", "serial:/dev/tty", "/data/a.hdf5"]
)
def test_a_wrong_text_is_told_what_can_be_written(text):
    with pytest.raises(UserError) as error:
        open_source(text)
    assert all(form in str(error.value) for form in forms())


@pytest.mark.parametrize("text", ["lsl:x", "brainflow:synthetic"])
def test_a_device_has_a_pace_of_its_own(text):
    with pytest.raises(UserError, match="pace of its own"):
        open_source(text, 2.0)


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_senseless_speed_is_refused(folder, speed):
    with pytest.raises(UserError, match="--speed"):
        open_source(f"replay:{folder}", speed)


class Clock:
    """Time that passes when somebody waits or works."""

    def __init__(self, monkeypatch):
        self.now, self.waits = 100.0, []
        monkeypatch.setattr("cpep.live.sources.clock.time.monotonic", lambda: self.now)

    def is_set(self):
        return False

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds + (0.0007 if seconds else 0)  # every sleep is a little too long
        return False


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 10.0), (4.0, 2.5)])
def test_pace_does_not_drift_although_sleeps_are_late(monkeypatch, speed, seconds):
    clock = Clock(monkeypatch)
    pace = PlaybackClock(2000.0, speed, clock)
    for _ in pace.deal(np.zeros((20_000, 2), np.float32), np.zeros(20_000, int), ("rest",)):
        clock.now += 0.001  # work of whoever reads
    assert clock.now - 100 == pytest.approx(seconds, abs=0.002)


def test_pace_makes_up_for_a_reader_who_was_late(monkeypatch):
    clock = Clock(monkeypatch)
    chunks = PlaybackClock(2000.0, 1.0, clock).deal(np.zeros((4000, 1), np.float32), np.zeros(4000, int), ("rest",))
    next(chunks)
    clock.now += 0.5
    rest = list(chunks)
    assert len(rest) == 99 and clock.waits[1:20] == [0] * 19
    assert clock.now - 100 == pytest.approx(2.0, abs=0.002)


def test_real_time_is_real(folder):
    replay = Replay(folder / "a.hdf5")
    start = time.monotonic()
    chunks = list(replay.chunks())
    assert len(chunks) == 26 and time.monotonic() - start == pytest.approx(0.505, abs=0.1)


def test_close_ends_a_wait_at_once(folder):
    source = Replay(folder, speed=0.01)
    Timer(0.1, source.close).start()
    start = time.monotonic()
    assert list(source.chunks()) == [] and time.monotonic() - start < 1


def test_close_ends_what_does_not_wait(folder):
    source = Replay(folder, 0)
    chunks = source.chunks()
    next(chunks)
    source.close()
    assert list(chunks) == []
    assert (
        list(PlaybackClock(2000.0, 0, Event()).deal(np.zeros((0, 2), np.float32), np.zeros(0, int), ("rest",))) == []
    )
