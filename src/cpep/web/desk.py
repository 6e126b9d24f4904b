"""The page of the source that is chosen, and how another one takes its place while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cpep.live.sources import own
from cpep.live.sources.channels import indices, split
from cpep.live.sources.fit import origin
from cpep.live.sources.registry import SOURCES
from cpep.types import UserError
from cpep.web.build import page_of
from cpep.web.frames import Live
from cpep.web.opening import Opened
from cpep.web.panels import Panel
from cpep.web.source import SourcePanel


class Desk:
    """What a server serves: one session with its page, until another source is chosen.

    Args:
        opened: the first session.
        open: opens another one, from what a user writes.

    Attributes:
        page: of the source that is chosen.
        said: what came of the last choice.
    """

    def __init__(self, opened: Opened, open: Callable[[str], Opened]) -> None:
        self._open, self._lock, self.said = open, threading.Lock(), ""
        self._begin(opened)

    @property
    def live(self) -> Live:
        """Answers on the session."""
        return self.page.live

    @property
    def text(self) -> str:
        """The source, as the user wrote it."""
        return self._opened.files.source

    def show(self) -> None:
        """Build the page for one browser tab."""
        self.page.show(Panel("Source", lambda: SourcePanel(self).show(), "Source: where the EMG comes from"))

    def choose(self, text: str) -> None:
        """Take another source; all that was made stays in its files.

        Of the same device, which may be opened once at a time, other channels may be taken; and the same again where
        it has ended or failed.

        Raises:
            UserError: there is no such source, something goes on, or it is a file of this machine. The source until
                now goes on then, or is opened again.
        """
        text = text.strip()
        with self._lock:
            if text == self.text and not self.live.session.ended:
                raise UserError(f"{text} is the source already")
            refuse_files(text)
            if why := self.page.busy:
                raise UserError(f"{why}, before you take another source")
            opened, before = self._opened_beside(text), self.text
            self.close()
            try:
                opened = opened or self._open(text)
                self._begin(opened)
            except UserError as error:
                if opened is not None:
                    opened.session.source.close()
                self.said = str(error)  # the page is loaded anew
                self._begin(self._open(before))
                raise
            self.said = f"{text} is the source now; its gestures are enrolled into {opened.files.enrolment.name}"

    def _opened_beside(self, text: str) -> Opened | None:
        """Open a source while the one until now goes on; ``None`` for one of the same device, which waits.

        Raises:
            UserError: there is no such source, or it has no such channel.
        """
        whole, chosen = split(text)
        if whole != split(self.text)[0] or self.live.session.ended:
            return self._open(text)
        if chosen:
            indices(chosen, text, origin(self._opened.source).device.channels)
        return None

    def close(self) -> None:
        """End the session and what goes on in it."""
        self.page.close()
        self._opened.session.stop()

    def _begin(self, opened: Opened) -> None:
        self.page = page_of(opened.session, opened.source, opened.files)
        self._opened = opened
        opened.session.start()


def refuse_files(text: str) -> None:
    """Refuse a source that reads or runs a file of this machine: whoever has the page may not name any.

    Raises:
        UserError: it does; the sentence has the command that takes it.
    """
    name, _, rest = text.partition(":")
    mine = name not in SOURCES and own.WRITTEN.fullmatch(text)
    if name == "replay" or mine or "file=" in rest:
        raise UserError(
            f"{text} is a file of the machine that cpep runs on, which the page does not open; end the server there "
            f"and type: cpep serve --source '{text}'"
        )
