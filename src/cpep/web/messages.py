"""What a browser may send over the web socket: the messages that NiceGUI's page sends, of bounded size and number."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

import msgspec
from nicegui import core
from starlette.types import Message, Receive

LARGEST = 2**16
"""Bytes of a message."""
PER_S, BURST = 50.0, 300.0
"""Messages that a page may send for long, per second, and at once; a slider that is drawn sends 20 a second."""
REFUSED: Message = {"type": "websocket.disconnect", "code": 1008}


class Handshake(msgspec.Struct):
    """A page that begins, or comes back."""

    client_id: str
    tab_id: str
    document_id: str
    old_tab_id: str | None = None
    next_message_id: int | None = None


class Event(msgspec.Struct):
    """Something was done to an element; ``args`` are JSON, each by itself."""

    id: int
    client_id: str
    listener_id: str
    args: list[str | None] = []


class Answer(msgspec.Struct):
    """The result of something that the page was told to do."""

    request_id: str
    client_id: str


class Acknowledged(msgspec.Struct):
    """What the page has received."""

    client_id: str
    next_message_id: int


KINDS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in (
        ("handshake", Handshake),
        ("event", Event),
        ("javascript_response", Answer),
        ("ack", Acknowledged),
    )
}
NAMED = msgspec.json.Decoder(tuple[str, msgspec.Raw])
PLAIN = re.compile(r"3|1|41|40(\{.{0,200}\})?")
"""Pong, the end of the connection, and end and beginning of its use, as Engine.IO and Socket.IO write them."""
EVENT = re.compile(r"42[0-9]{0,9}(?=\[)")


def understood(text: str) -> bool:
    """Tell whether a message is one that the page sends.

    >>> understood("3"), understood('42["ack",{"client_id":"a","next_message_id":3}]')
    (True, True)
    >>> understood('42["ack",{"client_id":7}]'), understood("451-[]"), understood("42[[[")
    (False, False, False)
    """
    if PLAIN.fullmatch(text):
        return True
    found = EVENT.match(text)
    if found is None:
        return False
    try:
        name, said = NAMED.decode(text[found.end() :])
        if name == "log":  # dropped: see ``quiet``
            return True
        message = KINDS[name].decode(said) if name in KINDS else None
        if isinstance(message, Event):
            for argument in message.args:
                msgspec.json.decode(argument or "null")
    except (msgspec.DecodeError, RecursionError):
        return False
    return message is not None


def bounded(receive: Receive) -> Receive:
    """Return what receives the messages of a web socket, and ends it at the first that no page sends."""
    left, before = BURST, time.monotonic()

    async def next_message() -> Message:
        nonlocal left, before
        message = await receive()
        if message["type"] != "websocket.receive":
            return message
        now = time.monotonic()
        left, before = min(left + PER_S * (now - before), BURST) - 1, now
        text = message.get("text")
        return message if text is not None and left >= 0 and understood(text) else REFUSED

    return next_message


def quiet() -> None:
    """Close ways by which NiceGUI lets a browser do more than the page does: long polling, and lines of the log."""
    core.sio.eio.transports = core.app.config.socket_io_js_transports = ["websocket"]
    core.sio.eio.max_http_buffer_size = LARGEST
    core.sio.handlers["/"].pop("log", None)
    take = core.sio.handlers["/"]["event"]

    def known(sid: str, message: dict[str, Any]) -> None:
        with suppress(KeyError):  # of an element that is gone
            take(sid, message)

    core.sio.on("event", known)
