"""Make docs/pictures/live.webp: the live page on a simulated hand, while a gesture is added by its pose.

python docs/pictures/moving.py      a minute; needs the extras web and dev, and Chromium
"""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from served import served

OUT = Path(__file__).with_name("live.webp")
SIZE, WIDTH = {"width": 1280, "height": 900}, 860
FRAME_S, WARM_S, MOST_BYTES = 0.25, 60, 1_500_000
ATTEMPTS, TURN_S = 4, 7
RIGHT = re.compile("made: gun → recognised: gun;")


class Film:
    """Pictures of a page, one every quarter of a second."""

    def __init__(self, page: Page) -> None:
        self.page, self.frames, self.lasts_ms = page, list[Image.Image](), list[int]()

    def take(self, seconds: float) -> None:
        """Take pictures for so long."""
        for _ in range(round(seconds / FRAME_S)):
            begin = time.monotonic()
            picture = Image.open(io.BytesIO(self.page.screenshot()))
            self.frames.append(picture.convert("RGB").resize((WIDTH, WIDTH * SIZE["height"] // SIZE["width"])))
            self.lasts_ms.append(round(FRAME_S * 1000))
            self.page.wait_for_timeout(max(1, 1000 * (FRAME_S - (time.monotonic() - begin))))

    def save(self) -> None:
        """Write the moving picture, as good as fits."""
        for quality in (70, 55, 40, 25):
            first, *others = self.frames
            first.save(OUT, save_all=True, append_images=others, duration=self.lasts_ms, loop=0, quality=quality)
            if OUT.stat().st_size <= MOST_BYTES:
                return
        raise SystemExit(f"{OUT} has {OUT.stat().st_size} bytes; at most {MOST_BYTES} are wanted")


def play(page: Page, film: Film) -> None:
    """Let the page find out how strong the EMG is, then add *gun* by its pose and let the hand make it."""
    page.wait_for_timeout(WARM_S * 1000)
    film.take(3)
    page.get_by_role("tab", name="Studio").click()
    page.get_by_label("Start from").click()
    page.get_by_role("option", name="gun", exact=True).click()
    film.take(1.5)
    page.get_by_label("Name").fill("gun")
    page.get_by_role("button", name="Add to the book").click()
    film.take(2)
    tally = page.locator("h2", has_text="Last 30 seconds")
    for _ in range(ATTEMPTS):
        page.get_by_role("button", name="Let the simulated hand make it").click()
        for _ in range(round(TURN_S / FRAME_S)):
            film.take(FRAME_S)
            if RIGHT.search(tally.inner_text()):
                film.take(2)
                return
    raise SystemExit(f"gun was not recognised in {ATTEMPTS} attempts: look at the page")


def main() -> None:
    """Serve the page, make the film, end the server."""
    with served("sim:3", **SIZE) as page:
        film = Film(page)
        play(page, film)
        film.save()
    print(f"{OUT}: {len(film.frames)} pictures, {OUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
