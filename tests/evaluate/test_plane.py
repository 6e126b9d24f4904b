import numpy as np

from cpep.evaluate.plane import map_of
from cpep.types import EmbeddingSet

NAMES = ("rest", "fist", "spread", "point")


def embeddings(label_N, length, seed):
    """Return vectors of some length about one axis a label."""
    x_ND = length * (3 * np.eye(8)[label_N] + 0.2 * np.random.default_rng(seed).standard_normal((len(label_N), 8)))
    text_N = np.array([""] * len(label_N))
    return EmbeddingSet(x_ND.astype(np.float32), label_N, text_N, text_N, np.zeros(len(label_N)))


def test_emg_is_drawn_amid_the_poses_of_its_gesture_however_long_its_vectors_are():
    label_N = np.repeat([1, 2, 3], 40)
    emg, pose = embeddings(label_N[::4], 50.0, 0), embeddings(label_N, 1.0, 1)
    found = map_of(emg, pose, NAMES, 10, 0)
    assert [name for *_, name in found["pose"]] == [NAMES[label] for label in label_N]
    middle = {name: np.mean([p[:2] for p in found["pose"] if p[2] == name], axis=0) for name in NAMES[1:]}
    assert len(found["emg"]) == 30
    for x, y, name in found["emg"]:
        assert min(middle, key=lambda other: np.hypot(*(middle[other] - (x, y)))) == name


def test_few_points_have_a_map_too():
    some = embeddings(np.array([1, 2, 3, 1]), 1.0, 0)
    assert len(map_of(some, some, NAMES, 10, 0)["emg"]) == 4
