import itertools
from collections import Counter

import pytest

from cpep.data.readers.metadata import MetadataRow
from cpep.download.selection import Selection, choose, seconds_of
from cpep.types import UserError

STAGES = ("FingerFreeform_both", "GraspPunchCloseFar_left", "unconstrained", "ShakaVulcanPeace")


def row(user, stage, split, side, length=60.0):
    name = f"{user}-{stage}-{side}"
    return MetadataRow(user, "s", stage, side, split=split, start=1e9, end=1e9 + length, filename=name)


ROWS = [
    row(f"u{k}", stage, ("train", "val", "test")[k % 3], side, 40 + 5 * k)
    for k, stage, side in itertools.product(range(9), STAGES, ("left", "right"))
]


def test_no_filter_takes_all_and_every_filter_holds():
    assert choose(ROWS, Selection()) == ROWS
    chosen = choose(ROWS, Selection(("u1", "u4", "u2"), ("FingerFreeform", "GraspPunchCloseFar"), ("val", "test")))
    assert chosen == [
        one
        for one in ROWS
        if one.user in ("u1", "u2", "u4") and one.stage[:6] in ("Finger", "GraspP") and one.split != "train"
    ]


@pytest.mark.parametrize("seed", range(3))
def test_people_are_drawn_by_the_seed_and_a_larger_number_holds_the_smaller(seed):
    drawn = [{one.user for one in choose(ROWS, Selection((str(n),), seed=seed))} for n in range(1, 10)]
    assert [len(users) for users in drawn] == list(range(1, 10))
    assert all(few < more for few, more in itertools.pairwise(drawn))
    assert drawn == [{one.user for one in choose(ROWS[::-1], Selection((str(n),), seed=seed))} for n in range(1, 10)]
    assert {one.split for one in choose(ROWS, Selection(("3",), splits=("val",), seed=seed))} == {"val"}


def test_seeds_differ():
    assert len({frozenset(one.user for one in choose(ROWS, Selection(("2",), seed=s))) for s in range(20)}) > 5


def test_hours_come_from_all_users_alike_and_grow():
    taken = {hours: choose(ROWS, Selection(hours=hours)) for hours in (0.1, 0.2, 0.5)}
    for hours, rows in taken.items():
        seconds = Counter()
        for one in rows:
            seconds[one.user] += seconds_of(one)
        assert hours * 3600 <= seconds.total() < hours * 3600 + 80
        longest = max(map(seconds_of, ROWS))
        if hours > 0.2:
            assert len(seconds) == 9 and max(seconds.values()) - min(seconds.values()) <= longest
    assert taken[0.1] == taken[0.2][: len(taken[0.1])] and taken[0.2] == taken[0.5][: len(taken[0.2])]
    assert len({one.stage for one in taken[0.5]}) == 4
    assert sorted(choose(ROWS, Selection(hours=100.0)), key=str) == sorted(ROWS, key=str)
    assert taken[0.5] == choose(ROWS[::-1], Selection(hours=0.5)) != choose(ROWS, Selection(hours=0.5, seed=1))


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (Selection(("u1", "u77")), "--users u77: emg2pose has none of that name; it has u7"),
        (Selection(("10",)), "--users 10: 9 people have such recordings"),
        (Selection(("0",)), "ask for 1 to 9"),
        (Selection(stages=("FingerFreefrom",)), "--stages FingerFreefrom: .* FingerFreeform"),
        (Selection(splits=("train", "dev")), "--split dev"),
        (Selection(("u1",), splits=("train",)), "no recording .* together"),
        (Selection(hours=0.0), "no recording"),
    ],
)
def test_mistakes(selection, sentence):
    with pytest.raises(UserError, match=sentence):
        choose(ROWS, selection)


def test_hours_need_times():
    with pytest.raises(UserError, match="--hours: emg2pose says of no recording how long it is"):
        choose([MetadataRow("u", "s", "x", "left", filename="a")], Selection(hours=1.0))
