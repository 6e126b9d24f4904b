"""Arrays of an .npz or a .mat: which is EMG, a pose, labels or a clock, by shape, name and values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.data.describe.clock import CLOCK_NAME, Clock, find_clock, find_tally
from cpep.data.describe.draft import POSE_UNITS, Draft, put_labels, put_people, put_rate, put_times, say_unused, short
from cpep.data.describe.labels import LABEL_NAME, find_labels, find_people
from cpep.data.describe.look import MANY, Column, Look
from cpep.data.describe.signals import find_emg, kind_of, pose_unit, power_of, span, speed, unit_of
from cpep.data.readers.unpacked import read_npz
from cpep.data.recording import MOST_HZ
from cpep.runtime.files import refuse_special
from cpep.types import FloatArray, UserError

EMG_ARRAY = re.compile(r"emg|^(data|signals?|x|raw|samples)$", re.I)
POSE_ARRAY = re.compile(r"pose|angle|joint|glove|finger|hand|landmark|kinem|curl|mano|thumb|index|dof", re.I)
RATE_NAME = re.compile(r"(^|[._])(fs|rate|srate|sfreq|sr|freq(uency)?|sampling_?(rate|freq(uency)?)|hz)$", re.I)
POSE_RATE_NAME = re.compile(
    r"(pose|angle|joint|glove|kin|mocap).*(fs|rate|srate|hz)|(fs|rate|srate)_(pose|angle|joint|glove|kin)", re.I
)
UNIT_NAME = re.compile(r"(^|[._])units?$", re.I)
OTHER_ARRAY = re.compile(r"acc|gyr|imu|quat|ori|mag|force|envelope|filt|rms|feature", re.I)
MOST_CHANNELS = 512

SLOW = 0.005
"""Share of a channel's variance that its steps have, below which it is hardly EMG."""


def look_at_arrays(path: Path) -> Look:
    """Look at the arrays of an .npz or a .mat.

    Raises:
        UserError: it cannot be read, or holds Python objects.
    """
    refuse_special(path)
    is_npz = path.name.lower().endswith(".npz")
    arrays = read_npz(path) if is_npz else _mat(path)
    unread = [] if is_npz else _unread(path, arrays)
    columns, blocks, single, lying = [], {}, {}, []
    for name, given in arrays.items():
        if given.dtype.kind not in "biufUSM" or given.size == 0:
            unread.append(name)
            continue
        array = _plain(given)
        if array.size == 1:
            single[name] = array.ravel()[0].item()
        elif array.size == max(array.shape, default=0):
            columns.append(Column(name, name, array.ravel()))
            if is_npz and array.ndim == 2 and len(array) == 1:
                lying.append(name)
        elif array.dtype.kind != "U":
            blocks[name] = array
    return Look(path, tuple(columns), blocks, single, None, frozenset(lying), tuple(unread))


def _mat(path: Path) -> dict[str, npt.NDArray[Any]]:
    from cpep.data.readers.mat import read_mat

    return read_mat(path)


def _unread(path: Path, found: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    """Return the names of what a .mat holds at its top and is not read: cells, tables, objects."""
    from cpep.data.readers.mat import shapes

    tops = {name.partition(".")[0] for name in found}
    return sorted(name for name in shapes(path) if name not in tops and name.isidentifier() and name[0] != "_")


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers, NaN where they are infinite; or texts, also of dates."""
    if array.dtype.kind == "M":
        return array.astype("datetime64[ns]").astype(np.str_)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    return np.where(np.isfinite(array), array, np.nan) if array.dtype.kind == "f" else array


def draft_of_arrays(look: Look) -> Draft:
    """Return the draft for arrays.

    Raises:
        UserError: no array can be EMG.
    """
    draft = Draft()
    name = _emg(look)
    emg_TC, turned = _upright(look, name)
    channels = [Column(k, f"channel {k}", emg_TC[:, k]) for k in range(emg_TC.shape[1])]
    rows = [column for column in look.columns if len(column.values) == len(emg_TC) and column.key != name]
    numbers = [column for column in rows if not column.is_text]
    clock = find_clock(rows)
    tally = find_tally(numbers, clock)
    put_times(draft, {"field": name} | ({"transposed": True} if turned else {}), clock, tally)
    how = ", written the other way round" if turned else ""
    across = "1 column" if len(channels) == 1 else f"{len(channels)} columns"
    draft.say("emg", f"{name!r}: {emg_TC.shape[0]:,} rows of {across}{how}", *_unlike(channels))
    rate = _put_rate(draft, look, clock)
    draft.put("kind", *kind_of(channels), "'raw', or 'envelope' for a rectified and smoothed signal")
    draft.put("unit", *_unit(look, name, channels), "V, mV, uV or count")
    pose = _put_pose(draft, look, name, len(emg_TC), rate)
    alone = [Column(key, key, np.array([value])) for key, value in look.single.items()]
    people = find_people([*rows, *alone])
    timing = [one.column for one in (clock, tally) if one]
    free = [column for column in rows if column not in timing and not (people and column is people[0])]
    labels = find_labels(free, power_of(channels), rate)
    put_labels(draft, free, labels)
    if labels is None:
        draft.say("label", *_no_labels(look, name, len(emg_TC)))
    put_people(draft, look.path, people)
    used = [*timing, *([labels.column] if labels else []), *([people[0]] if people else [])]
    taken = {name, *(draft.keys.get(key) for key in ("prompt", "repetition"))}
    taken |= {draft.keys.get("pose", {}).get("clock", {}).get("field")}
    draft.unused = [column for column in look.columns if column not in used and column.key not in taken]
    draft.unused += [Column(key, key, np.zeros(0)) for key in look.blocks if key not in (name, pose)]
    say_unused(draft)
    if look.unread:
        draft.say("not read", f"{', '.join(map(repr, look.unread))}: neither numbers nor plain texts")
    return draft


def _no_labels(look: Look, emg: str, rows: int) -> list[str]:
    """Return sentences on arrays that are called as labels are, and cannot be used as such."""
    shapes = {str(column.key): column.values.shape for column in look.columns}
    shapes |= {key: array.shape for key, array in look.blocks.items()}
    named = [key for key in (*shapes, *look.unread) if key != emg and LABEL_NAME.search(key)]
    return [
        f"{key!r} {f'is {shapes[key]}' if key in shapes else 'cannot be read'}: save labels as one number or text "
        f"for each of the {rows:,} rows"
        for key in named
        if shapes.get(key) != (rows,)
    ]


def _emg(look: Look) -> str:
    """Return the name of the EMG: the array that is called so, else the largest that is nothing else.

    Raises:
        UserError: there is none, or only one that is cut into windows.
    """
    flat = {key: array for key, array in look.blocks.items() if array.ndim == 2}
    tables = {key: array for key, array in flat.items() if min(array.shape) <= MOST_CHANNELS}
    named = {key: array for key, array in tables.items() if EMG_ARRAY.search(key) and not OTHER_ARRAY.search(key)}
    no_emg = (POSE_ARRAY, OTHER_ARRAY, LABEL_NAME)
    others = {key: array for key, array in tables.items() if not any(name.search(key) for name in no_emg)}
    found = named or others
    if found:
        called = {key: array for key, array in found.items() if re.search("emg", key, re.I)} or found
        return max(called, key=lambda key: called[key].size)
    deep = next(((key, array.shape) for key, array in look.blocks.items() if array.ndim > 2), None)
    if deep:
        raise UserError(
            f"{look.path}: {deep[0]!r} is {deep[1]}, which is cut into windows; save the recording as it was, (rows, "
            "channels), or make a store of the windows in Python: cpep.data.from_arrays(..., folder='NAME.store')"
        )
    numbers = [column for column in look.columns if not column.is_text and not CLOCK_NAME.search(column.name)]
    if (apart := find_emg(numbers)) and len(apart.columns) > 1:
        arrays = ", ".join(column.name for column in apart.columns[:2])
        raise UserError(
            f"{look.path} holds each channel as an array of its own ({span(apart.columns)}); save them as one: "
            f"emg=numpy.stack([{arrays}, ...], axis=1)"
        )
    if alone := [column for column in numbers if re.search("emg", column.name, re.I) and len(column.values) > MANY]:
        return max(alone, key=lambda column: speed(column.values)).name
    names = ", ".join(f"{key!r} {array.shape}" for key, array in look.blocks.items()) or "none of two axes"
    raise UserError(f"{look.path}: no array looks like EMG (arrays: {names}); call it 'emg', (rows, channels)")


def _upright(look: Look, name: str) -> tuple[FloatArray, bool]:
    """Return an array as (rows, columns), and whether that is turned round: a recording is longer than wide."""
    if name not in look.blocks:  # of a single channel
        (alone,) = (column.values for column in look.columns if column.key == name)
        return alone[:, None], name in look.lying
    array = look.blocks[name]
    lengths = {len(column.values) for column in look.columns}
    turned = array.shape[0] < array.shape[1] and array.shape[0] not in lengths
    return (array.T, True) if turned else (array, False)


def _unlike(channels: Sequence[Column]) -> list[str]:
    """Return sentences on channels that may be no EMG."""
    flat = [str(column.key) for column in channels if np.ptp(column.values) == 0]
    slow = [str(column.key) for column in channels if np.ptp(column.values) > 0 and speed(column.values) < SLOW]
    notes = []
    if flat:
        notes.append(f"column {', '.join(flat)} never changes: leave it out by 'columns' if no electrode was there")
    if slow and len(slow) < len(channels):
        notes.append(f"column {', '.join(slow)} moves slowly: leave it out by 'columns' if it is no EMG")
    return notes


def _put_rate(draft: Draft, look: Look, clock: Clock | None) -> float:
    numbers = {key: float(value) for key, value in look.single.items() if not isinstance(value, str)}
    said = [item for item in numbers.items() if RATE_NAME.search(item[0]) and not POSE_RATE_NAME.search(item[0])]
    name, rate = next((item for item in said if 0 < item[1] <= MOST_HZ), ("", 0.0))
    put_rate(draft, rate, f"{name!r} says it", clock)
    return rate or (clock.rate if clock else 0.0)


def _unit(look: Look, name: str, channels: Sequence[Column]) -> tuple[str, str]:
    for key, value in look.single.items():
        if UNIT_NAME.search(key) and isinstance(value, str) and value:
            return value, f"{key!r} says it"
    return unit_of(channels, (name,))


def _put_pose(draft: Draft, look: Look, emg: str, rows: int, rate: float) -> str | None:
    """Set the pose, where an array has the name of one; return its name."""
    found = [key for key, array in look.blocks.items() if key != emg and array.ndim == 2 and POSE_ARRAY.search(key)]
    if not found:
        return None
    name = max(found, key=lambda key: look.blocks[key].size)
    pose_SJ, turned = _upright(look, name)
    columns = [Column(k, f"{name} {k}", pose_SJ[:, k]) for k in range(pose_SJ.shape[1])]
    unit, why = pose_unit(columns)
    draft.keys["pose"] = {"field": name} | ({"transposed": True} if turned else {}) | {"unit": unit}
    how = ", written the other way round" if turned else ""
    shape = f"{name!r}: {pose_SJ.shape[0]:,} rows of {pose_SJ.shape[1]} columns{how}"
    draft.say("pose", shape, f"{unit or 'unit'}: {why}")
    if not unit:
        draft.missing.append(("pose.unit", POSE_UNITS))
    if len(pose_SJ) != rows:
        _put_pose_rate(draft, look, len(pose_SJ), rows, rate)
    return name


def _put_pose_rate(draft: Draft, look: Look, frames: int, rows: int, rate: float) -> None:
    """Say at which times the rows of the pose are, which are fewer or more than those of the EMG."""
    clock = find_clock([column for column in look.columns if len(column.values) == frames and not column.is_text])
    numbers = {key: float(value) for key, value in look.single.items() if not isinstance(value, str)}
    rates = [item for item in numbers.items() if POSE_RATE_NAME.search(item[0]) and 0 < item[1] <= MOST_HZ]
    name, said = next(iter(rates), ("", 0.0))
    pose = draft.keys["pose"]
    if clock:
        pose["clock"], pose["rate"] = {"field": str(clock.column.key), "unit": clock.unit}, short(clock.rate)
        draft.say("pose", f"{clock.rate:g} rows a second: {clock.why}")
    elif said:
        pose["rate"] = short(said)
        draft.say("pose", f"{said:g} rows a second: {name!r} says it")
    else:
        pose["rate"] = ""
        guess = f" ({rate * frames / rows:.5g} if pose and EMG end together)" if rate else ""
        draft.missing.append(("pose.rate", f"rows of the pose a second{guess}"))
