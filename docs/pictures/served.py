"""The live page of a source in headless Chromium, for the scripts beside this file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright


@contextmanager
def served(source: str, width: int, height: int) -> Iterator[Page]:
    """Serve a source in a folder that is removed afterwards, and open its page.

    Args:
        source: as ``cpep serve --source`` takes it.
        width: of the page, pixels.
        height: of the page, pixels.
    """
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        serve = [sys.executable, "-m", "cpep", "serve", "--source", source, "--no-open", "--port", "0"]
        server = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = next(filter(None, (re.search(r"http://[\w.:]+", line) for line in server.stdout)))[0]
            path = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light").new_page()
            page.goto(address)
            yield page
            browser.close()
        finally:
            server.terminate()
            server.wait()
