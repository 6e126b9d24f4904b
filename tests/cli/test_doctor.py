"""`cpep doctor`: every extra, what is missing and how to mend it, and what makes it fail."""

import json
import tomllib
from pathlib import Path

import pytest

from cpep.cli import diagnosis
from cpep.cli.diagnosis import EXTRAS, Check, checks, text_of
from cpep.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("cpep.live.sources.lsl.there", lambda: [("lsl:band", "EMG, 8 channels, 500 Hz, uV, on lab")])


def test_it_knows_every_extra_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in EXTRAS:
        wanted = " ".join(extras.pop(extra.name))
        assert all(package in wanted for package in extra.packages), extra
    assert set(extras) <= {"dev", "docs", "torch"}


def test_it_tells_what_is_there_and_exits_with_0(monkeypatch, capsys):
    have = diagnosis._version
    monkeypatch.setattr(diagnosis, "_version", lambda package: "" if package == "mediapipe" else have(package))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "lsl:band: EMG, 8 channels" in said and "16 channels at 2000 Hz" in said
    assert said.rindex('pip install "cpep[camera]"') > said.index("Would not work here")
    assert "- camera" in said and max(map(len, said.splitlines())) <= 100
    assert str(Path.home()) not in said


def test_json_holds_the_same_and_unreadable_data_fail(tmp_path, capsys):
    assert main(["doctor", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {"group": "Data", "name": tmp_path.name, "broken": True}.items() <= found[-1].items()
    assert "holds no recordings" in found[-1]["mend"]


def test_without_torch_it_says_so_and_looks_no_further(monkeypatch):
    have = diagnosis._version
    monkeypatch.setattr(diagnosis, "_version", lambda package: "" if package == "torch" else have(package))
    found = list(checks())
    assert [check.name for check in found if check.broken] == ["torch"] and found[-1].group == "Versions"


def test_the_text_has_a_mark_a_remedy_and_an_end():
    well, bad = Check("A", "one", "fine"), Check("A", "two", "torn", "the page", "mend it", broken=True)
    assert text_of([well], 80) == "A\n  one           fine\n\nEverything works here."
    assert text_of([well, bad], 80).endswith("! two           torn\n\nBroken\n  the page   mend it")
