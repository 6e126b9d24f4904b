"""BrainFlow's synthetic board."""

import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.sources.brainflow import PackageClock, _brainflow
from cpep.live.sources.registry import open_source
from cpep.live.sources.stamps import LossFinder
from cpep.types import UserError

DEVICE = Device(channels=16, emg_rate=250.0, emg_kind="raw", emg_unit="uV")


@pytest.fixture(autouse=True)
def board_shim():
    pytest.importorskip("brainflow.exit_codes", reason="BrainFlow is not installed")
    return _brainflow()


def read(source, samples, at=None):
    """Read so many samples; call ``at`` with their number after every chunk."""
    chunks, limit, have = [], time.monotonic() + 15, 0
    for chunk in source.chunks():
        chunks.append(chunk)
        have += len(chunk.emg_TC)
        if at:
            at(have)
        if have >= samples:
            source.close()
        assert time.monotonic() < limit, "the board never sent so much"
    return chunks


def test_the_synthetic_board_is_read_at_its_rate_without_a_loss():
    source = open_source("brainflow:synthetic", DEVICE)
    assert (source.name, source.channels, source.rate) == ("brainflow:synthetic", 16, 250.0)
    start = time.monotonic()
    chunks = read(source, 400)
    assert 1.2 < time.monotonic() - start < 2.2
    emg_TC = np.concatenate([chunk.emg_TC for chunk in chunks])
    assert emg_TC.dtype == np.float32 and (emg_TC.std(axis=0) > 0.1).all()
    assert {chunk.lost for chunk in chunks} == {0}


def test_a_session_that_breaks_is_begun_again(board_shim):
    source, broken = open_source("brainflow:synthetic", DEVICE), []

    def at(have):
        if have > 100 and not broken:
            broken.append(True)
            board_shim.BoardShim.release_all_sessions()

    start = time.monotonic()
    chunks = read(source, 250, at)
    lost = sum(chunk.lost for chunk in chunks)
    assert lost > 20
    assert lost + sum(len(chunk.emg_TC) for chunk in chunks) == pytest.approx(
        (time.monotonic() - start) * 250, abs=40
    )


@pytest.mark.parametrize("text", ["Synthetic", "-1", "synthetic,serial_port=x,ip_port=3,master_board=-1"])
def test_a_board_by_name_or_number_is_released_when_the_source_is_closed(text):
    for _ in range(2):  # a second session of a board that is still open is refused
        read(open_source(f"brainflow:{text}", DEVICE), 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cytn", "no board cytn; write its name, such as cyton"),
        ("-77", "no board -77"),
        ("synthetic,port=3", "port=3 is no parameter; BrainFlow takes serial_port"),
        ("synthetic,ip_port=x", "ip_port=x is no parameter"),
        ("synthetic,to_json=3", "to_json=3 is no parameter"),
        ("--1", "no board --1"),
        ("no", "brainflow:no is no board that samples by itself"),
        ("playback_file", "brainflow:playback_file is no board that samples by itself"),
        ("streaming,master_board=-1", "brainflow:streaming is no board"),
    ],
)
def test_what_brainflow_does_not_know_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        open_source(f"brainflow:{text}", DEVICE)


def test_another_device_and_one_that_does_not_answer_are_refused():
    with pytest.raises(UserError, match=r"trained on 8 channels .*; brainflow:synthetic has 16 channels at 250 Hz"):
        open_source("brainflow:synthetic", replace(DEVICE, channels=8))
    with pytest.raises(UserError, match="brainflow:cyton does not answer"):
        open_source("brainflow:cyton,serial_port=/dev/none", replace(DEVICE, channels=8))


def test_microvolts_of_a_board_are_converted_and_counts_refused():
    first = read(open_source("brainflow:synthetic", DEVICE), 20)
    millivolts = read(open_source("brainflow:synthetic", replace(DEVICE, emg_unit="mV")), 20)
    small, large = (np.concatenate([chunk.emg_TC for chunk in chunks]).std() for chunks in (millivolts, first))
    assert small < large / 100
    with pytest.raises(UserError, match="trained with EMG in count; brainflow:synthetic has EMG in uV"):
        open_source("brainflow:synthetic", replace(DEVICE, emg_unit="count"))


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "brainflow", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[brainflow\]"'):
        open_source("brainflow:synthetic", DEVICE)


def test_package_numbers_that_count_samples_tell_every_loss():
    """However late the stamps are: 60 ms of jitter, 1 and 200 samples lost, numbers that begin anew after 255."""
    number_T = np.r_[7:500, 501:900, 1100:1500]
    stamp_T = 1e9 + number_T / 250 + np.random.default_rng(0).uniform(0, 0.06, len(number_T))
    clock, finder, found = PackageClock(250), LossFinder(250, 1), []
    for part in np.array_split(np.arange(len(number_T)), 300):
        time_T = clock.times(number_T[part].astype(float) % 256, stamp_T[part])
        found += [chunk.lost for chunk in finder.add(np.zeros((len(part), 1), np.float32), time_T) if chunk.lost]
    assert clock.counting and found == [1, 200]


def test_package_numbers_that_count_something_else_are_passed_over():
    number_T, stamp_T = np.repeat(np.arange(20.0), 2), 1e9 + np.arange(40) / 250
    clock = PackageClock(250)
    assert all(
        np.array_equal(clock.times(number_T[k : k + 4], stamp_T[k : k + 4]), stamp_T[k : k + 4])
        for k in range(0, 40, 4)
    )
    assert not clock.counting
