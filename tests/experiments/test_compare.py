"""Comparisons: who is compared with whom, which windows are pooled, and what is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cpep.evaluate.generalised import borders, paired_figures
from cpep.evaluate.metrics import Answers, balanced_accuracy
from cpep.evaluate.paired import Difference, paired_bootstrap, people_interval
from cpep.experiments.compare import Comparison, both_of, comparisons, summaries
from cpep.experiments.fold import Fold
from cpep.report.markdown import tables_markdown

SKILLS = {"cpep": 0.8, "cpep/avg_pool": 0.6, "ridge": 0.4, "pose": 1.0, "cpep/shuffled_pairs": 0.2, "vemg2pose": 0.5}


def fold(
    number: int, seed: int, users: tuple[str, ...], skills: dict[str, float] = SKILLS, stopped: Sequence[str] = ()
) -> Fold:
    """One fold whose models are right as often as their skill; a pose error without answers comes between."""
    rng = np.random.default_rng((number, seed))
    rows: list[dict[str, Any]] = []
    arrays = {}
    for model, skill in skills.items():
        windows = 30 if model != "cpep/avg_pool" else 20  # of another length
        for protocol in ("zero_shot", "pose_error", "linear_probe"):
            rows.append({"model": model, "protocol": protocol, "gestures": "unseen"})
            if protocol != "pose_error":
                label = rng.integers(3, size=windows * len(users))
                predicted = np.where(rng.random(len(label)) < skill, label, (label + 1) % 3)
                of_row = {"label": label, "predicted": predicted, "user": np.repeat(users, windows)}
                arrays |= {f"{len(rows) - 1}/{name}": array for name, array in of_row.items()}
    training = [{"model": model, "stopped": "compute"} for model in stopped]
    return Fold(number, seed, rows, [], [], training, [], arrays)


def answers(folds: Sequence[Fold], model: str, protocol: str) -> Answers:
    """The answers of one row of all folds."""
    numbers = [[(r["model"], r["protocol"]) for r in f.rows].index((model, protocol)) for f in folds]
    parts = [
        np.concatenate([f.arrays[f"{n}/{name}"] for f, n in zip(folds, numbers, strict=True)])
        for name in ("label", "predicted", "user")
    ]
    return Answers(*parts)


def test_other_systems_come_first_then_ablations_without_control_and_ceiling() -> None:
    folds = [fold(0, 0, ("1", "2")), fold(1, 0, ("3", "4"))]
    found = [(c.one, c.other, c.protocol, c.gestures) for c in comparisons(folds)]
    assert found == [
        ("cpep", other, protocol, "unseen")
        for other in ("ridge", "vemg2pose", "cpep/avg_pool")
        for protocol in ("linear_probe", "zero_shot")
    ]


def test_folds_of_a_seed_are_pooled_and_seeds_are_runs() -> None:
    by_seed = {seed: [fold(0, seed, ("1", "2")), fold(1, seed, ("3", "4"))] for seed in (0, 5)}
    found = {(c.other, c.protocol): c for c in comparisons([f for folds in by_seed.values() for f in folds])}
    for other in ("ridge", "cpep/avg_pool"):
        comparison = found[other, "zero_shot"]
        runs = [[answers(folds, name, "zero_shot") for folds in by_seed.values()] for name in ("cpep", other)]
        assert comparison.difference == paired_bootstrap(*runs)
        assert (comparison.people, comparison.seeds) == (4, (0, 5))


def test_a_summary_is_over_all_people_and_seeds() -> None:
    by_seed = {seed: [fold(0, seed, ("1", "2")), fold(1, seed, ("3", "4"))] for seed in (0, 5)}
    found = summaries([f for folds in by_seed.values() for f in folds])
    (row,) = (r for r in found if (r["model"], r["protocol"]) == ("ridge", "zero_shot"))
    runs = [answers(folds, "ridge", "zero_shot") for folds in by_seed.values()]
    each = [balanced_accuracy(run.label_N, run.predicted_N) for run in runs]
    assert row["balanced_accuracy"] == pytest.approx(np.mean(each), abs=1e-4) and each[0] != each[1]
    assert row["ci95"] == pytest.approx(people_interval(runs)[1:], abs=1e-4)
    assert (row["people"], row["seeds"]) == (4, [0, 5])


def test_a_table_for_pages_marks_what_was_stopped_too_early() -> None:
    folds = [fold(0, 0, ("1", "2"), stopped=("vemg2pose",))]
    results = {
        "rows": [],
        "summary": summaries(folds),
        "comparisons": [comparison.plain() for comparison in comparisons(folds)],
        "training": [{**folds[0].training[0], "parameters": 1, "steps": 1, "share": 1.0}],
    }
    names = [line.split(" | ")[0] for line in tables_markdown(results).splitlines() if line.startswith("| ")]
    assert names.count("| vemg2pose†") == 2 and names.count("| vemg2pose") == 1  # scores, differences; the cost
    assert names.count("| ridge") == 2 and not any(name.startswith("| ridge†") for name in names)


def test_only_complete_seeds_that_both_have_are_compared() -> None:
    without = {name: skill for name, skill in SKILLS.items() if name != "ridge"}
    folds = [fold(0, 0, ("1", "2")), fold(1, 0, ("3", "4")), fold(0, 1, ("1", "2")), fold(1, 1, ("3", "4"), without)]
    found = {(c.other, c.protocol): c for c in comparisons(folds)}
    assert found["ridge", "zero_shot"].seeds == (0,)
    assert found["vemg2pose", "zero_shot"].seeds == (0, 1)
    runs = [[answers(folds[:2], name, "zero_shot")] for name in ("cpep", "ridge")]
    assert found["ridge", "zero_shot"].difference == paired_bootstrap(*runs)
    assert {c.other for c in comparisons(folds[2:])} == {"vemg2pose", "cpep/avg_pool"}


def test_a_fold_in_which_nobody_has_the_gestures_takes_no_seed_away() -> None:
    folds = [fold(0, 0, ("1", "2")), fold(1, 0, ("3", "4")), fold(2, 0, ("5",))]
    for row in folds[2].rows:
        row["gestures"] = "seen"  # person 5 makes no unseen gesture
    found = {(c.other, c.protocol, c.gestures): c for c in comparisons(folds)}
    whole = {(c.other, c.protocol, c.gestures): c for c in comparisons(folds[:2])}
    assert found == whole
    (row,) = (r for r in summaries(folds) if (r["model"], r["protocol"]) == ("ridge", "zero_shot"))
    assert (row["gestures"], row["people"], row["seeds"]) == ("unseen", 4, [0])


def test_people_without_windows_in_one_of_the_rows_are_left_out() -> None:
    one = fold(0, 0, ("1", "2", "3"))
    number = [row["model"] for row in one.rows].index("ridge")
    for name in ("label", "predicted", "user"):
        one.arrays[f"{number}/{name}"] = one.arrays[f"{number}/{name}"][:60]  # nothing of person 3
    (found,) = (c for c in comparisons([one]) if (c.other, c.protocol) == ("ridge", "zero_shot"))
    assert found.people == 2
    mine = answers([one], "cpep", "zero_shot")
    shared = Answers(mine.label_N[:60], mine.predicted_N[:60], mine.user_N[:60])
    assert found.difference == paired_bootstrap([shared], [answers([one], "ridge", "zero_shot")])


def test_seen_and_unseen_together_are_compared_over_folds_and_seeds() -> None:
    folds = [together(number, seed) for seed in (0, 5) for number in (0, 1)]
    by_metric = {c.metric: c for c in comparisons(folds) if c.gestures == "all"}
    assert set(by_metric) == {"harmonic_mean", "ausuc"}
    a, b = ([*both_of(folds, model, "zero_shot_all").values()] for model in ("cpep", "ridge"))
    assert len(a) == 2 and a[0].users == ("a0", "a1", "b0", "b1")
    for metric, found in by_metric.items():
        assert found.difference == paired_figures(a, b, metric) and (found.people, found.seeds) == (4, (0, 5))
        assert found.plain()["metric"] == metric and found.plain()["gestures"] == "all"
    said = by_metric["harmonic_mean"].sentence()
    assert "in zero-shot among all, H, seen and unseen gestures (4 people, 2 seeds): " in said
    assert not any(c.metric for c in comparisons(folds) if c.gestures != "all")
    whole = {(r["model"], r["gestures"]): r for r in summaries(folds)}
    mean = np.mean([run.harmonic_mean(np.ones((1, 4), int)) for run in b])
    assert whole["ridge", "seen"]["harmonic_mean"] == whole["ridge", "unseen"]["harmonic_mean"]
    assert whole["ridge", "seen"]["harmonic_mean"] == pytest.approx(mean, abs=1e-4)
    text = tables_markdown({"rows": [], "summary": list(whole.values()), "comparisons": [by_metric["ausuc"].plain()]})
    assert "zero-shot among all, H | zero-shot among all, AUSUC" in text and text.count("AUSUC") == 2


def together(number: int, seed: int) -> Fold:
    """One fold of two models that are asked seen (1, 2) and unseen (3, 4) gestures with all as answers."""
    rng, rows, arrays = np.random.default_rng((number, seed)), [], {}
    for model, skill in (("cpep", 2.0), ("ridge", 1.0)):
        label, labels = np.tile([1, 2, 3, 4], 20), np.array([1, 2, 3, 4])
        user = np.repeat([f"{'ab'[number]}{k}" for k in range(2)], 40)
        score = rng.normal(size=(80, 4)) + skill * (label[:, None] == labels) + (labels < 3)
        changes, predicted = borders(score, labels, label, (1, 2)), labels[score.argmax(1)]
        for gestures, own in (("seen", label < 3), ("unseen", label > 2)):
            rows.append({"model": model, "protocol": "zero_shot_all", "gestures": gestures, "ausuc": 0.5})
            of_row = {"label": label, "predicted": predicted, "user": user}
            of_row |= {"border": changes.border_N, "right": changes.right_N}
            arrays |= {f"{len(rows) - 1}/{name}": array[own] for name, array in of_row.items()}
    return Fold(number, seed, rows, [], [], [], [], arrays)


def test_one_person_says_nothing_of_others() -> None:
    assert comparisons([fold(0, 0, ("1",))]) == []
    assert comparisons([fold(0, 0, ("1", "2"), {"ridge": 0.4, "pose": 1.0})]) == []  # no cpep


def test_what_is_said_of_an_under_trained_system() -> None:
    folds = [fold(0, 0, ("1", "2")), fold(1, 0, ("3", "4"), stopped=("vemg2pose",))]
    found = {(c.other, c.protocol): c for c in comparisons(folds)}
    assert [key[0] for key, c in found.items() if c.under_trained] == ["vemg2pose", "vemg2pose"]
    said = found["vemg2pose", "zero_shot"].sentence()
    assert said.startswith("cpep is better than vemg2pose in zero-shot on unseen gestures (4 people): +0.")
    assert said.endswith(
        "). vemg2pose stopped at cpep's total compute while its validation loss was falling: under-trained."
    )
    assert "under-trained" not in found["ridge", "zero_shot"].sentence()


def test_sentence_and_plain_form() -> None:
    comparison = Comparison("cpep", "ridge", "zero_shot", "seen", Difference(0.08128, 0.03, 0.12), 24, (0, 1, 2))
    assert comparison.sentence() == (
        "cpep is better than ridge in zero-shot on seen gestures (24 people, 3 seeds): "
        "+0.081 (95 % interval +0.030 to +0.120)."
    )
    assert comparison.plain() == {
        **{"one": "cpep", "other": "ridge", "protocol": "zero_shot", "gestures": "seen"},
        **{"difference": 0.0813, "ci95": [0.03, 0.12], "holds": True, "people": 24, "seeds": [0, 1, 2]},
        "under_trained": False,
    }
    assert not Comparison("a", "b", "zero_shot", "seen", Difference(0.0, -0.1, 0.1), 2, (0,)).plain()["holds"]
