"""The manifest of a version of a data set: its files, their sizes and checksums; and what marks a folder of it.

A manifest comes from a server, and its paths become files: what could lead out of the folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpep.runtime import checked, plain
from cpep.runtime.checked import Count
from cpep.runtime.files import write_json, write_text
from cpep.types import UserError

MARK = ".nemar.json"
"""File of a folder that says of which data set and version its files are."""

KEPT = ".nemar_manifest.json"
"""File of a folder in which its manifest is kept."""

AGAIN = "fetch it again, or take another --version"
HASHES = ("md5", "sha1", "sha256", "sha512")
"""Checksums of the content; ``git`` is that of a git blob."""

_CHECKSUM = re.compile(r"(git|" + "|".join(HASHES) + r"):([0-9a-f]{32,128})")
_ODD = re.compile(r"[\\\x00-\x1f\x7f]|^[^/]*:")
_PLAIN = re.compile(r"[A-Za-z0-9_+@=,.-]+(/[A-Za-z0-9_+@=,.-]+)*")


@dataclass(frozen=True, order=True)
class Entry:
    """A file of a manifest.

    Attributes:
        path: below the top folder of the data set, with slashes.
        size: bytes.
        checksum: ``sha256:`` or another name, and the number in hexadecimal digits.
    """

    path: str
    size: int
    checksum: str

    def hasher(self) -> Any:
        """Return an object of hashlib that is fed with the content; its ``hexdigest`` is compared by ``right``."""
        name = self.checksum.partition(":")[0]
        if name == "git":
            return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        return hashlib.new(name, usedforsecurity=False)

    def right(self, hasher: Any) -> bool:
        """Tell whether what ``hasher`` was fed with is this file."""
        return str(hasher.hexdigest()) == self.checksum.partition(":")[2]

    @property
    def plain(self) -> bool:
        """Whether the name has none but letters of ASCII, digits and ``_+@=,.-``, as the names of BIDS."""
        return _PLAIN.fullmatch(self.path) is not None

    def refuse_odd(self, dataset: str) -> None:
        """Check that this file can be fetched.

        Raises:
            UserError: its name holds odd characters, or its checksum is of an unknown kind or is missing.
        """
        if not self.plain:
            raise UserError(f"{dataset} has a file {self.path!r}: cpep fetches no names with such characters")
        if not _CHECKSUM.fullmatch(self.checksum):
            raise UserError(
                f"{dataset}: the manifest gives {self.path} the checksum {self.checksum!r}, by which it cannot be "
                "checked; try another --version"
            )


Manifest = dict[str, Entry]
"""Files by path."""


def parse_manifest(content: bytes, url: str, dataset: str, version: str) -> Manifest:
    """Read a manifest as NEMAR stores it (``files`` by path), or as it answers (a list of files with ``path``).

    Raises:
        UserError: it is no manifest, that of another version, or has a path that leads out of the folder.
    """
    try:
        value = plain.parse(content, url, AGAIN)
        entries = _entries(value, url)
    except UserError as error:
        raise UserError(f"{url} is no manifest of NEMAR: {str(error).removeprefix(url).lstrip(': ')}") from error
    if isinstance(value, dict):
        _refuse_other(value, url, dataset, version)
    return _checked(entries, url)


@dataclass(frozen=True)
class _File:
    """A file in a manifest as NEMAR stores it."""

    size: Count
    checksum: str


@dataclass(frozen=True)
class _Stored:
    files: dict[str, _File]


@dataclass(frozen=True)
class _Listed:
    """A file in a manifest as NEMAR answers it."""

    path: str
    size: Count
    checksum_algorithm: str
    checksum: str


def _entries(value: Any, url: str) -> list[Entry]:
    if isinstance(value, dict):
        files = checked.convert(value, _Stored, url, remedy=AGAIN, others=True).files
        return [Entry(path, file.size, file.checksum) for path, file in files.items()]
    listed = checked.convert(value, tuple[_Listed, ...], url, remedy=AGAIN, others=True)
    return [Entry(one.path, one.size, f"{one.checksum_algorithm}:{one.checksum}") for one in listed]


def _checked(entries: Iterable[Entry], url: str) -> Manifest:
    found: Manifest = {}
    for one in entries:
        if foreign(one.path):
            raise UserError(f"{url} names a file {one.path!r}, which would not lie in the folder; nothing is fetched")
        found[one.path] = one
    if not found:
        raise UserError(f"{url} is a manifest without files")
    return found


def foreign(path: str) -> bool:
    r"""Tell whether a path leads, or might on some system lead, out of the folder below which it is written.

    >>> [foreign(path) for path in ("sub-01/emg/a_emg.bdf", "../a", "/a", "a//b", "C:/a", "a\\b")]
    [False, True, True, True, True, True]
    """
    return _ODD.search(path) is not None or any(part in ("", ".", "..") for part in path.split("/"))


def _refuse_other(value: dict[str, Any], url: str, dataset: str, version: str) -> None:
    """Refuse the manifest of another data set or version, where it says of which it is."""
    said = str(value.get("dataset_id", dataset)), "v" + str(value.get("version", version)).removeprefix("v")
    if said != (dataset, version):
        raise UserError(f"{url} is the manifest of {' '.join(said)}, not of {dataset} {version}")


def keep_manifest(path: Path, manifest: Manifest, dataset: str, version: str) -> None:
    """Write what is needed of a manifest, where no file keeps it, as one that ``parse_manifest`` reads."""
    if path.exists():
        return
    files = {one.path: {"size": one.size, "checksum": one.checksum} for one in manifest.values()}
    write_text(path, json.dumps({"dataset_id": dataset, "version": version, "files": files}))


@dataclass(frozen=True)
class _Mark:
    dataset: str
    version: str


def marked(folder: Path) -> tuple[str, str] | None:
    """Return the data set and the version of a folder that was fetched from NEMAR; ``None`` of any other.

    Raises:
        UserError: what says it is damaged.
    """
    path = folder / MARK
    if not path.exists():
        return None
    found = checked.read(path, _Mark, remedy="delete it and run again", others=True)
    return found.dataset, found.version


def mark(folder: Path, dataset: str, version: str) -> None:
    """Say in a folder of which data set and version its files are."""
    if marked(folder) is None:
        write_json(folder / MARK, {"dataset": dataset, "version": version})
