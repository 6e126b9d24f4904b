"""The promise of the live recogniser: show a pose, and it knows the gesture."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import load
from cpep.data.splits import LeakError
from cpep.evaluate.events import gestures_of, match
from cpep.live.book.adapted import judge_of
from cpep.live.book.book import GestureBook
from cpep.live.loop import Loop, Observer
from cpep.live.recogniser import Recogniser
from cpep.live.signals import Chunk
from cpep.live.stream import EmgStream
from cpep.share.demo import demo_paths
from cpep.simulate import Variability
from cpep.simulate.gestures import GESTURES
from cpep.simulate.record import record, wear

GESTURE, STAGE, PEOPLE = "gun", "CountingUpDownFaceSideAway", 8


@pytest.fixture(scope="module")
def demo():
    checkpoint, book = demo_paths()
    model = load(checkpoint)
    return model, GestureBook.load(book, model)


def made_and_told(model, book, user):
    """A simulated person whom nobody has met makes gestures of a stage; return them with the events."""
    session = wear(2026, user, "s0", "right", Variability(rest=4))
    recording = record(session, STAGE, 0, 40.0, user)
    stream, recogniser = EmgStream(model), Recogniser(book)
    states = [recogniser.step(step) for step in stream.push(recording.emg_TC)]
    events = [state.event for state in states if state.event]
    made = gestures_of(recording.label_T, 1 / 2000, recording.vocabulary, 1.5)
    return match(made, events, [])


def test_a_gesture_of_which_no_emg_was_ever_seen_is_recognised_by_its_pose(demo):
    model, shipped = demo
    card = model.card
    unseen = [card.vocabulary[label] for label in card.split["unseen"]]
    if GESTURE not in unseen:
        raise LeakError(f"{GESTURE} took part in training")
    assert GESTURE not in shipped.names
    assert not set(shipped.background.name_N.tolist()) & set(unseen)
    book = shipped.copy()
    assert book.add(GESTURE, GESTURES[GESTURE].pose_J[:20].astype(np.float32)) == ()
    share_U, elsewhere = [], []
    for person in range(PEOPLE):
        found = made_and_told(model, book, f"nobody_{person}")
        of_it = np.array([gesture.name == GESTURE for gesture in found.made])
        assert of_it.any()
        share_U.append(float((found.event_M[of_it] >= 0).mean()))
        first = [found.told[n].name if n >= 0 else "" for n in found.first_M[~of_it].tolist()]
        elsewhere += [name == GESTURE for name in first]
    rng = np.random.default_rng(0)
    low = np.quantile([rng.choice(share_U, PEOPLE).mean() for _ in range(2000)], 0.025)
    chance = 1 / (len(book.names) - 1)  # of the gestures of the book
    print(f"{GESTURE}: {np.mean(share_U):.2f}, lower bound {low:.2f}, chance {chance:.2f}; by person {share_U}")
    print(f"told first in {sum(elsewhere)} of {len(elsewhere)} other gestures")
    assert low > chance, f"recognised {np.round(share_U, 2)}, lower bound {low:.2f}, chance {chance:.2f}"
    assert np.mean(share_U) > 2 * np.mean(elsewhere), "it is told whatever is made"


def test_what_is_shipped_is_small_and_of_simulated_people(demo):
    model, shipped = demo
    checkpoint, book = demo_paths()
    size = sum(path.stat().st_size for path in checkpoint.iterdir()) + book.stat().st_size
    assert size < 6_000_000
    assert model.card.provenance["data"] == "emg2pose_simulated"
    assert model.emg_frontend.normalisation == "causal"
    assert shipped.names[0] == "rest"
    assert len(shipped.names) == 9


class Told(Observer):
    """Keeps what is told."""

    def __init__(self):
        self.states = []

    def on_step(self, step, state):
        self.states.append(state)


def told(model, judge, emg_TC, samples):
    """The states of a stream that comes in chunks of so many samples."""
    ear = Told()
    chunks = (Chunk(emg_TC[at : at + samples]) for at in range(0, len(emg_TC), samples))
    Loop(EmgStream(model), Recogniser(judge), ear).run(chunks)
    return ear.states


@pytest.fixture(scope="module")
def emg_TC():
    return record(wear(2026, "nobody", "s0", "right", Variability(rest=4)), STAGE, 0, 20.0, "nobody").emg_TC


@pytest.mark.parametrize("adapts", [False, True])
def test_what_is_there_already_is_answered_as_if_it_came_live(demo, emg_TC, adapts):
    model, book = demo
    one, many = (told(model, judge_of(book, adapts=adapts), emg_TC, samples) for samples in (100, 3333))
    assert [state.event and state.event.name for state in many] == [state.event and state.event.name for state in one]
    assert sum(state.event is not None for state in one) > 1
    for state, wanted in zip(many, one, strict=True):
        assert (state.time_s, state.name, state.nearest) == (wanted.time_s, wanted.name, wanted.nearest)
        np.testing.assert_allclose(state.share_E, wanted.share_E, atol=1e-5)
        assert state.confidence == pytest.approx(wanted.confidence, abs=1e-5)
