"""Whatever is in a store's files, it opens as a store whose parts agree, or is refused by one sentence."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cpep.data.frontend import Frontend
from cpep.data.store.finite import emg_of
from cpep.data.store.journal import JOURNAL, lines_that_hold
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Store, open_same, open_store
from cpep.data.windows import AnchorReader, SampleReader, list_windows
from cpep.types import UserError
from tests.data.samples import emg2pose_like, unseal
from tests.mutated import bytes_mutated, files_mutated
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("total")
    path = prepare(write_db1(folder / "raw", users=2), folder / "store").path
    unseal(path)  # checksums would refuse what is to be read here
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "store")


def used(path: Path) -> None:
    """Open a store and use what its index says of its arrays."""
    store = open_store(path)
    windows = list_windows(store, 0.2, 0.2)
    assert set(windows.label_N.tolist()) <= {-1, *range(len(store.vocabulary))}
    assert store.emg_TC.shape == (len(store.label_M) * store.ratio, store.device.channels)
    assert f"{store}" and store.repairs is not None and store.users and store.device.anchor


def test_an_index_opens_or_is_a_sentence(store: Path) -> None:
    path, refused = store / "store.json", 0
    for data in files_mutated(path.read_bytes(), 250):
        path.write_bytes(data)
        try:
            used(store)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error), data[:200]
    assert refused > 100


def test_an_array_opens_or_is_a_sentence(store: Path) -> None:
    rng = random.Random(0)
    for name in ("label", "valid", "power", "emg"):
        path = store / f"{name}.npy"
        data = path.read_bytes()
        for _ in range(25):
            path.write_bytes(bytes_mutated(data[:160], rng) + data[160:])  # mostly the header
            try:
                used(store)
            except UserError as error:
                assert f"{name}.npy" in str(error)
        path.write_bytes(data)


@pytest.mark.parametrize("value", [-2, 13, 1000])
def test_a_label_that_is_none_is_named(store: Path, value: int) -> None:
    label_M = np.load(store / "label.npy", mmap_mode="r+")
    label_M[77] = value
    label_M.flush()
    with pytest.raises(UserError, match=rf"label\.npy is damaged: it holds {value}, and labels are -1 to 12"):
        open_store(store)


def test_no_header_is_evaluated(store: Path) -> None:
    """numpy reads headers by ``ast.literal_eval``, which nesting brings down."""
    path = store / "label.npy"
    data = path.read_bytes()
    nested = b"(" * 9000
    path.write_bytes(data[:8] + len(nested).to_bytes(2, "little") + nested + data[128:])
    with pytest.raises(UserError, match=r"label\.npy is missing, damaged"):
        open_store(store)


def test_recordings_that_do_not_follow_each_other_are_refused(store: Path) -> None:
    path = store / "store.json"
    index = json.loads(path.read_text())
    index["entries"][1][index["entry_fields"].index("start")] += 1
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match="S2_A1_E1 does not begin where the one before ends"):
        open_store(store)


def test_another_process_opens_the_same_store_or_none(store: Path) -> None:
    opened = open_store(store)
    rebuilt, (path, fingerprint) = opened.__reduce__()
    assert rebuilt(path, fingerprint).fingerprint == opened.fingerprint
    (store / "store.json").write_bytes((store / "store.json").read_bytes() + b" ")
    with pytest.raises(UserError, match="another store than the one that this run began with"):
        open_same(path, fingerprint)


def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, bytes]:
    """Return recordings, the folder of a store of them that was stopped before the last, and the journal."""
    raw = write_db1(tmp_path / "raw", users=3)
    done: list[int] = []

    def stop(count: int, total: int) -> None:
        done.append(count)
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "store", progress=stop)
    partial = tmp_path / ".store.partial"
    return raw, partial, (partial / JOURNAL).read_bytes()


def test_a_damaged_journal_costs_time_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, partial, journal = growing(tmp_path, monkeypatch)
    whole = prepare(raw, tmp_path / "whole")
    first, *lines = journal.splitlines(keepends=True)
    kept = shutil.copytree(partial, tmp_path / "kept")
    value, rng = json.loads(first), random.Random(0)
    stamps = [json.loads(line)["source"] for line in lines]
    true = lines_that_hold(partial, value, stamps, False)
    assert len(true) == 2
    changes: list[bytes] = [b"", b"\x00" * 9, first + b"[" * 5000, first + lines[1] + lines[0]]
    for data in files_mutated(lines[0].strip(), 150):
        changes.append(first + data.replace(b"\n", b"") + b"\n" + lines[1])
    changes += [bytes_mutated(journal, rng) for _ in range(50)]
    for change in changes:
        (partial / JOURNAL).write_bytes(change)
        held = lines_that_hold(partial, value, stamps, False)
        assert held == true[: len(held)], change[:300]
    for change in changes[:2] + changes[-2:]:
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(kept, partial)
        (partial / JOURNAL).write_bytes(change)
        made = prepare(raw, tmp_path / "store")
        assert made.fingerprint == whole.fingerprint, change[:300]


@pytest.mark.parametrize("name", ["label", "valid", "prompt", "repetition", "power"])
def test_small_arrays_that_changed_while_a_store_grew_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    raw, partial, journal = growing(tmp_path, monkeypatch)
    first, *lines = journal.splitlines()
    stamps = [json.loads(line)["source"] for line in lines]
    data = bytearray((partial / f"{name}.npy").read_bytes())
    data[len(data) * 3 // 4] ^= 1  # of the second recording
    (partial / f"{name}.npy").write_bytes(data)
    assert len(lines_that_hold(partial, json.loads(first), stamps, False)) == 1
    if name == "label":
        made, whole = prepare(raw, tmp_path / "store"), prepare(raw, tmp_path / "whole")
        assert made.fingerprint == whole.fingerprint


def test_arrays_that_hold_less_than_the_journal_says_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, partial, _ = growing(tmp_path, monkeypatch)
    whole = prepare(raw, tmp_path / "whole")
    with (partial / "emg.npy").open("r+b") as file:
        file.truncate(5000)
    made = prepare(raw, tmp_path / "store")
    assert (made.path / "emg.npy").read_bytes() == (whole.path / "emg.npy").read_bytes()


def spoiled(store: Path, name: str, row: int, column: int, value: float) -> Store:
    array = np.load(store / f"{name}.npy", mmap_mode="r+")
    array[row, column] = value
    array.flush()
    return open_store(store)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_emg_that_is_not_finite_is_named_with_recording_and_time(store: Path, value: float) -> None:
    found = spoiled(store, "emg", open_store(store).entries[1].start + 250, 3, value)
    said = r"EMG of the recording S2_A1_E1 is not finite at 2\.500 s \(channel 3\)"
    windows = list_windows(found, 1.0, 0.5)
    with pytest.raises(UserError, match=said):
        SampleReader(found, windows.frames, None)(windows)
    with pytest.raises(UserError, match=said):
        emg_of(found, 1)
    frontend = Frontend(10, 100.0, "envelope", 5, False, "recording")
    with pytest.raises(UserError, match=said):
        frontend.fit(found, found.users)
    assert not list(store.glob("bins*")), "bins of such EMG are not written"
    early = windows.select(windows.entry_N == 0)
    assert len(SampleReader(found, windows.frames, None)(early)) == len(early)


def test_an_anchor_that_is_not_finite_is_named_with_recording_and_time(store: Path) -> None:
    sound = open_store(store)
    frame = int(np.flatnonzero(sound.valid_M)[300])
    found = spoiled(store, "anchor", frame, 2, np.nan)
    windows = list_windows(found, 1.0, 0.5)
    with pytest.raises(UserError, match=rf"the anchor of the recording S1.* is not finite at {frame / 100:.3f} s"):
        AnchorReader(found, windows.frames)(windows.select(windows.valid_N))
    scale = AnchorReader(found, windows.frames).scale
    with pytest.raises(UserError, match=r"not finite at .* \(glove_03\)"):
        scale.of(np.array([0]))


def test_power_that_is_not_finite_is_named(store: Path) -> None:
    found = spoiled(store, "power", 4, 1, np.inf)
    with pytest.raises(UserError, match=r"power of the EMG of the recording S1_A1_E1 is not finite at 1\.000 s"):
        Frontend(10, 100.0, "envelope", 0, False, "recording").fit(found, found.users)


def test_bins_that_are_not_finite_are_made_again(store: Path) -> None:
    frontend = Frontend(10, 100.0, "envelope", 5, False, "recording")
    frontend.fit(open_store(store), ("1",))
    sound = (store / "bins5.npy").read_bytes()
    with (store / "bins5.npy").open("r+b") as file:
        file.seek(128 + 40)
        file.write(np.float32(np.nan).tobytes())
    again = Frontend(10, 100.0, "envelope", 5, False, "recording")
    again.fit(open_store(store), ("1",))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in frontend.state_dict().items())
    again.fit(open_store(store), ("1",))
    assert (store / "bins5.npy").read_bytes() == sound


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_no_store_is_written_with_what_is_not_finite(tmp_path: Path, value: float) -> None:
    """1e30 is finite, and its power is not."""
    from cpep.data.store.frames import to_frames

    emg_TC = np.zeros((1000, 16), np.float32)
    emg_TC[440, 3] = value
    with pytest.raises(UserError, match="not finite"):
        to_frames(emg2pose_like("a", emg_TC=emg_TC))
