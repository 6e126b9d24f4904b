"""Which recordings of a data set are wanted, from what its tables say of each."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cpep.data.readers.metadata import MetadataRow, plain_stage
from cpep.types import UserError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Selection:
    """Filters of recordings, all of which hold; empty ones let everything pass.

    With one seed a choice only grows: more users or hours include all recordings of fewer.

    Attributes:
        users: names, or one number of people to draw.
        stages: without the suffix of the prompted hand.
        splits: train, val or test.
        hours: of recording, taken from all users in turn; ``None`` for all.
        seed: decides who is drawn, and in which order their recordings are taken.
    """

    users: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    hours: float | None = None
    seed: int = 0


def seconds_of(row: MetadataRow) -> float:
    """Return the length of a recording by its metadata."""
    return max(row.end - row.start, 0.0)


def choose(rows: Sequence[MetadataRow], selection: Selection, dataset: str = "emg2pose") -> list[MetadataRow]:
    """Return the wanted rows; with a bound on hours, in the order in which they were taken.

    Args:
        rows: all recordings.
        selection: which of them are wanted.
        dataset: its name, for the sentences.

    Raises:
        UserError: a name is unknown, fewer people are there than asked for, or nothing is left.
    """
    _known("--split", selection.splits, SPLITS, dataset)
    stages = {plain_stage(row.stage) for row in rows} - {""}
    if selection.splits and not any(row.split for row in rows):
        raise UserError(f"--split: {dataset} says of no recording in which split it is; leave it out")
    if selection.stages and not stages:
        raise UserError(f"--stages: {dataset} says of no recording of which stage it is; leave it out")
    _known("--stages", selection.stages, stages, dataset)
    kept = [
        row
        for row in rows
        if (not selection.splits or row.split in selection.splits)
        and (not selection.stages or plain_stage(row.stage) in selection.stages)
    ]
    if selection.users:
        users = _users(rows, kept, selection, dataset)
        kept = [row for row in kept if row.user in users]
    if selection.hours is not None:
        kept = _in_turn(kept, selection.hours * 3600, selection.seed, dataset)
    if not kept:
        raise UserError(f"no recording of {dataset} is of these users, stages and splits together; ask for more")
    return kept


def _users(rows: Sequence[MetadataRow], kept: Sequence[MetadataRow], selection: Selection, dataset: str) -> set[str]:
    """Return the people asked for by name, or drawn among people with a recording in ``kept``."""
    if len(selection.users) > 1 or not selection.users[0].isdecimal():
        _known("--users", selection.users, {row.user for row in rows}, dataset)
        return set(selection.users)
    count, present = int(selection.users[0]), {row.user for row in kept}
    if not 1 <= count <= len(present):
        raise UserError(f"--users {count}: {len(present)} people have such recordings; ask for 1 to {len(present)}")
    return set(sorted(present, key=lambda user: _draw(selection.seed, user))[:count])


def _in_turn(rows: Sequence[MetadataRow], seconds: float, seed: int, dataset: str) -> list[MetadataRow]:
    """Take recordings until they are long enough, the next always from the user with the least so far."""
    if rows and not any(map(seconds_of, rows)):
        raise UserError(f"--hours: {dataset} says of no recording how long it is; leave it out")
    waiting: dict[str, list[MetadataRow]] = {}
    for row in sorted(rows, key=lambda row: _draw(seed, row.filename), reverse=True):
        waiting.setdefault(row.user, []).append(row)
    have = dict.fromkeys(sorted(waiting, key=lambda user: _draw(seed, user)), 0.0)
    taken: list[MetadataRow] = []
    while have and seconds > 0:
        user = min(have, key=lambda user: have[user])
        taken.append(waiting[user].pop())
        have[user] += seconds_of(taken[-1])
        seconds -= seconds_of(taken[-1])
        if not waiting[user]:
            del have[user]
    return taken


def _draw(seed: int, name: str) -> bytes:
    """Return a key that sorts names at random; it depends on seed and name alone, not on the other names."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _known(option: str, asked: Sequence[str], there: Sequence[str] | set[str], dataset: str) -> None:
    """Refuse a name that no recording has."""
    for name in asked:
        if name not in there:
            near = difflib.get_close_matches(name, there, 3, 0.4) or sorted(there)[:5]
            raise UserError(f"{option} {name}: {dataset} has none of that name; it has {', '.join(near)}, ...")
