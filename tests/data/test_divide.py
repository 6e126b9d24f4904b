from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cpep.data.splits import declared
from cpep.data.store.divide import Span, divide, division_of, leaking, made_in, parts_of
from cpep.data.store.prepare import prepare
from cpep.data.store.store import Entry, open_store

RATE, GUARD_S = 100, 0.5
SIDECAR = {
    "emg": {"field": "emg"},
    "rate": RATE,
    "kind": "envelope",
    "unit": "count",
    "pose": {"field": "pose", "unit": "rad"},
    "label": {"field": "label", "names": {str(k): name for k, name in enumerate(("rest", "fist", "ok", "point"))}},
    "prompt": "prompt",
    "user": "ann",
}


def labels_of(order, hold=150, rest=120):
    """Gestures with rest before and after each; the prompt begins earlier and ends later than the label."""
    label = np.concatenate([np.zeros(rest, int), *(np.repeat([g, 0], [hold, rest]) for g in order)])
    prompt = np.maximum(label, np.maximum(np.roll(label, -20), np.roll(label, 20)))
    return label, prompt


def write(folder, sessions, poison=()):
    """Write one recording a session; what ``poison`` names (session, execution) is told by EMG and pose of 1e4."""
    folder.mkdir(parents=True)
    for number, order in enumerate(sessions):
        label, prompt = labels_of(order)
        rng = np.random.default_rng(number)
        emg, pose = rng.random((len(label), 4)), rng.random((len(label), 2))
        edges = np.flatnonzero(np.diff((prompt > 0).astype(int)))
        for session, execution in poison:
            if session == number:
                first, stop = edges[2 * execution] + 1, edges[2 * execution + 1] + 1
                emg[first:stop], pose[first:stop] = 1e4, 1e4
        np.savez(folder / f"s{number}.npz", emg=emg, pose=pose, label=label, prompt=prompt)
        (folder / f"s{number}.json").write_text(json.dumps({**SIDECAR, "session": f"day{number}"}))
    return folder


def rows_of(store, part):
    return np.concatenate([
        np.hstack([store.emg_TC[e.start : e.start + e.frames], store.anchor_MJ[e.start : e.start + e.frames]])
        for e in store.entries if e.user.endswith(part)
    ])  # fmt: skip


ROUNDS = [1, 2, 3] * 5
TESTED = [(0, k) for k in range(12, 15)]


def test_repetitions_become_people_of_their_own(tmp_path):
    store = prepare(write(tmp_path / "raw", [ROUNDS]), tmp_path / "store")
    division = division_of(store, GUARD_S)
    assert [set(division.count(part).values()) for part in ("train", "val", "test")] == [{3}, {1}, {1}]
    divided = divide(store, division, tmp_path / "divided")
    assert divided.users == ("ann~test", "ann~train", "ann~val")
    assert declared(divided) == {"ann~train": "train", "ann~val": "val", "ann~test": "test"}
    assert divided.seconds > store.seconds - 3
    again = divide(store, division, tmp_path / "divided")
    assert again.fingerprint == divided.fingerprint == open_store(tmp_path / "divided").fingerprint


def test_nothing_of_a_test_repetition_is_in_training_or_validation(tmp_path):
    """Whatever is done in a test repetition, all that training and validation read stays the same to the bit."""
    found = []
    for name, poison in (("clean", ()), ("planted", TESTED)):
        store = prepare(write(tmp_path / name, [ROUNDS], poison), tmp_path / f"{name}.store")
        divided = divide(store, division_of(store, GUARD_S), tmp_path / f"{name}.divided")
        found.append(divided)
    clean, planted = found
    for part in ("train", "val"):
        np.testing.assert_array_equal(rows_of(clean, part), rows_of(planted, part))
        for one, other in zip(clean.entries, planted.entries, strict=True):
            blocks = slice(one.power_start, one.power_start + one.power_blocks)
            assert one.user == other.user
            if one.user.endswith(part):
                np.testing.assert_array_equal(clean.power_KC[blocks], planted.power_KC[blocks])
    assert rows_of(planted, "test").max() == 1e4  # it was planted


def test_a_planted_leak_is_found(tmp_path):
    store = prepare(write(tmp_path / "raw", [ROUNDS]), tmp_path / "store")
    division = division_of(store, GUARD_S)
    assert not leaking(store, division).any()
    longer = tuple(replace(s, stop=s.stop + 70) if s.part == "train" else s for s in division.spans)
    for wrong in (
        replace(division, spans=longer),
        replace(division, spans=(*division.spans, Span(0, 10, 20, "val"))),
        replace(division, parts=("test", *division.parts[1:])),
    ):  # fmt: skip
        assert leaking(store, wrong).any()
        with pytest.raises(AssertionError, match="held-out repetition"):
            divide(store, wrong, tmp_path / "divided")
    assert not (tmp_path / "divided").exists()


def test_the_last_session_with_known_gestures_is_held_out_as_a_whole(tmp_path):
    store = prepare(write(tmp_path / "raw", [ROUNDS, [1, 2, 1, 2], [3]]), tmp_path / "store")
    division = division_of(store, GUARD_S)
    assert division.count("later") == {1: 2, 2: 2, 3: 1}
    assert division.count("test") == {1: 1, 2: 1, 3: 1}
    divided = divide(store, division, tmp_path / "divided")
    assert {e.session for e in divided.entries if e.user == "ann~later"} == {"day1", "day2"}
    assert declared(divided)["ann~later"] == "test"


def test_recordings_without_labels_are_divided_by_time():
    store = fake_store(np.full(9000, -1), np.full(9000, -1))
    assert [(s.part, s.start, s.stop) for s in division_of(store, GUARD_S).spans] == [
        ("train", 0, 5800),
        ("val", 5850, 7150),
        ("test", 7200, 9000),
    ]
    assert [s.part for s in division_of(fake_store(*[np.full(900, -1)] * 2), GUARD_S).spans] == ["train"]


def fake_store(label_M, prompt_M):
    entry = Entry("a", "ann", "one", "x", "right", 0, len(label_M), 0, 0)
    return SimpleNamespace(entries=(entry,), label_M=label_M, prompt_M=prompt_M, frame_rate=100.0)


@pytest.mark.parametrize("seed", range(8))
def test_distance_from_other_parts_against_a_slow_oracle(seed):
    rng = np.random.default_rng(seed)
    order, lengths = rng.integers(0, 4, 60), rng.integers(5, 90, 60)
    label_M = np.repeat(order, lengths)
    prompt_M = np.where(rng.random() < 0.5, np.roll(label_M, 13), label_M)
    store = fake_store(label_M, prompt_M)
    division = division_of(store, 0.3)
    whose = {}
    for one, part in zip(division.made, division.parts, strict=True):
        whose |= dict.fromkeys(range(one.start, one.stop), part)
    taken = set()
    for span in division.spans:
        for frame in range(span.start, span.stop):
            assert frame not in taken
            taken.add(frame)
            if span.part in ("train", "val"):
                near = {whose.get(other) for other in range(frame - 29, frame + 29)} - {None}
                assert near <= {span.part}
    gestures = (label_M > 0) | (prompt_M > 0)
    assert all(frame in whose for frame in np.flatnonzero(gestures))


def test_runs_of_one_gesture_that_are_close_are_one_execution():
    label_M = np.repeat([0, 1, 0, 1, 0, 1, 2], [50, 40, 20, 40, 80, 40, 40])
    found = made_in(fake_store(label_M, label_M), 0, GUARD_S)
    assert [(one.start, one.stop, one.label) for one in found] == [(50, 150, 1), (230, 270, 1), (270, 310, 2)]


def test_a_hold_that_was_made_again_is_no_repetition_and_goes_with_the_one_before():
    prompt_M = np.repeat([0, 1] * 4 + [0], 100)
    label_M = prompt_M.copy()
    label_M[300:400] = -1  # the second of four
    division = division_of(fake_store(label_M, prompt_M), GUARD_S)
    assert [one.shown for one in division.made] == [True, False, True, True]
    assert division.parts == ("train", "train", "val", "test")
    assert division.count("train") == {1: 1}


@pytest.mark.parametrize("count", range(1, 30))
def test_every_repetition_has_a_part_and_three_are_enough_for_all(count):
    parts = parts_of(count)
    assert len(parts) == count and parts[0] == "train"
    assert parts == sorted(parts, key=("train", "val", "test").index)
    if count >= 3:
        assert set(parts) == {"train", "val", "test"} and parts.count("train") >= count / 3
