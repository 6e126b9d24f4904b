"""``cpep evaluate-live``: the people who are replayed, their books, and the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.met import noted_people
from cpep.config.presets import from_dict
from cpep.data.splits import LeakError
from cpep.data.store.store import Store
from cpep.data.windows import Windows, list_windows
from cpep.experiments.live import made_in, names_of, replayed, scores, window_scores
from cpep.experiments.runs import Request, claim, prepared, run_block
from cpep.live.book.book import GestureBook
from cpep.live.book.build import background_of, grid_s
from cpep.live.book.entries import REST
from cpep.live.store_stream import embed_streamed
from cpep.report.live import write_live_report
from cpep.runtime.files import progress_line, write_json
from cpep.runtime.hub import local
from cpep.runtime.locks import alone_in
from cpep.types import UserError

SCHEMA = 1


@dataclass(frozen=True)
class LiveRequest:
    """The arguments of ``cpep evaluate-live``.

    Attributes:
        checkpoint: folder of the checkpoint.
        book: file of the book; ``None`` where each person shows some windows of each gesture.
        data: store, or folder of recordings.
        out: output folder.
        users: people to replay; if empty, the test people of the checkpoint.
        shots: windows of each gesture that each person shows; 0 with a book.
        shown: word in the names of the recordings from which windows are shown; they are not replayed.
        adapts: whether books follow the person without labels.
        command: command line of the user.
    """

    checkpoint: Path
    book: Path | None
    data: Path
    out: Path
    users: tuple[str, ...] = ()
    shots: int = 0
    shown: str = ""
    adapts: bool = False
    command: str = ""


def evaluate_live(request: LiveRequest, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Replay recordings through stream and recogniser, write ``live.json`` and ``live.html``, and return the results.

    Raises:
        UserError: a user took part in training or calibration; there is nobody to replay; the data do not fit; or
            ``out`` holds something else.
    """
    with alone_in(request.out):
        return _evaluate_live(request, say)


def _evaluate_live(request: LiveRequest, say: Callable[[str], None]) -> dict[str, Any]:
    started, clock = datetime.now(UTC), time.monotonic()
    request = replace(request, checkpoint=local(request.checkpoint))  # an address is resolved once, to one commit
    model = load(request.checkpoint)
    config = from_dict(model.card.config)
    asked = {name: str(getattr(request, name)) for name in ("checkpoint", "book", "shots", "shown", "adapts")}
    claim(Request(request.data, request.out, config, test_users=request.users), asked)
    store = prepared(request.data, request.out / "store", say)
    model.card.refuse_other(store, request.data)
    users = people(model, store, request.users)
    say(f"{store.name}: {len(users)} people, none of whom the checkpoint or its confidence has met")
    indices = [
        index
        for index, entry in enumerate(store.entries)
        if entry.user in users and (request.book is not None or request.shown not in entry.name)
    ]
    if not indices:
        raise UserError(f"{request.data}: no recording is left to replay where {request.shown!r} is in every name")
    if request.book is not None:
        books = dict.fromkeys(users, GestureBook.load(request.book, model))
    else:
        # for everybody first, so that missing windows are found before the long part
        shown = {user: _shown(model, store, user, request.shown) for user in users}
        books = {user: _book_of_shown(model, store, windows, request.shots) for user, windows in shown.items()}
    names = _made_of_books(request, model, store, indices, books, say)
    runs = replayed(
        model, books.__getitem__, store, indices, progress_line("replay", "recordings"), adapts=request.adapts
    )
    seconds = round(time.monotonic() - clock, 1)
    results = {
        "schema": SCHEMA,
        "run": run_block(request.command, config, seconds, started),
        "data": {"name": store.name, "users": list(users), "gestures": names},
        "book": {
            "false_alarms": _mean([book.calibration.false_alarms for book in books.values()]),
            "read_out": ", ".join(sorted({book.read_out for book in books.values()})),
            "accepted": _mean([book.calibration.accepted for book in books.values()]),
        },
        "windows": window_scores([run for run in runs if run.pure], names),
        "events": scores(runs, names),
    }
    write_json(request.out / "live.json", results)
    write_live_report(results, request.out / "live.html")
    return results


def _made_of_books(
    request: LiveRequest,
    model: Model,
    store: Store,
    indices: Sequence[int],
    books: Mapping[str, GestureBook],
    say: Callable[[str], None],
) -> list[str]:
    """Return the gestures of the books that somebody makes, and say who makes no gesture of the own book.

    Raises:
        UserError: nobody makes a gesture of the books.
    """
    made: dict[str, set[str]] = {user: set() for user in books}
    for entry in (store.entries[index] for index in indices):
        made[entry.user] |= {gesture.name for gesture in made_in(model, store, entry)}
    everything = set().union(*made.values())
    names = dict.fromkeys(name for book in books.values() for name in names_of(book) if name in everything)
    if not names:
        found = ", ".join(sorted(everything)) or "none"
        raise UserError(f"{request.data}: nobody makes a gesture of the book; made are {found}")
    if none := [user for user, book in books.items() if not made[user] & set(names_of(book))]:
        say(f"user {', '.join(none)}: no gesture of the book; scored on false events and rejection alone")
    return list(names)


def people(model: Model, store: Store, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the people who are replayed; training and validation people are refused.

    Raises:
        UserError: an asked person is one of them or not in the store, or nobody is left.
    """
    split = model.card.held_out()
    trained = {*split.users_train, *split.users_val}
    since = set(noted_people(model, store)) - trained  # met by a later training, such as fine-tuning
    met = trained | since
    if both := sorted(met & set(asked)):
        raise UserError(f"user {', '.join(both)} took part in the training of this checkpoint and cannot test it")
    if missing := sorted(set(asked) - set(store.users)):
        raise UserError(f"{store.path} has no user {', '.join(missing)}; its users are {', '.join(store.users)}")
    users = tuple(asked) or tuple(user for user in split.users_test if user in store.users and user not in since)
    if not users:
        raise UserError(f"{store.path} has none of the checkpoint's held-out users; name others with --users")
    if met & set(users):
        raise LeakError(f"users {sorted(met & set(users))} were trained or calibrated on")
    return users


def shown_book(model: Model, store: Store, user: str, shots: int, shown: str) -> GestureBook:
    """Return the book of a person who shows some windows of each gesture.

    The windows lie at equal distances in the recordings whose names contain ``shown``. Confidence is calibrated on
    labelled windows of the checkpoint's validation people.

    Raises:
        UserError: the person has no such recording or none long enough, or there are no windows to calibrate on.
    """
    return _book_of_shown(model, store, _shown(model, store, user, shown), shots)


def _shown(model: Model, store: Store, user: str, shown: str) -> Windows:
    """Return the labelled windows of the recordings from which a person shows gestures."""
    windows = _labelled(model, store)
    shown_E = np.array([entry.user == user and shown in entry.name for entry in store.entries])
    mine = windows.select(shown_E[windows.entry_N])
    if not shown_E.any():
        raise UserError(
            f"{store.path}: user {user} has no recording with {shown!r} in its name to show gestures from"
        )
    if not len(mine):
        raise UserError(
            f"{store.path}: the recordings of user {user} with {shown!r} in their names have no labelled window of "
            f"{model.card.window_s:g} s to show; show others, or name other people with --users"
        )
    return mine


def _labelled(model: Model, store: Store) -> Windows:
    windows = list_windows(store, model.card.window_s, grid_s(model))
    return windows.select(windows.label_N >= 0)


def _book_of_shown(model: Model, store: Store, mine: Windows, shots: int) -> GestureBook:
    """Return the book of some windows of each gesture that a person showed."""
    windows, users = _labelled(model, store), model.card.held_out().users_val
    others = windows.select(np.isin(windows.users(store), users))
    if not len(others):
        raise UserError(f"{store.path} has no validation user of the checkpoint, on whom confidence is calibrated")
    if not (others.label_N > 0).any():
        raise UserError(
            f"{store.path}: the checkpoint's validation users ({', '.join(users)}), on whom confidence is "
            f"calibrated, have no labelled window of {model.card.window_s:g} s but of rest"
        )
    book = GestureBook(model, background_of(model, store, others))
    for label in sorted(set(mine.label_N.tolist())):
        own = mine.select(np.flatnonzero(mine.label_N == label))
        even = own.select(np.unique(np.linspace(0, len(own) - 1, shots).round().astype(int)))
        book.add_emg(store.vocabulary[label] if label else REST, embed_streamed(model, store, even, grid_s(model)))
    book.choose()
    return book


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return round(float(np.mean(known)), 4) if known else None
