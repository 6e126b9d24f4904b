from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.folder import find_recordings
from cpep.data.readers.generic import read_recording, sidecar_of, stem
from cpep.data.readers.ninapro_databases import MEGANE_REMEDY
from cpep.data.readers.sidecar import read_sidecar
from cpep.data.recording import Recording
from cpep.data.resample import interpolate_rows
from cpep.signal.conditioning import Conditioning
from cpep.types import UserError
from tests.data.ninapro_files import write_5, write_7_3
from tests.data.samples import write_generic

BASIC: dict[str, object] = {
    "emg": {"field": "emg"},
    "rate": 200,
    "kind": "raw",
    "unit": "count",
    "user": "ann",
}


def read(path: Path):
    sidecar = sidecar_of(path)
    assert sidecar is not None
    return read_recording(path, sidecar)


def read_all(path: Path) -> tuple[Recording, ...]:
    found = read(path)
    return found if isinstance(found, tuple) else (found,)


def test_smallest_sidecar(tmp_path: Path) -> None:
    emg = np.arange(24, dtype=np.int8).reshape(6, 4)
    recording = read(write_generic(tmp_path, BASIC, emg=emg))
    assert recording.emg_TC.dtype == np.float32 and (recording.emg_TC == emg).all()
    assert (recording.user, recording.session, recording.stage, recording.side) == ("ann", "a", "a", "right")
    assert recording.vocabulary == ("rest",) and (recording.label_T == -1).all()
    assert recording.anchor_SJ is None and recording.device.anchor_names == ()


def test_example_of_the_docstring(tmp_path: Path) -> None:
    import cpep.data.readers.generic

    text = cpep.data.readers.generic.__doc__ or ""
    example = text[text.index("    {\n") : text.index("    }\n") + 6]
    rng = np.random.default_rng(0)
    path = write_generic(
        tmp_path,
        json.loads(example),
        name="S03_day2",
        emg=rng.normal(size=(1000, 8)),
        angles=rng.normal(size=(60, 5)),
        gesture=np.repeat([0, 1, 2, 7], 250),
    )
    recording = read(path)
    assert (recording.user, recording.session) == ("03", "2")
    assert recording.vocabulary == ("rest", "fist", "spread")
    assert recording.label_T[::250].tolist() == [0, 1, 2, -1]
    assert recording.anchor_rate == 60 and recording.device.anchor_names[4] == "little"
    assert recording.device.emg_unit == "uV" and recording.device.conditioning == Conditioning(20.0)
    np.testing.assert_allclose(recording.emg_TC, np.load(path)["emg"], rtol=1e-6)  # 0.001 of a mV


@pytest.mark.parametrize(
    ("unit", "device_unit", "times"),
    [
        ("V", "uV", 1e6), ("millivolts", "uV", 1e3), ("\N{MICRO SIGN}V", "uV", 1),
        ("\N{GREEK SMALL LETTER MU}V", "uV", 1), ("ADC", "count", 1), ("SD", "noise_sd", 1), ("ratio", "ratio", 1),
    ],
)  # fmt: skip
def test_volts_are_read_as_microvolts(tmp_path: Path, unit: str, device_unit: str, times: float) -> None:
    emg = np.random.default_rng(0).normal(size=(50, 2))
    recording = read(write_generic(tmp_path, BASIC | {"unit": unit, "emg": {"field": "emg", "scale": 2}}, emg=emg))
    assert recording.device.emg_unit == device_unit
    np.testing.assert_allclose(recording.emg_TC, emg * 2 * times, rtol=1e-6)


@pytest.mark.parametrize(
    ("pose", "unit", "kind", "times"),
    [
        ({"unit": "degrees"}, "rad", "joint_angles", np.pi / 180),
        ({"unit": "cm"}, "mm", "values", 10),
        ({"unit": "counts"}, "count", "glove", 1),
        ({"unit": "m", "kind": "landmarks"}, "mm", "landmarks", 1000),
        ({"unit": "deg", "kind": "joint_angles"}, "rad", "joint_angles", np.pi / 180),
        ({"unit": "N"}, "N", "values", 1),
    ],
)
def test_angles_are_read_as_radians_and_lengths_as_mm(
    tmp_path: Path, pose: dict[str, str], unit: str, kind: str, times: float
) -> None:
    key, values = "anchor" if "kind" in pose or unit == "N" else "pose", np.arange(100.0).reshape(50, 2)
    path = write_generic(tmp_path, BASIC | {key: {"field": "p"} | pose}, emg=np.ones((50, 2)), p=values)
    recording = read(path)
    assert recording.anchor_SJ is not None
    assert (recording.device.anchor_unit, recording.device.anchor.kind.name) == (unit, kind)
    np.testing.assert_allclose(recording.anchor_SJ, values * times, rtol=1e-6)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, Conditioning(20.0)),
        ({"rate": 100}, Conditioning(10.0)),
        ({"kind": "envelope"}, Conditioning()),
        ({"highpass": 0}, Conditioning()),
        ({"highpass": 30.5, "notch": 60}, Conditioning(30.5, 60.0)),
    ],
)
def test_a_sidecar_says_what_is_filtered(tmp_path: Path, said: dict[str, object], wanted: Conditioning) -> None:
    path = write_generic(tmp_path, BASIC | {"rate": 1000} | said, emg=np.ones((500, 2)))
    assert read(path).device.conditioning == wanted


def test_array_columns_prompts_and_repetitions(tmp_path: Path) -> None:
    sidecar = BASIC | {
        "emg": {"field": "emg", "columns": [2, 0]},
        "label": {"field": "g", "names": {"b": "fist", "a": "rest"}},
        "prompt": "p",
        "repetition": "r",
    }
    emg = np.arange(12.0).reshape(4, 3)
    recording = read(
        write_generic(
            tmp_path,
            sidecar,
            emg=emg,
            g=np.array(["a", "b", "c", "b"]),
            p=np.array(["b", "b", "b", "a"]),
            r=np.arange(4),
        )
    )
    assert (recording.emg_TC == emg[:, [2, 0]]).all()
    assert recording.label_T.tolist() == [0, 1, -1, 1]
    assert recording.prompt_T is not None and recording.prompt_T.tolist() == [1, 1, 1, 0]
    assert recording.repetition_T is not None and recording.repetition_T.tolist() == [0, 1, 2, 3]


def test_csv_with_one_clock(tmp_path: Path) -> None:
    lines = ["ms,e1,e2,curl,what"]
    for k in range(101):
        lines.append(f"{8 * k},{k},{-k},{'' if k == 50 else k / 100},{'fist' if k > 60 else 'open'}")
    with gzip.open(tmp_path / "walk.csv.gz", "wt") as file:
        file.write("\n".join(lines))
    sidecar = BASIC | {
        "emg": {"columns": ["e1", "e2"], "clock": {"field": "ms", "unit": "ms"}},
        "rate": 250,
        "pose": {"columns": ["curl"], "unit": "ratio", "rate": 125},
        "label": {"field": "what", "names": {"open": "rest", "fist": "fist"}},
    }
    (tmp_path / "cpep.json").write_text(json.dumps(sidecar))
    recording = read(tmp_path / "walk.csv.gz")
    assert len(recording.emg_TC) == 201 and recording.device.anchor_names == ("curl",)
    assert recording.measured_rate == pytest.approx(125)
    np.testing.assert_allclose(recording.emg_TC[30:170, 0], np.arange(30, 170) / 2, atol=1e-2)
    assert abs(int((recording.label_T == 0).sum()) - 122) <= 1
    assert np.flatnonzero(~recording.valid_S).tolist() == [50]
    assert recording.anchor_SJ is not None
    np.testing.assert_allclose(recording.anchor_SJ[[0, 49, 51, 100], 0], [0, 0.49, 0.51, 1], atol=1e-4)


def test_jittered_clocks_of_unequal_rates(tmp_path: Path) -> None:
    """EMG keeps its values, a sine comes back in step from the pose, and a hole of the EMG cuts both."""
    rng = np.random.default_rng(0)
    number = np.r_[:488, 563:1000]
    emg_ms = np.sort(np.round(50 + 4 * number + rng.uniform(-1.5, 1.5, len(number))))
    pose_ms = np.round(np.arange(0, 4100, 8.0) + rng.uniform(-1, 1, 513))
    pose_ms[0] = 0

    def wave(ms: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * 0.5 * ms / 1000)[:, None]

    sidecar = BASIC | {
        "emg": {"field": "emg", "clock": {"field": "emg_ms", "unit": "ms"}},
        "rate": 250,
        "pose": {"field": "pose", "unit": "ratio", "rate": 125, "clock": {"field": "pose_ms", "unit": "ms"}},
        "label": {"field": "g", "names": {"1": "fist"}},
    }
    emg = rng.normal(size=(len(number), 2)).astype(np.float32)
    arrays = {"emg": emg, "pose": wave(pose_ms), "emg_ms": emg_ms, "pose_ms": pose_ms}
    parts = read_all(write_generic(tmp_path, sidecar, g=np.ones(len(number)), **arrays))
    assert [len(part.emg_TC) for part in parts] == [488, 437]
    np.testing.assert_array_equal(np.concatenate([part.emg_TC for part in parts]), emg)
    for part, start in zip(parts, (50, 50 + 4 * 563), strict=True):
        assert part.anchor_SJ is not None and part.valid_S.all() and (part.label_T == 1).all()
        frame_ms = start + 8 * np.arange(len(part.anchor_SJ))
        np.testing.assert_allclose(part.anchor_SJ, wave(frame_ms), atol=5e-3)


def test_interpolation_against_a_slow_one() -> None:
    rng = np.random.default_rng(1)
    time = np.sort(rng.integers(0, 60, 40)) / 10.0
    rows = rng.normal(size=(40, 2)).astype(np.float32)
    grid = np.linspace(-1, 7, 81)
    values, solid = interpolate_rows(rows, time, grid, 0.25)
    for k, t in enumerate(grid):
        before, after = time[time <= t], time[time >= t]
        inside = len(before) > 0 and len(after) > 0
        on_row = (inside and np.isclose(before[-1], t)) or (inside and np.isclose(after[0], t))
        if not np.any(np.isclose(time, t)):
            assert solid[k] == (inside and (on_row or after[0] - before[-1] <= 0.25)), t
        low = rows[time == (before[-1] if len(before) else time[0])].mean(0)
        high = rows[time == (after[0] if len(after) else time[-1])].mean(0)
        span = (after[0] - before[-1]) if inside else 0
        share = (t - before[-1]) / span if span else 0.0
        expected = low + (high - low) * share if inside else (low if not len(before) else high)
        np.testing.assert_allclose(values[k], expected, atol=1e-5, err_msg=str(t))


ODD = {
    "cube": np.ones((2, 2, 2)),
    "words": np.array(["x", "y", "z"]),
    "far": np.array([0, 4e9, 8e9]),
    "none": np.ones((3, 0)),
    "waves": np.ones(3) * 1j,
    "wide": np.ones((3, 2)),
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rat": 3}, "unknown key 'rat'; did you mean 'rate'"),
        ({"rate": None}, "'rate' is None; it must be a positive number"),
        ({"rate": -1}, "'rate' is -1; it must be a positive number"),
        ({"kind": "smooth"}, "'kind' is 'smooth'; it must be 'raw' or 'envelope'"),
        ({"user": 3}, "'user' is 3; it must be a text"),
        ({"user": {"pattern": "("}}, r"'user.pattern': it is no regular expression of RE2"),
        ({"user": {"pattern": "Z(.)"}}, r"user pattern 'Z\(.\)' does not match 'a'"),
        ({"ring": [0, 9]}, r"ring \[0, 9\] does not fit 2 channels"),
        ({"emg": {}}, "'emg.field' is missing"),
        ({"emg": {"field": "signal"}}, "has no 'signal', which a.json asks for; it has emg, g, t"),
        ({"emg": {"field": "emg", "columns": [2]}}, "'emg.columns' must be numbers below 2"),
        ({"emg": {"columns": ["x"]}}, "'emg' needs a field, the name of an array of a.npz"),
        ({"emg": {"field": "emg", "clock": {"field": "t", "unit": "min"}}}, "'emg.clock.unit' is 'min'"),
        (
            {"emg": {"field": "emg", "clock": {"field": "words", "unit": "ms"}}},
            "'words' holds 'x', which is no time that cpep reads; write seconds",
        ),
        ({"label": {"field": "g", "names": {"5": "fist"}}}, "names none of the values of 'g' .*: 0, 1, 2"),
        ({"label": {"field": "g", "names": ["a"]}}, "'label.names' is .*an object from the values"),
        ({"pose": {"field": "wide", "unit": "rad", "names": ["a"]}}, "1 names for 2 columns of pose"),
        ({"pose": {"field": "emg", "unit": "rad"}}, "'emg' is in emg and in pose; name each column once"),
        ({"pose": {"field": "emg", "columns": [1], "unit": "rad"}}, "column 1 is in emg and in pose"),
        ({"emg": {"field": "emg", "columns": [1, 0, 1]}}, "column 1 is in emg twice"),
        ({"emg": {"columns": ["x", "y", "x"]}}, "'x' is in emg twice"),
        (
            {"emg": {"columns": ["x", "g"]}, "label": {"field": "g", "names": {"1": "a"}}},
            "'g' is in emg and is the label",
        ),
        ({"prompt": "emg", "label": {"field": "g", "names": {"1": "a"}}}, "'emg' is in emg and is the prompt"),
        ({"emg": {"field": "cube"}}, r"'cube' is \(2, 2, 2\), expected \(rows, columns\)"),
        ({"emg": {"field": "words"}}, "'words' holds something else than numbers"),
        ({"repetition": "words"}, "'words' holds something else than numbers"),
        (
            {"prompt": "cube", "label": {"field": "g", "names": {"1": "x"}}},
            r"'cube' is \(2, 2, 2\), expected one value a row",
        ),
        ({"user": {"pattern": "(x)?a"}}, "user pattern .* does not match 'a'"),
        ({"side": "middle"}, "'side' is 'middle'; it must be 'left' or 'right'"),
        ({"rate": 0.5}, "'rate' is 0.5; it must be 10 to 200,000 samples per second"),
        (
            {"emg": {"field": "emg", "clock": {"field": "far", "unit": "s"}}},
            r"'far' it has 2.5e-10 samples a second, .* rate of 200; check the clock's unit",
        ),
        ({"repetition": "far"}, r"'far' holds 8e\+09, which is no number of a repetition"),
        ({"emg": {"field": "none"}}, "'none' has no columns"),
        ({"emg": {"field": "waves"}}, "'waves' holds something else than numbers"),
        ({"label": {"field": "wide", "names": {"1": "x"}}}, r"'wide' is \(3, 2\), expected one value a row"),
        ({"unit": "milivolt"}, "'unit': the unit 'milivolt' is not known here; did you mean 'mV'"),
        ({"unit": "MV"}, "known are V, mV, uV, count, noise_sd, ratio"),
        ({"unit": "rad"}, "the unit 'rad' is not known here; known are V"),
        ({"pose": {"field": "emg", "unit": "degs/s"}}, "'pose.unit': the unit 'degs/s' is not known"),
        ({"highpass": -1}, "'highpass' is -1; it must be a frequency in Hz, or 0 for none"),
        ({"highpass": True}, "'highpass' is True; it must be a frequency in Hz, or 0 for none"),
        ({"highpass": 50, "rate": 100}, "a high-pass at 50 Hz does not fit EMG at 100 Hz; give one below 50 Hz"),
        ({"notch": 55}, "a notch at 55 Hz; give 50 or 60"),
        ({"notch": 50, "rate": 100}, "a notch at 50 Hz does not fit EMG at 100 Hz"),
        ({"kind": "envelope", "notch": 50}, "an envelope has neither offset nor hum"),
        ({"unit": "${oc.env:HOME}"}, r"a\.json: unit holds '\$\{oc\.env:HOME\}'"),
        ({"label": {"field": "g", "names": {"1": "${x}"}}}, r"a\.json: label\.names\.1 holds '\$\{x\}'"),
    ],
)
def test_mistakes_in_a_sidecar(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    path = write_generic(
        tmp_path,
        BASIC | change,
        emg=np.ones((3, 2)),
        t=np.array([0, 5, 4]),
        g=np.arange(3),
        **{name: array for name, array in ODD.items() if f'"{name}"' in json.dumps(change)},
    )
    with pytest.raises(UserError, match=sentence):
        read(path)


def test_an_anchor_without_a_clock_that_ends_elsewhere_than_the_emg_is_refused(tmp_path: Path) -> None:
    """A rate that is mistaken would put each frame at a wrong time."""
    said = BASIC | {"rate": 500, "pose": {"field": "angles", "unit": "rad", "rate": 100}}
    emg, angles = np.random.default_rng(0).normal(size=(5000, 2)), np.zeros((1000, 3))
    for frames, fine in ((1000, True), (948, True), (1052, True), (600, False), (1200, False)):
        given = np.resize(angles, (frames, 3))
        path = write_generic(tmp_path / str(frames), said, emg=emg, angles=given)
        if fine:
            assert read(path).anchor_rate == 100
            continue
        with pytest.raises(UserError, match="its pose has") as found:
            read(path)
        assert f"has {frames:,} rows, which are {frames / 100:.2f} s at 100 Hz, and its EMG lasts 10.00 s" in str(
            found.value
        )
        assert f"({frames / 10:g} if both end together)" in str(found.value)


def test_damaged_files(tmp_path: Path) -> None:
    path = write_generic(tmp_path, BASIC, emg=np.ones((300, 2)))
    data = path.read_bytes()
    for size in (0, 10, 200, len(data) - 5):
        path.write_bytes(data[:size])
        with pytest.raises(UserError, match=r"a\.npz is truncated or damaged"):
            read(path)
    np.savez(path, emg=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="holds Python objects, which cpep does not load"):
        read(path)
    np.savez(path, emg=np.zeros((0, 2)))
    with pytest.raises(UserError, match="holds no samples"):
        read(path)
    (tmp_path / "b.csv").write_text("x,y\n1,2\n1\n")
    (tmp_path / "b.json").write_text(json.dumps(BASIC | {"emg": {"columns": ["x"]}}))
    with pytest.raises(UserError, match=r"b\.csv, line 3: 1 cells under 2 column names"):
        read(tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n,3\n")
    with pytest.raises(UserError, match="b: EMG is not finite"):
        read(tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("x,y,x\n1,2,3\n")
    with pytest.raises(UserError, match="two columns 'x'"):
        read(tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("x,y\n" + "1,2\n" * 50 + "\n\n")
    assert len(read(tmp_path / "b.csv").emg_TC) == 50  # blank lines at the end are none
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path / "b.csv")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UserError, match=r"not readable as JSON .*; repair it"):
        read(tmp_path / "b.csv")
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(UserError, match="the sidecar must be a JSON object"):
        read_sidecar(tmp_path / "b.json")


def test_names_and_sidecars(tmp_path: Path) -> None:
    assert [stem(Path(name)) for name in ("a.csv", "a.b.csv.gz", "a.npz")] == ["a", "a.b", "a"]
    assert sidecar_of(tmp_path / "a.npz") is None
    (tmp_path / "cpep.json").write_text("{}")
    assert sidecar_of(tmp_path / "a.npz") == tmp_path / "cpep.json"
    (tmp_path / "a.json").write_text("{}")
    assert sidecar_of(tmp_path / "a.npz") == tmp_path / "a.json"


@pytest.mark.data
def test_real_myo_and_openbci(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    for name in ("myo_coteallard", "openbci_mediapipe"):
        (tmp_path / name).mkdir()
        for path in sorted(shared_data(name).glob("*.npz"))[:2]:
            (tmp_path / name / path.name).symlink_to(path)
    gestures = {str(k): "rest" if k == 0 else f"g{k}" for k in range(7)}
    (tmp_path / "myo_coteallard/cpep.json").write_text(
        json.dumps(
            BASIC
            | {
                "ring": list(range(8)),
                "label": {"field": "gesture", "names": gestures},
                "repetition": "cycle",
                "user": {"pattern": "(.+)"},
            }
        )
    )
    (tmp_path / "openbci_mediapipe/cpep.json").write_text(
        json.dumps(
            BASIC
            | {
                "emg": {"field": "emg_uV", "clock": {"field": "t_emg_ms", "unit": "ms"}},
                "rate": 250,
                "unit": "uV",
                "pose": {
                    "field": "finger_curl",
                    "clock": {"field": "t_pose_ms", "unit": "ms"},
                    "rate": 125,
                    "unit": "ratio",
                    "names": ["thumb", "index", "middle", "ring", "pinky"],
                },
            }
        )
    )
    myo = find_recordings(tmp_path / "myo_coteallard")[0].parts()[0]
    assert myo.user == "Evaluation_Female0" and len(myo.emg_TC) == 27940 and np.abs(myo.emg_TC).max() <= 128
    assert np.bincount(myo.label_T).min() > 3900
    openbci = find_recordings(tmp_path / "openbci_mediapipe")[1].parts()[0]
    assert openbci.anchor_SJ is not None and 0.9 < openbci.valid_S.mean() < 1
    assert abs(len(openbci.anchor_SJ) / 125 - openbci.seconds) < 0.02


@pytest.mark.parametrize("write", [write_5, write_7_3])
def test_mat_files_are_read_like_npz(tmp_path: Path, write) -> None:
    """The names of files are the user's own; vectors lie as columns, as MATLAB has them."""
    label = np.repeat([0.0, 2.0, 1.0], 20)
    values = {"emg": np.arange(240.0).reshape(60, 4), "gesture": label[:, None], "angles": np.ones((30, 3))}
    sidecar = BASIC | {
        "pose": {"field": "angles", "rate": 100, "unit": "rad"},
        "label": {"field": "gesture", "names": {"0": "rest", "1": "fist", "2": "point"}},
        "user": {"pattern": "subject(.)"},
    }
    write(tmp_path / "subjectA.mat", values)
    (tmp_path / "cpep.json").write_text(json.dumps(sidecar))
    ((recording,),) = [source.parts() for source in find_recordings(tmp_path)]
    assert (recording.name, recording.user) == ("subjectA", "A")
    np.testing.assert_array_equal(recording.emg_TC, values["emg"])
    assert [recording.vocabulary[k] for k in recording.label_T[::20]] == ["rest", "point", "fist"]
    assert recording.anchor_SJ is not None and recording.anchor_SJ.shape == (30, 3)


def test_a_mat_beside_other_recordings_needs_a_sidecar_of_its_own(tmp_path: Path) -> None:
    """Maps of electrodes and the like lie beside recordings, whose sidecar is not theirs."""
    np.savez(tmp_path / "a.npz", emg=np.ones((9, 2)))
    (tmp_path / "cpep.json").write_text(json.dumps(BASIC))
    write_5(tmp_path / "arraymap.mat", {"map": np.ones((8, 8))})
    assert [source.name for source in find_recordings(tmp_path)] == ["a"]
    write_5(tmp_path / "b.mat", {"emg": np.ones((9, 2))})
    (tmp_path / "b.json").write_text(json.dumps(BASIC))
    assert [source.name for source in find_recordings(tmp_path)] == ["a", "b"]


def test_a_mat_without_a_sidecar_says_so(tmp_path: Path) -> None:
    write_5(tmp_path / "mine.mat", {"emg": np.ones((9, 2))})
    with pytest.raises(UserError, match=r"mine\.mat has no sidecar; `cpep data describe \S*mine\.mat`"):
        find_recordings(tmp_path)


def test_a_sidecar_wins_over_the_name_of_a_ninapro_file(tmp_path: Path) -> None:
    """As for DB10, which has other fields and a clock."""
    time = np.r_[np.arange(300), np.arange(300) + 4000] / 1926
    values = {"emg": np.ones((600, 12)), "regrasp": np.repeat([0, 3], 300)[:, None], "ts": time[:, None]}
    path = write_5(tmp_path / "S010_ex1.mat", values)
    said = json.loads(MEGANE_REMEDY.partition("beside it: ")[2])
    said["label"]["names"]["3"] = "parallel_extension"
    (tmp_path / "cpep.json").write_text(json.dumps(said))
    (source,) = find_recordings(path.parent)
    parts = source.parts()
    assert source.dataset() == "" and {part.user for part in parts} == {"010"}
    assert {part.device.channels for part in parts} == {12} and parts[0].device.emg_rate > 1800
    assert "parallel_extension" in parts[-1].vocabulary
