import dataclasses

import numpy as np
import pytest

from cpep.evaluate.knn import knn_vote
from cpep.evaluate.plane import map_of
from cpep.types import EmbeddingSet

NAMES = ("rest", "fist", "spread", "point", "peace")
SETS = ((1, 2), (3, 4))


def embeddings(label_N, seed, noise=0.2):
    """Return vectors about one axis a label, of all lengths."""
    rng = np.random.default_rng(seed)
    x_ND = 3 * np.eye(8)[label_N] + noise * rng.standard_normal((len(label_N), 8))
    x_ND *= np.exp(2 * rng.standard_normal((len(label_N), 1)))
    text_N = np.array([""] * len(label_N))
    return EmbeddingSet(x_ND.astype(np.float32), label_N, text_N, text_N, np.zeros(len(label_N)), text_N)


def nearest_name(found, x, y):
    return min(found["pose"], key=lambda point: np.hypot(point[0] - x, point[1] - y))[2]


@pytest.mark.parametrize("noise", [0.2, 1.5])  # all are named right, or many are not
def test_emg_is_drawn_amid_the_poses_that_name_it_among_its_own_set(noise):
    label_N = np.repeat([1, 2, 3, 4], 40)
    pose, emg = embeddings(label_N, 1), embeddings(label_N[::4], 0, noise)
    pose = dataclasses.replace(pose, x_ND=pose.x_ND / np.linalg.norm(pose.x_ND, axis=1, keepdims=True))
    found = map_of(emg, pose, SETS, NAMES, 10, 0)
    assert [name for *_, name in found["pose"]] == [NAMES[label] for label in label_N]
    voted = []
    for labels in SETS:
        query, gallery = (data.select(np.isin(data.label_N, labels)) for data in (emg, pose))
        voted += [NAMES[label] for label in knn_vote(query.x_ND, gallery.x_ND, gallery.label_N, 10)]
    assert [nearest_name(found, x, y) for x, y, _ in found["emg"]] == voted
    right = np.mean([name == answer for (*_, name), answer in zip(found["emg"], voted, strict=True)])
    assert right == 1 if noise < 1 else 0.4 < right < 1


def test_poses_that_are_all_the_same_have_no_map():
    some = embeddings(np.array([1, 2] * 20), 0)
    same = dataclasses.replace(some, x_ND=np.ones_like(some.x_ND))
    assert map_of(some, same, SETS, NAMES, 10, 0) == {"emg": [], "pose": []}
    one = np.zeros(len(some), bool)
    one[0] = True
    assert map_of(some, some.select(one), SETS, NAMES, 10, 0)["pose"] == []


def test_few_poses_have_a_map():
    some = embeddings(np.array([1, 2, 3, 1, 4]), 0)
    assert len(map_of(some, some, SETS, NAMES, 10, 0)["emg"]) == 5
