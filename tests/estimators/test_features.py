"""EmgFeatures keeps scikit-learn's contract, and its names say which column is which."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cpep.data.recording import Device
from cpep.evaluate.enrol_features import enrol_features
from cpep.evaluate.features import classical_features
from cpep.sklearn import EmgFeatures
from cpep.types import UserError

OF_ALL = [
    EmgFeatures(sfreq=2000.0, features=features, kind=kind)
    for features in ("enrolment", "classical")
    for kind in ("raw", "envelope")
]


def windows(count: int = 6, channels: int = 3, samples: int = 600, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, channels, samples)) + 0.3


def people(users: int = 3, each: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return windows, names and people: a gesture is a channel that is louder than the others."""
    rng = np.random.default_rng(1)
    gesture_N = np.tile(np.arange(3), users * each // 3)
    X = rng.normal(size=(users * each, 3, 600))
    X[np.arange(len(X)), gesture_N] *= 3
    return X, np.array(["fist", "open", "pinch"])[gesture_N], np.repeat(np.arange(users), each)


# Rows of a table are windows of one channel: ten samples a second make a few values long enough for a spectrum.
@pytest.mark.filterwarnings("ignore:windows of")
@parametrize_with_checks([EmgFeatures(sfreq=10.0), EmgFeatures(sfreq=10.0, kind="envelope")])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("features", OF_ALL, ids=str)
def test_there_is_one_name_for_each_column(features):
    X = windows()
    table = clone(features).set_output(transform="pandas").fit_transform(X)
    bare = clone(features).fit_transform(X)
    assert bare.dtype == np.float32
    assert len(set(table.columns)) == bare.shape[1]
    np.testing.assert_array_equal(table.to_numpy(), bare)


@pytest.mark.parametrize("features", OF_ALL, ids=str)
def test_a_name_says_which_channels_a_column_reads(features):
    X = np.abs(windows())
    fitted = clone(features).fit(X)
    louder = X.copy()
    louder[:, 1] *= np.random.default_rng(3).uniform(0.5, 2.0, X.shape[2])
    moved_F = (np.abs(fitted.transform(louder) - fitted.transform(X)) > 1e-5).any(axis=0)
    for name, moved in zip(fitted.get_feature_names_out(), moved_F, strict=True):
        mixed = "cov" in name or "share" in name  # a logarithm of a matrix mixes all channels
        assert moved == ("ch1" in name) or mixed, name


def test_a_band_is_named_by_its_frequencies():
    time_T = np.arange(600) / 2000
    X = np.sin(2 * np.pi * 100 * time_T)[None, None] + 1e-3 * windows(1, 1)
    table = EmgFeatures(2000).set_output(transform="pandas").fit_transform(X)
    loudest = table.loc[0, [name for name in table.columns if "power" in name]].idxmax()
    low, high = (float(part) for part in loudest.removeprefix("log_power_").removesuffix("hz_ch0").split("_"))
    assert low <= 100 <= high


def test_enrolment_features_are_those_of_a_band_that_was_filtered():
    X = windows()
    level = X - X.mean(axis=2, keepdims=True)
    device = Device(channels=3, emg_rate=2000, emg_kind="raw", emg_unit="")
    wanted = enrol_features(level.transpose(0, 2, 1), device)
    np.testing.assert_allclose(EmgFeatures(2000).fit_transform(X), wanted, rtol=1e-5)


def test_classical_features_are_of_emg_over_the_median_size_of_each_channel():
    X = windows() * np.array([1.0, 20.0, 300.0])[:, None]
    scale = [np.median([np.std(window[channel]) for window in X]) for channel in range(3)]
    wanted = classical_features((X / np.array(scale)[:, None]).transpose(0, 2, 1), 2000, "raw")
    np.testing.assert_allclose(EmgFeatures(2000, features="classical").fit_transform(X), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("features", OF_ALL, ids=str)
def test_lists_integers_and_tensors_are_read_alike(features):
    X = np.abs(windows() * 1000).astype(np.int16)
    wanted = clone(features).fit_transform(X)
    assert np.isfinite(wanted).all()
    for same in (X.tolist(), X.astype(np.float64), X.astype(np.float32), torch.from_numpy(X), list(X)):
        np.testing.assert_allclose(clone(features).fit_transform(same), wanted, rtol=1e-4, atol=1e-4)


def test_a_table_is_windows_of_one_channel():
    X = windows(channels=1)
    np.testing.assert_array_equal(EmgFeatures().fit_transform(X[:, 0]), EmgFeatures().fit_transform(X))


def test_it_works_in_a_pipeline_under_people_held_out():
    X, y, groups = people()
    line = make_pipeline(
        EmgFeatures(2000), StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    )
    assert cross_validate(line, X, y, groups=groups, cv=GroupKFold(3))["test_score"].min() > 0.9
    grid = {"emgfeatures__features": ["enrolment", "classical"]}
    search = GridSearchCV(line, grid, cv=GroupKFold(3)).fit(X, y, groups=groups)
    assert search.best_score_ > 0.9


def test_before_fit_it_says_so():
    with pytest.raises(NotFittedError):
        EmgFeatures().transform(windows())
    with pytest.raises(NotFittedError):
        EmgFeatures().get_feature_names_out()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": windows()[None]}, r"shape \(1, 6, 3, 600\); give \(windows, channels, samples\)"),
        ({"X": windows()[:, :, :0]}, "windows of no samples"),
        ({"X": windows(samples=3)}, "too short for features: no frequency"),
        ({"kind": "rms"}, "kind='rms': it is 'raw' or 'envelope'"),
        ({"features": "all"}, "features='all': it is"),
        ({"features": "classical", "X": windows(samples=7)}, "7 samples; classical features take 8"),
        ({"sfreq": 0}, "give the samples per second"),
    ],
)
def test_a_mistake_is_a_sentence(change, sentence):
    X = change.pop("X", windows())
    with pytest.raises(UserError, match=sentence):
        EmgFeatures(**change).fit(X)


def test_other_windows_than_in_fit_are_refused():
    fitted = EmgFeatures().fit(windows())
    with pytest.raises(UserError, match="3 channels x 500 samples; EmgFeatures was fitted on 3 x 600"):
        fitted.transform(windows(samples=500))
    with pytest.raises(ValueError, match="X has 4 features, but EmgFeatures is expecting 3"):
        fitted.transform(windows(channels=4))


def test_windows_that_are_too_short_for_emg_get_a_warning():
    with pytest.warns(UserWarning, match="windows of 16 samples are 8 ms long"):
        EmgFeatures(2000, kind="envelope").fit(np.abs(windows(samples=16)))


@pytest.mark.parametrize("features", ["enrolment", "classical"])
def test_many_windows_are_read_in_parts_with_little_memory(features):
    X = np.random.default_rng(0).normal(size=(2400, 4, 250)).astype(np.float32)
    model = EmgFeatures(2000, features=features).fit(X)
    alone = np.concatenate([model.transform(X[:300]), model.transform(X[300:])])
    tracemalloc.start()
    found = model.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-6)
    assert peak < 2 * X.nbytes
