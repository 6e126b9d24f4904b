import dataclasses

import numpy as np
import pytest

from cpep.data.splits import LeakError, Split, gesture_labels, make_splits
from cpep.data.store.prepare import prepare
from cpep.data.windows import list_windows, touches
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


def test_too_few_people_are_told_what_to_do(store):
    few = [
        dataclasses.replace(store, entries=[one for one in store.entries if one.user in who]) for who in ("123", "1")
    ]
    with pytest.raises(UserError, match=r"of 3 people, .* with 3 name them: --test-users \d --val-users \d"):
        make_splits(few[0])
    with pytest.raises(
        UserError, match=r"of 1 person, .* 4 or more are needed; for a model of one's own arm: cpep train"
    ):
        make_splits(few[1])


def test_the_metadata_split_wins_where_there_is_one(store):
    roles = dict(zip(store.users, ["train"] * 4 + ["val"] * 2 + ["test"] * 2, strict=True))
    entries = tuple(dataclasses.replace(entry, split=roles[entry.user]) for entry in store.entries)
    (split,) = make_splits(dataclasses.replace(store, entries=entries), unseen=UNSEEN)
    assert {user: role for role in ("train", "val", "test") for user in split.users(role)} == roles


ROLES = ("train", "val")
ONE_EACH = {"1": "train", "2": "train", "3": "train", "4": "train", "5": "val", "6": "val", "7": "test", "8": "test"}


def given(store, splits, users=None):
    """Return the store with these splits of its recordings, by the number in the name; perhaps other users, too."""
    entries = [
        dataclasses.replace(entry, split=splits[entry.name[1]], user=(users or {}).get(entry.name[1], entry.user))
        for entry in store.entries
    ]
    return dataclasses.replace(store, entries=tuple(entries))


def starts(split, store, role):
    windows = split.allowed(store, list_windows(store, 2.0, 0.25), role)
    split.refuse_leak(store, windows, role)
    return windows.start_N.tolist()


@pytest.mark.parametrize(
    "splits",
    [
        ONE_EACH,
        dict.fromkeys("12345678", "train"),
        dict.fromkeys("12345678", "test"),
        ONE_EACH | {"7": "train", "8": "val"},
        ONE_EACH | {"4": ""},
    ],
    ids=["complete", "train", "test", "nobody to test", "a recording without"],
)
@pytest.mark.parametrize(
    "asked", [{"folds": 4}, {"folds": 2}, {"test_users": "1"}, {"test_users": ("7", "1"), "val_users": ("8", "2")}]
)
def test_people_and_folds_that_are_asked_for_win_over_the_split_column(store, splits, asked):
    other = given(store, splits)
    for with_column, without in zip(
        make_splits(other, unseen=UNSEEN, **asked), make_splits(store, unseen=UNSEEN, **asked), strict=True
    ):
        assert with_column == without and not with_column.by_column
        for role in ROLES:
            assert starts(with_column, other, role) == starts(without, store, role) != []
            people = {
                other.entries[k].user for k in with_column.allowed(other, list_windows(other, 2, 1), role).entry_N
            }
            assert people == set(with_column.users(role))  # nobody of them is left out


@pytest.mark.parametrize(
    "splits", [dict.fromkeys("12345678", "train"), ONE_EACH | {"7": "train", "8": "val"}, ONE_EACH | {"4": ""}]
)
@pytest.mark.parametrize("asked", [{}, {"val_users": ("3",)}])
def test_a_split_column_that_cannot_divide_people_takes_no_recording_away(store, splits, asked):
    other = given(store, splits)
    assert make_splits(other, unseen=UNSEEN, **asked) == make_splits(store, unseen=UNSEEN, **asked)
    (split,) = make_splits(other, unseen=UNSEEN, **asked)
    for role in ROLES:
        assert starts(split, other, role) == starts(split, store, role) != []


@pytest.fixture(scope="module")
def held_out(store):
    """Four people of two recordings each; the second of two training people is held out, as a stage is."""
    users = {number: "aabbccdd"[int(number) - 1] for number in "12345678"}
    return given(store, ONE_EACH | {"2": "test"}, users)


@pytest.mark.parametrize("asked", [{}, {"unseen": UNSEEN}, {"val_users": "c"}, {"val_users": "c", "unseen": UNSEEN}])
def test_the_column_holds_out_people_and_recordings_where_neither_people_nor_folds_are_asked_for(held_out, asked):
    (split,) = make_splits(held_out, **asked)
    assert split.by_column
    assert (split.users_train, split.users_val, split.users_test) == (("a", "b"), ("c",), ("d",))
    windows = list_windows(held_out, 2.0, 0.25)
    found = {
        role: {held_out.entries[k].name[1] for k in split.allowed(held_out, windows, role).entry_N} for role in ROLES
    }
    assert found == {"train": {"1", "3", "4"}, "val": {"5", "6"}}
    tested = split.evaluated(held_out, windows, "test", split.seen)
    assert {held_out.entries[k].name[1] for k in tested.entry_N} == {"7", "8"}


def test_validation_people_who_are_named_keep_the_recordings_that_are_not_held_out(held_out):
    (split,) = make_splits(held_out, val_users=("a",), unseen=UNSEEN)
    assert (split.users_train, split.users_val, split.users_test) == (("b", "c"), ("a",), ("d",))
    windows = list_windows(held_out, 2.0, 0.25)
    found = {
        role: {held_out.entries[k].name[1] for k in split.allowed(held_out, windows, role).entry_N} for role in ROLES
    }
    assert found == {"train": {"3", "4", "5", "6"}, "val": {"1"}}


def test_a_gesture_of_held_out_recordings_alone_is_not_called_seen(held_out):
    label = np.array(held_out.label_M)
    for entry in held_out.entries:
        own = slice(entry.start, entry.start + entry.frames)
        label[own] = np.where(label[own] == 5, 1 if entry.split == "train" else 5, label[own])
    store = dataclasses.replace(held_out, label_M=label)
    (by_column,) = make_splits(store, unseen=UNSEEN)
    (named,) = make_splits(store, unseen=UNSEEN, test_users=("d",))
    assert set(named.seen) - set(by_column.seen) == {5} and 5 not in by_column.unseen
    assert 5 in make_splits(store, unseen=(*UNSEEN, "5"))[0].unseen


def test_a_planted_recording_that_is_held_out_is_refused(held_out):
    (split,) = make_splits(held_out, unseen=UNSEEN)
    windows = list_windows(held_out, 2.0, 0.25)
    planted = windows.select(np.array([held_out.entries[k].name[1] == "2" for k in windows.entry_N]))
    planted = planted.select(~touches(held_out, planted, split.unseen, split.guard_s))
    with pytest.raises(LeakError, match="S2_A1_E1 is held out"):
        split.refuse_leak(held_out, planted, "train")
    assert len(planted) and not len(split.allowed(held_out, planted, "train"))  # none is left, and none is no error


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
