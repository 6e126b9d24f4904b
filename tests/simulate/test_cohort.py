"""Cohorts on disk: bytes, resuming, refusals, splits of gestures over stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from cpep.data.readers.emg2pose import read_recording
from cpep.data.readers.metadata import read_metadata
from cpep.simulate import Cohort, Variability, simulate_cohort
from cpep.simulate.cohort import make_take
from cpep.simulate.gestures import GESTURES, SEEN, STAGES, UNSEEN, holds_unseen
from cpep.simulate.record import wear
from cpep.types import UserError

TINY = {"users": 2, "minutes": 0.25, "seed": 5}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "tiny"
    simulate_cohort(folder, **TINY, workers=1)
    return folder


@pytest.mark.slow  # a cohort once more: 10 s that CI lacks; test_any_one_file_can_be_made_alone stays
def test_same_seed_same_bytes_with_any_number_of_workers(cohort: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    simulate_cohort(tmp_path / "b", **TINY, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert contents(tmp_path / "b") == contents(cohort)
    assert calls[0] == (0, 30) and calls[-1] == (30, 30)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_another_seed_gives_other_recordings(cohort: Path, tmp_path: Path) -> None:
    simulate_cohort(tmp_path / "b", users=1, minutes=0.25, seed=6, workers=1)
    other = contents(tmp_path / "b")
    name = next(name for name in other if name.endswith(".hdf5"))
    assert other[name] != contents(cohort)[name]


def test_any_one_file_can_be_made_alone(cohort: Path, tmp_path: Path) -> None:
    described = Cohort(2, 0.25, 5)
    take = described.takes()[15]
    session = wear(5, take.user, take.session, take.side, Variability())
    make_take(tmp_path, session, take)
    name = f"{take.name}.hdf5"
    assert (tmp_path / name).read_bytes() == (cohort / name).read_bytes()


def test_a_person_is_the_same_in_a_larger_cohort(cohort: Path) -> None:
    small = {take.name: take for take in Cohort(2, 0.25, 5).takes()}
    large = {take.name: take for take in Cohort(30, 0.25, 5).takes()}
    assert small.items() <= large.items()


def test_lost_and_broken_files_are_made_again_and_others_kept(cohort: Path, tmp_path: Path) -> None:
    before, files = contents(cohort), sorted(cohort.glob("*.hdf5"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-500])
    whole = files[3].rename(tmp_path / "whole.hdf5")
    with h5py.File(files[3], "w") as file:
        file["emg2pose"] = h5py.ExternalLink(whole, "emg2pose")
    kept = files[2].stat().st_mtime_ns
    calls: list[int] = []
    simulate_cohort(cohort, **TINY, workers=1, progress=lambda done, total: calls.append(done))
    assert contents(cohort) == before
    assert files[2].stat().st_mtime_ns == kept
    assert calls[0] > 0  # what was there counts as done


@pytest.mark.parametrize("other", [{"seed": 6}, {"users": 3}, {"sides": ("left",)}])
def test_a_folder_with_another_cohort_is_refused(cohort: Path, other: dict[str, object]) -> None:
    before = contents(cohort)
    with pytest.raises(UserError, match=rf"another cohort .*{next(iter(other))}"):
        simulate_cohort(cohort, **(TINY | other), workers=1)
    assert contents(cohort) == before


def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        simulate_cohort(tmp_path, users=1)
    with pytest.raises(UserError, match="is a file"):
        simulate_cohort(tmp_path / "thesis.tex", users=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"users": 0}, "give 1 to"),
        ({"users": 10**9}, "1 to 10000"),
        ({"minutes": 0.0}, "0.05"),
        ({"minutes": float("nan")}, "0.05"),
        ({"seed": -1}, "seed is -1"),
        ({"sides": ("middle",)}, "right, left or both"),
        ({"sides": ()}, "right, left or both"),
    ],
)
def test_senseless_arguments_are_refused(tmp_path: Path, wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        simulate_cohort(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()


def test_senseless_variability_is_refused() -> None:
    with pytest.raises(UserError, match="noise is -1"):
        Variability(noise=-1)
    with pytest.raises(UserError, match="share from 0 to 1"):
        Variability(wrong_prompts=2)


def test_metadata_names_every_file_and_marks_unseen_stages(cohort: Path) -> None:
    rows = {row.filename: row for row in read_metadata(cohort)}
    assert set(rows) == {path.stem for path in cohort.glob("*.hdf5")}
    for name, row in rows.items():
        recording = read_recording(cohort / f"{name}.hdf5")
        assert (recording.user, recording.session, recording.stage, recording.side) == (
            row.user, row.session, row.stage, row.side,
        )  # fmt: skip
        assert row.held_out_stage == holds_unseen(row.stage) and row.split == ""
        assert row.end - row.start == pytest.approx(recording.seconds - 0.0005)


def test_files_hold_only_gestures_of_their_stage(cohort: Path) -> None:
    for path in cohort.glob("*.hdf5"):
        recording = read_recording(path)
        made = {recording.vocabulary[label] for label in np.unique(recording.label_T)} - {"rest"}
        assert made <= {GESTURES[n].label if n in GESTURES else n for n in STAGES[recording.stage]}
        assert not (made & set(UNSEEN) and made & set(SEEN))


def test_every_session_of_the_default_cohort_covers_all_gestures() -> None:
    takes = Cohort().takes()
    assert len({take.name for take in takes}) == len(takes) == 336
    for session in {take.session for take in takes}:
        mine = [take for take in takes if take.session == session]
        prompted = {name for take in mine for name in STAGES[take.stage]}
        assert {*SEEN, *UNSEEN} <= prompted
        assert sum(take.seconds for take in mine) == 180
        assert sum(take.seconds for take in mine if holds_unseen(take.stage)) == 40
        # Neither set of gestures is told from one stage alone.
        for kind in (SEEN, UNSEEN):
            assert all(not set(kind) <= set(STAGES[take.stage]) for take in mine)
    free = {take.stage for take in takes if STAGES[take.stage] == ("free",)}
    assert len(free) == 8


def test_longer_cohorts_repeat_stages_and_both_sides_double_them() -> None:
    long = Cohort(1, 18.0, 0).takes()
    assert {take.repetition for take in long} == {0, 1, 2} and len(long) == 42
    assert sum(take.seconds for take in long) == pytest.approx(18 * 60)
    both = Cohort(1, 6.0, 0, sides=("right", "left")).takes()
    assert len(both) == 28 and {take.side for take in both} == {"right", "left"}


SCRIPT = """
import signal
import sys
from pathlib import Path
from cpep.simulate import simulate_cohort
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell job inherits it ignored
    simulate_cohort(Path(sys.argv[1]), users=30, minutes=3.0, workers=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process group")
def test_ctrl_c_stops_soon_and_leaves_whole_files(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    out = tmp_path / "cohort"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py", out], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("*.hdf5")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
    files = list(out.glob("*.hdf5"))
    assert files and not list(out.glob(".*"))
    for path in files:
        assert read_recording(path).seconds > 5
