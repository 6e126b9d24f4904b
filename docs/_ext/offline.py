"""The site fetches nothing from elsewhere: the build fails where a page would."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\b(?:src|srcset|poster)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*\brel=["']?(?:canonical|prev|next|search|index)\b)[^>]*?\bhref\s*=\s*["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|url\(\s*["']?((?:https?:)?//[^"')]+)|@import\s+["']((?:https?:)?//[^"']+)""",
    re.IGNORECASE,
)
"""What a browser fetches by itself: scripts, pictures, frames, styles, fonts; not a link that a reader clicks."""


def fetched(text: str) -> list[str]:
    """Return the addresses elsewhere that a page or a style sheet makes a browser fetch."""
    return [next(filter(None, found.groups())) for found in FETCHED.finditer(text)]


def refuse(app: Sphinx, error: Exception | None) -> None:
    """End the build with an error where a page fetches from elsewhere."""
    if error is not None or app.builder.format != "html":
        return
    files = [path for path in Path(app.outdir).rglob("*") if path.suffix in {".html", ".css"}]
    found = [f"{path.relative_to(app.outdir)}: {url}" for path in files for url in fetched(path.read_text("utf-8"))]
    if found:
        raise SphinxError("the site must fetch nothing from elsewhere:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", refuse)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
