"""How the rows of a batch are divided, and which commands ranks run (their numbers: train/test_over_ranks.py)."""

import pytest

from cpep.cli.main import main
from cpep.runtime import distributed
from cpep.types import UserError


@pytest.mark.parametrize(("whole", "world"), [(7, 2), (8, 2), (5, 5), (256, 3)])
def test_every_row_is_of_one_rank_and_weighs_the_same(monkeypatch, whole, world):
    parts = []
    for rank in range(world):
        monkeypatch.setattr(distributed, "_crew", distributed._Crew(rank, world, world, None))
        parts.append(distributed.part(whole))
        assert parts[-1].weighed(1.0) == pytest.approx(world * len(range(whole)[parts[-1].rows]) / whole)
    assert [row for part in parts for row in range(whole)[part.rows]] == list(range(whole))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_fewer_rows_than_ranks_are_refused(monkeypatch):
    monkeypatch.setattr(distributed, "_crew", distributed._Crew(0, 3, 3, None))
    with pytest.raises(UserError, match="2 windows is too small for 3 ranks"):
        distributed.part(2)


def test_ranks_of_a_machine_divide_its_threads(monkeypatch):
    assert distributed.threads(5) == 5
    monkeypatch.setattr(distributed, "_crew", distributed._Crew(0, 4, 2, None))
    assert (distributed.threads(5), distributed.threads(1)) == (2, 1)


def test_a_command_of_one_process_is_refused_under_torchrun(monkeypatch, capsys):
    monkeypatch.setattr(distributed, "asked", lambda: True)
    monkeypatch.setattr(distributed, "join", lambda: None)
    assert main(["export", "a", "b"]) == 2
    assert capsys.readouterr().err == "cpep: cpep export runs in one process; start it without torchrun\n"
