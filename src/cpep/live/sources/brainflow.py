"""Boards that BrainFlow knows as sources."""

from __future__ import annotations

import warnings

from cpep.live.sources.boards import Package, open_board, parts
from cpep.live.sources.reconnect import Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.types import UserError


def package() -> Package:
    """Return BrainFlow.

    Raises:
        UserError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BrainFlow asks pkg_resources where its library is, which warns
            from brainflow import board_shim

            board_shim.BoardShim.disable_board_logger()
    except ImportError as error:
        raise UserError('BrainFlow is not installed; install it with pip install "cpep[brainflow]"') from error
    return Package(
        title="BrainFlow",
        prefix="brainflow",
        shim=board_shim,
        error=board_shim.BrainFlowError,
        parameters=board_shim.BrainFlowInputParams,
        usual=("cyton", "ganglion", "synthetic"),
        missing="its cable, power and parameters, as brainflow:cyton,serial_port=/dev/ttyUSB0",
    )


def _open(text: str, speed: float) -> Reconnecting:
    return open_board(package(), *parts(text))


SOURCES.add(
    "brainflow",
    SourceKind(("brainflow:BOARD", "brainflow:cyton,serial_port=/dev/ttyUSB0"), _open, own_pace=True),
)
