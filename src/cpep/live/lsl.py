"""What all streams of Lab Streaming Layer have in common: pylsl, and its clock."""

from __future__ import annotations

import ctypes
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from cpep.types import UserError

UNSTATED = ("", "none", "unknown", "n/a")
"""What programs write where a unit is not known."""

QUIET = b"[log]\nlevel = -1\n"
"""Settings of liblsl with which it tells warnings and errors, and not that it read its settings."""


def pylsl_module() -> Any:
    """Return pylsl; its library is told to be quiet, unless the user has settings for it.

    Raises:
        UserError: it is missing.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # RuntimeError: the package is there, the library is not
        raise UserError('LSL needs pylsl; install it with pip install "cpep[live]"') from error
    _quieten(getattr(pylsl.lib, "lib", None))
    return pylsl


@cache
def _quieten(library: Any) -> None:
    """Give liblsl settings, once, where the user has none at the places where it looks for them."""
    places = (Path("lsl_api.cfg"), Path("~/lsl_api/lsl_api.cfg").expanduser(), Path("/etc/lsl_api/lsl_api.cfg"))
    own = "LSLAPICFG" in os.environ or any(place.is_file() for place in places)
    if not own and hasattr(library, "lsl_set_config_content"):  # liblsl 1.17 and later
        library.lsl_set_config_content(ctypes.c_char_p(QUIET))


def monotonic(stamp_s: float) -> float:
    """Return a time by ``pylsl.local_clock`` as one by ``time.monotonic``; on Linux both are the same clock."""
    return stamp_s + time.monotonic() - float(pylsl_module().local_clock())
