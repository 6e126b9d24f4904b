"""The map of the report: embeddings of EMG and of poses in one plane, by one linear projection of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpep.evaluate.knn import unit_rows
from cpep.types import EmbeddingSet, FloatArray, IntArray

MOST_POINTS = 300
"""So many windows of EMG, and so many poses, are drawn in one map."""


@dataclass(frozen=True)
class Map:
    """Embeddings of one set of gestures in a plane.

    Attributes:
        gestures: name of the set.
        emg, pose: some windows of EMG and some poses, as (x, y, gesture).
        shown: share of the variance between the gestures' mean poses that lies in the plane.
        gap: distance from the centre of the EMG to the centre of the poses, in the whole space.
        apart: mean distance between the mean poses of two gestures, in the whole space; 0 with one gesture.
        windows, poses: number of windows and of poses that these figures are of.
        people, pose_people: number of people whose windows and whose poses these are.
    """

    gestures: str
    emg: list[list[Any]]
    pose: list[list[Any]]
    shown: float
    gap: float
    apart: float
    windows: int
    poses: int
    people: int
    pose_people: int


def maps_of(
    emg: EmbeddingSet, pose: EmbeddingSet, sets: Mapping[str, Sequence[int]], names: Sequence[str], seed: int
) -> list[Map]:
    """Project EMG and poses of each set of gestures into a plane that the poses alone decide.

    All vectors have length one, as in zero-shot. The origin is the mean of the gestures' mean poses, and the axes
    are the two directions in which the mean poses differ most (`axes_of`). EMG is projected by the same matrix, so
    that a distance between EMG and poses is seen where it lies in the plane. The distance between the two centres in
    the whole space is the modality gap of Liang et al. 2022 (arXiv 2203.02053), with each gesture counted the same.

    Args:
        emg: windows of EMG of people who are tested.
        pose: poses of the gallery.
        sets: labels of each set of gestures.
        names: names of the labels.
        seed: of the choice of the points that are drawn.

    Returns:
        One map a set; none of a set without EMG, or whose poses are all the same.
    """
    found = []
    for gestures, labels in sets.items():
        own_emg, own_pose = (data.select(np.isin(data.label_N, labels)) for data in (emg, pose))
        if len(own_emg) and len(own_pose):
            made = _map(gestures, own_emg, own_pose, names, np.random.default_rng(seed))
            found += [made] if made else []
    return found


def _map(
    gestures: str, emg: EmbeddingSet, pose: EmbeddingSet, names: Sequence[str], rng: np.random.Generator
) -> Map | None:
    emg_ND, pose_ND = (unit_rows(data.x_ND).astype(np.float64) for data in (emg, pose))
    mean_KD, present_K = means_of(pose_ND, pose.label_N)
    centre_D = mean_KD.mean(axis=0)
    axes = axes_of(pose_ND, pose.label_N)
    if axes is None:
        return None
    axes_2D, shown = axes
    emg_mean_KD, heard_K = means_of(emg_ND, emg.label_N)
    both = np.intersect1d(present_K, heard_K)
    gap_D = emg_mean_KD[np.isin(heard_K, both)].mean(axis=0) - mean_KD[np.isin(present_K, both)].mean(axis=0)
    first_P, second_P = np.triu_indices(len(mean_KD), 1)
    between_P = np.linalg.norm(mean_KD[first_P] - mean_KD[second_P], axis=1)

    def drawn(x_ND: FloatArray, data: EmbeddingSet) -> list[list[Any]]:
        some = np.sort(rng.permutation(len(x_ND))[:MOST_POINTS])
        place_N2 = (x_ND[some] - centre_D) @ axes_2D.T
        return [
            [round(float(x), 4), round(float(y), 4), names[label]]
            for (x, y), label in zip(place_N2, data.label_N[some], strict=True)
        ]

    return Map(
        gestures=gestures,
        emg=drawn(emg_ND, emg),
        pose=drawn(pose_ND, pose),
        shown=round(shown, 4),
        gap=round(float(np.linalg.norm(gap_D)), 4),
        apart=round(float(between_P.mean()), 4) if len(between_P) else 0.0,
        windows=len(emg),
        poses=len(pose),
        people=len(set(emg.user_N.tolist())),
        pose_people=len(set(pose.user_N.tolist())),
    )


def means_of(x_ND: FloatArray, label_N: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the mean vector of each label, (K, D), and the labels."""
    labels_K = np.unique(label_N)
    return np.array([x_ND[label_N == label].mean(axis=0) for label in labels_K]), labels_K


def axes_of(x_ND: FloatArray, label_N: IntArray) -> tuple[FloatArray, float] | None:
    """Return two orthogonal directions, (2, D), and the share of the variance between means that they hold.

    The directions are those in which the mean vectors of the labels vary most: a principal component analysis of the
    means. The means of two labels differ in one direction only; the second direction is then the one, orthogonal to
    it, in which single vectors vary most. Returns ``None`` where vectors vary in fewer than two directions.

    Args:
        x_ND: vectors.
        label_N: their labels.
    """
    mean_KD, _ = means_of(x_ND, label_N)
    length_R, between_RD = _components(mean_KD - mean_KD.mean(axis=0))
    first_RD = between_RD[:2]
    rest_ND = x_ND - x_ND.mean(axis=0)
    _, within_RD = _components(rest_ND - rest_ND @ first_RD.T @ first_RD)
    axes_RD = np.concatenate([first_RD, within_RD])[:2]
    if len(axes_RD) < 2:
        return None
    sign_R = np.sign(axes_RD[np.arange(2), np.abs(axes_RD).argmax(axis=1)])
    shown = float((length_R[:2] ** 2).sum() / (length_R**2).sum()) if len(length_R) else 1.0
    return axes_RD * sign_R[:, None], shown


def _components(x_ND: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lengths and directions of the principal components of centred vectors, those of length 0 left out."""
    _, length_R, direction_RD = np.linalg.svd(x_ND, full_matrices=False)
    real_R = length_R > 1e-6 * max(float(np.sqrt(len(x_ND))), 1.0)
    return length_R[real_R], direction_RD[real_R]
