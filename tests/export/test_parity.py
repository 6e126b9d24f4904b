import dataclasses

import numpy as np
import pytest

from cpep.export.folder import FLOAT, INT8
from cpep.export.parity import Likeness, held_out, judged, noise, parity
from cpep.types import UserError
from tests.export.conftest import BIN

GOOD = Likeness(0.99995, 0.99995, 0.98, 0.5, 0.505)


@pytest.fixture(scope="module")
def sample(causal, store, split):
    """Some windows of test users."""
    found = held_out(causal, store, split)
    every = np.linspace(0, len(found.x) - 1, 60).astype(int)
    return dataclasses.replace(
        found,
        emg_NTC=found.emg_NTC[every],
        beside={name: value[every] for name, value in found.beside.items()},
        x=found.x[every],
        label_N=found.label_N[every],
    )


def test_on_held_out_people_the_graph_is_the_checkpoint(exported, sample):
    found = parity(exported, sample)
    assert found[FLOAT].lowest > 0.99999
    assert found[FLOAT].same == 1 and found[FLOAT].accuracy == found[FLOAT].wanted
    assert found[INT8].mean > 0.999
    assert "same answer on 100.0% of windows" in judged(found)


def test_windows_are_compared_on_test_users_with_training_users(sample, store, split):
    assert set(sample.gallery.user_N) <= set(split.users_train)
    assert set(sample.label_N) == {*split.seen, *split.unseen}
    rows = sample.beside["rows"]
    assert rows.min() >= 2 * 100 / BIN - 1 and len(np.unique(rows)) > 20


@pytest.mark.parametrize("role", ["train", "test"])
def test_people_without_a_labelled_window_are_a_sentence(causal, store, split, role):
    label_M = np.array(store.label_M)
    for entry in store.entries:
        if entry.user in split.users(role):
            label_M[entry.start : entry.start + entry.frames] = 0
    with pytest.raises(UserError, match=f"no labelled window of users {', '.join(split.users(role))} to check with"):
        held_out(causal, dataclasses.replace(store, label_M=label_M), split)


def test_another_graph_is_refused(exported, sample):
    """A state one bin late is already another graph."""
    late = {**sample.beside, "moments": np.roll(sample.beside["moments"], 1, axis=0)}
    with pytest.raises(UserError, match=r"model\.onnx differs from the checkpoint: cosine 0\.\d+"):
        judged(parity(exported, dataclasses.replace(sample, beside=late)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mean": 0.9}, "misses a mean cosine of 0.999: use"),
        ({"same": 0.9}, "misses the same answer on 97% of windows: use"),
        ({"accuracy": 0.48}, "misses an accuracy within 0.01: use"),
    ],
)
def test_what_the_smaller_graph_misses_is_said(change, says):
    assert "misses" not in judged({FLOAT: GOOD, INT8: GOOD})
    assert says in judged({FLOAT: GOOD, INT8: dataclasses.replace(GOOD, **change)})


def test_a_graph_that_says_nothing_is_refused():
    with pytest.raises(UserError, match="cosine nan"):
        judged({FLOAT: dataclasses.replace(GOOD, lowest=float("nan")), INT8: GOOD})


def test_noise_has_the_level_of_the_device(causal):
    level_C = causal.emg_frontend.level_C.numpy()
    rms_C = np.sqrt(np.square(noise(causal).emg_NTC).mean(axis=(0, 1)))
    assert np.all((rms_C > level_C) & (rms_C < 10 * level_C))
