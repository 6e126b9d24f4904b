"""Shards prepared apart and joined give the bytes of one process, in whatever order, stopped wherever."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cpep.data.readers.emg2pose import write_recording
from cpep.data.store import prepare as prepare_module
from cpep.data.store import shards as shards_module
from cpep.data.store.prepare import prepare
from cpep.data.store.shards import Shard, shard_of
from cpep.types import UserError
from tests.data.samples import contents, emg2pose_like, write_generic


@pytest.fixture
def raw(raw: Path) -> Path:
    """Recordings of different lengths and vocabularies, one of them damaged."""
    for name, vocabulary in (("r0", ("rest", "point", "fist")), ("r4", ("rest", "wave", "spread"))):
        write_recording(
            raw / f"{name}.hdf5", emg2pose_like(name, 1111, vocabulary=vocabulary), start=0, simulated=True
        )
    (raw / "r1.hdf5").write_bytes((raw / "r1.hdf5").read_bytes()[:3000])
    return raw


def test_shards_in_any_order_join_to_the_bytes_of_one_process(raw: Path, tmp_path: Path) -> None:
    whole = prepare(raw, tmp_path / "whole", skip_bad=True)
    for index in (3, 1, 2):
        part = prepare(raw, tmp_path / "store", shard=Shard(index, 3), skip_bad=True)
        assert part.path == tmp_path / f".store.parts/{index}-of-3"
        assert not (tmp_path / "store").exists()
    joined = prepare(raw, tmp_path / "store", skip_bad=True)
    assert joined.vocabulary == whole.vocabulary and len(joined.entries) == 4 and joined.skipped == whole.skipped
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "store", "whole"], "the parts are gone"
    again = prepare(raw, tmp_path / "store", shard=Shard(2, 3), skip_bad=True)
    assert again.path == tmp_path / "store", "a shard that comes late finds the whole"


def test_joining_reads_the_parts_alone(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "whole", skip_bad=True)
    for index in (1, 2):
        prepare(raw, tmp_path / "store", shard=Shard(index, 2), skip_bad=True)
    for path in raw.glob("r[234].hdf5"):  # of the same size and time, so nothing tells that they changed
        stamp = path.stat()
        path.write_bytes(bytes(stamp.st_size))
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    prepare(raw, tmp_path / "store", workers=2, skip_bad=True)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_shard_and_the_joining_go_on_after_a_stop(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    prepare(raw, tmp_path / "whole", skip_bad=True)
    stopped = partial(_stopped, monkeypatch, stop)
    for index in (1, 2):
        shard = Shard(index, 2)
        stopped(prepare_module, "_frames_of", partial(prepare, raw, tmp_path / "store", shard=shard, skip_bad=True))
    stopped(shards_module, "frames_of_part", partial(prepare, raw, tmp_path / "store", skip_bad=True))
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def _stopped(monkeypatch: pytest.MonkeyPatch, stop: int, module, name: str, run) -> None:
    """Run with Ctrl-C when the function is called for the ``stop``-th time, then again to the end."""
    original, calls = getattr(module, name), []

    def counting(*arguments):
        calls.append(arguments)
        if len(calls) == stop + 1:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counting)
        try:
            run()
        except KeyboardInterrupt:
            seen = len(calls)
            run()
            assert calls[seen] == calls[seen - 1], "what was done is not read again"


def test_a_killed_shard(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "whole", skip_bad=True)
    code = (
        "import os, signal, sys; from pathlib import Path; from cpep.data.store.prepare import prepare\n"
        "from cpep.data.store.shards import Shard\n"
        "def stop(done, total):\n    done == 1 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "prepare(Path(sys.argv[1]), Path(sys.argv[2]), shard=Shard(2, 2), skip_bad=True, progress=stop)"
    )
    command = [sys.executable, "-c", code, str(raw), str(tmp_path / "store")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, check=False, env=environment).returncode == -9
    with pytest.raises(UserError, match=r"store: not complete yet: --shard 1/2, 2/2;"):
        prepare(raw, tmp_path / "store", skip_bad=True)
    for index in (1, 2):
        prepare(raw, tmp_path / "store", shard=Shard(index, 2), skip_bad=True)
    prepare(raw, tmp_path / "store", skip_bad=True)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_device_without_pose(tmp_path: Path) -> None:
    sidecar = {"emg": {"field": "emg"}, "rate": 250, "kind": "raw", "unit": "uV", "user": "1"}
    for k in range(3):
        write_generic(tmp_path / "raw", sidecar, name=f"a{k}", emg=np.full((101 + k, 3), k))
    prepare(tmp_path / "raw", tmp_path / "whole")
    for index in (1, 2, 3):
        prepare(tmp_path / "raw", tmp_path / "store", shard=Shard(index, 3))
    assert prepare(tmp_path / "raw", tmp_path / "store").anchor_MJ is None
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_mistakes(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="9 shards for 5 recordings; use 5 at most"):
        prepare(raw, tmp_path / "store", shard=Shard(1, 9))
    prepare(raw, tmp_path / "store", shard=Shard(1, 2), skip_bad=True)
    with pytest.raises(UserError, match="holds parts of 2 shards, not of 3; go on with 2, or delete them"):
        prepare(raw, tmp_path / "store", shard=Shard(1, 3))
    with pytest.raises(UserError, match="1-of-2 was prepared without 1 unreadable recordings, the first r1"):
        prepare(raw, tmp_path / "store", shard=Shard(1, 2))
    os.utime(raw / "r0.hdf5", ns=(0, 0))
    with pytest.raises(UserError, match="1-of-2 is a store of other recordings, or they changed since; delete it"):
        prepare(raw, tmp_path / "store", skip_bad=True)
    (tmp_path / ".store.parts/1-of-3").mkdir()
    with pytest.raises(UserError, match="holds parts of 2 and of 3 shards; delete those of one of them"):
        prepare(raw, tmp_path / "store")


def test_every_recording_is_in_one_shard() -> None:
    for total in range(1, 12):
        for count in range(1, total + 1):
            found = [k for index in range(1, count + 1) for k in range(total)[Shard(index, count).slice(total)]]
            assert found == list(range(total))


def test_shard_of_text_and_of_torchrun() -> None:
    assert shard_of("2/8", {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(2, 8)
    assert shard_of(None, {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(1, 2)
    assert shard_of(None, {}) is None and shard_of(None, {"RANK": "0", "WORLD_SIZE": "1"}) is None
    for text in ("0/8", "9/8", "2", "2/", "a/b", "-1/2", "1/0"):
        with pytest.raises(UserError, match="the second of eight shards is 2/8"):
            shard_of(text, {})
