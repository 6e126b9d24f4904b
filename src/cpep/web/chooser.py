"""Files that somebody chooses in a tab, and sends to one address for all tabs.

NiceGUI's own upload makes a route for every tab, and FastAPI remembers the functions of 4096 routes: each kept a page
in memory that was closed long ago.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

from nicegui.element import Element
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

ADDRESS = "/api/upload/{key}"
MOST_FILES = 10
LONGEST_SAID = 200
_choosers: WeakValueDictionary[str, Chooser] = WeakValueDictionary()


class Chooser(Element, component="static/chooser.js"):
    """A field for files; its method ``pick`` opens the dialog of the browser.

    Args:
        largest: bytes of all files together.
        take: called with names and contents.
        say: called with a sentence before, and where the files do not arrive.
    """

    def __init__(
        self,
        largest: int,
        take: Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.take, key = take, secrets.token_urlsafe(16)
        self._props.update({"address": ADDRESS.format(key=key), "largest": largest})
        self.on("large", lambda: say(f"that is more than {largest // 2**20} MB"))
        self.on("begun", lambda: say("reading…"))
        self.on("refused", lambda event: say(str(event.args)[:LONGEST_SAID]))
        _choosers[key] = self


async def arrived(request: Request) -> Response:
    """Give files that a browser sent to the field of their tab."""
    chooser = _choosers.get(request.path_params["key"])
    if chooser is None or chooser.is_deleted:
        return PlainTextResponse("this page is closed; load it again", 404)
    async with request.form(max_files=MOST_FILES, max_fields=0) as form:
        files = [
            (file.filename or "", await file.read()) for _, file in form.multi_items() if isinstance(file, UploadFile)
        ]
    with chooser:
        await chooser.take(files)
    return Response(status_code=204)
