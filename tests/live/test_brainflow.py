"""BrainFlow's synthetic board."""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.sources.boards import Board
from cpep.live.sources.brainflow import package
from cpep.live.sources.fit import fitted
from cpep.live.sources.registry import open_source
from cpep.types import UserError

DEVICE = Device(channels=16, emg_rate=250.0, emg_kind="raw", emg_unit="uV")


@pytest.fixture(autouse=True)
def board_shim():
    pytest.importorskip("brainflow.exit_codes", reason="BrainFlow is not installed")
    return package().shim


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
    source = open_source("brainflow:synthetic")
    assert (source.name, source.device) == ("brainflow:synthetic", DEVICE)
    start = time.monotonic()
    chunks = read(source, 400)
    assert 1.2 < time.monotonic() - start < 2.2
    emg_TC = np.concatenate([chunk.emg_TC for chunk in chunks])
    assert emg_TC.dtype == np.float32 and (emg_TC.std(axis=0) > 0.1).all()
    assert {chunk.lost for chunk in chunks} == {0}


def test_a_session_that_breaks_is_begun_again(board_shim):
    source, broken = open_source("brainflow:synthetic"), []

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
        read(open_source(f"brainflow:{text}"), 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cytn", "no board cytn; write its name, such as cyton"),
        ("-77", "no board -77"),
        ("synthetic,port=3", "port=3 is no parameter; BrainFlow takes serial_port"),
        ("synthetic,ip_port=x", "ip_port=x is no parameter"),
        ("synthetic,to_json=3", "to_json=3 is no parameter"),
        ("--1", "no board --1"),
        ("no", "brainflow:no is no board that samples EMG by itself"),
        ("playback_file", "brainflow:playback_file is no board that samples EMG by itself"),
        ("streaming,master_board=-1", "brainflow:streaming is no board"),
    ],
)
def test_what_brainflow_does_not_know_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        open_source(f"brainflow:{text}")


def test_another_device_and_one_that_does_not_answer_are_refused():
    with pytest.raises(
        UserError, match=r"trained on 8 channels .*; brainflow:synthetic has 16 channels of raw EMG at 250 Hz"
    ):
        fitted(open_source("brainflow:synthetic"), replace(DEVICE, channels=8))
    with pytest.raises(UserError, match="brainflow:cyton does not answer"):
        open_source("brainflow:cyton,serial_port=/dev/none")


def test_microvolts_of_a_board_are_converted_and_counts_refused():
    first = read(open_source("brainflow:synthetic"), 20)
    millivolts = read(fitted(open_source("brainflow:synthetic"), replace(DEVICE, emg_unit="mV")), 20)
    small, large = (np.concatenate([chunk.emg_TC for chunk in chunks]).std() for chunks in (millivolts, first))
    assert small < large / 100
    with pytest.raises(UserError, match="trained with EMG in count; brainflow:synthetic has EMG in uV"):
        fitted(open_source("brainflow:synthetic"), replace(DEVICE, emg_unit="count"))


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "brainflow", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[brainflow\]"'):
        open_source("brainflow:synthetic")


class Shim:
    """A board of 250 Hz whose reads come in bursts of 20 ms, and which loses a tenth of its packages."""

    def __init__(self, *_):
        self.sent, self.rng = 0, np.random.default_rng(3)

    def get_board_data(self):
        number_T = self.sent + np.arange(self.rng.integers(3, 8))
        self.sent += len(number_T)
        number_T = number_T[self.rng.random(len(number_T)) > 0.1]
        stamp_T = 1e9 + np.ceil(number_T / 250 / 0.02) * 0.02
        return np.stack([number_T % 201, number_T, 0 * number_T, stamp_T]).astype(float)

    prepare_session = start_stream = release_session = lambda *_: None
    get_package_num_channel = staticmethod(lambda board: 0)
    get_timestamp_channel = staticmethod(lambda board: 3)
    get_sampling_rate = staticmethod(lambda board: 250)


def test_a_board_that_loses_a_tenth_tells_every_loss_at_its_place(monkeypatch):
    """From the first second on; numbers begin anew after 200, where a Ganglion does."""
    monkeypatch.setattr("cpep.live.sources.boards.time.sleep", lambda seconds: None)
    board = Board(SimpleNamespace(shim=SimpleNamespace(BoardShim=Shim), error=OSError), 0, None, [1, 2])
    clock = first = None
    for _ in range(1500):
        for chunk in board.read():
            first = float(chunk.emg_TC[0, 0]) if clock is None else first
            clock = first if clock is None else clock + chunk.lost
            np.testing.assert_array_equal(chunk.emg_TC[:, 0], clock + np.arange(len(chunk.emg_TC)))
            clock += len(chunk.emg_TC)
    assert clock > 7000
