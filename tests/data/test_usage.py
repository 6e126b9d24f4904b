"""What is used of recordings and what is left out, in recordings and seconds that are counted by hand."""

import dataclasses

import numpy as np
import pytest

from cpep.data.amounts import Amount, Usage
from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from cpep.data.usage import covered, used_in_pairs, used_in_test, used_in_training
from cpep.data.windows import list_windows
from tests.synthetic import write_db1

WHOLE_S = 1.5 + 12 * 4.5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Eight recordings of 55.5 s; four people of two each, as the numbers in the names go."""
    folder = tmp_path_factory.mktemp("usage")
    made = prepare(write_db1(folder / "raw", users=8), folder / "store")
    entries = [dataclasses.replace(entry, user="aabbccdd"[int(entry.name[1]) - 1]) for entry in made.entries]
    return dataclasses.replace(made, entries=tuple(entries))


def changed(store, number, **arrays):
    """Return the store with other values in some frames of the recording of a number: name=(first, last, value)."""
    (entry,) = (entry for entry in store.entries if entry.name[1] == number)
    new = {}
    for name, (first, last, value) in arrays.items():
        new[name] = np.array(getattr(store, name))
        new[name][entry.start + first : entry.start + last] = value
    return dataclasses.replace(store, **new)


def split_of(store, **asked):
    return make_splits(store, **{"test_users": ("d",), "val_users": ("c",), "unseen": ("12", "11")} | asked)[0]


def in_training(store, split, role="train", window_s=2.0):
    windows = list_windows(store, window_s, 0.25)
    return used_in_training(store, split, windows, split.allowed(store, windows, role), role)


def test_what_windows_cover_is_counted_once(store):
    windows = list_windows(store, 2.0, 0.25)
    assert covered(store, windows) == Amount(8, pytest.approx(8 * WHOLE_S))
    first = windows.select(np.array([0, 1, 40]))  # 0 to 2.25 s, and 10 to 12 s
    assert covered(store, first) == Amount(1, pytest.approx(4.25))
    assert covered(store, windows.select(np.zeros(0, int))) == Amount(0, 0.0)


def test_of_training_the_neighbourhood_of_unseen_gestures_is_left_out(store):
    found = in_training(store, split_of(store))
    near_s = 4 * (3 + 1.5 + 3 + 1.5 + 0.5)  # gestures 11 and 12 with the rest about them, and half a second before
    assert found.whole == Amount(4, pytest.approx(4 * WHOLE_S))
    ((why, lost),) = found.left_out
    assert why == "within 0.5 s of an unseen gesture" and lost.recordings == 0
    assert lost.seconds == pytest.approx(near_s, abs=4 * 0.5)  # a window in steps of a quarter of a second
    assert found.used == Amount(4, pytest.approx(4 * WHOLE_S - lost.seconds))


def test_recordings_of_another_split_and_short_ones_are_left_out_whole(store):
    splits = {"1": "train", "2": "test", "3": "train", "4": "train", "5": "val", "6": "val", "7": "test", "8": "test"}
    entries = [dataclasses.replace(entry, split=splits[entry.name[1]]) for entry in store.entries]
    by_column = dataclasses.replace(store, entries=tuple(entries))
    (split,) = make_splits(by_column, unseen=("12", "11"))
    found = in_training(by_column, split)
    assert found.left_out[0] == ("of another split in metadata.csv", Amount(1, pytest.approx(WHOLE_S)))
    assert found.used.recordings == 3
    assert "  left out: 0.015 h (1 recording) of another split in metadata.csv" in found.without

    short = tuple(dataclasses.replace(e, frames=150) if e.name[1] == "1" else e for e in store.entries)
    found = in_training(dataclasses.replace(store, entries=short), split_of(store))
    assert found.left_out[0] == ("too short for a window", Amount(1, pytest.approx(1.5)))


def test_of_test_people_rest_and_what_nobody_asks_is_left_out(store):
    split = dataclasses.replace(split_of(store), seen=tuple(range(2, 11)))  # the first gesture is neither
    lost = changed(store, "7", valid_M=(600, 900, False), label_M=(4000, 4300, -1))
    found = used_in_test(lost, split, list_windows(lost, 2.0, 0.25))
    left = dict(found.left_out)
    assert set(left) == {
        "without valid pose",
        "without one label for a whole window",
        "of gestures that are neither seen nor unseen",
    }
    assert left["without valid pose"].seconds == pytest.approx(3, abs=0.5)
    assert left["of gestures that are neither seen nor unseen"].seconds == pytest.approx(2 * 3, abs=1)
    assert found.used.seconds == pytest.approx(2 * 11 * 3 - 3 - 3, abs=11)  # less what a window in steps misses
    assert found.used.seconds + sum(one.seconds for one in left.values()) == pytest.approx(2 * WHOLE_S)


def test_rest_alone_is_a_whole_recording_left_out(store):
    label_M, prompt_M = np.array(store.label_M), np.array(store.prompt_M)
    for entry in store.entries:
        if entry.user == "d":
            label_M[entry.start : entry.start + entry.frames] = prompt_M[entry.start : entry.start + entry.frames] = 0
    bare = dataclasses.replace(store, label_M=label_M, prompt_M=prompt_M)
    found = used_in_test(bare, split_of(store), list_windows(bare, 2.0, 0.25))
    assert found.used == Amount(0, 0.0)
    assert found.left_out == (("of rest", Amount(2, pytest.approx(2 * WHOLE_S))),)


def test_pairs_are_what_training_may_use_with_pose_and_without_rest(store):
    windows = list_windows(store, 1.0, 0.25)
    chosen = windows.select(windows.valid_N & (windows.label_N != 0))
    found = used_in_pairs(store, windows, chosen, rest=False)
    assert [why for why, _ in found.left_out] == ["of rest"] and found.used == covered(store, chosen)
    third = chosen.select(np.arange(0, len(chosen), 9))
    assert [why for why, _ in used_in_pairs(store, windows, third, rest=False).left_out] == [
        "of rest",
        "beyond align.pairs",
    ]
    assert used_in_pairs(store, windows, windows, rest=True).left_out == ()


def test_it_is_said_in_recordings_and_hours_and_little_things_are_not_said():
    usage = Usage(
        Amount(1250, 903600.0),
        Amount(1000, 720000.0),
        (("too short", Amount(3, 1.0)), ("ends", Amount(0, 60.0)), ("far", Amount(247, 180000.0))),
    )
    assert usage.text == "1,000 of 1,250 recordings, 200.0 of 251.0 h"
    assert usage.without == [
        "  left out: 0.00028 h (3 recordings) too short",
        "  left out: 50.0 h (247 recordings) far",
    ]
