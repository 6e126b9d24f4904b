"""The names of results.md in words, and what kind of row each is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cpep.evaluate.protocols.base import PROTOCOLS

GESTURES = ("seen", "unseen")
SETS = (*GESTURES, "all")
"""Sets of gestures that windows are tested of."""
MODELS = {
    "cpep": "EMG encoder aligned to a frozen pose encoder",
    "embridge": "CPEP with queries, masked poses and soft targets",
    "emg_mae": "EMG encoder before alignment (masked autoencoder)",
    "features": "classical EMG features, no network",
    "features/lda": "the same features, linear discriminant analysis instead of logistic regression",
    "cpep/adapted": "CPEP after adaptation to each person's recording, without labels",
    "features/adapted": "features after adaptation to each person's recording, without labels",
    "ridge": "linear regression from features to pose, nearest pose",
    "cca": "canonical correlation of features and pose, nearest pose",
    "supervised": "the same encoder trained on labels of seen gestures",
    "vemg2pose": "convolutions and an LSTM that predict joint velocities",
    "emg2pose": "the same convolutions, an MLP that predicts joint positions",
    "neuropose": "U-shaped convolutional network that predicts the pose",
    "sensing_dynamics": "convolutions around the arm that predict the pose",
    "pose_t": "CPEP's encoder with a head that predicts the pose",
    "pose": "the hand's pose itself instead of EMG",
    "cpep/shuffled_pairs": "poses dealt to EMG at random: zero-shot must be at chance",
    "cpep/frozen_emg": "EMG encoder frozen, only the projection learns",
    "cpep/random_init_emg": "EMG encoder starts from random weights",
    "cpep/random_init_pose": "pose encoder with random weights",
    "cpep/no_mae_equal_compute": "EMG encoder not pre-trained, aligned for longer",
    "cpep/avg_pool": "mean of all tokens instead of [CLS]",
    "cpep/both_trained": "pose encoder trained along",
    "cpep/no_projection": "no projection head",
    "cpep/mlp_projection": "projection head of two layers",
    "cpep/patch_x4": "EMG tokens four times as long, as near as they divide the window",
    "cpep/bin_x4": "EMG bins four times as long",
    "cpep/window_0.5s": "windows of 0.5 s",
    "cpep/window_1s": "windows of 1 s",
    "cpep/mask_0.25": "a quarter of the tokens masked, as near as they divide",
    "cpep/mask_0.75": "three quarters of the tokens masked, as near as they divide",
    "cpep/fixed_tau": "temperature stays at its initial value",
    "cpep/fixed_tau_0.1": "temperature stays at 0.1",
    "cpep/raw_patches": "raw EMG samples as tokens",
    "cpep/no_augmentation": "no augmentation of the EMG",
    "cpep/pairs_40pct": "aligned on 40 % of the pairs",
    "cpep/pairs_10pct": "aligned on 10 % of the pairs",
    "cpep/lag_55ms": "paired with the pose 55 ms later",
    "cpep/gallery_10pct": "10 % of the gallery's poses",
    "cpep/gallery_1pct": "1 % of the gallery's poses",
    "cpep/k_1": "the nearest pose alone decides",
    "cpep/k_50": "the 50 nearest poses vote",
    "cpep/cascle": "soft targets from communities of poses (a part of EMBridge)",
    "cpep/queries": "queries of a Q-Former (a part of EMBridge)",
    "cpep/reconstruct": "queries that also reconstruct masked poses (two parts of EMBridge)",
    "cpep/sigmoid": "a sigmoid of every pair instead of a softmax",
    "cpep/smoothing": "targets smoothed over the batch",
    "cpep/softclip": "targets on poses that are alike",
    "cpep/supcon": "targets on all poses of a community",
    "cpep/regress": "the pose predicted from the embedding, too",
    "cpep/adversary": "a classifier of people must not find them in the embedding",
    "cpep/moments": "mean and covariance of the embedding alike for all people",
    "cpep/mixup": "windows mixed with those of other people at the same pose",
    "cpep/softclip_mixup": "targets on poses that are alike, and windows mixed with those of other people",
    "cpep/hard_targets": "the paper's loss: each window's own pose is its only target",
    "cpep/lda": "probe by linear discriminant analysis",
}
ROLES = {"pose": "ceiling", "cpep/shuffled_pairs": "control"}
BENCHMARK = ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics")
"""Models of the emg2pose benchmark: from EMG to the pose, without contrast."""

DAGGER = "\u2020"
UNDER_TRAINED = "stopped at cpep's total compute while its validation loss was falling: under-trained"


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


def explained(protocols: Iterable[str]) -> dict[str, str]:
    """Return the terms of protocols with their explanations, each once."""
    known = [PROTOCOLS.get(protocol) for protocol in protocols if protocol in PROTOCOLS]
    return {protocol.term: protocol.words for protocol in known if protocol.term}


def is_ablation(model: str) -> bool:
    """Tell whether a name is a variant of a model that is trained; neither the control nor another read-out is.

    >>> is_ablation("cpep/avg_pool"), is_ablation("cpep"), is_ablation("cpep/shuffled_pairs")
    (True, False, False)
    """
    return "/" in model and model not in ROLES and not model.startswith("features") and not model.endswith("/adapted")


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
