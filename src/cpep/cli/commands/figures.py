"""The figures of a report as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpep.cli.commands.options import listed


def figures(
    run: Annotated[Path, typer.Argument(help="Output folder of reproduce, ablate or evaluate.")],
    out: Annotated[Path, typer.Argument(help="Folder for the files; files of the same names are replaced.")],
    form: Annotated[str, typer.Option("--format", help="Formats, separated by commas: svg, pdf, png.")] = "svg,pdf",
    only: Annotated[str, typer.Option(help="Names or patterns, separated by commas, as map-*.")] = "",
) -> None:
    """Write the figures of a report as SVG, PDF or PNG, as wide as a column of a paper, with captions.

    Example: `cpep figures runs/db1 paper/figures --format pdf --only 'confusion-cpep-*,map-*'`
    """
    from cpep.report.canvas import write_figures
    from cpep.report.figures import every
    from cpep.report.results import read_details, read_results

    results = read_results(run)
    found = every(results, read_details(run, results))
    names = write_figures(found, out, listed(form), listed(only))
    typer.echo(f"{out}: {len(names)} figures as {', '.join(listed(form))}; captions.md has their captions")
