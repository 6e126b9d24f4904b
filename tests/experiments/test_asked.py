"""Who lacks which gestures: what is asked all the same, and what is refused before anything is trained."""

import dataclasses

import numpy as np
import pytest

from cpep.data.windows import list_windows
from cpep.experiments.asked import Asked, lacking, refuse_unanswerable
from cpep.types import UserError
from tests.experiments.lacking import of_all, without

ALL = range(1, 13)
UNSEEN = (3, 6)


@pytest.fixture(scope="module")
def split(split_data):
    return split_data.split


@pytest.fixture(scope="module")
def asked(split_data, split):
    """Return a function from what users lack to what is asked then."""

    def of(lacks, split=split, store=split_data.store):
        some = without(store, lacks)
        return Asked.of(some, split, list_windows(some, 2.0, 0.25))

    return of


def test_where_nobody_lacks_anything_all_is_asked_and_nothing_said(asked, split):
    one = asked({})
    assert one.gestures == one.taught == {"seen": split.seen, "unseen": split.unseen}
    assert lacking([one]) == []
    refuse_unanswerable([one], 2.0)


def test_a_test_person_who_lacks_gestures_is_named_with_what_becomes_of_it(asked, split):
    first, second = split.users_test
    one = asked({first: UNSEEN, second: [1, 6]})
    assert one.gestures == {"seen": split.seen, "unseen": split.unseen}
    refuse_unanswerable([one], 2.0)
    assert sorted(lacking([one])) == sorted(
        [
            f"test user {first}: no unseen gesture; left out of what is asked of unseen ones",
            f"test user {second}: no index_flexion; tested on the other seen gestures",
            f"test user {second}: no ring_extension; tested on the other unseen gestures",
        ]
    )


def test_people_who_lack_the_same_share_a_sentence(asked, split):
    (said,) = lacking([asked(of_all(split.users_test, [1]))])
    assert said.startswith(f"test users {', '.join(split.users_test)}: no index_flexion;")


def test_a_person_with_rest_alone_is_left_out_whatever_the_role(asked, split):
    test, trainer = split.users_test[0], split.users_train[0]
    one = asked(of_all([test, trainer, split.users_val[0]], ALL))
    refuse_unanswerable([one], 2.0)
    said = lacking([one])
    assert f"test user {test}: no gesture that is asked; left out" in said
    assert f"training user {trainer}: no seen gesture; read-outs learn without them" in said
    assert f"validation user {split.users_val[0]}: no seen gesture; read-outs are chosen without them" in said


def test_a_gesture_that_no_training_person_has_is_no_answer(asked, split):
    one = asked(of_all(split.users_train, [1]))
    assert one.gestures["seen"] == split.seen[1:] and one.taught["seen"] == split.seen[1:]
    refuse_unanswerable([one], 2.0)
    said = "no training user has index_flexion (seen); tested in few-shot alone"
    assert lacking([one]) == [said] and lacking([one, asked({}), one]) == [f"folds 0, 2: {said}"]


def test_one_gesture_of_a_set_has_nothing_to_be_told_from(asked, split):
    one = asked(of_all(split.users_train, [3]))
    assert "unseen" not in one.gestures
    assert any("too few unseen gestures" in said for said in lacking([one]))
    with pytest.raises(
        UserError, match=r"training users .* have 1 \(ring_extension\) of the unseen gestures, too few"
    ):
        refuse_unanswerable([one], 2.0)


def test_a_person_who_repeats_fewer_than_two_gestures_shows_nothing(asked, split_data, split):
    user = split.users_test[0]
    repetition_M = np.array(split_data.store.repetition_M)
    label_M = np.array(split_data.store.label_M)
    for entry in split_data.store.entries:
        if entry.user == user:  # only the first gesture is made again
            own = slice(entry.start, entry.start + entry.frames)
            label_M[own][(repetition_M[own] > 1) & (label_M[own] > 1)] = 0
    one = asked({}, store=dataclasses.replace(split_data.store, label_M=label_M))
    assert lacking([one]) == [f"test user {user}: fewer than two gestures made more than once; left out of few-shot"]


@pytest.mark.parametrize(
    ("who", "labels", "says"),
    [
        (
            "test",
            UNSEEN,
            r"test users .* have none of the unseen gestures \(middle_flexion, ring_extension\) .*--unseen",
        ),
        ("test", set(ALL) - set(UNSEEN), r"test users .* have none of the seen gestures .*--test-users"),
        ("test", ALL, r"test users .* have no gesture that training people have"),
        ("val", ALL, r"validation users .* have none of the 10 seen gestures"),
        ("val", range(2, 13), r"validation users .* have 1 \(index_flexion\) of the 10 seen gestures"),
        ("train", ALL, r"training users .* have none of the 10 seen gestures"),
        ("train", range(2, 13), r"training users .* have 1 \(index_flexion\) of the 10 seen gestures"),
        ("train", UNSEEN, r"training users .* have none of the unseen gestures, too few to be told apart"),
    ],
)
def test_a_run_that_cannot_be_scored_is_refused_in_a_sentence(asked, split, who, labels, says):
    with pytest.raises(UserError, match=says) as refused:
        refuse_unanswerable([asked(of_all(split.users(who), labels))], 2.0)
    assert "\n" not in str(refused.value) and all(user in str(refused.value) for user in split.users(who))


def test_a_set_that_one_fold_can_ask_is_no_reason_to_refuse_the_others(asked, split):
    bare, whole = asked(of_all(split.users_test, UNSEEN)), asked({})
    refuse_unanswerable([bare, whole], 2.0)
    with pytest.raises(UserError, match="unseen"):
        refuse_unanswerable([bare, bare], 2.0)
    with pytest.raises(UserError, match="of fold 1 have no gesture"):
        refuse_unanswerable([whole, asked(of_all(split.users_test, ALL))], 2.0)


def test_windows_that_are_fewer_than_gestures_teach_nothing(asked, split_data, split):
    """Discriminant analysis needs more windows than gestures."""
    label_M = np.array(split_data.store.label_M)
    for entry in split_data.store.entries:
        if entry.user in split.users_train:
            own = slice(entry.start, entry.start + entry.frames)
            label_M[own] = 0
            if entry.user == split.users_train[0]:
                label_M[own][:200], label_M[own][300:500] = 1, 2  # one window each
    store = dataclasses.replace(split_data.store, label_M=label_M)
    with pytest.raises(UserError, match=r"have 2 \(index_flexion, index_extension\).*a few windows each"):
        refuse_unanswerable([asked({}, dataclasses.replace(split, unseen=()), store)], 2.0)
