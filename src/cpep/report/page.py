"""Pages that need nothing else: one file of HTML each, from a template beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cpep.report.style import style_sheet
from cpep.runtime.files import write_text


def write_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template and write the page, atomically; what is not marked as safe is escaped."""
    environment = Environment(
        loader=PackageLoader("cpep", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_text(path, environment.get_template(template).render(style_sheet=style_sheet(), **values))
