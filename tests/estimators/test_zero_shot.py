"""ZeroShotClassifier: gestures by their poses alone, told in EMG of a simulated person."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import cpep
from cpep.live.book.book import GestureBook
from cpep.live.book.readout import ReadOut, best
from cpep.simulate import GESTURES, people
from cpep.sklearn import ZeroShotClassifier
from cpep.sklearn.encoding import vectors_of
from cpep.types import UserError

NAMES = ("fist", "spread", "thumb_up")
STILL = [GESTURES[name].pose_J[:20] for name in NAMES]


@pytest.fixture(scope="module")
def person():
    found = people(users=1, minutes=0.1, gestures=NAMES)
    return found, found.y != "rest"


@pytest.fixture(scope="module")
def fitted():
    return ZeroShotClassifier().fit(STILL, NAMES)


def test_still_poses_name_the_emg_of_a_person_never_met(fitted, person):
    found, moves = person
    assert fitted.classes_.tolist() == list(NAMES)
    assert fitted.calibrated_
    assert fitted.score(found.X[moves], found.y[moves], "somebody") > 0.7  # chance: 0.33


def test_windows_of_poses_do_as_well(person):
    found, moves = person
    shown = ZeroShotClassifier().fit(found.pose[moves], found.y[moves])
    assert shown.score(found.X[moves], found.y[moves], "somebody") > 0.7


def test_probabilities_answers_and_unknown_agree(fitted, person):
    X = person[0].X[:20]
    p_NE = fitted.predict_proba(X, "somebody")
    np.testing.assert_allclose(p_NE.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.predict(X, "somebody"), fitted.classes_[p_NE.argmax(axis=1)])
    wary = clone(fitted).set_params(unknown=True).fit(STILL, NAMES)
    assert wary.classes_.tolist() == [*NAMES, "unknown"]
    q_NE = wary.predict_proba(X, "somebody")
    np.testing.assert_allclose(q_NE[:, :3] / q_NE[:, :3].sum(axis=1, keepdims=True), p_NE, rtol=1e-4)
    wanted = [NAMES[p[:3].argmax()] if p[:3].max() > wary.book_.threshold else "unknown" for p in q_NE]
    assert wary.predict(X, "somebody").tolist() == wanted


def test_a_book_is_written_and_taken_by_the_live_recogniser(fitted, person, tmp_path):
    X = person[0].X[:5]
    fitted.save(tmp_path / "my.book")
    again = ZeroShotClassifier().load(tmp_path / "my.book")
    np.testing.assert_allclose(again.predict_proba(X), fitted.predict_proba(X), atol=1e-3)  # 16-bit floats
    assert GestureBook.load(tmp_path / "my.book", cpep.load()).names == NAMES
    assert cpep.live.Recogniser(again.book_)


def test_poses_are_read_as_a_book_is_that_cpep_makes(fitted, person, monkeypatch, tmp_path):
    """`cpep book` chooses the read-out on the same windows; what is live answers alike."""
    assert fitted.book_.accuracy and fitted.book_.read_out is best(fitted.book_.accuracy)
    monkeypatch.setattr("cpep.live.book.book.best", lambda accuracy: ReadOut.centre)
    found, moves = person
    model = ZeroShotClassifier(unknown=True).fit(found.pose[moves], found.y[moves])
    model.add("claw", GESTURES["claw"].pose_J[:20])
    assert model.book_.read_out is ReadOut.centre
    model.save(tmp_path / "my.book")
    live = GestureBook.load(tmp_path / "my.book", model.model_)
    emg_NTC = found.X[:20].swapaxes(1, 2)
    x_ND = vectors_of(model.model_, emg_NTC, [model.model_.emg_frontend.typical()] * 20)
    for x_D, p_E in zip(x_ND, model.predict_proba(found.X[:20]), strict=True):
        np.testing.assert_allclose(live.judge(x_D)[0], p_E, atol=1e-3)  # 16-bit floats


def test_a_gesture_is_added(person):
    model = ZeroShotClassifier().fit(STILL[:2], NAMES[:2])
    assert model.add("thumb_up", STILL[2]) == ()
    assert model.classes_.tolist() == list(NAMES)


def test_mistakes_are_sentences(fitted, person):
    with pytest.raises(NotFittedError):
        ZeroShotClassifier().predict(person[0].X)
    with pytest.raises(UserError, match=r"poses of shape \(3, 20\) for names of shape \(2,\)"):
        ZeroShotClassifier().fit(STILL, NAMES[:2])
    with pytest.raises(UserError, match="X has 3 channels, and the checkpoint takes 16"):
        clone(fitted).fit(STILL, NAMES).predict(person[0].X[:, :3])
    with pytest.raises(UserError, match="takes 20 joints"):
        ZeroShotClassifier().fit(np.zeros((2, 7)), ["a", "b"])
    for poses, names, sentence in (
        (None, None, "poses"),
        (STILL[:0], [], "give a name for each"),
        (STILL[:2], [1, 2], "names holds 1; give texts"),
        (np.rad2deg(STILL), NAMES, "more than a full turn; where it is in degrees, give radians"),
    ):
        with pytest.raises(UserError, match=sentence):
            ZeroShotClassifier().fit(poses, names)
    with pytest.raises(UserError, match="false_alarms=2: give a share between 0 and 1"):
        ZeroShotClassifier(false_alarms=2).fit(STILL, NAMES)
