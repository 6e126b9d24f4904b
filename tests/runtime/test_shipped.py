"""The name ``shipped`` stands for the checkpoint that comes with cpep, in every command that takes one."""

from pathlib import Path

from cpep.checkpoints.checkpoint import book_beside
from cpep.live.demo import demo_paths
from cpep.runtime.hub import local


def test_shipped_is_the_checkpoint_that_comes_with_cpep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint, book = demo_paths()
    assert local("shipped") == local(Path("shipped")) == checkpoint and (checkpoint / "config.json").is_file()
    assert book_beside(local("shipped")) == book
    (tmp_path / "shipped").mkdir()
    assert local("shipped") == Path("shipped")  # a folder of that name comes first
