"""People who lack gestures: every read-out scores who has them, and gives no answer for what nobody taught."""

import numpy as np
import pytest
import torch

from cpep.checkpoints.embed import embedding_set, measured_pose
from cpep.data.windows import list_windows
from cpep.experiments import evaluators as evaluation
from cpep.experiments.adapted import Adaptation, needed
from cpep.experiments.protocol import SplitData
from cpep.models.baselines.regressor import PoseRegressor
from tests.experiments.lacking import of_all, without

ALL = range(1, 13)


@pytest.fixture(scope="module")
def lacking(split_data):
    """Return a function from what users lack to the outcomes of every row without a network."""

    def found(lacks):
        store = without(split_data.store, lacks)
        own = SplitData(store, split_data.split, list_windows(store, 2.0, 0.5), split_data.config, 0)
        windows, pose = needed(own), own.pose_points(own.windows)
        adaptation = Adaptation(own, windows, own.features_of(windows, "recording"), False)
        pairs = [
            own.every.select(np.isin(own.every.users(store), own.split.users(role))) for role in ("train", "val")
        ]
        features = own.features("recording")
        outcomes = {
            "features": own.outcomes(vectors=features, emg=features),
            "pose": own.outcomes(query=pose, gallery=pose),
            "features/adapted": adaptation.labelled(),
            "cpep/adapted": adaptation.zero_shot(own.pose_points(windows), pose),
            "ridge": evaluation.ridge(own, evaluation.Subject("ridge", pairs=pairs)).outcomes,
        }
        return {(name, one.protocol, one.gestures): one for name, some in outcomes.items() for one in some}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpep.evaluate.fewshot.DRAWS", 1)
        patch.setattr("cpep.evaluate.person.HALVES", 2)
        yield found


@pytest.fixture(scope="module")
def whole(lacking):
    return lacking({})


def test_who_lacks_a_set_is_left_out_of_it_alone(lacking, whole, split_data):
    first, second = split_data.split.users_test
    found = lacking({first: split_data.split.unseen})
    assert found.keys() == whole.keys()
    for key, one in found.items():
        assert set(one.score.per_user) == ({second} if key[2] == "unseen" else {first, second})
        assert one.classes == whole[key].classes and one.score.chance == whole[key].score.chance
    for key in found:
        if key[0] in ("pose", "features") and key[2] == "unseen":  # who has them is answered as before
            assert found[key].score.per_user[second] == whole[key].score.per_user[second]


def test_who_lacks_some_of_a_set_is_scored_on_the_others(lacking, split_data):
    first, _ = split_data.split.users_test
    found = lacking({first: [1, 2]})
    for (_, _, gestures), one in found.items():
        mine = set(one.test.label_N[one.test.user_N == first])
        assert not mine & {1, 2} and mine <= set(one.classes)
        assert {1, 2} <= set(one.classes) or gestures == "unseen"


def test_a_set_that_no_test_person_has_gives_no_row_and_stays_an_answer_among_all(lacking, whole, split_data):
    found = lacking(of_all(split_data.split.users_test, split_data.split.unseen))
    assert found.keys() == {key for key in whole if key[2] != "unseen"}
    for key, one in found.items():
        assert one.classes == whole[key].classes


def test_what_no_training_person_has_is_neither_asked_nor_answered(lacking, whole, split_data):
    found = lacking(of_all(split_data.split.users_train, [1]))
    assert found.keys() == whole.keys()
    for (_, name, gestures), one in found.items():
        if name.startswith("few_shot"):  # a person who shows a gesture needs nobody to teach it
            assert 1 in one.test.label_N and 1 in one.classes
        else:
            assert 1 not in one.test.label_N and 1 not in one.predicted_N and 1 not in one.classes
            seen = len(split_data.split.seen) - 1
            options = {"seen": seen, "unseen": 2}[gestures] if name != "zero_shot_all" else seen + 2
            assert one.score.chance == pytest.approx(1 / options)


def test_one_unseen_gesture_alone_is_not_asked(lacking, whole, split_data):
    found = lacking(of_all(split_data.split.users_train, [3]))
    assert found.keys() == {key for key in whole if key[2] != "unseen"}
    assert 6 in found["pose", "zero_shot_all", "seen"].classes


@pytest.mark.parametrize("role", ["train", "val", "test"])
def test_a_person_with_rest_alone_disturbs_nobody(lacking, whole, split_data, role):
    user = split_data.split.users(role)[0]
    found = lacking({user: ALL})
    assert found.keys() == whole.keys()
    people = set(split_data.split.users_test) - {user}
    assert all(set(one.score.per_user) == people for one in found.values())


def test_pose_errors_are_of_the_sets_that_are_asked(split_data, monkeypatch):
    class Regressor(PoseRegressor):
        def __init__(self):
            super().__init__(joints=22, samples=200, rate=100.0, context=0, times_S=torch.tensor([0.5, 1.5]))

    class Model:
        net = Regressor()
        emg_frontend = type("Frontend", (), {"normalisation": "recording"})

    store = without(split_data.store, of_all(split_data.split.users_test, split_data.split.unseen))
    own = SplitData(store, split_data.split, list_windows(store, 2.0, 0.25), split_data.config, 0)
    monkeypatch.setattr(
        "cpep.experiments.evaluators.predict_pose",
        lambda model, store, some: measured_pose(store, some, model.net.times_S),
    )
    monkeypatch.setattr(
        "cpep.experiments.evaluators.embed_emg",
        lambda model, store, some, *_: embedding_set(store, some, np.sin(some.start_N)[:, None].astype(np.float32)),
    )
    found = evaluation.regression(own, evaluation.Subject("pose_t", checkpoint=Model()))
    assert [error.gestures for error in found.errors] == ["seen"]
    assert {one.gestures for one in found.outcomes} == {"seen", "all"}
