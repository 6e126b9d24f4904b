"""Markdown, as model cards and pages have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table, or ``""`` where there are no rows.

    >>> print(table(["model", "score"], [["cpep", ".5"]]))
    | model | score |
    |---|---|
    | cpep | .5 |
    """
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    return "\n".join(
        f"| {' | '.join(row)} |" if row else "|---" * len(head) + "|" for row in [list(head), [], *lines]
    )
