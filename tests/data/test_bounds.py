"""Numbers, names and nesting that no recording has: each is one sentence, before time or memory is spent on it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpep.data.readers.bids import read_recording as read_bids
from cpep.data.readers.edf import open_edf
from cpep.data.readers.folder import natural
from cpep.data.readers.generic import read_recording, sidecar_of
from cpep.data.readers.keys import read_keys
from cpep.data.readers.labels import read_names
from cpep.data.readers.metadata import parse_metadata
from cpep.data.readers.ninapro_sidecar import read_said as read_ninapro
from cpep.data.readers.xdf import read_recording as read_xdf
from cpep.data.readers.xdf_sidecar import read_said
from cpep.live.record.protocol import read_protocol
from cpep.types import UserError
from tests.data.bids_sets import as_columns, emg, write_set, write_signals
from tests.data.samples import write_generic
from tests.data.test_bids import ROWS, write_motion
from tests.data.xdf_writer import Out, write_xdf

POSE = {"field": "pose", "rate": 50, "unit": "rad", "clock": {"field": "tp", "unit": "s"}}
SIDECAR: dict[str, Any] = {
    "emg": {"field": "emg", "clock": {"field": "t", "unit": "s"}},
    "rate": 200,
    "kind": "raw",
    "unit": "count",
    "user": "ann",
    "pose": POSE,
    "label": {"field": "g", "names": {"0": "rest", "1": "fist"}},
}


def refused(folder: Path, sidecar: dict[str, Any], **changes: np.ndarray) -> str:
    """Return the sentence by which a recording of 3 s is refused; empty where it is read."""
    arrays = {"emg": np.ones((600, 3)), "t": np.arange(600) / 200, "g": np.zeros(600)}
    arrays |= {"pose": np.zeros((150, 2)), "tp": np.arange(150) / 50}
    path = write_generic(folder, SIDECAR | sidecar, **(arrays | changes))
    said = sidecar_of(path)
    assert said is not None
    try:
        read_recording(path, said)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("sidecar", "arrays", "sentence"),
    [
        ({}, {}, ""),
        ({"rate": 1e9}, {}, "'rate' is 1000000000.0; it must be 10 to 200,000 samples"),
        ({"pose": {**POSE, "rate": 1e-4}}, {}, "'pose.rate' is 0.0001; it must be 0.1 to 200,000 frames"),
        ({"pose": {**POSE, "rate": 1e9}}, {}, "'pose.rate' is 1000000000.0; it must be"),
        (
            {"pose": {**POSE, "rate": 1e5, "clock": {"field": "tp", "unit": "s"}}},
            {"tp": np.arange(150) / 50},
            "would",
        ),
        ({"max_gap_s": 1e300}, {}, "'max_gap_s' is 1e\\+300; it must be at most"),
        ({}, {"t": np.arange(600) / 200 * 1e12}, "is no time since 1970"),
        ({}, {"t": np.r_[np.arange(300) / 200, 1e300 + np.arange(300)]}, "is no time since 1970"),
        ({"counter": {"field": "n"}}, {"n": np.arange(600) * 1e13}, "'n' has no number of a sample in row 1"),
        ({"counter": {"field": "n"}}, {"n": np.full(600, np.inf)}, "'n' has no number of a sample in row 0"),
        ({"user": "x" * 2000}, {}, "'user' is 'x+\\.\\.\\.; it must be a text of at most 1,000"),
        ({"ring": list(range(20_000))}, {}, "'ring' is .*; it must be a list of at most 10,000"),
        ({"label": {"field": "g", "names": {str(k): f"g{k}" for k in range(20_000)}}}, {}, "at most 10,000 names"),
        ({"user": "a\0b"}, {}, "the user, 'a.x00b', holds a control character"),
    ],
)
def test_numbers_beyond_all_devices(
    tmp_path: Path, sidecar: dict[str, Any], arrays: dict[str, np.ndarray], sentence: str
) -> None:
    began = time.process_time()
    found = refused(tmp_path, sidecar, **arrays)
    assert time.process_time() - began < 2
    assert bool(found) == bool(sentence) and re.search(sentence, found), found


def test_leaps_of_years_are_cuts(tmp_path: Path) -> None:
    """They take no memory: what lies between two parts is not filled."""
    times = np.r_[np.arange(300) / 200, 3e9 + np.arange(300) / 200]
    arrays = {"emg": np.ones((600, 3)), "t": times, "pose": np.zeros((600, 2)), "tp": times, "g": times * 0}
    path = write_generic(tmp_path, SIDECAR, **arrays)
    said = sidecar_of(path)
    assert said is not None
    parts = read_recording(path, said)
    assert isinstance(parts, tuple) and [len(part.emg_TC) for part in parts] == [300, 300]


@pytest.mark.parametrize("read", [read_keys, read_said, read_ninapro])
@pytest.mark.parametrize(
    "text",
    [
        *(b"[" * 100_000, b'{"a":' * 600 + b"1" + b"}" * 600, b"9" * 5000, b'{"rate": 1e999}', b'{"rate": NaN}'),
        *(b"null", b"[]", b"3", b'"x"', b"", b"\xff\xfe\0", b'{"user": "\\ud800"}', b'{"a": 1, "a": 2}', b"\0" * 10),
        b'{"user": "${HOME}"}',
    ],
)
def test_sidecars_of_any_shape(tmp_path: Path, read: Any, text: bytes) -> None:
    path = tmp_path / "cpep.json"
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"cpep\.json"):
        read(path)


def test_a_sidecar_of_the_shell_of_windows(tmp_path: Path) -> None:
    """It writes UTF-16, or UTF-8 with a mark."""
    path = tmp_path / "cpep.json"
    for encoding in ("utf-16", "utf-8-sig", "utf-8"):
        path.write_text('{"user": "J\u00f6rg"}', encoding=encoding)
        assert read_keys(path).text("user") == "J\u00f6rg"


def test_many_names_of_labels_take_no_time(tmp_path: Path) -> None:
    began = time.process_time()
    names = read_names({str(k): f"g{k}" for k in range(10_000)}, tmp_path)
    assert names.index("9999.0") == 10_000 and names.index("1" * 100_000) == -1
    assert time.process_time() - began < 2


def test_digits_that_are_no_numbers_are_sorted() -> None:
    """Superscripts, digits of other scripts, and more of them than Python makes a number of."""
    names = ["S\u00b2", "S2", "S\u0663", "9" * 5000, "S10", "\u00b2"]
    assert sorted(names, key=natural) == ["9" * 5000, "S2", "S\u0663", "S10", "S\u00b2", "\u00b2"]


@pytest.mark.parametrize("start", ["nan", "inf", "1e300", "x", "\u00b2"])
def test_times_in_metadata_that_are_none(tmp_path: Path, start: str) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(f"user,session,stage,side,split,filename,start\na,b,c,right,train,d,{start}\n")
    with pytest.raises(UserError, match=r"line 2: start is .*, not a number"):
        parse_metadata(path)


@pytest.mark.parametrize(
    ("place", "text"),
    [(236, b"99999999"), (244, b"1e-300  "), (244, b"nan     "), (244, b"inf     "), (244, b"0"),
     (256 + 4 * (16 + 80 + 8), b"-inf    "),
     (256 + 4 * (16 + 80 + 5 * 8 + 80) + 24, b"-30     ")],
)  # fmt: skip
def test_headers_of_edf_that_no_device_writes(tmp_path: Path, place: int, text: bytes) -> None:
    """Records, their length, the range of a channel, and a negative number of samples of the annotations."""
    path = write_signals(tmp_path / "a.edf", as_columns(emg(3)), annotations=[])
    data = bytearray(path.read_bytes())
    data[place : place + len(text)] = text
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"header"):
        open_edf(path)


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        ({"device": {"ring": "abc"}}, "device.ring: expected a list, got a text"),
        ({"device": {"notch_hz": "50"}}, "device.notch_hz: expected a number, got a text"),
        ({"vocabulary": [1]}, r"vocabulary\[0\]: expected a text"),
        ({"mirror": [0, 0, 1]}, "the mirror .* does not fit 3 channels"),
        ({"repairs": [["x"]]}, r"repairs\[0\]"),
        ({"anchor": {"names": ["a"]}}, "anchor: the field unit is missing"),
        ({"device": {"ring": [0, 7]}}, r"ring \[0, 7\] does not fit 3 channels"),
        ([], "expected an object"),
    ],
)
def test_what_cpep_wrote_into_a_sidecar_is_typed(tmp_path: Path, ours: object, sentence: str) -> None:
    path = write_set(tmp_path, said={"cpep": ours})
    with pytest.raises(UserError, match=sentence):
        read_bids(path)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("events", "onset\tduration\ttrial_type\n1e300\t1\tx\n", "onset is '1e300', not a number of seconds"),
        ("events", "onset\tduration\ttrial_type\n1_0\t1\tx\n", "onset is '1_0', not a number of seconds"),
        ("events", "onset\tonset\tduration\n1\t2\t1\n", "two columns 'onset'"),
        ("events", "onset\tduration\ttrial_type\tkind\n1\t1\trepetition/x\trepetition\n", "gives no repetition"),
        ("events", "onset\tduration\ttrial_type\tkind\n1\t1\trepetition/99999\trepetition\n", "gives no repetition"),
    ],
)
def test_tables_of_bids_that_say_what_cannot_be(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    path = write_set(tmp_path)
    path.with_name(path.name.replace("_emg.bdf", f"_{name}.tsv")).write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_bids(path)


@pytest.mark.parametrize("said", [{"SamplingFrequency": 1e9}, {"SamplingFrequency": True}, {"StartTime": 1e300}])
def test_motion_at_rates_and_times_that_cannot_be(tmp_path: Path, said: dict[str, object]) -> None:
    path = write_set(tmp_path)
    write_motion(path, ROWS, **said)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"SamplingFrequency|StartTime"):
        read_bids(path)


HEADER = (b"<channel_count>2</channel_count>", b"<nominal_srate>200</nominal_srate>")


def xdf(path: Path, old: bytes = b"", new: bytes = b"") -> Path:
    """Write a file, with something else in place of a part of its header."""
    pytest.importorskip("pyxdf")
    write_xdf(path, Out("Band", "EMG", 200, np.ones((400, 2)), np.arange(400) / 200 + 100))
    path.with_name("cpep.json").write_text(json.dumps({"user": "ann", "unit": "uV"}))
    data = path.read_bytes()
    assert old in data
    at = data.rindex(b"<?xml")
    length = int.from_bytes(data[at - 14 : at - 6], "little") - len(old) + len(new)
    path.write_bytes(data[: at - 14] + length.to_bytes(8, "little") + data[at - 6 :].replace(old, new, 1))
    return path


BOMB = b'<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY a%d "%s">' % (k, b"&a%d;" % (k - 1) * 10) for k in range(1, 10)
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((HEADER[0], b"<channel_count>%s</channel_count>" % one) for one in (b"1000000000", b"-1", b"0")),
        (HEADER[0], b"<channel_count>%s</channel_count>" % (b"9" * 5000)),
        *((HEADER[1], b"<nominal_srate>%s</nominal_srate>" % rate) for rate in (b"nan", b"inf", b"1e9", b"-3")),
        (b"<channel_format>double64", b"<channel_format>int65"),
        (b"<info>", b"<info>" * 5000),
        (b"<name>Band", b"<name>&a9;"),
    ],
)  # fmt: skip
def test_headers_of_xdf_that_no_sender_writes(tmp_path: Path, old: bytes, new: bytes) -> None:
    began = time.process_time()
    with pytest.raises(UserError, match=r"a\.xdf"):
        read_xdf(xdf(tmp_path / "a.xdf", old, new), tmp_path / "cpep.json")
    assert time.process_time() - began < 3


def test_an_entity_bomb_does_not_go_off(tmp_path: Path) -> None:
    """A name of 10^10 letters in a header of a kB."""
    path = xdf(tmp_path / "a.xdf", b'<?xml version="1.0"?>', BOMB + b"]>")
    data = path.read_bytes().replace(b"<name>Band", b"<name>&a9;")
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.xdf"):
        read_xdf(path, tmp_path / "cpep.json")


def test_a_sample_of_xdf_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """Pyxdf took the sample before it for the rest."""
    path = xdf(tmp_path / "a.xdf")
    (whole,) = read_xdf(path, tmp_path / "cpep.json")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(np.float64(1).tobytes()) + 3])
    (part,) = read_xdf(path, tmp_path / "cpep.json")
    assert len(part.emg_TC) < len(whole.emg_TC)
    assert any("damaged or cut off" in note for note in part.notes)


@pytest.mark.parametrize("stamp", [1e300, np.nan, -1e12])
def test_stamps_of_xdf_that_are_no_times(tmp_path: Path, stamp: float) -> None:
    path = xdf(tmp_path / "a.xdf")
    data = path.read_bytes()
    path.write_bytes(data.replace(np.float64(101.0).tobytes(), np.float64(stamp).tobytes()))
    with pytest.raises(UserError, match="'Band' has a stamp that is no time"):
        read_xdf(path, tmp_path / "cpep.json")


def test_packed_xdf_that_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf")
    (tmp_path / "a.xdfz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"junk" * 20)
    with pytest.raises(UserError, match=r"a\.xdfz is no XDF file, or damaged"):
        read_xdf(tmp_path / "a.xdfz")


STEP = '[[steps]]\nkind = "gestures"\nnames = ["a"]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = " + "[" * 5000, "too deeply"),
        ("a." * 3000 + "b = 1", "nested|too deeply|steps"),
        ("a = " + "9" * 5000, "too many digits"),
        ("[[steps]]\n" * 20_000, "at most 10,000"),
        (STEP + "rest_s = 1e308", "'steps.1..rest_s' is 1e.308; it must be at most 3,600 seconds"),
        (STEP + "ready_s = nan", "'steps.1..ready_s' is nan; it must be a positive number"),
        (STEP + "repetitions = 1e18", "give 1 to 20"),
        (STEP.replace('"a"', ", ".join(f'"g{k}"' for k in range(300))), "a list of names, 1 to 200"),
        ("x" * 1_000_001, "more than 1 MB"),
    ],
)
def test_protocols_that_nobody_could_follow(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(UserError, match=sentence):
        read_protocol(str(path))
    assert time.process_time() - began < 3
