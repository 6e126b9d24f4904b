"""Columns of times: numbers in a unit, dates, or times of day."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from cpep.types import FloatArray, UserError

ZONE = re.compile(r"(Z|([+-])(\d\d):?(\d\d))$")
"""How far a time is ahead of that of Greenwich, as ISO 8601 writes it."""
DAY = "1970-01-01T"
LATEST_S = 1e11
"""No time is so many seconds away from its zero, which are 3,000 years."""


def seconds(values: npt.NDArray[Any], unit_s: float, place: str) -> FloatArray:
    """Return times (rows,) in seconds, float64.

    Args:
        values: numbers, or NumPy's dates; or texts, each a number, a date (``2024-05-01 12:00:03.250``, also with T
            and a zone, whose zero is 1970) or a time of day (``12:00:03.250``, whose zero is midnight).
        unit_s: the unit of numbers, seconds.
        place: the file and the column, for sentences.

    Raises:
        UserError: a time is missing, or written in another way.
    """
    if values.dtype.kind in "SU":
        texts = np.char.strip(values.astype(np.str_))
        time_T = _numbers(texts)
        time_T = _dates(texts, place) if time_T is None else time_T * unit_s
    elif values.dtype.kind == "M":
        time_T = np.where(np.isnat(values), np.nan, values.astype("datetime64[ns]").astype(np.int64) * 1e-9)
    else:
        try:
            time_T = np.asarray(values.astype(np.float64) * unit_s)
        except (ValueError, TypeError) as error:
            raise UserError(f"{place} holds something else than times ({error})") from error
    if len(bad := np.flatnonzero(~np.isfinite(time_T))):
        raise UserError(f"{place}: the time of row {bad[0]} is missing; remove such rows, or write their times")
    if len(bad := np.flatnonzero(np.abs(time_T) > LATEST_S)):
        raise UserError(
            f"{place}: the time of row {bad[0]} is {time_T[bad[0]]:.4g} s, which is no time since 1970 nor since "
            "anything else; check the unit of the clock"
        )
    return time_T


def _numbers(texts: npt.NDArray[np.str_]) -> FloatArray | None:
    try:
        return np.where(texts == "", "nan", texts).astype(np.float64)
    except ValueError:
        return None


def _dates(texts: npt.NDArray[np.str_], place: str) -> FloatArray:
    """Return the seconds since 1970, or since midnight."""
    try:
        zones_s = np.array([_zone_s(text) for text in texts.tolist()])
        plain = np.array([_plain(text) for text in texts.tolist()], np.str_)
        whole = plain.astype("datetime64[ns]").astype(np.int64)
    except ValueError:
        first = next((text for text in texts.tolist() if _unreadable(text)), "")
        raise UserError(
            f"{place} holds {first!r}, which is no time that cpep reads; write seconds as a number and the unit "
            '"s", or dates as 2024-05-01T12:00:03.250'
        ) from None
    return np.asarray(whole * 1e-9 - zones_s)


def _plain(text: str) -> str:
    """Return a time without its zone, and with a day."""
    text = ZONE.sub("", text).strip().replace(",", ".").replace(" ", "T")
    if re.match(r"\d{1,2}:\d\d:", text):
        return DAY + ("0" if text[1] == ":" else "") + text
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text):
        raise ValueError
    return text


def _zone_s(text: str) -> float:
    found = ZONE.search(text) if "T" in text or " " in text else None
    if found is None or found[1] == "Z":
        return 0.0
    return float(f"{found[2]}1") * (int(found[3]) * 3600 + int(found[4]) * 60)


def _unreadable(text: str) -> bool:
    try:
        np.datetime64(_plain(text), "ns")
    except ValueError:
        return True
    return False
