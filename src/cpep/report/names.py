"""The names in results.json in words, and their order in tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from cpep.config.rows import is_ablation
from cpep.evaluate.protocols.base import PROTOCOLS

SCHEMA = 1
"""Version of results.json that is written and read."""

GESTURES = ("seen", "unseen")
TOGETHER = {"H": "harmonic_mean", "AUSUC": "ausuc"}
"""Columns of seen and unseen gestures together, where all of both are possible answers; and their fields of rows."""
TOGETHER_WORDS = {
    "H": "Harmonic mean of the accuracies on seen and on unseen gestures, both of them means over people. It is high"
    " only if both are: a model that never answers an unseen gesture has 0.",
    "AUSUC": "Area under the seen-unseen curve. A model can be made to answer unseen gestures more often, by taking a"
    " constant from the scores of seen ones; accuracy on unseen gestures rises then, and falls on seen ones. The area"
    " under this curve does not depend on any constant: 1 is perfect.",
}
SETS = (*GESTURES, *TOGETHER, "all")
"""What columns of a protocol are of: sets of gestures that are asked, and figures of seen and unseen together."""
BENCHMARK = ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics")
"""Models of the emg2pose benchmark: they predict the pose from EMG, without a contrastive loss."""

DAGGER = "\u2020"
UNDER_TRAINED = "stopped at cpep's total compute while its validation loss was falling: under-trained"


def under_trained_words(training: Sequence[dict[str, Any]]) -> str:
    """Return what ``DAGGER`` means in a run: how much compute stopped the training of marked models.

    >>> under_trained_words([{"model": "emg2pose", "stopped": "compute", "allowed": 10.0}])
    "stopped at 10 times cpep's total compute while its validation loss was falling: under-trained"

    Args:
        training: the entries under this key of results.json; those of older versions do not say what was allowed.
    """
    allowed = sorted({run.get("allowed", 1.0) for run in training if run["stopped"] == "compute"})
    if allowed in ([], [1.0]):
        return UNDER_TRAINED
    return UNDER_TRAINED.replace("at ", f"at {' or '.join(f'{times:g}' for times in allowed)} times ", 1)


def gallery_words(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say that not all poses voted, with the numbers of the largest gallery; nothing where all did.

    >>> gallery_words([{"gallery": [20_000, 40_000]}, {"gallery": [30_000, 60_000]}])
    'In zero-shot 30,000 of 60,000 poses of training people vote, drawn evenly over gestures and people.'
    """
    galleries = [row["gallery"] for row in rows if "gallery" in row]
    if not galleries:
        return ""
    count, whole = max(galleries, key=lambda pair: pair[1])
    drawn = "drawn evenly over gestures and people"
    return f"In zero-shot {count:,} of {whole:,} poses of training people vote, {drawn}."


def title_of(protocol: str) -> str:
    """Return a protocol in words; results may be of one that is not installed here.

    >>> title_of("zero_shot"), title_of("few_shot_9")
    ('zero-shot', 'few shot 9')
    """
    return PROTOCOLS.get(protocol).title if protocol in PROTOCOLS else protocol.replace("_", " ")


def columns_of(present: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return pairs of protocol and set of gestures in the order of the columns of tables, each once.

    >>> columns_of({("mine", "all"), ("zero_shot", "unseen"), ("zero_shot", "seen"), ("linear_probe", "seen")})
    [('linear_probe', 'seen'), ('zero_shot', 'seen'), ('zero_shot', 'unseen'), ('mine', 'all')]
    """
    found = {protocol for protocol, _ in present}
    protocols = [*PROTOCOLS.names(), *sorted(found - set(PROTOCOLS.names()))]
    return [(protocol, gestures) for protocol in protocols for gestures in SETS if (protocol, gestures) in present]


def metric_of(gestures: str) -> str:
    """Return the field of a row that a column shows.

    >>> metric_of("unseen"), metric_of("H")
    ('balanced_accuracy', 'harmonic_mean')
    """
    return TOGETHER.get(gestures, "balanced_accuracy")


def compared_in(comparison: Mapping[str, Any]) -> str:
    """Return what the column of a comparison of results.json is of: a set of gestures, or a figure of both."""
    figures = {metric: name for name, metric in TOGETHER.items()}
    return str(figures.get(comparison.get("metric", ""), comparison["gestures"]))


def summarised(results: Mapping[str, Any]) -> dict[tuple[str, str, str], tuple[float, tuple[float, float], int]]:
    """Return value, 95 % interval and number of people of every row over all people, by model and column."""
    found: dict[tuple[str, str, str], tuple[float, tuple[float, float], int]] = {}
    for one in results.get("summary", []):
        where, (low, high) = (one["model"], one["protocol"]), one["ci95"]
        found[(*where, one["gestures"])] = (one["balanced_accuracy"], (low, high), one["people"])
        for name, metric in TOGETHER.items():
            if metric in one and f"{metric}_ci95" in one:
                low, high = one[f"{metric}_ci95"]
                found[(*where, name)] = (one[metric], (low, high), one["people"])
    return found


def explained(columns: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the terms of columns, protocol and gestures, with their explanations, each once."""
    found: dict[str, str] = {}
    for protocol, gestures in columns:
        if protocol in PROTOCOLS and (term := PROTOCOLS.get(protocol).term):
            found[term] = PROTOCOLS.get(protocol).words
        if gestures in TOGETHER:
            found[gestures] = TOGETHER_WORDS[gestures]
    return found


def main_first(models: Iterable[str]) -> list[str]:
    """Return names without repetition, ablations after all others, otherwise in their order."""
    return sorted(dict.fromkeys(models), key=is_ablation)


def trainings(results: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the entries on training of every fold and seed, by model: main models first.

    Args:
        results: content of results.json; files of older versions have no such entries.
    """
    runs = results.get("training", [])
    return {
        model: [run for run in runs if run["model"] == model] for model in main_first(run["model"] for run in runs)
    }


def under_trained(training: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Return the models that the limit on compute stopped in at least one run.

    Args:
        training: the entries under this key of results.json: model, fold, seed, ``stopped`` and what it cost.
    """
    return frozenset(run["model"] for run in training if run["stopped"] == "compute")
