"""How well simple classifiers tell the simulated gestures apart: within a session, and across people."""

from __future__ import annotations

import numpy as np

from cpep.simulate.measures import Windows
from cpep.types import BoolArray, FloatArray, IntArray

FOLDS = 4
NEIGHBOURS = 10
RIDGE_STRENGTH = 100.0
SHRINKAGE = 0.05


def standardised(windows: Windows) -> FloatArray:
    """Return the features (N, D) of each session in units of its own mean and SD; needs no label."""
    x_ND = np.empty_like(windows.x_ND)
    for session in np.unique(windows.session_N):
        mask_N = windows.session_N == session
        part_ND = windows.x_ND[mask_N]
        x_ND[mask_N] = (part_ND - part_ND.mean(axis=0)) / (part_ND.std(axis=0) + 1e-9)
    return x_ND


def within_session(windows: Windows) -> float:
    """Return the accuracy of LDA within a session, each prompt tested by the other prompts, mean of sessions."""
    scores = []
    for session in np.unique(windows.session_N):
        part = windows.select(windows.session_N == session)
        predicted_N = np.zeros(len(part.label_N), int)
        for prompt in np.unique(part.repetition_N):
            # The n-th prompts of all gestures together, so that no fold lacks a gesture.
            test_N = part.repetition_N == prompt
            predicted_N[test_N] = lda(part.x_ND[~test_N], part.label_N[~test_N], part.x_ND[test_N])
        scores.append(_balanced(part.label_N, predicted_N))
    return float(np.mean(scores))


def donned_again(windows: Windows, x_ND: FloatArray) -> float:
    """Return the accuracy of LDA from a person's first session to the second, mean of people."""
    scores = []
    for user in np.unique(windows.user_N):
        first, second = (windows.session_N == session for session in _sessions(windows, user))
        predicted_N = lda(x_ND[first], windows.label_N[first], x_ND[second])
        scores.append(_balanced(windows.label_N[second], predicted_N))
    return float(np.mean(scores))


def _sessions(windows: Windows, user: str) -> tuple[str, str]:
    first, second = np.unique(windows.session_N[windows.user_N == user])
    return first, second


def across_people(windows: Windows, x_ND: FloatArray) -> float:
    """Return the accuracy of LDA on people it was not fitted on, mean of folds."""
    scores = []
    for test_N in _folds(windows):
        predicted_N = lda(x_ND[~test_N], windows.label_N[~test_N], x_ND[test_N])
        scores.append(_balanced(windows.label_N[test_N], predicted_N))
    return float(np.mean(scores))


def zero_shot(windows: Windows, x_ND: FloatArray, seen: tuple[int, ...], gallery: tuple[int, ...]) -> float:
    """Return the accuracy of ridge EMG->pose and nearest poses, on unseen gestures of people it never met.

    Args:
        windows: all gestures.
        x_ND: their features.
        seen: labels that the regression is fitted on.
        gallery: labels of the poses of other people among which the nearest are looked for.
    """
    scores, seen_N = [], np.isin(windows.label_N, seen)
    for test_N in _folds(windows):
        fit_N, gallery_N = ~test_N & seen_N, ~test_N & np.isin(windows.label_N, gallery)
        asked_N = test_N & ~seen_N
        pose_GJ, label_G = windows.pose_NJ[gallery_N], windows.label_N[gallery_N]
        predicted_N = _vote(ridge(x_ND[fit_N], windows.pose_NJ[fit_N], x_ND[asked_N]), pose_GJ, label_G)
        scores.append(_balanced(windows.label_N[asked_N], predicted_N))
    return float(np.mean(scores))


def _vote(query_QJ: FloatArray, gallery_GJ: FloatArray, label_G: IntArray) -> IntArray:
    """Return the majority label of the most similar poses (cosine of standardised angles)."""
    mean_J, sd_J = gallery_GJ.mean(axis=0), gallery_GJ.std(axis=0) + 1e-9
    query_QJ, gallery_GJ = (query_QJ - mean_J) / sd_J, (gallery_GJ - mean_J) / sd_J
    gallery_GJ /= np.linalg.norm(gallery_GJ, axis=1, keepdims=True)
    nearest_QK = np.argpartition(-query_QJ @ gallery_GJ.T, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    votes_QL = (label_G[nearest_QK][:, :, None] == np.arange(label_G.max() + 1)).sum(axis=1)
    winner_Q: IntArray = votes_QL.argmax(axis=1)
    return winner_Q


def _folds(windows: Windows) -> list[BoolArray]:
    """Return test masks (N,), one a fold; people go to the folds in turn."""
    people, number_N = np.unique(windows.user_N, return_inverse=True)
    folds = min(FOLDS, len(people))
    return [number_N % folds == fold for fold in range(folds)]


def lda(x_ND: FloatArray, label_N: IntArray, test_ND: FloatArray) -> IntArray:
    """Return the labels of test vectors by linear discriminant analysis with a shrunk covariance."""
    labels, class_N, count_K = np.unique(label_N, return_inverse=True, return_counts=True)
    mean_KD = np.stack([x_ND[class_N == k].mean(axis=0) for k in range(len(labels))])
    rest_ND = x_ND - mean_KD[class_N]
    covariance_DD = (1 - SHRINKAGE) * (rest_ND.T @ rest_ND) / len(x_ND)
    covariance_DD += SHRINKAGE * np.mean(rest_ND**2) * np.eye(x_ND.shape[1])
    weight_DK = np.linalg.solve(covariance_DD, mean_KD.T)
    offset_K = np.log(count_K / len(x_ND)) - 0.5 * (mean_KD.T * weight_DK).sum(axis=0)
    predicted: IntArray = labels[(test_ND @ weight_DK + offset_K).argmax(axis=1)]
    return predicted


def ridge(x_ND: FloatArray, pose_NJ: FloatArray, test_ND: FloatArray) -> FloatArray:
    """Return the poses of test vectors by ridge regression with an offset."""
    x_D, pose_J = x_ND.mean(axis=0), pose_NJ.mean(axis=0)
    centred_ND = x_ND - x_D
    gram_DD = centred_ND.T @ centred_ND + RIDGE_STRENGTH * np.eye(x_ND.shape[1])
    predicted: FloatArray = (test_ND - x_D) @ np.linalg.solve(gram_DD, centred_ND.T @ (pose_NJ - pose_J)) + pose_J
    return predicted


def _balanced(label_N: IntArray, predicted_N: IntArray) -> float:
    return float(np.mean([(predicted_N[label_N == label] == label).mean() for label in np.unique(label_N)]))
