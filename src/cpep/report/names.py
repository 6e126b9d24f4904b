"""The names of results.md in words, and what kind of row each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cpep.config.rows import is_ablation

PROTOCOLS = {
    "linear_probe": "linear probe",
    "zero_shot": "zero-shot",
    "zero_shot_all": "zero-shot among all",
    "few_shot_1": "1 window",
    "few_shot_2": "2 windows",
    "few_shot_5": "5 windows",
    "few_shot_rep": "1 repetition",
}
GESTURES = ("seen", "unseen")
SETS = (*GESTURES, "all")
"""Sets of gestures that windows are tested of."""
BENCHMARK = ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics")
"""Models of the emg2pose benchmark: from EMG to the pose, without contrast."""

DAGGER = "\u2020"
UNDER_TRAINED = "stopped at cpep's total compute while its validation loss was falling: under-trained"


def main_first(models: Iterable[str]) -> list[str]:
    """Return names without repetition, ablations after all others, otherwise in their order."""
    return sorted(dict.fromkeys(models), key=is_ablation)


def trainings(results: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what training cost in every fold and seed, by model: main models first.

    Args:
        results: content of results.json; files of older versions say nothing of it.
    """
    runs = results.get("training", [])
    return {
        model: [run for run in runs if run["model"] == model] for model in main_first(run["model"] for run in runs)
    }


def under_trained(training: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Return the models of which some run was stopped by the limit on compute.

    Args:
        training: that key of results.json: model, fold, seed, ``stopped`` and what it cost.
    """
    return frozenset(run["model"] for run in training if run["stopped"] == "compute")
