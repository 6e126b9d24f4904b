"""Stores are conditioned once, from the first sample of each recording, and say how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cpep.cli.main import main
from cpep.data.readers.folder import find_recordings
from cpep.data.store import writer as writer_module
from cpep.data.store.bins import bin_statistics
from cpep.data.store.frames import block_power
from cpep.data.store.prepare import prepare
from cpep.data.store.shards import Shard
from cpep.data.store.store import Store, open_store
from cpep.evaluate.features import classical_features
from cpep.signal.conditioning import Asked, Conditioning, conditioned
from cpep.types import FloatArray, UserError
from tests.data.samples import contents, unseal, write_emg2pose
from tests.raw_people import RATE, write_raw_people


def first(store: Store) -> FloatArray:
    """The EMG of the first recording."""
    return np.array(store.emg_TC[: store.entries[0].frames * store.ratio])


def test_a_store_holds_what_a_whole_recording_gives(tmp_path: Path) -> None:
    folder = write_raw_people(tmp_path / "raw", users=2, offset=1e5, rounds=1)
    store = prepare(folder, tmp_path / "store")
    wanted_TC = conditioned(find_recordings(folder)[0].parts()[0].emg_TC, Conditioning(20.0), RATE)
    np.testing.assert_array_equal(first(store), wanted_TC[: len(first(store))])
    np.testing.assert_array_equal(store.power_KC[: store.entries[0].power_blocks], block_power(first(store), RATE))
    assert open_store(tmp_path / "store").device.conditioning == Conditioning(20.0)
    assert store.repairs == ()


def test_jumps_are_counted_among_what_was_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_raw_people(tmp_path / "raw", users=1, jumps=1e5, rounds=1)
    assert main(["data", "prepare", str(folder), str(tmp_path / "store"), "--notch", "60"]) == 0
    said = capsys.readouterr().out
    assert "EMG high-passed at 20 Hz, with a notch at 60 Hz and its harmonics" in said
    assert "repaired: 1 jumps of the offset of a channel taken out" in said


@pytest.mark.parametrize("what", ["energies", "features"])
@pytest.mark.parametrize(
    "disturbed",
    [
        {"offset": 1e5},
        {"jumps": 1e5},
        {"hum_hz": 50.0},
        {"hum_hz": 49.9},
        {"hum_hz": 60.1},
        {"offset": 1e5, "hum_hz": 50.1},
        {"offset": 1e5, "jumps": 1e5},
    ],
)
def test_what_encoders_and_features_read_is_that_of_clean_recordings(
    tmp_path: Path, disturbed: dict[str, float], what: str
) -> None:
    """Energies of bins, and levels of one-second windows, differ by far less than they do between gestures."""
    hum = disturbed.get("hum_hz", 0)
    said = Asked(notch_hz=round(hum, -1) if hum else 0.0)
    found = []
    for name, changes, asked in (
        ("clean", {}, said),
        ("conditioned", disturbed, said),
        ("unfiltered", disturbed, Asked(0.0, 0.0)),
    ):
        folder = write_raw_people(tmp_path / name, users=1, rounds=1, **changes)  # type: ignore[arg-type]
        emg_TC = first(prepare(folder, tmp_path / f"{name}.store", asked=asked))[RATE:]
        emg_NTC = emg_TC[: len(emg_TC) // RATE * RATE].reshape(-1, RATE, emg_TC.shape[1])
        if what == "energies":
            power_N3C = bin_statistics(torch.from_numpy(emg_NTC), 10)[..., 0, :].numpy()
            found.append(np.log(np.sqrt(power_N3C) + 1.5))
        else:
            found.append(classical_features(emg_NTC / 50, RATE, "raw")[:, :24])  # levels
    clean, mended, unfiltered = found
    spread = clean.std()
    assert np.sqrt(np.square(mended - clean).mean()) < 0.25 * spread
    if what == "energies":  # features leave out the mean of a window
        assert np.sqrt(np.square(unfiltered - clean).mean()) > 0.7 * spread


def test_options_stand_in_place_of_what_recordings_say(tmp_path: Path) -> None:
    folder = write_raw_people(tmp_path / "raw", users=1, rounds=1, highpass=30, notch=50)
    found = {
        asked: prepare(folder, tmp_path / f"store{k}", asked=asked).device.conditioning
        for k, asked in enumerate((Asked(), Asked(0.0), Asked(None, 0.0), Asked(10.0, 60.0)))
    }
    assert list(found.values()) == [
        Conditioning(30, 50), Conditioning(0, 50), Conditioning(30), Conditioning(10, 60),
    ]  # fmt: skip
    with pytest.raises(UserError, match="a high-pass at 100 Hz does not fit EMG at 200 Hz"):
        prepare(folder, tmp_path / "other", asked=Asked(100.0))


def test_a_store_of_another_conditioning_is_refused(tmp_path: Path) -> None:
    folder = write_raw_people(tmp_path / "raw", users=1, rounds=1)
    before = prepare(folder, tmp_path / "store")
    for same in (Asked(), Asked(20.0), Asked(20.0, 0.0)):
        assert prepare(folder, tmp_path / "store", asked=same).fingerprint == before.fingerprint
    said = (
        r"EMG of .*store is high-passed at 20 Hz, and EMG that is not filtered by cpep is asked for; .*--highpass 20"
    )
    with pytest.raises(UserError, match=said):
        prepare(folder, tmp_path / "store", asked=Asked(0.0))


def test_a_store_of_an_older_cpep_is_not_taken_for_a_conditioned_one(tmp_path: Path) -> None:
    """Nor is one of emg2pose, which is not filtered today either, refused."""
    for folder in (write_raw_people(tmp_path / "raw", users=1, rounds=1), tmp_path / "emg2pose"):
        if folder.name == "emg2pose":
            folder.mkdir()
            write_emg2pose(folder, count=1)
        store = prepare(folder, folder.with_suffix(".store"), asked=Asked(0.0))
        index = json.loads((store.path / "store.json").read_text())
        del index["asked"], index["device"]["highpass_hz"], index["device"]["notch_hz"]
        (store.path / "store.json").write_text(json.dumps(index))
        unseal(store.path)
        assert open_store(store.path).device.conditioning == Conditioning()
    assert prepare(folder, store.path).path == store.path
    with pytest.raises(UserError, match="is not filtered by cpep, and EMG that is high-passed at 20 Hz is asked for"):
        prepare(tmp_path / "raw", tmp_path / "raw.store")


def test_a_stopped_run_does_not_go_on_with_another_conditioning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_raw_people(tmp_path / "raw", users=2, rounds=1)
    wanted = prepare(folder, tmp_path / "whole", asked=Asked(0.0))
    with monkeypatch.context() as patch:
        patch.setattr(writer_module.StoreWriter, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(folder, tmp_path / "store")
    prepare(folder, tmp_path / "store", asked=Asked(0.0))
    assert contents(tmp_path / "store") == contents(wanted.path)


def test_shards_are_of_one_conditioning(tmp_path: Path) -> None:
    folder = write_raw_people(tmp_path / "raw", users=2, rounds=1)
    for index in (1, 2):
        prepare(folder, tmp_path / "store", shard=Shard(index, 2), asked=Asked(10.0))
    with pytest.raises(UserError, match="1-of-2 is high-passed at 10 Hz, and EMG that is high-passed at 20 Hz"):
        prepare(folder, tmp_path / "store")
    joined = prepare(folder, tmp_path / "store", asked=Asked(10.0))
    assert joined.device.conditioning == Conditioning(10.0)
