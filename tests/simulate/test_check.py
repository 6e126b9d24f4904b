from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from cpep.simulate import Property, Variability, check, classify, measures
from cpep.simulate.properties import table_text
from cpep.simulate.record import Session, record


@pytest.fixture(scope="module")
def rows() -> dict[str, Property]:
    """A check that is too small for the tolerances on gestures, but walks the whole way."""
    table = check(seed=1, users=4, length=0.2, workers=1)
    return {row.name: row for row in table}


def test_physics_holds_in_a_tiny_cohort(rows: dict[str, Property]) -> None:
    assert len(rows) == 21
    for name, row in rows.items():
        if any(word in name for word in ("frequency", "rate", "slope", " r")) and "corr" not in name:
            if "people" in name or "ridge" in name or "LDA" in name:
                continue
            assert row.ok, (name, row.value)


def test_gestures_are_told_apart_by_muscles_and_not_by_artefacts(rows: dict[str, Property]) -> None:
    assert rows["LDA of joint angles, all 16"].value > 0.7
    assert rows["LDA, 8 seen, other people"].value > 0.3
    assert rows["muscle off, 8 seen, other people"].value < 0.25


def test_the_table_marks_what_is_outside() -> None:
    table = [Property("good", 0.5, 0.4, 0.6, "0.5"), Property("bad", 0.7, 0.4, 0.6, "0.5")]
    assert [row.ok for row in table] == [True, False]
    lines = table_text(table).splitlines()
    assert [line[0] for line in lines] == [" ", " ", "!", " "]
    assert "1 of 2" in lines[-1]
    assert not Property("nothing", float("nan"), 0, 1, "").ok


def test_lda_and_ridge_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 400)
    x = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + rng.standard_normal((4, 12))[label]
    test = rng.standard_normal((200, 12)) * 3
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=classify.SHRINKAGE).fit(x, label)
    assert (classify.lda(x, label, test) == oracle.predict(test)).mean() > 0.99
    pose = rng.standard_normal((400, 3))
    wanted = Ridge(classify.RIDGE_STRENGTH).fit(x, pose).predict(test)
    np.testing.assert_allclose(classify.ridge(x, pose, test), wanted, atol=1e-8)


def test_windows_lie_inside_one_prompt_and_after_the_move(session: Session) -> None:
    recording = record(session, "GraspPunchCloseFar", 0, 12.0, "x")
    held = measures.cut_windows(recording, 2)
    whole = measures.cut_windows(recording, 2, skip_s=0.0)
    assert 0 < len(held.label_N) < len(whole.label_N) <= 60
    assert set(held.label_N) <= set(recording.label_T[recording.label_T > 0])
    assert held.x_ND.shape[1] == 64 and np.isfinite(held.x_ND).all()
    assert (held.repetition_N // 100 == 2).all()


def test_measures_of_known_signals(session: Session) -> None:
    """Equal channels correlate fully; a sine has its own median frequency."""
    recording = record(session, "GraspPunchCloseFar", 0, 10.0, "x")
    t = np.arange(len(recording.emg_TC)) / 2000
    loud = np.where(recording.label_T > 0, 10.0, 1.0)
    recording.emg_TC[:] = (loud * np.sin(2 * np.pi * 150 * t))[:, None]
    measured = measures.signal_measures(recording)
    assert measured["median_frequency"] == pytest.approx(150, abs=2)
    assert measured["raw_near"] == pytest.approx(1) and measured["raw_far"] == pytest.approx(1)
    assert measured["snr"] == pytest.approx(20, abs=0.5)


def test_muscle_off_is_a_field_of_the_cohort() -> None:
    assert Variability(muscle=0.0).muscle == 0
