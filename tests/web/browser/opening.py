"""Opening the page as a person does, and looking at it."""

from __future__ import annotations

from contextlib import contextmanager

RECOGNISED = ".state .name[data-state=gesture]"
PATIENCE_MS = 30_000
"""Of a test on a busy machine."""


@contextmanager
def opened(chromium, address, ready=RECOGNISED, **settings):
    """Open a page, wait for ``ready``; afterwards check that nobody complained and that nothing left its origin."""
    context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | settings))
    page, complaints, asked = context.new_page(), [], []
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: complaints.append(message.text) if _complains(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(address)
    page.locator(ready).wait_for()
    try:
        yield page
    except Exception as error:
        error.add_note(f"the page complained {complaints}, and said {page.locator('.said').all_inner_texts()}")
        raise
    context.close()
    origin = address.split("//")[1].split("/")[0]
    assert complaints == []
    assert {url.split("/")[2] for url in asked if not url.startswith(("data:", "blob:"))} == {origin}
    assert any(url.startswith("ws://") for url in asked)


def _complains(message):
    """Tell whether a line of the console is no mere log; why NiceGUI loads a page anew is one."""
    return message.type != "log" or message.text.startswith("reloading")


def picture(page, which):
    return page.evaluate(f"document.querySelector('{which}').toDataURL()")


def changes(page, which):
    """Wait until a canvas shows something else."""
    before = picture(page, which)
    moved = "([which, before]) => document.querySelector(which).toDataURL() !== before"
    page.wait_for_function(moved, arg=[which, before])


def views(page):
    """Return a list that grows with what the page is given."""
    found = []
    page.on("response", lambda response: found.append(response.url) if "/api/view" in response.url else None)
    return found
