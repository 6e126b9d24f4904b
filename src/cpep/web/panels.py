"""Panels behind tabs, of which one is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element

NEIGHBOUR = """(event) => {
  const way = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
  if (way) event.currentTarget[way]?.focus();
}"""


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        name: on its tab.
        show: builds it, anew for each browser tab.
        label: what it is, in a few words: its heading.
    """

    name: str
    show: Callable[[], None]
    label: str


def panels(some: Sequence[Panel]) -> None:
    """Build panels and their tabs; the first is seen."""
    with ui.element("section").classes("panels").props('aria-label="What to do"'):
        with ui.element("div").classes("tabs").props("role=tablist"):
            tabs = [ui.element("button").props(f'type=button role=tab id="tab-{one.name}"') for one in some]
        bodies = [_body(one) for one in some]

    def choose(chosen: int) -> None:
        for index, (tab, body) in enumerate(zip(tabs, bodies, strict=True)):
            tab.props(f"aria-selected={'true' if index == chosen else 'false'}")
            body.set_visibility(index == chosen)

    for index, (tab, one) in enumerate(zip(tabs, some, strict=True)):
        with tab:
            ui.html(one.name, sanitize=False, tag="span")
        tab.on("click", lambda index=index: choose(index)).on("keydown", js_handler=NEIGHBOUR)
    choose(0)


def _body(one: Panel) -> Element:
    body = ui.element("div").classes("panel").props(f'role=tabpanel aria-label="{one.label}"')
    with body:
        ui.html(one.label, sanitize=False, tag="h2")
        one.show()
    return body
