"""Comparisons of the report: which windows are pooled, and what is said."""

from __future__ import annotations

import numpy as np

from cpep.evaluate.collect import Fold, compare
from cpep.evaluate.metrics import paired_bootstrap


def fold(number: int, seed: int, users: tuple[str, ...]) -> Fold:
    """One fold whose cpep is right more often than its ridge."""
    rng = np.random.default_rng((number, seed))
    label = rng.integers(3, size=60)
    arrays = {}
    for row, right in enumerate((0.8, 0.4)):
        predicted = np.where(rng.random(60) < right, label, (label + 1) % 3)
        arrays |= {f"{row}/label": label, f"{row}/predicted": predicted, f"{row}/user": np.repeat(users, 30)}
    rows = [{"model": name, "protocol": "zero_shot", "gestures": "unseen"} for name in ("cpep", "ridge")]
    return Fold(number, seed, rows, [], [], {}, arrays)


def test_folds_are_pooled_and_one_seed_is_compared() -> None:
    folds = [fold(0, 0, ("1", "2")), fold(1, 0, ("3", "4"))]
    said = compare(folds, "cpep", "ridge", "zero_shot", "unseen")
    arrays = [np.concatenate([f.arrays[name] for f in folds]) for name in ("0/label", "0/predicted", "1/predicted")]
    expected = paired_bootstrap(*arrays, np.concatenate([f.arrays["0/user"] for f in folds]))
    assert said == expected.sentence("cpep", "ridge", "zero-shot on unseen gestures (4 people)")
    again = [*folds, fold(0, 1, ("1", "2")), fold(1, 1, ("3", "4"))]
    other = compare(again, "cpep", "ridge", "zero_shot", "unseen")
    assert other == said.replace("4 people", "4 people, seed 0")
    assert compare(folds, "cpep", "features", "zero_shot", "unseen") == ""
