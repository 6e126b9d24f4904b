"""Writes the lock files: the versions that are installed here, with the hashes of their files in the index.

``make lock`` runs it in the environment that the tests passed in. A lock holds for CPython and the system that it was
made on (Linux, x86-64); torch is not in it, since ``TORCH`` of the Makefile says which one is wanted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

HERE = Path(__file__).parent
LOCKS = {"lock.txt": ("dev",), "lock-page.txt": ("web", "live", "bids", "hub")}
"""Files, and the extras of cpep that they hold: what CI installs, and what the container does."""
NOT_LOCKED = ("cpep", "torch")


def plain(name: str) -> str:
    """Return the name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name: str) -> list[Requirement]:
    """Return what a package needs, with the extras as markers; cpep is what pyproject.toml says now."""
    if name != "cpep":
        return [Requirement(text) for text in metadata.requires(name) or ()]
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    texts = project["dependencies"] + [f"{text}; extra == '{extra}'" for extra, many in extras for text in many]
    return [Requirement(text) for text in texts]


def needed(extras: Iterable[str]) -> list[str]:
    """Return what cpep needs with some extras, as ``name==version``, with all that these need in turn."""
    seen: dict[str, set[str]] = {}
    waiting = [("cpep", set(extras) | {""})]
    while waiting:
        name, asked = waiting.pop()
        new = asked - seen.setdefault(plain(name), set())
        seen[plain(name)] |= new
        for one in required(name) if new else ():
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in new):
                waiting.append((one.name, set(one.extras) | {""}))
    return [f"{name}=={metadata.version(name)}" for name in sorted(seen) if name not in NOT_LOCKED]


def hashes(pins: Iterable[str]) -> dict[str, str]:
    """Return the hash of the file that pip would install for each pin, by the name of the package."""
    with TemporaryDirectory() as folder:
        asked, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        asked.write_text("\n".join(pins), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
        subprocess.run([*command, "--report", str(report), "--requirement", str(asked)], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {plain(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"] for one in found}


def main() -> None:
    """Write all locks."""
    needs = {file: needed(extras) for file, extras in LOCKS.items()}
    found = hashes(sorted({pin for pins in needs.values() for pin in pins}))
    python = ".".join(map(str, sys.version_info[:2]))
    for file, pins in needs.items():
        what = f"cpep[{','.join(LOCKS[file])}] on CPython {python}, Linux x86-64, without torch"
        head = f"# {what}; `make lock` writes it anew."
        lines = [f"{pin} \\\n    --hash=sha256:{found[pin.partition('==')[0]]}" for pin in pins]
        (HERE / file).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
        print(f"{HERE / file}: {len(pins)} packages")


if __name__ == "__main__":
    main()
