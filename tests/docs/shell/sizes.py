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


def _prepare(words: list[str]) -> list[str]:
    served = ["--skip-bad"] if any("data/emg2pose" in word for word in words) else []  # the test's server has noise
    return [*served, *(["--shard", "1/1"] if "--shard" in words else [])]


def _serve(words: list[str]) -> list[str]:
    # a model of one's own: the stand-in for its band is another than the one that was enrolled before
    own = len(words) > 2 and not words[2].startswith("-")
    return ["--port", "0", "--no-open", *(["--enrolment", "own.enrol"] if own else [])]


def _live(words: list[str]) -> list[str]:
    at_once = any(word.startswith(("sim", "replay:")) for word in words)
    return ["--seconds", "2", *(["--speed", "0"] if at_once else [])]


def _enrol(words: list[str]) -> list[str]:
    quick = ["--repetitions", "1", "--hold", "1", "--ready", "0.5"]
    return quick + (["--speed", "0"] if any(word.startswith("sim") for word in words) else [])


def _record(words: list[str]) -> list[str]:
    if "--recover" in words:
        return []
    if any(word.startswith("sim") for word in words):  # it has the pace of a hand
        return [*WHO, "--seconds", "3"]
    whole = "short.toml" in words or (_everything and {"gestures", "follow"} & set(words))
    return WHO if whole else [*WHO, "--seconds", "6"]


def _tabulate(words: list[str]) -> list[str]:
    return [] if "--dry-run" in words else [*TRAIN, *([] if _everything else ["--dry-run"])]


def _download(words: list[str]) -> list[str]:
    url = os.environ[f"DOC_NEMAR_{'OTHER' if 'nm000105' in words else 'EMG2POSE'}"]
    return ["--url", url, *(["--users", "2"] if "--users" in words else [])]


_everything = False

ADDED: dict[str, Callable[[list[str]], list[str]]] = {
    "simulate": lambda _: ["--users", "4", "--minutes", "0.5"],
    "data download": _download,
    "data prepare": _prepare,
    "reproduce": _tabulate,
    "ablate": _tabulate,
    "pretrain": lambda _: TRAIN,
    "align": lambda _: TRAIN,
    "train": lambda _: TRAIN,
    "stream": _live,
    "serve": _serve,
    "enrol": _enrol,
    "record": _record,
    "submit": lambda _: ["--dry-run"],
}
"""What is added to commands of cpep, by their first words; nothing to others."""

MANY = r"cpep (ablate|reproduce .*--models (all|\S*ablations|\S*objectives))"
QUICKLY_PARSED = (
    (MANY, "a plan of so many rows takes 10 s of a core"),
    (r"cpep train ", "trains for 20 s at the smallest size; tests/experiments/test_own.py"),
    (r"cpep evaluate ", "takes 6 s; tests/experiments has it"),
    (r"cpep \w+ .*runs/simulated", "takes 15 s; tests/train/test_before.py and tests/simulate have it"),
    (r"cpep reproduce --preset paper --dry-run", "measures steps of the published size for 10 s"),
)
"""Commands that are only read but for ``-m slow``."""
RESULTS = r"docs/(results|explanation)/"
"""Pages whose tables are only read but for ``-m slow``: they say where numbers come from."""

PARSED = (
    (r"python3? -m venv", "an environment takes a minute; make and the wheel's test make them"),
    (r"(pip|hf|make|torchrun|tensorboard) ", "of another program: its targets, extras and options are looked up"),
    (r"python -m pytest ", "runs tests"),
    (r"python -m cpep\.share\.ring ", "simulates and trains for 10 minutes; tests/share/test_ring.py"),
    (r"python benchmarks/pages/", "measures on real recordings, or for minutes: the script is compiled"),
    (
        r"cpep .*(runs/conditioning|fingertips|runs/features|runs/cohort\.store --out runs/run_)",
        "needs what a script has written",
    ),
    (
        r"cpep evaluate runs/vemg2pose",
        "needs windows of 5.9 s; tests/checkpoints/test_import_weights.py has it",
    ),
    (r"cpep finetune ", "needs three repetitions of a person; tests/experiments/test_finetune.py"),
    (r"cpep .*(data/myo_coteallard|data/flexemg_1khz|runs/flexemg)", "needs recordings that cannot be passed on"),
)
"""Commands that are only read: how they begin, and why."""


def rule(words: list[str], page: str, *, everything: bool) -> Rule:
    """Return what is done with a command.

    Args:
        words: as the shell passes them, with the name of the program first.
        page: that types it.
        everything: whether tables are trained, not only planned.
    """
    global _everything
    _everything = everything
    line = " ".join(words) + " "
    for begin, why in PARSED + (() if everything else QUICKLY_PARSED):
        if re.match(begin, line):
            return Rule("parsed", why, (), 0)
    if not everything and page != "README.md" and re.match(r"cpep reproduce --data data/", line):
        return Rule("parsed", "a plan takes 2 s; README's is made", (), 0)
    if not everything and re.match(RESULTS, page) and re.match(r"cpep (reproduce|evaluate-live)", line):
        return Rule("parsed", "a table of a page of results", (), 0)
    asks_help = {"--help", "--version"} & set(words)
    key = next((one for one in ADDED if words[0] == "cpep" and words[1:][: len(one.split())] == one.split()), "")
    added = ADDED[key](words) if key and not asks_help else []
    at = words.index("--") if key == "submit" and "--" in words else len(words)
    return Rule("run", "", tuple(added), at)
