"""Real LSL streams over loopback."""

import time
from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from cpep.data.recording import Device
from cpep.live.signals import Event
from cpep.live.sources.fit import fitted
from cpep.live.sources.lsl import Markers
from cpep.live.sources.registry import open_source
from cpep.types import UserError
from tests.live.loopback import Sender, pylsl_on_loopback

DEVICE = Device(channels=4, emg_rate=200.0, emg_kind="raw", emg_unit="uV")


@pytest.fixture(scope="module")
def pylsl():
    return pylsl_on_loopback()


@pytest.fixture
def name(request):
    return f"cpep-{request.node.name}-{time.monotonic_ns()}"


@pytest.fixture
def sender(pylsl, name):
    """Return a function that starts a sender; all are stopped in the end."""
    made = []

    def start(**settings):
        made.append(Sender(pylsl, name, **settings))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def read(source, until, at=None):
    """Read until a function of the chunks so far is true; call ``at`` after every chunk."""
    chunks, limit = [], time.monotonic() + 15
    for chunk in source.chunks():
        chunks.append(chunk)
        if at:
            at(chunks)
        if until(chunks):
            source.close()
        assert time.monotonic() < limit, "the stream never got so far"
    return chunks


def samples(chunks):
    return sum(len(chunk.emg_TC) for chunk in chunks)


def test_a_stream_is_found_by_name_and_read_without_a_loss(sender, name):
    sender()
    source = open_source(f"lsl:{name}")
    assert (source.name, source.device) == (f"lsl:{name}", replace(DEVICE, emg_unit=""))
    start = time.monotonic()
    chunks = read(source, lambda chunks: samples(chunks) >= 300)
    assert 1.3 < time.monotonic() - start < 2.5
    emg_TC = np.concatenate([chunk.emg_TC for chunk in chunks])
    assert emg_TC.dtype == np.float32 and (emg_TC == emg_TC[:, :1]).all()
    np.testing.assert_array_equal(np.diff(emg_TC[:, 0]), 1)
    assert {chunk.lost for chunk in chunks} == {0}
    stamps = [chunk.stamp_s for chunk in chunks if not isnan(chunk.stamp_s)]
    assert len(stamps) > 20 and (np.diff(stamps) > 0).all()  # liblsl compares clocks for the first half second
    assert 0 < time.monotonic() - stamps[-1] < 0.5


@pytest.mark.parametrize(("unit", "factor"), [("millivolts", 1000), ("-6", 1), ("unknown", 1)])
def test_a_stream_that_states_its_unit_is_converted(sender, name, unit, factor):
    sender(units=[unit] * 4)
    chunks = read(fitted(open_source(f"lsl:{name}"), DEVICE), lambda chunks: samples(chunks) >= 20)
    emg_TC = np.concatenate([chunk.emg_TC for chunk in chunks])
    assert emg_TC.dtype == np.float32
    np.testing.assert_array_equal(np.diff(emg_TC[:, 0]), factor)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (["counts"] * 4, "trained with EMG in uV; lsl:.* has EMG in count"),
        (["uV", "uV", "mV", "uV"], "has channels in mV and uV; send all of them in one unit"),
        (["furlong"] * 4, "lsl:.*: the unit 'furlong' is not known here; .*correct the description"),
    ],
    ids=["counts", "mixed", "unknown"],  # they are part of the stream's name, which can hold no quote
)
def test_a_stream_in_a_unit_that_does_not_fit_is_refused(sender, name, units, said):
    sender(units=units)
    with pytest.raises(UserError, match=said):
        fitted(open_source(f"lsl:{name}"), DEVICE)


def test_samples_that_are_dropped_are_declared_where_they_are_missing(sender, name):
    skips = [*range(400, 407), 440, *range(500, 560)]
    sender(skips=skips)
    chunks = read(open_source(f"lsl:{name}"), lambda chunks: chunks and chunks[-1].emg_TC[-1, 0] > 580)
    clock = chunks[0].emg_TC[0, 0]
    for chunk in chunks:  # the clock of the stream is the number that the sender counts
        clock += chunk.lost
        np.testing.assert_array_equal(chunk.emg_TC[:, 0], clock + np.arange(len(chunk.emg_TC)))
        clock += len(chunk.emg_TC)
    assert [chunk.lost for chunk in chunks if chunk.lost] == [7, 1, 60]


def test_a_stream_that_ends_and_comes_back_as_another_is_read_on(sender, name):
    first, ended, back = sender(uid="one"), [], []

    def at(chunks):
        if not ended and samples(chunks) > 100:
            first.stop()
            ended.append(time.monotonic())
        if ended and not back and time.monotonic() > ended[0] + 1.0:
            back.append(sender(uid="two", first=100_000))

    start = time.monotonic()
    returned = lambda chunks: len(chunks[-1].emg_TC) and chunks[-1].emg_TC[-1, 0] > 100_020  # noqa: E731
    chunks = read(open_source(f"lsl:{name}"), returned, at)
    seconds = time.monotonic() - start
    assert chunks[0].emg_TC[0, 0] < 100 and chunks[-1].emg_TC[-1, 0] > 100_000
    away = [chunk for chunk in chunks if not len(chunk.emg_TC)]
    assert away and all(chunk.lost > 80 for chunk in away)  # told while it lasts
    lost = sum(chunk.lost for chunk in chunks)
    assert samples(chunks) + lost == pytest.approx(seconds * 200, abs=40)
    assert lost > 180


def test_another_device_is_refused_also_when_it_comes_back(sender, name):
    first = sender()
    said = rf"trained on 4 channels of raw EMG at 1000 Hz in uV; lsl:{name} has 4 channels of raw EMG at 200"
    with pytest.raises(UserError, match=said):
        fitted(open_source(f"lsl:{name}"), replace(DEVICE, emg_rate=1000.0))
    source = open_source(f"lsl:{name}")

    def at(chunks):
        if first.outlet:
            first.stop()
            sender(channels=5)

    with pytest.raises(UserError, match="came back with 5 channels of raw EMG at 200 Hz; it had 4"):
        read(source, lambda chunks: False, at)


def test_a_stream_by_type_and_what_is_there_where_it_is_not(sender, name, monkeypatch):
    sender(kind=f"type-{name}")
    assert open_source(f"lsl:type=type-{name}").name == f"lsl:{name}"
    monkeypatch.setattr("cpep.live.sources.lsl.FIND_S", 0.3)
    with pytest.raises(
        UserError, match=rf"no LSL stream with type x-{name} within .* {name} \(type-{name}, 4 channels"
    ):
        open_source(f"lsl:type=x-{name}")
    with pytest.raises(UserError, match="write lsl:NAME, or lsl:type=EMG"):
        open_source("lsl:colour=red")


def test_events_are_published_as_markers(pylsl, name):
    with pytest.raises(UserError, match="stream of texts"):
        markers = Markers(name)
        open_source(f"lsl:{name}")
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=5)[0])
    inlet.open_stream(timeout=5)
    assert (inlet.info().type(), inlet.info().nominal_srate()) == ("Markers", pylsl.IRREGULAR_RATE)
    markers.publish(Event(1.25, "vulcan", 0.9))
    text, stamp = inlet.pull_sample(timeout=5)
    assert text == ["vulcan"] and abs(stamp - pylsl.local_clock()) < 1


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pylsl", None)
    with pytest.raises(UserError, match=r'pip install "cpep\[live\]"'):
        open_source("lsl:x")
