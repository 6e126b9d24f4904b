"""What is done with each command of the pages: run with smaller sizes, or only read. This is the whole list.

A command is typed by a page word for word; what makes it quick is added behind its words, where the last value of an
option holds. ``run`` runs it so. ``parsed`` reads its words without running it (``parsing.py``), for the reason that
stands beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

STEPS = [f"--set={stage}.optim.steps=2" for stage in ("emg_mae", "pose_mae", "align")]
TRAIN = ["--preset", "tiny", *STEPS]
WHO = ["--person", "Anna", "--session", "1", "--arm", "right"]
"""What a person at a terminal is asked for."""


@dataclass(frozen=True)
class Rule:
    """What is done with one command.

    Attributes:
        how: ``run`` or ``parsed``.
        why: the reason, of one that is only parsed.
        added: words that are added.
        at: the place where they are added.
    """

    how: str
    why: str
    added: tuple[str, ...]
    at: int


def _live(words: list[str]) -> list[str]:
    at_once = any(word.startswith(("sim", "replay:")) for word in words)
    return ["--seconds", "2", *(["--speed", "0"] if at_once else [])]


def _enrol(words: list[str]) -> list[str]:
    quick = ["--repetitions", "1", "--hold", "1", "--ready", "0.5"]
    return quick + (["--speed", "0"] if any(word.startswith("sim") for word in words) else [])


def _record(words: list[str]) -> list[str]:
    if "--recover" in words:
        return []
    long = any(word.startswith("sim") for word in words)  # it has the pace of a hand
    return WHO + (["--seconds", "3"] if long or ("gestures" not in words and "follow" not in words) else [])


def _tabulate(words: list[str]) -> list[str]:
    return [] if "--dry-run" in words else [*TRAIN, *([] if _everything else ["--dry-run"])]


def _download(words: list[str]) -> list[str]:
    return ["--url", os.environ[f"DOC_NEMAR_{'OTHER' if 'nm000105' in words else 'EMG2POSE'}"]]


_everything = False

ADDED: dict[str, Callable[[list[str]], list[str]]] = {
    "simulate": lambda _: ["--users", "4", "--minutes", "0.5"],
    "data download": _download,
    "reproduce": _tabulate,
    "ablate": _tabulate,
    "pretrain": lambda _: TRAIN,
    "align": lambda _: TRAIN,
    "train": lambda _: TRAIN,
    "stream": _live,
    "serve": lambda _: ["--port", "0", "--no-open"],
    "enrol": _enrol,
    "record": _record,
    "submit": lambda _: ["--dry-run"],
}
"""What is added to commands of cpep, by their first words; nothing to others."""

PARSED = (
    (r"python3? -m venv", "an environment takes a minute; make and the wheel's test make them"),
    (r"(pip|hf|make|torchrun) ", "of another program: its targets, extras and options are looked up"),
    (r"python benchmarks/pages/", "measures on real recordings, or for minutes: the script is compiled"),
    (r"cpep .*data/(myo_coteallard|flexemg_1khz)|runs/flexemg", "needs recordings that cannot be passed on"),
)
"""Commands that are only read: how they begin, and why."""


def rule(words: list[str], *, everything: bool) -> Rule:
    """Return what is done with a command.

    Args:
        words: as the shell passes them, with the name of the program first.
        everything: whether tables are trained, not only planned.
    """
    global _everything
    _everything = everything
    for begin, why in PARSED:
        if re.match(begin, " ".join(words) + " "):
            return Rule("parsed", why, (), 0)
    asks_help = {"--help", "--version"} & set(words)
    key = next((one for one in ADDED if words[0] == "cpep" and words[1:][: len(one.split())] == one.split()), "")
    added = ADDED[key](words) if key and not asks_help else []
    at = words.index("--") if key == "submit" and "--" in words else len(words)
    return Rule("run", "", tuple(added), at)
