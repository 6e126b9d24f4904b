"""The page in headless Chromium, on a session that moves without a model: ``make test-browser``."""

from __future__ import annotations

import numpy as np
import pytest

from cpep.data.readers.emg2pose import write_recording
from cpep.simulate.gestures import GESTURES
from tests.data.samples import emg2pose_like
from tests.web.browser.opening import PATIENCE_MS, changes, opened, picture, views
from tests.web.browser.serving import Server
from tests.web.fake import FakeBook, serve_fake

pytestmark = pytest.mark.browser

OUTLINE = (
    "getComputedStyle(document.activeElement.closest('.q-field__control') ?? document.activeElement).outlineStyle"
)
INSIDE = """(() => {
  const entry = document.querySelector(".book li.lit").getBoundingClientRect();
  const list = document.querySelector(".book ul").getBoundingClientRect();
  return list.top - 1 <= entry.top && entry.bottom <= list.bottom + 1;
})()"""
COUNT = """new Promise((done) => {
  let frames = 0;
  const start = performance.now();
  const next = () => (frames++, performance.now() - start < 1500 ? requestAnimationFrame(next) : done(frames / 1.5));
  requestAnimationFrame(next);
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    book = tmp_path_factory.mktemp("web") / "my.book"
    with Server(serve_fake, book) as found:
        found.book = book
        yield found


@pytest.fixture
def page(chromium, server):
    with opened(chromium, server.address) as found:
        yield found


def entries(page):
    return page.locator(".book li > div").all_inner_texts()


def remove(page, name):
    page.get_by_role("button", name=f"Remove {name}", exact=True).click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text(f"{name} is no longer in the book").wait_for()


def test_everything_moves(page):
    for which in (".emg canvas", ".time canvas", "[aria-label=Hand] canvas", "[aria-label=Map] canvas"):
        changes(page, which)
    name = page.locator(".state .name")
    before = name.inner_text()
    page.wait_for_function("(before) => document.querySelector('.state .name').textContent !== before", arg=before)
    assert page.locator(".meter").get_attribute("aria-valuenow") == "93"
    assert page.get_by_text("made: fist → recognised: point; fist so far: 3 of 4 right").count() == 1
    assert "Channel 2: no signal" in page.locator(".emg .advice").text_content()


def test_a_page_asks_thirty_times_a_second_and_draws_as_often(page):
    asked = views(page)
    drawn = page.evaluate(COUNT)
    assert drawn > 24 and 20 < len(asked) / 1.5 < 36  # half the cores may be busy


def test_one_screen_holds_it(page):
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1280, 800]


def test_a_gesture_made_with_sliders_is_recognised_kept_and_removed(page, server):
    slider = page.get_by_role("slider", name="index knuckle")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    shown = page.locator(".slider", has=slider).locator(".value")
    assert shown.inner_text() == f"{slider.input_value()}°"  # a number without brackets
    page.get_by_label("Name").fill("hook")
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("hook is in the book").wait_for()
    assert "hook" in entries(page)
    lit = page.locator(".book li.lit")
    assert lit.inner_text().startswith("hook") and page.get_by_label("Name").input_value() == ""
    assert page.evaluate(INSIDE)
    page.locator(".state .name", has_text="hook").wait_for()
    assert FakeBook.load(server.book).pose_of("hook")[5] > 1.2
    page.reload()
    page.locator(".book li", has_text="hook").wait_for()
    remove(page, "hook")
    assert "hook" not in entries(page)
    assert "hook" not in FakeBook.load(server.book).names


def test_the_book_outlives_the_server(chromium, tmp_path):
    with Server(serve_fake, tmp_path / "new.book") as first, opened(chromium, first.address) as page:
        page.get_by_label("Name").fill("kept")
        page.keyboard.press("Enter")
        page.get_by_text("kept is in the book").wait_for()
    with Server(serve_fake, tmp_path / "new.book") as second, opened(chromium, second.address) as page:
        assert "kept" in entries(page)


def test_what_cannot_be_told_apart_and_what_has_no_name_is_said(page):
    page.get_by_role("button", name="Pose the hand as fist").click()
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("give the gesture a name").wait_for()
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("working").wait_for(state="hidden")  # the same sentence once more
    page.get_by_text("give the gesture a name").wait_for()
    page.get_by_label("Name").fill("fist")
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("there is a gesture fist already").wait_for()
    assert page.get_by_label("Name").input_value() == "fist"
    page.get_by_label("Name").fill("fist again")
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("fist again is in the book, but cannot be told from fist").wait_for()
    remove(page, "fist again")


def test_presets_curls_and_what_the_hand_shows_pose_the_hand(page):
    knuckle = page.get_by_role("slider", name="index knuckle")
    page.get_by_label("Start from").click()
    page.get_by_role("option", name="shaka").click()
    page.get_by_role("listbox").wait_for(state="hidden")
    wanted = str(round(np.rad2deg(GESTURES["shaka"].pose_J[5])))
    page.wait_for_function(f"document.querySelector('[aria-label=\"index knuckle\"]').value === '{wanted}'")
    curl = page.get_by_role("slider", name="index curl")
    curl.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    page.wait_for_function(f"document.querySelector('[aria-label=\"index knuckle\"]').value < {wanted}")
    before = knuckle.input_value()
    page.get_by_role("button", name="Take what the hand shows").click()
    page.wait_for_function(f"document.querySelector('[aria-label=\"index knuckle\"]').value !== '{before}'")


def choose(page, path):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files…").click()
    chooser.value.set_files(path)


def test_a_pose_is_taken_from_a_recording(page, server, tmp_path):
    frames = 100
    made = emg2pose_like(
        "upload", 2000, label_T=np.repeat([0, 1], 1000).astype(np.int16), prompt_T=None, repetition_T=None,
        anchor_SJ=np.full((frames, 20), 0.3, np.float32), valid_S=np.ones(frames, bool),
    )  # fmt: skip
    write_recording(tmp_path / "upload.hdf5", made, start=1e9, simulated=True)
    (tmp_path / "broken.hdf5").write_bytes(b"no HDF5")
    page.get_by_role("button", name="From a recording…").click()
    choose(page, tmp_path / "broken.hdf5")
    page.get_by_text("broken.hdf5 is not an HDF5 file").wait_for()
    choose(page, tmp_path / "upload.hdf5")
    page.get_by_text("upload: 1 s of pose").wait_for()
    page.get_by_label("Labelled gestures").click()
    page.get_by_role("option", name=f"{made.vocabulary[1]}, 0.8 s").click()
    page.get_by_role("button", name="Take this stretch").click()
    page.wait_for_function("document.querySelector('[aria-label=\"ring knuckle\"]').value === '17'")
    assert page.get_by_label("Name").input_value() == made.vocabulary[1]
    page.get_by_label("Name").fill("recorded")
    page.get_by_role("button", name="Add to the book").click()
    page.get_by_text("recorded is in the book").wait_for()
    assert np.allclose(FakeBook.load(server.book).pose_of("recorded"), 0.3, atol=1e-6)
    remove(page, "recorded")


def test_the_simulated_hand_can_be_told(page):
    page.get_by_role("button", name="Pose the hand as fist").click()
    page.get_by_role("button", name="Let the simulated hand make it").click()
    page.get_by_text("the simulated hand makes fist").wait_for()


def test_the_keyboard_alone_adds_a_gesture(page, server):
    focus = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    reached = []
    while "middle knuckle" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focus))
        assert page.evaluate("document.activeElement.matches(':focus-visible')") and len(reached) < 60
        outline = page.evaluate(OUTLINE)
        assert outline == "solid", reached[-1]
    before = page.evaluate("document.activeElement.value")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.activeElement.value == {int(before) + 1}")
    page.keyboard.press("n")
    page.wait_for_function("document.activeElement === document.querySelector('.name input')")
    page.keyboard.type("typed?")  # keys that are shortcuts elsewhere
    page.keyboard.press("Enter")
    page.get_by_text("typed? is in the book").wait_for()
    assert "typed?" in FakeBook.load(server.book).names
    while page.evaluate(focus) != "Remove typed?":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("Remove typed? from the book?").wait_for()
    while page.evaluate(focus) != "Remove":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("typed? is no longer in the book").wait_for()


def test_shortcuts(page):
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Help").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Help").wait_for(state="hidden")
    for what in ("What the percentage is of", "What the EMG shows", "What the map shows", "Help (?)"):
        page.get_by_role("button", name=what).click()
        page.get_by_role("dialog", name="Help").get_by_text("Noise SD is the unit").wait_for()
        page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_timeout(300)
    still = picture(page, ".emg canvas")
    page.wait_for_timeout(300)
    assert picture(page, ".emg canvas") == still
    page.keyboard.press("p")
    changes(page, ".emg canvas")
    page.locator("[aria-label=Hand] canvas").focus()
    page.keyboard.press("ArrowLeft")


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_themes_follow_the_system_until_one_is_chosen(page):
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"getComputedStyle(document.body).backgroundColor !== '{light}'")
    dark = ground(page)
    page.get_by_label("Theme").select_option("light")
    page.wait_for_function(f"getComputedStyle(document.body).backgroundColor === '{light}'")
    page.reload()
    page.wait_for_function(f"getComputedStyle(document.body).backgroundColor === '{light}'")
    page.get_by_label("Theme").select_option("system")
    page.wait_for_function(f"getComputedStyle(document.body).backgroundColor === '{dark}'")


def test_a_phone(chromium, server):
    with opened(chromium, server.address, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_label("Name").fill("thumbed")
        page.get_by_role("button", name="Add to the book").tap()
        page.get_by_text("thumbed is in the book").wait_for()
        remove(page, "thumbed")


def test_less_motion(chromium, server):
    with opened(chromium, server.address, reduced_motion="reduce") as page:
        asked = views(page)
        page.wait_for_timeout(2000)
        assert 2 <= len(asked) <= 5


def test_another_address_wants_the_token(chromium, tmp_path):
    with Server(serve_fake, tmp_path / "my.book", "0.0.0.0") as server:
        bare, token = server.address.split("?token=")
        context = chromium.new_context()
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        assert page.goto(bare).status == 401
        page.get_by_label("Token").fill("guess")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("not the token").wait_for()
        assert context.request.get(f"{bare}api/view").status == 401
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Open").click()
        page.locator(".state .name[data-state=gesture]").wait_for()
        assert context.request.get(f"{bare}api/view").status == 200
        context.close()
        with opened(chromium, server.address) as page:
            assert "token" not in page.url
