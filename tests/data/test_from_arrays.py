import gc
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import butter, sosfilt, sosfilt_zi

from cpep.data import from_arrays, open_store
from cpep.signal.conditioning import Conditioning, conditioned
from cpep.types import UserError

RATE = 200.0


@pytest.fixture(scope="module")
def emg():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(6, 4, 400)) + 3).astype(np.float32)  # six windows of two seconds with an offset


def window(store, index):
    entry = store.entries[index]
    return store.emg_TC[entry.start * store.ratio : (entry.start + entry.frames) * store.ratio].T


def test_windows_come_back_with_their_labels_and_people(emg):
    store = from_arrays(
        emg, ["fist", "relax", None, "fist", "open", ""], rate=RATE, people=[1, 1, 2, 2.0, "3", 3], highpass_hz=0
    )
    assert store.vocabulary == ("rest", "fist", "open") and store.users == ("1", "2", "3")
    assert [entry.user for entry in store.entries] == ["1", "1", "2", "2", "3", "3"]
    for index, label in enumerate((1, 0, -1, 1, 2, -1)):
        np.testing.assert_array_equal(window(store, index), emg[index])
        entry = store.entries[index]
        assert (store.label_M[entry.start : entry.start + entry.frames] == label).all()
        assert (store.prompt_M[entry.start : entry.start + entry.frames] == label).all()


def test_the_filter_of_a_window_begins_at_its_mean_and_of_a_recording_at_its_first_sample(emg):
    """Against SciPy's own filter, one channel after the other."""
    sections = butter(4, 20.0, "highpass", fs=RATE, output="sos")

    def filtered(x_T, level):
        return sosfilt(sections, np.float64(x_T), zi=sosfilt_zi(sections) * level)[0]

    stores = from_arrays(emg, rate=RATE), from_arrays(list(emg), rate=RATE)
    for index, x_CT in enumerate(emg):
        for channel, x_T in enumerate(x_CT):
            of_window = filtered(x_T, np.float64(x_T).mean())
            np.testing.assert_allclose(window(stores[0], index)[channel], of_window, atol=1e-5)
            np.testing.assert_allclose(window(stores[1], index)[channel], filtered(x_T, x_T[0]), atol=1e-5)


def test_the_mean_makes_a_smaller_transient_than_the_first_sample():
    """Beside the same windows cut from the filtered recording; EMG of a usual spectrum, with an offset."""
    rng, rate = np.random.default_rng(0), 2000.0
    band = butter(2, (20, 450), "bandpass", fs=rate, output="sos")
    whole = sosfilt(band, rng.normal(size=(4, 40_000))) + 3
    truth = conditioned(whole.T, Conditioning(20.0), rate).T
    starts = range(4000, 40_000, 1000)
    windows = np.stack([whole[:, start : start + 500] for start in starts])
    stores = from_arrays(windows, rate=rate), from_arrays(list(windows), rate=rate)
    errors = [
        np.mean([np.square(window(store, k) - truth[:, at : at + 500])[:, :100] for k, at in enumerate(starts)])
        for store in stores
    ]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x.tolist(),
        lambda x: x.astype(np.float64),
        torch.from_numpy,
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: np.ma.masked_invalid(x),
        lambda x: np.asfortranarray(x),
    ],
)
def test_all_kinds_of_numbers_are_taken_alike(emg, given):
    store, wanted = from_arrays(given(emg), rate=RATE), from_arrays(emg, rate=RATE)
    np.testing.assert_array_equal(store.emg_TC, wanted.emg_TC)


def test_integers_are_taken(emg):
    counts = np.round(emg * 1000).astype(np.int16)
    store = from_arrays(counts, rate=RATE, unit="counts", highpass_hz=0)
    np.testing.assert_array_equal(window(store, 5), counts[5])
    assert store.device.emg_unit == "count"


def test_recordings_of_any_length_have_a_label_for_each_sample(emg):
    recordings = [emg[0], np.concatenate([emg[1], emg[2]], axis=1)]
    labels = [np.repeat([0, 2], 200), 1]
    store = from_arrays(recordings, labels, rate=RATE, label_names={0: "rest", 1: "fist", 2: "open"})
    assert store.vocabulary == ("rest", "fist", "open") and [entry.frames for entry in store.entries] == [200, 400]
    np.testing.assert_array_equal(store.label_M, np.repeat([0, 2, 1], [100, 100, 400]))
    assert {entry.session for entry in store.entries} == {"session"}


def test_a_number_is_rest_only_where_it_is_said(emg):
    assert from_arrays(emg, [0, 1, 2, 0, 1, 2], rate=RATE).vocabulary == ("rest", "0", "1", "2")
    named = from_arrays(emg, np.array([0, 1, 2, 0, 1, np.nan]), rate=RATE, label_names=["Rest", "fist", "open"])
    assert named.vocabulary == ("rest", "fist", "open") and set(named.label_M) == {-1, 0, 1, 2}


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["a", "b", pd.NA, "a", "b", None], dtype="string", index=range(6, 0, -1)),
        pd.Series(["a", "b", None, "a", "b", None]).astype("category"),
        np.array([b"a", b"b", b"", b"a", b"b", b""]),
        ["a", "b", np.nan, "a", "b", pd.NaT],
    ],
)
def test_labels_of_pandas_and_bytes_are_taken(emg, labels):
    store = from_arrays(emg, labels, rate=RATE)
    assert store.vocabulary == ("rest", "a", "b")
    np.testing.assert_array_equal(store.label_M[:: len(store.label_M) // 6], [1, 2, -1, 1, 2, -1])


def test_whole_numbers_with_gaps_of_pandas_are_labels(emg):
    store = from_arrays(emg, pd.Series([1, 2, None, 1, 2, 1], dtype="Int64"), rate=RATE)
    assert store.vocabulary == ("rest", "1", "2") and (store.label_M == -1).sum() == 200


def test_rings_and_people_are_taken_as_arrays_and_scalars(emg):
    rings = [from_arrays(emg, rate=RATE, ring=ring, people=3).device.ring for ring in (np.arange(4), [0.0, 1, 2, 3])]
    assert rings == [(0, 1, 2, 3)] * 2
    assert from_arrays(emg, rate=RATE, people=3).users == ("3",)
    assert from_arrays(emg, rate=RATE, people=[b"a"] * 6).users == ("a",)


def test_units_and_poses_are_stored_as_everywhere(emg):
    degrees = np.full((6, 2, 120), 90.0)
    degrees[0, 1, 60:] = np.nan
    store = from_arrays(emg, rate=RATE, unit="mV", highpass_hz=0, pose=degrees, pose_rate=60, pose_unit="deg")
    assert (store.device.emg_unit, store.device.anchor_unit) == ("uV", "rad")
    assert store.device.anchor_names == ("pose_0", "pose_1")
    np.testing.assert_allclose(window(store, 0), emg[0] * 1000, rtol=1e-6)
    np.testing.assert_allclose(store.anchor_MJ[store.valid_M], np.pi / 2, rtol=1e-6)
    assert 95 < store.valid_M[:200].sum() < 101 and store.valid_M[200:].mean() > 0.97


def test_a_rate_that_tokens_do_not_divide_is_resampled_and_counted(emg):
    store = from_arrays(emg, rate=1111.111)
    assert store.device.emg_rate == 1100 and "resampled from 1111.11 to 1100 Hz" in str(store.repairs[0])


def test_a_temporary_store_goes_when_nobody_has_it(emg):
    store = from_arrays(emg, rate=RATE)
    path, again = store.path, pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 500 and again.path == path
    del again
    gc.collect()
    assert path.exists()  # a copy does not take it along
    del store
    gc.collect()
    assert not path.parent.exists()


def test_a_kept_store_is_opened_again_and_nothing_else_is_overwritten(emg, tmp_path):
    made = from_arrays(emg, rate=RATE, folder=tmp_path / "store")
    again = from_arrays(emg, rate=RATE, folder=tmp_path / "store")
    assert again.fingerprint == made.fingerprint == open_store(tmp_path / "store").fingerprint
    assert from_arrays(emg + 1, rate=RATE).fingerprint != made.fingerprint
    with pytest.raises(UserError, match="is no store of these arrays"):
        from_arrays(emg + 1, rate=RATE, folder=tmp_path / "store")


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        (r"emg has shape \(4, 400\).* of one recording give a list of it", {"emg": "one"}),
        ("400 channels of 4 samples.* transpose it", {"emg": "swapped"}),
        ("of type <U1", {"emg": [[["a"]]]}),
        ("different lengths", {"emg": [[[1, 2], [3]]]}),
        ("holds no windows", {"emg": np.zeros((0, 4, 400))}),
        ("window_0: EMG is not finite .*sample 7, channel 2", {"emg": "nan"}),
        (r"emg\[1\] has 3 channels, and emg\[0\] has 4", {"emg": [np.zeros((4, 400)), np.zeros((3, 400))]}),
        ("a rate of 0", {"rate": 0}),
        ("a rate of None", {"rate": None}),
        ("kind is 'Raw'", {"kind": "Raw"}),
        ("the unit 'mm' is not known", {"unit": "mm"}),
        ("ring .* does not fit 4 channels", {"ring": range(8)}),
        ("labels has 2 entries for 6", {"labels": ["a", "b"]}),
        (r"labels\[0\] has 399 values for 400", {"labels": np.zeros((6, 399))}),
        (r"labels\[1\] holds -1", {"labels": [0, -1, 0, 0, 0, 0]}),
        ("no name for the label 1", {"labels": [0, 1, 0, 0, 0, 0], "label_names": {0: "rest"}}),
        ("people has 5 entries for 6", {"people": range(5)}),
        (r"sessions\[1\] is empty", {"sessions": ["a", None, "b", "c", "d", "e"]}),
        ("give pose_rate, such as 50", {"pose": np.zeros((6, 3, 100))}),
        ("100 joints of 3 frames.* transpose", {"pose": np.zeros((6, 100, 3)), "pose_rate": 50}),
        ("check pose_rate", {"pose": np.zeros((6, 3, 100)), "pose_rate": 60}),
        ("pose has 5 entries for 6", {"pose": np.zeros((5, 3, 400))}),
        ("2 anchor_names for 3 joints", {"pose": np.zeros((6, 3, 400)), "anchor_names": ["a", "b"]}),
        ("labels is 'fist'; give a list", {"labels": "fist"}),
        ("labels is {0: 'a'}; give a list", {"labels": {0: "a"}}),
        ("label_names is 'ab'", {"labels": [0, 1] * 3, "label_names": "ab"}),
        ("label_names without labels", {"label_names": ["rest"]}),
        (r"people\[0\] is array\(\[1.\]\)", {"people": np.ones((6, 1))}),
        ("belong to a pose", {"pose_rate": 60}),
        ("anchor_names holds 'a' more than once", {"pose": np.zeros((6, 2, 400)), "anchor_names": ["a", "a"]}),
        (r"pose\[0\] reaches 90 rad.* give pose_unit='deg'", {"pose": np.full((6, 2, 400), 90.0)}),
        ("ring is '0123'|ring is of type", {"ring": "0123"}),
        ("ring is 3; give a list", {"ring": 3}),
        ("highpass_hz is '20'", {"highpass_hz": "20"}),
        ("notch_hz is None", {"notch_hz": None}),
        ("shorter than one frame", {"emg": np.zeros((2, 1, 1))}),
    ],
)
def test_a_mistake_is_a_sentence(emg, said, changed, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broken = emg.copy()
    broken[0, 2, 7] = np.nan
    named = {"one": emg[0], "swapped": emg.swapaxes(1, 2), "nan": broken}
    given = {"emg": emg, "rate": RATE, **changed}
    given["emg"] = named[given["emg"]] if isinstance(given["emg"], str) else given["emg"]
    with pytest.raises(UserError, match=said):
        from_arrays(**given)
    assert not list(tmp_path.iterdir())
