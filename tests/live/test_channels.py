"""Channels of a source, chosen and put in order."""

from dataclasses import replace

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.channels import Chosen, device_of, split
from cpep.live.sources.fit import fitted, origin
from cpep.live.sources.registry import open_source
from cpep.live.sources.sim import SimulatedHand
from cpep.types import UserError

DEVICE = Device(channels=8, emg_rate=200.0, emg_kind="raw", emg_unit="uV", ring=tuple(range(8)))


class Numbered:
    """One chunk whose values are the numbers of the channels."""

    name, device = "lab", DEVICE

    def chunks(self):
        yield Chunk(np.tile(np.arange(1, 9, dtype=np.float32), (5, 1)), lost=3, made="fist", stamp_s=2.5)

    def close(self):
        pass


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1,3,5-8", [1, 3, 5, 6, 7, 8]), ("8-1", [8, 7, 6, 5, 4, 3, 2, 1]), (" 2 , 4 - 5", [2, 4, 5]), ("7", [7])],
)
def test_channels_are_taken_in_the_order_that_is_written(text, wanted):
    source = Chosen(Numbered(), text)
    (chunk,) = source.chunks()
    assert chunk.emg_TC[0].tolist() == wanted and chunk.emg_TC.shape == (5, len(wanted))
    assert (chunk.lost, chunk.made, chunk.stamp_s) == (3, "fist", 2.5)
    assert source.name == f"lab[{text}]" and source.device.channels == len(wanted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9", r"lab\[9\]: there is no channel 9; the source has channels 1 to 8"),
        ("0-3", "there is no channel 0"),
        ("6-12", "there is no channel 12"),
        ("1,2,1-3", "channel 1 is named twice"),
        ("1,,2", "nothing is no channel; write such as"),
        ("1-2-3", "1-2-3 is no channel"),
    ],
)
def test_what_is_no_channel_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        Chosen(Numbered(), text)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("lsl:EMG", ("lsl:EMG", "")),
        ("lsl:My band [left]", ("lsl:My band [left]", "")),
        ("lsl:My, band [left][1-8]", ("lsl:My, band [left]", "1-8")),
        ("lsl:x[1-8][9-16]", ("lsl:x[1-8]", "9-16")),  # of a stream that is called x[1-8]
        ("lsl:EMG[1,3],unit=uV", ("lsl:EMG,unit=uV", "1,3")),
        ("lsl:EMG,unit=uV[1,3]", ("lsl:EMG,unit=uV", "1,3")),
        ("brainflow:cyton[1,3,5-8],serial_port=/dev/x", ("brainflow:cyton,serial_port=/dev/x", "1,3,5-8")),
        ("sim[1-8]", ("sim", "1-8")),
    ],
)
def test_the_channels_are_found_in_what_is_written(written, parts):
    assert split(written) == parts


def test_the_ring_follows():
    assert device_of(DEVICE, [7, 6, 5, 4, 3, 2, 1, 0]).ring == (7, 6, 5, 4, 3, 2, 1, 0)
    assert device_of(DEVICE, [0, 2, 4, 6]).ring == (0, 1, 2, 3)
    assert device_of(DEVICE, [0, 1, 2, 3]).ring == ()  # half of the arm
    assert device_of(replace(DEVICE, ring=(0, 2, 4)), [4, 1, 0, 2]).ring == (2, 3, 0)
    assert device_of(replace(DEVICE, ring=()), [1, 0]).ring == ()


def test_channels_of_any_kind_of_source_and_what_is_behind_them(monkeypatch):
    monkeypatch.setattr("cpep.live.sources.sim.live_takes", lambda wearing: iter(range(9)))  # which take a while
    source = open_source("sim:2[12-1]")
    assert source.name == "sim:2[12-1]" and isinstance(origin(source), SimulatedHand)
    with pytest.raises(UserError, match=r"choose 8 of its 16 with sim:2\[1-8\]"):
        fitted(source, replace(DEVICE, emg_rate=2000.0))
    with pytest.raises(UserError, match=r"sim:0\[17\]: there is no channel 17"):
        open_source("sim[17]")
