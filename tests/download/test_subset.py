"""Which files belong to a recording."""

from __future__ import annotations

import pytest

from cpep.download.manifest import Entry
from cpep.download.subset import Belongings, people, read_table, recordings, scans, tables
from cpep.types import UserError

ONE = "sub-01/ses-02/emg/sub-01_ses-02_task-grasp_run-01_recording-left_emg.bdf"
MINE = [
    "sub-01/sub-01_task-grasp_emg.json",
    "sub-01/ses-02/sub-01_ses-02_events.json",
    "sub-01/ses-02/sub-01_ses-02_scans.tsv",
    "sub-01/ses-02/emg/sub-01_ses-02_electrodes.tsv",
    "sub-01/ses-02/emg/sub-01_ses-02_space-arm_coordsystem.json",
    "sub-01/ses-02/emg/sub-01_ses-02_task-grasp_run-01_recording-left_channels.tsv",
    "sub-01/ses-02/emg/sub-01_ses-02_task-grasp_run-01_recording-left_emg.json",
    "sub-01/ses-02/motion/sub-01_ses-02_task-grasp_run-01_tracksys-cam_motion.tsv",
]
OTHERS = [
    "sub-01/sub-01_task-rest_emg.json",
    "sub-01/ses-01/emg/sub-01_ses-01_electrodes.tsv",
    "sub-01/ses-02/emg/sub-01_ses-02_task-grasp_run-02_recording-left_channels.tsv",
    "sub-01/ses-02/emg/sub-01_ses-02_task-grasp_run-01_recording-right_events.tsv",
    "sub-01/ses-02/motion/sub-01_ses-02_task-rest_tracksys-cam_motion.tsv",
    "sub-01/ses-02/eeg/sub-01_ses-02_task-grasp_run-01_eeg.bdf",
    "sub-1/ses-02/emg/sub-1_ses-02_electrodes.tsv",
    "sourcedata/sub-01/ses-02/emg/sub-01_ses-02_electrodes.tsv",
]


def test_what_belongs_to_a_recording_is_found_by_the_rules_of_inheritance():
    assert sorted(Belongings.of([ONE, *OTHERS, *MINE]).to(ONE)) == sorted(MINE)
    short = "sub-1/emg/sub-1_task-grasp_emg.edf"
    paths = [short, "sub-1/emg/sub-1_task-grasp_emg.json", "sub-1/emg/sub-1_task-grasp_run-1_emg.json"]
    assert Belongings.of(paths).to(short) == [paths[1]]


def test_recordings_and_tables():
    derived = "derivatives/sub-01/emg/sub-01_task-a_emg.bdf"
    paths = [ONE, *MINE, derived, "sub-1/emg/sub-1_task-a_emg.edf", "sub-1/eeg/sub-1_task-a_eeg.edf"]
    assert recordings(paths) == [ONE, "sub-1/emg/sub-1_task-a_emg.edf"]
    top = ["README", "participants.tsv", ".bidsignore"]
    odd = [".gitattributes", "a file (1).txt", ".datalad/config", "code/run.py"]
    sizes = {path: 10 for path in [*paths, *top, *odd]} | {"stimuli.zip": 1 << 30}
    manifest = {path: Entry(path, size, "x") for path, size in sizes.items()}
    assert tables(manifest) == sorted([*top, "sub-01/ses-02/sub-01_ses-02_scans.tsv"])


def test_tables_as_people_write_them(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_bytes('\ufeffparticipant_id\toriginal_user\r\nsub-01\tab"c\r\nsub-1\tn/a\r\n\r\n'.encode())
    assert people(tmp_path) == {"sub-01": 'ab"c', "sub-1": "1"}
    path.unlink()
    assert people(tmp_path) == {}


def test_scans_are_about_files_below_them(tmp_path):
    place = tmp_path / "sub-01" / "ses-02"
    place.mkdir(parents=True)
    (place / "sub-01_ses-02_scans.tsv").write_text("filename\tstage\nemg/a_emg.bdf\tFist\n")
    found = scans(tmp_path, ["participants.tsv", "sub-01/ses-02/sub-01_ses-02_scans.tsv"])
    assert found == {"sub-01/ses-02/emg/a_emg.bdf": {"filename": "emg/a_emg.bdf", "stage": "Fist"}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "lacks the column"),
        (b"name\tstage\n", "lacks the column"),
        (b"filename\tstage\nemg/a_emg.bdf\n", "line 2: 1 cells where the header has 2"),
        (b"filename\n\xff\xfe\n", "not readable as a table"),
    ],
)
def test_tables_that_are_none(tmp_path, text, sentence):
    (tmp_path / "a_scans.tsv").write_bytes(text)
    with pytest.raises(UserError, match=sentence):
        read_table(tmp_path / "a_scans.tsv", ["filename"])
