"""Which of the encodings of one byte a letter a text that is no UTF-8 is in, by its words.

Western Windows (cp1252) writes accented letters with bytes that Cyrillic Windows (cp1251) has for all of its letters,
and either takes nearly every byte. But Western words are mostly of ASCII letters, while Cyrillic ones have none.
"""

from __future__ import annotations

import re

WESTERN, CYRILLIC = "cp1252", "cp1251"
SYSTEMS = {WESTERN: "Western Windows", CYRILLIC: "Cyrillic Windows"}
CYRILLIC_LETTERS = rb"\xc0-\xff\xa8\xb8\xaa\xba\xaf\xbf\xb2\xb3\xa5\xb4\xa1\xa2"
"""Bytes of letters in cp1251: of Russian, Ukrainian, Belarusian and Serbian."""
WORD = re.compile(rb"[A-Za-z" + CYRILLIC_LETTERS + rb"]{2,}")
NO_ASCII = re.compile(rb"[\x80-\xff]{3,}")
"""No Western word has so many accented letters in a row."""
FOREIGN = re.compile(rb"[^" + CYRILLIC_LETTERS + rb"]")
MOSTLY = 0.7


def encoding_by_words(data: bytes) -> str:
    """Return ``cp1252`` or ``cp1251``; empty where the words fit neither, as of Chinese.

    >>> [encoding_by_words("fermée; 10 µV".encode("cp1252")), encoding_by_words("кулак; покой".encode("cp1251"))]
    ['cp1252', 'cp1251']
    >>> encoding_by_words("握拳,休息".encode("gb18030"))
    ''
    """
    runs = [run for run in NO_ASCII.findall(data) if len(set(run)) > 1]  # others are lines that somebody drew
    if not runs:
        return WESTERN
    if 10 * sum(len(FOREIGN.findall(run)) for run in runs) > sum(map(len, runs)):
        return ""
    words = [word for word in WORD.findall(data) if not word.isascii()]
    other = sum(len(re.findall(rb"[^A-Za-z]", word)) for word in words)
    return CYRILLIC if other > MOSTLY * sum(map(len, words)) else WESTERN


def longest_word(data: bytes) -> bytes:
    """Return the longest of the first ten words that have other letters than those of ASCII."""
    words = [word for word in WORD.findall(data) if not word.isascii()][:10]
    return max(words, key=len, default=b"")
