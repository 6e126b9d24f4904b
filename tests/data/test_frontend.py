import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cpep.data.frontend import Frontend
from cpep.data.normalise import Normaliser, power_rows, typical
from cpep.data.statistics import CentreSpread
from cpep.data.store.prepare import prepare
from cpep.data.windows import SampleReader, list_windows
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontend")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


def frontend(store, bins=5, rates=False, kind="recording"):
    made = Frontend(10, 100.0, "envelope", bins, rates, kind)
    made.fit(store, store.users[:3])
    return made


def test_energies_equal_the_loops():
    made = Frontend(3, 2000.0, "raw", 5, True, "none")
    made.level_C.copy_(torch.tensor([1.0, 2.0, 4.0]))
    x = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0))
    standard = CentreSpread(np.arange(9.0), np.arange(1.0, 10.0))
    signal = made.signal(x, standard)
    assert signal.shape == (2, 8, 9)
    for c in range(3):
        for n in range(8):
            v = x[1, 5 * n : 5 * n + 5, c].tolist()
            log = math.log(math.sqrt(sum(s * s for s in v) / 5) + 0.1 * (1, 2, 4)[c])
            crossings = sum((v[i] < 0) != (v[i + 1] < 0) for i in range(4)) / 4
            assert signal[1, n, c].item() == pytest.approx((log - c) / (c + 1), abs=1e-5)
            assert signal[1, n, 3 + c].item() == pytest.approx((crossings - 3 - c) / (4 + c), abs=1e-5)


@pytest.mark.parametrize("rates", [False, True])
def test_a_recording_has_mean_zero_and_spread_one(store, rates):
    made = frontend(store, rates=rates)
    entry = store.entries[3]  # a person whom the front end was not fitted on
    emg = store.emg_TC[entry.start : entry.start + entry.frames // 5 * 5]
    signal = made.signal(torch.from_numpy(emg)[None], made.standard_of(emg))[0]
    changing = signal.std(0) > 0  # an envelope never crosses zero
    assert torch.allclose(signal.mean(0), torch.zeros(made.columns), atol=1e-3)
    assert torch.allclose(signal.std(0, correction=0)[changing], torch.ones(int(changing.sum())), atol=1e-3)


def test_a_gain_of_the_device_does_not_change_the_signal_of_a_loud_channel(store):
    made = Frontend(2, 2000.0, "raw", 20, False, "recording")
    made.floor = 0.0
    emg = torch.randn(1, 4000, 2)
    louder = emg * torch.tensor([3.0, 0.2])
    one, other = (made.signal(x, made.standard_of(x[0].numpy())) for x in (emg, louder))
    assert torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("kind", ["recording", "none"])
@pytest.mark.parametrize("bins", [0, 5])
def test_the_reader_equals_the_signal_of_the_samples(store, kind, bins):
    made = frontend(store, bins=bins, kind=kind)
    windows = list_windows(store, 2.0, 0.25).select(np.array([0, 3, 40, 170]))
    read = made.reader(store, windows.frames)(windows)
    for row, start, index in zip(read, windows.start_N, windows.entry_N, strict=True):
        entry = store.entries[index]
        standard = made.standard_of(store.emg_TC[entry.start : entry.start + entry.frames])
        samples = torch.from_numpy(store.emg_TC[start : start + 200].copy())
        assert torch.allclose(row, made.signal(samples[None], standard)[0], atol=1e-4)


def test_windows_off_the_bins_are_read_from_samples(store):
    made = frontend(store)
    on, off = (list_windows(store, 2.0, hop) for hop in (0.25, 0.07))
    shared, first, second = np.intersect1d(on.start_N, off.start_N, return_indices=True)
    assert len(shared) > 3
    read = made.reader(store, 200)
    assert torch.allclose(read(on.select(first)), read(off)[second], atol=1e-5)


def test_a_causal_signal_does_not_change_with_what_comes_later(store):
    made = frontend(store, kind="causal")
    windows = list_windows(store, 2.0, 0.25).select(np.array([0, 10]))
    before = made.reader(store, 200)(windows)
    late = windows.start_N[1] + 200
    emg_TC, kept = store.emg_TC[:], np.array(store.emg_TC)
    try:
        (store.path / "bins5.npy").unlink()
        emg_TC[late:] *= 5
        assert torch.equal(made.reader(store, 200)(windows), before)
        emg_TC[late - 100 : late] *= 5
        (store.path / "bins5.npy").unlink()
        assert not torch.equal(made.reader(store, 200)(windows), before)
    finally:
        emg_TC[:] = kept
        (store.path / "bins5.npy").unlink(missing_ok=True)


def test_raw_samples_are_divided_by_the_level(store):
    made = frontend(store, bins=0)
    windows = list_windows(store, 2.0, 0.25).select(np.arange(4))
    rows = power_rows(store)
    normaliser = Normaliser(rows, "recording", typical(rows, store.users[:3]))
    assert torch.equal(made.reader(store, 200)(windows), SampleReader(store, 200, normaliser)(windows))


@pytest.mark.parametrize("kind", ["recording", "causal", "none"])
@pytest.mark.parametrize("bins", [0, 5])
def test_a_silent_channel_of_a_recording_without_a_store_is_no_nan(store, kind, bins):
    made = frontend(store, bins=bins, kind=kind)
    emg_TC = np.random.default_rng(0).standard_normal((2000, 10)).astype(np.float32)
    emg_TC[:, 3] = 0
    signal = made.signal(torch.from_numpy(emg_TC[None, :200]), made.standard_of(emg_TC))
    assert torch.isfinite(signal).all()
    assert bins or not signal[..., 3].any()


def test_a_silent_channel_has_the_scale_that_training_gives_it(store):
    made, silent = frontend(store, bins=0), replace(store, power_KC=np.zeros_like(store.power_KC))
    prior = typical(power_rows(store), store.users[:3])
    scale_C = Normaliser(power_rows(silent), "recording", prior).of(np.array([0]), np.array([200])).spread_F[0]
    np.testing.assert_array_equal(scale_C, np.float32(1e-3) * prior.spread_F)
    np.testing.assert_array_equal(made.standard_of(np.zeros((2000, 10), np.float32)).spread_F, scale_C)
