"""Make docs/pictures/live*.png: the live page on a simulated arm, from the first look to a gesture by its pose.

python docs/pictures/stills.py      five minutes; needs the extras web and dev, and Chromium
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from served import served

HERE = Path(__file__).parent
ARM = "sim[1,3,5,7,9,11,13,15]"
WIDTH, HEIGHT, STUDIO_HEIGHT = 1280, 800, 1000
LONGEST_MS = 300_000
RECORDED_S, COUNTED_S, WARM_S = 25, 45, 40


def _take(page: Page, name: str) -> None:
    page.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256).save(HERE / f"{name}.png", optimize=True)
    print(f"{name}.png", flush=True)


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def enrolled(page: Page) -> None:
    """Take pictures before, during and after an enrolment, and of the tabs of the page."""
    page.wait_for_timeout(8_000)
    _take(page, "live_first")
    _tab(page, "Source")
    _take(page, "live_source")
    _tab(page, "Enrol")
    page.get_by_role("button", name="Start", exact=True).first.click()
    page.get_by_text("gesture 3 of 6").wait_for(timeout=LONGEST_MS)
    page.wait_for_function("document.body.innerText.match(/hold\\s+2 s/)", timeout=LONGEST_MS)
    _take(page, "live_enrol")
    page.get_by_role("button", name="Stop", exact=True).wait_for(state="detached", timeout=LONGEST_MS)
    page.wait_for_timeout(1000 * COUNTED_S)
    _take(page, "live")
    _tab(page, "Tally")
    _take(page, "live_tally")


def recorded(page: Page) -> None:
    """Take a picture while a hand is followed."""
    _tab(page, "Record")
    page.get_by_label("Person").fill("Ann")
    page.get_by_label("Protocol").click()
    page.get_by_role("option", name="follow", exact=True).click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1000 * RECORDED_S)
    _take(page, "live_record")


def posed(page: Page) -> None:
    """Take a picture of the studio, with *gun* chosen."""
    page.wait_for_timeout(1000 * WARM_S)
    _tab(page, "Studio")
    page.get_by_label("Start from").click()
    page.get_by_role("option", name="gun", exact=True).click()
    page.wait_for_timeout(1000)
    _take(page, "live_studio")


def main() -> None:
    """Make all of them."""
    with served(ARM, WIDTH, HEIGHT) as page:
        enrolled(page)
        recorded(page)
    with served("sim:3", WIDTH, STUDIO_HEIGHT) as page:
        posed(page)


if __name__ == "__main__":
    main()
