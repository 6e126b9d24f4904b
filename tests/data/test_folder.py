from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from cpep.data.readers.emg2pose import write_recording
from cpep.data.readers.folder import STORE_INDEX, dataset_name, find_recordings, list_folder
from cpep.data.readers.registry import READERS, Reader, readers
from cpep.data.store.prepare import prepare
from cpep.runtime import confined
from cpep.types import UserError
from tests.data.samples import emg2pose_like, write_emg2pose, write_generic

SIDECAR: dict[str, object] = {"emg": {"field": "emg"}, "rate": 200, "kind": "raw", "unit": "uV", "user": "1"}


def test_sorted_by_name_with_numbers_in_order(tmp_path: Path) -> None:
    for name in ("S10_A1_E1.mat", "S2_A1_E1.mat", "S1_A1_E2.mat", "S1_A1_E1.mat"):
        (tmp_path / name).touch()
    names = [source.name for source in find_recordings(tmp_path)]
    assert names == ["S1_A1_E1", "S1_A1_E2", "S2_A1_E1", "S10_A1_E1"]


def test_layouts_subfolders_and_what_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "day2").mkdir()
    write_emg2pose(tmp_path / "day2", count=1)
    write_generic(tmp_path, SIDECAR, emg=np.ones((10, 2)))
    (tmp_path / "S1_A1_E1.mat").touch()
    for name in ("README.md", "arraymap.mat", "lonely.npz", "metadata.csv"):
        (tmp_path / name).touch()
    for hidden in (".cache", ".out.partial"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "x.hdf5").touch()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / STORE_INDEX).touch()
    (tmp_path / "store" / "x.hdf5").touch()
    listing = list_folder(tmp_path)
    assert [(one.name, one.reader) for one in listing.sources] == [
        ("S1_A1_E1", "ninapro"),
        ("a", "generic"),
        ("day2/r0", "emg2pose"),
    ]
    assert [path.name for path in listing.ignored] == ["README.md", "arraymap.mat", "lonely.npz"]
    assert listing.sources[2].parts()[0].name == "day2/r0"


def test_one_file(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=2)
    (source,) = find_recordings(tmp_path / "r1.hdf5")
    assert source.name == "r1" and source.parts()[0].user == "u1"


def test_nothing_to_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing does not exist"):
        find_recordings(tmp_path / "missing")
    with pytest.raises(
        UserError, match=r"holds no recordings that cpep reads: EMG-BIDS .*, emg2pose \(\.hdf5\), NinaPro"
    ):
        find_recordings(tmp_path)
    (tmp_path / "lonely.csv").touch()
    with pytest.raises(UserError, match=r"lonely\.csv has no sidecar; `cpep data describe \S*lonely\.csv` writes"):
        find_recordings(tmp_path)
    (tmp_path / "other.npz").touch()
    with pytest.raises(UserError, match=r"lonely\.csv has no sidecar, nor has 1 other; `cpep data describe"):
        find_recordings(tmp_path)


def test_fields_of_another_kind_are_a_sentence_that_names_the_file(tmp_path: Path) -> None:
    write_emg2pose(tmp_path, count=1)
    (source,) = find_recordings(tmp_path)
    with h5py.File(source.path, "a") as file:
        file["emg2pose"].attrs["sample_rate"] = "fast"
    with pytest.raises(UserError, match=r"r0\.hdf5 is no emg2pose recording as cpep knows them \(could not convert"):
        source.parts()


def test_a_mistake_in_one_of_two_files_of_one_name_says_in_which(tmp_path: Path) -> None:
    for day in ("day1", "day2"):
        emg = np.ones((10, 2)) * (np.nan if day == "day2" else 1)
        write_generic(tmp_path / day, SIDECAR, emg=emg)
    _, second = find_recordings(tmp_path)
    with pytest.raises(UserError, match=r"day2/a\.npz: EMG is not finite"):
        second.parts()


def test_a_store_is_no_folder_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_emg2pose(tmp_path / "raw", count=1)
    prepare(tmp_path / "raw", tmp_path / "store")
    with pytest.raises(UserError, match="store is a prepared store"):
        find_recordings(tmp_path / "store")


def test_two_files_of_one_name(tmp_path: Path) -> None:
    write_generic(tmp_path, SIDECAR, emg=np.ones((10, 2)))
    (tmp_path / "a.csv").touch()
    with pytest.raises(UserError, match="two recordings of one name"):
        find_recordings(tmp_path)


def test_dataset_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path / "a.hdf5", emg2pose_like(), start=0, simulated=False)
    assert dataset_name(find_recordings(tmp_path)) == "emg2pose"
    write_recording(tmp_path / "a.hdf5", emg2pose_like(), start=0, simulated=True)
    (tmp_path / "A.hdf5").write_bytes(b"damaged, and first in order")
    assert dataset_name(find_recordings(tmp_path)) == "emg2pose_simulated"
    own = tmp_path / "my_band" / "day1"
    write_generic(own, SIDECAR, emg=np.ones((10, 2)))
    assert dataset_name(find_recordings(own.parent)) == "my_band"
    monkeypatch.chdir(own.parent)
    assert dataset_name(find_recordings(Path())) == "my_band"
    shutil.rmtree(own)


def test_a_file_that_goes_away_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader need not know what of the file system can fail."""
    (tmp_path / "S1_A1_E1.mat").touch()
    (source,) = find_recordings(tmp_path)
    opens = Reader("ninapro", "", lambda path: None, Path.read_bytes, Path.read_text)
    monkeypatch.setattr(READERS, "get", {"ninapro": opens}.get)
    monkeypatch.setattr(confined, "inside", True)  # it reads here
    source.path.unlink()
    for read in (source.parts, source.dataset):
        with pytest.raises(UserError, match=r"^cannot read .*S1_A1_E1\.mat: No such file or directory$"):
            read()


def test_readers_are_asked_in_one_order_whichever_was_imported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [reader.name for reader in readers()]
    assert names == ["bids", "emg2pose", "ninapro", "xdf", "generic"]
    monkeypatch.setattr(READERS, "_items", {name: READERS.get(name) for name in reversed(names)})
    assert [reader.name for reader in readers()] == names


def test_what_systems_leave_in_folders_is_passed_over(tmp_path: Path) -> None:
    write_generic(tmp_path / "Mes données" / "Person Ä", SIDECAR, name="李雷 öffnen", emg=np.ones((10, 2)))
    left = ("._a.npz", ".DS_Store", "Thumbs.db", "desktop.ini", "~$S1.xlsx", "Icon\r", "THUMBS.DB")
    for folder in (tmp_path, tmp_path / "__MACOSX", tmp_path / "$RECYCLE.BIN", tmp_path / "@eaDir"):
        folder.mkdir(exist_ok=True)
        for name in left:
            (folder / name).write_bytes(b"\0junk")
    (tmp_path / "__MACOSX" / "S1.hdf5").touch()
    listing = list_folder(tmp_path)
    assert [source.name for source in listing.sources] == ["Mes données/Person Ä/李雷 öffnen"]
    assert not listing.ignored
    assert listing.sources[0].parts()[0].session == "李雷 öffnen"


def test_links_that_lead_nowhere_are_named_as_such(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_emg2pose(tmp_path, count=1)
    raw.mkdir()
    (raw / "r0.hdf5").symlink_to(tmp_path / "r0.hdf5")
    (raw / "r1.hdf5").symlink_to("../annex/r1.hdf5")
    sentence = (
        r"r1\.hdf5 is a link that leads nowhere \(to \.\./annex/r1\.hdf5\); fetch that file, or remove the link"
    )
    with pytest.raises(UserError, match=sentence):
        prepare(raw, tmp_path / "store")
    assert len(prepare(raw, tmp_path / "store", skip_bad=True).entries) == 1
    (raw / "r1.hdf5").unlink()
    (raw / "r1.hdf5").symlink_to("../.git/annex/objects/x/r1.hdf5")
    with pytest.raises(UserError, match=r"leads nowhere .*; fetch it with `datalad get .*r1\.hdf5`$"):
        find_recordings(raw)[1].parts()
    write_generic(tmp_path / "own", SIDECAR, emg=np.ones((10, 2)))
    (tmp_path / "own" / "a.json").unlink()
    (tmp_path / "own" / "cpep.json").symlink_to("/gone/cpep.json")
    with pytest.raises(UserError, match=r"cpep\.json is a link that leads nowhere"):
        find_recordings(tmp_path / "own")[0].parts()
    (tmp_path / "data").symlink_to("/gone")
    with pytest.raises(UserError, match="data is a link that leads nowhere"):
        find_recordings(tmp_path / "data")
