"""The built site in headless Chromium: `make docs`, then `make test-browser`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "build" / "docs"


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    if not (SITE / "index.html").is_file():
        pytest.skip("the site is not built: `make docs`")
    path = shutil.which("chromium")
    assert path, "no chromium: `make test-browser` installs it where it can"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def test_pages_fetch_nothing_from_elsewhere_and_fit_a_phone(chromium):
    page = chromium.new_context(viewport={"width": 390, "height": 844}).new_page()
    asked, failed, wide = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failed.append(request.url))
    pages = sorted(SITE.rglob("*.html"))
    assert len(pages) > 30
    for path in pages:
        page.goto(path.as_uri(), wait_until="load")
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(str(path.relative_to(SITE)))
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert failed == []
    assert wide == []
