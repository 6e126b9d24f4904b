"""Armbands of MindRove, by a board that its package simulates and by a package that is not there."""

import sys
import time
from enum import IntEnum
from types import ModuleType

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.sources.registry import open_source
from cpep.types import UserError

ROWS = {"package_num": 26, "timestamp": 27}
"""Of `mindrove` 5.3: the description of its Wi-Fi armband, in short."""


class MindRoveError(Exception):
    """As in ``mindrove.exit_codes``."""


class BoardIds(IntEnum):
    """As in ``mindrove.board_shim``."""

    NO_BOARD = -100
    SYNTHETIC_BOARD = -1
    MINDROVE_WIFI_BOARD = 0
    MINDROVE_SYNCBOX_BOARD = 1


class MindRoveInputParams:
    """As in ``mindrove.board_shim``, in short."""

    def __init__(self):
        self.ip_address, self.ip_port, self.timeout = "", 0, 0


class BoardShim:
    """Speaks as the class of ``mindrove.board_shim`` does; an armband that is on sends 500 samples a second."""

    on, asked = True, None

    def __init__(self, board_id, parameters):
        BoardShim.asked = (board_id, parameters.ip_address)
        self.sent, self.began = 0, time.time()

    @classmethod
    def get_board_descr(cls, board_id):
        if board_id == BoardIds.NO_BOARD:
            raise MindRoveError("unable to request info about this board")
        return {"emg_channels": list(range(8)), "sampling_rate": 500, "name": "MindRoveWifi"}

    get_package_num_channel = classmethod(lambda cls, board_id: ROWS["package_num"])
    get_timestamp_channel = classmethod(lambda cls, board_id: ROWS["timestamp"])
    get_sampling_rate = classmethod(lambda cls, board_id: 500)
    disable_board_logger = classmethod(lambda cls: None)
    prepare_session = release_session = lambda self: None

    def start_stream(self, samples):
        self.began = time.time()

    def get_board_data_count(self):
        return int((time.time() - self.began) * 500) - self.sent if self.on else 0

    def get_board_data(self):
        number_T = self.sent + np.arange(self.get_board_data_count())
        self.sent += len(number_T)
        data = np.zeros((39, len(number_T)))
        data[:8], data[ROWS["package_num"]] = number_T, number_T % 256
        data[ROWS["timestamp"]] = self.began + number_T / 500
        return data


@pytest.fixture
def armband(monkeypatch):
    """Put a module of the same names and behaviour in the place of ``mindrove``."""
    package, shim = ModuleType("mindrove"), ModuleType("mindrove.board_shim")
    for one in (MindRoveError, BoardIds, MindRoveInputParams, BoardShim):
        setattr(shim, one.__name__, one)
    package.board_shim = shim
    monkeypatch.setitem(sys.modules, "mindrove", package)
    monkeypatch.setitem(sys.modules, "mindrove.board_shim", shim)
    monkeypatch.setattr(BoardShim, "on", True)
    return BoardShim


def read(source, samples):
    chunks, have = [], 0
    for chunk in source.chunks():
        chunks.append(chunk)
        have += len(chunk.emg_TC)
        if have >= samples:
            source.close()
    return chunks


@pytest.mark.parametrize(
    ("text", "name", "board", "address"),
    [
        ("mindrove", "mindrove:wifi", 0, ""),
        ("mindrove:syncbox", "mindrove:syncbox", 1, ""),
        ("mindrove:ip=10.0.0.7", "mindrove:wifi", 0, "10.0.0.7"),
        ("mindrove:mindrove_wifi,ip=10.0.0.7", "mindrove:mindrove_wifi", 0, "10.0.0.7"),
    ],
)
def test_an_armband_is_read(armband, text, name, board, address):
    source = open_source(text)
    assert (source.name, source.device) == (name, Device(8, 500.0, "raw", "uV"))
    chunks = read(source, 150)
    assert armband.asked == (board, address)
    np.testing.assert_array_equal(np.diff(np.concatenate([chunk.emg_TC for chunk in chunks])[:, 0]), 1)
    assert 0 <= time.monotonic() - chunks[-1].stamp_s < 1 and {chunk.lost for chunk in chunks} == {0}


def test_an_armband_that_is_off_is_told(armband, monkeypatch):
    monkeypatch.setattr(armband, "on", False)
    monkeypatch.setattr("cpep.live.sources.boards.FIRST_S", 0.05)
    with pytest.raises(
        UserError, match=r"mindrove:wifi has sent nothing for .*; check that the armband is on, .*Wi-Fi"
    ):
        open_source("mindrove")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mindrove:wify", "mindrove has no board wify; write its name, such as wifi"),
        ("mindrove:no", "mindrove:no is no board that samples EMG by itself; .* such as wifi"),
        ("mindrove:wifi,port=3", "port=3 is no parameter; mindrove takes ip_address, ip_port, timeout"),
        ("mindrove:", "write .*mindrove, mindrove:BOARD,ip=ADDRESS"),
    ],
)
def test_what_it_does_not_know_is_refused(armband, text, said):
    with pytest.raises(UserError, match=said):
        open_source(text)


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mindrove", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[mindrove\]"'):
        open_source("mindrove")


def test_the_board_that_the_package_simulates(monkeypatch):
    pytest.importorskip("mindrove.board_shim", reason="mindrove is not installed")
    source = open_source("mindrove:synthetic")
    assert source.device == Device(16, 250.0, "raw", "uV")
    assert {chunk.lost for chunk in read(source, 50)} == {0}
