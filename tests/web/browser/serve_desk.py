"""Serves two simulated bands of few channels, of which one is chosen on the page."""

from __future__ import annotations

from cpep.web.desk import Desk
from cpep.web.opening import Wanted, open_session
from cpep.web.server import serve


def serve_desk(folder):
    """Serve it until the process ends."""
    wanted = Wanted(None, folder / "my.book", False, folder / "my.enrol", folder / "recordings")
    desk = Desk(open_session(wanted, "sim[1-4]"), lambda text: open_session(wanted, text, beside=True))
    serve(desk, "127.0.0.1", 0, show=False)
