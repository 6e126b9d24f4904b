"""Real LSL streams over loopback."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from cpep.cli.main import main
from cpep.data.recording import Device
from cpep.live.signals import Event
from cpep.live.sources.fit import fitted, told
from cpep.live.sources.lsl import Markers
from cpep.live.sources.registry import open_source
from cpep.types import UserError
from tests.live.loopback import Sender, pylsl_on_loopback

DEVICE = Device(channels=4, emg_rate=200.0, emg_kind="raw", emg_unit="uV")


@pytest.fixture(scope="module")
def pylsl():
    return pylsl_on_loopback()


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Most tests have one stream of a name, and need not wait for others."""
    monkeypatch.setattr("cpep.live.sources.lsl_find.SETTLE_S", 0.0)


@pytest.fixture
def several(monkeypatch, settled):
    monkeypatch.setattr("cpep.live.sources.lsl_find.SETTLE_S", 0.7)


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
    with pytest.raises(UserError, match=rf"choose 2 of its 4 with lsl:{name}\[1-2\]"):
        fitted(open_source(f"lsl:{name}"), replace(DEVICE, channels=2))
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
    monkeypatch.setattr("cpep.live.sources.lsl_find.FIND_S", 0.3)
    with pytest.raises(
        UserError, match=rf"no LSL stream with type x-{name} within .* {name} \(type-{name}, 4 channels"
    ):
        open_source(f"lsl:type=x-{name}")
    with pytest.raises(UserError, match="write lsl:NAME, lsl:type=EMG for any"):
        open_source("lsl:colour=red")


@pytest.mark.parametrize("title", ["My band, left [2]", "it's = here", 'the "best"'])
def test_any_name_can_be_asked_for(pylsl, title):
    sender = Sender(pylsl, title, uid=title[:3])
    try:
        asked = f"name={title}" if "=" in title else title
        source = open_source(f"lsl:{asked}[4,2],unit=mV,kind=envelope")
        assert (source.name, source.device) == (f"lsl:{title}[4,2]", Device(2, 200.0, "envelope", "mV"))
        assert not told(source).count(";")
        source.close()
    finally:
        sender.stop()


def test_what_a_stream_does_not_say_is_told_and_what_it_says_is_not_overruled(sender, name):
    sender(units=["uV"] * 4)
    source = open_source(f"lsl:{name}")
    assert told(source).endswith(f"in uV; taken as raw EMG (if it is an envelope, write lsl:{name},kind=envelope)")
    with pytest.raises(UserError, match=rf"; taken as raw EMG \(if .* write lsl:{name},kind=envelope\)"):
        fitted(source, replace(DEVICE, emg_kind="envelope", highpass_hz=0))
    with pytest.raises(UserError, match="states uV as its unit; leave out unit=mV"):
        open_source(f"lsl:{name},unit=mV")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,kind=rms", "kind=rms; write kind=raw or kind=envelope"),
        ("x,unit=furlong", "the unit 'furlong' is not known"),
        ("x,rate=0", "rate=0; write samples a second"),
        ("x,rate=fast", "rate=fast; write"),
        ("a'b\"c", "quotes of both kinds"),
    ],
)
def test_what_cannot_be_read_is_refused(pylsl, text, said):
    with pytest.raises(UserError, match=said):
        open_source(f"lsl:{text}")


def test_two_streams_of_one_name_are_asked_about(sender, name, several):
    left, right = sender(uid="left"), sender(uid="right", channels=5)
    with pytest.raises(UserError) as error:
        open_source(f"lsl:{name}")
    said = str(error.value)
    assert said.startswith(
        f"2 streams of LSL have name {name}: {name} (EMG, 4 channels, 200 Hz), source_id left, on "
    )
    assert said.endswith(f"write lsl:{name},source_id=left or lsl:{name},source_id=right")
    source = open_source(f"lsl:{name},source_id=right")
    assert source.device.channels == 5
    source.close()
    right.stop()  # it is listed for a while
    source = open_source(f"lsl:{name}")
    assert source.device.channels == 4
    source.close()
    left.stop()


def test_streams_that_are_there_are_listed(sender, name, monkeypatch, capsys):
    sender(units=["mV"] * 4)
    assert main(["sources"]) == 0
    out = capsys.readouterr().out
    assert "  replay:PATH\n" in out and f"  lsl:{name}: EMG, 4 channels, 200 Hz, mV, on " in out
    monkeypatch.setitem(__import__("sys").modules, "pylsl", None)
    assert main(["sources"]) == 0
    assert 'not looked for: LSL needs pylsl; install it with pip install "cpep[live]".' in capsys.readouterr().out


def test_a_stream_that_began_anew_is_one(sender, name, several):
    sender(uid="lab").stop()
    sender(uid="lab", channels=5)
    source = open_source(f"lsl:{name}")
    assert source.device.channels == 5
    source.close()


def test_streams_that_nothing_tells_apart_are_asked_to_differ(sender, name, several):
    sender(uid="")
    sender(uid="")
    with pytest.raises(UserError, match=r"source_id \(none\).* give them different names or source_ids"):
        open_source(f"lsl:{name}")


def test_a_stream_without_a_rate_is_measured_and_asked_about(sender, name, monkeypatch):
    monkeypatch.setattr("cpep.live.sources.lsl.MEASURE_S", 0.7)
    sender(says=0)
    with pytest.raises(UserError, match=r"states no regular rate; about (19[5-9]|20[0-5])[.\d]* samples a second"):
        open_source(f"lsl:{name}")
    source = open_source(f"lsl:{name},rate=200")
    assert source.device.emg_rate == 200
    assert samples(read(source, lambda chunks: samples(chunks) > 20)) > 20


def test_the_real_rate_of_a_stream_can_be_told(sender, name):
    sender(says=220)
    assert open_source(f"lsl:{name}").device.emg_rate == 220  # refused after some seconds, see test_stamps
    chunks = read(open_source(f"lsl:{name},rate=200"), lambda chunks: samples(chunks) > 20)
    assert {chunk.lost for chunk in chunks} == {0}


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


def test_the_library_is_quiet_unless_the_user_has_settings_for_it(tmp_path):
    pytest.importorskip("pylsl")
    script = "from cpep.live.lsl import pylsl_module; pylsl_module().resolve_streams(0.1)"
    plain = {key: value for key, value in os.environ.items() if key != "LSLAPICFG"} | {"HOME": str(tmp_path)}
    (tmp_path / "own.cfg").write_text("[log]\nlevel = 0\n")
    for own, said in (({}, False), ({"LSLAPICFG": "own.cfg"}, True)):
        ran = [sys.executable, "-c", script]
        done = subprocess.run(ran, cwd=tmp_path, env=plain | own, capture_output=True, text=True, check=True)
        assert ("INFO" in done.stdout + done.stderr) == said
