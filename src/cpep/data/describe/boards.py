"""Which column of a file of BrainFlow is what: that depends on the board that was recorded."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass

from cpep.types import UserError


@dataclass(frozen=True)
class Board:
    """The columns of a BrainFlow board, as ``get_board_descr`` gives them."""

    rate: float
    emg: tuple[int, ...]
    counter: int
    clock: int
    columns: int


BOARDS = {
    "cyton": Board(250, tuple(range(1, 9)), 0, 22, 24),
    "cyton_daisy": Board(125, tuple(range(1, 17)), 0, 30, 32),
    "ganglion": Board(200, tuple(range(1, 5)), 0, 13, 15),
    "synthetic": Board(250, tuple(range(1, 17)), 0, 30, 32),
}


def board_of(name: str) -> Board:
    """Return a board: from ``BOARDS``, else by brainflow where it is installed."""
    key = name.lower().removesuffix("_board")
    return BOARDS[key] if key in BOARDS else described(key)


def described(name: str) -> Board:
    """Return a board as brainflow describes it.

    Raises:
        UserError: brainflow is missing, or has no such board that records EMG.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # brainflow imports pkg_resources
        try:
            from brainflow.board_shim import BoardIds, BoardShim
        except ImportError:
            known = ", ".join(BOARDS)
            raise UserError(
                f"--preset brainflow:{name}: known are {known}; with brainflow installed, all of its boards"
            ) from None
        boards = {one.name.lower().removesuffix("_board"): one for one in BoardIds}
        if name not in boards:
            near = ", ".join(difflib.get_close_matches(name, boards, n=3)) or ", ".join(BOARDS)
            raise UserError(f"--preset brainflow:{name}: brainflow has no such board; did you mean {near}?")
        told = BoardShim.get_board_descr(boards[name])
    if "emg_channels" not in told:
        raise UserError(f"--preset brainflow:{name}: this board records no EMG")
    emg, clock = tuple(told["emg_channels"]), told["timestamp_channel"]
    return Board(told["sampling_rate"], emg, told.get("package_num_channel", -1), clock, told["num_rows"])
