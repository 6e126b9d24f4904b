"""``cpep record``: who is asked what, what is recorded, and what is kept when something fails."""

import io
import time

import numpy as np
import pytest
from rich.console import Console

from cpep.cli.main import main
from cpep.cli.record_screen import screen
from cpep.data.readers.bids import read_recording
from cpep.data.readers.bids_text import read_json
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device, Recording
from cpep.hand.joints import JOINTS
from cpep.live.poses.follow import FollowScript
from cpep.live.record.about import About, PoseColumns
from cpep.live.record.finish import finish, unfinished
from cpep.live.record.protocol import Follow, Protocol, read_protocol
from cpep.live.record.recorder import Recorder
from cpep.live.record.taking import DRAWN, Taking, follower
from cpep.live.signals import Chunk
from cpep.live.sources import registry
from cpep.signal.resampler import resampled
from cpep.simulate.live import following_take
from cpep.simulate.record import wear
from cpep.simulate.variability import Variability
from cpep.types import UserError
from tests.live.loopback import Sender, pylsl_on_loopback

WHO = ("--person", "Anna", "--session", "1", "--arm", "right")
SHORT = '[[steps]]\nkind = "gestures"\nnames = ["fist"]\nrepetitions = 1\nhold_s = 1\nrest_s = 0.5\nready_s = 0.5\n'


class Given:
    """A source that gives chunks of known samples at once, with stamps of real time, and then ends."""

    name, device = "given", Device(4, 200.0, "raw", "mV")

    def __init__(self, seconds=10.0, error=None):
        self.samples, self.error, self.closed, self.told = round(seconds * 200), error, False, []

    def chunks(self):
        start = time.monotonic() - self.samples / 200
        for end in range(20, self.samples + 1, 20):
            if self.closed:
                return
            emg_TC = np.repeat(np.arange(end - 20, end, dtype=np.float32)[:, None], 4, axis=1)
            yield Chunk(emg_TC, stamp_s=start + (end - 1) / 200)
        if self.error:
            raise self.error

    def close(self):
        self.closed = True


class GivenHand(Given):
    """One that a simulated hand wears."""

    def attend(self, prompts):
        self.told.append(prompts)

    def make(self, name, pose_J=None, hold_s=None):
        self.told.append((name, hold_s))


def record(monkeypatch, folder, source, *options):
    monkeypatch.setattr(registry, "open_source", lambda text, speed=1.0: source)
    return main(["record", str(folder), "--source", "given", *options])


def test_a_protocol_is_led_through_and_recorded(tmp_path, monkeypatch, capsys):
    (tmp_path / "short.toml").write_text(SHORT)
    hand = GivenHand()
    protocol = str(tmp_path / "short.toml")
    assert record(monkeypatch, tmp_path / "set", hand, "--protocol", protocol, "--notes", "ü", *WHO) == 0
    (source,) = find_recordings(tmp_path / "set")
    (found,) = source.parts()
    assert found.stage == "short" and found.vocabulary == ("rest", "fist") and found.device.emg_unit == "mV"
    assert len(found.emg_TC) == 800 and np.allclose(found.emg_TC[:, 2], np.arange(800), atol=1e-3)  # 2 takes of 2 s
    assert (found.label_T[200:300] == 0).all() and (found.label_T[600:700] == 1).all()
    assert (found.prompt_T[400:] == 1).sum() == 300 + 100 - 20 * 0
    assert hand.told == [True, ("rest", 1.0), ("fist", 1.0), False] or hand.told == [True, ("fist", 1.0), False]
    printed = capsys.readouterr()
    assert "fist 1 of 1 hold" in printed.err and "4.0 s in 1 run" in printed.out and "read back" in printed.out


def test_what_is_missing_is_asked_for_once_or_refused(tmp_path, monkeypatch, capsys):
    assert record(monkeypatch, tmp_path / "set", Given(), "--person", "A", "--arm", "left") == 2
    assert "give --session; who is recorded" in capsys.readouterr().err and not (tmp_path / "set").exists()

    monkeypatch.setattr("cpep.cli.keys.termios", None)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for answers, options in (
        ("Bo\n3\nleft\nlong hair\n", ()),
        ("\n4\n\n\n", ()),
        ("5\n\n", ("--person", "Bo", "--arm", "left")),
    ):
        monkeypatch.setattr("sys.stdin", Terminal(answers))
        assert record(monkeypatch, tmp_path / "set", Given(1.0), *options) == 0
    told = [read_json([one.path.with_suffix(".json")])["cpep"] for one in find_recordings(tmp_path / "set")]
    assert [(one["session"], one["recorded"]["notes"]) for one in told] == [("3", "long hair"), ("4", ""), ("5", "")]
    assert {source.parts()[0].side for source in find_recordings(tmp_path / "set")} == {"left"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((*WHO, "--arm", "both"), "the arm is 'both'; it must be right or left"),
        ((*WHO, "--person", "--"), "the person is '--'; give a name or a number"),
        ((*WHO, "--protocol", "dance"), "--protocol dance: write follow, free, gestures, or the path"),
        ((*WHO, "--pose", "follow"), "--pose follow: protocol free has no step in which a drawn hand"),
        ((*WHO, "--pose", "glove"), "--pose glove: write"),
        ((*WHO, "--source", ""), "name the source of the EMG, such as --source lsl:band"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_recorded(tmp_path, monkeypatch, capsys, options, sentence):
    assert record(monkeypatch, tmp_path / "set", Given(), *options) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.bdf")) and not unfinished(tmp_path / "set")


def test_a_foreign_folder_is_left_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "letter.txt").write_text("x")
    assert record(monkeypatch, tmp_path, Given(), *WHO) == 2
    assert "holds other files; name an empty folder" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 0), (UserError("the band is another one"), 2)])
def test_what_was_recorded_before_an_end_is_kept(tmp_path, monkeypatch, capsys, error, status):
    assert record(monkeypatch, tmp_path / "set", Given(2.0, error), *WHO) == status
    (source,) = find_recordings(tmp_path / "set")
    assert source.parts()[0].seconds == 2.0
    assert not status or "the band is another one" in capsys.readouterr().err


def test_what_a_kill_left_is_added_and_told_at_the_next_recording(tmp_path, monkeypatch, capsys):
    for seed in range(2):
        recorder = Recorder(tmp_path / "set", About("Kim", str(seed)), Given.device, source="x")
        recorder.take(np.ones((100, 4), np.float32))
        recorder.close()
    (tmp_path / "set" / ".recording-1").mkdir()
    (tmp_path / "set" / ".recording-1" / "about.json").write_text("{")
    assert record(monkeypatch, tmp_path / "set", Given(1.0), *WHO) == 0
    printed = capsys.readouterr()
    assert "3 recordings were cut off before; what was recorded is added now" in printed.err
    assert printed.out.count("0.5 s in 1 run") == 2 and printed.out.count("1.0 s in 1 run") == 1
    assert "about.json is not readable as JSON" in printed.err
    assert main(["record", str(tmp_path / "set"), "--recover"]) == 2
    assert "about.json is not readable" in capsys.readouterr().err
    assert main(["record", str(tmp_path / "other"), "--recover"]) == 0
    assert "nothing was left to add" in capsys.readouterr().out


def test_a_band_and_a_hand_over_lsl_with_a_dropout(tmp_path):
    pylsl = pylsl_on_loopback()
    name = f"band-{time.monotonic_ns()}"
    band = Sender(pylsl, name, rate=200, channels=4, skips=range(300, 340), uid=name, units=["microvolts"] * 4)
    hand = Sender(pylsl, f"{name}-hand", rate=50, channels=3, uid=f"{name}h", kind="MoCap")
    options = ["--source", f"lsl:{name}", "--pose", f"lsl:{name}-hand", "--seconds", "2.5", *WHO]
    try:
        assert main(["record", str(tmp_path / "set"), *options]) == 0
    finally:
        band.stop()
        hand.stop()
    sources = find_recordings(tmp_path / "set")
    found = [source.parts()[0] for source in sources]
    assert len(found) == 2 and found[0].device.emg_unit == "uV" and found[0].device.channels == 4
    values = [np.rint(one.emg_TC[:, 0]).astype(int) for one in found]
    for number in values:
        assert (np.diff(number) == 1).all()
    assert values[0][-1] == 299 and values[1][0] == 340
    begun_s = [  # both streams count evenly, each from when it was heard first
        (one.emg_TC[np.arange(len(one.valid_S)) * 2, 0] / 200 - one.anchor_SJ[:, 0] / 50)[one.valid_S]
        for one in found
    ]
    begun_s = np.concatenate(begun_s)
    assert len(begun_s) > 50
    np.testing.assert_allclose(begun_s, np.median(begun_s), atol=5e-3)
    told = [read_json([source.path.with_suffix(".json")])["cpep"]["recorded"] for source in sources]
    assert told[1]["first_sample"] - told[0]["first_sample"] == 340 - values[0][0]


@pytest.fixture(scope="module")
def followed():
    """A script, EMG of somebody who follows it 0.35 s behind (500 Hz, 8 channels), and their true pose at 100 Hz."""
    script = FollowScript(60.0, seed=1)
    take = following_take(wear(3, "f", "f_s0", "right", Variability(wrong_prompts=0)), 0, script.script, 0.35)
    return script, resampled(take.emg_TC[:, ::2], 2000.0, 500.0), take.pose_SJ[:, :20]


def test_the_drawn_hand_is_moved_to_where_the_person_made_it(tmp_path, followed):
    script, emg_TC, true_SJ = followed
    protocol, device = Protocol("follow", (Follow(script),)), Device(8, 500.0, "raw", "uV")
    recorder = Recorder(tmp_path / "set", About("Fay", "1"), device, source="x", protocol="follow", pose=DRAWN)
    stamp = [100.0]
    taking = Taking(recorder, protocol, now=lambda: stamp[0])
    for first in range(0, len(emg_TC), 10):
        stamp[0] = 100.0 + (first + 10) / 500
        taking.take(Chunk(emg_TC[first : first + 10].astype(np.float32), stamp_s=stamp[0] - 1 / 500))
    assert taking.done
    taking.close()
    (file,) = finish(recorder.folder).files
    found = read_recording(file)
    assert isinstance(found, Recording) and found.anchor_SJ is not None and found.device.anchor_names == tuple(JOINTS)
    told = read_json([file.with_suffix(".json")])["cpep"]["recorded"]["follow"]
    assert told["unclear"] == "" and 250 < told["shifted_ms"] < 450
    count = min(len(found.anchor_SJ), len(true_SJ))
    assert abs(count - 6000) < 50
    drawn_SJ = script.poses_at(np.arange(count) / 100)

    def error(pose_SJ):
        return float(np.sqrt(np.square(pose_SJ - true_SJ[:count])[found.valid_S[:count]].mean()))

    assert error(found.anchor_SJ[:count]) < 0.6 * error(drawn_SJ)


def drawn(renderable):
    console = Console(file=io.StringIO(), width=90)
    console.print(renderable)
    return console.file.getvalue()


def test_the_screen_says_what_to_do_and_how_the_band_is(tmp_path):
    recorder = Recorder(tmp_path / "set", About("A", "1"), Given.device, source="x", pose=DRAWN)
    taking = Taking(recorder, read_protocol("gestures"), cue=follower(Given()))
    rng = np.random.default_rng(0)
    for _ in range(10):
        taking.take(Chunk(rng.normal(size=(60, 4)).astype(np.float32) * [1, 1, 0, 1]))
    text = drawn(screen("band", taking, True))
    assert "hold" in text and "1 of 5" in text and "channel 3: flat" in text and "recorded 0:03" in text
    taking.close()
    other = Recorder(tmp_path / "set", About("A", "1"), Given.device, source="x", pose=DRAWN)
    taking = Taking(other, read_protocol("follow"))
    taking.take(Chunk(np.zeros((10, 4), np.float32), lost=7))
    text = drawn(screen("band", taking, False))
    assert "Follow the drawn hand" in text and "pinky" in text and "7 samples lost" in text and "Ctrl-C" in text
    taking.close()


def test_angles_beyond_a_full_turn_are_told_and_taken_as_no_pose(tmp_path):
    columns = PoseColumns(("a", "b"), "rad", "", "lsl:hand")
    recorder = Recorder(tmp_path / "set", About("A", "1"), Given.device, source="x", pose=columns)
    for number, chunk in enumerate(Given(2.0).chunks()):
        recorder.take(chunk.emg_TC, 0, chunk.stamp_s)
        recorder.frame(chunk.stamp_s, np.array([0.5, 90.0 if number >= 10 else 0.1]))
    assert recorder.odd == "lsl:hand reaches 90 rad, more than a full turn: it is in another unit than it says"
    recorder.close()
    (file,) = finish(recorder.folder).files
    found = read_recording(file)
    assert isinstance(found, Recording) and 0.35 < found.valid_S.mean() < 0.5
    told = read_json([file.with_suffix(".json")])["cpep"]["recorded"]
    assert told["remarks"] == [recorder.odd + "; 10 of 20 frames are taken as no pose"]
