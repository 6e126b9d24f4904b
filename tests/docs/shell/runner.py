"""Has bash run the commands of a page in a folder that plays the root of the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.shell.blocks import Command

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROGRAMS = ("cpep", "python", "python3", "pip", "make", "hf", "torchrun", "tensorboard")
LONGEST_S = 300


@dataclass(frozen=True)
class Done:
    """What came of one command.

    Attributes:
        status: of bash.
        said: what was printed, both streams.
        notes: one for each program that the command called: ``words``, ``how``, ``why``, ``added``.
    """

    status: int
    said: str
    notes: tuple[dict[str, object], ...]


class Shell:
    """Programs of the pages on a PATH, and the host that runs them; used in a ``with`` block.

    Args:
        folder: for the programs and the host's socket.
        python: the Python that has cpep.
        environ: what commands see beside PATH.
    """

    def __init__(self, folder: Path, python: str = sys.executable, environ: Mapping[str, str] = os.environ) -> None:
        self.folder, self.notes = folder, folder / "notes"
        programs = folder / "bin"
        programs.mkdir(parents=True)
        text = f"#!{sys.executable} -IS\n{(HERE / 'shim.py').read_text(encoding='utf-8')}"
        for name in PROGRAMS:
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        own = {"PATH": f"{programs}:/usr/bin:/bin", "DOC_HOST": str(folder / "host"), "DOC_NOTES": str(self.notes)}
        self._environ = {**environ, **own, "COLUMNS": "120"}
        self._environ.pop("PYTHONPATH", None)  # a page's own
        self._host = subprocess.Popen(
            [python, str(HERE / "host.py"), str(folder / "host")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**self._environ, "PYTHONPATH": environ.get("PYTHONPATH", "")},
            cwd=ROOT,
            text=True,
        )
        assert self._host.stdout is not None
        assert self._host.stdout.readline() == "ready\n", "the host did not start"

    def run(self, text: str, folder: Path, more: Mapping[str, str]) -> Done:
        """Run a command in a folder."""
        self.notes.write_text("", encoding="utf-8")
        found = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env={**self._environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        notes = [json.loads(line) for line in self.notes.read_text(encoding="utf-8").splitlines()]
        return Done(found.returncode, found.stdout, tuple(notes))

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._host.kill()
        self._host.communicate()  # closes its pipes


def told(command: Command, done: Done) -> str:
    """Say where a command stands, what it was, and the end of what it printed."""
    where = f"{command.page.relative_to(ROOT)}:{command.line}"
    return f"{where}: {command.text}\nends with {done.status}:\n{done.said[-1500:]}"
