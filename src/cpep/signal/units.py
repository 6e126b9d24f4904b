"""Units of EMG and of anchors: the ways in which people write them, and factors between them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from cpep.types import UserError

VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6}
ANGLES = {"rad": 1.0, "deg": math.pi / 180}
LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
WITHOUT_FACTOR = ("count", "noise_sd", "ratio")

KNOWN = (*VOLTS, *ANGLES, *LENGTHS, *WITHOUT_FACTOR)
"""All units, in the spelling of cpep."""
OF_EMG = (*VOLTS, *WITHOUT_FACTOR)
"""Units that EMG can have."""

SYMBOLS = {"v": "V", "mv": "mV", "uv": "uV", "Uv": "uV", "UV": "uV", "°": "deg", **{u: u for u in KNOWN}}
"""Units by symbols, in which large and small letters may differ: M is mega, not milli."""
WORDS = {
    "V": ("volt", "volts"),
    "mV": ("millivolt", "millivolts"),
    "uV": ("microvolt", "microvolts", "uvolt", "uvolts"),
    "rad": ("rad", "rads", "radian", "radians"),
    "deg": ("deg", "degs", "degree", "degrees"),
    "m": ("meter", "meters", "metre", "metres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "count": ("count", "counts", "adc", "adc count", "adc counts", "raw count", "raw counts", "lsb"),
    "noise_sd": ("noise_sd", "noise sd", "sd"),
    "ratio": ("ratio", "fraction"),
}
"""Units in words, in any letters."""

_BY_WORD = {word: unit for unit, words in WORDS.items() for word in words}
_MICRO = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"})


def canonical(text: str, known: Sequence[str] = KNOWN) -> str:
    """Return a unit in the spelling of cpep.

    >>> canonical("µV"), canonical("Degrees"), canonical("SD")
    ('uV', 'deg', 'noise_sd')

    Args:
        text: as somebody wrote it.
        known: units that are meant.

    Raises:
        UserError: it is none of them; the sentence has those that are near, and all.
    """
    found = known_unit(text)
    if found in known:
        return found
    lower = {spelling.lower(): unit for spelling, unit in (SYMBOLS | _BY_WORD).items() if unit in known}
    near = difflib.get_close_matches(_plain(text).lower(), lower, n=1) if not found else []
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    raise UserError(f"the unit {text!r} is not known here; {hint}known are {', '.join(known)}")


def known_unit(text: str) -> str:
    """Return a unit in the spelling of cpep; empty where it is not known."""
    return SYMBOLS.get(_plain(text)) or _BY_WORD.get(_plain(text).lower(), "")


def _plain(text: str) -> str:
    return " ".join(text.translate(_MICRO).split())


def factor(given: str, wanted: str) -> float | None:
    """Return what values in one unit are multiplied by to be in another; ``None`` where no number does that.

    >>> factor("mV", "uV"), factor("count", "uV")
    (1000.0, None)

    Args:
        given: unit of the values, in the spelling of cpep.
        wanted: unit that they get.
    """
    if given == wanted:
        return 1.0
    for sizes in (VOLTS, ANGLES, LENGTHS):
        if given in sizes and wanted in sizes:
            return _ratio(sizes[given], sizes[wanted])
    return None


def converted(text: str, known: Sequence[str], *wanted: str) -> tuple[str, float]:
    """Return the unit that values will have, and the factor to it from the unit that somebody wrote.

    >>> converted("mV", OF_EMG, "uV"), converted("counts", OF_EMG, "uV")
    (('uV', 1000.0), ('count', 1.0))

    Args:
        text: as somebody wrote it.
        known: units that the signal can have.
        wanted: units that values are converted to, where that is possible.

    Raises:
        UserError: as ``canonical``.
    """
    unit = canonical(text, known)
    return next(((to, times) for to in wanted if (times := factor(unit, to)) is not None), (unit, 1.0))


def _ratio(given: float, wanted: float) -> float:
    """Return their ratio, without the last bits that are wrong where it is a power of ten."""
    found = given / wanted
    power = round(math.log10(found))
    return 10.0**power if math.isclose(found, 10.0**power, rel_tol=1e-12) else found
