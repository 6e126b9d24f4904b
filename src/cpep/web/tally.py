"""How often each gesture was recognised as what, on the page."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element
from nicegui.events import ValueChangeEventArguments

from cpep.live.book.entries import REST
from cpep.live.session import Session
from cpep.live.tally import Counted
from cpep.web.controls import button

NOBODY = "nothing in particular"
TOLD = (
    "The source says what the hand makes. Each time that a gesture is made, the first one that is recognised counts; "
    "it may come one second late."
)
UNTOLD = (
    "A band does not know what your hand makes. Choose a gesture here, then make it several times: each gesture that "
    "is recognised counts."
)


@dataclass(frozen=True)
class Row:
    """What became of one gesture.

    Attributes:
        made: the gesture.
        times: how often it was made.
        right: how often it was recognised as itself.
        others: what else it was recognised as, in words.
    """

    made: str
    times: int
    right: int
    others: str


def rows_of(counted: Counted) -> list[Row]:
    """Return a row for each gesture that was made.

    >>> rows_of(Counted((("fist", "fist", 3), ("fist", "point", 1), ("fist", "", 2))))
    [Row(made='fist', times=6, right=3, others='not recognised 2, point 1')]
    """
    found = []
    for made in dict.fromkeys(made for made, _, _ in counted.pairs):
        times = {name: count for one, name, count in counted.pairs if one == made}
        others = sorted(((count, name) for name, count in times.items() if name != made), reverse=True)
        words = ", ".join(f"{_spoken(name) or 'not recognised'} {count}" for count, name in others)
        found.append(Row(made, sum(times.values()), times.get(made, 0), words))
    return found


class TallyPanel:
    """The tally in one browser tab.

    Args:
        session: whose it is.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._shown: object = None

    def show(self) -> None:
        """Build it."""
        with ui.element("div").classes("tally") as self.root:
            with ui.element("div").classes("lead"):
                self.about = ui.label().classes("asks")
                self.claim = ui.select([NOBODY], label="I make", value=NOBODY, on_change=self._claim)
                self.claim.props("dense outlined options-dense").classes("claim")
                button("Count anew", self.session.count_anew)
            self.table()
        self._follow()
        ui.timer(0.5, self._follow)

    @ui.refreshable_method
    def table(self) -> None:
        """Build the rows; ``table.refresh()`` builds them anew."""
        view = self.session.view()
        known = self._names()
        with ui.element("table"):
            with ui.element("thead"), ui.element("tr"):
                for heading in ("made", "times", "recognised right", "recognised as something else"):
                    _cell(heading, "th")
            with ui.element("tbody"):
                for row in rows_of(view.tally):
                    with ui.element("tr"):
                        _cell(_spoken(row.made) + ("" if row.made in known else " (no entry has this name)"), "td")
                        _cell(str(row.times), "td")
                        _cell(f"{row.right} ({100 * row.right / row.times:.0f} %)", "td")
                        _cell(row.others, "td")
        if not view.tally.pairs:
            ui.label("Nothing was counted yet.").classes("hint")

    def _follow(self) -> None:
        if self._shown is not None and not _seen(self.root):
            return  # rows are built anew many times a minute
        counted, names = self.session.view().tally, self._names()
        if (counted, names) == self._shown:
            return
        self._shown = (counted, names)
        self.about.text = TOLD if counted.told else UNTOLD
        self.claim.set_visibility(not counted.told)
        self.claim.set_options([NOBODY, *(name for name in names if name != REST)])
        self.table.refresh()

    def _names(self) -> tuple[str, ...]:
        known = self.session.known
        return known.names if known else ()

    def _claim(self, event: ValueChangeEventArguments[str | None]) -> None:
        self.session.claim("" if event.value in (None, NOBODY) else str(event.value))


def _seen(element: Element) -> bool:
    """Tell whether the panel of an element is the one that is chosen."""
    above = element.parent_slot
    return above is None or (above.parent.visible and _seen(above.parent))


def _cell(text: str, tag: str) -> None:
    with ui.element(tag):
        ui.label(text)


def _spoken(name: str) -> str:
    return name.replace("_", " ")
