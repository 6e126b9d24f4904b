"""Poses from a stream of Lab Streaming Layer: joint angles, 21 landmarks, or any glove."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

import numpy as np

from cpep.hand.inverse import SIDES
from cpep.live.lsl import UNSTATED, monotonic, pylsl_module
from cpep.live.poses.columns import Columns, Landmarks, understood
from cpep.live.poses.source import POSES, PoseFrame, PoseKind
from cpep.live.sources.lsl_find import FIND_S, Finder, parse
from cpep.live.sources.reconnect import PAUSE_S, SILENCE_S, TELL_S, Lost
from cpep.types import UserError

AGAIN_S = 2.0
"""So long is waited for the answer of a stream that came back."""
WAIT_S = 0.1
BUFFERED_S = 10
MOST = 100


class LslPose:
    """A stream of poses; it may go away and come back.

    Args:
        what: its name, or ``type=MoCap``, as for EMG.
        side: of the hand, where the stream does not say it.
        asked: whether the user said the side, which holds then.
        unit: of all columns, where the stream states none; empty where that is not known either.

    Raises:
        UserError: no such stream within 5 s, two of them, no answer, columns that are not understood, or pylsl is
            missing.
    """

    def __init__(self, what: str, side: str, asked: bool, unit: str = "") -> None:
        self._finder = Finder(pylsl_module(), parse(what))
        self._found = self._finder.first()
        self.name = f"lsl:{self._found.name()}"
        self._side, self._asked, self._unit, self._closed = side, asked, unit, Event()
        try:
            self._inlet: _Inlet | None = self._connect(self._found, FIND_S)
        except Lost as error:
            raise UserError(f"{self.name} was there and does not answer; start it again, and then this") from error
        self.columns, self.rate = self._inlet.columns, self._inlet.rate
        self.anchor_names, self.unit = self.columns.names, self.columns.unit

    def frames(self) -> Iterator[PoseFrame]:
        """Yield frames as they arrive; two a second without a pose while the stream is away.

        Raises:
            UserError: what came back has other columns, or landmarks are those of the other hand.
        """
        heard = told = time.monotonic()
        try:
            while not self._closed.is_set():
                found = list(self._read())
                yield from found
                now = time.monotonic()
                if found:
                    heard = told = now
                elif now - heard > SILENCE_S:
                    self._drop()
                if self._inlet is None and now - told > TELL_S:
                    yield PoseFrame(now, None)
                    told = now
        finally:
            self._drop()

    def close(self) -> None:
        """End ``frames``, which closes the stream."""
        self._closed.set()

    def _read(self) -> Iterator[PoseFrame]:
        """Yield what has arrived within 0.1 s; connect where that is to be done first."""
        try:
            if self._inlet is None:
                found = self._finder.again(self._found)
                if found is None:
                    raise Lost
                self._inlet = self._connect(found, AGAIN_S)
                if (self._inlet.columns.names, self._inlet.columns.unit) != (self.anchor_names, self.unit):
                    raise UserError(f"{self.name} came back with other columns; stop, and open it anew")
            stamp_N, value_NX = self._inlet.pull()
        except Lost:
            self._drop()
            self._closed.wait(PAUSE_S)
            return
        if len(stamp_N):
            for stamp_s, pose_J in zip(stamp_N, self.columns.poses(value_NX), strict=True):
                yield PoseFrame(float(stamp_s), pose_J)

    def _connect(self, info: Any, wait_s: float) -> _Inlet:
        return _Inlet(info, self.name, self._side, self._asked, self._unit, wait_s)

    def _drop(self) -> None:
        if self._inlet is not None:
            self._inlet.close()
        self._inlet = None


class _Inlet:
    """One connection to a stream.

    Raises:
        UserError: it holds texts, or columns that are not understood.
        Lost: no answer within ``wait_s``.
    """

    def __init__(self, info: Any, name: str, side: str, asked: bool, unit: str, wait_s: float) -> None:
        pylsl = pylsl_module()
        if info.channel_format() == pylsl.cf_string:
            raise UserError(f"{name} is a stream of texts, not of poses; name another one")
        self._gone = (pylsl.util.LostError, pylsl.util.TimeoutError)
        self._inlet = pylsl.StreamInlet(info, max_buflen=BUFFERED_S, recover=False)
        try:
            self._inlet.open_stream(timeout=wait_s)
            whole = self._inlet.info(timeout=wait_s)
            # A pose whose time is not known belongs to no EMG: the clocks are compared before the first frame.
            self._correction_s = self._inlet.time_correction(timeout=wait_s)
        except self._gone as error:
            self.close()
            raise Lost from error
        stated = whole.desc().child_value("side").strip().lower()
        side = stated if stated in SIDES and not asked else side
        remedy = f"write {name},side={SIDES[1 - SIDES.index(side)]} for the other hand"
        labels, units = _described(whole)
        units = units if any(one.strip().lower() not in UNSTATED for one in units) else [unit] * len(units)
        self.columns: Landmarks | Columns = understood(name, labels, units, side, remedy)
        self.rate = float(whole.nominal_srate())

    def pull(self) -> tuple[Any, Any]:
        """Return stamps (N,), s by ``time.monotonic``, and values (N, X) of what has arrived within 0.1 s.

        Raises:
            Lost: the stream is gone.
        """
        try:
            values, stamps = self._inlet.pull_chunk(timeout=WAIT_S, max_samples=MOST)
        except self._gone as error:
            raise Lost from error
        with suppress(*self._gone):  # then the last one holds
            self._correction_s = self._inlet.time_correction(timeout=0.0)
        return np.array(stamps) + monotonic(self._correction_s), np.array(values, np.float32)

    def close(self) -> None:
        """Close the stream."""
        self._inlet.close_stream()


def _described(info: Any) -> tuple[list[str], list[str]]:
    """Return labels and units of all columns, empty where the stream states none."""
    labels, units = [""] * info.channel_count(), [""] * info.channel_count()
    channel = info.desc().child("channels").child("channel")
    for column in range(info.channel_count()):
        if channel.empty():
            break
        labels[column], units[column] = channel.child_value("label"), channel.child_value("unit")
        channel = channel.next_sibling("channel")
    return labels, units


def _open(what: str, options: Mapping[str, str], side: str) -> LslPose:
    which = "".join(f",{key}={options[key]}" for key in ("source_id", "hostname") if key in options)
    return LslPose(what + which, side, "side" in options, options.get("unit", ""))


POSES.add("lsl", PoseKind(("lsl:NAME", "lsl:NAME,side=left"), _open, ("side", "unit", "source_id", "hostname")))
