"""Another source is chosen on the page, in headless Chromium."""

from __future__ import annotations

import pytest

from tests.web.browser.opening import opened
from tests.web.browser.serve_desk import serve_desk
from tests.web.browser.serving import Server

pytestmark = pytest.mark.browser
SCALE = """async () => {
  const { Emg } = await import("/static/draw.js");
  const emg = new Emg(4, 2);
  emg.push(new Float32Array([1, NaN, -40, 2, 3, NaN, 30, 2]));
  return emg.scale();
}"""
"""The scale of four channels, of which one sends no numbers."""
SLOW_MS = 1_000
"""Until the page begins to arrive: thirty views are drawn meanwhile."""


def test_another_source_is_taken_and_what_is_wrong_is_said(chromium, tmp_path):
    with Server(serve_desk, tmp_path) as server, opened(chromium, server.address, ".live.unknowing") as page:
        for tab in page.get_by_role("tab").all():  # each says where one is
            tab.click()
            page.locator(".panel:not(.hidden) > h2", has_text=tab.inner_text()).wait_for()
        page.get_by_label("Another source").fill("replay:/etc/passwd")
        page.get_by_role("button", name="Take it").click()
        page.get_by_text("cpep serve --source 'replay:/etc/passwd'").wait_for()
        assert page.get_by_label("Another source").input_value() == "replay:/etc/passwd"
        page.get_by_label("Another source").fill("sim:1[5-6]")
        page.get_by_label("Another source").press("Enter")
        page.locator(".source", has_text="sim:1[5-6]: 2 channels").wait_for()
        page.get_by_role("tab", name="Source").click()
        page.get_by_text("sim:1[5-6] is the source now").wait_for()
        page.get_by_role("tab", name="Tally").click()
        page.get_by_text("Nothing was counted yet").wait_for()


def test_a_page_that_loads_slowly_is_asked_for_once(chromium, tmp_path):
    with Server(serve_desk, tmp_path) as server, opened(chromium, server.address, ".live.unknowing") as page:
        loads = []

        def slowly(route):
            loads.append(route.request.url)
            page.wait_for_timeout(SLOW_MS)
            route.continue_()

        page.route(page.url, slowly)
        page.get_by_role("tab", name="Source").click()
        page.get_by_label("Another source").fill("sim:1[5-6]")
        page.get_by_label("Another source").press("Enter")
        page.locator(".source", has_text="sim:1[5-6]: 2 channels").wait_for()
        assert len(loads) == 1


def test_a_page_that_is_paused_learns_of_another_source(chromium, tmp_path):
    with Server(serve_desk, tmp_path) as server, opened(chromium, server.address, ".live.unknowing") as page:
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("tab", name="Source").click()
        page.get_by_label("Another source").fill("sim:1[5-6]")
        page.get_by_label("Another source").press("Enter")
        page.locator(".source", has_text="sim:1[5-6]: 2 channels").wait_for()


def test_a_server_that_does_not_answer_is_said_and_one_channel_without_numbers_hides_no_other(chromium, tmp_path):
    with Server(serve_desk, tmp_path) as server, opened(chromium, server.address, ".live.unknowing") as page:
        page.route("**/api/view**", lambda route: None)  # as where a network is gone, and nobody says so
        page.get_by_text("what is shown is old").wait_for()
        assert page.evaluate(SCALE) == 50
