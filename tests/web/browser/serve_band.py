"""Serves the page of an LSL band with short takes."""

from __future__ import annotations

from cpep.live.enrol.guide import Plan
from cpep.live.session import Session
from cpep.live.sources.registry import open_source
from cpep.web.build import Files, page_of
from cpep.web.server import serve


def serve_band(name, folder, hold_s):
    """Serve it until the process ends; takes of 3 s or more are as usual."""
    source = open_source(f"lsl:{name}")
    session = Session(source)
    files = Files(f"lsl:{name}", folder / "my.book", folder / "my.enrol", folder / "recordings")
    plan = Plan(repetitions=3, hold_s=3.0) if hold_s >= 3 else Plan(("rest", "fist"), 2, hold_s, 0.5, 0.1)
    page = page_of(session, source, files, plan)
    session.start()
    try:
        serve(page, "127.0.0.1", 0, show=False)
    finally:
        page.close()
        session.stop()
