"""Boards that BrainFlow knows as sources."""

from __future__ import annotations

import difflib
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from cpep.data.recording import Device
from cpep.live.signals import Chunk
from cpep.live.sources.clock import CHUNK_S
from cpep.live.sources.reconnect import Lost, Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.live.sources.stamps import LossFinder
from cpep.types import UserError

BUFFERED_S = 10
KINDS = ("emg_channels", "exg_channels", "eeg_channels")
"""BrainFlow's names for rows that may hold EMG; the first one that a board has is taken."""
UNIT = "uV"
"""Unit of these rows, of all boards."""


def open_board(what: str) -> Reconnecting:
    """Connect to a board.

    Args:
        what: its name or number in BrainFlow, then its parameters: ``cyton,serial_port=/dev/ttyUSB0``.

    Raises:
        UserError: no such board, parameter or device, or BrainFlow is missing.
    """
    brainflow = _brainflow()
    text, *rest = what.split(",")
    board, parameters = _board_id(brainflow, text), _parameters(brainflow, what, rest)
    name = f"brainflow:{text}"
    description = _description(brainflow, board)
    if "sampling_rate" not in description:
        raise UserError(f"{name} is no board that samples by itself; name the one that measures, such as cyton")
    rows: list[int] = next((description[kind] for kind in KINDS if kind in description), [])
    if not rows:
        raise UserError(f"{name} has no channel of EMG; name a board that has one")
    device = Device(len(rows), float(description["sampling_rate"]), "raw", UNIT)

    def connect() -> Board:
        return Board(brainflow, board, parameters, rows, name)

    try:
        first = connect()
    except Lost as error:
        raise UserError(f"{name} does not answer ({error}); check its cable, power and parameters") from error
    return Reconnecting(name, device, first, connect)


class Board:
    """One session with a board.

    Args:
        brainflow: the module ``brainflow.board_shim``.
        board: BrainFlow's id.
        parameters: BrainFlow's parameters.
        rows: of BrainFlow's data that hold EMG.
        name: of the source.

    Raises:
        Lost: the board does not answer.
    """

    def __init__(self, brainflow: Any, board: int, parameters: Any, rows: list[int], name: str = "the board") -> None:
        self._error, self._rows = brainflow.BrainFlowError, rows
        self._numbers = brainflow.BoardShim.get_package_num_channel(board)
        self._stamps = brainflow.BoardShim.get_timestamp_channel(board)
        rate = brainflow.BoardShim.get_sampling_rate(board)
        self._finder = LossFinder(rate, len(rows), name)
        self._shim = brainflow.BoardShim(board, parameters)
        try:
            self._shim.prepare_session()
            self._shim.start_stream(BUFFERED_S * rate)
        except self._error as error:
            self.close()
            raise Lost(str(error)) from error

    def read(self) -> list[Chunk]:
        """Return what has arrived in the last 20 ms.

        Raises:
            Lost: the session is over.
            UserError: its real rate is another one than BrainFlow says.
        """
        time.sleep(CHUNK_S)
        try:
            data = self._shim.get_board_data()
        except self._error as error:
            raise Lost(str(error)) from error
        emg_TC = np.ascontiguousarray(data[self._rows].T, np.float32)
        found = self._finder.add(emg_TC, data[self._stamps], data[self._numbers])
        later_s = time.monotonic() - time.time()  # BrainFlow stamps by the clock on the wall
        return [replace(chunk, stamp_s=chunk.stamp_s + later_s) for chunk in found]

    def close(self) -> None:
        """End the session."""
        with suppress(self._error):  # of a board that is gone
            self._shim.release_session()


def _board_id(brainflow: Any, text: str) -> int:
    boards = {board.name.removesuffix("_BOARD").lower(): board.value for board in brainflow.BoardIds}
    if text.lower() in boards:
        return int(boards[text.lower()])
    if text.removeprefix("-").isdecimal() and int(text) in boards.values():
        return int(text)
    near = difflib.get_close_matches(text.lower(), boards, n=3, cutoff=0.5) or ["synthetic", "cyton", "ganglion"]
    raise UserError(f"BrainFlow has no board {text}; write its name, such as {', '.join(near)}, or its number")


def _description(brainflow: Any, board: int) -> dict[str, Any]:
    """Return what BrainFlow knows of a board; nothing of ``NO_BOARD``."""
    try:
        return dict(brainflow.BoardShim.get_board_descr(board))
    except brainflow.BrainFlowError:
        return {}


def _parameters(brainflow: Any, what: str, rest: list[str]) -> Any:
    parameters = brainflow.BrainFlowInputParams()
    for part in rest:
        key, _, value = part.partition("=")
        try:
            usual = vars(parameters)[key]
            setattr(parameters, key, int(value) if isinstance(usual, int) else value)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"brainflow:{what}: {part} is no parameter; BrainFlow takes {', '.join(vars(parameters))}, as "
                "brainflow:cyton,serial_port=/dev/ttyUSB0"
            ) from error
    return parameters


def _brainflow() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BrainFlow asks pkg_resources where its library is, which warns
            from brainflow import board_shim

            board_shim.BoardShim.disable_board_logger()
    except ImportError as error:
        raise UserError('BrainFlow is not installed; install it with pip install "cpep[brainflow]"') from error
    return board_shim


SOURCES.add(
    "brainflow",
    SourceKind(
        ("brainflow:BOARD", "brainflow:cyton,serial_port=/dev/ttyUSB0"),
        lambda text, speed: open_board(text),
        own_pace=True,
    ),
)
