"""Every command of README and of the pages, typed word for word.

Bash runs the commands of a page one after another in a folder that plays the root of the repository, with the
recordings, checkpoints and bands that the page presupposes (``shell/inputs.py``, ``shell/stand_ins.py``). ``cpep`` is
the real program. What is added to its words so that it takes a second, and which commands are only read, stands in
``shell/sizes.py``; tables are planned (``--dry-run``) here and trained by ``pytest -m slow tests/docs``. A new page
is picked up by itself.

``CPEP_PYTHON`` names the Python whose cpep is run, such as that of an environment with the wheel.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.shell import inputs, others, parsing
from tests.docs.shell.blocks import commands, spoken
from tests.docs.shell.runner import ROOT, Done, Shell, told

PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "gallery" not in path.parts and path.name not in {"LOG.md", "CHANGELOG.md"}
)
UNREAD = {"COMMAND"}
"""A placeholder."""
TYPED = [page for page in PAGES if any(commands(page))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The shell, what commands find servers by, and a folder with all that pages presuppose."""
    folder = tmp_path_factory.mktemp("pages")
    with Shell(folder / "shell", os.environ.get("CPEP_PYTHON", sys.executable)) as sh, inputs.servers() as found:
        root = inputs.make(folder / "root", sh)
        yield sh, {**found, "DOC_COHORT": str(folder / "cohort")}, root


def run_page(page: Path, made, folder: Path, more: dict[str, str]) -> None:
    sh, found, root = made
    shutil.copytree(root, folder, symlinks=True)
    if more:  # cpep train makes its own
        shutil.rmtree(folder / "my_recordings.live")
    inputs.for_page(folder, page)
    faults = []
    for command in commands(page):
        done = sh.run(command.text, folder, {**found, **more, "DOC_PAGE": name_of(page)})
        wrong = [text for note in done.notes if note["how"] == "parsed" and (text := others.fault(note["words"]))]
        if done.status or wrong:
            faults.append(told(command, Done(done.status, done.said + "; ".join(wrong), done.notes)))
        for note in done.notes:
            print(f"{command.line}: {note['how']} {note['cpu_s']} s: {shlex.join(note['words'])} + {note['added']}")
    assert not faults, "\n\n".join(faults)
    shutil.rmtree(folder)


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_commands_of_a_page_run(page, made, tmp_path):
    run_page(page, made, tmp_path / "root", {})


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_commands_of_a_page_run_and_tables_are_trained(page, made, tmp_path):
    run_page(page, made, tmp_path / "root", {"DOC_EVERYTHING": "1"})


def test_commands_within_sentences_are_understood():
    said = {f"{name_of(one.page)}:{one.line}: {one.text}": one for page in PAGES for one in spoken(page)}
    read = {where: shlex.split(one.text) for where, one in said.items() if one.text.split()[1] not in UNREAD}
    faults = {where: parsing.fault(words, whole=False) for where, words in read.items()}
    assert {where: wrong for where, wrong in faults.items() if wrong} == {}
    assert len(faults) > 50
