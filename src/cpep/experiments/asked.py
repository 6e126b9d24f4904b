"""Which gestures can be asked of whom, known from the labels before anything is trained.

A person has a gesture if the person has a window that is labelled with the gesture throughout and, where
recordings have a pose, has a valid one.
A gesture that no training person has cannot be answered. A set of gestures (seen, unseen) is not asked if fewer than
two of its gestures can be answered. A test person is asked the gestures of a set that the person has; a person
without any of them is left out of the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpep.data.splits import WORDS, Role, Split
from cpep.data.store.store import Store
from cpep.data.windows import Windows, hop_of
from cpep.types import UserError

NAMES = 8
"""Largest number of names in a sentence, and of sentences about test people; of the rest only the number is said."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The gestures that are asked under one split, and of whom.

    Attributes:
        store: prepared recordings.
        split: held-out people and unseen gestures.
        has: by person, number of windows of each seen or unseen gesture.
        repeats: by person, number of repetitions of each seen or unseen gesture.
    """

    store: Store
    split: Split
    has: dict[str, Counter[int]]
    repeats: dict[str, Counter[int]]

    @classmethod
    def of(cls, store: Store, split: Split, windows: Windows) -> Asked:
        """Return what a split asks, from the labels of all windows of a store."""
        kept = windows.select(windows.valid_N & np.isin(windows.label_N, split.seen + split.unseen))
        far = np.diff(kept.start_N) > 1.5 * hop_of(store, windows) * store.frame_rate
        begins = (np.diff(kept.label_N) != 0) | (np.diff(kept.entry_N) != 0) | far
        first_N = np.concatenate([[True], begins])[: len(kept)]
        return cls(store, split, _counted(store, kept), _counted(store, kept.select(first_N)))

    @cached_property
    def taught(self) -> dict[str, tuple[int, ...]]:
        """Gestures of each set that can be answered: those that training people have."""
        of_training = self.windows_of("train")
        sets = {"seen": self.split.seen, "unseen": self.split.unseen}
        return {name: tuple(label for label in labels if of_training[label]) for name, labels in sets.items()}

    @cached_property
    def gestures(self) -> dict[str, tuple[int, ...]]:
        """The sets that are asked, each with the gestures that can be answered."""
        return {
            name: labels
            for name, labels in self.taught.items()
            if self.enough(labels) and any(self.made(user, labels) for user in self.split.users_test)
        }

    def enough(self, labels: Sequence[int]) -> bool:
        """Tell whether training people have two or more of the gestures, and more windows than gestures."""
        of_training = self.windows_of("train")
        return len(labels) > 1 and sum(of_training[label] for label in labels) > len(labels)

    def windows_of(self, role: Role) -> Counter[int]:
        """Return how many windows of each gesture the people of a role have together."""
        return sum((self.has.get(user, Counter()) for user in self.split.users(role)), Counter[int]())

    def made(self, user: str, labels: Sequence[int]) -> tuple[int, ...]:
        """Return the gestures of ``labels`` that a person has."""
        return tuple(label for label in labels if self.has.get(user, Counter())[label])

    def shows(self, user: str) -> bool:
        """Tell whether few-shot can ask a person: whether the person repeated two or more gestures."""
        return sum(times > 1 for times in self.repeats.get(user, Counter()).values()) > 1

    def names(self, labels: Sequence[int]) -> str:
        """Return the names of gestures, as text."""
        return listed([self.store.vocabulary[label] for label in labels])


def _counted(store: Store, windows: Windows) -> dict[str, Counter[int]]:
    """Return the number of windows by person and gesture."""
    shape = len(store.entries), len(store.vocabulary)
    cell_N = windows.entry_N * shape[1] + windows.label_N
    count_EK = np.bincount(cell_N, minlength=shape[0] * shape[1]).reshape(shape)
    found: dict[str, Counter[int]] = {}
    for entry, count_K in zip(store.entries, count_EK, strict=True):
        own = found.setdefault(entry.user, Counter())
        own.update({int(label): int(count_K[label]) for label in np.flatnonzero(count_K)})
    return found


def listed(names: Sequence[str]) -> str:
    """Return names as text; of more than ``NAMES`` names, the first ones and the number of the others.

    >>> listed(["a", "b"]), listed([str(n) for n in range(10)])
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7 and 2 more')
    """
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def users_named(role: Role, users: Sequence[str]) -> str:
    """Return the names of a role's people, as in ``test users a, b``."""
    return f"{WORDS[role]} user{'' if len(users) == 1 else 's'} {listed(users)}"


def have(users: Sequence[str]) -> str:
    """Return the verb for one person or several."""
    return "has" if len(users) == 1 else "have"


def refuse_unanswerable(folds: Sequence[Asked], window_s: float) -> None:
    """Check that every fold has gestures to train on, to choose on and to test, and that some fold asks each set.

    Args:
        folds: what each fold asks.
        window_s: length of a window.

    Raises:
        UserError: training or validation people have fewer than two seen gestures; the test people of a fold have no
            gesture at all; or no test person of any fold has a gesture of a set that can be answered.
    """
    path, posed = folds[0].store.path, "" if folds[0].store.anchor_MJ is None else ", with valid pose"
    of_windows = f"windows of {window_s:g} s that are labelled throughout{posed}"
    for number, one in enumerate(folds):
        if lack := _fatal(one, f" of fold {number}" if len(folds) > 1 else "", of_windows):
            raise UserError(f"{path}: {lack}")
    for name in ("seen", "unseen"):
        labels = getattr(folds[0].split, name)
        if len(labels) > 1 and not any(name in one.gestures for one in folds):
            raise UserError(f"{path}: {_nobody(folds, name)} in {of_windows}; {_instead(name)}")


def _fatal(one: Asked, where: str, of_windows: str) -> str:
    """Return a sentence on what makes a fold impossible, or ``""``."""
    roles: tuple[Role, ...] = ("train", "val")
    for role in roles:
        choosing, taught = one.split.choosing, one.taught["seen"] + one.taught["unseen"]
        found = [label for label in choosing if label in taught and one.windows_of(role)[label]]
        if len(found) < 2 or (role == "train" and not one.enough(found)):
            users, kind = one.split.users(role), "seen " if choosing == one.split.seen else ""
            return (
                f"{users_named(role, users)}{where} {have(users)} {_some(one, found)} of the {len(choosing)} "
                f"{kind}gestures in {of_windows}, where two are needed with a few windows each; name other people "
                "with --test-users and --val-users"
            )
    if one.gestures:
        return ""
    users = one.split.users_test
    return (
        f"{users_named('test', users)}{where} {have(users)} no gesture that training people have in {of_windows}; "
        "name other people with --test-users, or give fewer folds"
    )


def _some(one: Asked, labels: Sequence[int]) -> str:
    return f"{len(labels)} ({one.names(labels)})" if labels else "none"


def _nobody(folds: Sequence[Asked], name: str) -> str:
    """Return a sentence on the people who lack a set of gestures that no fold can ask."""
    if able := [one for one in folds if one.enough(one.taught[name])]:
        users, taught = [user for one in able for user in one.split.users_test], able[0].names(able[0].taught[name])
        return f"{users_named('test', users)} {have(users)} none of the {name} gestures ({taught})"
    trainers, found = folds[0].split.users_train, _some(folds[0], folds[0].taught[name])
    who = f"{users_named('train', trainers)} {have(trainers)}"
    return f"{who} {found} of the {name} gestures, too few to be told apart,"


def _instead(name: str) -> str:
    other = "declare others with --unseen, or " if name == "unseen" else ""
    return f"{other}name other people with --test-users"


def lacking(folds: Sequence[Asked]) -> list[str]:
    """Return sentences on who lacks which gestures and what follows from it; none where nobody lacks any."""
    of_folds: dict[str, list[str]] = {}
    of_people: dict[str, list[str]] = {}
    for number, one in enumerate(folds):
        for sentence in _untaught(one):
            of_folds.setdefault(sentence, []).append(str(number))
        for user in one.split.users_test:
            for lack in _lacks(one, user):
                of_people.setdefault(lack, []).append(user)
    said = [f"{_of(numbers)}{text}" if len(folds) > 1 else text for text, numbers in of_folds.items()]
    tested = [f"{users_named('test', users)}: {lack}" for lack, users in of_people.items()]
    more = [f"and {len(tested) - NAMES} more such lines"] if len(tested) > NAMES else []
    return [*said, *tested[:NAMES], *more]


def _of(numbers: Sequence[str]) -> str:
    return f"fold{'' if len(numbers) == 1 else 's'} {listed(numbers)}: "


def _untaught(one: Asked) -> Iterator[str]:
    """Yield sentences on gestures that cannot be answered, and on training and validation people without any."""
    for name, labels in (("seen", one.split.seen), ("unseen", one.split.unseen)):
        if missing := [label for label in labels if label not in one.taught[name]]:
            yield f"no training user has {one.names(missing)} ({name}); tested in few-shot alone"
        if labels and not one.enough(one.taught[name]):
            yield f"training users have too few {name} gestures to be told apart; {name} ones are not asked"
    roles: tuple[tuple[Role, str], ...] = (("train", "read-outs learn"), ("val", "read-outs are chosen"))
    choosing, kind = one.split.choosing, "seen " if one.split.choosing == one.split.seen else ""
    for role, what in roles:
        if bare := [user for user in one.split.users(role) if not one.made(user, choosing)]:
            yield f"{users_named(role, bare)}: no {kind}gesture; {what} without them"


def _lacks(one: Asked, user: str) -> Iterator[str]:
    """Yield sentences on the gestures that can be answered and that a test person lacks."""
    if not one.has.get(user):
        yield "no gesture that is asked; left out"
        return
    for name, labels in one.taught.items():
        made = one.made(user, labels)
        missing = [label for label in labels if label not in made]
        if labels and not made:
            yield f"no {name} gesture; left out of what is asked of {name} ones"
        elif missing:
            yield f"no {one.names(missing)}; tested on the other {name} gestures"
    if not one.shows(user):
        yield "fewer than two gestures made more than once; left out of few-shot"
