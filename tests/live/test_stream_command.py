"""``cpep stream``, as a user types it."""

import json
import os
import re
import signal
import threading
import time

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import save
from cpep.cli.main import main
from cpep.data.readers.emg2pose import write_recording
from cpep.hand.muscles import REST_J
from cpep.live.book.book import GestureBook
from cpep.live.signals import Event, State
from cpep.simulate.gestures import GESTURES
from tests.data.samples import emg2pose_like
from tests.live.loopback import pylsl_on_loopback


@pytest.fixture(scope="module")
def made(untrained, tmp_path_factory):
    """A checkpoint that knows nothing, and a book of three poses."""
    folder, model = tmp_path_factory.mktemp("stream"), untrained()
    save(model, folder / "checkpoint")
    book = GestureBook(model)
    for name, pose_J in (("rest", REST_J), ("fist", GESTURES["fist"].pose_J), ("spread", GESTURES["spread"].pose_J)):
        book.add(name, pose_J[:20].astype(np.float32))
    book.save(folder / "my.book")
    return [str(folder / "checkpoint"), "--book", str(folder / "my.book")]


@pytest.fixture
def every_second(monkeypatch):
    """Recognise a fist in every second of the stream: weights are random, so what they say is not to be relied on."""

    def step(self, step):
        event = Event(step.time_s, "fist", 0.91234) if step.sample % 2000 == 0 else None
        return State(step.time_s, "fist", 0.9, np.ones(3), 0, event, np.ones(4))

    monkeypatch.setattr("cpep.live.recogniser.Recogniser.step", step)


def test_events_are_printed_as_lines(made, every_second, capsys):
    assert main(["stream", *made, "--source", "sim:3", "--speed", "0", "--seconds", "3"]) == 0
    out, err = capsys.readouterr()
    assert out.split("\n") == ["     1.00 s  fist  0.91", "     2.00 s  fist  0.91", "     3.00 s  fist  0.91", ""]
    assert err.split("\n") == [
        "sim:3: 16 channels of raw EMG at 2000 Hz in noise_sd",
        "3.0 s, 3 events, 0 samples lost",
        "",
    ]


def test_json_holds_one_event_a_line(made, every_second, capsys):
    assert main(["stream", *made, "--json", "--speed", "0", "--seconds", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"time_s": 2.0, "gesture": "fist", "confidence": 0.9123} and len(lines) == 2


def test_what_the_book_says_of_a_replayed_recording(made, tmp_path, capsys):
    for name in "ab":
        recording = emg2pose_like(name, samples=5000)
        write_recording(tmp_path / f"{name}.hdf5", recording, start=1e9, simulated=True)
    command = ["stream", *made, "--source", f"replay:{tmp_path}", "--speed", "0"]
    assert main(command) == 0
    err = capsys.readouterr().err
    assert "2000 samples lost, 1 s\n6.0 s, " in err and err.endswith("2000 samples lost\n")
    assert main([*command, "--calibrate", str(tmp_path / "a.hdf5")]) == 0


def test_events_are_published_over_lsl(made, every_second, capsys):
    pylsl, name, got = pylsl_on_loopback(), f"events-{time.monotonic_ns()}", []

    def listen():
        inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=10)[0])
        got.append(inlet.pull_sample(timeout=10)[0])

    listener = threading.Thread(target=listen)
    listener.start()
    assert main(["stream", *made, "--publish", name, "--seconds", "16", "--speed", "8"]) == 0
    listener.join()
    assert got == [["fist"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "serial:x"], "--source serial:x: there is no source and no module serial; write "),
        (["--source", "replay:nowhere"], "nowhere does not exist"),
        (["--speed", "-1"], "--speed -1"),
        (["--calibrate", "nowhere"], "nowhere does not exist"),
    ],
)
def test_mistakes_get_a_sentence(made, arguments, said, capsys):
    assert main(["stream", *made, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_checkpoint_needs_a_book_of_its_own(made, capsys):
    assert main(["stream", made[0]]) == 2
    assert "needs a gesture book; name one with --book" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_with_a_summary(made, monkeypatch, capsys):
    def step(self, step):
        if not interrupts:  # in real time: it comes while the source waits for its next samples
            interrupts.append(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)))
            interrupts[0].start()
        return State(step.time_s, "fist", 0.9, np.ones(3), 0, None, np.ones(4))

    interrupts = []
    monkeypatch.setattr("cpep.live.recogniser.Recogniser.step", step)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
    try:
        assert main(["stream", *made, "--seconds", "60"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(r"sim:0: .*\n1\.\d s, 0 events, 0 samples lost\n", err)
