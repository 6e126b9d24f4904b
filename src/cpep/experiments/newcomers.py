"""Who of a store may test a checkpoint: the test people of its own split, or people whom its training has not met.

A person is one whom training met if the store has the name of the training's data set and the person has the id of a
training or validation person, or if one of the person's recordings is among those that the checkpoint notes
(``cpep.data.store.noted``), whatever the name. The same holds of a person on whom it was fine-tuned later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from cpep.checkpoints.checkpoint import Model
from cpep.checkpoints.met import met_people, noted_people, trained_names
from cpep.data.splits import Split, make_splits
from cpep.data.store.store import Store
from cpep.experiments.asked import have, listed
from cpep.types import UserError

FEWEST = 3
"""Fewest people among whom some can train probes, some choose and some test."""


@dataclass(frozen=True)
class Wanted:
    """Who is tested, as the command line says it.

    Attributes:
        test_users: test people; empty for none named.
        val_users: validation people; empty for none named.
        folds: number of folds over people; 0 for one.
    """

    test_users: tuple[str, ...] = ()
    val_users: tuple[str, ...] = ()
    folds: int = 0

    @property
    def divides(self) -> bool:
        """Whether anybody is named, or people are divided into folds."""
        return bool(self.test_users or self.folds)


def is_own(model: Model, store: Store, wanted: Wanted) -> bool:
    """Tell whether a store is the one of a checkpoint's training, under whose split it is then evaluated.

    It is where it has the people and the labels of the checkpoint. A store of another name is taken for another one
    if people are divided as asked, or if the recordings that the checkpoint notes are of other people there.
    """
    split, provenance = model.card.held_out(), model.card.provenance
    everybody = {*split.users_train, *split.users_val, *split.users_test}
    if not everybody <= set(store.users) or store.vocabulary != model.card.vocabulary:
        return False
    if store.name == provenance.get("data", ""):
        return True
    trained = {*split.users_train, *split.users_val}
    return not wanted.divides and (not provenance.get("recordings") or met_people(model, store) == trained)


def splits_for(model: Model, store: Store, wanted: Wanted) -> tuple[list[Split], list[str]]:
    """Return the splits under which a checkpoint is evaluated on a store, and sentences on them.

    Raises:
        UserError: a test person took part in training, or too few people or gestures are left.
    """
    if model.card.split and not is_own(model, store, wanted):
        return _of_newcomers(model, store, wanted)
    if wanted.folds or wanted.val_users:
        who = "the checkpoint's own split says" if model.card.split else "metadata.csv says"
        raise UserError(f"{store.path}: {who} who trains and validates; give --test-users alone, or nothing")
    split = split_for(model, store, wanted.test_users)
    split.refuse_single()
    return [split], []


def split_for(model: Model, store: Store, test_users: tuple[str, ...]) -> Split:
    """Return the split of a checkpoint on its own store, with other test people where they are given.

    Raises:
        UserError: a test person took part in training, or the store lacks a person of the split.
    """
    if not model.card.split:
        return _of_unknown(model, store, test_users)
    split, noted = model.card.held_out(), noted_people(model, store)
    left = tuple(user for user in split.users_test if user not in noted)
    asked = test_users or left or split.users_test
    met = sorted(set(asked) & {*split.users_train, *split.users_val, *noted})
    if met:
        raise UserError(f"user {', '.join(met)} took part in the training of this checkpoint and cannot test it")
    found = dataclasses.replace(split, users_test=asked)
    missing = sorted({*found.users_train, *found.users_val, *found.users_test} - set(store.users))
    if missing:
        raise UserError(f"{store.path} has no user {', '.join(missing)}, whom the evaluation needs")
    return found


def _of_newcomers(model: Model, store: Store, wanted: Wanted) -> tuple[list[Split], list[str]]:
    """Divide the people of a store whom a checkpoint has not met, and return sentences on what is evaluated.

    Probes are fitted on the labels of some of them, chosen on others, and tested on the rest. Gestures are those of
    the checkpoint by their exact names. A gesture that was in none of its training is unseen.

    Args:
        model: a checkpoint that knows its split.
        store: of the same kind of device.
        wanted: who is tested.

    Raises:
        UserError: a test or validation person was met, or too few people or gestures are left.
    """
    own, name = model.card.held_out(), model.card.provenance.get("data", "")
    met = met_people(model, store)
    if asked := sorted(met & {*wanted.test_users, *wanted.val_users}):
        raise UserError(
            f"user {', '.join(asked)} took part in the training of this checkpoint and cannot test it (its data set "
            f"is {name}; people of another one need a folder of another name)"
        )
    people = [user for user in store.users if user not in met]
    if not people:
        raise UserError(
            f"{store.path}: everybody took part in the training of this checkpoint (its data set is {name}); give "
            "recordings of others"
        )
    if len(people) < FEWEST:
        raise UserError(
            f"{store.path} holds recordings of {len(people)} {'person' if len(people) == 1 else 'people'} new to "
            "this checkpoint; probes are fitted on labels of some, chosen on others and tested on the rest, which "
            "takes 4 or more, or 3 with --test-users and --val-users; `cpep finetune` goes on with one person"
        )
    guard_s, test, val = own.guard_s, wanted.test_users, wanted.val_users
    splits = make_splits(
        store, folds=wanted.folds, test_users=test, val_users=val, guard_s=guard_s, people=people if met else ()
    )
    splits = [_by_name(split, store, trained_names(model)) for split in splits]
    return splits, list(_said(model, store, splits[0], sorted(met)))


def _by_name(split: Split, store: Store, known: set[str]) -> Split:
    """Return a split in which the gestures that a checkpoint has seen, by their names, are the seen ones."""
    gestures = split.seen + split.unseen
    seen = tuple(sorted(label for label in gestures if store.vocabulary[label] in known))
    return dataclasses.replace(split, seen=seen, unseen=tuple(sorted(set(gestures) - set(seen))))


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case.

    >>> _letters("Thumb_up") == _letters("thumb up")
    True
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _said(model: Model, store: Store, split: Split, met: list[str]) -> Iterator[str]:
    """Yield sentences on the people and gestures of a store that a checkpoint is evaluated on."""
    own, name, names = model.card.held_out(), model.card.provenance.get("data", ""), store.vocabulary
    yield f"the checkpoint was trained on {name}; probes are fitted, chosen and tested on people of {store.name}"
    if met:
        yield f"user{'s' * (len(met) > 1)} {listed(met)} {have(met)} taken part in its training; left out"
    both = sorted({*own.users_train, *own.users_val} & set(store.users) - set(met))
    if both:
        yield (
            f"user{'s' * (len(both) > 1)} {listed(both)} {have(both)} the id of a training person of {name}, and "
            f"count{'s' * (len(both) == 1)} as somebody else, since {store.name} is another data set"
        )
    unit, theirs = model.card.device.emg_unit, store.device.emg_unit
    if unit and theirs and unit != theirs:
        yield f"EMG in {theirs} is read as {unit}"
    yield f"gestures that its training saw: {listed([names[label] for label in split.seen]) or 'none'}"
    yield f"gestures that it never saw (unseen): {listed([names[label] for label in split.unseen]) or 'none'}"
    trained = {_letters(known): known for known in sorted(trained_names(model))}
    here = [names[label] for label in split.unseen if _letters(names[label]) in trained]
    if here:
        yield (
            f"{listed(here)} {'is' if len(here) == 1 else 'are'} not taken for "
            f"{listed([trained[_letters(name)] for name in here])}, which its training saw: names have to be the "
            "same to the letter; rename in the recordings what is one gesture, as its scores are not those of an "
            "unseen one"
        )
    if split.choosing != split.seen:
        yield "fewer than two were seen: read-outs are chosen on all, and rows that learn from seen ones left out"


def _of_unknown(model: Model, store: Store, test_users: tuple[str, ...]) -> Split:
    """Return a split for a checkpoint without one: by the split column of the store, or by the given test people.

    Raises:
        UserError: a test person may have taken part in training.
    """
    doubtful = {entry.user for entry in store.entries if entry.split != "test" and (entry.split or not test_users)}
    doubtful |= noted_people(model, store)
    unknown = f"this {model.card.kind} checkpoint does not say on whom it was trained"
    if met := sorted(doubtful & set(test_users)):
        raise UserError(
            f"{unknown}, and metadata.csv has user {', '.join(met)} for training or validation, or it was fine-tuned "
            "on this user; test others"
        )
    if test_users or set(store.users) - doubtful:
        guard_s = model.card.settings.data.guard_s
        (split,) = make_splits(store, test_users=test_users, guard_s=guard_s)
        if not doubtful & set(split.users_test):
            return split
    raise UserError(
        f"{unknown}, and {store.path} has no train, val and test people by the split column of a metadata.csv; "
        "name people whom it has not met: --test-users"
    )
