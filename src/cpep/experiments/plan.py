"""The plan of a run before training: a text on what it uses and asks, and checks that it can be completed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cpep.config.schema import DataConfig, RunConfig
from cpep.data.amounts import Usage, hours
from cpep.data.inspect_text import count
from cpep.data.splits import WORDS, Split, declared
from cpep.data.store.store import Store
from cpep.data.usage import used_in_pairs, used_in_test, used_in_training
from cpep.data.windows import Windows, windows_of
from cpep.experiments.asked import Asked, lacking, refuse_unanswerable
from cpep.experiments.rows import RowRun
from cpep.train.task import PAIRED, enough, pairs_of, refuse_few_pairs, refuse_overlap
from cpep.types import UserError


def describe(store: Store, splits: Sequence[Split], config: RunConfig) -> str:
    """Return a text on what will be trained and tested: people, gestures, hours used and left out, missing gestures.

    Args:
        store: prepared recordings.
        splits: one split for each fold; recordings and hours are given for the first.
        config: settings of the run.
    """
    one, windows = splits[0], windows_of(store, config.data)
    names = [store.vocabulary[label] for label in one.unseen]
    lines = [
        f"{store.name}: {count(len(store.users), 'person')}, {hours(store.seconds)} h, "
        f"{len(one.seen)} seen and {len(one.unseen)} unseen gestures",
        f"unseen: {', '.join(names) or 'none'}",
        f"{count(len(splits), 'fold')}{'; the first' if len(splits) > 1 else ', which'} trains on "
        f"{count(len(one.users_train), 'person')}, validates on {len(one.users_val)}, tests on {len(one.users_test)}",
        *_column(store, one),
        *_bare(store),
        *_uses(store, one, windows, config, " of fold 0" if len(splits) > 1 else ""),
        *lacking([Asked.of(store, split, windows) for split in splits]),
    ]
    return "\n".join(lines)


def _column(store: Store, split: Split) -> Iterator[str]:
    """Yield a sentence on the use of the split column of metadata.csv, where there is one."""
    if split.by_column:
        yield "the split column of metadata.csv says who is tested and which recordings are held out"
    elif declared(store):
        yield "people are divided as asked; the split column of metadata.csv is not used"
    elif any(entry.split for entry in store.entries):
        yield (
            "the split column of metadata.csv is not used: some recordings have no split, or train, val or test has "
            "nobody; --test-users and --val-users divide people otherwise"
        )


def _bare(store: Store) -> Iterator[str]:
    """Yield sentences on what is left out where recordings have no pose."""
    if store.anchor_MJ is None:
        yield (
            "no recording has a pose: encoders of EMG are trained and read by probes and few-shot; alignment with "
            "poses, and zero-shot, are left out"
        )
    elif store.bare:
        yield (
            f"{len(store.bare)} of {len(store.entries)} recordings have no pose: they pre-train the EMG encoder, "
            "and take no part in alignment nor in tests"
        )


def _uses(store: Store, split: Split, windows: Windows, config: RunConfig, where: str) -> Iterator[str]:
    """Yield lines on the hours that each role uses of its people's recordings, and on those that it leaves out."""
    for role in PAIRED:
        own = split.allowed(store, windows, role)
        yield from _said(WORDS[role] + where, used_in_training(store, split, windows, own, role))
        if store.anchor_MJ is None:
            continue
        paired = used_in_pairs(store, own, pairs_of(store, own, config.align, role), config.align.rest)
        yield f"  paired with their pose: {hours(paired.used.seconds)} h of these"
        yield from paired.without
    yield from _said(WORDS["test"] + where, used_in_test(store, split, windows))


def _said(name: str, usage: Usage) -> Iterator[str]:
    yield f"{name}: {usage.text}"
    yield from usage.without


def refuse_impossible_data(store: Store, splits: Sequence[Split], config: RunConfig, rows: Sequence[RowRun]) -> None:
    """Check that every row finds windows to train on, to choose on and to be tested on, in every fold.

    Args:
        store: prepared recordings.
        splits: one split for each fold.
        config: settings of the run.
        rows: rows, with their settings.

    Raises:
        UserError: a role has no windows, or too few gestures; see ``refuse_unanswerable``.
    """
    alike: dict[DataConfig, list[RowRun]] = {config.data: []}
    for row in rows:
        alike.setdefault(row.config.data, []).append(row)
    for data, some in alike.items():
        try:
            _refuse(store, splits, data, some)
        except UserError as error:
            if data == config.data:
                raise
            raise UserError(f"{some[0].name}: {error}") from error


def _refuse(store: Store, splits: Sequence[Split], data: DataConfig, rows: Sequence[RowRun]) -> None:
    """Check rows that have the same windows."""
    windows = windows_of(store, data)
    refuse_unanswerable([Asked.of(store, split, windows) for split in splits], data.window_s)
    for split in splits if rows else ():
        for role in PAIRED:
            own = split.allowed(store, windows, role)
            enough(store, own.select(own.valid_N), role)
            for row in rows:
                paired = pairs_of(store, own, row.config.align, role)
                refuse_few_pairs(store, paired, row.config.align, role)
                if row.last is not None:
                    refuse_overlap(store, row.last.stage.drawn(store, paired, split), role)
