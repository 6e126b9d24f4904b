"""Which values the settings may take, and the divisor that is nearest to a wanted length."""

from __future__ import annotations

import math
from typing import Any

Range = tuple[float, float, str]
"""The smallest value, the first value that is too large, and the bounds in words, but for ``MOST``."""

MOST = 10**9
"""No setting is larger than this: a checkpoint brings settings from elsewhere."""
COUNT: Range = (1, MOST + 1, "at least 1")
LAYERS: Range = (1, 1_001, "at least 1 and at most 1,000")
MANY: Range = (1, 1_000_001, "at least 1 and at most 1,000,000")
POSITIVE: Range = (math.ulp(0.0), MOST + 1, "above 0")
SECONDS: Range = (math.ulp(0.0), math.nextafter(3600, math.inf), "above 0 and at most 3,600")
SHARE: Range = (0, 1, "from 0 to below 1")
PART: Range = (math.ulp(0.0), math.nextafter(1, 2), "above 0 and at most 1")
RANGES: dict[str, Range] = {
    "batch": (2, MOST + 1, "at least 2"),
    **dict.fromkeys(("depth", "decoder_depth"), LAYERS),
    **dict.fromkeys(("threads", "width", "heads", "bootstrap", "communities", "keep"), MANY),
    **dict.fromkeys(("steps", "checks", "neighbours", "gallery_most"), COUNT),
    **dict.fromkeys(("window_s", "hop_s"), SECONDS),
    **dict.fromkeys(("token_ms", "bin_ms", "lr", "clip"), POSITIVE),
    **dict.fromkeys(("strengths", "ridge_strengths"), POSITIVE),
    **dict.fromkeys(("temperature", "temperature_min", "temperature_max", "target_temperature", "compute"), POSITIVE),
    **dict.fromkeys(("pairs", "gallery", "share"), PART),
    **dict.fromkeys(("mask", "dropout", "drop", "warmup", "mixup"), SHARE),
}
"""Range by the last part of a field's dot-path; every other number is at least 0."""


def out_of_range(path: str, value: Any) -> str:
    """Return the range, in words, that the value of a field must lie in; ``""`` where it lies in it.

    >>> out_of_range("align.optim.batch", 1), out_of_range("align.optim.batch", 2)
    ('at least 2', '')
    >>> out_of_range("align.optim.batch", 10**10), out_of_range("seeds", -1)
    ('at most 1,000,000,000', 'at least 0')
    """
    if value == () and path.rpartition(".")[2] in RANGES:
        return "a list of at least one number"
    numbers = [n for n in (value if isinstance(value, tuple) else (value,)) if isinstance(n, int | float)]
    low, high, expected = RANGES.get(path.rpartition(".")[2], (0, MOST + 1, "at least 0"))
    if all(low <= number < high for number in numbers):
        return ""
    return f"at most {MOST:,}" if max(numbers) > MOST and high > MOST else expected


def divisor(whole: int, wanted: float) -> int:
    """Return the divisor of ``whole`` that is nearest to ``wanted`` in proportion.

    >>> divisor(4000, 200.0), divisor(200, 7.0), divisor(200, 0.1)
    (200, 8, 1)
    """
    return min((n for n in range(1, whole + 1) if whole % n == 0), key=lambda n: abs(math.log(n / wanted)))
