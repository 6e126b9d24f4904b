"""Which columns are EMG and which a pose; whether the EMG is raw, and in which unit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpep.data.describe.clock import shown
from cpep.data.describe.look import Column
from cpep.types import FloatArray

EMG_NAME = re.compile(r"emg|exg", re.I)
CHANNEL_NAME = re.compile(r"^(ch|chan|channel|sensor|electrode|elec|e|s|c|muscle|m|signal|data)[ _.-]?\d+$", re.I)
OTHER_NAME = re.compile(
    r"acc|gyr|\bmag|quat|\bori|orient|imu|temp|batt|analog|digital|^other|not used|rssi|press|force|roll|pitch|yaw|"
    r"heart|^hr$|ppg|eda|gsr|eog|ecg|resist|status|error|checksum|moving|lin[xyz]|[xyz]$|rms|envelope|filter|torque|aux",
    re.I,
)
POSE_NAME = re.compile(
    r"thumb|(?<!sample )(?<!_)\bindex\b(?! ?\d*$)|^index$|middle|^ring|ring_|pinky|little|finger|joint|angle|glove|"
    r"flex(?!or)|mcp|pip\b|dip\b|landmark|knuckle|curl|cmc|hand_",
    re.I,
)
MUSCLE_NAME = re.compile(
    r"carpi|[ck]arp_|radial|ulnar|digit|brachi|palmar|pollicis|indicis|hallucis|pronat|supinat|adduct|abduct|extensor|"
    r"interosse|lumbrical|thenar|flexor|bicep|tricep|deltoid|trapez|muscle|_(superf|prof)|"
    r"\b(fcr|fcu|fds|fdp|fpl|fdi|apb|apl|adm|edc|ecr[lb]?|ecu|epl|epb)\b",
    re.I,
)
FINGERS = re.compile(r"thumb|index|middle|ring|pinky|little", re.I)

ALIKE = 30.0
"""Spreads of channels of one device lie within this factor of their median."""

FAST = 0.05
"""Share of a signal's variance that its steps have: EMG has more, a movement less."""

UNIT_MARK = re.compile(r"[\[(]\s*([uµμmn]?V)(olts?)?\s*[\])]|[_ ]([uµμm]V)$", re.I)
FITTING = {"V": (1e-6, 6e-4), "mV": (1e-3, 0.6), "uV": (1.0, 600.0)}
"""Median spread of EMG in each unit, from rest to a strong grip."""


@dataclass(frozen=True)
class Signals:
    """Columns of numbers that belong together.

    Attributes:
        columns: in their order in the file.
        why: the evidence.
        notes: what is odd about them.
    """

    columns: tuple[Column, ...]
    why: str
    notes: tuple[str, ...] = ()


def find_emg(columns: Sequence[Column]) -> Signals | None:
    """Return the EMG among columns: by name, else a family of channels, else fast signals of like spread."""
    numbers = [column for column in columns if not column.is_text and _spread(column) is not None]
    by_name = [column for column in numbers if EMG_NAME.search(column.name)]
    if by_name:
        own = [column for column in by_name if not OTHER_NAME.search(column.name)] or by_name
        largest = max(_families(own), key=_weight)
        return _as_emg(largest if len(largest) > len(own) / 2 else own)  # each may have the name of its muscle
    plain = [column for column in numbers if not OTHER_NAME.search(column.name) and not _names_a_pose(column.name)]
    families = [family for family in _families(plain) if len(family) > 1 and CHANNEL_NAME.match(family[0].name)]
    if families:
        return _as_emg(max(families, key=_weight))
    moving = [column for column in plain if (_spread(column) or 0) > 0 and speed(column.values) > FAST]
    if not moving:
        return None
    middle = float(np.median([_spread(column) for column in moving]))
    alike = [column for column in moving if middle / ALIKE <= (_spread(column) or 0) <= middle * ALIKE]
    return _as_emg(_neighbours(alike) if not any(column.name for column in alike) else alike)


def find_pose(columns: Sequence[Column]) -> Signals | None:
    """Return joint angles, a glove or landmarks among columns, by their names."""
    found = [
        column
        for column in columns
        if not column.is_text and _names_a_pose(column.name) and _spread(column) is not None
    ]
    fingers = {match[0].lower() for column in found if (match := FINGERS.search(column.name))}
    if not found or (len(found) == 1 and not re.search(r"angle|joint|glove|curl", found[0].name, re.I)):
        return None
    what = f", of {len(fingers)} fingers" if len(fingers) > 1 else ""
    return Signals(tuple(found), f"{_count(len(found))}{what}: {span(found)}")


def kind_of(columns: Sequence[Column]) -> tuple[str, str]:
    """Return whether EMG is raw or an envelope, and the evidence; an empty kind where nothing tells."""
    values_TC = np.stack([column.values.astype(np.float64) for column in columns], axis=1)
    values_TC = values_TC[np.isfinite(values_TC).all(axis=1)]
    if not len(values_TC):
        return "", "no row is whole"
    negative = float((values_TC < 0).mean())
    if negative > 0.01:
        return "raw", f"{100 * negative:.0f} % of the values are negative"
    low, middle, high = np.percentile(values_TC, [1, 50, 99], axis=0).mean(axis=1)
    skew = (middle - low) / max(high - low, 1e-300)
    whole = all(_is_whole(column.values) for column in columns)
    if 0.35 < skew < 0.65 and (middle > high - low or whole):
        return "raw", f"values lie on both sides of {middle:.4g}, as of a converter without a sign"
    if skew < 0.35:
        return "envelope", f"no value is negative, and most lie near the lowest ({low:.3g})"
    return "", "no value is negative, and nothing tells a converter without a sign from an envelope"


def unit_of(columns: Sequence[Column], above: Sequence[str]) -> tuple[str, str]:
    """Return the unit of EMG, and the evidence; an empty unit where none is written anywhere."""
    marked = {text: unit for column in columns if (unit := _marked_unit(text := column.name))}
    if len(set(marked.values())) > 1:
        some = ", ".join({unit: repr(text) for text, unit in marked.items()}.values())
        return "", f"the channels have several ({some}): one unit holds for all, so convert them, or leave some out"
    for text in (*marked, *above):
        if unit := _marked_unit(text):
            return unit, f"written in {text.strip()!r}"
    if all(_is_whole(column.values) for column in columns):
        low = min(float(np.nanmin(column.values)) for column in columns)
        high = max(float(np.nanmax(column.values)) for column in columns)
        return "count", f"whole numbers from {low:g} to {high:g}, as of a converter"
    spread = float(np.median([_spread(column) or 0 for column in columns]))
    fits = [unit for unit, (low, high) in FITTING.items() if low <= spread <= high]
    hint = f", which would fit {' or '.join(fits)}" if fits else ""
    return "", f"written nowhere; the spread of a channel is {spread:.3g}{hint}"


def _marked_unit(text: str) -> str:
    """Return the unit in brackets or at the end of a name; empty where there is none."""
    if not (match := UNIT_MARK.search(text)):
        return ""
    mark = (match[1] or match[3]).replace("µ", "u").replace("μ", "u").lower()
    return {"v": "V", "mv": "mV", "uv": "uV", "nv": "nV"}[mark]


def pose_unit(columns: Sequence[Column]) -> tuple[str, str]:
    """Return the unit of a pose, and the evidence; an empty unit where nothing tells."""
    for column in columns:
        if re.search(r"[\[(_ ]rad(ians?)?(?![a-z])", column.name, re.I):
            return "rad", f"written in {column.name!r}"
        if re.search(r"[\[(_ ](deg(rees?)?(?![a-z])|°)", column.name, re.I):
            return "deg", f"written in {column.name!r}"
        if match := re.search(r"[\[(](mm|cm|m)[\])]|_(mm|cm)$", column.name, re.I):
            return (match[1] or match[2]).lower(), f"written in {column.name!r}"
    low = min(float(np.nanmin(column.values)) for column in columns)
    high = max(float(np.nanmax(column.values)) for column in columns)
    if high - low >= 20 and all(_is_whole(column.values) for column in columns):
        return "count", f"whole numbers from {low:g} to {high:g}, as of a glove without calibration"
    if low >= -0.01 and 0.1 < high <= 1.01 and not all(_is_whole(column.values) for column in columns):
        return "ratio", f"values lie between {low:.3g} and {high:.3g}"
    return "", f"written nowhere; values lie between {low:.3g} and {high:.3g}"


def power_of(columns: Sequence[Column]) -> FloatArray:
    """Return the power of EMG in every row (rows,), smoothed over about a 50th of a second and more."""
    values_TC = np.stack([column.values.astype(np.float64) for column in columns], axis=1)
    step_TC = np.diff(np.nan_to_num(values_TC), axis=0, prepend=values_TC[:1])
    spread_C = step_TC.std(axis=0)
    power_T = np.square(step_TC / np.where(spread_C > 0, spread_C, 1)).mean(axis=1)
    window = max(1, min(50, len(power_T) // 20))
    return np.convolve(power_T, np.full(window, 1 / window), mode="same")


def speed(values: FloatArray) -> float:
    """Return the variance of the steps over that of the signal: 2 for white noise, near 0 for a movement."""
    finite = values[np.isfinite(values.astype(np.float64))].astype(np.float64)
    if len(finite) < 10:
        return 0.0
    window = min(len(finite), 100)
    chunks = finite[: len(finite) // window * window].reshape(-1, window)
    around = float(np.median(chunks.var(axis=1)))
    steps = float(np.median(np.diff(chunks, axis=1).var(axis=1)))
    return steps / around if around > 0 else 0.0


def span(columns: Sequence[Column]) -> str:
    """Return the names of columns in one phrase.

    >>> span([Column(f"EXG Channel {k}", f"EXG Channel {k}", np.zeros(1)) for k in range(8)])
    "'EXG Channel 0' to 'EXG Channel 7'"
    """
    if len(columns) > 1 and len({column.name for column in columns}) == 1 and columns[0].name:
        return f"{shown(columns[0])}, {len(columns)} of that name"
    if len(columns) <= 3:
        return ", ".join(map(shown, columns))
    return f"{shown(columns[0])} to {shown(columns[-1])}"


def _names_a_pose(name: str) -> bool:
    """Tell whether a column is called as a joint or a finger, and not as a muscle that moves it.

    >>> [_names_a_pose(name) for name in ("wrist_flex", "flex_carp_radialis", "extensor digitorum (middle)")]
    [True, False, False]
    """
    return POSE_NAME.search(name) is not None and MUSCLE_NAME.search(name) is None


def _as_emg(columns: Sequence[Column]) -> Signals:
    spreads = [_spread(column) or 0.0 for column in columns]
    middle = float(np.median(spreads))
    flat = [column for column, spread in zip(columns, spreads, strict=True) if spread == 0]
    odd = [
        column
        for column, spread in zip(columns, spreads, strict=True)
        if spread and not middle / ALIKE <= spread <= middle * ALIKE
    ]
    alike = "of like spread" if not flat and not odd else "of unequal spread"
    notes = [f"{span(flat)} never changes: take it out of 'columns' if no electrode was there"] if flat else []
    if odd:
        notes.append(f"{span(odd)} has another spread than the others: look whether it is EMG")
    return Signals(tuple(columns), f"{_count(len(columns))} {alike}: {span(columns)}", tuple(notes))


def _families(columns: Sequence[Column]) -> list[Sequence[Column]]:
    """Return columns by their names without numbers."""
    families: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        families[re.sub(r"\d+", "#", column.name).lower()].append(column)
    return list(families.values())


def _weight(family: Sequence[Column]) -> tuple[bool, int]:
    return not OTHER_NAME.search(family[0].name), len(family)


def _neighbours(columns: list[Column]) -> list[Column]:
    """Return the longest row of columns side by side, of columns known by number."""
    runs: list[list[Column]] = []
    for column in columns:
        if runs and column.key == int(runs[-1][-1].key) + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    return max(runs, key=len)


def _spread(column: Column) -> float | None:
    """Return half the width of the middle 96 % of the values; ``None`` where none is a number."""
    values = column.values.astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2, 98])
    return float(high - low) / 4 or float(values.std())


def _is_whole(values: FloatArray) -> bool:
    finite = values[np.isfinite(values.astype(np.float64))]
    return bool((finite == np.rint(finite)).all())


def _count(number: int) -> str:
    return f"{number} column" + ("" if number == 1 else "s")
