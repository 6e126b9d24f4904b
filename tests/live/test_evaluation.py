from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from cpep.checkpoints.checkpoint import save
from cpep.checkpoints.embed import embed_emg
from cpep.data.normalise import sessions
from cpep.data.splits import LeakError
from cpep.data.store.store import open_store
from cpep.data.windows import list_windows, touches
from cpep.evaluate.events import Event, Made, match
from cpep.experiments import live as evaluation
from cpep.experiments.live import Replayed, f1_of, replayed, scores, window_scores, with_interval
from cpep.experiments.live_scoring import LiveRequest, evaluate_live, people, shown_book
from cpep.live.book import build as making
from cpep.live.book.book import GestureBook
from cpep.live.book.build import book_of
from cpep.live.recogniser import Recogniser
from cpep.live.store_stream import embed_streamed, steps_of
from cpep.live.stream import EmgStream
from cpep.report.live import live_text
from cpep.types import UserError


@pytest.fixture(scope="module")
def model(untrained):
    return untrained("emg.bin_ms=50")


@pytest.fixture(scope="module")
def book(model, live_store):
    return book_of(model, live_store)


def test_a_book_is_of_training_poses_and_calibrated_on_validation_people_alone(model, live_store, live_split, book):
    names = [live_store.vocabulary[label] for label in live_split.seen]
    assert book.names == ("rest", *names)
    # with everybody else's data gone, the book is the same
    blind = open_store(live_store.path)
    emg_TC, anchor_MJ = np.array(blind.emg_TC), np.array(blind.anchor_MJ)
    for entry in blind.entries:
        if entry.user in live_split.users_test:
            rows = slice(entry.start, entry.start + entry.frames)
            emg_TC[entry.start * blind.ratio : (entry.start + entry.frames) * blind.ratio] = 7
            anchor_MJ[rows] = 0.3
    blind = dataclasses.replace(blind, emg_TC=emg_TC, anchor_MJ=anchor_MJ)
    other = book_of(model, blind)
    np.testing.assert_array_equal(other.vector_GD, book.vector_GD)
    np.testing.assert_array_equal(other.background.emg_ND, book.background.emg_ND)


def test_confidence_knows_no_emg_of_unseen_gestures(model, live_store, live_split, monkeypatch):
    chosen = []
    monkeypatch.setattr(making, "background_of", lambda model, store, windows: chosen.append(windows))
    book_of(model, live_store)
    (windows,) = chosen
    assert len(windows) > 20
    assert not touches(live_store, windows, live_split.unseen, live_split.guard_s).any()
    everything = list_windows(live_store, 1.0, 0.25)
    mine = everything.select(np.isin(everything.users(live_store), live_split.users_val))
    assert touches(live_store, mine, live_split.unseen, live_split.guard_s).sum() > 20  # there was something to leak


def test_a_gesture_nobody_has_is_refused(model, live_store):
    with pytest.raises(UserError, match="has no gesture 'wave'"):
        book_of(model, live_store, ("wave",))


def test_who_was_trained_on_is_never_replayed(model, live_store, live_split):
    assert people(model, live_store, ()) == live_split.users_test
    for user in (live_split.users_train[0], live_split.users_val[0]):
        with pytest.raises(UserError, match="took part in the training"):
            people(model, live_store, (user,))
    with pytest.raises(UserError, match="has no user nobody"):
        people(model, live_store, ("nobody",))


def test_leaks_are_asserted_not_assumed(model, live_store, live_split, monkeypatch):
    leaky = dict(model.card.split, users_test=live_split.users_train[:1], users_train=("other",))
    monkeypatch.setattr(type(model.card), "held_out", lambda card: Leaky(leaky, live_split.users_train))
    with pytest.raises(LeakError):
        people(model, live_store, ())


class Leaky:
    """A split in which a test user is a training user, which the real one refuses."""

    def __init__(self, plain, users_train):
        self.users_train, self.users_val = users_train, ("other",)
        self.users_test = plain["users_test"]


def test_a_wearing_is_one_stream_with_gaps(model, live_store):
    first, second = sessions(live_store)[0][:2]
    found = {(index, frame): step.x_D for index, frame, step in steps_of(model, live_store, (first, second))}
    stream, wanted = EmgStream(model), {}
    for index in (first, second):
        entry, base = live_store.entries[index], stream.sample
        rows = slice(entry.start * live_store.ratio, (entry.start + entry.frames) * live_store.ratio)
        for step in stream.push(live_store.emg_TC[rows]):
            wanted[index, (step.sample - base) // live_store.ratio] = step.x_D
        stream.lose(2000 + -stream.sample % 100)
    assert found.keys() == wanted.keys()
    for key, x_D in found.items():
        np.testing.assert_allclose(x_D, wanted[key], atol=1e-6)


def test_windows_of_a_stream_are_found_on_its_grid(model, live_store):
    windows = list_windows(live_store, 1.0, 0.25)
    windows = windows.select(np.isin(windows.entry_N, sessions(live_store)[0][:2]))
    x_ND = embed_streamed(model, live_store, windows, 0.25)
    alone_ND = embed_emg(model, live_store, windows).x_ND
    first_N = windows.entry_N == sessions(live_store)[0][0]
    np.testing.assert_allclose(x_ND[first_N], alone_ND[first_N], atol=1e-5)  # the first recording has no past
    assert np.abs(x_ND[~first_N] - alone_ND[~first_N]).max() > 1e-3  # the second one remembers it


def test_replays_are_the_recogniser_on_the_stream(model, live_store, live_split, book):
    indices = [i for i, entry in enumerate(live_store.entries) if entry.user in live_split.users_test][:2]
    runs = replayed(model, lambda user: book, live_store, indices)
    assert [run.user for run in runs] == [live_store.entries[i].user for i in indices]
    recogniser, events, times = Recogniser(book), [], {}
    for index, frame, step in steps_of(model, live_store, indices):
        event = recogniser.step(step).event
        if event:
            events.append((event.name, event.confidence))
            times.setdefault(index, []).append(frame / 100)
    told = [event for run in runs for event in run.matched.told]
    assert [event.name for event in told] == [name for name, _ in events]
    np.testing.assert_allclose([event.confidence for event in told], [sure for _, sure in events], atol=1e-5)
    for index, run in zip(indices, runs, strict=True):
        assert [e.time_s for e in run.matched.told] == pytest.approx(times.get(index, []))
        assert len(run.made_N) == len(run.named_N) == len(run.told_N)
        assert set(run.told_N) <= {*book.names, "unknown"}
        assert "rest" not in run.named_N


def told(user, names, pure=True, right=True):
    made = tuple(Made(4.0 * k, 4.0 * k + 2, name) for k, name in enumerate(names))
    events = [Event(one.start_s + 1, one.name if right else "other", 0.8) for one in made]
    answer_N = np.array(names if right else ["unknown"] * len(names))
    rests = [(one.stop_s, one.stop_s + 2) for one in made]
    return Replayed(user, match(made, events, rests), pure, np.array(names), np.array(names), answer_N)


def test_scores_of_known_replays(monkeypatch):
    monkeypatch.setattr(evaluation, "DRAWS", 50)
    runs = [told("a", ["fist", "ok"]), told("b", ["fist", "ok"], right=False), told("a", ["wave"], pure=False)]
    found = scores(runs, ("fist", "ok"))
    assert found["f1"]["mean"] == pytest.approx(2 * 1 / (1 + 2), abs=1e-4)  # of each: 1 right, 1 told, 2 made
    assert found["f1"]["low"] == 0.0
    assert found["f1"]["high"] == 1.0
    assert found["latency_s"] == {"p50": 1.0, "p90": 1.0}
    assert found["false_events_per_minute_of_rest"]["mean"] == 0
    assert found["rejected"]["mean"] == 0
    assert found["confusion"]["counts"] == [[1, 0, 1], [0, 1, 1]]
    assert found["calibration"]["ece"] == pytest.approx(abs(0.8 - 0.5))
    assert found["people"] == 2


def test_intervals_draw_people_and_not_recordings():
    runs = [told("a", ["fist"]) for _ in range(50)] + [told("b", ["fist"], right=False)]
    spread = with_interval(runs, lambda some: f1_of(some, ("fist",)))
    assert spread["low"] == 0.0
    assert spread["high"] == 1.0


def test_windows_are_scored_as_the_book_answers():
    runs = [told("a", ["fist", "ok"]), told("b", ["fist", "ok"], right=False), told("c", ["wave"], pure=False)]
    assert window_scores(runs, ("fist", "ok")) == {"named": 1.0, "told": 0.5}


def test_evaluate_live_writes_its_results_and_page(model, live_store, book, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "DRAWS", 20)
    save(model, tmp_path / "checkpoint")
    book.save(tmp_path / "my.book")
    said = []
    request = LiveRequest(tmp_path / "checkpoint", tmp_path / "my.book", live_store.path, tmp_path / "out")
    results = evaluate_live(request, said.append)
    written = json.loads((tmp_path / "out" / "live.json").read_text())
    assert written == json.loads(json.dumps(results))
    assert set(written["run"]) >= {"command", "git", "machine", "seconds"}
    page = (tmp_path / "out" / "live.html").read_text()
    assert "F1 of events" in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_recordings_that_all_hold_more_than_the_book_are_scored(model, live_store, book, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "DRAWS", 20)
    save(model, tmp_path / "checkpoint")
    point = book.copy()
    for name in point.names:
        if name not in ("rest", "point"):  # no recording has pointing alone
            point.remove(name)
    point.save(tmp_path / "point.book")
    request = LiveRequest(tmp_path / "checkpoint", tmp_path / "point.book", live_store.path, tmp_path / "out")
    results = evaluate_live(request)
    assert results["windows"] == {"named": None, "told": None}
    assert "-" in live_text(results)


def test_results_of_another_run_are_not_overwritten(model, live_store, book, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "DRAWS", 20)
    save(model, tmp_path / "checkpoint")
    for name in ("my.book", "other.book"):
        book.save(tmp_path / name)
    first, other = (
        LiveRequest(tmp_path / "checkpoint", tmp_path / name, live_store.path, tmp_path / "out")
        for name in ("my.book", "other.book")
    )
    evaluate_live(first)
    with pytest.raises(UserError, match="holds another run"):
        evaluate_live(other)
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "live.json").write_text("mine")
    with pytest.raises(UserError, match="holds no run of cpep"):
        evaluate_live(dataclasses.replace(first, out=tmp_path / "diary"))


def test_data_that_hold_nothing_of_the_book_are_a_sentence(model, live_store, book, tmp_path):
    save(model, tmp_path / "checkpoint")
    other = book.copy()
    for name in other.names[1:]:
        other.remove(name)
    other.add("wave", np.zeros(20))
    other.save(tmp_path / "other.book")
    request = LiveRequest(tmp_path / "checkpoint", tmp_path / "other.book", live_store.path, tmp_path / "out")
    with pytest.raises(UserError, match="nobody makes a gesture of the book"):
        evaluate_live(request)
    everywhere = LiveRequest(tmp_path / "checkpoint", None, live_store.path, tmp_path / "out", shots=2, shown="user")
    with pytest.raises(UserError, match="no recording is left"):
        evaluate_live(everywhere)


def relabelled(store, users, change, rename=None):
    """Return the store with other labels for some people; with ``rename`` every other recording, then of that one."""
    label_M, entries = np.array(store.label_M), []
    for index, entry in enumerate(store.entries):
        own = slice(entry.start, entry.start + entry.frames)
        if entry.user in users and (index % 2 or not rename):
            label_M[own] = change(label_M[own])
            entry = dataclasses.replace(entry, user=rename or entry.user)
        entries.append(entry)
    return dataclasses.replace(store, label_M=label_M, prompt_M=label_M, entries=tuple(entries))


def to_rest(label_M):
    return np.minimum(label_M, 0)


@pytest.fixture
def unreplayed(model, live_store, book, tmp_path, monkeypatch):
    """Return a function that evaluates on a store and gives what was said until people are replayed."""
    save(model, tmp_path / "checkpoint")
    book.save(tmp_path / "my.book")
    said = []

    def evaluated(store, **asked):
        monkeypatch.setattr("cpep.experiments.live_scoring.prepared", lambda *_: store)
        monkeypatch.setattr("cpep.experiments.live_scoring.replayed", lambda *_, **__: said.append("replayed") or [])
        monkeypatch.setattr("cpep.experiments.live_scoring.scores", lambda *_: {})
        monkeypatch.setattr("cpep.experiments.live_scoring.write_live_report", lambda *_: None)
        own = {"book": tmp_path / "my.book"} | asked
        evaluate_live(LiveRequest(tmp_path / "checkpoint", data=store.path, out=tmp_path / "out", **own), said.append)

    return evaluated, said


def test_that_nobody_makes_a_gesture_of_the_book_is_known_before_the_replay(unreplayed, live_store, live_split):
    evaluated, said = unreplayed
    with pytest.raises(UserError, match="nobody makes a gesture of the book; made are none"):
        evaluated(relabelled(live_store, live_split.users_test, to_rest))
    assert "replayed" not in said


def test_who_makes_no_gesture_of_the_book_is_said_before_the_replay(unreplayed, live_store, live_split):
    evaluated, said = unreplayed
    evaluated(
        relabelled(live_store, live_split.users_test, to_rest, rename="zoe"), users=(*live_split.users_test, "zoe")
    )
    lacks = "user zoe: no gesture of the book; scored on false events and rejection alone"
    assert said[-2:] == [lacks, "replayed"]


def test_who_shows_nothing_is_known_before_books_are_made(unreplayed, live_store, live_split, monkeypatch):
    evaluated, _ = unreplayed
    monkeypatch.setattr(
        "cpep.experiments.live_scoring.background_of", lambda *_: pytest.fail("something was embedded")
    )
    nothing = relabelled(live_store, live_split.users_test, lambda label_M: np.full_like(label_M, -1), rename="zoe")
    with pytest.raises(UserError, match=r"recordings of user zoe with 's0' in their names have no labelled window"):
        evaluated(nothing, book=None, shots=2, shown="s0", users=(*live_split.users_test, "zoe"))


def test_validation_people_with_rest_alone_calibrate_no_book_of_shown_gestures(model, live_store, live_split):
    (user,) = live_split.users_test
    with pytest.raises(
        UserError, match=r"validation users \(user_01, user_02\).* no labelled window of 1 s but of rest"
    ):
        shown_book(model, relabelled(live_store, live_split.users_val, to_rest), user, 2, "Grasp")


def test_validation_people_with_unseen_gestures_alone_calibrate_no_book(model, live_store, live_split):
    unseen = relabelled(live_store, live_split.users_val, lambda label_M: np.full_like(label_M, live_split.unseen[0]))
    with pytest.raises(UserError, match=r"validation users \(user_01, user_02\).* away from unseen gestures"):
        book_of(model, unseen)


def test_a_book_of_gestures_that_validation_people_do_not_make_is_reported(monkeypatch):
    monkeypatch.setattr(evaluation, "DRAWS", 20)
    events = scores([told("a", ["fist"])], ("fist",))
    results = {
        "events": events,
        "windows": {"named": 1.0, "told": 1.0},
        "book": {"false_alarms": 0.4, "accepted": None},
    }
    lines = [line.split() for line in live_text(results).splitlines()]
    assert ["windows", "accepted,", "outside", "0.400"] in [line[:4] for line in lines]
    assert ["windows", "accepted,", "inside", "-"] in [line[:4] for line in lines]


@pytest.mark.parametrize(
    ("settings", "grid"), [((), 0.25), (("data.window_s=0.6", "emg.bin_ms=50"), 0.2), (("emg.bin_ms=20",), 0.2)]
)
def test_windows_of_any_length_lie_on_the_grid_of_a_stream(untrained, live_store, settings, grid):
    model = untrained(*settings)
    assert making.grid_s(model) == pytest.approx(grid)
    windows = list_windows(live_store, model.card.window_s, grid)
    assert len(embed_streamed(model, live_store, windows.select(np.arange(9)), grid)) == 9


def test_a_person_shows_some_windows_and_the_others_calibrate(model, live_store, live_split):
    (user,) = live_split.users_test
    book = shown_book(model, live_store, user, 3, "Grasp")
    assert set(book.names) <= {"rest", "fist", "spread", "claw", "thumb_up", "point"}
    assert {len(entry.vector_GD) for entry in book.entries} <= {1, 2, 3}
    assert isinstance(book, GestureBook)
    with pytest.raises(UserError, match="no recording with 'Nothing'"):
        shown_book(model, live_store, user, 3, "Nothing")
