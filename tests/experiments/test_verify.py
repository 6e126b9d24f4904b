"""`cpep data verify` finds all that is damaged, and says where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from cpep.cli.main import main
from cpep.data.store.arrays import HEADER_BYTES
from cpep.data.store.prepare import prepare
from cpep.data.store.verify import damage_of
from cpep.experiments.verify import verify
from cpep.live.demo import demo_paths
from cpep.runtime import sums
from cpep.runtime.files import write_json
from cpep.types import UserError
from tests.checkpoints.unsealed import unseal as unseal_checkpoint
from tests.data.samples import unseal, write_emg2pose


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("cpep.data.store.checked_rows.BLOCK_BYTES", 4096)
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", 3)
    return prepare(tmp_path / "raw", tmp_path / "stores/one").path


def zero(path: Path, at: int, size: int) -> None:
    """Overwrite a part of a file with zeros."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(size))


def test_a_sound_store_and_every_damaged_stretch_of_one(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[int, int]] = []
    assert damage_of(store, lambda *call: calls.append(call)) == []
    size = sum(np.load(store / f"{name}.npy").nbytes for name in ("emg", "anchor"))
    assert calls[-1] == (size, size)
    assert main(["data", "verify", str(store)]) == 0
    assert "1 of 1 have checksums, and all are sound" in capsys.readouterr().out
    zero(store / "emg.npy", HEADER_BYTES + 64 * 128, 64 * 100)  # blocks of 64 rows: 128 to 256
    zero(store / "emg.npy", HEADER_BYTES + 64 * 1020 - 64, 128)  # the end of r0 and the beginning of r1
    zero(store / "anchor.npy", HEADER_BYTES + 4, 4)
    found = damage_of(store)
    assert [line.rpartition("/")[2] for line in found] == [
        "emg.npy is damaged in recording r0 at 0.06 to 0.13 s",
        "emg.npy is damaged in recording r0 at 0.48 to 0.51 s",
        "emg.npy is damaged in recording r1 at 0.00 to 0.03 s",
        "anchor.npy is damaged in recording r0 at 0.00 to 0.32 s",
    ]
    assert main(["data", "verify", str(store.parent)]) == 2
    printed = capsys.readouterr()
    assert all(line in printed.out for line in found) and "is damaged in 4 places" in printed.err


def test_every_small_file_that_is_damaged_is_named(store: Path) -> None:
    for name in ("label", "power"):
        zero(store / f"{name}.npy", (store / f"{name}.npy").stat().st_size - 4, 4)
    (store / "prompt.npy").unlink()
    damaged = verify(store).damaged
    assert [line.rpartition("/")[2].split(" ")[:2] for line in damaged[:3]] == [
        ["label.npy", "is"],
        ["prompt.npy", "is"],
        ["power.npy", "is"],
    ]
    (store / "store.json").unlink()
    assert any("store.json is missing" in line for line in verify(store).damaged)


def test_older_stores_and_folders_without_any(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(store)
    assert main(["data", "verify", str(store)]) == 0
    printed = capsys.readouterr().out
    assert "store of an older version, without checksums; prepare it again" in printed and "0 of 1 have" in printed
    with pytest.raises(UserError, match="is no store, checkpoint, book or enrolment, and holds none"):
        verify(tmp_path / "raw")
    with pytest.raises(UserError, match="does not exist"):
        verify(tmp_path / "none")


def test_a_checkpoint_in_a_folder(tmp_path: Path) -> None:
    shutil.copytree(demo_paths()[0], tmp_path / "run/fold0/checkpoint")
    assert len(verify(tmp_path / "run").sound) == 1
    zero(tmp_path / "run/fold0/checkpoint/model.safetensors", 2_000_000, 8)
    (line,) = verify(tmp_path / "run").damaged
    assert "model.safetensors is damaged: its content does not fit its checksum" in line


def test_the_records_of_a_run(tmp_path: Path) -> None:
    rows = tmp_path / "run/fold0/rows"
    rows.mkdir(parents=True)
    np.savez(rows / "cpep.npz", a=np.arange(9))
    write_json(rows / "cpep.json", sums.sealed({"rows": [1], "arrays": sums.of_file(rows / "cpep.npz")}))
    write_json(tmp_path / "run/run.json", sums.sealed({"seed": 0}))
    assert len(verify(tmp_path / "run").sound) == 2
    zero(rows / "cpep.npz", 100, 8)
    write_json(tmp_path / "run/run.json", {**sums.sealed({"seed": 0}), "seed": 1})
    found = verify(tmp_path / "run").damaged
    assert [line.rpartition("/")[2].split(" ")[:3] for line in found] == [
        ["cpep.npz", "is", "damaged:"],
        ["run.json", "is", "damaged:"],
    ]


def test_a_run_on_damaged_labels_does_not_begin(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zero(store / "label.npy", HEADER_BYTES, 100)
    assert main(["reproduce", "--data", str(store), "--out", str(tmp_path / "run")]) == 2
    assert "label.npy is damaged: its content does not fit its checksum" in capsys.readouterr().err
    assert not list((tmp_path / "run").rglob("results.json"))


def test_what_older_versions_wrote_is_not_called_sound(tmp_path: Path) -> None:
    """It is read as far as that goes, and has no checksums to compare."""
    checkpoint, book = demo_paths()
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    unseal_checkpoint(tmp_path / "checkpoint")
    with safe_open(book, "numpy") as file:
        note = json.loads(file.metadata()["cpep"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del note["sum"]
    save_file(arrays, tmp_path / "my.book", {"cpep": json.dumps(note)})
    write_json(tmp_path / "run.json", {"seed": 0})
    (tmp_path / "export").mkdir()
    write_json(tmp_path / "export/card.json", {"rate": 2000})
    (tmp_path / "export/run.py").touch()
    found = verify(tmp_path)
    assert not found.sound and not found.damaged
    kinds = [line.rpartition("/")[2].partition(" of")[0] for line in found.bare]
    assert kinds == ["checkpoint: checkpoint", "export: export", "my.book: book", "run.json: record"]
