"""Training objectives as pure functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor


def masked_mse(prediction_BNP: Tensor, target_BNP: Tensor, masked_BN: Tensor) -> Tensor:
    """Mean squared error over the masked tokens alone (CPEP section 1; He et al. 2022).

    Args:
        prediction_BNP: reconstruction of every token.
        target_BNP: the tokens themselves.
        masked_BN: true where the encoder did not see the token.

    Raises:
        ValueError: no token is masked.
    """
    if not bool(masked_BN.any()):
        raise ValueError("no token is masked: there is nothing to reconstruct")
    error_BN = (prediction_BNP.float() - target_BNP.float()).square().mean(dim=-1)
    return error_BN[masked_BN].mean()


def pose_loss(
    predicted_BSJ: Tensor, target_BSJ: Tensor, tips_of: Callable[[Tensor], Tensor] | None, weight: float
) -> Tensor:
    """L1 of joint angles plus ``weight`` times the mean distance of fingertips (emg2pose, arXiv 2412.02725).

    Args:
        predicted_BSJ: predicted pose, rad; or in the units of a glove.
        target_BSJ: measured pose.
        tips_of: fingertips (..., 5, 3) in mm of poses, where the hand is known.
        weight: of a millimetre against a radian.
    """
    error = (predicted_BSJ - target_BSJ).abs().mean()
    if tips_of is None or not weight:
        return error
    apart_mm: Tensor = (tips_of(predicted_BSJ) - tips_of(target_BSJ)).norm(dim=-1)
    return error + weight * apart_mm.mean()


def info_nce(emg_BD: Tensor, pose_BD: Tensor, temperature: Tensor | float) -> Tensor:
    """Symmetric InfoNCE: each EMG window finds its pose among the batch, and each pose its EMG.

    Both inputs are L2-normalised here. Source: CPEP section 2 (van den Oord et al. 2018; Radford et al. 2021).

    Args:
        emg_BD: EMG embeddings.
        pose_BD: pose embeddings of the same windows, row by row.
        temperature: positive; similarities are divided by it.

    Raises:
        ValueError: the shapes differ, or there are fewer than two pairs.
    """
    if emg_BD.shape != pose_BD.shape or len(emg_BD) < 2:
        raise ValueError(f"needs two or more pairs, got shapes {emg_BD.shape} and {pose_BD.shape}")
    logits_BB = F.normalize(emg_BD.float(), dim=-1) @ F.normalize(pose_BD.float(), dim=-1).T / temperature
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (F.cross_entropy(logits_BB, own_B) + F.cross_entropy(logits_BB.T, own_B)) / 2


@torch.no_grad()
def calibrated_info_nce(pairs: Sequence[tuple[Tensor, Tensor]], lowest: float, highest: float) -> float:
    """Mean InfoNCE of batches at the temperature between two bounds that suits them best.

    Training drives the temperature to what suits people it has fitted. On other people that is overconfident:
    the loss at that temperature rises while the order of similarities, which is all that a neighbour or a probe
    reads, still improves. InfoNCE is convex in 1 / temperature, so that a search along a line finds the
    lowest loss (Guo et al. 2017 fit the temperature of a classifier likewise).

    Args:
        pairs: EMG embeddings (B, D) and pose embeddings (B, D) of the same windows, batch by batch.
        lowest: smallest temperature.
        highest: largest temperature.

    Raises:
        ValueError: there is no batch, or see ``info_nce``.
    """
    if not pairs:
        raise ValueError("needs a batch")

    def mean_at(inverse: float) -> float:
        return sum(float(info_nce(emg_BD, pose_BD, 1 / inverse)) for emg_BD, pose_BD in pairs) / len(pairs)

    return float(minimize_scalar(mean_at, bounds=(1 / highest, 1 / lowest), method="bounded").fun)
