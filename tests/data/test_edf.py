from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.readers.edf import open_edf
from cpep.types import UserError
from tests.data.bids_sets import as_columns, emg, write_signals


@settings(max_examples=12, deadline=None)
@given(
    ending=st.sampled_from([".bdf", ".edf"]),
    per_record=st.integers(1, 40),
    records=st.integers(1, 5),
    stride=st.integers(1, 7),
    record_s=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_samples_are_those_of_edfio(
    tmp_path_factory: pytest.TempPathFactory, ending: str, per_record: int, records: int, stride: int, record_s: float
) -> None:
    """Any record length, a range of its own for each channel, two rates in one file, annotations between."""
    path = tmp_path_factory.mktemp("edf") / f"a{ending}"
    samples = per_record * records
    columns = as_columns(emg(2, samples) * [1, 1e-3], "mV", slow=("", np.arange(records) - 1.0))
    write_signals(
        path,
        columns,
        per_record / record_s,
        {"slow": 1 / record_s},
        [edfio.EdfAnnotation(0, 0.25, "BAD_IK")],
        record_s,
    )
    known = edfio.read_bdf(path) if ending == ".bdf" else edfio.read_edf(path)
    edf = open_edf(path)
    assert [one.label for one in edf.signals] == ["emg0", "emg1", "slow"]
    assert [one.dimension for one in edf.signals] == ["mV", "mV", ""]
    for signal, other in zip(edf.signals, known.signals, strict=True):
        values_TC = edf.read([signal], stride, np.float64)
        np.testing.assert_allclose(values_TC[:, 0], other.data[::stride], rtol=0, atol=signal.gain * 1e-6)
        assert edf.rate(signal) == pytest.approx(other.sampling_frequency)
    (mark,) = edf.annotations()
    assert (mark.onset, mark.duration, mark.text) == (0, 0.25, "BAD_IK")


def damaged(path: Path, place: int, text: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[place : place + len(text)] = text
    path.write_bytes(data)
    return path


def test_damage_is_a_sentence(tmp_path: Path) -> None:
    whole = write_signals(tmp_path / "a.bdf", as_columns(emg()), annotations=[])
    data = whole.read_bytes()
    for name, content, words in (
        ("short", data[:-100], "holds 2 data records where its header says 3"),
        ("long", data + b"\0" * 99, "where its header says 3"),
        ("header", data[:300], "header is damaged"),
        ("text", b"hello" * 100, "neither EDF nor BDF"),
        ("empty", b"", "neither EDF nor BDF"),
    ):
        path = tmp_path / f"{name}.bdf"
        path.write_bytes(content)
        with pytest.raises(UserError, match=words):
            open_edf(path)


def test_a_recorder_that_was_stopped_leaves_the_number_of_records_open(tmp_path: Path) -> None:
    path = damaged(write_signals(tmp_path / "a.bdf", as_columns(emg())), 236, b"-1      ")
    assert open_edf(path).records == 3


def test_gaps_between_records_are_refused(tmp_path: Path) -> None:
    path = write_signals(tmp_path / "a.bdf", as_columns(emg()), annotations=[])
    path.write_bytes(path.read_bytes().replace(b"+2\x14\x14", b"+9\x14\x14"))
    with pytest.raises(UserError, match="has a gap before its data record 2, at 9 s"):
        open_edf(path).annotations()
