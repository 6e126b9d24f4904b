"""The LaTeX tables: every number is the report's, every row fits its columns, and nothing needs escaping any more."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cpep.report.latex import escaped, tables_latex
from cpep.report.markdown import tables_markdown
from cpep.report.pose_errors import errors_of, measure
from cpep.report.table import number, signed, table_of
from tests.report.fake_evaluation import everything

DOCUMENT = r"""
\documentclass{article}
\usepackage[a4paper,margin=2.5cm]{geometry}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""


@pytest.mark.parametrize("folds", [1, 4])
def test_every_cell_of_the_table_is_there_with_its_digits(folds: int) -> None:
    results, _ = everything(folds=folds, windows=3)
    text, table = tables_latex(results), table_of(results)
    for line in (*table.lines, *table.ablations):
        rows = [row for row in text.splitlines() if row.startswith(f"{escaped(line.marked)} & ")]
        said = " ".join(rows)
        for cell in filter(None, line.cells):
            bounds = "--".join(number(bound, 2) for bound in cell.ci95)
            spread = f"$\\pm$ {number(cell.sd)}" if folds > 1 else bounds
            assert re.search(rf"{re.escape(number(cell.mean))}}}? ({{\\scriptsize )?{re.escape(spread)}", said), line
    assert ("over 4 folds" in text) == (folds == 4) and "people tested" in text
    best = max(line.cells[0].mean for line in table.lines if line.cells[0] and not line.role)
    assert f"\\textbf{{{number(best)}}}" in text


def test_every_row_has_as_many_cells_as_its_table_has_columns() -> None:
    results, _ = everything(folds=2, windows=3)
    tabulars = re.findall(r"\\begin{tabular}{l(c+)}\n(.*?)\\end{tabular}", tables_latex(results), re.DOTALL)
    assert len(tabulars) > 1
    for columns, body in tabulars:
        for row in (line for line in body.splitlines() if line.endswith(r"\\")):
            spans = [int(count) for count in re.findall(r"\\multicolumn{(\d+)}", row)]
            cells = len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans) - len(spans)
            assert cells == len(columns) + 1, row


def test_what_latex_would_take_for_a_command_is_escaped() -> None:
    assert escaped("a_b & 5 % of {x}~^\\ #1 $2 ±†") == (
        r"a\_b \& 5 \% of \{x\}\textasciitilde{}\textasciicircum{}\textbackslash{} \#1 \$2 "
        r"$\pm$\textsuperscript{\dag}"
    )


def test_markdown_has_the_digits_of_the_report() -> None:
    results, _ = everything(folds=2, windows=3)
    text = tables_markdown(results)
    one = next(one for one in results["comparisons"] if one["other"] == "ridge")
    assert f"{signed(one['difference'])} ({signed(one['ci95'][0])} to {signed(one['ci95'][1])})" in text
    errors = errors_of(results)
    cell = next(cell for cell in errors.lines[1].cells if cell)
    assert f"{measure(cell.mean, errors.columns[0].metric)} ± {measure(cell.sd, errors.columns[0].metric)}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_it_compiles(tmp_path: Path) -> None:
    results, _ = everything(folds=4, windows=3)
    (tmp_path / "table.tex").write_text(DOCUMENT % tables_latex(results), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"Overfull \\hbox \((\d{2,}\.\d+)pt", done.stdout)
