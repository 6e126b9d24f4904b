"""Boards as sources: of BrainFlow, and of packages that speak as it does."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.clock import CHUNK_S
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.live.sources.stamps import LossFinder
from cpep.types import UserError

BUFFERED_S = 10
FIRST_S = 5.0
"""A board that sends nothing for so long after it was started is not there."""
KINDS = ("emg_channels", "exg_channels", "eeg_channels")
"""Names for rows that may hold EMG; the first one that a board has is taken."""
UNIT = "uV"
"""Unit of these rows, of all boards."""


@dataclass(frozen=True)
class Package:
    """A package that knows boards.

    Attributes:
        title: its name, for sentences.
        prefix: what a user writes before the colon.
        shim: its module ``board_shim``.
        error: class of its errors.
        parameters: class of the parameters of a board.
        usual: names that are shown where no board is like the one that was written.
        missing: what to look at where a board does not answer.
    """

    title: str
    prefix: str
    shim: Any
    error: type[Exception]
    parameters: Callable[[], Any]
    usual: tuple[str, ...]
    missing: str


def open_board(package: Package, text: str, parameters: dict[str, str]) -> Reconnecting:
    """Connect to a board.

    Args:
        package: that knows it.
        text: name or number of the board.
        parameters: of the board, by the package's names.

    Raises:
        UserError: no such board, parameter or device, or the device sends nothing.
    """
    name = f"{package.prefix}:{text}"
    board, given = _board_id(package, text), _parameters(package, name, parameters)
    description = _description(package, board)
    rows: list[int] = next((description[kind] for kind in KINDS if kind in description), [])
    if "sampling_rate" not in description or not rows:
        raise UserError(
            f"{name} is no board that samples EMG by itself; name the one that measures, such as {package.usual[0]}"
        )
    device = Device(len(rows), float(description["sampling_rate"]), "raw", UNIT)

    def connect() -> Board:
        return Board(package, board, given, rows, name)

    try:
        first = connect()
    except Lost as error:
        raise UserError(f"{name} does not answer ({error}); check {package.missing}") from error
    until = time.monotonic() + FIRST_S
    while not first.waiting and time.monotonic() < until:
        time.sleep(CHUNK_S)
    if not first.waiting:
        first.close()
        raise UserError(f"{name} has sent nothing for {FIRST_S:g} s; check {package.missing}")
    return Reconnecting(name, device, first, connect)


class Board:
    """One session with a board.

    Args:
        package: that knows it.
        board: its id.
        parameters: of the package.
        rows: of the package's data that hold EMG.
        name: of the source.

    Raises:
        Lost: the board does not answer.
    """

    def __init__(
        self, package: Package, board: int, parameters: Any, rows: list[int], name: str = "the board"
    ) -> None:
        shim = package.shim.BoardShim
        self._error, self._rows = package.error, rows
        self._numbers = shim.get_package_num_channel(board)
        self._stamps = shim.get_timestamp_channel(board)
        rate = shim.get_sampling_rate(board)
        self._finder = LossFinder(rate, len(rows), name)
        self._shim = shim(board, parameters)
        try:
            self._shim.prepare_session()
            self._shim.start_stream(BUFFERED_S * rate)
        except self._error as error:
            self.close()
            raise Lost(str(error)) from error

    @property
    def waiting(self) -> int:
        """Samples that have arrived and were not read."""
        return int(self._shim.get_board_data_count())

    def read(self) -> list[Chunk]:
        """Return what has arrived in the last 20 ms.

        Raises:
            Lost: the session is over.
            UserError: its real rate is another one than the package says.
        """
        time.sleep(CHUNK_S)
        try:
            data = self._shim.get_board_data()
        except self._error as error:
            raise Lost(str(error)) from error
        emg_TC = np.ascontiguousarray(data[self._rows].T, np.float32)
        found = self._finder.add(emg_TC, data[self._stamps], data[self._numbers])
        later_s = time.monotonic() - time.time()  # boards are stamped by the clock on the wall
        return [replace(chunk, stamp_s=chunk.stamp_s + later_s) for chunk in found]

    def close(self) -> None:
        """End the session."""
        with suppress(self._error):  # of a board that is gone
            self._shim.release_session()


def parts(what: str) -> tuple[str, dict[str, str]]:
    """Return the board and its parameters: ``cyton,serial_port=/dev/ttyUSB0``."""
    board, *rest = what.split(",")
    return board, {key: value for key, _, value in (part.partition("=") for part in rest)}


def _board_id(package: Package, text: str) -> int:
    boards = {board.name.removesuffix("_BOARD").lower(): board.value for board in package.shim.BoardIds}
    short = {name.removeprefix(f"{package.prefix}_"): value for name, value in boards.items()}
    boards = short | boards
    if text.lower() in boards:
        return int(boards[text.lower()])
    if text.removeprefix("-").isdecimal() and int(text) in boards.values():
        return int(text)
    near = difflib.get_close_matches(text.lower(), boards, n=3, cutoff=0.5) or package.usual
    raise UserError(f"{package.title} has no board {text}; write its name, such as {', '.join(near)}, or its number")


def _description(package: Package, board: int) -> dict[str, Any]:
    """Return what the package knows of a board; nothing of ``NO_BOARD``."""
    try:
        return dict(package.shim.BoardShim.get_board_descr(board))
    except package.error:
        return {}


def _parameters(package: Package, name: str, given: dict[str, str]) -> Any:
    parameters = package.parameters()
    for key, value in given.items():
        try:
            usual = vars(parameters)[key]
            setattr(parameters, key, int(value) if isinstance(usual, int) else value)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{name}: {key}={value} is no parameter; {package.title} takes {', '.join(vars(parameters))}, as "
                f"{name},ip_address=192.168.4.1"
            ) from error
    return parameters
