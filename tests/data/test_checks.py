"""Damage of a store is noticed before a number rests on it, wherever it is and whoever reads."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import xxhash

from cpep.data.bids.export import export_bids
from cpep.data.dataset import WindowDataset
from cpep.data.store import checked_rows, checks
from cpep.data.store.arrays import HEADER_BYTES
from cpep.data.store.bins import bins_of
from cpep.data.store.checked_rows import CheckedRows, rows_of_block
from cpep.data.store.prepare import prepare
from cpep.data.store.shards import Shard, forget, frames_of_part
from cpep.data.store.store import Store, header_of, map_array, open_store
from cpep.data.windows import AnchorReader, SampleReader, list_windows
from cpep.live.store_stream import StoreSession
from cpep.runtime.sums import of_blocks
from cpep.types import UserError
from tests.data.samples import unseal, write_emg2pose

BLOCK = 4096
"""Bytes of a block in these tests, so that small recordings have several."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("cpep.data.store.checked_rows.BLOCK_BYTES", BLOCK)
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", 3)
    return prepare(tmp_path / "raw", tmp_path / "store").path


def flip(path: Path, at: int, bit: int = 6) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        value = file.read(1)[0]
        file.seek(at)
        file.write(bytes([value ^ (1 << bit)]))


def test_the_sums_of_a_store_are_those_of_its_files_hashed_plainly(store: Path) -> None:
    plain, opened = json.loads((store / checks.SUMS).read_text()), open_store(store)
    assert plain["files"] == {
        name: xxhash.xxh3_64((store / name).read_bytes()).hexdigest()
        for name in ("store.json", "valid.npy", "label.npy", "prompt.npy", "repetition.npy", "power.npy")
    }
    for name, ratio, columns, rows in (("emg", 20, 16, 64), ("anchor", 1, 20, 32)):
        array, slow = np.load(store / f"{name}.npy"), []
        assert array.shape[1] == columns and plain["blocks"][name]["rows"] == rows
        for entry in opened.entries:
            mine = array[entry.start * ratio : (entry.start + entry.frames) * ratio]
            slow += [xxhash.xxh3_64_intdigest(mine[at : at + rows].tobytes()) for at in range(0, len(mine), rows)]
        assert checks.unpacked(plain["blocks"][name]["sums"]).tolist() == slow and len(slow) > 3


def test_the_rows_of_a_block() -> None:
    for columns, rows in ((1, 2**15), (16, 2**11), (20, 2**10), (63, 2**9), (65, 2**8), (2**15, 1), (2**16, 1)):
        assert rows_of_block(columns) == rows


@pytest.mark.parametrize("name", [*(f for f in checks.FILES), checks.SUMS])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flip_in_a_small_file_is_refused_when_the_store_opens(store: Path, name: str, place: float) -> None:
    path = store / name
    flip(path, int(place * path.stat().st_size))
    with pytest.raises(UserError, match=rf"{name}.* is (damaged|not readable)"):
        open_store(store)
    with pytest.raises(UserError, match=rf"{name}.* is (damaged|not readable)|of other recordings"):
        prepare(store.parent / "raw", store)


def test_zeros_in_the_labels_are_refused(store: Path) -> None:
    size = (store / "label.npy").stat().st_size
    with (store / "label.npy").open("r+b") as file:
        file.seek(HEADER_BYTES)
        file.write(bytes(size - HEADER_BYTES))
    with pytest.raises(UserError, match=r"label\.npy is damaged: .* checksum; prepare the store again, or copy it"):
        prepare(store.parent / "raw", store)


def test_missing_sums_are_refused_and_an_older_store_opens(store: Path) -> None:
    sums = (store / checks.SUMS).read_bytes()
    (store / checks.SUMS).unlink()
    with pytest.raises(UserError, match=r"sums\.json is missing"):
        open_store(store)
    (store / checks.SUMS).write_bytes(sums)
    unseal(store)
    opened = open_store(store)
    flip(store / "emg.npy", -1 + (store / "emg.npy").stat().st_size)
    assert opened.emg_TC[:].shape == open_store(store).emg_TC[:].shape, "as before: nothing tells"


def test_a_version_that_a_flip_made_older_is_noticed(store: Path) -> None:
    text = (store / "store.json").read_text()
    assert '"version": 4' in text
    (store / "store.json").write_text(text.replace('"version": 4', '"version": 2'))
    with pytest.raises(UserError, match=r"store\.json is damaged"):
        open_store(store)


def test_the_fingerprint_tells_stores_of_other_content_apart(store: Path) -> None:
    """Also where names, sizes and times are the same, so that the index is."""
    before, sums, index = open_store(store).fingerprint, checks.read(store), (store / "store.json").read_bytes()
    assert sums is not None
    sums.blocks["emg"].sum_K[0] += 1
    checks.write(store, sums.blocks)
    assert open_store(store).fingerprint != before and (store / "store.json").read_bytes() == index


def _replayed(store: Store) -> None:
    for _ in StoreSession(store, list(range(len(store.entries))), 20).chunks():
        pass


def _items(store: Store) -> None:
    windows = WindowDataset(store, window_s=0.2, hop_s=0.05)
    windows.__getitems__(list(range(len(windows))))


READERS: dict[str, Callable[[Store, Path], object]] = {
    "samples": lambda store, out: SampleReader(store, 20, None)(list_windows(store, 0.2, 0.05)),
    "slices": lambda store, out: store.emg_TC[5:],
    "an array": lambda store, out: np.asarray(store.emg_TC),
    "arithmetic": lambda store, out: 2 * store.emg_TC,
    "bins": lambda store, out: bins_of(store, 20),
    "data set": lambda store, out: _items(store),
    "live": lambda store, out: _replayed(store),
    "part of a shard": lambda store, out: frames_of_part(store.path, [0, 1, 2]),
    "export to BIDS": lambda store, out: export_bids(store.path, out),
}


@pytest.mark.parametrize("who", READERS)
def test_a_flip_in_the_emg_is_refused_by_whoever_reads(store: Path, tmp_path: Path, who: str) -> None:
    READERS[who](open_store(store), tmp_path / "sound")
    flip(store / "emg.npy", HEADER_BYTES + (1020 + 777) * 64)  # sample 777 of the second recording, r1
    forget()
    (store / "bins20.npy").unlink(missing_ok=True)
    opened = open_store(store)
    with pytest.raises(UserError, match=r"emg\.npy is damaged in recording r1 at 0\.\d\d to 0\.\d\d s: its content"):
        READERS[who](opened, tmp_path / "damaged")


def test_what_is_read_of_a_damaged_file_is_checked_and_no_more(store: Path) -> None:
    flip(store / "emg.npy", HEADER_BYTES + 300 * 64)
    rows = open_store(store).emg_TC
    for good in (rows[:256], rows[320:], rows[5], rows[[1, 400]], rows[::-700], rows[400:500, 3], rows[600:600]):
        assert np.isfinite(good).all()
    mask = np.zeros(len(rows), bool)
    mask[300] = True
    for read in (
        slice(250, 257),
        300,
        -len(rows) + 300,
        [5, 300],
        mask,
        (slice(299, 301), 2),
        slice(None, None, 100),
    ):
        with pytest.raises(UserError, match=r"r0 at 0\.13 to 0\.16 s"):
            rows[read]


def test_a_flip_in_the_poses_is_refused(store: Path) -> None:
    flip(store / "anchor.npy", HEADER_BYTES + 40 * 80)
    opened = open_store(store)
    with pytest.raises(UserError, match=r"anchor\.npy is damaged in recording r0 at 0\.32 to 0\.51 s"):
        AnchorReader(opened, 20)(list_windows(opened, 0.2, 0.05))


def test_shards_and_several_processes_write_the_same_sums(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_emg2pose(raw, 3)
    for index in (1, 2):
        prepare(raw, tmp_path / "joined", shard=Shard(index, 2))
    found = [
        (prepare(raw, tmp_path / out, workers=workers).path / checks.SUMS).read_bytes()
        for out, workers in (("one", 1), ("joined", 1), ("two", 2))
    ]
    assert found == found[:1] * 3


def test_blocks_against_loops() -> None:
    """Which blocks are compared, for random recordings, block sizes and windows."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        first_E = np.concatenate([[0], np.cumsum(rng.integers(0, 30, 5))])
        array = rng.standard_normal((first_E[-1], 3)).astype(np.float32)
        block = int(rng.integers(1, 9))
        places = [
            (entry, low, min(low + block, stop))
            for entry, (first, stop) in enumerate(pairwise(first_E))
            for low in range(first, stop, block)
        ]
        good = np.array([xxhash.xxh3_64_intdigest(array[low:stop].tobytes()) for _, low, stop in places], np.uint64)
        seen: list[tuple[int, int, int]] = []
        rows = CheckedRows(array, first_E, block, good ^ np.uint64(1), lambda *place: seen.append(place))  # noqa: B023
        count = int(rng.integers(1, 12))
        if len(array) < count:
            continue
        start_N = rng.integers(0, len(array) - count + 1, 4)
        touched = {row for start in start_N for row in range(start, start + count)}
        rows.check(start_N, count)
        assert seen == [place for place in places if touched & set(range(place[1], place[2]))]
        rows.check(start_N, count)
        assert len(seen) == len(set(seen)), "each once"


def test_torch_takes_what_was_checked(store: Path) -> None:
    rows = open_store(store).emg_TC
    assert torch.from_numpy(rows[:]).shape == rows.shape == (len(rows), 16) and rows.dtype == np.float32
    assert rows.nbytes == 64 * len(rows)


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system takes no such advice")
def test_a_map_that_is_read_stays_small_and_what_was_mended_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_rows, "RESIDENT_BYTES", 1 << 21)
    shape = (1 << 20, 8)  # 32 MB
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    (tmp_path / "a.npy").write_bytes(header_of(values.dtype, shape) + values.tobytes())

    def held() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssFile")).split()[1]) * 1024

    rows = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, shape))
    first_N = np.random.default_rng(0).integers(0, shape[0] - 4096, 50)
    before, most = held(), 0
    assert np.array_equal(rows.windows(first_N, 4096), np.stack([values[first : first + 4096] for first in first_N]))
    assert held() - before < 1 << 20, "windows are copied out of the file"
    for first in range(0, shape[0], 1 << 12):
        assert np.array_equal(rows[first : first + (1 << 12)], values[first : first + (1 << 12)])
        most = max(most, held() - before)
    assert most < 8 << 20, "the whole map has 32 MB"

    def mend(recording: int, first: int, stop: int) -> None:
        mended.unchecked[first:stop] = -1

    first_E, block = np.array([0, shape[0]]), 1 << 12
    wrong = np.zeros(shape[0] // block, np.uint64)
    mended = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, shape), first_E, block, wrong, mend)
    for first in range(0, shape[0], block):
        assert (mended[first : first + block] == -1).all()
    assert (mended.unchecked == -1).all()


@pytest.mark.parametrize("mapped", [True, False])
def test_windows_are_the_rows_of_the_array(tmp_path: Path, mapped: bool) -> None:
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    (tmp_path / "a.npy").write_bytes(header_of(values.dtype, values.shape) + values.tobytes())
    rows = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, values.shape) if mapped else values)
    for length in (1, 7, 500):
        first_N = np.random.default_rng(length).integers(0, 500 - length + 1, 20)
        found = rows.windows(first_N, length)
        assert found.flags["W"] and not np.shares_memory(found, rows.unchecked)
        assert np.array_equal(found, np.stack([values[first : first + length] for first in first_N]))
    assert rows.windows(np.array([], int), 5).shape == (0, 5, 3)
    for first in (-1, 494):
        with pytest.raises(IndexError):
            rows.windows(np.array([3, first]), 7)


def test_a_file_that_is_cut_while_it_is_read_is_a_sentence(tmp_path: Path) -> None:
    values = np.ones((5000, 3), np.float32)
    (tmp_path / "a.npy").write_bytes(header_of(values.dtype, values.shape) + values.tobytes())
    rows = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, values.shape))
    os.truncate(tmp_path / "a.npy", 40000)
    with pytest.raises(UserError, match=r"a\.npy was cut while it was read"):
        rows.windows(np.array([0, 4000]), 10)


def test_small_arrays_are_let_go_and_may_not_be_written_to(store: Path) -> None:
    opened = open_store(store)
    before = np.array(opened.label_M)
    opened.let_go()
    assert np.array_equal(opened.label_M, before) and before.any()
    with pytest.raises(ValueError, match="read-only"):
        opened.label_M[0] = 1


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system takes no such advice")
def test_what_is_asked_for_ahead_are_the_pages_of_the_windows(tmp_path: Path) -> None:
    shape = (5000, 6)
    values = np.zeros(shape, np.float32)
    (tmp_path / "a.npy").write_bytes(header_of(values.dtype, shape) + values.tobytes())
    rows = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, shape))
    rows.ahead(np.array([0, 4900]), 100)  # the system takes it
    asked: list[tuple[int, int]] = []

    class Map:
        def madvise(self, advice: int, place: int, length: int) -> None:
            assert advice == mmap.MADV_WILLNEED
            asked.append((place, length))

    rows._map = Map()  # type: ignore[assignment]
    first_N = np.random.default_rng(0).integers(0, 4900, 30)
    rows.ahead(first_N, 100)
    for (place, length), first in zip(asked, first_N.tolist(), strict=True):
        begins, ends = HEADER_BYTES + 24 * first, HEADER_BYTES + 24 * (first + 100)
        assert place % mmap.PAGESIZE == 0 and place <= begins < place + mmap.PAGESIZE and place + length == ends


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system takes no such advice")
def test_blocks_that_are_yet_to_be_compared_are_asked_for_as_a_whole(tmp_path: Path) -> None:
    """Else a step would wait for the rest of a block, which its checksum needs; three recordings of mixed sizes."""
    shape, first_E, block, rows_n = (5000, 6), np.array([0, 300, 4000, 5000]), 256, 100
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    (tmp_path / "a.npy").write_bytes(header_of(values.dtype, shape) + values.tobytes())
    sums = np.concatenate([of_blocks(values[a:b], block) for a, b in pairwise(first_E)])
    rows = CheckedRows(map_array(tmp_path / "a.npy", values.dtype, shape), first_E, block, sums)
    asked: list[tuple[int, int]] = []

    class Map:
        def madvise(self, advice: int, place: int, length: int) -> None:
            asked.append((place, place + length))

    first_N = np.array([0, 200, 300, 390, 470, 3900, 4000, 4255, 4900])
    rows._map = Map()  # type: ignore[assignment]
    rows.ahead(first_N, rows_n)
    for (begins, ends), first in zip(asked, first_N.tolist(), strict=True):
        low = max(start for start in first_E.tolist() if start <= first)
        end = min(stop for stop in first_E.tolist() if stop > first)
        blocks = {(row - low) // block for row in range(first, first + rows_n)}
        read = [row for row in range(low, end) if (row - low) // block in blocks]
        assert begins <= HEADER_BYTES + 24 * read[0] < begins + mmap.PAGESIZE
        assert ends == HEADER_BYTES + 24 * (read[-1] + 1)
    asked.clear()
    rows._map = None
    rows.check(first_N, rows_n)
    rows._map = Map()  # type: ignore[assignment]
    rows.ahead(first_N, rows_n)
    assert [ends for _, ends in asked] == [HEADER_BYTES + 24 * (first + rows_n) for first in first_N.tolist()]
