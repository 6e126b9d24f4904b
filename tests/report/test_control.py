"""What the report says of the control, against answers whose meaning is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpep.report.control import control_sentences, regardless

NAMES = ("fist", "point", "ok", "gun")


def control(
    answers_K: list[float], asked: tuple[int, ...], windows: int = 4000, people: int = 8, knows: float = 0.0
) -> list[str]:
    """Return the sentences on a control that answers by these shares, and by the truth in the share ``knows``."""
    rng = np.random.default_rng(0)
    true_N = rng.choice(asked, windows)
    told_N = np.where(rng.random(windows) < knows, true_N, rng.choice(4, windows, p=answers_K))
    matrix_KK = np.zeros((4, 4), int)
    np.add.at(matrix_KK, (true_N, told_N), 1)
    recall = np.mean([matrix_KK[k, k] / matrix_KK[k].sum() for k in asked])
    where = {"model": "cpep/shuffled_pairs", "protocol": "zero_shot_all", "gestures": "unseen", "fold": 0, "seed": 0}
    spread = [max(recall - 0.03, 0), recall + 0.03]
    score = {"balanced_accuracy": recall, "ci95": spread, "chance": 0.25, "normalisation": "recording"}
    results: dict[str, Any] = {"rows": [{**where, **score, "per_user": {str(k): recall for k in range(people)}}]}
    results["summary"] = [{**where, "balanced_accuracy": recall, "ci95": spread, "people": people}]
    return control_sentences(results, [{"row": 0, "classes": list(NAMES), "matrix": matrix_KK.tolist()}])


def test_a_control_that_answers_evenly_is_at_chance() -> None:
    (said,) = control([0.25] * 4, (0, 1, 2, 3))
    assert (
        said.startswith("Zero-shot among all, unseen gestures: .2") and "This is at chance (.250), which its" in said
    )


def test_below_chance_is_explained_by_gestures_that_take_the_answers() -> None:
    """The score that is expected of such answers is the share of the asked gestures, over their number."""
    (said,) = control([0.5, 0.48, 0.01, 0.01], (2, 3))
    assert "This is below chance (.250;" in said and "98 % are fist and point, which nobody was asked for" in said
    assert said.endswith("expected to score .010, so that the control knows nothing of the gesture.")


def test_above_chance_is_explained_where_the_preferred_gestures_were_asked() -> None:
    (said,) = control([0.45, 0.45, 0.05, 0.05], (0, 1))
    assert "above chance (.250;" in said and said.endswith("so that the control knows nothing of the gesture.")


def test_knowledge_in_a_control_is_a_leak_and_few_people_prove_nothing() -> None:
    (said,) = control([0.25] * 4, (0, 1, 2, 3), knows=0.3)
    assert "above chance" in said and "Look for a leak" in said
    (said,) = control([0.25] * 4, (0, 1, 2, 3), knows=0.3, people=2)
    assert said.endswith("but with 2 people it is too narrow.")


def test_the_score_regardless_of_the_window_is_that_of_answers_in_another_order() -> None:
    rng = np.random.default_rng(0)
    true_N, told_N = rng.choice((1, 3), 600), rng.choice(4, 600, p=[0.1, 0.4, 0.3, 0.2])
    matrix_KK = np.zeros((4, 4))
    np.add.at(matrix_KK, (true_N, told_N), 1)
    scores = []
    for _ in range(300):
        mixed_N = rng.permutation(told_N)
        scores.append(np.mean([(mixed_N[true_N == k] == k).mean() for k in (1, 3)]))
    assert regardless(matrix_KK) == pytest.approx(np.mean(scores), abs=0.005)


def test_results_without_a_control_have_no_sentence() -> None:
    assert control_sentences({"rows": []}, []) == []
