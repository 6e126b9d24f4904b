"""Covariances of channels, seen from the mean covariance of the person's own session.

Electrodes, tissue and the place of a band mix muscles into channels in a way that stays for a session. Covariances of
windows are congruent to that of a reference under such a mixture, so that whitening each by the session's mean takes
it out (Zanini et al. 2018, doi 10.1109/TBME.2017.2742541). It needs no label. Covariances stand here as the upper
triangle of their matrix logarithm, as in ``classical_features``.
"""

from __future__ import annotations

import numpy as np

from cpep.types import FloatArray

ROUNDS = 8
"""Steps towards the geometric mean; after five, what is left is far below the spread of windows."""


def columns_of(channels: int) -> int:
    """Return the number of values of a covariance: F = C (C + 1) / 2."""
    return channels * (channels + 1) // 2


def matrices(log_NF: FloatArray) -> FloatArray:
    """Return symmetric matrices (N, C, C) from their upper triangles (N, F)."""
    channels = int(np.sqrt(2 * log_NF.shape[-1]))
    rows, columns = np.triu_indices(channels)
    full_NCC = np.zeros((len(log_NF), channels, channels))
    full_NCC[:, rows, columns] = log_NF
    full_NCC[:, columns, rows] = log_NF
    return full_NCC


def triangles(full_NCC: FloatArray) -> FloatArray:
    """Return the upper triangles (N, F) of matrices."""
    rows, columns = np.triu_indices(full_NCC.shape[-1])
    return np.asarray(full_NCC[:, rows, columns])


def exponential(log_NCC: FloatArray, factor: float = 1.0) -> FloatArray:
    """Return the matrix exponential of ``factor`` times symmetric matrices."""
    value_NC, vector_NCC = np.linalg.eigh(log_NCC)
    return np.asarray((vector_NCC * np.exp(factor * value_NC)[..., None, :]) @ vector_NCC.swapaxes(-1, -2))


def logarithm(full_NCC: FloatArray) -> FloatArray:
    """Return the matrix logarithm of positive definite matrices."""
    value_NC, vector_NCC = np.linalg.eigh(full_NCC)
    log_NC = np.log(np.maximum(value_NC, np.finfo(float).tiny))
    return np.asarray((vector_NCC * log_NC[..., None, :]) @ vector_NCC.swapaxes(-1, -2))


def geometric_mean(log_NF: FloatArray) -> FloatArray:
    """Return the logarithm (F,) of the geometric mean of covariances, by the fixed point of Karcher.

    Args:
        log_NF: logarithms of the covariances, at least one.
    """
    full_NCC = exponential(matrices(log_NF))
    mean_F = log_NF.mean(axis=0)
    for _ in range(ROUNDS):
        step_F = recentred(log_NF, mean_F, full_NCC).mean(axis=0)
        half_CC = exponential(matrices(mean_F[None]), 0.5)[0]
        moved_CC = half_CC @ exponential(matrices(step_F[None]))[0] @ half_CC
        mean_F = triangles(logarithm(moved_CC[None]))[0]
    return np.asarray(mean_F)


def running_means(log_KF: FloatArray, start_F: FloatArray, weight: float) -> FloatArray:
    """Return the logarithms of the inductive mean after 0, 1, ..., K covariances, (K + 1, F) (Sturm 2003).

    Each covariance moves the mean on the geodesic towards itself, by one over the number of those so far.

    Args:
        log_KF: logarithms of covariances in the order of time.
        start_F: logarithm of the mean before the first.
        weight: how many covariances the start counts as, at least 1.
    """
    found = [start_F]
    for number, row_F in enumerate(log_KF):
        step_F = recentred(row_F[None], found[-1])[0] / (weight + number + 1)
        half_CC = exponential(matrices(found[-1][None]), 0.5)[0]
        found.append(triangles(logarithm((half_CC @ exponential(matrices(step_F[None]))[0] @ half_CC)[None]))[0])
    return np.stack(found)


def recentred(log_NF: FloatArray, mean_F: FloatArray, full_NCC: FloatArray | None = None) -> FloatArray:
    """Return the logarithms of covariances after whitening by a mean: log(M^-1/2 C M^-1/2), (N, F).

    Args:
        log_NF: logarithms of the covariances C.
        mean_F: logarithm of the mean M; or one for each covariance, (N, F).
        full_NCC: the covariances, where they are at hand.
    """
    different_UF, of_mean_N = np.unique(np.atleast_2d(mean_F), axis=0, return_inverse=True)
    whitening_NCC = exponential(matrices(different_UF), -0.5)[of_mean_N.reshape(-1)]
    if full_NCC is None:
        full_NCC = exponential(matrices(log_NF))
    return triangles(logarithm(whitening_NCC @ full_NCC @ whitening_NCC))
