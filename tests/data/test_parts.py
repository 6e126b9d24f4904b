"""A file that its reader cut into parts, and what readers mended, from the reader to the store."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cpep.cli.main import app
from cpep.data.inspect import inspect_folder
from cpep.data.readers.emg2pose import read_recording
from cpep.data.readers.folder import find_recordings
from cpep.data.readers.metadata import MetadataRow, write_metadata
from cpep.data.readers.registry import READERS, Found, Reader
from cpep.data.recording import JUMPS, Recording, Repair
from cpep.data.store.prepare import prepare
from cpep.data.store.shards import Shard
from cpep.data.store.store import open_store
from cpep.runtime import confined
from cpep.types import UserError
from tests.data.samples import contents, emg2pose_like, write_generic

SIDECAR = {
    "emg": {"field": "emg"},
    "rate": 1000,
    "kind": "raw",
    "unit": "uV",
    "label": {"field": "gesture", "names": {"0": "rest", "1": "fist"}},
    "user": "u",
}


def cut_in_two(path: Path) -> tuple[Recording, ...]:
    """Read a file as two parts of 400 and 600 samples, with a repair each."""
    whole = read_recording(path)
    assert whole.anchor_SJ is not None and whole.prompt_T is not None and whole.repetition_T is not None
    parts = []
    for rows, frames in ((slice(0, 400), slice(0, 20)), (slice(400, 1000), slice(20, 50))):
        part = replace(
            whole,
            emg_TC=whole.emg_TC[rows],
            label_T=whole.label_T[rows],
            prompt_T=whole.prompt_T[rows],
            repetition_T=whole.repetition_T[rows],
            anchor_SJ=whole.anchor_SJ[frames],
            valid_S=whole.valid_S[frames],
            repairs=(Repair("lost samples filled", 3),),
        )
        parts.append(part)
    return tuple(parts)


@pytest.fixture
def cutting(raw: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let r1 of a folder be read in two parts."""
    usual = READERS.get("emg2pose")

    def read(path: Path) -> Recording | tuple[Recording, ...]:
        return cut_in_two(path) if path.name == "r1.hdf5" else usual.read(path)

    monkeypatch.setattr(READERS, "get", {"emg2pose": replace(usual, read=read)}.get)
    monkeypatch.setattr(confined, "inside", True)  # it reads here
    return raw


def test_parts_are_recordings_of_their_own(cutting: Path, tmp_path: Path) -> None:
    store = prepare(cutting, tmp_path / "store")
    assert [entry.name for entry in store.entries] == ["r0", "r1~1", "r1~2", *(e.name for e in store.entries[3:])]
    assert [entry.source for entry in store.entries[:3]] == ["r0", "r1", "r1"]
    first, second = store.entries[1:3]
    assert (first.frames, second.frames) == (20, 30) and second.start == first.start + 20
    whole = read_recording(cutting / "r1.hdf5")
    rows = slice(first.start * 20, (second.start + 30) * 20)
    np.testing.assert_array_equal(store.emg_TC[rows], whole.emg_TC[:1000])
    assert (store.label_M[first.start : first.start + 50] >= -1).all()
    assert store.repairs == (Repair("lost samples filled", 6),)
    assert open_store(tmp_path / "store").entries == store.entries


def test_parts_have_the_split_of_their_file(cutting: Path, tmp_path: Path) -> None:
    rows = [
        MetadataRow(user="u", session="s", stage="x", side="right", split=split, filename=name)
        for name, split in (("r0", "train"), ("r1", "test"), ("r2", "val"))
    ]
    write_metadata(cutting, rows)
    store = prepare(cutting, tmp_path / "store")
    assert [entry.split for entry in store.entries[:4]] == ["train", "test", "test", "val"]


def test_shards_keep_parts_and_repairs(cutting: Path, tmp_path: Path) -> None:
    prepare(cutting, tmp_path / "whole")
    for index in (1, 2):
        prepare(cutting, tmp_path / "store", shard=Shard(index, 2))
    assert prepare(cutting, tmp_path / "store").repairs == (Repair("lost samples filled", 6),)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_stopped_run_goes_on_after_the_parts(cutting: Path, tmp_path: Path) -> None:
    prepare(cutting, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(cutting, tmp_path / "store", progress=stop)
    prepare(cutting, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_parts_of_one_file_are_of_one_device(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = emg2pose_like("a", 400), emg2pose_like("a", 400)
    other = replace(other, device=replace(other.device, emg_unit="uV"))
    reader = Reader("emg2pose", "", lambda path: Found(path.stem), lambda path: (one, other))
    monkeypatch.setattr(READERS, "get", {"emg2pose": reader}.get)
    monkeypatch.setattr(confined, "inside", True)  # it reads here
    with pytest.raises(UserError, match="r0~2 comes from another device than r0~1: emg_unit uV instead of noise_sd"):
        prepare(raw, tmp_path / "store")


def test_inspect_counts_what_was_mended(cutting: Path) -> None:
    found = inspect_folder(cutting)
    assert [one.name for one in found.recordings[:3]] == ["r0", "r1~1", "r1~2"]
    told = [finding.says for finding in found.findings]
    assert any("lost samples filled" in says for says in told)
    assert any("parts of a file that was cut where its clock jumps" in says for says in told)


@pytest.mark.parametrize(("rate", "held"), [(1111.111, 1100), (1259.259, 1300), (1925.926, 1900), (2148.148, 2100)])
def test_delsys_rates_get_tokens_of_the_wished_length(rate: float, held: float, tmp_path: Path) -> None:
    samples = round(4 * rate)
    time_T = np.arange(samples) / rate
    label_T = (time_T >= 2).astype(int)
    emg_TC = np.sin(2 * np.pi * 100 * time_T)[:, None] * (1 + label_T[:, None])
    write_generic(tmp_path / "raw", SIDECAR | {"rate": rate}, emg=np.repeat(emg_TC, 2, 1), gesture=label_T)
    (recording,) = find_recordings(tmp_path / "raw")[0].parts()
    assert recording.device.emg_rate == held
    assert abs(recording.seconds - 4) < 2 / rate
    assert abs(np.argmax(recording.label_T) / held - 2) < 1 / rate + 1 / held, "labels go with their samples"
    store = prepare(tmp_path / "raw", tmp_path / "store")
    assert store.frame_rate == 100
    (repair,) = store.repairs
    assert repair.count == len(recording.emg_TC) and f"from {rate:g} to {held:g} Hz" in repair.what


def test_prepare_prints_what_was_mended(tmp_path: Path) -> None:
    label_T = np.zeros(4444, int)
    write_generic(
        tmp_path / "raw",
        SIDECAR | {"rate": 1111.0},
        emg=np.random.default_rng(0).normal(size=(4444, 2)),
        gesture=label_T,
    )
    done = CliRunner().invoke(app, ["data", "prepare", str(tmp_path / "raw"), str(tmp_path / "store")])
    assert done.exit_code == 0
    assert re.search(r"repaired: 4,\d{3} samples resampled from 1111 to 1100 Hz", done.output)


def test_a_jump_does_not_ring_where_a_rate_is_resampled(tmp_path: Path) -> None:
    rate, rng = 1925.926, np.random.default_rng(0)
    emg_TC = rng.normal(0, 30, (round(12 * rate), 2))
    jumped_TC = emg_TC.copy()
    jumped_TC[round(6 * rate) :, 0] += 1e5
    stores = {}
    for name, signal_TC in (("plain", emg_TC), ("jumped", jumped_TC)):
        write_generic(tmp_path / name, SIDECAR | {"rate": rate}, emg=signal_TC, gesture=np.ones(len(emg_TC), int))
        stores[name] = prepare(tmp_path / name, tmp_path / f"{name}.store")
    apart_TC = np.abs(stores["jumped"].emg_TC - stores["plain"].emg_TC)
    assert apart_TC.max() < 100, "of 100,000"
    assert any(repair.what == JUMPS and repair.count == 1 for repair in stores["jumped"].repairs)
    assert not any(repair.what == JUMPS for repair in stores["plain"].repairs)
