import dataclasses
import os

import numpy as np
import pytest
import torch

from cpep.data.frontend import Frontend
from cpep.data.store.arrays import HEADER_BYTES
from cpep.data.store.bins import bin_statistics, bins_of, statistics_of
from cpep.data.store.prepare import prepare
from cpep.data.windows import SampleReader, list_windows
from tests.synthetic import write_db1


@pytest.fixture
def store(tmp_path):
    return prepare(write_db1(tmp_path / "raw", users=3), tmp_path / "store")


def test_statistics_of_bins_equal_the_loops():
    x = torch.randn(2, 43, 3, generator=torch.Generator().manual_seed(1))
    found = bin_statistics(x, 5)
    assert found.shape == (2, 8, 3, 3)  # three samples are left over
    for b in range(2):
        for n in range(8):
            for c in range(3):
                v = x[b, 5 * n : 5 * n + 5, c].tolist()
                crossings = sum((v[i] < 0) != (v[i + 1] < 0) for i in range(4)) / 4
                slopes = [v[i + 1] - v[i] for i in range(4)]
                turns = sum((slopes[i] < 0) != (slopes[i + 1] < 0) for i in range(3)) / 3
                expected = [sum(s * s for s in v) / 5, crossings, turns]
                assert found[b, n, :, c].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("samples", "of_a_bin"), [(43, 5), (100, 100), (7, 1), (9, 2), (3, 5)])
def test_numpy_and_torch_agree_on_the_statistics_of_bins(samples, of_a_bin):
    x_TC = np.random.default_rng(0).normal(size=(samples, 3)).astype(np.float32)
    x_TC[1::3] = 0  # no crossing, but for the sign of zero
    x_TC[1::6] = -0.0
    found, wanted = statistics_of(x_TC, of_a_bin), bin_statistics(torch.from_numpy(x_TC), of_a_bin).numpy()
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(("bin_samples", "rates"), [(20, True), (20, False), (0, False)])
def test_a_front_end_makes_the_same_rows_of_an_array(bin_samples, rates):
    frontend = Frontend(3, 200.0, "raw", bin_samples, rates, "none")
    frontend.level_C.copy_(torch.tensor([0.5, 1.0, 2.0]))
    x_TC = np.random.default_rng(0).normal(size=(65, 3)).astype(np.float32)
    wanted = frontend.rows(torch.from_numpy(x_TC)).numpy()
    np.testing.assert_allclose(frontend.rows_of(x_TC), wanted, rtol=1e-5, atol=1e-6)


def test_rates_do_not_depend_on_the_gain():
    x = torch.randn(2, 40, 3)
    assert torch.equal(bin_statistics(7 * x, 5)[..., 1:, :], bin_statistics(x, 5)[..., 1:, :])


def test_bins_of_windows_equal_those_of_their_samples(store, monkeypatch):
    monkeypatch.setattr("cpep.data.store.bins.BLOCK_BINS", 7)  # several blocks a recording, the last one short
    windows = list_windows(store, 2.0, 0.25)
    offset = windows.start_N - np.array([entry.start for entry in store.entries])[windows.entry_N]
    bins = bins_of(store, 5)
    assert bins.hold(offset, windows.frames)
    expected = bin_statistics(SampleReader(store, windows.frames, None)(windows), 5)
    assert torch.allclose(bins.of_windows(windows.entry_N, offset, windows.frames), expected, rtol=1e-5)


def test_bins_of_a_recording_are_all_of_its_own(store):
    entry = store.entries[1]
    samples = torch.from_numpy(store.emg_TC[entry.start : entry.start + entry.frames])
    assert torch.allclose(bins_of(store, 7).of_recording(1), bin_statistics(samples, 7), rtol=1e-5)


def test_bins_are_computed_once(store):
    first = bins_of(store, 5).of_recording(0)
    changed = dataclasses.replace(store, emg_TC=2 * store.emg_TC)
    assert torch.equal(bins_of(changed, 5).of_recording(0), first)


def test_windows_off_the_bins_are_not_held(store):
    bins = bins_of(store, 5)
    assert not bins.hold(np.array([0, 7]), 200)
    assert not bins.hold(np.array([0, 5]), 199)


def test_bins_of_a_store_that_may_only_be_read_are_in_the_users_cache(store, tmp_path, monkeypatch):
    """Root may write into any folder, so that the system's answer is replaced."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != store.path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = sorted(store.path.iterdir())
    first = bins_of(store, 5).of_recording(1)
    assert torch.equal(bins_of(store, 5).of_recording(1), first)
    (made,) = (tmp_path / "cache").rglob("*.npy")
    assert made.parent.name == store.fingerprint and sorted(store.path.iterdir()) == before


@pytest.mark.parametrize("name", ["bins5.npy", "bins5.json"])
@pytest.mark.parametrize("content", [b"nothing", b"", b"{}", b"[]", None])
def test_bins_are_computed_anew_where_a_file_is_damaged_or_missing(store, name, content):
    first, path = bins_of(store, 5).of_recording(1).clone(), store.path / name
    sound = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    assert torch.equal(bins_of(store, 5).of_recording(1), first) and path.read_bytes() == sound


def test_a_damaged_bin_is_computed_anew_when_it_is_read(store, monkeypatch):
    monkeypatch.setattr("cpep.data.store.checked_rows.BLOCK_BYTES", 1024)
    sound, path = [bins_of(store, 5).of_recording(k).clone() for k in range(3)], store.path / "bins5.npy"
    before = path.read_bytes()
    for at in (HEADER_BYTES, len(before) // 2, len(before) - 1):
        path.write_bytes(before[:at] + bytes([before[at] ^ 64]) + before[at + 1 :])
        bins = bins_of(store, 5)
        assert all(torch.equal(bins.of_recording(k), mine) for k, mine in enumerate(sound))
        bins_of(store, 5)
        assert path.read_bytes() == before, "the next that opens it writes the file anew"
