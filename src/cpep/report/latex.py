"""Tables of results as LaTeX, for a paper: the numbers of the report, in tables of the package booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cpep.report.names import DAGGER, under_trained_words
from cpep.report.pose_errors import ErrorTable, errors_of, measure
from cpep.report.table import TEXT_COLUMNS, Cell, Line, Table, legend, number, table_of

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "\u2212": "$-$",
    "\u2013": "--",
    DAGGER: r"\textsuperscript{\dag}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def escaped(text: str) -> str:
    r"""Return a text as LaTeX shows it.

    >>> escaped("cpep/k_1 & 5 %")
    'cpep/k\\_1 \\& 5 \\%'
    """
    return "".join(SPECIAL.get(sign, sign) for sign in text)


def tables_latex(results: dict[str, Any]) -> str:
    r"""Return the tables of results.json, each a ``table*`` with ``\usepackage{booktabs}``; empty ones are left out.

    Args:
        results: content of results.json.
    """
    table, errors = table_of(results), errors_of(results)
    parts = ["% \\usepackage{booktabs}"]
    if table.columns:
        parts.append(_floating(_caption(results, table), "accuracy", _blocks(table)))
    if errors.columns:
        said = "Errors of poses that models predict from EMG; lower is better."
        said += " Mean ± SD over folds and seeds." if errors.runs > 1 else ""
        parts.append(_floating(said, "errors", [_errors(errors)]))
    return "\n\n".join(parts)


def _caption(results: dict[str, Any], table: Table) -> str:
    marked = any(line.under_trained for line in (*table.lines, *table.ablations))
    why = f" {DAGGER} {under_trained_words(results.get('training', []))}."
    return legend(results, table) + why * marked


def _floating(caption: str, label: str, tabulars: Sequence[str]) -> str:
    body = "\n\\par\\medskip\n".join(tabulars)
    return (
        f"\\begin{{table*}}\n\\centering\\small\\setlength{{\\tabcolsep}}{{3pt}}\n\\caption{{{escaped(caption)}}}\n\\label{{tab:{label}}}\n{body}\n"
        "\\end{table*}"
    )


def _blocks(table: Table) -> list[str]:
    """Return the table, ``TEXT_COLUMNS`` columns after the other, since more do not fit a page."""
    starts = range(0, len(table.columns), TEXT_COLUMNS)
    return [_block(table, slice(start, start + TEXT_COLUMNS)) for start in starts]


def _block(table: Table, part: slice) -> str:
    columns = table.columns[part]
    best = [table.best(column) for column in range(len(table.columns))][part]
    titles = _over([column.title for column in columns])
    sets = _row(["", *(escaped(column.gestures) for column in columns)])
    chance = _row(["chance", *(number(column.chance) for column in columns)])
    groups = [_lines(lines, part, best) for lines in (table.lines, table.ablations)]
    return _tabular(len(columns), [titles, sets, chance], [rows for rows in groups if rows])


def _lines(lines: Sequence[Line], part: slice, best: Sequence[float | None]) -> list[str]:
    """Write the models that have a number in these columns."""
    return [
        _row([escaped(line.marked), *(_cell(c, top) for c, top in zip(line.cells[part], best, strict=True))])
        for line in lines
        if any(line.cells[part])
    ]


def _cell(cell: Cell | None, best: float | None) -> str:
    """Write mean ± SD, or the mean and interval of a single run, as the report does; the best of a column is bold."""
    if cell is None:
        return "--"
    mean = number(cell.mean)
    mean = f"\\textbf{{{mean}}}" if cell.mean == best else mean
    if len(cell.rows) > 1:
        return f"{mean} $\\pm$ {number(cell.sd)}"
    if cell.ci95 is None:
        return mean
    return f"{mean} {{\\scriptsize {number(cell.ci95[0], 2)}--{number(cell.ci95[1], 2)}}}"


def _errors(errors: ErrorTable) -> str:
    columns = errors.columns
    rows = []
    for line in errors.lines:
        texts = []
        for cell, column in zip(line.cells, columns, strict=True):
            spread = f" $\\pm$ {measure(cell.sd, column.metric)}" if cell and cell.runs > 1 else ""
            texts.append(f"{measure(cell.mean, column.metric)}{spread}" if cell else "--")
        rows.append(_row([escaped(line.marked), *texts]))
    sets = _row(["", *(escaped(column.gestures) for column in columns)])
    return _tabular(len(columns), [_over([column.title for column in columns]), sets], [rows])


def _tabular(columns: int, head: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    body = "\n\\midrule\n".join("\n".join(rows) for rows in groups)
    head_text = "\n".join(head)
    return (
        f"\\begin{{tabular}}{{l{'c' * columns}}}\n\\toprule\n{head_text}\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}"
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _over(titles: Sequence[str]) -> str:
    """Write each title over all of its columns, with a rule below."""
    cells, rules, at = [""], [], 2
    for title in dict.fromkeys(titles):
        count = titles.count(title)
        cells.append(f"\\multicolumn{{{count}}}{{c}}{{{escaped(title)}}}")
        rules.append(f"\\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    return f"{_row(cells)}\n{''.join(rules)}"
