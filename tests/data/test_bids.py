"""The reader of EMG-BIDS: rules that readers get wrong (../shared/spec/bids.md), each with an input of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edfio import EdfAnnotation

from cpep.data.readers.folder import find_recordings, list_folder
from cpep.types import UNKNOWN, UserError
from tests.data.bids_sets import EMG_JSON, as_columns, emg, read_set, write_set, write_signals

ANGLES = np.sin(np.arange(3000) / 200)[:, None] * np.array([1.0, 0.5])


def with_joints(unit: str = "", scale: float = 1.0, names: tuple[str, str] = ("joint0", "joint1")) -> dict:  # type: ignore[type-arg]
    return as_columns(emg(), **{name: (unit, scale * ANGLES[:, k]) for k, name in enumerate(names)})


# sidecars


def test_sidecars_are_inherited_and_the_nearest_wins(tmp_path: Path) -> None:
    path = write_set(tmp_path, stem="sub-01_ses-a_task-grasp_run-2", channels=())
    path.with_name(path.name.replace("_emg.bdf", "_emg.json")).unlink()
    (tmp_path / "task-grasp_emg.json").write_text(json.dumps({**EMG_JSON, "Stage": "top", "HandSide": "left"}))
    (tmp_path / "task-other_emg.json").write_text(json.dumps({"Stage": "other task"}))
    (tmp_path / "sub-01" / "sub-01_emg.json").write_text(json.dumps({"Stage": "person", "HandSide": "n/a"}))
    (tmp_path / "task-grasp_channels.tsv").write_text(
        "name\ttype\tunits\nemg0\tEMG\tuV\nemg1\tEMG\tuV\nemg2\tMISC\tn/a\n"
    )
    (tmp_path / "sub-01" / "ses-a" / "sub-01_ses-a_task-grasp_events.tsv").write_text(
        "onset\tduration\ttrial_type\n0\t1\tfist\n"
    )
    (tmp_path / "sub-01" / "ses-a" / "sub-01_ses-a_task-grasp_run-1_events.tsv").write_text(
        "onset\tduration\ttrial_type\n0\t1\tof another run\n"
    )
    recording = read_set(tmp_path)
    assert recording.stage == "person" and recording.device.channels == 2
    assert recording.vocabulary == ("rest", "fist") and recording.session == "a"
    assert recording.side == "right", "the nearest sidecar says n/a: missing, not left"
    assert "nothing says of which arm it is; right is assumed" in recording.notes


def test_every_sidecar_makes_a_store_out_of_date(tmp_path: Path) -> None:
    write_set(tmp_path, events=[("onset", "duration", "value"), ("0", "1", "fist")])
    (tmp_path / "task-grasp_emg.json").write_text("{}")
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-01\n")
    (tmp_path / "cpep.json").write_text("{}")
    (source,) = find_recordings(tmp_path)
    names = {path.name.replace("sub-01_task-grasp_", "own_") for path in source.sidecars}
    assert names == {
        "own_emg.json", "task-grasp_emg.json", "own_channels.tsv", "own_events.tsv", "participants.tsv", "cpep.json",
    }  # fmt: skip


def test_entities_may_be_absent_and_labels_are_texts(tmp_path: Path) -> None:
    for stem in ("sub-01_task-grasp", "sub-1_task-grasp", "sub-01_ses-02_task-grasp_run-01_recording-left"):
        write_set(tmp_path, stem=stem, said={"HandSide": "n/a"})
    found = {source.name.split("/")[-1]: source.parts()[0] for source in find_recordings(tmp_path)}
    assert {name: (one.user, one.session, one.side) for name, one in found.items()} == {
        "sub-01_task-grasp": ("01", "1", "right"),
        "sub-1_task-grasp": ("1", "1", "right"),
        "sub-01_ses-02_task-grasp_run-01_recording-left": ("01", "02", "left"),
    }


def test_what_describes_is_not_listed_and_what_is_derived_not_read(tmp_path: Path) -> None:
    write_set(tmp_path, events=[("onset", "duration", "value"), ("0", "1", "fist")])
    write_set(tmp_path / "derivatives" / "filtered")
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("README", "participants.tsv", "participants.json", "sub-01/sub-01_scans.tsv"):
        (tmp_path / name).write_text("participant_id\tfilename\n" if name.endswith("tsv") else "{}")
    listing = list_folder(tmp_path)
    assert len(listing.sources) == 1 and listing.ignored == ()
    assert len(list_folder(tmp_path / "derivatives" / "filtered").sources) == 1
    (tmp_path / "mine.bdf").touch()
    ((path, missing),) = list_folder(tmp_path).incomplete
    assert path.name == "mine.bdf" and missing.what == "name of BIDS"


def test_content_that_was_not_fetched(tmp_path: Path) -> None:
    link = write_set(tmp_path / "a")
    link.unlink()
    link.symlink_to("../../.git/annex/objects/x/y/SHA256E-s9--0.bdf")
    text = write_set(tmp_path / "b", stem="sub-02_task-grasp")
    text.write_text("/annex/objects/SHA256E-s9948488--946a7012.bdf\n")
    for path in (link, text):
        (source,) = find_recordings(path.parents[2])
        with pytest.raises(UserError) as error:
            source.parts()
        assert str(error.value).endswith(f"fetch it with `datalad get {path}`")
    from cpep.data.store.prepare import prepare

    for place in ("a", "b"):
        with pytest.raises(UserError, match="datalad get"):
            prepare(tmp_path / place, tmp_path / f"{place}.store")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("sub-01/emg/sub-01_task-grasp_emg.json", "{", "is not readable as JSON"),
        ("sub-01/emg/sub-01_task-grasp_events.tsv", "onset\tduration\tvalue\n1\t1\n", "row 2: 2 cells where"),
        ("sub-01/emg/sub-01_task-grasp_events.tsv", "onset\tduration\tvalue\nx\t1\ta\n", "row 2: onset is 'x'"),
        ("sub-01/emg/sub-01_task-grasp_events.tsv", "onset\tvalue\n1\ta\n", "has no column 'duration'"),
        ("sub-01/emg/sub-01_task-grasp_events.tsv", "onset\tduration\tvalue\nn/a\t1\ta\n", "'a' has no onset"),
        ("sub-01/emg/sub-01_task-grasp_events.tsv", "onset\tduration\tvalue\n1\tn/a\tBAD_IK\n", "BAD_IK has no"),
        ("sub-01/emg/sub-01_task-grasp_channels.tsv", "name\ttype\nemg0\tEMG\n", "3 channels and its channels.tsv 1"),
        ("cpep.json", '{"bids": {"zero_duration": 1}}', "did you mean 'zero_duration_s'"),
        ("cpep.json", '{"bids": {"unit": "furlong"}}', "must be one of"),
        ("cpep.json", '{"bids": ["unit"]}', "'bids' must be an object"),
        ("sub-01/emg/sub-01_task-grasp_emg.json", '{"cpep": {"device": "mine"}}', "the key 'cpep' in the emg.json"),
    ],
)  # fmt: skip
def test_a_damaged_sidecar_is_a_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    write_set(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words):
        read_set(tmp_path)


def test_a_data_set_in_a_folder_called_emg(tmp_path: Path) -> None:
    write_set(tmp_path / "emg", stem="sub-01_ses-1_task-grasp")
    (tmp_path / "emg" / "task-grasp_emg.json").write_text(json.dumps({"Stage": "top"}))
    (tmp_path / "emg" / "cpep.json").write_text('{"bids": {"unit": "count"}}')
    (tmp_path / "cpep.json").write_text("no JSON")
    recording = read_set(tmp_path / "emg")
    assert (recording.stage, recording.device.emg_unit) == ("top", "count")


# channels and units


def test_each_channel_has_its_own_scale(tmp_path: Path) -> None:
    emg_TC = emg() * np.array([1, 100, 0.01], np.float32)
    for ending, step in ((".bdf", 1e-6), (".edf", 1e-4)):
        write_set(tmp_path / ending, emg_TC, ending=ending)
        recording = read_set(tmp_path / ending)
        assert recording.device.emg_unit == "uV" and recording.device.emg_kind == "raw"
        assert (np.abs(recording.emg_TC - emg_TC) <= step * np.abs(emg_TC).max(axis=0)).all()


@pytest.mark.parametrize(
    ("header", "table", "unit", "note"),
    [
        (("uV",) * 3, "V", "uV", ""),  # what MNE-BIDS writes
        (("\xb5V",) * 3, "uV", "uV", ""),
        (("mV",) * 3, "n/a", "uV", ""),
        (("",) * 3, "mV", "uV", ""),
        (("",) * 3, "n/a", "", "nothing says the unit of its EMG"),
        (("mV",) * 3, "uV", "uV", "channels.tsv gives emg0 in uV and the file in mV; the file is believed"),
    ],
)
def test_the_unit_is_the_headers(tmp_path: Path, header: tuple[str, ...], table: str, unit: str, note: str) -> None:
    emg_TC = emg()
    columns = {f"emg{k}": (header[k].replace("\xb5", "u"), emg_TC[:, k]) for k in range(3)}
    channels = [{"name": name, "type": "EMG", "units": table} for name in columns]
    path = write_set(tmp_path, columns=columns, channels=channels)
    if header[0].startswith("\xb5"):
        path.write_bytes(path.read_bytes().replace(b"uV      ", "\xb5V      ".encode("latin-1")))
    recording = read_set(tmp_path)
    assert recording.device.emg_unit == unit
    scale = 1000 if "mV" in (header[0], header[0] or table) else 1
    np.testing.assert_allclose(recording.emg_TC, emg_TC * scale, atol=1e-3 * scale)
    assert recording.notes == ((note,) if note else ())


def test_channels_in_several_units_are_converted_or_refused(tmp_path: Path) -> None:
    emg_TC = emg()
    columns = {f"emg{k}": (unit, emg_TC[:, k] * scale) for k, (unit, scale) in enumerate(
        [("uV", 1.0), ("mV", 1e-3), ("V", 1e-6)])}  # fmt: skip
    write_set(tmp_path / "a", columns=columns)
    np.testing.assert_allclose(read_set(tmp_path / "a").emg_TC, emg_TC, atol=1e-3)
    write_set(tmp_path / "b", columns=columns | {"emg2": ("count", emg_TC[:, 2])})
    with pytest.raises(UserError, match="units that do not fit each other: uV, mV, count"):
        read_set(tmp_path / "b")


def test_the_user_may_say_the_unit(tmp_path: Path) -> None:
    emg_TC = emg(scale=1.0)
    write_set(tmp_path, emg_TC, unit="V")
    assert "which no muscle gives" in read_set(tmp_path).notes[0]
    (tmp_path / "cpep.json").write_text('{"bids": {"unit": "noise_sd"}}')
    recording = read_set(tmp_path)
    np.testing.assert_allclose(recording.emg_TC, emg_TC, atol=1e-5)
    assert recording.device.emg_unit == "noise_sd"
    assert recording.notes == ("its numbers are in noise_sd, though the file says V",)


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"SoftwareFilters": {"EMG high-pass and rescaling": {"High-pass cutoff (Hz)": 40, "Description": "x"}}}, 0),
        ({"HardwareFilters": {"Analog bandpass filter": {"Low cutoff -3 dB (Hz)": 20, "High cutoff": 850}}}, 0),
        ({"HardwareFilters": {"HighpassFilter": {"CutoffFrequency": "20 Hz"}}}, 0),
        ({"HardwareFilters": {"Highpass RC filter": {"Half amplitude cutoff (Hz)": 0.0159, "Roll-off": "6dB"}}}, 20),
        ({"SoftwareFilters": {"Joint-angle low-pass filter": {"Low-pass cutoff (Hz)": 15}}}, 20),
        ({"SoftwareFilters": "n/a"}, 20),
    ],
)
def test_a_high_pass_that_was_done_is_not_done_again(tmp_path: Path, filters: dict[str, object], left: float) -> None:
    write_set(tmp_path, said=filters)
    assert read_set(tmp_path).device.highpass_hz == left


def test_a_high_pass_in_the_table_of_channels(tmp_path: Path) -> None:
    for place, cuts in (("a", "20 20 20"), ("b", "20 20 0")):
        rows = [{"name": f"emg{k}", "type": "EMG", "low_cutoff": cut} for k, cut in enumerate(cuts.split())]
        write_set(tmp_path / place, channels=rows)
    assert [read_set(tmp_path / place).device.highpass_hz for place in ("a", "b")] == [0, 20]


def test_filters_may_tell_that_the_unit_is_the_noise(tmp_path: Path) -> None:
    filters = {"rescaling": {"Description": "rescaled so the noise floor has a standard deviation of one"}}
    write_set(tmp_path, said={"SoftwareFilters": filters})
    recording = read_set(tmp_path)
    assert recording.device.emg_unit == "noise_sd" and recording.device.ring == ()


def test_bad_channels_are_kept_and_named(tmp_path: Path) -> None:
    channels = [
        {"name": f"emg{k}", "type": "EMG", "units": "uV", "status": status, "status_description": why}
        for k, (status, why) in enumerate([("good", "n/a"), ("bad", "came off"), ("n/a", "n/a")])
    ]
    write_set(tmp_path, channels=channels)
    recording = read_set(tmp_path)
    assert recording.device.channels == 3 and recording.notes == ("channel emg1 is marked bad (came off)",)


def test_rows_of_channels_are_found_by_name(tmp_path: Path) -> None:
    names = ["long name of the emg", "emg2", "trigger"]
    columns = {"long name of the": ("uV", emg()[:, 0]), "emg2": ("uV", emg()[:, 1]), "trigger": ("", emg()[:, 2])}
    channels = [{"name": name, "type": kind} for name, kind in zip(names, ("EMG", "EMG", "TRIG"), strict=True)]
    write_set(tmp_path, columns=columns, channels=channels[::-1])
    recording = read_set(tmp_path)
    assert recording.device.channels == 2 and recording.anchor_SJ is None
    np.testing.assert_allclose(recording.emg_TC, emg()[:, :2], atol=1e-3)


def test_without_channels_tsv_labels_or_the_count_tell(tmp_path: Path) -> None:
    write_set(tmp_path / "a", columns=with_joints(), channels=())
    assert read_set(tmp_path / "a").device.anchor_names == ("joint0", "joint1")
    unnamed = {f"ch{k}": ("uV", emg()[:, k]) for k in range(3)}
    write_set(tmp_path / "b", columns=unnamed, channels=(), said={"EMGChannelCount": 3}, ending=".edf")
    assert read_set(tmp_path / "b").device.channels == 3
    write_set(tmp_path / "c", columns=unnamed, channels=())
    write_set(tmp_path / "d", channels=(), said={"EMGChannelCount": 2})
    for place in ("c", "d"):
        with pytest.raises(UserError, match="nothing says which channels"):
            read_set(tmp_path / place)


def test_a_rate_of_the_table_of_channels_that_is_another_one_is_said(tmp_path: Path) -> None:
    for rates, notes in (
        (("1000", "1000.5"), ()),
        (("1000", "2000"), ("channels.tsv gives emg1 at 2000 Hz and the file at 1000; the file is believed",)),
    ):
        channels = [
            {"name": f"emg{k}", "type": "EMG", "units": "uV", "sampling_frequency": rate}
            for k, rate in enumerate((*rates, "n/a"))
        ]
        write_set(tmp_path / rates[1], channels=channels)
        assert read_set(tmp_path / rates[1]).notes == notes


def test_rates(tmp_path: Path) -> None:
    columns = as_columns(emg()) | {"emg2": ("uV", emg()[:600, 2])}
    write_set(tmp_path / "a", columns=columns, rates={"emg2": 200.0})
    with pytest.raises(UserError, match=r"several rates \(200, 1000 Hz\)"):
        read_set(tmp_path / "a")
    write_set(tmp_path / "b", said={"SamplingFrequency": 2000})
    with pytest.raises(UserError, match="EMG at 1000 Hz and its emg"):
        read_set(tmp_path / "b")
    write_set(tmp_path / "c", said={"SoftwareFilters": {"RMS": {"Window (s)": 0.1}}})
    assert read_set(tmp_path / "c").device.emg_kind == "envelope"


# pose


@pytest.mark.parametrize(
    ("unit", "scale", "table"), [("", 1.0, "n/a"), ("rad", 1.0, "rad"), ("uV", 1e6, "V"), ("deg", 180 / np.pi, "deg")]
)
def test_joints_are_rad_however_they_are_stored(tmp_path: Path, unit: str, scale: float, table: str) -> None:
    columns = with_joints(unit, scale)
    channels = [
        {"name": name, "type": "EMG" if name.startswith("emg") else "MISC", "units": table} for name in columns
    ]
    write_set(tmp_path, columns=columns, channels=channels)
    recording = read_set(tmp_path)
    assert recording.anchor_rate == 100 and recording.device.anchor.unit == "rad"
    assert recording.anchor_SJ is not None and recording.valid_S.all()
    np.testing.assert_allclose(recording.anchor_SJ, ANGLES[::10], atol=1e-5)


@pytest.mark.parametrize(("unit", "scale", "words"), [("", 1e6, "joint0 reaches 1e.06 rad, more than a full turn"),
                                                      ("uV", 1.0, "in uV and reach 1, which is neither"),
                                                      ("kg", 1.0, "joint joint0 is in kg")])  # fmt: skip
def test_other_angles_are_refused(tmp_path: Path, unit: str, scale: float, words: str) -> None:
    write_set(tmp_path, columns=with_joints(unit, scale))
    with pytest.raises(UserError, match=words):
        read_set(tmp_path)


def test_misc_channels_are_a_pose_only_in_angles(tmp_path: Path) -> None:
    write_set(tmp_path / "a", columns=with_joints("V", names=("battery", "force")))
    recording = read_set(tmp_path / "a")
    assert recording.anchor_SJ is None
    assert recording.notes == ("2 channels of type MISC are no pose (battery, force)",)
    write_set(tmp_path / "b", columns=with_joints("rad", names=("wrist", "elbow")))
    assert read_set(tmp_path / "b").device.anchor_names == ("wrist", "elbow")


def test_a_pose_at_a_rate_of_its_own(tmp_path: Path) -> None:
    columns = as_columns(emg(), joint0=("", ANGLES[::20, 0]))
    write_set(tmp_path, columns=columns, rates={"joint0": 50.0}, events=[
        ("onset", "duration", "value"), ("1", "0.5", "BAD_IK")])  # fmt: skip
    recording = read_set(tmp_path)
    assert recording.anchor_rate == 50 and recording.anchor_SJ is not None
    assert np.flatnonzero(~recording.valid_S).tolist() == list(range(50, 75))


def write_motion(
    path: Path, rows: list[list[str]], units: str = "deg", kind: str = "JNTANG", system: str = "omc", **said: object
) -> None:
    folder = path.parents[1] / "motion"
    folder.mkdir(exist_ok=True)
    stem = path.name.replace("_emg.bdf", f"_tracksys-{system}")
    (folder / f"{stem}_motion.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    (folder / f"{stem}_motion.json").write_text(
        json.dumps({"SamplingFrequency": 50, "TrackingSystemName": "x", **said})
    )
    names = [f"{point}\tx\t{kind}\t{point}\t{units}" for point in ("index", "thumb")]
    (folder / f"{stem}_channels.tsv").write_text(
        "\n".join(["name\tcomponent\ttype\ttracked_point\tunits", *names, "t\tn/a\tLATENCY\tn/a\ts"]) + "\n"
    )


ROWS = [[f"{k}", f"{-k}", f"{k / 50}"] for k in range(150)]


def test_pose_from_a_motion_file(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_motion(path, [*ROWS[:20], ["n/a", "0", "n/a"], *ROWS[21:]])
    recording = read_set(tmp_path)
    assert recording.anchor_rate == 50 and recording.device.anchor_names == ("index", "thumb")
    assert recording.anchor_SJ is not None and np.flatnonzero(~recording.valid_S).tolist() == [20]
    np.testing.assert_allclose(recording.anchor_SJ[100], np.radians([100, -100]), rtol=1e-6)
    assert recording.notes == ("nothing says when its motion begins, so it is taken to begin with the EMG",)
    (source,) = find_recordings(tmp_path)
    assert len([one for one in source.sidecars if one.parent.name == "motion"]) == 3


def test_motion_that_begins_at_another_time(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_motion(path, ROWS, "mm", "POS", StartTime=0.2)
    recording = read_set(tmp_path)
    assert recording.device.anchor.kind.name == "landmarks" and recording.notes == ()
    assert not recording.valid_S[:10].any() and recording.valid_S[10:].all() and recording.anchor_SJ is not None
    np.testing.assert_allclose(recording.anchor_SJ[30], [20, -20])
    write_motion(path, [*ROWS[:20], ["n/a", "0", "n/a"], *ROWS[21:]], "mm", "POS")
    times = [("emg/" + path.name, "2026-01-01T10:00:00"),
             ("motion/sub-01_task-grasp_tracksys-omc_motion.tsv", "2026-01-01T09:59:59.99")]  # fmt: skip
    (path.parents[1] / "sub-01_scans.tsv").write_text(
        "filename\tacq_time\n" + "".join(f"{name}\t{time}\n" for name, time in times)
    )
    recording = read_set(tmp_path)
    assert recording.anchor_SJ is not None
    np.testing.assert_allclose(recording.anchor_SJ[30], [30.5, -30.5], rtol=1e-5)
    assert np.flatnonzero(~recording.valid_S).tolist() == [19, 20, 149]


def test_motion_that_is_not_understood(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_motion(path, [["index", "thumb", "t"], *ROWS])
    with pytest.raises(UserError, match="a motion file holds numbers and no names of columns"):
        read_set(tmp_path)
    write_motion(path, ROWS, "n/a")
    with pytest.raises(UserError, match="JNTANG is in no unit"):
        read_set(tmp_path)
    write_motion(path, ROWS)
    write_motion(path, ROWS, "mm", "POS", system="imu")
    with pytest.raises(UserError, match=r"several tracking systems \(imu, omc\)"):
        read_set(tmp_path)
    (tmp_path / "cpep.json").write_text('{"bids": {"tracksys": "imu"}}')
    assert read_set(tmp_path).device.anchor_unit == "mm"


# events


def test_spans_points_and_what_nothing_covers(tmp_path: Path) -> None:
    events = [
        ("onset", "duration", "sample", "trial_type", "value"),
        ("0.5", "2", "500", "block", "1"),
        ("1", "0.5", "1000", "fist", "2"),
        ("0.4", "0.2", "400", "fist", "2"),
        ("1.2", "0", "1200", "n/a", "press"),
        ("1.3", "n/a", "1300", "n/a", "release"),
        ("2.6", "0.2", "2600", "Rest", "0"),
        ("9", "1", "9000", "fist", "2"),
    ]
    write_set(tmp_path, events=events)
    recording = read_set(tmp_path)
    assert recording.vocabulary == ("rest", "block", "fist", "press", "release")
    expected_T = np.full(3000, UNKNOWN)
    for begin, end, label in (
        (500, 2500, 1),
        (400, 600, 2),
        (1000, 1500, 2),
        (1200, 1300, 3),
        (1300, 1500, 4),
        (2600, 2800, 0),
    ):
        expected_T[begin:end] = label
    assert (recording.label_T == expected_T).all()
    assert "2 events of zero duration are labels for 0.2 s, or until the next one" in recording.notes
    assert "1 events begin after the end of the recording" in recording.notes


def test_events_that_overlap_in_part_are_said_and_tables_that_lack_a_column_refused(tmp_path: Path) -> None:
    head = ("onset", "duration", "trial_type")
    nested = [("0", "2", "block"), ("0.5", "1", "fist"), ("2", "0.5", "open"), ("2.5", "0.4", "fist")]
    for name, rows, notes in (
        ("nested", nested, ()),
        ("crossed", [*nested, ("2.2", "0.6", "claw")],
         ("2 events overlap another one in part (the first at 2.2 s); there the shorter one is the label",)),
        ("same", [*nested, ("2", "0.5", "claw")],
         ("1 events overlap another one in part (the first at 2 s); there the shorter one is the label",)),
    ):  # fmt: skip
        write_set(tmp_path / name, events=[head, *rows])
        assert read_set(tmp_path / name).notes == notes
    for column in ("onset", "duration"):
        other = tuple("Latency" if one == column else one for one in head)
        write_set(tmp_path / f"no {column}", events=[other, *nested])
        with pytest.raises(UserError, match=rf"events\.tsv has no column '{column}', .*; rename the one"):
            read_set(tmp_path / f"no {column}")
    write_set(tmp_path / "no text", events=[("onset", "duration", "gesture"), *nested])
    assert read_set(tmp_path / "no text").notes == (
        "4 events have no text (trial_type or value) and are no labels; sub-01_task-grasp_events.tsv has 'onset', "
        "'duration', 'gesture': one of them may be 'trial_type'",
    )


def test_presses_of_nm000105(tmp_path: Path) -> None:
    rows = [("0.1", "2.5", "200", "stage_start", "pinch_release"), ("0.5", "0", "1000", "index_press", "n/a"),
            ("0.6", "0", "1200", "index_release", "n/a"), ("2", "0", "4000", "middle_press", "n/a")]  # fmt: skip
    write_set(
        tmp_path, emg(16, 6000), rate=2000.0, ending=".edf", channels=(), stem="sub-000_ses-000_task-discrete",
        said={"TaskName": "discretegestures", "SamplingFrequency": 2000, "EMGChannelCount": 16,
              "ManufacturersModelName": "sEMG-RD", "HardwareFilters": {"Highpass": {"CutoffHz": 20}}},
        events=[("onset", "duration", "sample", "value", "stage_name"), *rows],
    )  # fmt: skip
    (source,) = find_recordings(tmp_path)
    (recording,) = source.parts()
    assert recording.vocabulary == ("rest", "index_press", "index_release", "middle_press")
    assert recording.device.ring == tuple(range(16)) and recording.anchor_SJ is None
    assert recording.device.highpass_hz == 0, "HardwareFilters names one"
    assert [int(recording.label_T[k]) for k in (999, 1000, 1199, 1200, 1599, 1600, 4000)] == [-1, 1, 1, 2, 2, -1, 3]
    assert "1 events 'stage_start' are taken as no labels" in recording.notes and source.dataset() == "nm000105"
    (tmp_path / "cpep.json").write_text('{"bids": {"zero_duration_s": 0.05, "ignore": ["index_release"]}}')
    (recording,) = find_recordings(tmp_path)[0].parts()
    assert [int(recording.label_T[k]) for k in (500, 1099, 1100)] == [1, 2, 1]
    assert recording.vocabulary[1] == "stage_start"


def test_annotations_in_the_file_count_where_there_is_no_table_and_bad_ones_always(tmp_path: Path) -> None:
    marks = [EdfAnnotation(0.5, 0.5, "fist"), EdfAnnotation(2, 0.5, "BAD_IK")]
    write_set(tmp_path / "a", columns=with_joints(), annotations=marks)
    recording = read_set(tmp_path / "a")
    assert recording.vocabulary == ("rest", "fist") and np.flatnonzero(~recording.valid_S)[[0, -1]].tolist() == [
        200,
        249,
    ]
    table = [("onset", "duration", "value"), ("0", "1", "spread")]
    write_set(tmp_path / "b", columns=with_joints(), annotations=marks, events=table)
    recording = read_set(tmp_path / "b")
    assert recording.vocabulary == ("rest", "spread") and (~recording.valid_S).sum() == 50


def test_other_bad_spans_have_neither_pose_nor_label(tmp_path: Path) -> None:
    events = [("onset", "duration", "value"), ("0", "3", "fist"), ("1", "0.5", "BAD_motion"), ("0", "1", "badminton")]
    write_set(tmp_path, columns=with_joints(), events=events)
    recording = read_set(tmp_path)
    assert recording.vocabulary == ("rest", "fist", "badminton")
    assert np.flatnonzero(recording.label_T == UNKNOWN)[[0, -1]].tolist() == [1000, 1499]
    assert np.flatnonzero(~recording.valid_S)[[0, -1]].tolist() == [100, 149]


@pytest.mark.parametrize("event", [("1.003", "0.5", "BAD_ACQ_SKIP"), ("1.503", "0", "BAD boundary")])
def test_a_recording_is_cut_where_there_is_no_data(tmp_path: Path, event: tuple[str, str, str]) -> None:
    events = [("onset", "duration", "value"), ("0.5", "2", "fist"), event, ("1.9", "0.2", "BAD_IK")]
    write_set(tmp_path, columns=with_joints(), events=events)
    (source,) = find_recordings(tmp_path)
    first, second = source.parts()
    end = 1003 if event[1] == "0.5" else 1503
    assert (len(first.emg_TC), len(second.emg_TC)) == (end, 1497)
    np.testing.assert_allclose(
        np.concatenate([first.emg_TC, second.emg_TC]), np.r_[emg()[:end], emg()[1503:]], atol=1e-3
    )
    assert second.anchor_SJ is not None and second.name.endswith("~2")
    kept = second.valid_S
    np.testing.assert_allclose(second.anchor_SJ[kept], ANGLES[1503::10][kept], atol=1e-5)
    assert np.flatnonzero(~kept)[[0, -1]].tolist() == [40, 59]
    assert (second.label_T == np.r_[np.ones(997), np.full(500, -1)]).all()
    assert [str(repair) for repair in first.repairs] == (
        ["500 samples of BAD_ACQ_SKIP left out"] if end == 1003 else []
    )


@pytest.mark.parametrize(
    ("said", "scan", "event", "left"),
    [
        ({"ValidSamples": 2400, "RecordingDuration": 1.0}, "", "", 2400),
        ({"BDFPaddedSamples": 600}, "", "", 2400),
        ({"RecordingDuration": 2.4}, "", "", 2400),
        ({"RecordingDuration": 2.999}, "", "", 3000),  # MNE-BIDS: the time of the last sample
        ({"RecordingDuration": 1.0}, "", "", 3000),
        ({}, "2.4", "", 2400),
        ({}, "", "BAD_ACQ_SKIP", 2400),
    ],
)
def test_padding_is_no_data(tmp_path: Path, said: dict[str, object], scan: str, event: str, left: int) -> None:
    events = [("onset", "duration", "value"), ("2.4", "0.6", event)] if event else []
    path = write_set(tmp_path, columns=with_joints(), said=said, events=events)
    if scan:
        row = f"filename\tduration\nemg/{path.name}\t{scan}\n"
        (tmp_path / "sub-01" / "sub-01_scans.tsv").write_text(row)
    recording = read_set(tmp_path)
    assert (len(recording.emg_TC), len(recording.valid_S), len(recording.label_T)) == (left, left // 10, left)
    assert sum(repair.count for repair in recording.repairs) == 3000 - left
    assert any("all of it is taken" in note for note in recording.notes) == (said == {"RecordingDuration": 1.0})


def test_more_valid_samples_than_there_are(tmp_path: Path) -> None:
    write_set(tmp_path, said={"ValidSamples": 9000})
    with pytest.raises(UserError, match="has 3000 samples and its emg"):
        read_set(tmp_path)


@pytest.mark.data
def test_what_mne_bids_wrote(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("emg_bids") / "mne_bids_small"
    truth = json.loads(folder.with_name("mne_bids_small_truth.json").read_text())
    sources = find_recordings(folder)
    assert len(sources) == len(truth) and {source.split() for source in sources} == {"train"}
    for source in sources:
        (recording,) = source.parts()
        run = source.name.split("_run-")[1][:2]
        known = truth[f"{source.name.split('/')[0]}/run-{run}"]
        assert (recording.user, recording.stage, recording.side) == (known["user"], known["stage"], known["side"])
        assert len(recording.emg_TC) == known["samples"] and recording.device.emg_unit == "noise_sd"
        np.testing.assert_allclose(recording.emg_TC[1000, :4], known["emg_at_sample_1000_noise_sd"], atol=1e-5)
        assert recording.anchor_SJ is not None
        np.testing.assert_allclose(recording.anchor_SJ[400, :6], known["joint_at_sample_8000_rad"], atol=1e-5)
        begin, end = known["invalid_pose_samples"]
        assert np.flatnonzero(~recording.valid_S).tolist() == list(range(begin // 20, end // 20))
        assert recording.session == f"{recording.user}_s0" and source.dataset() == "emg2pose"


def test_signals_without_a_sidecar_at_all(tmp_path: Path) -> None:
    write_signals(tmp_path / "sub-01_task-grasp_emg.bdf", as_columns(emg()))
    recording = read_set(tmp_path)
    assert (recording.user, recording.stage, recording.vocabulary) == ("01", "grasp", ("rest",))
