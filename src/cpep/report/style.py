"""Colours and strokes of figures: the style sheet of the pages, and the looks of an element in a file.

One list of rules serves both, so that a figure in a file looks as on the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PALETTE = 8
"""Number of colours, ``--c0`` to ``--c7`` of the style sheet; further gestures use them again."""

LIGHT = {
    **{"page": "#fbfbfa", "surface": "#ffffff", "text": "#1c1e21", "soft": "#5c6370", "line": "#dcdfe4"},
    **{"grid": "#e9ebee", "accent": "#1f5fb0", "heat": "#0a3278", "on-heat": "#ffffff", "warm": "#b4500c"},
    **{"neutral": "#8a909b", "c0": "#0072b2", "c1": "#e07b00", "c2": "#009e73", "c3": "#cc4f9a", "c4": "#4fb0e8"},
    **{"c5": "#a33b20", "c6": "#5b3f9e", "c7": "#7a7a1f"},
}
"""Colours of the light page, and of files."""

DARK = {
    **{"page": "#14161a", "surface": "#1b1e24", "text": "#e6e8eb", "soft": "#a0a7b4", "line": "#343a44"},
    **{"grid": "#2a2f38", "accent": "#74b0f4", "heat": "#74b0f4", "on-heat": "#000000", "warm": "#f0a060"},
    **{"neutral": "#7d8594", "c0": "#4aa3e0", "c1": "#f2a33a", "c2": "#2fc79b", "c3": "#ef8ac6", "c4": "#a6dcff"},
    **{"c5": "#e8704f", "c6": "#a88df0", "c7": "#d6d34e"},
}

RULES = (
    ("text", "fill: var(--text); font-size: 11px"),
    (".tick", "fill: var(--soft); font-size: 10.5px"),
    (".end", "text-anchor: end"),
    (".middle", "text-anchor: middle"),
    (".grid", "stroke: var(--grid)"),
    (".axis", "stroke: var(--soft)"),
    (".split", "stroke: var(--warm); stroke-width: 2"),
    (".chance", "stroke: var(--warm); stroke-width: 1.5; stroke-dasharray: 4 3"),
    (".dot", "fill: var(--accent); fill-opacity: .75"),
    (".dot.control", "fill: var(--neutral)"),
    (".dot.ceiling", "fill: var(--neutral)"),
    (".mean", "stroke: var(--text); stroke-width: 2"),
    (".cell", "fill: var(--heat)"),
    (".cell.right", "stroke: var(--heat)"),
    (".number", "text-anchor: middle; font-size: 10px"),
    (".number.strong", "fill: var(--on-heat); font-weight: 600"),
    (".curve", "fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-opacity: .8"),
    (".train", "stroke: var(--neutral)"),
    (".validation", "stroke: var(--accent)"),
    (".between", "stroke: var(--colour)"),
    (".between.again", "stroke-dasharray: 5 3"),
    (".between.control", "stroke: var(--neutral); stroke-dasharray: 2 2"),
    (".between.ceiling", "stroke: var(--neutral)"),
    (".ring", "fill: var(--surface); stroke-width: 1.6"),
    (".kept", "fill: var(--surface); stroke: var(--accent); stroke-width: 1.6"),
    (".emg", "fill: none; stroke: var(--colour); stroke-width: 4.6; stroke-linecap: round; stroke-opacity: .75"),
    (".pose", "fill: var(--surface); stroke: var(--colour); stroke-width: 1.2; stroke-opacity: .45"),
    (".emg.cross", "stroke-width: 1.5; stroke-opacity: .8"),
    (".key-mark", "stroke-opacity: 1"),
    (
        ".halo",
        "font-size: 13px; font-weight: 600; paint-order: stroke; stroke: var(--surface); stroke-width: 3.5px;"
        " stroke-linejoin: round",
    ),
)
"""Selectors, a tag or one or two classes, and their declarations; later ones win."""


def style_sheet() -> str:
    """Return the colours of the page and the rules of figures as CSS."""
    light, dark = ("; ".join(f"--{name}: {value}" for name, value in colours.items()) for colours in (LIGHT, DARK))
    rules = "\n".join(f"svg {selector} {{ {declarations}; }}" for selector, declarations in RULES)
    return (
        f":root {{ color-scheme: light dark; {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark}; }} }}\n"
        f"@media print {{ :root {{ color-scheme: light; {light}; }} }}\n{rules}"
    )


def looks_of(tag: str, classes: Sequence[str], inline: str = "") -> dict[str, str]:
    """Return the properties of an element on the light page, with every ``var()`` replaced.

    Args:
        tag: its tag.
        classes: its classes.
        inline: its ``style`` attribute, which may set variables.

    >>> looks_of("path", ["emg", "cross"], "--colour:var(--c1)")["stroke"]
    '#e07b00'
    """
    found: dict[str, str] = {}
    for selector, declarations in RULES:
        own = selector.removeprefix(".").split(".")
        if selector == tag or (selector.startswith(".") and set(own) <= set(classes)):
            found |= _declared(declarations)
    found |= _declared(inline)
    variables = LIGHT | {name[2:]: value for name, value in found.items() if name.startswith("--")}
    return {name: _resolved(value, variables) for name, value in found.items() if not name.startswith("--")}


def _declared(text: str) -> dict[str, str]:
    parts = (part.partition(":") for part in text.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def _resolved(value: str, variables: Mapping[str, str]) -> str:
    """Replace ``var(--name)`` until none is left."""
    while found := re.search(r"var\(--([\w-]+)\)", value):
        value = value[: found.start()] + variables[found[1]] + value[found.end() :]
    return value
