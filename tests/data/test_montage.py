from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.montage import misplaced, pattern_of
from tests.data.test_marks import recording
from tests.signal.emg import GESTURES, emg_like

RING = tuple(range(8))


def patterns(seed: int, sessions: int = 6, noise: float = 0.3) -> list[dict[str, np.ndarray]]:
    """Sessions of people with the same muscles, other gains and some noise."""
    rng = np.random.default_rng(seed)
    common = {f"g{k}": rng.normal(size=8) for k in range(7)}
    gains = rng.normal(size=(sessions, 8))
    return [{name: base + gain + noise * rng.normal(size=8) for name, base in common.items()} for gain in gains]


def reordered(pattern: dict[str, np.ndarray], order: list[int]) -> dict[str, np.ndarray]:
    return {name: values[order] for name, values in pattern.items()}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9999))
def test_channels_in_their_places_have_no_mark(seed: int) -> None:
    own, *others = patterns(seed)
    assert misplaced(own, others, RING) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9999), st.integers(2, 6))
def test_a_mirrored_and_a_turned_ring(seed: int, turn: int) -> None:
    own, *others = patterns(seed)
    mirrored = misplaced(reordered(own, [(turn - k) % 8 for k in range(8)]), others, RING)
    assert mirrored is not None and mirrored.kind == "mirrored" and mirrored.high > 0.8
    turned = misplaced(reordered(own, [(turn + k) % 8 for k in range(8)]), others, RING)
    assert turned is not None and turned.kind == "turned_ring"
    assert int(turned.detail) % 8 == -turn % 8
    lined_up = misplaced(reordered(own, [(turn - k) % 8 for k in range(8)]), others, ())
    assert lined_up is None or lined_up.kind == "swapped"  # what is no ring is not turned


@pytest.mark.parametrize(("i", "j"), [(0, 1), (2, 5), (6, 7)])
def test_two_swapped_channels(i: int, j: int) -> None:
    rng = np.random.default_rng(4)
    own, *others = patterns({0: 7, 2: 9, 6: 13}[i], noise=0.15)  # of persons in whom these two channels differ
    order = list(range(8))
    order[i], order[j] = j, i
    found = misplaced(reordered(own, order), others, RING)
    assert found is not None and (found.kind, found.channels) == ("swapped", (i, j))
    unlike = [{name: rng.normal(size=8) for name in own} for _ in others]
    assert misplaced(own, unlike, RING) is None  # nobody agrees with anybody
    assert misplaced(own, others[:2], RING) is None  # too few to compare with


def test_the_pattern_is_the_strength_by_gesture() -> None:
    emg_TC = emg_like(1000.0, 40.0, seed=5)
    pattern = pattern_of(recording(emg_TC))
    assert set(pattern) == {"rest", *"abcde"[:GESTURES]}
    label_T = recording(emg_TC).label_T
    for index, name in enumerate(("rest", *"abcde")):
        spread_C = np.log(emg_TC[label_T == index].std(axis=0))
        np.testing.assert_allclose(pattern[name], spread_C, atol=0.25)
