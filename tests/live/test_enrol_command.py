"""``cpep enrol`` and ``cpep stream --enrolment``, as a user types them."""

import json
import os
import sys
import threading

import numpy as np
import pytest

from cpep.cli.keys import Keys
from cpep.cli.main import main
from cpep.live.enrol.enrolment import Enrolment
from cpep.live.enrol.guide import Guide, Plan
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.live.sources.sim import SimulatedHand
from tests.live.band import BandSource
from tests.live.loopback import pylsl_on_loopback

SHORT = ["--repetitions", "2", "--hold", "1.2", "--ready", "0.5"]
FIST = ["--source", "band:1", "--gestures", "fist", *SHORT]


@pytest.fixture(autouse=True)
def bands(monkeypatch):
    """The source ``band:SEED``, for these tests alone: sentences elsewhere list all sources."""
    kind = SourceKind(("band:SEED",), lambda text, speed: BandSource(int(text)))
    SOURCES.names()  # all others are registered
    monkeypatch.setitem(SOURCES._items, "band", kind)
    monkeypatch.setitem(SOURCES._place, "band", 0)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "me.enrol"


def test_from_nothing_to_recognised(out, capsys):
    assert main(["enrol", str(out), "--source", "band:1", "--gestures", "fist, point", *SHORT]) == 0
    printed, err = capsys.readouterr()
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines] == ["rest", "fist", "point"]
    assert all(line.endswith(" % of windows told right") for line in lines)
    prompts = [
        f"{name} {n} of 2: {what}"
        for name in ("rest", "fist", "point")
        for n in (1, 2)
        for what in ("get ready", "hold")
    ]
    assert [line for line in err.splitlines() if line in prompts] == prompts
    assert err.splitlines()[0].startswith("band:1: 4 channels of raw EMG at 500 Hz")
    assert [line.split(":")[0] for line in err.splitlines() if "windows told right" in line] == ["fist", "point"]
    assert f"{out} holds 6 takes of rest, fist, point" in err
    assert err.splitlines()[-1] == f"now: cpep stream --source band:1 --enrolment {out}"
    stream = ["stream", "--source", "band:2", "--enrolment", str(out), "--json", "--seconds", "14"]
    assert main(stream) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["gesture"] for event in told] == ["fist", "point", "fist"]
    assert all(event["confidence"] > 0.5 for event in told) and 2.3 < told[0]["time_s"] < 3.3


def test_it_goes_on_to_recognise_where_that_is_asked_for(out, capsys):
    assert main(["enrol", str(out), *FIST, "--recognise", "--seconds", "8"]) == 0
    printed, err = capsys.readouterr()
    assert [line.split()[2] for line in printed.splitlines()[2:]] == ["fist"]
    assert err.splitlines()[-1] == "8.0 s, 1 event, 0 samples lost"


def test_ctrl_c_keeps_whole_takes_and_the_same_command_goes_on(out, capsys, monkeypatch):
    whole = BandSource.chunks

    def interrupted(self):
        for number, chunk in enumerate(whole(self)):
            if number == 250:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(BandSource, "chunks", interrupted)
    assert main(["enrol", str(out), *FIST]) == 1
    assert "the same command goes on from here" in capsys.readouterr().err
    assert len(Enrolment.load(out).takes) == 2
    monkeypatch.setattr(BandSource, "chunks", whole)
    assert main(["enrol", str(out), *FIST]) == 0
    assert [take.key for take in Enrolment.load(out).takes] == [(1, n, k) for n in ("rest", "fist") for k in (1, 2)]
    assert "rest 1 of 2" not in capsys.readouterr().err
    assert main(["enrol", str(out), *FIST]) == 2
    assert "has all of that already; --again makes it again, --gestures names others" in capsys.readouterr().err
    assert main(["enrol", str(out), "--source", "band:1", *SHORT, "--again"]) == 0
    assert {take.session for take in Enrolment.load(out).takes} == {1, 2}
    assert Enrolment.load(out).names == ("rest", "fist")


def test_a_source_that_ends_is_said(out, capsys, monkeypatch):
    monkeypatch.setattr(BandSource, "most_s", 5.0)
    assert main(["enrol", str(out), *FIST]) == 2
    assert "band:1 has ended before all was made; the same command goes on from here" in capsys.readouterr().err
    assert len(Enrolment.load(out).takes) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gestures", "fist,fist"], "fist is asked for twice"),
        (["--gestures", "fist,Fist"], "fist and Fist differ only in upper and lower case"),
        (["--gestures", "Rest,fist"], "Rest and rest differ only in"),
        (["--gestures", "UNKNOWN"], "UNKNOWN and unknown differ only in"),
        (["--gestures", "fist,,point"], "'' cannot be the name of a gesture"),
        (["--gestures", "unknown"], "'unknown' cannot be the name"),
        (["--gestures", "fist,a\nb"], "give one line of at most 60 letters"),
        (["--gestures", "x" * 200], "give one line of at most 60 letters"),
        (["--repetitions", "0"], "0 repetitions; give 1 to 20"),
        (["--hold", "0.1"], "takes of 0.1 s"),
        (["--source", "no_band_of_ours:x"], "--source no_band_of_ours:x: there is no"),
    ],
)
def test_mistakes_get_a_sentence(out, arguments, said, capsys):
    assert main(["enrol", str(out), *arguments]) == 2
    assert said in capsys.readouterr().err and not out.exists()


def test_what_does_not_fit_an_enrolment_is_refused(out, capsys):
    assert main(["enrol", str(out), *FIST]) == 0
    for command, said in (
        (
            ["stream", "--enrolment", str(out)],
            "made with 4 channels of raw EMG at 500 Hz in uV; sim:0 has",
        ),
        (["enrol", str(out), "--again"], "sim:0 has 16 channels of raw EMG at 2000 Hz"),
        (["stream", "some", "--enrolment", str(out)], "--enrolment needs no checkpoint"),
        (["enrol", str(out), "--source", "band:1", "--gestures", "FIST"], "FIST and fist differ only in"),
        (["enrol", str(out.parent)], "is a folder; name a file for the enrolment, such as"),
        (["stream", "--enrolment", str(out.parent)], "is a folder; name a file for the enrolment"),
        (["stream", "--enrolment", f"{out}2"], "me.enrol2 does not exist; make it with `cpep enrol"),
    ):
        assert main(command) == 2
        assert said in capsys.readouterr().err
    out.write_text("damaged")
    for command in (["stream", "--enrolment", str(out)], ["enrol", str(out), *FIST]):
        assert main(command) == 2
        assert "me.enrol is no enrolment, or damaged" in capsys.readouterr().err
    assert out.read_text() == "damaged"


def test_who_stops_at_once_is_not_sent_to_recognise(out, capsys, monkeypatch):
    monkeypatch.setattr(Keys, "pressed", lambda self: "q")
    assert main(["enrol", str(out), *FIST]) == 0
    err = capsys.readouterr().err
    assert "rest and one gesture are needed to recognise" in err and "now: cpep stream" not in err


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_keys_redo_skip_and_stop(out, capfd, monkeypatch):
    master, slave = os.openpty()
    typed = {120: b"r", 300: b"p", 320: b"p", 500: b"x", 900: b"s", 1000: b"q"}
    whole = BandSource.chunks

    def chunks(self):
        for number, chunk in enumerate(whole(self)):
            os.write(master, typed.get(number, b""))
            yield chunk

    monkeypatch.setattr(BandSource, "chunks", chunks)
    with os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert main(["enrol", str(out), "--source", "band:1", "--gestures", "fist,point,wave", *SHORT]) == 0
        assert Keys().there
    os.close(master)
    err = capfd.readouterr().err
    assert err.count("rest 1 of 2: hold") + err.count("rest 2 of 2: hold") > 2
    assert len(Enrolment.load(out).of("rest")) == 2
    assert "holds" in err


class SimulatedBand(threading.Thread):
    """Eight channels of a simulated person at 500 Hz over LSL, as fast as they are read; the person follows the plan.

    Args:
        pylsl: the module.
        name: of the stream.
        plan: that the other side prompts.
        then: gestures after it.
        away_s: how long samples are lost, during the take after the first two.
    """

    def __init__(self, pylsl, name, plan, then, away_s):
        super().__init__(daemon=True)
        info = pylsl.StreamInfo(name, "EMG", 8, 500, "float32", name)
        self.outlet, self.clock, self.plan, self.then = pylsl.StreamOutlet(info), pylsl.local_clock, plan, list(then)
        self.lost, self.read, self.over = round(away_s * 500), 0, threading.Event()
        self.hand = SimulatedHand(3, 0)

    def run(self):
        while not self.outlet.have_consumers() and not self.over.wait(0.005):
            pass
        guide, start, sent, left = Guide(self.plan, 500.0), self.clock(), 0, 0
        self.hand.attend(True)
        for chunk in self.hand.chunks():
            if self.over.is_set():
                break
            emg_TC = chunk.emg_TC.reshape(-1, 4, 16).mean(axis=1)[:, ::2].copy()
            if self.lost and len(guide.made) == 2 and guide.now.phase == "hold" and guide.now.left_s < 0.6:
                guide.lose(self.lost)
                start, self.lost = start + self.lost / 500, 0
            for _ in range(len(emg_TC)):
                before, _ = guide.now.phase, guide.advance(1)
                now = guide.now
                if now.phase != before and now.phase == "ready" and now.gesture != "rest":
                    self.hand.make(now.gesture, hold_s=self.plan.hold_s + 0.3)  # who begins with the countdown
            if guide.now.phase == "done" and self.then:
                left -= len(emg_TC)
                if left <= 0:
                    self.hand.make(self.then.pop(0), hold_s=1.5)
                    left = 2000
            self.outlet.push_chunk(emg_TC.tolist(), start + (sent + len(emg_TC)) / 500)
            sent += len(emg_TC)
            for _ in range(5000):
                if sent - self.read <= 1000 or self.over.wait(0.002):
                    break


def test_from_nothing_to_recognised_over_lsl_with_a_loss_in_the_middle(out, capsys, monkeypatch):
    pylsl, name = pylsl_on_loopback(), f"band-{os.getpid()}"
    plan = Plan(("fist", "spread"), repetitions=2, hold_s=1.2, ready_s=0.5)
    band = SimulatedBand(pylsl, name, plan, ("spread", "fist", "spread"), away_s=5.0)
    from cpep.live.sources.lsl import Inlet

    read = Inlet.read

    def counted(self):
        found = read(self)
        band.read += sum(len(chunk.emg_TC) for chunk in found)
        return found

    monkeypatch.setattr(Inlet, "read", counted)
    monkeypatch.setattr("cpep.live.sources.reconnect.SILENCE_S", 60.0)  # while the simulator computes
    band.start()
    try:
        command = ["enrol", str(out), "--source", f"lsl:{name}", "--gestures", "fist,spread", *SHORT]
        assert main([*command, "--recognise", "--seconds", "14"]) == 0
    finally:
        band.over.set()
        band.join()
    printed, err = capsys.readouterr()
    assert "fist 1 of 2: hold (5 s of the EMG were lost; this take is made again)" in err
    enrolment = Enrolment.load(out)
    assert [take.name for take in enrolment.takes] == ["rest", "rest", "fist", "fist", "spread", "spread"]
    assert enrolment.device.channels == 8 and enrolment.device.emg_rate == 500
    assert all(np.isfinite(take.emg_TC).all() for take in enrolment.takes)
    told = [line.split()[2] for line in printed.splitlines()[3:]]
    assert told == ["spread", "fist", "spread"]


def test_the_command_that_comes_next_is_quoted_for_a_shell(tmp_path, capsys):
    out = tmp_path / "my own.enrol"
    assert main(["enrol", str(out), "--source", "band:1[2,1,3-4]", "--gestures", "fist", *SHORT]) == 0
    assert capsys.readouterr().err.endswith(f"now: cpep stream --source 'band:1[2,1,3-4]' --enrolment '{out}'\n")
