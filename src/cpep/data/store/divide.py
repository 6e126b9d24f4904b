"""A person's own recordings divided: repetitions, and the last session, become people of their own, who are held out.

Splits hold out people. Somebody who trains a model alone has nobody to hold out, so that the recordings are cut where
repetitions of gestures change their role, and what is kept of each role is written as the recordings of a person of
its own: ``anna~train``, ``anna~val``, ``anna~test`` and, of a later session, ``anna~later``. Everything after that
knows people alone, as ever: windows, statistics, batches and protocols cannot reach from one role into another.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from cpep.data.readers.folder import natural
from cpep.data.store.build import build
from cpep.data.store.frames import Frames, block_power
from cpep.data.store.index import read_index
from cpep.data.store.store import Entry, Store, is_store, open_store
from cpep.types import BoolArray, IntArray

Part = Literal["train", "val", "test", "later"]
PARTS: tuple[Part, ...] = ("train", "val", "test", "later")
SPLITS: dict[Part, str] = {"train": "train", "val": "val", "test": "test", "later": "test"}
"""Role of each part in the split column."""
MARK = "~"
"""Stands in the name of a part's person, before the part."""
TEST_SHARE, VAL_SHARE = 0.2, 0.15
"""Share of the repetitions of a gesture in one session, at least one, that test and that validate: the last ones."""
LEAST_BLOCK_S = 60.0
"""A recording without labels is divided by time if it is at least so long."""
VERSION = 1


@dataclass(frozen=True)
class Made:
    """One execution of a gesture: frames of the store from the first that shows or asks for it to after the last.

    Attributes:
        entry: index of the recording.
        start: first frame.
        stop: after the last frame.
        label: of the gesture.
        shown: whether a frame is labelled so; else it was asked for alone, as a hold that was made again.
    """

    entry: int
    start: int
    stop: int
    label: int
    shown: bool = True


@dataclass(frozen=True)
class Span:
    """Frames of one recording that one part may use.

    Attributes:
        entry: index of the recording.
        start: first frame, counted over the store.
        stop: after the last frame.
        part: who uses it.
    """

    entry: int
    start: int
    stop: int
    part: Part


@dataclass(frozen=True, eq=False)
class Division:
    """How recordings are divided.

    Attributes:
        spans: what each part may use; they do not overlap.
        made: all executions, in the order of time of each recording.
        parts: part of each execution.
        guard_s: training and validation stay this far from executions of other parts.
    """

    spans: tuple[Span, ...]
    made: tuple[Made, ...]
    parts: tuple[Part, ...]
    guard_s: float

    def count(self, part: Part) -> Counter[int]:
        """Return the number of executions of each gesture in a part, without those that were asked for alone."""
        pairs = zip(self.made, self.parts, strict=True)
        return Counter(one.label for one, its in pairs if its == part and one.shown)


def division_of(store: Store, guard_s: float) -> Division:
    """Divide the recordings of each person by repetition and, of several sessions, hold out the last.

    The last session with two gestures that earlier ones have is held out as a whole. In every other session the last
    repetitions of each gesture test, those before them validate, and the others train. A gesture that is made once
    trains; one that is made twice trains and tests. Recordings without labels are divided by time.

    Args:
        store: prepared recordings.
        guard_s: training and validation stay this far from every sample of an execution of another part, be it
            shown or asked for.
    """
    made = [one for index in range(len(store.entries)) for one in made_in(store, index, guard_s)]
    later = _later(store, made)
    part_of: dict[Made, Part] = {one: "later" for one in made if one.entry in later}
    groups: dict[tuple[str, str, int], list[Made]] = defaultdict(list)
    for one in made:
        if one.entry not in later:
            entry = store.entries[one.entry]
            groups[entry.user, entry.session, one.label].append(one)
    for group in groups.values():
        parts = parts_of(sum(one.shown for one in group)) or ["train"]
        before = np.cumsum([one.shown for one in group]) - 1  # what was asked for alone goes with the one before
        part_of |= {one: parts[max(place, 0)] for one, place in zip(group, before.tolist(), strict=True)}
    guard = round(guard_s * store.frame_rate)
    spans: list[Span] = []
    for index, entry in enumerate(store.entries):
        own = [one for one in made if one.entry == index]
        if index in later:
            spans.append(Span(index, entry.start, entry.start + entry.frames, "later"))
        elif own:
            spans += _between(entry, index, own, [part_of[one] for one in own], guard)
        else:
            spans += _by_time(entry, index, guard, entry.frames >= LEAST_BLOCK_S * store.frame_rate)
    return Division(tuple(spans), tuple(made), tuple(part_of[one] for one in made), guard_s)


def made_in(store: Store, index: int, apart_s: float) -> list[Made]:
    """Return the executions of a recording: runs of frames that show one gesture, or are asked to.

    Two runs of one gesture that are less than ``apart_s`` apart are one execution.
    """
    entry = store.entries[index]
    rows = slice(entry.start, entry.start + entry.frames)
    label_M, prompt_M = np.asarray(store.label_M[rows]), np.asarray(store.prompt_M[rows])
    key_M = np.where(label_M > 0, label_M, np.where(prompt_M > 0, prompt_M, 0))
    edges = [0, *(np.flatnonzero(np.diff(key_M)) + 1).tolist(), len(key_M)]
    found: list[Made] = []
    for first, stop in pairwise(edges):
        if first == stop or key_M[first] == 0:
            continue
        start, last = entry.start + first, found[-1] if found else None
        if last and last.label == key_M[first] and start - last.stop < apart_s * store.frame_rate:
            found[-1] = replace(last, stop=entry.start + stop)
        else:
            found.append(Made(index, start, entry.start + stop, int(key_M[first])))
    found = [replace(one, shown=bool((store.label_M[one.start : one.stop] == one.label).any())) for one in found]
    return found


def parts_of(count: int) -> list[Part]:
    """Return the parts of the repetitions of one gesture in one session, in the order of time.

    >>> [len([part for part in parts_of(n) if part == "train"]) for n in (1, 2, 3, 4, 10)]
    [1, 1, 1, 2, 6]
    """
    if count < 3:
        return (["train", "test"] if count == 2 else ["train"])[:count]  # type: ignore[return-value]
    test, val = max(1, round(TEST_SHARE * count)), max(1, round(VAL_SHARE * count))
    return [*["train"] * (count - test - val), *["val"] * val, *["test"] * test]  # type: ignore[list-item]


def _later(store: Store, made: Sequence[Made]) -> set[int]:
    """Return the recordings of the sessions that are held out: of each person the last that can be asked about."""
    labels: dict[str, dict[str, set[int]]] = defaultdict(dict)
    for entry in store.entries:
        labels[entry.user].setdefault(entry.session, set())
    for one in made:
        entry = store.entries[one.entry]
        labels[entry.user][entry.session] |= {one.label} if one.shown else set()
    chosen = set()
    for user, sessions in labels.items():
        names = sorted(sessions, key=natural)
        for last in range(len(names) - 1, 0, -1):
            before = set().union(*(sessions[name] for name in names[:last]))
            if len(before & sessions[names[last]]) > 1:
                chosen |= {(user, name) for name in names[last:]}
                break
    return {index for index, entry in enumerate(store.entries) if (entry.user, entry.session) in chosen}


def _between(entry: Entry, index: int, made: list[Made], parts: list[Part], guard: int) -> list[Span]:
    """Return the spans of a recording: rests are halved where the part changes, and the guard is left out."""
    spans, first = [], entry.start
    for (one, part), (after, its) in pairwise(zip(made, parts, strict=True)):
        if its == part:
            continue
        middle = (one.stop + after.start) // 2
        spans.append(Span(index, first, min(middle, after.start - guard), part))
        first = max(middle, one.stop + guard)
    spans.append(Span(index, first, entry.start + entry.frames, parts[-1]))
    return [span for span in spans if span.stop > span.start]


def _by_time(entry: Entry, index: int, guard: int, long: bool) -> list[Span]:
    """Return the spans of a recording without labels: training, validation and test in the order of time."""
    end = entry.start + entry.frames
    if not long:
        return [Span(index, entry.start, end, "train")]
    val, test = (entry.start + round(share * entry.frames) for share in (1 - TEST_SHARE - VAL_SHARE, 1 - TEST_SHARE))
    return [
        Span(index, entry.start, val - guard, "train"),
        Span(index, val, test - guard, "val"),
        Span(index, test, end, "test"),
    ]


def leaking(store: Store, division: Division) -> BoolArray:
    """Tell which frames (M,) of training and validation touch another part, looking at labels and prompts anew.

    A frame leaks if two parts have it, or if it is within the guard of a sample that shows, or was asked to show, a
    gesture outside the spans of its own part.
    """
    guard = round(division.guard_s * store.frame_rate)
    owner_M: IntArray = np.full(len(store.label_M), -1, np.int16)
    leak_M = np.zeros(len(owner_M), bool)
    for span in division.spans:
        rows = slice(span.start, span.stop)
        leak_M[rows] |= owner_M[rows] >= 0
        owner_M[rows] = PARTS.index(span.part)
    gesture_M = (np.asarray(store.label_M) > 0) | (np.asarray(store.prompt_M) > 0)
    whose_M = _whose(store, division)
    for part in ("train", "val"):
        foreign_M = gesture_M & (whose_M != PARTS.index(part))
        for entry in store.entries:
            rows = slice(entry.start, entry.start + entry.frames)
            count = np.concatenate([[0], np.cumsum(foreign_M[rows])])
            at = np.arange(entry.frames)
            near = count[np.minimum(at + guard, entry.frames)] > count[np.maximum(at - guard, 0)]
            leak_M[rows] |= (owner_M[rows] == PARTS.index(part)) & near
    return leak_M


def _whose(store: Store, division: Division) -> IntArray:
    """Return the part (M,) of the execution that each frame belongs to, -1 for none."""
    whose_M: IntArray = np.full(len(store.label_M), -1, np.int16)
    for one, part in zip(division.made, division.parts, strict=True):
        whose_M[one.start : one.stop] = PARTS.index(part)
    return whose_M


def divide(store: Store, division: Division, out: Path) -> Store:
    """Write the spans of a division as a store, whose split column gives their roles, or open it where it is there.

    Raises:
        AssertionError: a frame of training or validation touches another part: a bug, never a user's choice.
    """
    assert not leaking(store, division).any(), "a held-out repetition reached training or validation"
    of = {"divided": {"of": store.fingerprint, "guard_s": division.guard_s, "version": VERSION}}
    if is_store(out) and read_index(out).index.divided == of["divided"]:
        return open_store(out)
    shutil.rmtree(out, ignore_errors=True)  # it is derived: nothing of a user's is in it
    spans = sorted(division.spans, key=lambda span: (PARTS.index(span.part), span.start))
    pieces = [_frames_of(store, span, number) for number, span in enumerate(spans)]
    splits = {piece.name: SPLITS[span.part] for piece, span in zip(pieces, spans, strict=True)}
    return build(out, store.name, [piece.name for piece in pieces], pieces, splits, of)


def _frames_of(store: Store, span: Span, number: int) -> Frames:
    """Return a span as a recording of its part's person."""
    entry, rows = store.entries[span.entry], slice(span.start, span.stop)
    emg_TC = np.array(store.emg_TC[span.start * store.ratio : span.stop * store.ratio])
    frames = span.stop - span.start
    return Frames(
        user=f"{entry.user}{MARK}{span.part}",
        session=entry.session,
        stage=entry.stage,
        side=entry.side,
        device=store.device,
        vocabulary=store.vocabulary,
        emg_TC=emg_TC,
        anchor_MJ=np.zeros((frames, 0), np.float32) if store.anchor_MJ is None else store.anchor_MJ[rows],
        valid_M=store.valid_M[rows],
        label_M=store.label_M[rows],
        prompt_M=store.prompt_M[rows],
        repetition_M=store.repetition_M[rows],
        power_KC=block_power(emg_TC, store.device.emg_rate),
        name=f"{entry.name}{MARK}{span.part}{number}",
        repairs=(),
    )
