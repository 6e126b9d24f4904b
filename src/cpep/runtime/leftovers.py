"""Temporary files, whose names say which process uses them: what killed commands leave, the next one removes."""

from __future__ import annotations

import itertools
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TEMPORARY, ASIDE = "tmp", "old"
"""Endings of what is not yet complete, and of what is put aside until its replacement stands in its place."""
LOCK = ".cpep.lock"
"""Name of the file in a folder that says who writes it; see ``runtime.locks``."""
OLD_S = 24 * 3600.0
"""What another machine left is removed when it was not touched for so long: whether its process ends is not known."""
_NAME = re.compile(r"\.(?P<of>.+)\.(?P<pid>\d{1,10})-\d+@(?P<host>[\w-]*)\.(?P<end>tmp|old)", re.ASCII | re.DOTALL)
_OF_0_1 = re.compile(r"\.(?P<of>.+)\.\d+\.(?P<end>tmp)", re.ASCII | re.DOTALL)  # which did not name the machine
_count = itertools.count(1)
_mine: set[str] = set()


def host() -> str:
    """Return the name of this machine, as it is in names of files."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", platform.node().partition(".")[0])[:32]


def beside(path: Path, end: str) -> Path:
    """Return a new name beside a path that says which process uses it; ``done`` ends that."""
    name = f".{path.name}.{os.getpid()}-{next(_count)}@{host()}.{end}"
    _mine.add(name)
    return path.with_name(name)


def done(path: Path) -> None:
    """Note that a name of ``beside`` is not in use any more."""
    _mine.discard(path.name)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine runs; where the system cannot tell, that it does."""
    if os.name == "nt":  # where os.kill ends a process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def is_leftover(path: Path) -> bool:
    """Tell whether a path has the name of a temporary file, whoever uses it."""
    return bool(_NAME.fullmatch(path.name) or _OF_0_1.fullmatch(path.name))


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing but what commands leave behind that are killed before the first file."""
    return all(is_leftover(one) or one.name == LOCK for one in folder.iterdir())


def remove(path: Path) -> None:
    """Remove what killed commands left beside a path for it; if one was about to replace it, put the old one back."""
    with suppress(OSError):  # no such folder, or one that may only be read
        with os.scandir(path.parent) as entries:
            near = [path.with_name(one.name) for one in entries if one.name.startswith(f".{path.name}.")]
        for one in near:
            if (found := _abandoned(one)) and found["of"] == path.name:
                _settle(one, found)


def remove_below(folder: Path) -> None:
    """Remove what killed commands left in a folder and in the folders below it."""
    for one, found in list(_below(folder)):
        _settle(one, found)


def _below(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            one = Path(where, name)
            if found := _abandoned(one):
                yield one, found
                if name in folders:
                    folders.remove(name)


def _abandoned(path: Path) -> re.Match[str] | None:
    """Return the parts of a name that a process used that is gone."""
    if path.name in _mine or not (path.name.startswith(".") and path.suffix in (".tmp", ".old")):
        return None
    found = _NAME.fullmatch(path.name)
    if found and found["host"] == host() and os.name != "nt":
        gone = int(found["pid"]) == os.getpid() or not is_alive(int(found["pid"]))
        return found if gone else None
    found = found or _OF_0_1.fullmatch(path.name)
    try:
        return found if found and time.time() - path.lstat().st_mtime > OLD_S else None
    except FileNotFoundError:  # its process has just ended well
        return None


def _settle(one: Path, found: re.Match[str]) -> None:
    with suppress(OSError):  # it stays where nothing may be written
        home = one.with_name(found["of"])
        if found["end"] == ASIDE and not home.exists():
            one.rename(home)
        elif one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
