"""Recording processes that are killed at random moments lose nothing that is older than a second."""

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import cpep
from cpep.data.readers.bids_text import read_json
from cpep.data.readers.folder import find_recordings
from cpep.live.record.finish import recover, unfinished
from tests.live.loopback import Sender, pylsl_on_loopback
from tests.live.record_until_killed import NOTE, RATE, emg_at

KILLS, LONGEST_S, ALLOWED_S = 20, 1.8, 1.0


def given_before(witness: Path, moment: float) -> int:
    """Return how many places of the stream the recorder had been given at a moment."""
    notes = list(NOTE.iter_unpack(witness.read_bytes()[: witness.stat().st_size // NOTE.size * NOTE.size]))
    return max((place for when, place in notes if when <= moment), default=0)


def recovered(path: Path, emg_TC: np.ndarray, first: int) -> int:
    """Check that EMG is what was sent from a place on; return the place after its last sample."""
    sent_TC = emg_at(np.arange(first, first + len(emg_TC)))
    np.testing.assert_allclose(emg_TC[0], sent_TC[0], atol=1e-3)
    whole_T = np.abs(emg_TC - sent_TC).max(axis=1) < 1e-3
    filled = dict(read_json([path.with_suffix(".json")])["cpep"]["repairs"])
    assert (~whole_T).sum() <= filled.get("lost samples filled by interpolation in holes of at most 20 ms", 0)
    return first + len(emg_TC)


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    home, draw = tmp_path / "set", random.Random(7)
    environment = {**os.environ, "PYTHONPATH": f"{Path(cpep.__file__).parents[1]}{os.pathsep}{Path.cwd()}"}
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.live.record_until_killed", str(home), str(KILLS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(KILLS)]
    begun = time.monotonic()
    killed = {}
    for moment, number in sorted((draw.uniform(0.02, LONGEST_S), number) for number in range(KILLS)):
        time.sleep(max(begun + moment - time.monotonic(), 0))
        killed[number] = time.monotonic()
        os.kill(children[number], signal.SIGKILL)
    parent.communicate()
    left = len(unfinished(home))
    assert left > KILLS / 2  # others were killed before they began
    done, failed = recover(home)
    assert not failed and len(done) == left and not unfinished(home) and not list(home.glob(".record*/about.json"))
    ends: dict[int, int] = {}
    for source in find_recordings(home):
        (recording,) = source.parts()
        told = read_json([source.path.with_suffix(".json")])["cpep"]["recorded"]
        assert told["source"] == "known" and recording.stage == "gestures" and recording.side == "right"
        number = int(told["notes"])
        assert (recording.user, recording.session) == (f"p{number % 3}", f"s{number % 2}")
        ends[number] = max(ends.get(number, 0), recovered(source.path, recording.emg_TC, told["first_sample"]))
    late = {
        number: given_before(tmp_path / "set.witness" / str(number), killed[number]) - ends.get(number, 0)
        for number in killed
    }
    print({number: f"{places / RATE:.3f} s" for number, places in late.items()})
    for number, moment in killed.items():
        assert ends.get(number, 0) >= given_before(tmp_path / "set.witness" / str(number), moment - ALLOWED_S), number
    opened_by_mne_bids(home)


def opened_by_mne_bids(home: Path, misc: int = 2) -> None:
    mne_bids = pytest.importorskip("mne_bids")
    paths = sorted(home.rglob("*_emg.bdf"))
    for path in paths[:: max(len(paths) - 1, 1)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # MNE knows no column original_user
            raw = mne_bids.read_raw_bids(mne_bids.get_bids_path_from_fname(path), verbose="error")
        assert raw.get_channel_types() == ["emg"] * 8 + ["misc"] * misc and raw.info["sfreq"] == RATE


@pytest.mark.slow
def test_cpep_record_over_lsl_is_killed_twenty_times(tmp_path: Path) -> None:
    """The whole command, over LSL with a pose, in four batches of five processes that record the same stream."""
    pylsl = pylsl_on_loopback()
    name, home, draw = f"band-{time.monotonic_ns()}", tmp_path / "set", random.Random(7)
    band = Sender(pylsl, name, RATE, 8, uid=name, units=["uV"] * 8)
    hand = Sender(pylsl, f"{name}-hand", 60, 3, uid=f"{name}-hand", kind="MoCap")
    environment = {**os.environ, "PYTHONPATH": str(Path(cpep.__file__).parents[1])}
    arguments = ["--source", f"lsl:{name}", "--pose", f"lsl:{name}-hand", "--session", "1", "--arm", "left"]
    sent: dict[str, int] = {}
    try:
        for batch in range(4):
            running = {}
            for person in (f"{batch}{k}" for k in range(5)):
                command = [sys.executable, "-m", "cpep", "record", f"{home}{person}", *arguments, "--person", person]
                running[person] = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
            while not all(list(Path(f"{home}{person}").glob(".recording-*/about.json")) for person in running):
                time.sleep(0.1)
            for person, process in running.items():
                time.sleep(draw.uniform(0.2, 3.0))
                sent[person] = band.sent
                process.kill()
                process.wait()
    finally:
        band.stop()
        hand.stop()
    late = {}
    for person, number in sent.items():
        place = Path(f"{home}{person}")
        assert recover(place)[1] == []
        parts = [part for source in find_recordings(place) for part in source.parts()]
        for one in parts:
            assert (np.diff(np.rint(one.emg_TC[:, 0])) == 1).all() and one.anchor_SJ is not None
        late[person] = (number - round(float(parts[-1].emg_TC[-1, 0]))) / RATE
        opened_by_mne_bids(place, misc=3)
    print(
        "\nbetween the last sample that was sent before the kill and the last that was kept, s:",
        sorted(late.values()),
    )
    assert max(late.values()) < 1.0
