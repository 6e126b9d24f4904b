"""What all streams of Lab Streaming Layer have in common: pylsl, and its clock."""

from __future__ import annotations

import time
from typing import Any

from cpep.types import UserError

UNSTATED = ("", "none", "unknown", "n/a")
"""What programs write where a unit is not known."""


def pylsl_module() -> Any:
    """Return pylsl.

    Raises:
        UserError: it is missing.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # RuntimeError: the package is there, the library is not
        raise UserError('LSL needs pylsl; install it with pip install "cpep[live]"') from error
    return pylsl


def monotonic(stamp_s: float) -> float:
    """Return a time by ``pylsl.local_clock`` as one by ``time.monotonic``; on Linux both are the same clock."""
    return stamp_s + time.monotonic() - float(pylsl_module().local_clock())
