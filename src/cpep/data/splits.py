"""Held-out users and unseen gestures, as objects that refuse a leak."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cpep.data.readers.registry import data_set
from cpep.data.store.store import Store
from cpep.data.windows import Windows, touches
from cpep.types import BoolArray, UserError

Role = Literal["train", "val", "test"]
WORDS: Mapping[Role, str] = {"train": "training", "val": "validation", "test": "test"}

LEAST_NESTED = 4
"""Fewest training people, and fewest seen gestures, that are divided once more for choices."""


class LeakError(AssertionError):
    """Training was about to see a held-out user or an unseen gesture: a bug, never a user's choice."""


@dataclass(frozen=True)
class Split:
    """Who and what is held out.

    Attributes:
        users_train: people whose EMG and labels may be used.
        users_val: people for early stopping and every choice, on seen gestures alone.
        users_test: people the model never meets.
        seen: labels of gestures that are evaluated as seen.
        unseen: labels that are in no training stage.
        guard_s: a training window stays this far from a sample of an unseen gesture.
        by_column: whether the split column of metadata.csv chose the test people. Then it holds out recordings, too:
            one with another role than its person's (a held-out stage of emg2pose) is in no training stage.

    Raises:
        UserError: a user has two roles, a role is empty, or a gesture is both seen and unseen.
    """

    users_train: tuple[str, ...]
    users_val: tuple[str, ...]
    users_test: tuple[str, ...]
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    guard_s: float
    by_column: bool = False

    def __post_init__(self) -> None:
        roles = {"training": self.users_train, "validation": self.users_val, "test": self.users_test}
        names = list(roles)
        for i, one in enumerate(names):
            if not roles[one]:
                raise UserError(f"no {one} user is left; give more users, or set --test-users and --val-users")
            for other in names[i + 1 :]:
                both = set(roles[one]) & set(roles[other])
                if both:
                    raise UserError(f"user {', '.join(sorted(both))} is both a {one} and a {other} user")
        if set(self.seen) & set(self.unseen):
            raise UserError(f"gestures {sorted(set(self.seen) & set(self.unseen))} are both seen and unseen")

    def users(self, role: Role) -> tuple[str, ...]:
        """Return the people of a role."""
        return {"train": self.users_train, "val": self.users_val, "test": self.users_test}[role]

    @property
    def choosing(self) -> tuple[int, ...]:
        """Gestures by which read-outs are chosen: the seen ones; all where fewer than two are seen.

        Fewer are seen where a checkpoint is evaluated on gestures that its training did not have.
        """
        return self.seen if len(self.seen) > 1 else self.seen + self.unseen

    def refuse_single(self) -> None:
        """Check that there are gestures to tell apart.

        Raises:
            UserError: fewer than two seen gestures, or only one unseen.
        """
        if len(self.seen) < 2 or len(self.unseen) == 1:
            raise UserError(
                f"{len(self.seen)} seen and {len(self.unseen)} unseen gestures: one alone has nothing "
                "to be told from; give two or more of each, or no unseen one (--unseen)"
            )

    def allowed(self, store: Store, windows: Windows, role: Role) -> Windows:
        """Return the windows that training (``train``) or model selection (``val``) may use.

        Raises:
            LeakError: asked for test users.
        """
        if role == "test":
            raise LeakError("windows of test users are never for training or selection")
        own_E = np.isin([entry.user for entry in store.entries], self.users(role)) & self.open_to_training(store)
        windows = windows.select(own_E[windows.entry_N])
        return windows.select(~touches(store, windows, self.unseen, self.guard_s))

    def open_to_training(self, store: Store) -> BoolArray:
        """Tell which recordings the split column does not hold out, (E,): all of them where it is not used."""
        roles = declared(store) if self.by_column else {}
        return np.array([not roles or entry.split == roles[entry.user] for entry in store.entries])

    def refuse_leak(self, store: Store, windows: Windows, role: Role) -> None:
        """Check a list of windows once more, frame by frame, before a stage uses it.

        Raises:
            LeakError: a window is of another role's user, or touches an unseen gesture.
        """
        entries = np.unique(windows.entry_N)
        foreign = {store.entries[index].user for index in entries} - set(self.users(role))
        if foreign or role == "test":
            raise LeakError(f"users {sorted(foreign)} are no {role} users but reached a training stage")
        if len(held := entries[~self.open_to_training(store)[entries]]):
            raise LeakError(f"{store.entries[held[0]].name} is held out by metadata.csv but reached a training stage")
        edges = np.zeros(len(store.label_M) + 1, dtype=np.int32)
        np.add.at(edges, windows.start_N, 1)
        np.add.at(edges, windows.start_N + windows.frames + windows.lag_frames, -1)
        covered_M = np.cumsum(edges, out=edges)[:-1] > 0  # in place: at 370 hours these are 130 million frames
        for found_M in (store.label_M, store.prompt_M):
            leak = set(np.unique(found_M[covered_M]).tolist()) & set(self.unseen)
            if leak:
                names = ", ".join(store.vocabulary[label] for label in sorted(leak))
                raise LeakError(f"windows that touch unseen gestures reached a training stage: {names}")

    def evaluated(self, store: Store, windows: Windows, role: Role, labels: tuple[int, ...]) -> Windows:
        """Return labelled windows of a role's people, for the given gestures, with valid pose where there is pose."""
        mine = np.array([entry.user in self.users(role) for entry in store.entries])[windows.entry_N]
        return windows.select(mine & windows.valid_N & np.isin(windows.label_N, labels))


def hashed(users: Sequence[str]) -> list[str]:
    """Sort users by a stable hash, so that a fold does not depend on how users are named or added."""
    return sorted(users, key=lambda user: hashlib.sha256(user.encode()).hexdigest())


def nested(split: Split) -> Split | None:
    """Return a split inside training people, for choices: some people and seen gestures play what is held out.

    A third of the training people, by a stable hash, plays the test people; a quarter of the seen gestures, two at
    least and evenly over the list, joins the unseen ones. Validation people stay, and test people have no role.

    Returns:
        The split; ``None`` where fewer than four training people or four seen gestures leave too little of both.
    """
    users, seen = hashed(split.users_train), split.seen
    if len(users) < LEAST_NESTED or len(seen) < LEAST_NESTED:
        return None
    tested, count = users[::3], max(2, len(seen) // 4)
    left_out = tuple(seen[(2 * place + 1) * len(seen) // (2 * count)] for place in range(count))
    return replace(
        split,
        users_train=tuple(user for user in split.users_train if user not in tested),
        users_test=tuple(user for user in split.users_train if user in tested),
        seen=tuple(label for label in seen if label not in left_out),
        unseen=(*split.unseen, *left_out),
    )


def gesture_labels(store: Store, wanted: Sequence[str]) -> tuple[int, ...]:
    """Return the labels of gestures given by name or by number.

    Raises:
        UserError: the store has no gesture of that name or number; the nearest is named.
    """
    labels = []
    for text in wanted:
        if text.isdecimal() and 0 < int(text) < len(store.vocabulary):
            labels.append(int(text))
        elif text in store.vocabulary[1:]:
            labels.append(store.vocabulary.index(text))
        else:
            raise UserError(f"{store.path}: no gesture {text!r} among its labels; {_hint(text, store.vocabulary)}")
    return tuple(sorted(set(labels)))


def _hint(text: str, vocabulary: tuple[str, ...]) -> str:
    if len(vocabulary) == 1:
        return "its recordings carry no labels at all"
    if text.isdecimal():
        last = len(vocabulary) - 1
        return f"the numbers go from 1 ({vocabulary[1]}) to {last} ({vocabulary[last]})"
    return f"did you mean {difflib.get_close_matches(text, vocabulary[1:], n=1, cutoff=0.0)[0]}?"


def make_splits(
    store: Store,
    *,
    folds: int = 0,
    test_users: Sequence[str] = (),
    val_users: Sequence[str] = (),
    unseen: Sequence[str] = (),
    guard_s: float = 0.5,
    people: Sequence[str] = (),
) -> list[Split]:
    """Divide people as docs/results/tables.md says: K folds, given test users, the metadata's split, or a quarter.

    Arguments win: with ``folds`` or ``test_users`` the metadata's split is not looked at. Without them it
    says who is tested and which recordings are held out, and ``val_users`` and ``unseen`` say who else validates and
    which gestures are unseen. A gesture that only held-out recordings have is then neither seen nor unseen, unless
    it is named.

    Args:
        store: whose people and gestures are divided.
        folds: number of folds over people; each person is tested in one of them.
        test_users: people who are tested, in place of folds.
        val_users: people who serve for choices such as when to stop.
        unseen: gestures that are kept from every stage of training; those that the data set has by default if empty.
        guard_s: seconds around an unseen gesture that are kept from training as well.
        people: people who are divided, whatever the metadata's split; everybody if empty.

    Raises:
        UserError: an unknown user or gesture, or too few users.
    """
    users = hashed(people or store.users)
    for user in (*test_users, *val_users):
        if user not in users:
            raise UserError(f"{store.path} has no user {user!r}; its users are {', '.join(sorted(users))}")
    known = data_set(store.name)
    roles = {} if folds or test_users or people else declared(store)
    unseen_labels = gesture_labels(store, unseen or known.unseen)
    if known.seen and not unseen:
        seen = gesture_labels(store, known.seen)
    else:
        seen = tuple(sorted(_recorded(store, "train" if roles else "") - set(unseen_labels)))
    if test_users:
        tests = [list(test_users)]
    elif roles:
        tests = [[user for user in users if roles[user] == "test"]]
        val_users = val_users or [user for user in users if roles[user] == "val"]
    else:
        count = folds or 4
        if len(users) < max(4, count):
            left = f"{len(users)} {'person' if len(users) == 1 else 'people'}"
            left += " who may take part" if people else ""
            remedy = "for a model of one's own arm: cpep train"
            if len(users) > 2:
                remedy = f"with 3 name them: --test-users {users[0]} --val-users {users[1]}"
                remedy += " (in Python test_users, val_users)"
            raise UserError(
                f"{store.path} holds recordings of {left}, which training, validation and test have to share; "
                f"{max(4, count)} or more are needed; {remedy}"
            )
        tests = [users[fold::count] for fold in range(count)][: folds or 1]
    return [_split(users, test, val_users, seen, unseen_labels, guard_s, bool(roles)) for test in tests]


def _split(
    users: list[str],
    test: list[str],
    val_users: Sequence[str],
    seen: tuple[int, ...],
    unseen: tuple[int, ...],
    guard_s: float,
    by_column: bool,
) -> Split:
    rest = [user for user in users if user not in test]
    validation = list(val_users) or rest[: max(2, round(0.1 * len(users)))]
    train = [user for user in rest if user not in validation]
    people = tuple(sorted(train)), tuple(sorted(validation)), tuple(sorted(test))
    return Split(*people, seen, unseen, guard_s, by_column)


def _recorded(store: Store, split: str) -> set[int]:
    """Return the gestures of all recordings, or of the recordings in one split of the split column."""
    own = [one for one in store.entries if not split or one.split == split]
    found = (np.unique(store.label_M[one.start : one.start + one.frames]).tolist() for one in own)
    return set().union(*found) - {0, -1}


def declared(store: Store) -> dict[str, str]:
    """Return each user's role by the metadata's split column: train if any file is, else val if any is, else test.

    It is empty where the column cannot divide people: a recording has no split, or a role would have nobody.
    """
    if not all(entry.split for entry in store.entries):
        return {}
    roles: dict[str, str] = {}
    for entry in store.entries:
        order = ("train", "val", "test")
        roles[entry.user] = min(roles.get(entry.user, "test"), entry.split, key=order.index)
    return roles if set(roles.values()) == {"train", "val", "test"} else {}
