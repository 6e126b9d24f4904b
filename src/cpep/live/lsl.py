"""What all streams of Lab Streaming Layer have in common: pylsl, finding one, and its clock."""

from __future__ import annotations

import time
from typing import Any

from cpep.types import UserError

FORGET_S = 2.0
UNSTATED = ("", "none", "unknown", "n/a")
"""What programs write where a unit is not known."""
PROPERTIES = ("name", "type", "source_id")


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


class Finder:
    """Looks for a stream, and goes on looking.

    Args:
        what: its name, or ``type=EMG``.

    Raises:
        UserError: a property that streams are not found by, or pylsl is missing.
    """

    def __init__(self, what: str) -> None:
        self._pylsl = pylsl_module()
        key, equals, value = what.partition("=")
        if not equals:
            key, value = "name", what
        if key not in PROPERTIES or not value:
            raise UserError(f"lsl:{what}: write lsl:NAME, or lsl:type=EMG for any stream of a type")
        self.key, self.value = key, value
        # One that goes on looking: resolve_byprop now and then takes 5 s longer than it is given.
        self._resolver = self._pylsl.ContinuousResolver(prop=key, value=value, forget_after=FORGET_S)

    def newest(self, wait_s: float) -> Any | None:
        """Return the stream that began last; one that has ended may still be listed for a while."""
        until = time.monotonic() + wait_s
        while not (found := self._resolver.results()) and time.monotonic() < until:
            time.sleep(0.02)
        return max(found, key=lambda info: info.created_at(), default=None)

    def first(self, wait_s: float) -> Any:
        """Return the stream that began last.

        Raises:
            UserError: there is none within a time; the sentence lists those that are there.
        """
        found = self.newest(wait_s)
        if found is None:
            there = _listed(self._pylsl.resolve_streams(1.0))
            raise UserError(f"no LSL stream with {self.key} {self.value} within {wait_s:g} s; there {there}")
        return found


def monotonic(stamp_s: float) -> float:
    """Return a time by ``pylsl.local_clock`` as one by ``time.monotonic``; on Linux both are the same clock."""
    return stamp_s + time.monotonic() - float(pylsl_module().local_clock())


def _listed(found: list[Any]) -> str:
    if not found:
        return "are no streams"
    rows = [
        f"{info.name()} ({info.type()}, {info.channel_count()} channels, {info.nominal_srate():g} Hz)"
        for info in found
    ]
    return ("is " if len(rows) == 1 else "are ") + ", ".join(sorted(set(rows)))
