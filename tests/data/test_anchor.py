"""What an anchor is, how each kind is normalised, and which others a checkpoint refuses."""

import dataclasses
import json

import numpy as np
import pytest

from cpep.data.anchor import ANCHORS, Anchor
from cpep.data.readers.emg2pose import DEVICE
from cpep.data.store.prepare import prepare
from cpep.data.store.store import open_store
from cpep.data.windows import AnchorReader, AnchorScale, list_windows
from cpep.types import UserError
from tests.data.samples import unseal, write_emg2pose, write_generic
from tests.synthetic import write_db1

SIDECAR = {"emg": {"field": "emg"}, "rate": 100, "kind": "raw", "unit": "mV", "user": "1", "session": "one"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("db1")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


def of_sessions(store, *sessions):
    """Return the store with recordings of these sessions, each (user, session, side)."""
    entries = [
        dataclasses.replace(entry, user=user, session=session, side=side)
        for entry, (user, session, side) in zip(store.entries, sessions, strict=True)
    ]
    return dataclasses.replace(store, entries=tuple(entries))


def of_kind(store, kind):
    return dataclasses.replace(store, device=dataclasses.replace(store.device, anchor_kind=kind))


def worn(store, *recordings):
    """Return centre and spread of the sessions of recordings."""
    found = AnchorScale(store).of(np.array(recordings))
    return found.centre_F, found.spread_F


def test_a_glove_is_scaled_by_all_files_of_one_session_without_labels(store):
    both = of_sessions(store, ("1", "a", "right"), ("1", "b", "right"), ("1", "a", "right"), ("1", "a", "left"))
    centre, spread = worn(both, 2, 0, 2, 1, 3)
    for row, files in ((1, (0, 2)), (3, (1,)), (4, (3,))):
        frames = [np.arange(e.start, e.start + e.frames) for e in (store.entries[file] for file in files)]
        anchor = store.anchor_MJ[np.concatenate(frames)]
        assert centre[row] == pytest.approx(np.median(anchor, axis=0), rel=1e-6)
        low, high = np.percentile(anchor, [2, 98], axis=0)
        assert spread[row] == pytest.approx((high - low) / 2, rel=1e-5)
    for found in (centre, spread):
        assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_frames_without_an_anchor_have_no_part_in_its_scale(store):
    valid = np.array(store.valid_M)
    first, second = store.entries[:2]
    valid[first.start : first.start + first.frames] = False
    valid[second.start : second.start + 500] = False
    anchor = np.where(valid[:, None], store.anchor_MJ, 0).astype(np.float32)
    half = dataclasses.replace(store, valid_M=valid, anchor_MJ=anchor)
    together = of_sessions(half, *[("1", "a", "right")] * 2, *[("2", "a", "right")] * 2)
    centre, _ = worn(together, 0, 1)
    rest = anchor[second.start + 500 : second.start + second.frames]
    assert centre[0] == pytest.approx(np.median(rest, axis=0)) and np.array_equal(centre[0], centre[1])
    centre, spread = worn(half, 0)
    assert not centre.any() and (spread == 1).all()


@pytest.mark.parametrize("kind", ["joint_angles", "values"])
def test_what_has_a_scale_of_its_own_stays_as_it_is(store, kind):
    centre, spread = worn(of_kind(store, kind), 0, 1)
    assert not centre.any() and (spread == 1).all()


def test_the_size_and_the_place_of_a_hand_are_not_seen_in_landmarks():
    rng = np.random.default_rng(0)
    places_MJ = rng.normal(size=(500, 15)) * rng.uniform(1, 9, 15) + rng.normal(size=15)
    standardise = ANCHORS.get("landmarks").standardise
    seen = []
    for size, shift in ((1.0, 0.0), (1.2, 40.0)):
        given_MJ = (size * places_MJ + shift).astype(np.float32)
        centre, spread = standardise(given_MJ)
        assert len(set(spread.tolist())) == 1  # a hand keeps its proportions
        seen.append((given_MJ - centre) / spread)
    assert np.allclose(*seen, atol=1e-4)
    assert standardise(np.ones((3, 15), np.float32))[1].min() > 0


def test_features_have_mean_0_and_sd_1_in_every_session():
    features_MJ = np.random.default_rng(0).normal(3, [1, 20], (400, 2)).astype(np.float32)
    features_MJ = np.concatenate([features_MJ, np.full((400, 1), 7, np.float32)], axis=1)
    centre, spread = ANCHORS.get("features").standardise(features_MJ)
    scaled = (features_MJ - centre) / spread
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-4) and np.allclose(scaled.std(axis=0), [1, 1, 0], atol=1e-4)


def test_a_glove_keeps_its_posture_where_a_file_holds_one_gesture(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for label, level in ((1, 0.0), (2, 100.0), (3, 200.0)):
        glove, emg = level + rng.standard_normal((300, 3)), rng.standard_normal((300, 4))
        np.savez(tmp_path / f"raw/S1_g{label}.npz", emg=emg, glove=glove, label=np.full(300, label))
    names = {"0": "rest", "1": "low", "2": "middle", "3": "high"}
    said = {"pose": {"field": "glove", "unit": "count"}, "label": {"field": "label", "names": names}}
    (tmp_path / "raw/cpep.json").write_text(json.dumps(SIDECAR | said))
    made = prepare(tmp_path / "raw", tmp_path / "store")
    windows = list_windows(made, 1.0, 1.0)
    mean_N = AnchorReader(made, windows.frames)(windows).mean(dim=(1, 2)).numpy()
    for name, scaled in (("low", -1), ("middle", 0), ("high", 1)):
        assert mean_N[windows.label_N == made.vocabulary.index(name)] == pytest.approx(scaled, abs=0.05)


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ({"kind": "landmarks", "unit": "mm"}, "landmarks of 3 coordinates in mm"),
        ({"kind": "features"}, "features of 3 columns"),
        ({"kind": "joint_angles", "unit": "rad"}, "joint angles of 3 joints in rad"),
        ({"unit": "N"}, "values of 3 columns in N"),
        ({"unit": "count"}, "glove of 3 sensors in count"),
    ],
)
def test_a_sidecar_says_what_the_anchor_is(tmp_path, anchor, words):
    arrays = {"emg": np.ones((200, 2)), "x": np.ones((50, 3))}
    write_generic(tmp_path / "raw", SIDECAR | {"anchor": {"field": "x", "rate": 25, **anchor}}, **arrays)
    device = prepare(tmp_path / "raw", tmp_path / "store").device
    assert str(device.anchor) == words and device.anchor_names == ("anchor_0", "anchor_1", "anchor_2")
    assert "the anchor is " + words in device.anchor.no_hand


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"anchor": {"field": "x", "kind": "landmark"}},
            "'anchor': no kind of anchor 'landmark'; did you mean landmarks",
        ),
        ({"anchor": {"field": "x", "kind": "landmarks"}}, "'anchor': landmarks are in mm or cm or m, not in no unit"),
        ({"anchor": {"field": "x", "kind": "joint_angles", "unit": "N"}}, "joint angles are in rad, not in N"),
        ({"anchor": {"field": "x"}, "pose": {"field": "x", "unit": "rad"}}, "left out beside 'anchor'"),
        ({"anchor": {"field": "x", "units": "mm"}}, "unknown key 'anchor.units'; did you mean 'unit'"),
        ({"anchor": {"field": "x", "names": ["a"]}}, "1 names for 3 columns of anchor"),
    ],
)
def test_what_an_anchor_may_not_be(tmp_path, said, sentence):
    write_generic(tmp_path / "raw", SIDECAR | said, emg=np.ones((200, 2)), x=np.ones((200, 3)))
    with pytest.raises(UserError, match=sentence):
        prepare(tmp_path / "raw", tmp_path / "store")


def test_only_the_joint_angles_of_emg2pose_are_a_hand():
    hand = DEVICE.anchor
    assert hand.is_hand and hand.no_hand == "" and hand.notes == []
    for other in (
        dataclasses.replace(hand, names=hand.names[::-1]),
        dataclasses.replace(hand, unit="deg"),
        dataclasses.replace(hand, kind=ANCHORS.get("features")),
    ):
        assert not other.is_hand and "20 joints in rad, and the anchor is" in other.no_hand


def test_another_anchor_is_refused():
    mine = Anchor(ANCHORS.get("landmarks"), ("x", "y"), "mm")
    mine.refuse_other(mine, "here")
    mine.refuse_other(dataclasses.replace(mine, unit=""), "here")
    mine.refuse_other(dataclasses.replace(mine, names=()), "here")  # EMG alone
    mine.refuse_other(dataclasses.replace(mine, unit="cm"), "here")  # the size of a hand is taken out
    for change, said in (
        ({"unit": "px"}, "trained with landmarks of 2 coordinates in mm; here has landmarks of 2 coordinates in px"),
        ({"kind": ANCHORS.get("features")}, "here has features of 2 columns in mm"),
        ({"names": ("x",)}, "here has landmarks of 1 coordinates"),
        ({"names": ("x", "z")}, "the first that differs is y in the checkpoint and z there"),
    ):
        with pytest.raises(UserError, match=said):
            mine.refuse_other(dataclasses.replace(mine, **change), "here")


def test_a_store_of_version_1_opens(tmp_path):
    write_emg2pose(tmp_path / "raw", 2)
    made = prepare(tmp_path / "raw", tmp_path / "store")
    index = json.loads((tmp_path / "store/store.json").read_text())
    device = index["device"]
    for old, new in (("pose_names", "anchor_names"), ("pose_unit", "anchor_unit")):
        device[old] = device.pop(new)
    del device["anchor_kind"]
    unseal(tmp_path / "store")
    (tmp_path / "store/store.json").write_text(json.dumps(index | {"version": 1}))
    (tmp_path / "store/anchor.npy").rename(tmp_path / "store/pose.npy")
    old = open_store(tmp_path / "store")
    assert old.device == made.device and np.array_equal(old.anchor_MJ, made.anchor_MJ)
