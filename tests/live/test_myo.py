"""A Myo armband, by a module that speaks as pymyo 2.2 does; nobody here has an armband."""

import asyncio
import sys
import time
from enum import IntEnum
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from cpep.live.sources import myo
from cpep.live.sources.registry import open_source
from cpep.types import UserError

SERVICE = "d5060001-a904-deb9-4748-2c7f4a124842"


class EmgMode(IntEnum):
    """As in ``pymyo.types``."""

    NONE, SMOOTH, EMG, EMG_RAW = 0, 1, 2, 3


class SleepMode(IntEnum):
    """As in ``pymyo.types``."""

    NORMAL, NEVER_SLEEP = 0, 1


class Myo:
    """Pairs of samples, 200 a second, in bundles of 20 ms; sample n is n % 100 in every channel."""

    made, there, ends_after = (), True, 10**9

    def __init__(self, address, **settings):
        Myo.made = (*Myo.made, self)
        self.address, self.settings, self.observers, self.modes = address, settings, [], []
        self.is_connected = False

    def on_emg(self, observer):
        self.observers.append(observer)

    async def __aenter__(self):
        if not Myo.there:
            raise OSError("Device with address x was not found.")  # as of bleak
        self.is_connected = True
        return self

    async def __aexit__(self, *_):
        self.is_connected = False
        self.task.cancel()

    async def set_sleep_mode(self, mode):
        self.modes.append(mode)

    async def set_mode(self, emg_mode=None, imu_mode=None, classifier_mode=None):
        self.modes.append(emg_mode)
        self.task = asyncio.ensure_future(self.send())

    async def send(self):
        began, sent = time.monotonic(), 0
        while sent < Myo.ends_after:
            await asyncio.sleep(0.02)
            while sent < (time.monotonic() - began) * 200 - 2:
                pair = tuple((number % 100,) * 8 for number in (sent, sent + 1))
                for observer in self.observers:
                    observer(pair)
                sent += 2
        self.is_connected = False


class BleakScanner:
    """Finds what advertises the service that is asked for."""

    @staticmethod
    async def find_device_by_filter(wanted, timeout):
        told = [("ear phones", ["0000180f"]), ("my armband", [SERVICE])]
        return next((name for name, uuids in told if wanted(name, SimpleNamespace(service_uuids=uuids))), None)


@pytest.fixture
def armband(monkeypatch):
    modules = {name: ModuleType(name) for name in ("pymyo", "pymyo.types", "bleak")}
    modules["pymyo"].Myo, modules["bleak"].BleakScanner = Myo, BleakScanner
    modules["pymyo.types"].EmgMode, modules["pymyo.types"].SleepMode = EmgMode, SleepMode
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, value in (("made", ()), ("there", True), ("ends_after", 10**9)):
        monkeypatch.setattr(Myo, name, value)
    return Myo


def read(source, samples):
    chunks, have = [], 0
    for chunk in source.chunks():
        chunks.append(chunk)
        have += len(chunk.emg_TC)
        if have >= samples:
            source.close()
    return chunks


@pytest.mark.parametrize(("text", "address"), [("myo", "my armband"), ("myo:D5:4F:11", "D5:4F:11")])
def test_an_armband_is_read(armband, text, address):
    source = open_source(text)
    assert (source.name, source.device.channels, source.device.emg_rate) == (text, 8, 200.0)
    chunks = read(source, 60)
    (made,) = armband.made
    assert made.address == address and made.modes == [SleepMode.NEVER_SLEEP, EmgMode.EMG]
    step_T = np.diff(np.concatenate([chunk.emg_TC for chunk in chunks])[:, 0])
    assert set(step_T) <= {1, -99} and {chunk.lost for chunk in chunks} == {0}
    assert 0 <= time.monotonic() - chunks[-1].stamp_s < 1
    assert not made.is_connected


def test_an_armband_that_goes_is_connected_again(armband, monkeypatch):
    monkeypatch.setattr(armband, "ends_after", 40)
    monkeypatch.setattr("cpep.live.sources.reconnect.PAUSE_S", 0.05)
    chunks = read(open_source("myo:x"), 70)
    assert len(armband.made) == 2 and sum(chunk.lost for chunk in chunks) > 5


def test_an_armband_that_is_not_there_is_told(armband, monkeypatch):
    monkeypatch.setattr(armband, "there", False)
    with pytest.raises(UserError, match=r"myo:x is not there \(Device with address x was not found\.\); charge it"):
        open_source("myo:x")
    monkeypatch.setattr(myo, "SERVICE", "of another armband")
    with pytest.raises(UserError, match=r"myo is not there \(no armband was found\); charge it, wake it up"):
        open_source("myo")


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymyo", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[myo\]"'):
        open_source("myo")
