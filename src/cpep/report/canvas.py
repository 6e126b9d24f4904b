"""Figures as files for papers: the drawings of the report as SVG, PDF or PNG, with fonts embedded.

The elements that ``cpep.report.plots`` draws are drawn again with matplotlib, which writes all three formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure as Paper
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2D

from cpep.report.figures import Figure
from cpep.report.scatter import MARKS
from cpep.report.style import looks_of
from cpep.runtime.files import atomic_path, write_text
from cpep.types import UserError

FORMATS = ("svg", "pdf", "png")
COLUMN_MM, PAGE_MM = 85.0, 178.0
"""Widths of one column and of two columns of a paper."""

LEAST_PT, MOST_PT = 6.0, 9.0
"""Smallest and largest text, which is 11 px on the page."""

NARROWER = 0.92
"""Letters of the embedded font (DejaVu Sans) are wider than those that the drawings reckon with."""

_FACE = {"normal": "normal", "600": "bold"}
_SETTINGS: Any = {"svg.fonttype": "path", "pdf.fonttype": 42, "svg.hashsalt": "cpep", "font.family": "DejaVu Sans"}
_NUMBER = re.compile(r"[MmLlHhVvZz]|-?\d*\.?\d+(?:e-?\d+)?")


def write_figures(
    figures: Sequence[Figure], out: Path, formats: Sequence[str], only: Sequence[str] = ()
) -> list[str]:
    """Write figures into a folder, and ``captions.md`` with the caption and the size of each.

    A figure is one column wide, or two where its text would otherwise be smaller than ``LEAST_PT``. Files of these
    names are replaced.

    Args:
        figures: the figures.
        out: folder; made where it is missing.
        formats: some of ``FORMATS``.
        only: patterns of names, as ``map-*``; without any, all figures are written.

    Returns:
        The names that were written.

    Raises:
        UserError: there is no such format, or no figure has such a name.
    """
    if unknown := [one for one in formats if one not in FORMATS] or (not formats and ["nothing"]):
        raise UserError(f"--format {unknown[0]}: give some of {', '.join(FORMATS)}, separated by commas")
    wanted = [one for one in figures if not only or any(fnmatch(one.name, pattern) for pattern in only)]
    if not wanted:
        asked = f"is named {' or '.join(only)}" if only else "is in this run"
        raise UserError(f"no figure {asked}; the report lists the names at its end")
    out.mkdir(parents=True, exist_ok=True)
    captions = []
    for one in wanted:
        with matplotlib.rc_context(_SETTINGS):
            paper, millimetres = drawn(one.svg)
            for form in formats:
                with atomic_path(out / f"{one.name}.{form}") as temporary:
                    paper.savefig(temporary, format=form, dpi=300, metadata=_METADATA[form])
        captions.append(f"**{one.name}** ({millimetres:.0f} mm wide): {one.whole}. {one.caption}")
    write_text(out / "captions.md", "\n\n".join(captions) + "\n")
    return [one.name for one in wanted]


_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}
"""No time is written: the same run gives the same bytes."""


def drawn(svg: str) -> tuple[Paper, float]:
    """Draw an ``<svg>`` of the report with matplotlib, and return it with its width in millimetres."""
    root = ElementTree.fromstring(svg)
    width, height = (float(length) for length in root.get("viewBox", "").split()[2:])
    scale = _points_a_pixel(width)
    paper = Paper(figsize=(scale * width / 72, scale * height / 72), dpi=72)
    axes = paper.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for order, (element, x, y) in enumerate(_elements(root)):
        looks = looks_of(element.tag, element.get("class", "").split(), element.get("style", ""))
        if element.tag == "text":
            _write(axes, element, looks, scale, order)
        else:
            shape = _dots(element, looks) or _shape(element)
            shape.set(transform=Affine2D().translate(x, y) + axes.transData, zorder=order, clip_on=False)
            _paint(shape, looks, scale)
            axes.add_artist(shape)
    return paper, scale * width * 25.4 / 72


def _points_a_pixel(width: float) -> float:
    """Return the scale at which a drawing fits one column, or two where its text would be too small."""
    one, two = (millimetres / 25.4 * 72 / width for millimetres in (COLUMN_MM, PAGE_MM))
    return min(one if 11 * one >= LEAST_PT else two, MOST_PT / 11)


def _elements(
    parent: ElementTree.Element, x: float = 0.0, y: float = 0.0
) -> Iterator[tuple[ElementTree.Element, float, float]]:
    """Yield the elements that are drawn, each with the place that its group moves it to."""
    for element in parent:
        if element.tag == "g":
            moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", "translate(0 0)"))
            assert moved, element.attrib
            yield from _elements(element, x + float(moved[1]), y + float(moved[2]))
        elif element.tag != "title":
            yield element, x, y


def _dots(element: ElementTree.Element, looks: dict[str, str]) -> PathPatch | None:
    """Return circles for a path of dots, strokes without length and with round ends, which matplotlib leaves out."""
    places = re.findall(rf"M([-\d.]+) ([-\d.]+){re.escape(MARKS[0][0])}", element.get("d", ""))
    if not places:
        return None
    radius = float(looks["stroke-width"]) / 2
    looks |= {"fill": looks["stroke"], "fill-opacity": looks["stroke-opacity"], "stroke": "none"}
    return PathPatch(Outline.make_compound_path(*(Outline.circle((float(x), float(y)), radius) for x, y in places)))


def _shape(element: ElementTree.Element) -> Any:
    """Return the outline of an element."""

    def of(*names: str) -> list[float]:
        return [float(element.get(name, 0)) for name in names]

    if element.tag == "circle":
        x, y, radius = of("cx", "cy", "r")
        return Circle((x, y), radius)
    if element.tag == "rect":
        x, y, width, height = of("x", "y", "width", "height")
        return Rectangle((x, y), width, height)
    if element.tag == "line":
        x1, y1, x2, y2 = of("x1", "y1", "x2", "y2")
        return PathPatch(Outline([(x1, y1), (x2, y2)]), fill=False)
    if element.tag == "polyline":
        points = [tuple(map(float, pair.split(","))) for pair in element.get("points", "").split()]
        return PathPatch(Outline(points), fill=False)
    assert element.tag == "path", f"figures have no {element.tag}"
    return PathPatch(outline(element.get("d", "")))


def outline(text: str) -> Outline:
    """Return the path of a ``d`` attribute of straight lines.

    >>> outline("M1 2h3v-1z").vertices.tolist()
    [[1.0, 2.0], [4.0, 2.0], [4.0, 1.0], [1.0, 2.0]]
    """
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    words = _NUMBER.findall(text)
    x = y = first_x = first_y = 0.0
    command = ""
    while words:
        if words[0].isalpha():
            command = words.pop(0)
        kind, relative = command.upper(), command.islower()
        if kind == "Z":
            x, y = first_x, first_y
        else:
            if kind in "MLH":
                x = float(words.pop(0)) + x * relative
            if kind in "MLV":
                y = float(words.pop(0)) + y * relative
        if kind == "M":
            first_x, first_y = x, y
        points.append((x, y))
        codes.append({"M": Outline.MOVETO, "Z": Outline.CLOSEPOLY}.get(kind, Outline.LINETO))
        command = {"M": "L", "m": "l"}.get(command, command)  # as SVG has it: further pairs are lines
    return Outline(points or [(0.0, 0.0)], codes or [Outline.MOVETO])


def _paint(shape: Any, looks: dict[str, str], scale: float) -> None:
    """Give a shape its colours and strokes; lengths are in points."""
    fill, stroke = looks.get("fill", "#000000"), looks.get("stroke", "none")
    if shape.get_fill():
        shape.set_facecolor(_colour(fill, looks.get("fill-opacity", "1")))
    shape.set_edgecolor(_colour(stroke, looks.get("stroke-opacity", "1")))
    wide = scale * float(looks.get("stroke-width", "1").removesuffix("px"))
    shape.set_linewidth(wide if stroke != "none" else 0)
    shape.set_capstyle(looks.get("stroke-linecap", "butt"))
    shape.set_joinstyle(looks.get("stroke-linejoin", "miter"))
    if dashes := looks.get("stroke-dasharray"):
        shape.set_linestyle((0, [float(length) * scale / wide for length in dashes.split()]))


def _colour(value: str, opacity: str) -> Any:
    return "none" if value == "none" else (value, float(opacity))


def _write(axes: Any, element: ElementTree.Element, looks: dict[str, str], scale: float, order: int) -> None:
    """Write a text; only quarter turns about its own place are drawn on the page."""
    size = NARROWER * scale * float(looks["font-size"].removesuffix("px"))
    text = axes.text(
        float(element.get("x", 0)),
        float(element.get("y", 0)),
        element.text or "",
        size=size,
        color=looks["fill"],
        weight=_FACE[looks.get("font-weight", "normal")],
        ha={"end": "right", "middle": "center"}.get(looks.get("text-anchor", ""), "left"),
        va="baseline",
        rotation=90 if "rotate(-90" in element.get("transform", "") else 0,
        rotation_mode="anchor",
        zorder=order,
        parse_math=False,
    )
    if "paint-order" in looks:
        text.set_path_effects([withStroke(linewidth=scale * 3.5, foreground=looks["stroke"])])
