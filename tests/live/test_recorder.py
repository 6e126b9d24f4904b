"""The recorder's files, what is read of them after any damage, and the data set that they become."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cpep.live.record.finish as finishing
from cpep.data.bids import files as bids_files
from cpep.data.readers.bids import read_recording
from cpep.data.readers.bids_text import read_json
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Device, Recording
from cpep.live.book.entries import checked
from cpep.live.record.about import About, PoseColumns
from cpep.live.record.finish import Finished, finish, recover, unfinished
from cpep.live.record.labels import asked
from cpep.live.record.recorder import PREFIX, Recorder
from cpep.live.record.rows import CHUNK, CHUNKS, EMG, POSE, PROMPTS, Prompt, plain, pose_dtype
from cpep.live.record.taken import read_taken
from cpep.runtime import files as runtime_files
from cpep.runtime import leftovers
from cpep.runtime.files import atomic_path
from cpep.types import UNKNOWN, UserError

DEVICE = Device(3, 200.0, "raw", "uV")
POSE_COLUMNS = PoseColumns(("a", "b"), "count", "glove", "lsl:hand")
ANNA = About("Anna", "day 1", "left", "new electrodes")


def recorded(home, chunks, about=ANNA, device=DEVICE, pose=None, frames=(), prompts=()):
    """Record chunks (EMG, lost, stamp), frames (stamp, pose) and prompts (number of chunk, what) and close."""
    recorder = Recorder(home, about, device, source="lsl:band", protocol="gestures", pose=pose)
    for number, (emg_TC, lost, stamp_s) in enumerate(chunks):
        for one in (one for at, one in prompts if at == number):
            recorder.prompt(*one)
        recorder.take(emg_TC, lost, stamp_s)
    for frame in frames:
        recorder.frame(*frame)
    recorder.close()
    return recorder.folder


def noise(samples, channels=3, seed=0):
    return np.random.default_rng(seed).normal(0, 40, (samples, channels)).astype(np.float32)


def in_chunks(emg_TC, size=10, lost=(), begin_s=100.0, rate=200.0):
    """Cut EMG into chunks; ``lost`` are (number of chunk, samples) pairs."""
    lost, place, chunks = dict(lost), 0, []
    for number, first in enumerate(range(0, len(emg_TC), size)):
        part_TC = emg_TC[first : first + size]
        place += lost.get(number, 0) + len(part_TC)
        chunks.append((part_TC, lost.get(number, 0), begin_s + (place - 1) / rate))
    return chunks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a recording, 30 chunks of 1 to 9 samples, and what was recorded."""
    home, emg_TC = tmp_path_factory.mktemp("whole"), noise(150)
    sizes = [1 + 2 * (number % 5) for number in range(30)]
    ends = np.cumsum(sizes).tolist()
    chunks = [
        (emg_TC[end - size : end], number % 4 == 3, 0.1)
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
    frames = [(k / 10, np.array([k, -k], np.float32)) for k in range(20)]
    prompts = [(number, ("hold", "fist", number)) for number in range(30)]
    return recorded(home, chunks, pose=POSE_COLUMNS, frames=frames, prompts=prompts), emg_TC, sizes


@settings(max_examples=30, deadline=None)
@given(keep=st.tuples(*[st.floats(0, 1)] * 4), zeros=st.integers(0, 100))
def test_files_that_end_anywhere_are_read_up_to_the_last_whole_row(whole, tmp_path_factory, keep, zeros):
    folder, emg_TC, sizes = whole
    torn = tmp_path_factory.mktemp("torn") / "x"
    shutil.copytree(folder, torn)
    length = {}
    for name, share in zip((EMG, CHUNKS, POSE, PROMPTS), keep, strict=True):
        data = (torn / name).read_bytes()
        length[name] = round(share * len(data))
        (torn / name).write_bytes(data[: length[name]] + bytes(zeros))
    taken = read_taken(torn)
    there = 0  # whole chunks whose samples are whole
    while (there + 1) * CHUNK.itemsize <= length[CHUNKS] and sum(sizes[: there + 1]) * 12 <= length[EMG]:
        there += 1
    samples = sum(sizes[:there])
    assert np.array_equal(taken.emg_TC, emg_TC[:samples])
    assert taken.skip_T.sum() == sum(number % 4 == 3 for number in range(there))
    frames = length[POSE] // pose_dtype(2).itemsize
    assert taken.pose_SJ[:, 0].tolist() == list(range(frames))
    assert [one.repetition for one in taken.prompts] == list(range(len(taken.prompts)))
    lines = (folder / PROMPTS).read_bytes()[: length[PROMPTS]].count(b"\n")
    assert len(taken.prompts) == lines


def test_a_recording_becomes_runs_that_hold_what_was_recorded(tmp_path):
    emg_TC = noise(600)
    home = tmp_path / "my set"
    lost = [(20, 3), (40, 100)]  # 15 ms are filled, half a second is a cut
    prompts = [(0, ("rest",)), (10, ("ready", "fist", 1)), (12, ("hold", "fist", 1)), (32, ("rest",))]
    done = finish(recorded(home, in_chunks(emg_TC, lost=lost), prompts=prompts))
    assert [file.name for file in done.files] == [
        f"sub-Anna_ses-day1_task-gestures_run-0{run}_recording-left_emg.bdf" for run in (1, 2)
    ]
    assert done.lost == 103 and done.seconds == (400 + 3 + 200) / 200 and not list(home.glob(f"{PREFIX}*"))
    first, second = (read_recording(file) for file in done.files)
    assert isinstance(first, Recording) and isinstance(second, Recording)
    for one in (first, second):
        assert (one.user, one.session, one.side, one.stage) == ("Anna", "day 1", "left", "gestures")
        assert one.device == DEVICE
    steps = 40 * 5 * 2**-22
    np.testing.assert_allclose(first.emg_TC[:200], emg_TC[:200], rtol=0, atol=steps)
    np.testing.assert_allclose(first.emg_TC[203:], emg_TC[200:400], rtol=0, atol=steps)
    np.testing.assert_allclose(first.emg_TC[201], (emg_TC[199] + emg_TC[200]) / 2, rtol=0, atol=steps)
    np.testing.assert_allclose(second.emg_TC, emg_TC[400:], rtol=0, atol=steps)
    assert [(repair.count, repair.what[:12]) for repair in first.repairs[:1]] == [(3, "lost samples")]
    fist = first.vocabulary.index("fist")
    assert (first.label_T[220:323] == fist).all() and set(first.label_T[100:220]) == {UNKNOWN}
    told = read_json([done.files[1].with_suffix(".json")])["cpep"]["recorded"]
    assert told["first_sample"] == 503 and told["source"] == "lsl:band" and told["notes"] == "new electrodes"
    scans = (home / "sub-Anna/ses-day1/sub-Anna_ses-day1_scans.tsv").read_text().splitlines()
    assert len(scans) == 3 and "2.015\tgestures\tleft" in scans[1]
    seconds = [np.datetime64(line.split("\t")[1].rstrip("Z")) for line in scans[1:]]
    assert abs((seconds[1] - seconds[0]) / np.timedelta64(1, "s") - 503 / 200) < 2e-3


def test_a_data_set_grows_and_nothing_in_it_changes(tmp_path):
    home = tmp_path / "set"
    for about in (ANNA, ANNA, About("anna", "day 1"), About("Anna", "day-1"), About("Bo", "1")):
        before = {path: path.read_bytes() for path in home.rglob("*_emg.*")}
        finish(recorded(home, in_chunks(noise(100, seed=len(before))), about))
        assert all(path.read_bytes() == data for path, data in before.items())
    assert sorted(source.path.name for source in find_recordings(home)) == [
        "sub-Anna_ses-day1_task-gestures_run-01_recording-left_emg.bdf",
        "sub-Anna_ses-day1_task-gestures_run-02_recording-left_emg.bdf",
        "sub-Anna_ses-day1x2_task-gestures_run-01_recording-right_emg.bdf",
        "sub-Bo_ses-1_task-gestures_run-01_recording-right_emg.bdf",
        "sub-annax2_ses-day1_task-gestures_run-01_recording-right_emg.bdf",
    ]
    found = [source.parts()[0] for source in find_recordings(home)]
    assert sorted({(one.user, one.session) for one in found}) == [
        ("Anna", "day 1"), ("Anna", "day-1"), ("Bo", "1"), ("anna", "day 1")
    ]  # fmt: skip


def test_a_band_that_goes_away_and_comes_back_is_cut_there(tmp_path):
    emg_TC, nothing = noise(200), (noise(0), 50, np.nan)  # a source that is away tells so in chunks without a sample
    chunks = [(emg_TC[:100], 0, 10.0), nothing, nothing, (emg_TC[100:], 7, 11.04)]
    done = finish(recorded(tmp_path / "set", chunks))
    first, second = (read_recording(file) for file in done.files)
    assert done.lost == 107 and isinstance(first, Recording) and isinstance(second, Recording)
    np.testing.assert_allclose(np.concatenate([first.emg_TC, second.emg_TC]), emg_TC, atol=1e-3)
    assert read_json([done.files[1].with_suffix(".json")])["cpep"]["recorded"]["first_sample"] == 207


class Cut(BaseException):
    """The power."""


def test_a_power_cut_while_a_recording_is_added_adds_it_once(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    finish(recorded(begun, in_chunks(noise(60, seed=9))))
    name = recorded(begun, in_chunks(noise(100), lost=[(5, 50)])).name
    for writes in [*range(0, 12, 3), *range(12, 30)]:
        home, left = tmp_path / f"set{writes}", [writes]
        shutil.copytree(begun, home)

        def until_then(path, left=left, **how):
            if not left[0]:
                raise Cut
            left[0] -= 1
            return atomic_path(path, **how)

        with monkeypatch.context() as patched:
            patched.setattr(runtime_files, "atomic_path", until_then)
            patched.setattr(bids_files, "atomic_path", until_then)
            try:
                finish(home / name)
            except Cut:
                assert unfinished(home) == [home / name]
        assert not recover(home)[1]
        assert [len(source.parts()[0].emg_TC) for source in find_recordings(home)] == [60, 50, 50]
        assert not list(home.glob(".record*"))
        if left[0]:  # it was not cut
            break
    assert 8 < writes < 29


@pytest.mark.parametrize("writes", [1, 3, 5, 7])
def test_a_first_recording_that_was_cut_off_while_it_was_added_is_no_foreign_folder(tmp_path, monkeypatch, writes):
    home, left = recorded(tmp_path / "set", in_chunks(noise(60))).parent, [writes]

    def until_then(path, **how):
        if not left[0]:
            raise Cut
        left[0] -= 1
        return atomic_path(path, **how)

    with monkeypatch.context() as patched:
        patched.setattr(runtime_files, "atomic_path", until_then)
        patched.setattr(bids_files, "atomic_path", until_then)
        with pytest.raises(Cut):
            finish(unfinished(home)[0])
    Recorder(home, ANNA, DEVICE, source="x").close()  # as the next `cpep record` does
    assert [done.seconds for done in recover(home)[0]].count(0.3) == 1


def test_without_what_writes_the_data_set_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(UserError, match=r'needs edfio; install it with pip install "cpep\[bids\]"'):
        Recorder(tmp_path / "set", ANNA, DEVICE, source="x")


def test_what_is_read_back_otherwise_is_kept(tmp_path, monkeypatch):
    folder = recorded(tmp_path / "set", in_chunks(noise(100)))
    real = finishing.read_recording

    def other(path):
        found = real(path)
        found.emg_TC[50, 1] += 0.01
        return found

    with monkeypatch.context() as patched:
        patched.setattr(finishing, "read_recording", other)
        with pytest.raises(UserError, match="its EMG is another one; the recording is kept"):
            finish(folder)
    assert unfinished(tmp_path / "set") == [folder]
    ((done,), _) = recover(tmp_path / "set")
    assert len(done.files) == 1 and "run-01" in done.files[0].name


def test_damage_amid_a_recording_is_told_and_nothing_is_removed(tmp_path):
    folder = recorded(tmp_path / "set", in_chunks(noise(3000)))
    with (folder / EMG).open("r+b") as file:
        file.seek(500 * 12)
        file.write(b"x")
    done = finish(folder)
    assert done.seconds == 2.5 and "12 s after that are damaged on the disk" in done.sentence
    (kept,) = (tmp_path / "set").glob(".damaged-*")
    assert (
        (kept / EMG).stat().st_size == 3000 * 12 and str(kept) in done.sentence and not unfinished(tmp_path / "set")
    )


def test_a_recorder_that_was_killed_before_its_first_sample_leaves_nothing(tmp_path):
    begun, damaged, other = (tmp_path / f".recording-20260101T00000{k}" for k in range(3))
    for folder in (begun, damaged, other):
        folder.mkdir()
        for name in ("emg.f32", "chunks.bin", "lock", f".about.json.1-1@{leftovers.host()}.tmp"):
            (folder / name).touch()
    (damaged / "emg.f32").write_bytes(b"samples whose about.json is lost")
    (other / "lock").unlink()  # one that begins now
    living = Recorder(tmp_path, ANNA, DEVICE, source="x")
    assert recover(tmp_path) == ([], [])
    assert not begun.exists() and damaged.exists() and other.exists() and living.folder.exists()
    os.utime(other, (0, 0))
    recover(tmp_path)
    assert not other.exists() and living.folder.exists()
    living.close()


def test_two_recorders_never_mix(tmp_path):
    one, other = (Recorder(tmp_path, About(name, "1"), DEVICE, source=name) for name in ("a", "b"))
    assert one.folder != other.folder and not unfinished(tmp_path)
    one.take(noise(40))
    other.take(noise(60, seed=1))
    with pytest.raises(UserError, match="is in use by cpep, process"):
        finish(one.folder)
    one.close()
    other.close()
    lengths = {
        source.parts()[0].user: len(source.parts()[0].emg_TC)
        for done in [recover(tmp_path)]
        for source in find_recordings(tmp_path)
    }
    assert lengths == {"a": 40, "b": 60}


def test_nothing_recorded_is_nothing_added(tmp_path):
    done = finish(recorded(tmp_path / "set", [(noise(0), 50, np.nan)]))
    assert done == Finished((), 0, 0, f"{tmp_path / 'set'}: no sample came, so that nothing was added")
    assert not list((tmp_path / "set").iterdir())


def test_a_full_disk_is_told_and_loses_nothing_before_it(tmp_path):
    recorder = Recorder(tmp_path / "set", ANNA, DEVICE, source="x")
    recorder.take(noise(100))
    until = time.monotonic() + 10
    while (recorder.folder / CHUNKS).stat().st_size == 0 and time.monotonic() < until:
        time.sleep(0.01)
    recorder._appending._files[EMG].close()
    recorder._appending._files[EMG] = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    with pytest.raises(
        UserError, match=r"No space left on device; what was recorded before is kept there; make room"
    ):
        for _ in range(1000):
            recorder.take(noise(10, seed=1))
            time.sleep(0.01)
    with pytest.raises(UserError, match="No space left"):
        recorder.close()
    ((done,), _) = recover(tmp_path / "set")
    assert done.seconds == 0.5


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("file", "is a file; name a folder"), ("file/set", "Not a directory"), ("full", "holds other files")],
)
def test_a_folder_that_cannot_be_recorded_into_is_refused_in_a_sentence(tmp_path, place, sentence):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x")
    with pytest.raises(UserError, match=sentence):
        Recorder(tmp_path / place, ANNA, DEVICE, source="x")


@pytest.mark.parametrize("scale", [3e-5, 1e-3, 1.0, 8388607.0])
@pytest.mark.parametrize("unit", ["", "V"])
def test_emg_of_any_size_comes_back(tmp_path, scale, unit):
    emg_TC = noise(50) / 200 * scale
    (file,) = finish(recorded(tmp_path / "set", in_chunks(emg_TC), device=Device(3, 200.0, "raw", unit))).files
    found = read_recording(file)
    assert isinstance(found, Recording) and found.device.emg_unit == unit
    np.testing.assert_allclose(found.emg_TC, emg_TC, rtol=0, atol=1e-5 * scale)


def test_pose_lies_on_the_clock_of_the_samples(tmp_path):
    begin_s, rate = 1000.0, 200.04  # the device's clock is 0.02 % fast
    chunks = in_chunks(noise(5000), begin_s=begin_s, rate=rate)

    def pose_at(second):
        return np.stack([np.sin(second), second - begin_s], axis=-1).astype(np.float32)

    frames = [(second, pose_at(second)) for second in np.arange(begin_s - 1, begin_s + 30, 1 / 72).tolist()]
    frames = [(second, None if begin_s + 5 < second < begin_s + 6 else pose) for second, pose in frames]
    (file,) = finish(recorded(tmp_path / "set", chunks, pose=POSE_COLUMNS, frames=frames)).files
    found = read_recording(file)
    assert isinstance(found, Recording) and found.anchor_SJ is not None and len(found.emg_TC) == 5000
    second_S = begin_s + np.arange(len(found.valid_S)) / found.anchor_rate * 200 / rate
    there_S = (second_S < begin_s + 4.98) | (second_S > begin_s + 6.02)
    assert found.valid_S[there_S].all() and not found.valid_S[abs(second_S - begin_s - 5.5) < 0.45].any()
    np.testing.assert_allclose(found.anchor_SJ[there_S], pose_at(second_S[there_S]), atol=2e-3)


def test_labels_follow_prompts_half_a_second_later():
    prompts = [
        Prompt(100, 0, "rest"), Prompt(300, 0, "ready", "fist", 1), Prompt(400, 0, "hold", "fist", 1),
        Prompt(700, 0, "rest"), Prompt(900, 0, "hold", "point", 1), Prompt(1200, 0, "redo", "point", 1),
        Prompt(1300, 0, "hold", "point", 1), Prompt(1500, 0, "end"),
    ]  # fmt: skip
    found = asked(prompts, np.arange(1600), 100.0)
    assert found.vocabulary == ("rest", "fist", "point")
    label, prompt = np.full(1600, -1), np.full(1600, -1)
    label[150:300], label[450:700], label[750:900], label[1350:1500] = 0, 1, 0, 2
    prompt[100:300], prompt[300:750], prompt[750:900] = 0, 1, 0
    prompt[900:1250], prompt[1300:1550] = 2, 2
    repetition = np.zeros(1600)
    repetition[400:700], repetition[1300:1500] = 1, 1
    assert np.array_equal(found.label_T, label)
    assert np.array_equal(found.prompt_T, prompt)
    assert np.array_equal(found.repetition_T, repetition)
    again = asked([*prompts[:4], Prompt(900, 0, "redo", "fist"), *prompts[4:]], np.arange(1600), 100.0)
    assert not (again.label_T == 1).any() and not again.repetition_T[:900].any()
    came = np.r_[0:350, 420:980, 990:1600]
    some = asked(prompts, came, 100.0)
    for one in ("label_T", "prompt_T", "repetition_T"):
        assert np.array_equal(getattr(some, one), getattr(found, one)[came])


def test_a_clock_that_is_set_right_loses_years_and_no_sample(tmp_path):
    years = 200 * 3600 * 24 * 365 * 50  # as where a small computer learns what day it is
    done = finish(recorded(tmp_path / "set", in_chunks(noise(600), lost=[(30, years)])))
    assert len(done.files) == 2 and done.seconds == 3.0 and done.lost == years


def test_nothing_is_removed_where_one_channel_sent_no_numbers(tmp_path):
    emg_TC = noise(600)
    emg_TC[300:, 1] = np.nan
    done = finish(recorded(tmp_path / "some", in_chunks(emg_TC)))
    (kept,) = (tmp_path / "some").glob(".damaged-*")
    assert done.seconds == 1.5 and (kept / EMG).stat().st_size == 600 * 12 and not unfinished(tmp_path / "some")
    wrong = "channel 2 sends values that are no numbers (NaN) in 300 of 600 samples, which count as lost"
    assert f"{wrong}; leave it out of the source; 2 s cannot be used and were left out: they are" in done.sentence
    emg_TC[:, 1] = np.nan
    done = finish(recorded(tmp_path / "all", in_chunks(emg_TC)))
    (kept,) = (tmp_path / "all").glob(".damaged-*")
    assert done.files == () and (kept / EMG).exists() and "no sample can be used, so that nothing" in done.sentence
    emg_TC[:, 1] = 0
    emg_TC[::40, 1] = np.nan  # holes of one sample, which are filled
    done = finish(recorded(tmp_path / "holes", in_chunks(emg_TC)))
    assert done.sentence.endswith("read back and the same") and not list((tmp_path / "holes").glob(".damaged-*"))


def test_a_value_that_bdf_cannot_hold_costs_its_sample_and_not_the_recording(tmp_path):
    emg_TC = noise(600)
    emg_TC[[100, 300, 301], 1] = 1e7, -np.inf, 3e38
    done = finish(recorded(tmp_path / "spikes", in_chunks(emg_TC)))
    assert done.seconds == 3.0 and not unfinished(tmp_path / "spikes")
    assert "3 samples with a value beyond 9,999,999, more than BDF holds, count as lost" in done.sentence
    found = read_recording(done.files[0])
    assert np.abs(found.emg_TC).max() <= np.abs(noise(600)).max() + 0.01
    assert 3 in [one.count for one in found.repairs if one.what == "samples that are no finite numbers taken as lost"]
    emg_TC[300:, 1] = 1e8
    done = finish(recorded(tmp_path / "half", in_chunks(emg_TC)))
    (kept,) = (tmp_path / "half").glob(".damaged-*")
    assert done.seconds == 1.5 and (kept / EMG).stat().st_size == 600 * 12


NAMES = st.text("aZ9 -_/.ä漢'\"#n", min_size=1, max_size=12)


@settings(max_examples=10, deadline=None)
@example(texts=(" 01", "n/a1 ", " a"), gesture=" fist ")
@example(texts=("A", "1", ""), gesture="n/a")
@given(texts=st.tuples(NAMES, NAMES, NAMES), gesture=NAMES)
def test_whatever_may_be_said_comes_back(tmp_path_factory, texts, gesture):
    try:
        about, name = About(texts[0], texts[1], "right", texts[2]), plain(checked(gesture))
    except UserError:
        return
    home = tmp_path_factory.mktemp("said") / "set"
    (file,) = finish(recorded(home, in_chunks(noise(300)), about, prompts=[(0, ("hold", gesture, 1))])).files
    found = read_recording(file)
    assert isinstance(found, Recording) and found.vocabulary[found.label_T.max()].lower() == name.lower()
    assert (found.user, found.session) == (about.person, about.session)
