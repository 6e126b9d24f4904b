"""Commands of other programs that pages type: their targets, extras and scripts exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec

from tests.docs.shell import parsing
from tests.docs.shell.runner import ROOT

FROM_ELSEWHERE = {"libemg", "opencv-python-headless", "tensorboard"}
"""Packages that pages install and cpep does not depend on."""


def fault(words: Sequence[str]) -> str:
    """Return what is wrong with a command that was not run; nothing where all is right."""
    program, *rest = words
    known = ("cpep", "tensorboard")
    looks = {"pip": _pip, "make": _make, "torchrun": _torchrun, "hf": _hf, "python": _python, "python3": _python}
    return looks[program](rest) if program in looks else "" if program in known else f"nobody knows {program}"


def _pip(words: list[str]) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if words[:1] != ["install"]:
        return f"pip {words[0]} is not looked at"
    urls = {at + 1 for at, word in enumerate(words) if word == "--index-url"}
    for name in (word for at, word in enumerate(words[1:], 1) if at not in urls and not word.startswith("-")):
        own = re.fullmatch(r"(?:\.|cpep)(?:\[([\w,]+)\])?", name)
        if own:
            lacking = set(filter(None, (own[1] or "").split(","))) - set(project["optional-dependencies"])
            if lacking:
                return f"there is no extra {', '.join(sorted(lacking))}"
        elif name not in FROM_ELSEWHERE and re.split(r"[=<>]", name)[0] not in _dependencies(project):
            return f"cpep does not depend on {name}"
    return ""


def _dependencies(project: dict) -> set[str]:
    return {re.split(r"[\[<>=;]", text)[0] for text in project["dependencies"]}


def _make(words: list[str]) -> str:
    """Look at what make would do; its commands of cpep are read."""
    made = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode:
        return made.stderr.strip()
    for line in re.sub(r"\\\n", " ", made.stdout).splitlines():
        if re.match(r"\.venv/bin/cpep ", line) and (wrong := parsing.fault(["cpep", *shlex.split(line)[1:]])):
            return f"{line}: {wrong}"
    return ""


def _torchrun(words: list[str]) -> str:
    return parsing.fault(["cpep", *words[words.index("cpep") + 1 :]]) if "cpep" in words else "it runs no cpep"


def _hf(words: list[str]) -> str:
    return "" if words == ["auth", "login"] else f"hf {shlex.join(words)} is not known"


def _python(words: list[str]) -> str:
    if words[:2] == ["-m", "venv"]:
        return ""
    if words[0] == "-m" and words[1] != "pytest":
        return "" if find_spec(words[1]) else f"there is no module {words[1]}"
    script = ROOT / (words[2] if words[:2] == ["-m", "pytest"] else words[0])
    if script.is_dir():
        return ""
    if not script.is_file():
        return f"{words[0]} does not exist"
    compile(script.read_text(encoding="utf-8"), script, "exec")
    return ""
