"""Embeddings on disk against the same in memory."""

from pathlib import Path

import pytest
import torch

from cpep.train import lasting
from cpep.train.lasting import Lasting
from cpep.types import UserError


@pytest.mark.parametrize(
    ("dtype", "windows"), [(torch.float32, False), (torch.bfloat16, False), (torch.float32, True)]
)
def test_rows_on_disk_are_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, windows: bool
) -> None:
    if windows:  # which has no such call
        monkeypatch.delattr("os.preadv")
    torch.manual_seed(0)
    parts = [torch.randn(count, 6).to(dtype) for count in (5, 1, 7)]
    held = Lasting(parts, 13, tmp_path)
    monkeypatch.setattr(lasting, "MOST_BYTES", 0)
    on_disk = Lasting(iter(parts), 13, tmp_path)
    assert held._map is None and on_disk._map is not None and not list(tmp_path.iterdir())
    for count in (4, 1, 0):
        chosen = torch.randint(13, (count,))
        for own in (held, on_disk):
            assert torch.equal(own.take(chosen), torch.cat(parts)[chosen])
    for own in (held, on_disk):
        with pytest.raises(IndexError):
            own.take(torch.tensor([13]))


def test_no_place_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "MOST_BYTES", 0)
    with pytest.raises(UserError, match="embeddings of poses find no place"):
        Lasting([torch.zeros(2, 3)], 2, tmp_path / "missing")
