"""CpepClassifier keeps scikit-learn's contract; an encoder is trained on arrays, or taken from a checkpoint."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import cpep
from cpep import simulate
from cpep.sklearn import CpepClassifier, EmgFeatures
from cpep.sklearn.encoding import torch_as_asked
from cpep.types import UserError
from tests.estimators.loud import NAMES, RATE, people


class Keeps(BaseEstimator):
    """The end of a pipeline that keeps what it was trained on."""

    def fit(self, X, y=None):
        self.X = X
        return self


TINY = CpepClassifier(sfreq=RATE, preset="tiny", max_steps=2)


@pytest.fixture(scope="module")
def data():
    return people()


@pytest.fixture(scope="module")
def fitted(data):
    X, y, groups, _ = data
    return clone(TINY).fit(X, y, groups)


@pytest.fixture(scope="module")
def aligned(data):
    X, y, groups, pose = data
    return clone(TINY).fit(X, y, groups, pose)


# Rows of a table are windows of one channel. Its classes differ in the sign of values, which raw patches keep, and
# energies, the default, do not.
@parametrize_with_checks(
    [
        CpepClassifier(
            sfreq=100.0, kind="envelope", strength=1e-4, preset="tiny", settings=("emg.tokens=patch",), max_steps=1
        )
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_it_tells_gestures_of_people_left_out(data):
    X, y, groups, _ = data
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(TINY, X, y, params={"groups": groups}, cv=GroupKFold(3), return_estimator=True)
    assert found["test_score"].mean() > 0.8
    for estimator, (train, _) in zip(found["estimator"], GroupKFold(3).split(X, y, groups), strict=True):
        assert len(estimator.validation_) == len(train)  # it was shown no window of a person left out
        assert estimator.validated_by_ == "time"  # two people are left, too few for one who validates


def test_without_routing_people_reach_the_splitter_alone(data):
    X, y, groups, _ = data
    found = cross_validate(TINY, X, y, groups=groups, cv=GroupKFold(2), return_estimator=True)
    assert found["estimator"][0].validated_by_ == "time"
    assert np.isfinite(found["test_score"]).all()


def test_it_works_in_a_pipeline_and_a_search(data):
    X, y, groups, _ = data
    line = make_pipeline(FunctionTransformer(lambda X: X / 2), TINY)
    search = GridSearchCV(line, {"cpepclassifier__strength": [0.01, 1e6]}, cv=GroupKFold(2), error_score="raise")
    search.fit(X, y, groups=groups)
    assert search.best_params_ == {"cpepclassifier__strength": 0.01}


def test_a_pipeline_hands_people_to_what_makes_its_vectors(fitted, data):
    X, y, groups, _ = data
    wanted = fitted.transform(X, groups)
    np.testing.assert_array_equal(clone(TINY).fit_transform(X, y, groups), wanted)
    with config_context(enable_metadata_routing=True):
        line = make_pipeline(clone(TINY), Keeps()).fit(X, y, groups=groups)
    np.testing.assert_array_equal(
        line[-1].X, wanted
    )  # not those without groups, which predict(groups=...) never makes
    assert np.abs(fitted.transform(X) - wanted).max() > 1e-3
    frame = clone(TINY).set_output(transform="pandas").fit_transform(X, y, groups)
    np.testing.assert_array_equal(frame.to_numpy(), wanted)


def test_a_score_of_ones_own_gets_the_people_and_a_scorer_does_not(fitted, data):
    """As the class says of ``scoring`` and of ``cross_val_predict``; scikit-learn may change."""
    X, y, groups, _ = data
    given = []

    class Balanced(CpepClassifier):
        def score(self, X, y, groups=None):
            return balanced_accuracy_score(y, self.predict(X, groups))

        def predict(self, X, groups=None):
            given.append(groups)
            return super().predict(X, groups)

    mine = Balanced(**TINY.get_params())
    with config_context(enable_metadata_routing=True):
        for ask, has in ((cross_val_score, True), (balanced, False), (cross_val_predict, False)):
            ask(mine, X, y, params={"groups": groups}, cv=GroupKFold(2))
            assert [found is not None for found in given] == [has, has]
            given.clear()


def balanced(*args, **options):
    """Return what the scorer of scikit-learn says."""
    return cross_val_score(*args, **options, scoring="balanced_accuracy")


@pytest.mark.parametrize("wrap", [lambda X: X, list], ids=["array", "list"])
def test_what_is_masked_is_not_read(fitted, data, wrap):
    X, y, *_ = data
    masked = wrap(np.ma.masked_array(X, mask=np.abs(X) > 3))
    for ask in (fitted.predict, EmgFeatures(RATE).fit, lambda X: clone(TINY).fit(X, y)):
        with pytest.raises(ValueError, match="contains NaN"):
            ask(masked)
    with pytest.raises(UserError, match="not finite"):
        fitted.model_.encode_emg(masked)
    np.testing.assert_array_equal(fitted.predict(wrap(np.ma.masked_array(X))), fitted.predict(X))


def test_probabilities_and_answers_agree(fitted, data):
    X, _, groups, _ = data
    p_NK = fitted.predict_proba(X, groups)
    assert fitted.classes_.tolist() == list(NAMES)
    np.testing.assert_allclose(p_NK.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(X, groups), fitted.classes_[p_NK.argmax(axis=1)])
    np.testing.assert_allclose(fitted.decision_function(X, groups), np.log(p_NK), atol=1e-9)


def test_lists_integers_and_tensors_are_read_alike(fitted, data):
    X = (data[0][:5] * 20).astype(np.int16)
    wanted = fitted.predict_proba(X, "a")
    for same in (X.tolist(), X.astype(np.float64), torch.from_numpy(X), list(torch.from_numpy(X))):
        np.testing.assert_allclose(fitted.predict_proba(same, "a"), wanted, rtol=1e-5)
    labels = torch.tensor([0, 1, 0, 1, 1] * 3)
    assert clone(TINY).fit(torch.from_numpy(data[0][:15]), labels).classes_.tolist() == [0, 1]


def test_with_people_a_gain_of_the_band_changes_nothing(fitted, data):
    X, _, groups, _ = data
    mine = X[groups == "user 1"]
    alone, louder = (fitted.transform(part) for part in (mine, 2 * mine))
    of_one, of_louder = (
        fitted.transform(part, "somebody") for part in (np.tile(mine, (20, 1, 1)), 2 * np.tile(mine, (20, 1, 1)))
    )
    assert np.abs(of_louder - of_one).max() < 0.2 * np.abs(louder - alone).max()


def test_each_person_is_read_as_if_alone(fitted, data):
    X, _, groups, _ = data
    together = fitted.transform(X, groups)
    for who in np.unique(groups):
        np.testing.assert_allclose(together[groups == who], fitted.transform(X[groups == who], who), atol=1e-5)


def test_one_seed_gives_one_classifier_and_leaves_torch_alone(data):
    X, y, groups, _ = data
    torch.manual_seed(5)
    wanted, threads = torch.get_rng_state(), torch.get_num_threads()
    one, same = (clone(TINY).fit(X, y, groups).transform(X) for _ in range(2))
    other = clone(TINY).set_params(random_state=1).fit(X, y, groups).transform(X)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert torch.equal(torch.get_rng_state(), wanted)
    assert torch.get_num_threads() == threads


def test_people_validate_or_the_end_of_each_class(fitted, data):
    X, y, groups, _ = data
    assert fitted.validated_by_ == "people"
    assert len(set(groups[fitted.validation_])) == 1
    assert set(groups[fitted.validation_]) & set(groups[~fitted.validation_]) == set()
    alone = clone(TINY).fit(X[:12], y[:12])
    assert alone.validated_by_ == "time"
    # four windows of each class in turn: the last of each validates
    assert alone.validation_.tolist() == [False] * 9 + [True] * 3


def test_a_pickle_says_the_same(aligned, data):
    X = data[0]
    again = pickle.loads(pickle.dumps(aligned))
    np.testing.assert_array_equal(again.predict_proba(X), aligned.predict_proba(X))


def test_a_model_of_ones_own_is_a_checkpoint_and_is_not_changed(fitted, data):
    X, y, groups, _ = data
    given = fitted.model_.train()
    other = CpepClassifier(given, sfreq=RATE).fit(X, y, groups)
    assert given.training
    assert other.validation_ is None
    np.testing.assert_allclose(other.predict_proba(X, groups), fitted.predict_proba(X, groups), rtol=1e-4)
    given.eval()


def test_other_rates_are_resampled(data):
    X, y, groups, _ = data
    found = clone(TINY).set_params(sfreq=1111.0).fit(X, y, groups)
    assert found.model_.sfreq == 1100
    assert found.score(X, y, groups) > 0.8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": np.zeros((2, 3, 4, 5))}, "give \\(windows, channels, samples\\)"),
        ({"y": ["fist"] * 36}, "one class alone, 'fist'"),
        ({"groups": ["a"] * 35}, "groups has 35 entries for 36 windows"),
        ({"pose": np.zeros((36, 4))}, r"pose of shape \(36, 4\) for 36 windows"),
        ({"y": pd.Series([*["fist"] * 35, pd.NA], dtype="string")}, "y holds missing values"),
        ({"y": np.array([*["fist"] * 35, None])}, "y holds values of NoneType and str"),
        ({"groups": [*["a"] * 35, np.nan]}, r"groups\[35\] is empty"),
        ({"pose": np.full((36, 4, 60), 90.0)}, "reaches 90 rad, more than a full turn"),
        ({"sfreq": None}, "sfreq=None: give the samples per second"),
        ({"kind": "x"}, "it is 'raw' or 'envelope'"),
        ({"strength": 0}, "strength=0: give a number above 0"),
        ({"n_jobs": 0}, "n_jobs=0: give a number of threads"),
        ({"max_steps": "5"}, "max_steps='5': give a whole number from 1 on"),
        ({"max_steps": 0}, "max_steps=0: give a whole number from 1 on"),
        ({"sfreq": 40_000.0}, "windows of 0.01 s are too short to train an encoder; give windows of 0.02 s or more"),
        ({"pose": np.where(np.arange(60) == 3, np.nan, np.zeros((36, 4, 60)))}, "finite in every frame of 0 of 36"),
        ({"settings": "emg.width=8"}, "give a tuple"),
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"settings": ("emg.wide=3",)}, "did you mean emg.width"),
        ({"checkpoint": "shipped"}, "X has 3 channels, and the checkpoint takes 16"),
        ({"checkpoint": "nowhere"}, "nowhere is not a checkpoint"),
    ],
)
def test_a_mistake_is_a_sentence(data, change, sentence):
    given = dict(zip(("X", "y", "groups", "pose"), (*data[:3], None), strict=True))
    shown = {name: change.pop(name) for name in list(change) if name in given}
    if "X" in shown:
        given |= {"y": ["fist", "open"], "groups": None}
    with pytest.raises(UserError, match=sentence):
        clone(TINY).set_params(**change).fit(**given | shown)


@pytest.mark.parametrize(
    ("shape", "change", "sentence"),
    [
        ((16, 1000), {}, "windows of 0.5 s, and the checkpoint takes 1 s: cut windows of 2000 samples"),
        ((16, 1000), {"sfreq": 1000.0}, "sfreq is 1000, and the checkpoint was trained on 2000"),
        ((16, 2000), {"unit": "V"}, "V"),
        ((16, 2000), {"X": 1e-6}, "the RMS of X is .*e-06, and the encoder was trained on EMG of about"),
        ((16, 2000), {"pose": np.zeros((4, 20, 100))}, "leave out pose"),
    ],
)
def test_what_a_checkpoint_does_not_take_is_a_sentence(shape, change, sentence):
    X = np.random.default_rng(0).normal(size=(4, *shape)) * change.pop("X", 5.0)
    pose = change.pop("pose", None)
    with pytest.raises(UserError, match=sentence):
        CpepClassifier("shipped", **change).fit(X, ["a", "b"] * 2, pose=pose)


def test_a_gesture_is_added_by_its_pose(aligned, data):
    X, y, groups, pose = data
    model = pickle.loads(pickle.dumps(aligned))
    before = model.predict_proba(X, groups)
    model.add_gesture("point", np.array([0.0, 0.0, 0.0, 1.0]))
    after = model.predict_proba(X, groups)
    assert model.classes_.tolist() == [*NAMES, "point"]
    np.testing.assert_allclose(after.sum(axis=1), 1)
    # the classes of fit share the rest as they did before
    np.testing.assert_allclose(after[:, :3] / after[:, :3].sum(axis=1, keepdims=True), before, rtol=1e-5)
    model.add_gesture("point", pose[y == "pinch"])
    assert model.classes_.tolist() == [*NAMES, "point"]
    assert np.abs(model.predict_proba(X, groups) - after).max() > 1e-4
    assert model.fit(X, y, groups).classes_.tolist() == list(NAMES)


def test_a_pose_may_have_any_number_of_frames(aligned, data):
    X, groups, pose = data[0], data[2], data[3]
    fine, coarse = (pickle.loads(pickle.dumps(aligned)) for _ in range(2))
    fine.add_gesture("slow", np.repeat(pose[:4, :, :1], 40, axis=2))
    coarse.add_gesture("slow", np.repeat(pose[:4, :, :1], 11, axis=2))
    np.testing.assert_allclose(fine.predict_proba(X, groups), coarse.predict_proba(X, groups), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pose", "sentence"),
    [
        ("fist", np.zeros(4), "'fist' is a class of fit"),
        (7, np.zeros(4), "the name 7 is not of the type of the classes, such as 'fist'"),
        ("point", np.zeros(5), "takes 4"),
        ("point", np.full(4, np.nan), "not finite"),
        ("point", np.zeros((1, 1, 4, 40)), r"give \(joints,\) or \(windows, joints, frames\)"),
    ],
)
def test_a_pose_that_does_not_fit_is_a_sentence(aligned, name, pose, sentence):
    with pytest.raises(UserError, match=sentence):
        aligned.add_gesture(name, pose)


def test_without_poses_none_can_be_added(fitted):
    with pytest.raises(UserError, match="this encoder knows no poses: fit it with pose="):
        fitted.add_gesture("point", np.zeros(4))


def test_embeddings_have_names(fitted, data):
    X = data[0][:3]
    assert fitted.get_feature_names_out()[0] == "cpepclassifier0"
    assert fitted.transform(X).shape == (3, len(fitted.get_feature_names_out()))


def test_it_is_a_public_name():
    assert cpep.sklearn.CpepClassifier is CpepClassifier


def test_predict_refuses_another_unit(fitted, data):
    with pytest.raises(UserError, match=r"the RMS of X is .*, and the encoder was trained on EMG of about"):
        fitted.predict(1000 * data[0])


def test_volts_are_a_unit_to_train_in(data):
    """A store keeps them as microvolts; the encoder that was trained on it took volts for microvolts."""
    X, y, groups, _ = data
    volts = clone(TINY).set_params(unit="V").fit(1e-6 * X, y, groups)
    wanted = clone(TINY).set_params(unit="uV").fit(X, y, groups).predict_proba(X, groups)
    np.testing.assert_allclose(volts.predict_proba(1e-6 * X, groups), wanted, atol=1e-3)


def test_a_list_of_numpy_names_is_taken(data):
    names = list(np.array(["fist", "open"] * 18))  # as list() of an array gives them, not tolist()
    assert clone(TINY).fit(data[0], names).classes_.tolist() == ["fist", "open"]


@pytest.mark.parametrize(("n_jobs", "threads"), [(None, 1), (3, 3), (-1, os.cpu_count()), (-10_000, 1)])
def test_n_jobs_is_read_as_scikit_learn_reads_it(n_jobs, threads):
    with torch_as_asked(n_jobs):
        assert torch.get_num_threads() == threads


def test_labels_that_say_nothing_are_told_at_chance():
    """Were a label to leak from the windows that are predicted, permuted labels would be told."""
    X, y, people, _ = simulate.people(users=3, minutes=0.3, seed=3, gestures=["fist", "spread"])
    kept = np.flatnonzero(y != "rest")
    X, y, people = X[kept], y[kept], people[kept]

    def scores(labels):
        with config_context(enable_metadata_routing=True):
            model, folds = CpepClassifier("shipped"), GroupKFold(3)
            return cross_val_score(model, X, labels, cv=folds, params={"groups": people}).mean()

    rng = np.random.default_rng(0)
    permuted = [rng.permutation(y) for _ in range(2)]
    assert scores(y) > 0.8
    assert abs(np.mean([scores(labels) for labels in permuted]) - 0.5) < 0.12
    one, other = (CpepClassifier("shipped").fit(X, labels, groups=people) for labels in (y, permuted[0]))
    np.testing.assert_array_equal(one.transform(X, people), other.transform(X, people))
