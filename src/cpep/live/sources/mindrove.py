"""Armbands of MindRove as sources, through its own package."""

from __future__ import annotations

import warnings

from cpep.live.sources.boards import Package, open_board, parts
from cpep.live.sources.reconnect import Reconnecting
from cpep.live.sources.registry import SOURCES, SourceKind
from cpep.types import UserError

USUAL = "wifi"
"""The board that is meant where none is named."""


def package() -> Package:
    """Return MindRove's package, which began as BrainFlow and speaks as it does.

    Raises:
        UserError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mindrove import board_shim

            board_shim.BoardShim.disable_board_logger()
    except ImportError as error:
        raise UserError('mindrove is not installed; install it with pip install "cpep[mindrove]"') from error
    return Package(
        title="mindrove",
        prefix="mindrove",
        shim=board_shim,
        error=board_shim.MindRoveError,
        parameters=board_shim.MindRoveInputParams,
        usual=("wifi", "syncbox", "synthetic"),
        missing="that the armband is on, that this machine has joined its Wi-Fi, and that no firewall keeps its "
        "packets out",
    )


def _open(text: str, speed: float) -> Reconnecting:
    board, given = parts(text if text and "=" not in text.partition(",")[0] else f"{USUAL},{text}".rstrip(","))
    if "ip" in given:
        given = {"ip_address" if key == "ip" else key: value for key, value in given.items()}
    return open_board(package(), board, given)


SOURCES.add(
    "mindrove",
    SourceKind(("mindrove", "mindrove:BOARD,ip=ADDRESS"), _open, takes=lambda text: True, own_pace=True),
)
