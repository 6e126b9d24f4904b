"""A book of one checkpoint that is opened with another one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from cpep.data.splits import gesture_labels
from cpep.data.windows import list_windows
from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.build import KEPT_BYTES, _few, background_of, grid_s, kept_of
from cpep.live.book.entries import Kept
from cpep.live.book.files import FEWEST_KEPT, kept_rate, thinned
from cpep.live.book.poses import held
from cpep.live.demo import demo_paths
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError


@pytest.fixture(scope="module")
def model(untrained):
    return untrained()


@pytest.fixture(scope="module")
def other(untrained):
    return untrained("emg.width=32", "pose.width=32")


def pose(name):
    return GESTURES[name].pose_J[:20].astype(np.float32)


def cosines(a_ND, b_ND):
    return (unit_rows(a_ND) * unit_rows(b_ND)).sum(axis=1)


def windows_of(model, store, name, count):
    windows = list_windows(store, model.card.window_s, grid_s(model))
    mine = windows.select(windows.valid_N & (windows.label_N == gesture_labels(store, [name])[0]))
    return mine.select(np.linspace(0, len(mine) - 1, count).astype(int))


def relabelled(path, **changes):
    """Write a book's file again with another note, and as much of its EMG as the device in it has channels."""
    with safe_open(path, "numpy") as file:
        note = json.loads(file.metadata()["cpep"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del note["sum"]
    changes["format"] = 2
    for name in [name for name in tensors if name.startswith("emg.")]:
        tensors[name] = np.ascontiguousarray(tensors[name][..., : changes["device"]["channels"]])
    save_file(tensors, path, {"cpep": json.dumps(note | changes)})


def test_gestures_by_pose_are_embedded_anew(model, other, tmp_path):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    book.add("ok", np.tile(pose("ok"), (130, 1)))
    book.save(tmp_path / "my.book")
    again = GestureBook.load(tmp_path / "my.book", other)
    assert again.names == ("fist", "ok")
    (note,) = again.notes
    assert "its 2 gestures were embedded anew; its confidence is not calibrated" in note
    windows_NJS = torch.from_numpy(held(pose("fist"), 100, 100.0)).transpose(1, 2)
    assert cosines(again.entries[0].vector_GD, other.encode_pose(windows_NJS).numpy()).min() > 0.98
    np.testing.assert_allclose(again.pose_of("ok"), pose("ok"), atol=1e-2)
    again.save(tmp_path / "my.book")
    assert GestureBook.load(tmp_path / "my.book", other).notes == ()
    assert GestureBook.load(tmp_path / "my.book", model).names == ("fist", "ok")  # and back


def test_its_own_checkpoint_reads_it_as_it_was(model, tmp_path):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    book.save(tmp_path / "my.book")
    again = GestureBook.load(tmp_path / "my.book", model)
    assert again.notes == ()
    np.testing.assert_allclose(again.vector_GD, book.vector_GD, atol=1e-3)
    np.testing.assert_allclose(again.entries[0].kept.pose_GSJ, book.entries[0].kept.pose_GSJ, atol=1e-2)


def test_longer_windows_hold_the_first_pose(model, untrained, tmp_path):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    book.save(tmp_path / "my.book")
    longer = untrained("data.window_s=2")
    again = GestureBook.load(tmp_path / "my.book", longer)
    windows_NJS = torch.from_numpy(np.repeat(held(pose("fist"), 100, 100.0)[:, :1], 200, axis=1)).transpose(1, 2)
    assert cosines(again.entries[0].vector_GD, longer.encode_pose(windows_NJS).numpy()).min() > 0.98


def test_emg_and_background_are_embedded_anew(model, other, live_store, tmp_path):
    shown = windows_of(model, live_store, "fist", 12)
    kept = kept_of(model, live_store, shown)
    windows = list_windows(live_store, model.card.window_s, grid_s(model))
    windows = windows.select(windows.valid_N & (windows.entry_N < 3))
    book = GestureBook(model, background_of(model, live_store, windows))
    book.add_emg("fist", np.ones((12, 16), np.float32), kept)
    book.add("ok", pose("ok"))
    book.save(tmp_path / "my.book")
    assert (tmp_path / "my.book").stat().st_size < 15_000_000
    again = GestureBook.load(tmp_path / "my.book", other)
    wanted = np.empty((12, 32), np.float32)
    for session in np.unique(kept.session_G):  # one wearing after the other
        mine = kept.session_G == session
        emg_GCT = np.ascontiguousarray(kept.emg_GTC[mine].transpose(0, 2, 1))
        standard = other.calibrate(np.hstack(list(emg_GCT)))
        wanted[mine] = other.encode_emg(torch.from_numpy(emg_GCT), standard).numpy()
    assert cosines(again.entries[0].vector_GD, wanted).min() > 0.99
    assert FEWEST_KEPT <= len(again.background) == len(book.background)  # few enough to keep all
    assert f"calibrated on {len(again.background)} of the windows" in again.notes[0]
    assert not np.isnan(again.calibration.false_alarms)


@pytest.mark.parametrize(
    ("device", "lost"),
    [
        ({"channels": 8, "ring": []}, "its channels is 8, not 16"),
        ({"emg_rate": 500.0}, "its rate is 500.0, not 2000.0"),
        ({"emg_unit": "V"}, "its unit is V, not noise_sd"),
    ],
)
def test_another_band_keeps_poses_and_loses_emg_by_name(model, other, live_store, tmp_path, device, lost):
    book = GestureBook(model)
    book.add("ok", pose("ok"))
    book.save(tmp_path / "poses.book")
    book.add_emg(
        "fist", np.ones((3, 16), np.float32), kept_of(model, live_store, windows_of(model, live_store, "fist", 3))
    )
    book.save(tmp_path / "emg.book")
    changed = {**json.loads(json.dumps(vars(model.card.device))), **device}
    for name in ("poses", "emg"):
        relabelled(tmp_path / f"{name}.book", device=changed)
    assert GestureBook.load(tmp_path / "poses.book", other).names == ("ok",)
    with pytest.raises(UserError, match=f"fist cannot be embedded by this one: it was shown by EMG, and {lost}"):
        GestureBook.load(tmp_path / "emg.book", other)


def test_what_cannot_be_embedded_anew_is_refused_by_name(model, other, untrained, live_store, tmp_path):
    book = GestureBook(model)
    book.add_emg("wave", np.ones((3, 16), np.float32))
    book.save(tmp_path / "bare.book")
    with pytest.raises(UserError, match="wave cannot be embedded by this one: it holds embeddings alone"):
        GestureBook.load(tmp_path / "bare.book", other)
    book = GestureBook(model)
    book.add("ok", pose("ok"))
    book.save(tmp_path / "hand.book")
    relabelled(
        tmp_path / "hand.book",
        device={
            **json.loads(json.dumps(vars(model.card.device))),
            "anchor_names": [f"s{k}" for k in range(20)],
            "anchor_unit": "count",
        },
    )
    with pytest.raises(UserError, match="ok cannot be embedded by this one: the checkpoint was trained with joint"):
        GestureBook.load(tmp_path / "hand.book", other)
    book = GestureBook(model)
    book.add_emg(
        "fist", np.ones((3, 16), np.float32), kept_of(model, live_store, windows_of(model, live_store, "fist", 3))
    )
    book.save(tmp_path / "short.book")
    with pytest.raises(UserError, match="fist cannot be embedded by this one: it keeps 1 s of EMG a window, not 2 s"):
        GestureBook.load(tmp_path / "short.book", untrained("data.window_s=2"))


def test_a_book_of_format_1_keeps_to_its_checkpoint(other):
    from cpep.checkpoints.checkpoint import load

    checkpoint, path = demo_paths()
    assert len(GestureBook.load(path, load(checkpoint)).background) > 1000
    with pytest.raises(UserError, match="keeps no windows to embed anew"):
        GestureBook.load(path, other)


def test_what_is_kept_of_the_background_is_bounded(model):
    sizes = [len(_few(model, count)) for count in (50, 3000, 9000)]
    assert sizes[0] == 50 and FEWEST_KEPT < sizes[1] == sizes[2]
    assert sizes[2] * 2 * (2000 * 16 + 25 * 20) <= KEPT_BYTES


def test_thinned_windows_end_with_the_last_frame(model):
    windows_NSJ = np.arange(200, dtype=np.float32).reshape(1, 100, 2)
    found = thinned(model.card, windows_NSJ)
    assert kept_rate(model.card) == 25 and found.shape == (1, 25, 2)
    assert found[0, -1].tolist() == [198, 199] and found[0, 0].tolist() == [6, 7]
    assert len(Kept().select(np.array([0, 2])).pose_GSJ) == 0
    assert replace(model.card, frame_rate=60.0) and kept_rate(replace(model.card, frame_rate=60.0)) == 30
