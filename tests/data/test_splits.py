import dataclasses

import numpy as np
import pytest

from cpep.data.splits import LeakError, Split, gesture_labels, make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows
from cpep.types import UserError
from tests.synthetic import write_db1

UNSEEN = ("3", "6", "9", "12")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    return prepare(write_db1(folder / "raw", users=8), folder / "store")


@pytest.fixture(scope="module")
def split(store):
    return make_splits(store, unseen=UNSEEN)[0]


def test_folds_test_everybody_once_and_roles_are_disjoint(store):
    splits = make_splits(store, folds=4, unseen=UNSEEN)
    tested = [user for split in splits for user in split.users_test]
    assert sorted(tested) == sorted(store.users)
    for split in splits:
        everybody = [*split.users_train, *split.users_val, *split.users_test]
        assert sorted(everybody) == sorted(store.users)


def test_folds_do_not_depend_on_the_order_of_users(store):
    shuffled = dataclasses.replace(store, entries=store.entries[::-1])
    assert make_splits(store, folds=4, unseen=UNSEEN) == make_splits(shuffled, folds=4, unseen=UNSEEN)


def test_validation_is_two_people_or_a_tenth(split):
    assert len(split.users_val) == 2


def test_named_users_win(store):
    (split,) = make_splits(store, test_users=["1", "4"], val_users=["2"], unseen=UNSEEN)
    assert split.users_test == ("1", "4") and split.users_val == ("2",)
    assert split.users_train == ("3", "5", "6", "7", "8")


def test_the_metadata_split_wins_where_there_is_one(store):
    roles = dict(zip(store.users, ["train"] * 4 + ["val"] * 2 + ["test"] * 2, strict=True))
    entries = tuple(dataclasses.replace(entry, split=roles[entry.user]) for entry in store.entries)
    (split,) = make_splits(dataclasses.replace(store, entries=entries), unseen=UNSEEN)
    assert {user: role for role in ("train", "val", "test") for user in split.users(role)} == roles


def test_a_user_in_two_roles_is_refused():
    with pytest.raises(UserError, match="user b is both a training and a test user"):
        Split(("a", "b"), ("c",), ("b",), (1,), (2,), 0.5)
    with pytest.raises(UserError, match="no validation user"):
        Split(("a",), (), ("b",), (1,), (2,), 0.5)
    with pytest.raises(UserError, match="both seen and unseen"):
        Split(("a",), ("c",), ("b",), (1, 2), (2,), 0.5)


def test_training_windows_never_touch_an_unseen_gesture(store, split):
    windows = list_windows(store, 2.0, 0.25)
    train = split.allowed(store, windows, "train")
    assert len(train)
    split.refuse_leak(store, train, "train")
    covered = np.concatenate([np.arange(s, s + train.frames) for s in train.start_N])
    assert not np.isin(store.label_M[covered], split.unseen).any()
    assert not np.isin(store.prompt_M[covered], split.unseen).any()
    assert set(train.users(store)) == set(split.users_train)


@pytest.mark.parametrize("which", ["label", "prompt"])
def test_a_planted_unseen_window_is_refused(store, split, which):
    """A window that only its label, or only its prompt, gives away."""
    windows = list_windows(store, 2.0, 0.25)
    train = split.allowed(store, windows, "train")
    frame = train.start_N[0] + 10
    planted = np.array(getattr(store, f"{which}_M"))
    planted[frame] = split.unseen[0]
    leaky = dataclasses.replace(store, **{f"{which}_M": planted})
    with pytest.raises(LeakError, match="middle_flexion"):
        split.refuse_leak(leaky, train, "train")


def test_a_planted_test_user_is_refused(store, split):
    windows = list_windows(store, 2.0, 0.25)
    train = split.allowed(store, windows, "train")
    name = split.users_test[0]
    entries = list(store.entries)
    entries[train.entry_N[0]] = dataclasses.replace(entries[train.entry_N[0]], user=name)
    with pytest.raises(LeakError, match=name):
        split.refuse_leak(dataclasses.replace(store, entries=tuple(entries)), train, "train")


def test_test_users_have_no_training_windows(store, split):
    windows = list_windows(store, 2.0, 0.25)
    with pytest.raises(LeakError):
        split.allowed(store, windows, "test")


def test_gestures_go_by_name_or_number_and_a_typo_names_the_nearest(store):
    assert gesture_labels(store, ["3", "middle_flexion", "thumb_adduction"]) == (3, 9)
    with pytest.raises(UserError, match="did you mean thumb_adduction"):
        gesture_labels(store, ["thumb_aduction"])
    for number in ("13", "0"):
        with pytest.raises(UserError, match=rf"no gesture '{number}'.*from 1 \(index_flexion\) to 12 \(thumb_ext"):
            gesture_labels(store, [number])
    with pytest.raises(UserError, match=r"no gesture '²'.*did you mean"):
        gesture_labels(store, ["²"])


def test_an_unknown_user_is_a_sentence(store):
    with pytest.raises(UserError, match="no user '99'"):
        make_splits(store, test_users=["99"], unseen=UNSEEN)


def test_pose_that_is_read_later_may_not_touch_an_unseen_gesture(store):
    """Windows whose EMG ends well before an unseen gesture, but whose pose does not."""
    (split,) = make_splits(store, unseen=("3",), guard_s=0.0)
    windows = list_windows(store, 0.5, 0.05, lag_frames=60)
    kept = split.allowed(store, windows, "train")
    late = np.concatenate([np.arange(start, start + 50 + 60) for start in kept.start_N])
    assert len(kept) and 3 not in store.label_M[late] and 3 not in store.prompt_M[late]
    whole = windows.select(np.isin(windows.users(store), split.users_train))
    emg_alone = np.array(
        [3 not in store.label_M[s : s + 50] and 3 not in store.prompt_M[s : s + 50] for s in whole.start_N]
    )
    assert emg_alone.sum() > len(kept)  # EMG alone would let some through
    with pytest.raises(LeakError, match="touch unseen gestures"):
        split.refuse_leak(store, whole.select(emg_alone), "train")
