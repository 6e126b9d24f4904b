"""The sidecar that a look suggests, with the evidence for each of its keys, and what is still to be filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cpep.data.describe.clock import Clock, Tally, find_clock, find_tally, shown, stamps
from cpep.data.describe.labels import (
    Labels,
    find_events,
    find_labels,
    find_people,
    find_prompt,
    find_repetition,
)
from cpep.data.describe.look import Column, Look
from cpep.data.describe.presets import Known, preset_of, written_rate
from cpep.data.describe.signals import Signals, find_emg, find_pose, kind_of, pose_unit, power_of, span, unit_of
from cpep.data.readers.twice import written_once
from cpep.types import UserError

USER_IN_NAME = re.compile(r"(?:^|[^a-z])(?:sub|subject|subj|user|participant|person|pat|s|p|u)[-_ ]?(\d+)", re.I)
POSE_UNITS = "rad, deg, ratio, mm or count; or take 'pose' out"
SESSION_IN_NAME = re.compile(r"(?:^|[^a-z])(?:ses|session|sess|day|visit)[-_ ]?(\d+)", re.I)


NAME_BEFORE_SESSION = re.compile(r"^([^\W\d_]+)[-_ ](?:session|sess|ses|day|visit)[-_ ]?\d", re.I)
FIRST_WORD = "^([^-_ ]+)[-_ ]"


@dataclass
class Draft:
    """A sidecar that is being written.

    Attributes:
        keys: what it says; a text that is empty is to be filled in.
        lines: a line of evidence each: what it is about, and the sentence.
        missing: what is to be filled in, and what it takes.
        unused: columns that nothing uses.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    unused: list[Column] = field(default_factory=list)

    def say(self, what: str, *sentences: str) -> None:
        """Add lines of evidence."""
        self.lines += [(what, sentence) for sentence in sentences if sentence]

    def told(self, key: str, value: Any) -> None:
        """Set a key to what the user says, in place of what the file suggests."""
        self.keys[key] = value
        self.lines = [line for line in self.lines if line[0] != key]
        self.missing = [one for one in self.missing if one[0] != key]
        self.say(key, f"{value}: you said it")

    def put(self, key: str, value: Any, why: str, wanted: str) -> None:
        """Set a key with its evidence; an empty value is to be filled in."""
        self.keys[key] = value
        self.say(key, f"{value}: {why}" if value else why)
        if not value:
            self.missing.append((key, wanted))


def draft_of(look: Look, asked: str = "") -> Draft:
    """Return the draft for a text table.

    Args:
        look: at the file.
        asked: the preset, where one is forced.

    Raises:
        UserError: no column can be EMG, or the preset does not fit.
    """
    draft = Draft()
    rows, look = look.rows, _once(look)
    if rows > look.rows:
        draft.say(
            "rows", f"{rows - look.rows:,} of {rows:,} are written twice, with the same time, and will be left out"
        )
    preset = preset_of(look, asked)
    known = preset[1] if preset else None
    if preset:
        draft.say("preset", preset[0].title)
    numbers = [column for column in look.columns if not column.is_text]
    clock = _clock(known, look.columns)
    tally = find_tally([column for column in numbers if not known or column not in known.emg], clock)
    people = find_people(look.columns)
    taken = {id(one.column) for one in (clock, tally) if one} | ({id(people[0])} if people else set())
    free = [column for column in look.columns if id(column) not in taken and column is not (known and known.clock)]
    pose = find_pose(_others(free, known))
    emg = _emg(look, known, [column for column in free if not pose or column not in pose.columns])
    free = [column for column in _others(free, known) if column not in emg.columns]
    written = (known.rate, known.why) if known and known.rate else written_rate(look.above)
    rate = written[0] or (clock.rate if clock else 0.0)
    labels = find_labels(
        [column for column in free if not pose or column not in pose.columns], power_of(emg.columns), rate
    )
    _put_emg(draft, look, emg, clock, tally)
    _put_signal(draft, look, emg, known, clock, written)
    if pose:
        _put_pose(draft, pose)
    put_labels(draft, free, labels)
    put_people(draft, look.path, people)
    used = {id(column) for column in (*emg.columns, *(pose.columns if pose else ()))} | taken
    used |= {id(look.column(draft.keys[key])) for key in ("prompt", "repetition") if key in draft.keys}
    used |= {id(labels.column)} if labels else set()
    draft.unused = [column for column in look.columns if id(column) not in used]
    if any(isinstance(column.key, int) for column in look.columns if id(column) in used):
        _number_columns(draft, look)
    say_unused(draft)
    return draft


def _once(look: Look) -> Look:
    """Leave out rows that are copies of others: they would count as samples in the rate by the clock."""
    numbers = [column for column in look.columns if not column.is_text]
    clock = find_clock(look.columns)
    stamp_T = stamps(clock.column) if clock else None
    if stamp_T is None or len(numbers) < 2:
        return look
    once_T = written_once(stamp_T, np.column_stack([column.values.astype(np.float64) for column in numbers]))
    return replace(look, columns=tuple(replace(one, values=one.values[once_T]) for one in look.columns))


def _number_columns(draft: Draft, look: Look) -> None:
    """Call all columns by their number, as some have no name of their own."""
    numbers = {str(column.key): column.number for column in look.columns}
    draft.keys["first_row"] = len(look.above) + 1
    draft.say("first_row", f"line {len(look.above) + 1}; columns are called by their number from 0")
    for key in ("emg", "pose"):
        if block := draft.keys.get(key):
            block["columns"] = [numbers[str(name)] for name in block["columns"]]
    fields = (draft.keys.get("label"), draft.keys.get("counter"), draft.keys["emg"].get("clock"))
    for block in filter(None, fields):
        block["field"] = str(numbers[block["field"]])
    for key in ("prompt", "repetition"):
        if key in draft.keys:
            draft.keys[key] = str(numbers[draft.keys[key]])


def _clock(known: Known | None, columns: Sequence[Column]) -> Clock | None:
    if known and not known.has_clock:
        return None
    if known and known.clock is not None:
        return find_clock([known.clock])
    return find_clock([column for column in columns if not known or column not in known.emg])


def _others(free: Sequence[Column], known: Known | None) -> list[Column]:
    """Return the columns that can hold labels or a pose."""
    if known is None or known.others is None:
        return [column for column in free if known is None or column not in known.emg]
    return [column for column in free if column in known.others and column not in known.emg]


def _emg(look: Look, known: Known | None, free: Sequence[Column]) -> Signals:
    found = find_emg(known.emg if known else free)
    if found is None:
        names = ", ".join(shown(column) for column in look.columns[:20])
        raise UserError(
            f"{look.path}: no column looks like EMG ({names}); name the EMG in the header, as in emg1, emg2, ..."
        )
    return found


def _put_emg(draft: Draft, look: Look, emg: Signals, clock: Clock | None, tally: Tally | None) -> None:
    block: dict[str, Any] = {"columns": [column.key for column in emg.columns]}
    draft.say("emg", emg.why, *emg.notes)
    put_times(draft, block, clock, tally)
    if look.dialect and look.dialect.encoding == "cp1252":
        draft.keys["encoding"] = "cp1252"
        draft.say("encoding", "cp1252 (Western Windows): it holds bytes that are no UTF-8")


def put_times(draft: Draft, emg: dict[str, Any], clock: Clock | None, tally: Tally | None) -> None:
    """Set where the EMG is, with its clock and its counter."""
    draft.keys["emg"] = emg
    if clock:
        emg["clock"] = {"field": str(clock.column.key), "unit": clock.unit}
    if tally:
        draft.keys["counter"] = {"field": str(tally.column.key)}
        draft.say("counter", tally.why)


def _put_signal(
    draft: Draft, look: Look, emg: Signals, known: Known | None, clock: Clock | None, written: tuple[float, str]
) -> None:
    """Set rate, kind, unit and ring."""
    put_rate(draft, *written, clock)
    draft.put("kind", *kind_of(emg.columns), "'raw', or 'envelope' for a rectified and smoothed signal")
    unit = (known.unit, "as such exports have it") if known and known.unit else unit_of(emg.columns, look.above)
    draft.put("unit", *unit, "V, mV, uV or count")
    if known and known.ring:
        draft.keys["ring"] = list(known.ring)
        draft.say("ring", "the electrodes go around the arm in their order")
    draft.say("note", *(known.notes if known else ()))


def put_rate(draft: Draft, written: float, why: str, clock: Clock | None) -> None:
    """Set the rate: the written one, where there is one, else the clock's."""
    if written and clock:
        draft.put("rate", short(written), f"{why}; {clock.why}", "")
        if abs(clock.measured / written - 1) > 0.02:
            draft.say("rate", f"but the clock counts {clock.measured:.4g} a second: look which is right")
    elif written or clock:
        rate, reason = (written, why) if written else (clock.rate, clock.why) if clock else (0.0, "")
        draft.put("rate", short(rate), reason, "")
    else:
        draft.put("rate", "", "no clock says it, and nothing written", "EMG samples a second, a number")


def _put_pose(draft: Draft, pose: Signals) -> None:
    unit, why = pose_unit(pose.columns)
    draft.keys["pose"] = {"columns": [column.key for column in pose.columns], "unit": unit}
    draft.say("pose", pose.why, f"in {unit}: {why}" if unit else f"unit: {why}")
    if not unit:
        draft.missing.append(("pose.unit", POSE_UNITS))


def put_labels(draft: Draft, free: Sequence[Column], labels: Labels | None) -> None:
    """Set labels, prompts and repetitions."""
    if labels is None:
        draft.say("label", "no column holds few values in long runs, so the recording has no labels")
        return
    draft.keys["label"] = {"field": str(labels.column.key), "names": labels.names}
    draft.say("label", labels.why, labels.rest_why)
    if labels.made_up:
        draft.say("label", "the names of gestures are their numbers: write the true ones to 'names'")
    rest_of = [column for column in free if column is not labels.column]
    if prompt := find_prompt(rest_of, labels):
        draft.keys["prompt"] = str(prompt.key)
        draft.say("prompt", f"{shown(prompt)} has the values of the label")
    if repetition := find_repetition(rest_of):
        draft.keys["repetition"] = str(repetition.key)
        draft.say("repetition", shown(repetition))


def put_people(draft: Draft, path: Path, people: tuple[Column, list[str]] | None) -> None:
    """Set user and session: by a column, else by the name of the file.

    Raises:
        UserError: the file holds several people.
    """
    if people and len(people[1]) > 1:
        raise UserError(
            f"{path} holds {len(people[1])} people ({shown(people[0])}: {', '.join(people[1][:5])}); "
            "write the rows of each person to a file of their own"
        )
    name = path.name
    if people and people[1]:
        draft.put("user", people[1][0], f"the one value of {shown(people[0])}", "")
    elif match := USER_IN_NAME.search(name):
        draft.keys["user"] = {"pattern": _pattern(name, match)}
        draft.say("user", f"{match[1]!r}, from the name of the file")
    else:
        draft.put(
            "user", "", f"nothing in {name!r} names the person", 'a name, or {"pattern": "..."} of files\' names'
        )
    if match := SESSION_IN_NAME.search(name):
        draft.keys["session"] = {"pattern": _pattern(name, match)}
        draft.say("session", f"{match[1]!r}, from the name of the file")


def put_first_words(draft: Draft, paths: Sequence[Path]) -> None:
    """Set the user, where nothing else names one and all files are called as ``anna_day1.csv``, of several people."""
    words = [match[1] for path in paths if (match := NAME_BEFORE_SESSION.match(path.name))]
    if draft.keys.get("user") or len(words) < len(paths) or len(set(words)) < 2:
        return
    draft.told("user", {"pattern": FIRST_WORD})
    some = sorted(set(words))
    shown_words = ", ".join(map(repr, some[:5])) + (", ..." if len(some) > 5 else "")
    draft.lines[-1] = ("user", f"{shown_words}: the first word in the name of each file")


def _pattern(name: str, match: re.Match[str]) -> str:
    """Return a pattern that finds the number in the name of a file, and in those like it."""
    begin = re.escape(name[match.start() : match.start(1)].lstrip("_- ."))
    found = re.search(f"{begin}(\\d+)", name)
    return f"{begin}(\\d+)" if found and found.start(1) == match.start(1) else f"(?:^|[^A-Za-z]){begin}(\\d+)"


def say_unused(draft: Draft) -> None:
    """Add lines on columns of single events, and on all that nothing uses."""
    for column, count in find_events(draft.unused):
        draft.say(
            "events",
            f"{shown(column)} is zero but for {count} rows: single events are not used, as every row has a label",
        )
    if draft.unused:
        draft.say("not used", ", ".join(_spans(draft.unused)))


def _spans(columns: Sequence[Column]) -> list[str]:
    """Return columns in words, those that differ in a number together."""
    families: dict[str, list[Column]] = {}
    for column in columns:
        families.setdefault(re.sub(r"\d+", "#", column.name) or "#", []).append(column)
    return [span(family) for family in families.values()]


def short(rate: float) -> float | int:
    """Return a rate as people write it: without a point where it is whole."""
    return int(rate) if float(rate).is_integer() else rate
