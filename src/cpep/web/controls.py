"""Controls that the page uses several times."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.value_element import ValueElement
from nicegui.events import GenericEventArguments


class Slider(ValueElement[float], component="static/slider.js"):
    """A labelled slider.

    Args:
        label: shown above it.
        name: read out to people who do not see the page.
        unit: of its value.
        low: lowest value.
        high: highest value.
        step: between values.
        turned: called when the value changes.
    """

    LOOPBACK = False

    def __init__(
        self,
        label: str,
        name: str,
        unit: str,
        low: float,
        high: float,
        step: float = 1,
        turned: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(value=low, on_value_change=turned, throttle=0.05)
        self._props.update({"label": label, "name": name, "unit": unit, "min": low, "max": high, "step": step})

    def _event_args_to_value(self, e: GenericEventArguments) -> float:
        """Take a number of the slider's range; anything else comes from no slider, and leaves it where it is."""
        value = e.args
        within = isinstance(value, int | float) and self._props["min"] <= value <= self._props["max"]
        return float(value) if within else self.value


class Said(Element, component="static/said.js"):
    """A sentence on what came of a press; the browser shows that it was pressed before the server answers."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._props.update({"text": text, "number": 0})

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self._props.update({"text": sentence, "number": self._props["number"] + 1})
        self.update()

    def answers(self, element: Element, event: str = "click") -> None:
        """Show at once that an element was pressed."""
        element.on(event, js_handler=f"() => getElement({self.id}).press()")


def button(text: str, pressed: Callable[[], object] | None = None, main: bool = False) -> ui.button:
    """Build a button in the colours of page.css."""
    found = ui.button(text, on_click=pressed, color=None).props("no-caps dense unelevated")
    return found.classes("main" if main else "side")


def icon_button(icon: str, name: str, pressed: Callable[[], object]) -> None:
    """Build a button that shows an icon, with a name for people who do not see it."""
    found = ui.button(icon=icon, on_click=pressed, color=None).props("flat round dense size=sm")
    found.props["aria-label"] = name
