"""What all commands share: --version, --out beside the positional OUT, and threads that do not spin."""

import os
import re

import pytest

from cpep.cli import main as cli
from cpep.cli.commands.options import TOGETHER
from cpep.cli.main import COMMANDS, main
from cpep.runtime.jobs import threads_alone, wait_asleep
from cpep.types import UserError


def test_the_versions_are_one_line_and_light(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"cpep \d\S+, torch \d\S+, Python 3\.\d+\.\S+\n", capsys.readouterr().out)


@pytest.mark.parametrize("given", [["simulate", "--out", "{}"], ["simulate", "--out={}"], ["simulate", "{}"]])
def test_out_is_a_place_or_a_name(tmp_path, given, monkeypatch, capsys):
    made = []
    monkeypatch.setattr("cpep.simulate.simulate_cohort", lambda out, **_: made.append(out))
    assert main([*(word.format(tmp_path / "cohort") for word in given), "--users", "1"]) == 0
    assert made == [tmp_path / "cohort"]


def test_every_command_that_writes_tells_of_out(capsys):
    groups = {"data": ["prepare", "export", "download"], "pretrain": ["emg", "pose"], "baselines": ["import"]}
    plain = ["train", "simulate", "align", "evaluate", "embed", "enrol", "book", "evaluate-live", "export"]
    for words in [[name] for name in (*plain, "reproduce", "ablate")] + [[g, c] for g in groups for c in groups[g]]:
        main([*words, "--help"])
        assert "--out" in capsys.readouterr().out, words
    assert set(plain) < set(COMMANDS) and set(TOGETHER) < {*plain, "reproduce", "ablate", "pretrain"}


def test_out_without_a_value_or_a_use_is_a_sentence(capsys):
    assert main(["embed", "checkpoint", "store", "--out"]) == 2
    assert capsys.readouterr().err == "cpep: --out needs a value: the folder or file to write\n"
    assert main(["data", "inspect", "--out", "x"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_a_stage_alone_takes_the_threads_of_the_environment(monkeypatch):
    monkeypatch.setattr("cpep.runtime.jobs.cores", lambda: 6)
    for given, threads in (("3", 3), ("4,2", 4), ("", 6)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert threads_alone() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    with pytest.raises(UserError, match="OMP_NUM_THREADS=many: give a whole number"):
        threads_alone()


def test_threads_sleep_while_they_wait_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(cli, "main", lambda: 0)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with pytest.raises(SystemExit):
        cli.run()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
