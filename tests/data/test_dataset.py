import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cpep.data import WindowDataset, from_arrays, make_splits
from cpep.data.splits import LeakError
from cpep.types import UserError

RATE, PEOPLE = 200.0, 5
NAMES = {0: "rest", 1: "fist", 2: "open", 3: "point"}


@pytest.fixture(scope="module")
def store():
    """Two recordings of each person, of two sessions; each gesture lasts two seconds, and the pose lasts too."""
    rng = np.random.default_rng(0)
    emg = [rng.normal(size=(3, 1600 + 40 * k)) for k in range(2 * PEOPLE)]
    labels = [np.repeat([0, 1, 2, 3, 0], [400, 400, 400, 400, x.shape[1] - 1600]) for x in emg]
    pose = [rng.uniform(size=(4, x.shape[1] // 4)) for x in emg]
    pose[0][:, 100] = np.nan
    people = [k // 2 for k in range(2 * PEOPLE)]
    sessions = [k % 2 for k in range(2 * PEOPLE)]
    given = {"people": people, "sessions": sessions, "pose": pose, "pose_rate": 50, "label_names": NAMES}
    return from_arrays(emg, labels, rate=RATE, **given)


def test_items_are_what_slow_slicing_of_the_store_gives(store):
    windows, items = WindowDataset(store, window_s=0.5, hop_s=0.1), []
    ratio, rate = store.ratio, store.frame_rate
    sessions = sorted({(entry.user, entry.session) for entry in store.entries})
    for entry in store.entries:
        at = 0
        while at + round(0.5 * rate) <= entry.frames:
            first = entry.start + at
            stop = first + round(0.5 * rate)
            labels = set(store.label_M[first:stop].tolist())
            items.append(
                {
                    "emg": store.emg_TC[first * ratio : stop * ratio].T,
                    "label": labels.pop() if len(labels) == 1 else -1,
                    "person": store.users.index(entry.user),
                    "session": sessions.index((entry.user, entry.session)),
                    "pose": store.anchor_MJ[first:stop].T,
                    "valid": store.valid_M[first:stop].all(),
                }
            )
            at += round(0.1 * rate)
    assert len(windows) == len(items)
    for index in range(0, len(items), 7):
        found = windows[index]
        assert found.keys() == items[index].keys()
        for name, value in items[index].items():
            np.testing.assert_array_equal(found[name].numpy(), value, err_msg=name)
    assert windows[-1]["emg"].equal(windows[len(items) - 1]["emg"]) and windows[0]["emg"].is_contiguous()
    np.testing.assert_array_equal(windows.label_N, [item["label"] for item in items])
    np.testing.assert_array_equal(windows.person_N, [item["person"] for item in items])
    with pytest.raises(IndexError):
        windows[len(items)]


def test_a_spawned_worker_gives_the_same_items(store):
    windows = WindowDataset(store, window_s=0.5, hop_s=0.5)
    windows[0]  # so that readers of this process exist, which must not be pickled
    assert len(pickle.dumps(windows)) < 20_000 < store.emg_TC.nbytes
    loaders = [
        DataLoader(windows, batch_size=9),
        DataLoader(windows, batch_size=9, num_workers=1, multiprocessing_context="spawn"),
    ]
    batches = [list(loader) for loader in loaders]
    assert len(batches[0]) == len(batches[1]) == -(-len(windows) // 9)
    for one, other in zip(*batches, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_split_holds_out_people_and_gestures(store):
    (split,) = make_splits(store, test_users=["4"], val_users=["3"], unseen=["point"], guard_s=0.1)
    train, val, test = (
        WindowDataset(store, window_s=0.5, hop_s=0.1, split=split, role=role) for role in ("train", "val", "test")
    )
    assert set(train.person_N) == {0, 1, 2} and set(val.person_N) == {3} and set(test.person_N) == {4}
    assert set(train.label_N) == set(val.label_N) == {-1, 0, 1, 2} and 3 in test.label_N
    for index in range(len(train)):  # frame by frame
        first = train.windows.start_N[index]
        assert not (store.label_M[first : first + train.windows.frames] == 3).any()
    broken = replace(split)
    object.__setattr__(broken, "allowed", lambda store, windows, role: windows)
    with pytest.raises(LeakError):
        WindowDataset(store, window_s=0.5, split=broken)


def test_some_gestures_alone(store):
    windows = WindowDataset(store, window_s=0.5, gestures=["rest", "point"])
    assert set(windows.label_N) == {0, 3}
    windows = WindowDataset(store, window_s=0.5, gestures=["open"])
    assert set(windows.label_N) == {2}


def test_a_window_is_a_whole_recording_where_all_are_of_one_length(tmp_path):
    emg = np.random.default_rng(0).normal(size=(5, 3, 200))
    made = from_arrays(emg, list("ababa"), rate=RATE, highpass_hz=0, folder=tmp_path / "store")
    windows = WindowDataset(str(made.path))
    assert len(windows) == 5
    np.testing.assert_array_equal(windows[3]["emg"].numpy(), emg[3].astype(np.float32))
    assert "pose" not in windows[3] and "standard" not in windows[3]


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("give window_s", {}),
        ("no recording is as long", {"window_s": 60.0}),
        ("no gesture 'pint' .*did you mean point", {"window_s": 1.0, "gestures": ["pint"]}),
        ("role is 'training'", {"window_s": 1.0, "role": "training"}),
        ("window nan s", {"window_s": float("nan")}),
        ("window 1 s", {"window_s": "1"}),
        ("pose_lag_s is -0.5", {"window_s": 1.0, "pose_lag_s": -0.5}),
        ("gestures is 'point'; give a list", {"window_s": 1.0, "gestures": "point"}),
        ("role 'test' is a side of a split", {"window_s": 1.0, "role": "test"}),
        ("has no window", {"window_s": 3.0, "gestures": ["point"]}),
    ],
)
def test_a_mistake_is_a_sentence(store, said, given):
    with pytest.raises(UserError, match=said):
        WindowDataset(store, **given)
