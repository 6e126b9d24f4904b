"""Commands of the pages: every line of their fences without a language, or of ``sh``, ``bash`` and ``console``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHELL = ("", "sh", "bash", "console")
"""Languages of fences that hold commands and nothing else; what a command prints stands in a fence of ``text``."""


@dataclass(frozen=True)
class Block:
    """The text of one fence.

    Attributes:
        page: file.
        line: number of its first line below the fence.
        language: after the fence.
        text: what stands in it.
    """

    page: Path
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command as it is typed: one line, or several that the shell joins (a backslash, a loop).

    Attributes:
        page: file.
        line: number of its first line.
        text: what is typed.
    """

    page: Path
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fences of a page."""
    fence, start, language, lines = "", 0, "", []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        mark = re.match(r"\s*(```+|:::+|~~~+)(.*)", line)
        if fence and mark and mark[1] == fence and not mark[2].strip():
            yield Block(page, start, language, "\n".join(lines))
            fence = ""
        elif fence:
            lines.append(line)
        elif mark and not mark[1].startswith(":"):
            fence, start, language, lines = mark[1], number + 1, mark[2].strip(), []
    assert not fence, f"{page}: the fence before line {start} has no end"


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of a page in their order."""
    for block in blocks(page):
        if block.language in SHELL:
            yield from _commands(block)


def _commands(block: Block) -> Iterator[Command]:
    lines: list[str] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        lines.append(line.removeprefix("$ ") if block.language == "console" else line)
        text = "\n".join(lines)
        if not text.strip() or text.lstrip().startswith("#"):
            lines = []
        elif not text.endswith("\\") and not _unfinished(text):
            yield Command(block.page, number - len(lines) + 1, text)
            lines = []
    if lines:
        yield Command(block.page, block.line + len(block.text.splitlines()) - len(lines), "\n".join(lines))


def _unfinished(text: str) -> bool:
    """Tell whether bash waits for more: a loop or a quote that is open."""
    said = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False).stderr
    return "unexpected end of file" in said or "unexpected EOF" in said


def spoken(page: Path) -> Iterator[Command]:
    """Yield the commands of cpep within sentences: `` `cpep data inspect FOLDER` ``."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        inside ^= line.lstrip().startswith("```")
        for text in re.findall(r"(?<!`)`(cpep [^`]+)`(?!`)", "" if inside else line):
            yield Command(page, number, text)
