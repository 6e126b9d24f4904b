from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cpep.cli.commands.recordings import data_app
from cpep.cli.main import main
from cpep.data.describe import command, describe, known
from cpep.data.describe.command import look_at
from cpep.data.describe.signals import unit_of
from cpep.data.readers.folder import find_recordings
from cpep.data.recording import Recording
from cpep.types import UserError
from tests.data import exports

NAMES = ["rest", "fist", "open hand"]


def look(path: Path, preset: str = "") -> tuple[dict[str, Any], str]:
    """Return the sidecar that is written, and what is said."""
    found = describe([path], preset, force=True)
    return json.loads(found.sidecar.read_text()), found.text


def read(path: Path) -> Recording:
    (source,) = find_recordings(path)
    (part,) = source.parts()
    return part


def table(
    path: Path, rate: float = 250.0, separator: str = ",", **change: Any
) -> tuple[Path, np.ndarray, np.ndarray]:
    """Write a plain table with a clock in ms, four channels and labels; return it, EMG and labels."""
    label_T = exports.protocol(rate)
    emg_TC = exports.emg(label_T, 4).round(3)
    names = change.get("names", ["time_ms", "emg0", "emg1", "emg2", "emg3", "gesture"])
    rows = [
        [f"{1000 * k / rate:.3f}", *[f"{value:.3f}" for value in emg_TC[k]], NAMES[label_T[k]]]
        for k in range(len(label_T))
    ]
    path.write_text("\n".join(separator.join(row) for row in [names, *rows]) + "\n")
    return path, emg_TC, label_T


def test_a_plain_table(tmp_path: Path) -> None:
    path, emg_TC, label_T = table(tmp_path / "S7_day2.csv")
    keys, text = look(path)
    assert keys == {
        "emg": {"columns": ["emg0", "emg1", "emg2", "emg3"], "clock": {"field": "time_ms", "unit": "ms"}},
        "rate": 250,
        "kind": "raw",
        "unit": "",
        "label": {"field": "gesture", "names": {"rest": "rest", "fist": "fist", "open hand": "open hand"}},
        "user": {"pattern": "S(\\d+)"},
        "session": {"pattern": "day(\\d+)"},
    }
    assert re.search(r"rate +250: 3,375 stamps of 'time_ms' in ms over 13\.496 s", text)
    assert "emg        4 columns of like spread: 'emg0' to 'emg3'" in text
    assert re.search(r"'gesture' has 3 values \(fist, open hand, rest\) in runs of 1\.5 s", text)
    assert "unit       V, mV, uV or count" in text and "not readable yet: " in text and "'unit' is empty" in text
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    recording = read(path)
    np.testing.assert_allclose(recording.emg_TC, emg_TC, rtol=1e-5)
    assert [recording.vocabulary[k] for k in recording.label_T] == [NAMES[k] for k in label_T]
    assert (recording.user, recording.session) == ("7", "2")


def test_the_example_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, _, _ = table(Path("S1.csv"))
    docs = (Path(__file__).parents[2] / "docs" / "how-to" / "data.md").read_text()
    assert f"```text\n{look(path)[1]}\n```" in docs


def test_the_commands_of_the_docs_are_understood() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "how-to" / "data.md").read_text()
    found = re.findall(r"cpep data (describe|inspect|prepare) ([^`\n#]+)", docs)
    group: Any = typer.main.get_command(data_app)
    for name, words in found:
        group.get_command(None, name).make_context(name, shlex.split(words))  # raises where an option is unknown
    assert {name for name, _ in found} == {"describe", "inspect", "prepare"} and len(found) > 10


def test_first_row_is_checked(tmp_path: Path) -> None:
    path = exports.brainflow(tmp_path / "S1.csv", EMG_TC[:600])
    keys, _ = look(path, "brainflow:cyton")
    for change, sentence in (
        ({"first_row": 0}, "'first_row' is 0; it must be the number of a line"),
        ({"first_row": 700}, "has 600 lines, and S1.json asks for a first row at 700"),
        ({"emg": {"columns": ["EXG"]}, "counter": None}, "columns are called by their number from 0, not 'EXG'"),
    ):
        path.with_suffix(".json").write_text(json.dumps(keys | change))
        with pytest.raises(UserError, match=sentence):
            read(path)


def test_a_sidecar_that_somebody_else_writes_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, _ = table(tmp_path / "S1.csv")
    sidecar, real = path.with_suffix(".json"), command.call

    def meanwhile(*given: Any, **named: Any) -> Any:
        sidecar.write_text('{"unit": "V"}')
        return real(*given, **named)

    monkeypatch.setattr(command, "call", meanwhile)
    for force in (False, True):
        with pytest.raises(UserError, match=r"S1\.json was changed by somebody else meanwhile; look at it"):
            describe([path], force=force)
        assert sidecar.read_text() == '{"unit": "V"}'
        sidecar.unlink()


def test_labels_of_a_file_move_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _, _ = table(tmp_path / "S1.csv")
    path.write_text(path.read_text().replace("fist", "fi\x1b[2Jst"))
    assert main(["data", "describe", str(path)]) == 0
    said = capsys.readouterr().out
    assert r"fi\x1b[2Jst" in said and "\x1b" not in said


def test_a_sidecar_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _, _ = table(tmp_path / "S1.csv")
    assert main(["data", "describe", str(path)]) == 0
    assert "wrote" in capsys.readouterr().out
    path.with_suffix(".json").write_text("{}")
    assert main(["data", "describe", str(path)]) == 2
    assert "S1.json is there already; --force writes over it" in capsys.readouterr().err
    assert path.with_suffix(".json").read_text() == "{}"
    assert main(["data", "describe", "--force", str(path)]) == 0
    assert json.loads(path.with_suffix(".json").read_text())["rate"] == 250


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("S1.tsv", lambda text: text.replace(",", "\t")),
        ("S1.txt", lambda text: text.replace(",", " ").replace("open hand", "open")),
        ("S1.csv", lambda text: text.replace(",", ";").replace(".", ",")),
        ("S1.csv", lambda text: text.replace(",", ", ")),
        ("S1.csv", lambda text: "# made by ann\n# Sampling Rate: 250 Hz\n\n" + text),
        ("S1.csv", lambda text: "%a\n%" + text),
        ("S1.csv", lambda text: '"' + text.replace(",", '","').replace("\n", '"\n"').removesuffix('"')),
        ("S1.csv", lambda text: "\ufeff" + text.replace("\n", "\r\n") + "\r\n,,,,,\r\n"),
    ],
)
def test_dialects_are_described_and_read(tmp_path: Path, name: str, change: Callable[[str], str]) -> None:
    path, emg_TC, label_T = table(
        tmp_path / name, names=["time_ms", "emg0_uV", "emg1_uV", "emg2_uV", "emg3_uV", "gesture"]
    )
    path.write_text(change(path.read_text()), newline="")
    keys, text = look(path)
    assert (keys["rate"], keys["unit"], keys["kind"]) == (250, "uV", "raw")
    assert (
        "not readable" not in text
        and f"{name} reads as {len(label_T) / 250:.1f} s by 1: 4 channels, raw, 250 Hz, uV" in text
    )
    np.testing.assert_allclose(read(path).emg_TC, emg_TC, rtol=1e-5)


def test_encodings(tmp_path: Path) -> None:
    path, emg_TC, _ = table(tmp_path / "S1.csv", names=["t_ms", "emg0_µV", "emg1_µV", "emg2_µV", "emg3_µV", "geste"])
    text = path.read_text().replace("fist", "geste fermé")
    for encoding in ("utf-16", "cp1252", "utf-8-sig"):
        path.write_bytes(text.encode(encoding))
        keys, said = look(path)
        assert keys["unit"] == "uV" and "geste fermé" in keys["label"]["names"], encoding
        assert keys.get("encoding", "") == ("cp1252" if encoding == "cp1252" else "")
        assert "not readable" not in said
        np.testing.assert_allclose(read(path).emg_TC, emg_TC, rtol=1e-5)


def test_a_table_in_another_encoding_or_of_two_units_is_not_guessed(tmp_path: Path) -> None:
    path, _, _ = table(tmp_path / "S1.csv")
    text = path.read_text()
    path.write_bytes(text.replace("fist", "安静").encode("shift_jis"))
    with pytest.raises(UserError, match=r"S1\.csv is neither UTF-8 nor Western Windows .*; save it as UTF-8"):
        look_at(path)
    path.write_bytes(text.replace("fist", "кулак").encode("cp1251"))
    with pytest.raises(UserError, match=r"neither UTF-8 nor .* \('êóëàê' would be a word of it\); save it"):
        look_at(path)
    names = {"emg0": "EMG 1 (mV)", "emg1": "EMG 2 (mV)", "emg2": "EMG 3 (uV)", "emg3": "EMG 4 (uV)"}
    for old, new in names.items():
        text = text.replace(old, new)
    path.write_text(text)
    unit, why = unit_of(look_at(path).columns[1:5], ())
    assert unit == "" and "several ('EMG 2 (mV)', 'EMG 4 (uV)')" in why
    assert unit_of(look_at(path).columns[1:3], ()) == ("mV", "written in 'EMG 1 (mV)'")


def test_a_table_without_names(tmp_path: Path) -> None:
    path, emg_TC, _ = table(tmp_path / "S1.csv")
    path.write_text(path.read_text().split("\n", 1)[1])
    keys, _ = look(path)
    assert keys["emg"] == {"columns": [1, 2, 3, 4], "clock": {"field": "0", "unit": "ms"}}
    assert keys["label"]["field"] == "5" and keys["first_row"] == 1
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    np.testing.assert_allclose(read(path).emg_TC, emg_TC, rtol=1e-5)


def test_names_that_are_there_twice(tmp_path: Path) -> None:
    path, emg_TC, _ = table(tmp_path / "S1.csv", names=["time_ms", "emg0", "emg1", "emg1", "emg3", "gesture"])
    keys, _ = look(path)
    assert keys["emg"]["columns"] == [1, 2, 3, 4] and keys["first_row"] == 2 and keys["label"]["field"] == "5"
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    np.testing.assert_allclose(read(path).emg_TC, emg_TC, rtol=1e-5)


@given(
    rate=st.sampled_from([100.0, 148.148, 200.0, 333.0, 500.0, 777.0, 1000.0, 1259.259, 1925.926, 2000.0]),
    clock=st.sampled_from(["s", "ms", "us", "epoch s", "epoch ms"]),
    unit=st.sampled_from(["V", "mV", "uV"]),
    separator=st.sampled_from([",", ";", "\t", ", "]),
    comma=st.booleans(),
    channels=st.integers(2, 10),
    order=st.permutations(["clock", "emg", "label", "imu"]),
    family=st.sampled_from(["emg_{}", "ch{}", "EMG{} [{u}]", "Channel {}"]),
    spread=st.floats(0.5, 2),
)
@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_what_is_known_of_a_table_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    rate: float,
    clock: str,
    unit: str,
    separator: str,
    comma: bool,
    channels: int,
    order: list[str],
    family: str,
    spread: float,
) -> None:
    """A table of known rate, unit, columns and clock, in a dialect at random, is described as it was made."""
    label_T = exports.protocol(rate, hold_s=0.8)
    scale = spread * {"V": 1e-6, "mV": 1e-3, "uV": 1.0}[unit]
    emg_TC = exports.emg(label_T, channels) * scale
    times = np.arange(len(label_T)) / rate + (1.7e9 if "epoch" in clock else 0)
    ticks = times * {"s": 1, "ms": 1e3, "us": 1e6}[clock.split()[-1]]
    digits = 6 if clock.endswith("s") and clock.split()[-1] == "s" else 3
    drift = np.cumsum(np.random.default_rng(1).normal(0, 0.01, (len(label_T), 3)), axis=0)
    blocks = {
        "clock": (["timestamp"], [[f"{tick:.{digits}f}"] for tick in ticks]),
        "emg": ([family.format(k, u=unit) for k in range(channels)], [[f"{v:.6g}" for v in row] for row in emg_TC]),
        "label": (["gesture"], [[str(3 * label)] for label in label_T]),
        "imu": (["acc_x", "acc_y", "acc_z"], [[f"{v:.4f}" for v in row] for row in drift]),
    }
    decimal = comma and separator in (";", "\t")
    rows = [[cell for name in order for cell in blocks[name][1][k]] for k in range(len(label_T))]
    names = [cell for name in order for cell in blocks[name][0]]
    lines = [separator.join(cell.replace(".", ",") if decimal else cell for cell in row) for row in rows]
    path = tmp_path_factory.mktemp("table") / "sub-03.csv"
    path.write_text("\n".join([separator.join(names), *lines]) + "\n")
    keys, text = look(path)
    assert keys["emg"]["columns"] == blocks["emg"][0]
    assert keys["emg"]["clock"] == {"field": "timestamp", "unit": clock.split()[-1]}
    assert keys["rate"] == pytest.approx(rate, rel=1e-3)
    assert keys["kind"] == "raw" and keys["unit"] == (unit if "{u}" in family else "")
    assert keys["label"] == {"field": "gesture", "names": {"0": "rest", "3": "gesture 3", "6": "gesture 6"}}
    assert keys["user"] == {"pattern": "sub\\-(\\d+)"}
    assert "pose" not in keys and "'acc_x', 'acc_y', 'acc_z'" in text
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": unit}))
    (source,) = find_recordings(path)
    assert sum(part.seconds for part in source.parts()) == pytest.approx(len(label_T) / rate, rel=0.03)


def test_clocks_that_jitter_burst_jump_and_lose(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    even = np.arange(20_000) / 500
    clocks = {
        "jitter": np.sort(even + rng.uniform(-1e-3, 1e-3, len(even))),
        "packets": np.repeat(even[::10], 10),
        "coarse": np.floor(even * 10) / 10,
        "jump": even + 40 * (np.arange(len(even)) > 9000),
        "lost": even[np.sort(rng.choice(20_000, 19_950, replace=False))],
    }
    for name, clock in clocks.items():
        x = rng.normal(0, 20, (len(clock), 3))
        path = tmp_path / f"S1_{name}.npz"
        np.savez(path, emg_uV=x, t=clock)
        keys, text = look(path)
        assert keys["rate"] == 500 and keys["emg"]["clock"] == {"field": "t", "unit": "s"}, (name, text)


def test_arrays(tmp_path: Path) -> None:
    label_T = exports.protocol(1000)
    emg_TC = exports.emg(label_T, 8)
    curl_SJ = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (len(label_T) * 60 // 1000, 5)), axis=0)
    path = tmp_path / "p4.npz"
    arrays = {"emg": emg_TC.T, "joint_angles": curl_SJ, "gesture": label_T, "fs": 1000, "pose_fs": 60, "unit": "uV"}
    np.savez(path, **arrays)
    keys, text = look(path)
    assert keys["emg"] == {"field": "emg", "transposed": True} and "written the other way round" in text
    assert (keys["rate"], keys["unit"], keys["pose"]["rate"]) == (1000, "uV", 60)
    assert keys["pose"]["field"] == "joint_angles" and keys["pose"]["unit"] == ""
    assert "pose.unit" in text and keys["label"]["names"]["0"] == "rest"
    keys["pose"]["unit"] = "rad"
    path.with_suffix(".json").write_text(json.dumps(keys))
    recording = read(path)
    np.testing.assert_allclose(recording.emg_TC, emg_TC, rtol=1e-5)
    assert recording.anchor_SJ is not None and recording.anchor_rate == 60


def test_a_matlab_file(tmp_path: Path) -> None:
    pytest.importorskip("cpep.data.readers.mat")
    from scipy.io import savemat

    label_T = exports.protocol(1000)
    emg_TC = exports.emg(label_T, 8)
    path = tmp_path / "sub-04.mat"
    savemat(path, {"emg_data": emg_TC, "Fs": 1000.0, "gesture": label_T, "units": "mV"})
    keys, text = look(path)
    assert keys["emg"] == {"field": "emg_data"} and (keys["rate"], keys["unit"]) == (1000, "mV")
    assert keys["label"]["field"] == "gesture" and "not readable" not in text
    np.testing.assert_allclose(read(path).emg_TC, 1000 * emg_TC, rtol=1e-5)


@pytest.mark.parametrize(("ending", "shape"), [("npz", "(T,)"), ("npz", "(1, T)"), ("mat", "(1, T)")])
def test_a_single_channel(tmp_path: Path, ending: str, shape: str) -> None:
    from scipy.io import savemat

    label_T = exports.protocol(1000)
    emg_T = exports.emg(label_T, 1)[:, 0]
    given = emg_T if shape == "(T,)" else emg_T[None]
    arrays = {"emg": given, "gesture": label_T, "emg_time": np.arange(len(emg_T)) / 1000, "unit": "uV"}
    path = tmp_path / f"S1.{ending}"
    np.savez(path, **arrays) if ending == "npz" else savemat(path, arrays)
    keys, text = look(path)
    assert keys["emg"]["field"] == "emg" and keys["rate"] == 1000 and "rows of 1 column" in text
    np.testing.assert_allclose(read(path).emg_TC[:, 0], emg_T, rtol=1e-5)


def test_people_and_dates_of_arrays_count_as_those_of_tables(tmp_path: Path) -> None:
    label_T = exports.protocol(500)
    emg_TC, rows = exports.emg(label_T, 4), len(label_T)
    time_T = np.datetime64("2024-05-01T12:00:00", "us") + 2000 * np.arange(rows)
    path = tmp_path / "S1.npz"
    np.savez(path, emg=emg_TC, gesture=label_T, time=time_T, subject=np.full(rows, 7), unit="uV")
    keys, text = look(path)
    assert keys["rate"] == 500 and keys["emg"]["clock"] == {"field": "time", "unit": "s"} and "in dates" in text
    assert keys["user"] == "7" and read(path).user == "7" and read(path).measured_rate == pytest.approx(500)
    np.savez(path, emg=emg_TC, gesture=label_T, subject=np.where(np.arange(rows) < 900, "ann", "ben"), fs=500)
    with pytest.raises(UserError, match=r"holds 2 people \('subject': ann, ben\); write the rows of each person"):
        look(path)


def test_labels_of_arrays_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    from scipy.io import savemat

    label_T = exports.protocol(500)
    emg_TC, rows = exports.emg(label_T, 4), len(label_T)
    cells = np.empty(rows, object)
    cells[:] = [NAMES[label] for label in label_T]
    path = tmp_path / "S1.npz"
    for label, why in ((np.eye(3)[label_T], f"is ({rows}, 3)"), (label_T[::5], f"is ({len(label_T[::5])},)")):
        np.savez(path, emg=emg_TC, label=label, fs=500)
        assert f"'label' {why}: save labels as one number or text for each of the {rows:,} rows" in look(path)[1]
    np.savez(path, emg=emg_TC, label=cells, fs=500)
    with pytest.raises(UserError, match=r"S1\.npz: 'label' holds Python objects.*numpy\.array\(label, dtype=str\)"):
        look(path)
    savemat(path.with_suffix(".mat"), {"emg": emg_TC, "label": cells, "fs": 500})
    text = look(path.with_suffix(".mat"))[1]
    assert "'label' cannot be read: save labels as" in text and "not read   'label': neither numbers" in text


def test_arrays_that_are_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "S1.npz"
    np.savez(path, emg=np.zeros((5, 8, 200)))
    with pytest.raises(UserError, match=r"'emg' is \(5, 8, 200\), which is cut into windows; save the recording"):
        look(path)
    np.savez(path, finger_angles=np.zeros((500, 8)))
    with pytest.raises(UserError, match=r"no array looks like EMG \(arrays: 'finger_angles' \(500, 8\)\)"):
        look(path)
    np.savez(path, **{f"ch{k}": column for k, column in enumerate(exports.emg(exports.protocol(100), 4).T)})
    with pytest.raises(UserError, match=r"each channel as an array of its own \('ch0' to 'ch3'\); save them as one"):
        look(path)
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"truncated or damaged"):
        look(path)


def test_names_of_muscles_numbers_and_what_pandas_saves(tmp_path: Path) -> None:
    label_T = exports.protocol(500)
    x = exports.emg(label_T, 3).round(2)
    path = tmp_path / "RMS7_S1.csv"
    rows = "\n".join(
        f"{k},{a},{b},{c},{k / 500:.3f},{label}" for k, ((a, b, c), label) in enumerate(zip(x, label_T, strict=True))
    )
    path.write_text(f",EMG_biceps,EMG_triceps,emg_brachio,time_s,label\n{rows}\n")
    keys, text = look(path)
    assert keys["emg"]["columns"] == ["EMG_biceps", "EMG_triceps", "emg_brachio"] and "counter" not in keys
    assert keys["user"] == {"pattern": "(?:^|[^A-Za-z])S(\\d+)"} and "'1', from the name of the file" in text
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    assert read(path).user == "1"
    path.write_text(f"0,1,2,3,4,label\n{rows}\n")
    keys, _ = look(path)
    assert keys["emg"]["columns"] == ["1", "2", "3"] and keys["label"]["field"] == "label"
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    np.testing.assert_allclose(read(path).emg_TC, x, rtol=1e-5)


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    path, _, _ = table(tmp_path / "S1.csv")
    lines = path.read_text().splitlines()
    cells = lines[700].split(",")
    lines[700] = ",".join([*cells[:2], "ERR", *cells[3:]])
    path.write_text("\n".join(lines) + "\n")
    keys, _ = look(path)
    assert keys["emg"]["columns"] == ["emg0", "emg1", "emg2", "emg3"]
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    with pytest.raises(UserError, match=r"line 701: 'emg1' holds something else than numbers: 'ERR'"):
        read(path)


def test_an_envelope_a_converter_and_what_is_neither(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 20, (4000, 4))
    for name, values, kind, unit in (
        ("envelope", np.abs(raw) * np.linspace(0.1, 4, 4000)[:, None] ** 2, "envelope", ""),
        ("converter", np.rint(512 + raw), "raw", "count"),
        ("neither", rng.uniform(0, 99, raw.shape), "", ""),
    ):
        np.savez(tmp_path / f"S1_{name}.npz", emg=values, fs=500)
        keys, _ = look(tmp_path / f"S1_{name}.npz")
        assert (keys["kind"], keys["unit"]) == (kind, unit), name


def test_several_files_get_one_sidecar(tmp_path: Path) -> None:
    for name in ("S1", "S2", "S10"):
        path, _, _ = table(tmp_path / f"{name}.csv")
        path.write_text(path.read_text().replace("fist", f"fist of {name}"))
    (tmp_path / "README.txt").write_text("made by ann")
    (tmp_path / "metadata.csv").write_text("filename,split\n")
    found = describe([tmp_path])
    assert found.sidecar == tmp_path / "cpep.json"
    keys = json.loads(found.sidecar.read_text())
    assert set(keys["label"]["names"]) == {"rest", "open hand", "fist of S1", "fist of S2", "fist of S10"}
    table(tmp_path / "S3.csv", rate=500)
    with pytest.raises(
        UserError, match=r"S3\.csv is of another kind than S1\.csv: its 'rate' is 500, there it is 250"
    ):
        describe([tmp_path / "S1.csv", tmp_path / "S3.csv"], force=True)


MUSCLES = ["ext_digitorum", "flex_carp_radialis", "FDS ring", "palmaris"]


def test_muscles_are_no_pose_and_names_before_sessions_are_people(tmp_path: Path) -> None:
    names = ["time_ms", *MUSCLES, "gesture"]
    for name in ("anna_day1", "anna_day2", "ben_day1"):
        table(tmp_path / f"{name}.csv", names=names)
    found = describe([tmp_path])
    keys = json.loads(found.sidecar.read_text())
    assert keys["emg"]["columns"] == MUSCLES and "pose" not in keys
    assert "'anna', 'ben': the first word in the name of each file" in found.text
    assert f"or say it: cpep data describe --force --unit UNIT {tmp_path}" in found.text
    assert "it must be filled in: one of V, mV, uV, count" in found.text
    text = describe([tmp_path], force=True, told=known("uV")).text
    assert "reads as" in text and text.endswith(f"next: cpep data inspect {tmp_path}")
    parts = [part for source in find_recordings(tmp_path) for part in source.parts()]
    assert [(part.user, part.session) for part in parts] == [("anna", "1"), ("anna", "2"), ("ben", "1")]
    rows = (tmp_path / "ben_day1.csv").read_text().splitlines()
    short = "\n".join(",".join(cell for k, cell in enumerate(row.split(",")) if k != 3) for row in rows)
    (tmp_path / "ben_day1.csv").write_text(short + "\n")
    with pytest.raises(UserError, match=r"ben_day1\.csv is of another kind than anna_day1\.csv: it has no EMG 'FDS"):
        describe([tmp_path], force=True)


def test_what_only_the_user_knows_can_be_told(tmp_path: Path) -> None:
    path, _, _ = table(tmp_path / "walk.csv")
    assert "or say it: cpep data describe --force --unit UNIT --user NAME" in describe([path]).text
    found = describe([path], force=True, told=known("µV", 250, "ann"))
    keys = json.loads(found.sidecar.read_text())
    assert (keys["unit"], keys["rate"], keys["user"]) == ("uV", 250, "ann")
    assert "uV: you said it" in found.text and "to fill in" not in found.text and read(path).user == "ann"
    with pytest.raises(UserError, match=r"the unit 'cm' is not known here"):
        known("cm")
    with pytest.raises(UserError, match=r"--user '\(a': it is no regular expression"):
        known(user="(a")


def test_what_is_no_table_is_a_sentence(tmp_path: Path) -> None:
    for name, data, sentence in (
        ("S1.xlsx", b"PK\x03\x04", "is a spreadsheet; save it as CSV"),
        ("S1.csv", b"", "is empty"),
        ("S1.csv", b"PK\x03\x04\0\0\0\0", "is no text"),
        ("S1.csv", b"dear diary\nit rained\n", "is no table"),
        ("S1.csv", b'a,b\n"1,234.5","2,345.6"\n' * 9, "commas between thousands"),
        ("S1.csv", b"X[s],EMG 1 [V]\n" + b"0,0005,0,0001\n" * 20, "commas both between cells and in numbers"),
        ("S1.csv", b"t,name\n0.1,ann\n0.2,bob\n0.3,eve\n", "no column looks like EMG"),
        ("S1.doc", b"x", "is no table"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError, match=sentence):
            look(path)
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no tables"):
        describe([empty])
    with pytest.raises(UserError, match="does not exist"):
        look(tmp_path / "missing.csv")


@pytest.mark.parametrize("ending", [".npy", ".h5", ".hdf5"])
def test_arrays_in_files_that_are_not_read_are_told_a_way(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"S1{ending}"
    if ending == ".npy":
        np.save(path, np.zeros((100, 4)))
    else:
        with h5py.File(path, "w") as file:
            file["emg"] = np.zeros((100, 4))
    way = r"numpy\.savez\('S1\.npz', emg=emg, label=label\), and run `cpep data describe S1\.npz`"
    with pytest.raises(UserError, match=way):
        look(path)
    if ending == ".hdf5":  # which is called as emg2pose
        with pytest.raises(UserError, match=way):
            read(path)
        with pytest.raises(UserError, match=way):
            describe([tmp_path])
    else:
        for ask in (find_recordings, lambda folder: describe([folder])):
            with pytest.raises(UserError, match=r"has no layout that cpep reads; .*" + way):
                ask(tmp_path)


def test_people_repetitions_prompts_and_events(tmp_path: Path) -> None:
    label_T = exports.protocol(200, times=3)
    emg_TC = exports.emg(label_T, 4).round(2)
    marker_T = np.zeros(len(label_T), int)
    marker_T[::300] = 7
    prompt_T = np.roll(label_T, -40)
    repetition_T = np.repeat([1, 2, 3], -(-len(label_T) // 3))[: len(label_T)]
    columns = [*emg_TC.T, label_T, prompt_T, repetition_T, marker_T, np.full(len(label_T), 12)]
    names = "emg1,emg2,emg3,emg4,restimulus,stimulus,repetition,trigger,subject"
    path = tmp_path / "walk.csv"
    np.savetxt(path, np.stack(columns, axis=1), "%.2f", ",", header=names, comments="")
    keys, text = look(path)
    assert (keys["label"]["field"], keys["prompt"], keys["repetition"]) == ("restimulus", "stimulus", "repetition")
    assert keys["user"] == "12" and "'trigger' is zero but for" in text
    assert keys["rate"] == "" and "EMG samples a second" in text
    columns[-1] = label_T
    np.savetxt(path, np.stack(columns, axis=1), "%.2f", ",", header=names, comments="")
    with pytest.raises(UserError, match=r"holds 3 people \('subject': 0, 1, 2\); write the rows of each person"):
        look(path)


def test_dates_are_a_clock(tmp_path: Path) -> None:
    path, emg_TC, _ = table(tmp_path / "S1.csv")
    lines = path.read_text().splitlines()
    for k, line in enumerate(lines[1:]):
        lines[k + 1] = f"2024-05-01 12:00:{k / 250:06.3f}," + line.split(",", 1)[1]
    path.write_text("\n".join(lines) + "\n")
    keys, text = look(path)
    assert keys["rate"] == 250 and keys["emg"]["clock"] == {"field": "time_ms", "unit": "s"} and "in dates" in text
    path.with_suffix(".json").write_text(json.dumps(keys | {"unit": "uV"}))
    np.testing.assert_allclose(read(path).emg_TC, emg_TC, rtol=1e-5)


# Exports of devices: see tests/data/exports.py.

LABEL_T = exports.protocol(250)
EMG_TC = exports.emg(LABEL_T, 8)


def test_openbci(tmp_path: Path) -> None:
    path = exports.openbci(tmp_path / "S1.txt", EMG_TC, stamps=1.7e9 + np.arange(len(EMG_TC)) // 8 * 8 / 250)
    keys, text = look(path)
    assert keys["emg"]["columns"] == [f"EXG Channel {k}" for k in range(8)]
    assert keys["emg"]["clock"] == {"field": "Timestamp", "unit": "s"}
    assert (keys["rate"], keys["unit"], keys["kind"]) == (250, "uV", "raw")
    assert (
        "a recording of the OpenBCI GUI" in text and "'Sample Index' counts packets, begins again after 255" in text
    )
    assert "S1.txt reads as 13.5 s by 1: 8 channels, raw, 250 Hz, uV" in text
    path = exports.old_openbci(tmp_path / "S2.txt", EMG_TC)
    keys, text = look(path)
    assert keys["emg"]["columns"] == list(range(1, 9)) and keys["unit"] == "uV" and "reads as 13.5 s" in text
    np.testing.assert_allclose(read(path).emg_TC, EMG_TC, atol=0.006)


def test_several_texts_of_the_gui(tmp_path: Path) -> None:
    for name in ("S1", "S2"):
        exports.openbci(tmp_path / f"{name}.txt", EMG_TC[:800])
    (tmp_path / "notes.txt").write_text("electrodes were dry")
    assert "S1.txt reads as 3.2 s by 1" in describe([tmp_path]).text
    assert [source.name for source in find_recordings(tmp_path)] == ["S1", "S2"]


def test_brainflow(tmp_path: Path) -> None:
    path = exports.brainflow(tmp_path / "S1.csv", EMG_TC)
    with pytest.raises(UserError, match=r"looks like a file of BrainFlow.*--preset brainflow:cyton$"):
        look(path)
    keys, text = look(path, "brainflow:cyton")
    assert keys["emg"]["columns"] == list(range(1, 9)) and keys["emg"]["clock"] == {"field": "22", "unit": "s"}
    assert (keys["rate"], keys["unit"]) == (250, "uV") and "reads as 13.5 s" in text
    np.testing.assert_allclose(read(path).emg_TC, EMG_TC, rtol=1e-3, atol=1e-3)
    with pytest.raises(UserError, match="has 24 columns, and a ganglion board writes 15"):
        look(path, "brainflow:ganglion")
    with pytest.raises(UserError, match=r"--preset cyton: known are openbci, .*brainflow:cyton"):
        look(path, "cyton")


def test_the_boards_are_those_of_brainflow() -> None:
    pytest.importorskip("brainflow")
    from cpep.data.describe.boards import BOARDS, described

    for name, board in BOARDS.items():
        assert described(name) == board, name


@pytest.mark.parametrize("header", [True, False])
def test_myo(tmp_path: Path, header: bool) -> None:
    label_T = exports.protocol(200)
    path = exports.myo(tmp_path / "S1.csv", exports.emg(label_T, 8), label_T, header=header)
    keys, text = look(path)
    assert (keys["rate"], keys["unit"], keys["kind"], keys["ring"]) == (200, "count", "raw", list(range(8)))
    assert keys["label"]["names"] == {"0": "rest", "1": "gesture 1", "2": "gesture 2"}
    assert ("clock" in keys["emg"]) == header and "S1.csv reads as 13.5 s" in text
    with pytest.raises(UserError, match="is no raw recording of a Myo"):
        look(table(tmp_path / "S2.csv")[0], "myo")


def test_mindrove(tmp_path: Path) -> None:
    emg_TC = exports.emg(exports.protocol(500), 8)
    keys, text = look(exports.mindrove(tmp_path / "S1.csv", emg_TC))
    assert keys["emg"]["columns"] == [f"Channel{k}" for k in range(1, 9)]
    assert (keys["rate"], keys["unit"]) == (500, "uV") and "reads as 13.5 s" in text
    with pytest.raises(UserError, match=r"mixes the rows of 2 devices \('Device number'\)"):
        look(exports.mindrove(tmp_path / "S2.csv", emg_TC, devices=2))


@pytest.mark.parametrize("comma", [True, False])
def test_emgworks(tmp_path: Path, comma: bool) -> None:
    emg_TC = exports.emg(exports.protocol(1925.926, times=1), 3)
    keys, text = look(exports.emgworks(tmp_path / "S1.csv", emg_TC, comma=comma))
    assert keys["emg"] == {"columns": [f"Avanti sensor {k}: EMG {k} [V]" for k in (1, 2, 3)]}
    assert (keys["rate"], keys["unit"]) == (1925.926, "V") and "reads as 7.5 s by 1: 3 channels" in text


def test_discover(tmp_path: Path) -> None:
    emg_TC = exports.emg(exports.protocol(1259.259, times=1), 3)
    path = exports.discover(tmp_path / "S1.csv", emg_TC, [1259.259] * 3)
    keys, text = look(path)
    assert keys["emg"] == {"columns": [1, 5, 9]} and keys["first_row"] == 9
    assert (keys["rate"], keys["unit"]) == (1259.259, "mV") and "reads as 7.5 s by 1: 3 channels" in text
    with pytest.raises(
        UserError, match=r"EMG of 2 rates: column 1, column 5 at 1259\.26 Hz; column 9 at 2148\.15 Hz"
    ):
        look(exports.discover(tmp_path / "S2.csv", emg_TC, [1259.259, 1259.259, 2148.148]))


def test_channels_that_end_one_after_the_other(tmp_path: Path) -> None:
    emg_TC = exports.emg(exports.protocol(1259.259, times=1), 3)
    path = exports.discover(tmp_path / "S1.csv", emg_TC, [1259.259] * 3)
    lines = path.read_text().splitlines()
    for k in (-1, -2, -3):
        cells = lines[k].split(",")
        cells[5] = ""
        lines[k] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    look(path)
    recording = read(path)
    assert "3 rows at the end, where channels have ended, are left out" in recording.notes
    cells = lines[2000].split(",")
    cells[5] = ""
    lines[2000] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="EMG is not finite"):
        read(path)
