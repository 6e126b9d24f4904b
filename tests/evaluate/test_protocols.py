"""The protocols' registry, and the cross-session protocol against loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpep.config.schema import EvaluateConfig
from cpep.data.splits import Split
from cpep.evaluate.probe import LinearProbe, choose_probe
from cpep.evaluate.protocols.base import Given, chosen, run
from cpep.evaluate.protocols.zero_shot import voters
from cpep.types import EmbeddingSet, UserError

SPLIT = Split(("a", "b", "c"), ("d",), ("x", "y", "z"), seen=(1, 2, 3), unseen=(4, 5), guard_s=0.0)
CONFIG = EvaluateConfig(bootstrap=20, strengths=(0.01, 1.0), protocols=("cross_session",))
SESSIONS = {"x": ("s2", "s10", "s9"), "y": ("only",), "z": ("2", "1")}
"""The first sessions are s2 and 1, by numbers in names."""


def people(sessions: dict[str, tuple[str, ...]] = SESSIONS, windows: int = 6) -> EmbeddingSet:
    """Return windows of people who make each gesture in their own way, and a little otherwise in each session."""
    rng, rows = np.random.default_rng(0), []
    for user in "abcdxyz":
        mean_KD = rng.normal(size=(6, 4))
        for session in sessions.get(user, ("1",)):
            moved_D = 0.5 * rng.normal(size=4)
            for gesture in (1, 2, 3, 4, 5):
                for n in range(windows):
                    x_D = mean_KD[gesture] + moved_D + 0.7 * rng.normal(size=4)
                    rows.append((x_D, gesture, user, f"{user}/{session}", float(n), session))
    x, label, user, recording, time, session = (np.array(column) for column in zip(*rows, strict=True))
    return EmbeddingSet(x, label, user, recording, time, session)


def given(data: EmbeddingSet, config: EvaluateConfig = CONFIG) -> Given:
    return Given(SPLIT, config, 0, 0.25, {"vectors": data, "emg": data})


def where(data: EmbeddingSet, n: int) -> tuple[str, int]:
    return str(data.user_N[n]), int(data.label_N[n])


def test_cross_session_is_a_probe_of_each_persons_first_session() -> None:
    data = people()
    (found,) = run(given(data))
    seen = [data.select(np.isin(data.user_N, role) & (data.label_N <= 3)) for role in (list("abc"), ["d"])]
    strength = choose_probe(*seen, CONFIG.strengths).strength
    wanted, tested = [], []
    for user, first in (("x", "s2"), ("z", "1")):
        shown, asked = [], []
        for n in range(len(data)):
            if data.user_N[n] == user:
                (shown if data.session_N[n] == first else asked).append(n)
        probe = LinearProbe(strength).fit(data.x_ND[shown], data.label_N[shown])
        wanted += probe.predict(data.x_ND[asked]).tolist()
        tested += asked
    assert (found.protocol, found.gestures, found.classes) == ("cross_session", "all", (1, 2, 3, 4, 5))
    assert found.predicted_N.tolist() == wanted and found.test.label_N.tolist() == data.label_N[tested].tolist()
    right: dict[str, list[float]] = {"x": [], "z": []}
    for user, of_user in right.items():
        for label in (1, 2, 3, 4, 5):
            same = [p == label for p, n in zip(wanted, tested, strict=True) if where(data, n) == (user, label)]
            of_user.append(float(np.mean(same)))
    assert (
        found.score.per_user == pytest.approx({user: np.mean(own) for user, own in right.items()})
        and found.score.chance == 1 / 5
    )
    assert found.score.balanced_accuracy > 0.4


def test_no_window_of_a_tested_session_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    data, taught = people(), []
    fit = LinearProbe.fit

    def noted(self: LinearProbe, x_ND: np.ndarray, label_N: np.ndarray) -> LinearProbe:
        taught.extend(map(tuple, x_ND.tolist()))
        return fit(self, x_ND, label_N)

    monkeypatch.setattr(LinearProbe, "fit", noted)
    (found,) = run(given(data))
    at = {
        (r, t, k): x
        for r, t, k, x in zip(data.recording_N, data.time_N, data.label_N, data.x_ND.tolist(), strict=True)
    }
    test = found.test
    asked = {tuple(at[where]) for where in zip(test.recording_N, test.time_N, test.label_N, strict=True)}
    assert taught and len(asked) == len(test) and not asked & set(taught)
    later = np.isin(data.recording_N, ["x/s9", "x/s10", "z/2"])
    assert set(found.test.recording_N) == set(data.recording_N[later])
    monkeypatch.undo()
    strange = data.with_x(np.where((later & (data.label_N == 1))[:, None], 1e3 * data.x_ND, data.x_ND))
    (other,) = run(given(strange))
    untouched = found.test.label_N != 1
    assert np.array_equal(other.predicted_N[untouched], found.predicted_N[untouched])


def test_a_gesture_that_the_first_session_lacks_is_not_asked() -> None:
    data = people()
    (found,) = run(given(data.select((data.recording_N != "x/s2") | (data.label_N != 4))))
    asked = {user: set(found.test.label_N[found.test.user_N == user].tolist()) for user in "xz"}
    assert asked == {"x": {1, 2, 3, 5}, "z": {1, 2, 3, 4, 5}} and found.score.chance == 1 / 5


def test_where_nobody_has_two_sessions_there_is_no_row() -> None:
    assert run(given(people({}))) == []


def test_protocols_are_run_by_name_and_by_what_is_given() -> None:
    data = people()
    names = [one.name for one in chosen(("default",))]
    shots = ["few_shot_1", "few_shot_2", "few_shot_5", "few_shot_rep"]
    assert names == ["linear_probe", "zero_shot", "zero_shot_all", *shots]
    assert [one.name for one in chosen(("cross_session", "zero_shot"))] == ["zero_shot", "cross_session"]
    assert [one.name for one in chosen(("default", "cross_session"))] == [*names, "cross_session"]
    probe_alone = Given(SPLIT, replace(CONFIG, protocols=("default", "cross_session")), 0, 0.25, {"vectors": data})
    assert {one.protocol for one in run(probe_alone)} == {"linear_probe"}
    with pytest.raises(UserError, match="did you mean cross_session"):
        chosen(("crosssession",))


def test_without_unseen_gestures_no_protocol_asks_for_them() -> None:
    split = replace(SPLIT, unseen=())
    config = replace(CONFIG, protocols=("linear_probe",))
    found = run(Given(split, config, 0, 0.25, {"vectors": people()}))
    assert [one.gestures for one in found] == ["seen"]


def posed(most: int, seed: int = 0) -> Given:
    """Return EMG and poses of people of whom some made some gestures more often; at most so many poses vote."""
    data = people()
    data = data.select((data.time_N < 3) | ((data.user_N != "a") & (data.label_N != 2)))
    config = replace(CONFIG, protocols=("zero_shot", "zero_shot_all"), gallery_most=most)
    return Given(SPLIT, config, seed, 0.25, {"query": data, "gallery": data})


@pytest.mark.parametrize("most", [1, 7, 20, 48])
def test_of_many_poses_the_same_share_of_each_gesture_votes_evenly_over_people(most):
    given = posed(most)
    data, all_of_it = given.embeddings["gallery"], (1, 2, 3, 4, 5)
    gallery, whole = voters(given, all_of_it)
    kept = {row.tobytes() for row in gallery.x_ND}
    assert whole == sum(user in "abc" for user in data.user_N) == 69 and len(kept) == len(gallery)
    for label in all_of_it:
        made = [(data.user_N == user) & (data.label_N == label) for user in "abc"]
        drawn = [sum(row.tobytes() in kept for row in data.x_ND[own_N]) for own_N in made]
        count = sum(own_N.sum() for own_N in made)
        assert sum(drawn) == max(1, int(most * count / whole))
        for number, own_N in zip(drawn, made, strict=True):
            assert abs(number - sum(drawn) * own_N.sum() / count) < 1
    assert not any(row.tobytes() in kept for row in data.x_ND[np.isin(data.user_N, list("dxyz"))])
    seen, of_seen = voters(given, (1, 2, 3))
    assert of_seen == sum(user in "abc" and label < 4 for user, label in zip(data.user_N, data.label_N, strict=True))
    assert {row.tobytes() for row in seen.x_ND} == {
        row.tobytes() for row in gallery.x_ND[np.isin(gallery.label_N, (1, 2, 3))]
    }
    again, other = voters(posed(most), all_of_it)[0], voters(posed(most, 1), all_of_it)[0]
    assert np.array_equal(again.x_ND, gallery.x_ND) and not np.array_equal(other.x_ND, gallery.x_ND)


def test_outcomes_say_how_many_poses_voted_where_not_all_did():
    whole, few = run(posed(69)), run(posed(20))
    assert {one.drawn for one in whole} == {None}
    assert [one.drawn for one in few] == [(10, 39), (8, 30), (18, 69), (18, 69)]
    assert [one.test.label_N.tolist() for one in few] == [one.test.label_N.tolist() for one in whole]
    assert any(not np.array_equal(a.predicted_N, b.predicted_N) for a, b in zip(few, whole, strict=True))
