r"""Patterns of users, by which a text is found in the name of a file, in time that grows with the name alone.

They are regular expressions of RE2, which never goes back in a text: no pattern can hang a reader. It knows what
people use in names, (``S(\d+)``, ``^([A-Za-z]+)_day``), and neither look-ahead nor references to groups. Letters and
digits of all scripts are letters (``\w``) and digits (``\d``), as in Python.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from cpep.types import UserError

LONGEST = 1000
"""Characters of a pattern: one that is longer was not written by hand."""
MOST_BYTES = 1 << 20
"""Memory of a compiled pattern."""

SETS = {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "s": r"\t-\r\x1c-\x1f\x85\p{Z}"}
"""Characters of a class, as they stand between brackets; RE2's own ones are those of ASCII alone."""
ASCII_ALONE = (r"\b", r"\B")
"""What RE2 has for ASCII alone, and no set of characters can say; within brackets also the complements of sets."""

TOKEN = re.compile(r"\\.|\{,(?=\d)|.", re.DOTALL)

REMEDIES = {
    "invalid perl operator": (
        "look-ahead, look-behind and comments are not taken: put a group around what you want, and write what stands "
        r"beside it outside of the group, as in day(\d+)_"
    ),
    "invalid escape sequence": "references such as \\1 are not taken: write out what stands there",
    "bad repetition operator": "write one of *, + and ? after a character, or \\+ for the sign",
    "invalid repetition size": "write a smaller number between braces, or *",
    "pattern too large": "write smaller numbers between braces, or *",
}


def check_pattern(pattern: str) -> None:
    """Check that a pattern can be used.

    Raises:
        UserError: it is no regular expression of RE2, or too long; the sentence, which names no file, says why and
            what to write.
    """
    _compiled(pattern)


def found_by(pattern: str, text: str) -> str:
    r"""Return what a pattern finds in a text: its first group, or all of it without one; empty for nothing.

    >>> found_by(r"S(\d+)", "trial_S03_day2"), found_by("^[^_]+", "ann_day2"), found_by("x", "ann")
    ('03', 'ann', '')

    Raises:
        UserError: as ``check_pattern``; or ``\b`` is looked for in a text that is not ASCII.
    """
    matcher, ascii_alone = _compiled(pattern)
    if ascii_alone and not text.isascii():
        raise UserError(
            f"{ascii_alone!r} is taken for names in ASCII alone; write the characters themselves, as in (^|_)S(\\d+)"
        )
    try:
        match = matcher.search(text)
    except UnicodeEncodeError as error:
        raise UserError(f"the name {text!r} is no text in UTF-8; rename the file") from error
    return str((match[1] if match.re.groups else match[0]) or "") if match else ""


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> tuple[Any, str]:
    """Return a pattern that is ready, and what in it is for names in ASCII alone; empty for nothing."""
    if len(pattern) > LONGEST:
        raise UserError(f"it has {len(pattern):,} characters, more than {LONGEST:,}; write a shorter one")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_BYTES
    text, ascii_alone = _for_all_scripts(pattern)
    try:
        return re2.compile(text, options), ascii_alone
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace")
        remedy = next((f"; {what}" for begin, what in REMEDIES.items() if said.startswith(begin)), "")
        raise UserError(f"it is no regular expression of RE2 ({said}){remedy}") from error
    except UnicodeEncodeError as error:
        raise UserError(f"it holds half of a character ({error.reason}); write it anew") from error


def _for_all_scripts(pattern: str) -> tuple[str, str]:
    """Return a pattern whose letters and digits are those of all scripts, and what has ASCII alone."""
    parts: list[str] = []
    begin = -1  # of the class between brackets that a token stands in: the number of the token after its [ or [^
    ascii_alone = ""
    for at, token in enumerate(TOKEN.findall(pattern)):
        name, inside = token[1:], begin >= 0
        if (token == "[" and not inside) or (token == "^" and begin == at):
            begin = at + 1
        elif token == "]" and begin != at:
            begin = -1
        elif token == "{," and not inside:
            token = "{0,"
        elif token[0] == "\\" and name.lower() in SETS:
            if inside and name.isupper():
                ascii_alone = ascii_alone or token
            else:
                token = SETS[name] if inside else f"[{'^' if name.isupper() else ''}{SETS[name.lower()]}]"
        elif token in ASCII_ALONE and not inside:
            ascii_alone = ascii_alone or token
        elif token == r"\Z":
            token = r"\z"
        parts.append(token)
    return "".join(parts), ascii_alone
