"""Training objectives as pure functions of tensors; all compute in fp32, also under autocast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")

HALF = (torch.bfloat16, torch.float16)


def in_fp32(compute: Callable[P, T]) -> Callable[P, T]:
    """Return a function of tensors that computes in fp32, also under autocast.

    Autocast would round the factors of a product to bf16; at a temperature of 0.02 this moves a logit by up to 0.3.
    Tensors of half precision are made fp32 first; all others stay as they are.
    """

    @wraps(compute)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        values = (*args, *kwargs.values())
        device = next(value.device.type for value in values if isinstance(value, Tensor))
        with torch.autocast(device, enabled=False):
            return compute(*map(_raised, args), **{name: _raised(value) for name, value in kwargs.items()})

    return call


def _raised(value: Any) -> Any:
    """Return a tensor of half precision in fp32, and anything else as it is."""
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value


@in_fp32
def masked_mse(prediction_BNP: Tensor, target_BNP: Tensor, masked_BN: Tensor) -> Tensor:
    """Return the mean squared error over the masked tokens alone (CPEP section 1; He et al. 2022).

    Args:
        prediction_BNP: reconstruction of every token.
        target_BNP: target of every token, from ``Encoder.targets``.
        masked_BN: true where the encoder did not see the token.

    Raises:
        ValueError: no token is masked.
    """
    if not bool(masked_BN.any()):
        raise ValueError("no token is masked: there is nothing to reconstruct")
    error_BN = (prediction_BNP - target_BNP).square().mean(dim=-1)
    return error_BN[masked_BN].mean()


@in_fp32
def pose_loss(
    predicted_BSJ: Tensor, target_BSJ: Tensor, tips_of: Callable[[Tensor], Tensor] | None, weight: float
) -> Tensor:
    """Return the L1 of joint angles plus ``weight`` times the mean distance of fingertips (arXiv 2412.02725).

    Args:
        predicted_BSJ: predicted pose, rad; or in the units of a glove.
        target_BSJ: measured pose.
        tips_of: returns the fingertips of poses, (..., 5, 3) in mm; none where the hand is not known.
        weight: weight of a millimetre against a radian.
    """
    error = (predicted_BSJ - target_BSJ).abs().mean()
    if tips_of is None or not weight:
        return error
    apart_mm: Tensor = (tips_of(predicted_BSJ) - tips_of(target_BSJ)).norm(dim=-1)
    return error + weight * apart_mm.mean()


@in_fp32
def similarities(emg: Tensor, anchor_BD: Tensor) -> Tensor:
    """Return the cosine (B, B') of every EMG window with every pose; with queries, of its nearest query.

    Args:
        emg: EMG embeddings (B, D), or queries (B, Q, D) of EMBridge.
        anchor_BD: pose embeddings (B', D).
    """
    found = F.normalize(emg, dim=-1) @ F.normalize(anchor_BD, dim=-1).T
    return found if emg.ndim == 2 else found.amax(dim=1)


@in_fp32
def info_nce(emg: Tensor, anchor_BD: Tensor, temperature: Tensor | float, target_BB: Tensor | None = None) -> Tensor:
    """Return symmetric InfoNCE: each EMG window finds its pose among the batch, and each pose its EMG.

    Both inputs are L2-normalised here. Source: CPEP section 2 (van den Oord et al. 2018; Radford et al. 2021).

    Args:
        emg: EMG embeddings (B, D) or (B, Q, D), see ``similarities``.
        anchor_BD: pose embeddings of the same windows, row by row.
        temperature: positive; similarities are divided by it.
        target_BB: target distribution of each window (row) over the poses, used both ways; without it, its own pose.

    Raises:
        ValueError: the shapes differ, or there are fewer than two pairs.
    """
    _refuse_unpaired(emg, anchor_BD)
    logits_BB = similarities(emg, anchor_BD) / temperature
    if target_BB is None:
        target_BB = torch.arange(len(logits_BB), device=logits_BB.device)
    return (F.cross_entropy(logits_BB, target_BB) + F.cross_entropy(logits_BB.T, target_BB)) / 2


def _refuse_unpaired(emg: Tensor, anchor_BD: Tensor) -> None:
    if len(emg) != len(anchor_BD) or emg.shape[-1] != anchor_BD.shape[-1] or len(emg) < 2:
        raise ValueError(f"needs two or more pairs, got shapes {emg.shape} and {anchor_BD.shape}")


@in_fp32
def sigmoid_loss(emg: Tensor, anchor_BD: Tensor, temperature: Tensor | float, bias: Tensor | float) -> Tensor:
    """Return the loss of SigLIP (Zhai et al. 2023): each pair by itself, own pose or not; mean over windows.

    Args:
        emg: as for ``info_nce``.
        anchor_BD: as for ``info_nce``.
        temperature: positive.
        bias: added to the logits; negative, since most pairs are no match.
    """
    logits_BB = similarities(emg, anchor_BD) / temperature + bias
    sign_BB = 2 * torch.eye(len(logits_BB), device=logits_BB.device) - 1
    return -F.logsigmoid(sign_BB * logits_BB).sum() / len(logits_BB)


@in_fp32
def soft_targets(alike_BB: Tensor, temperature: float, share: float) -> Tensor:
    """Return targets (B, B) with a share of the mass on poses that are alike (Gao et al. 2023, SoftCLIP).

    Args:
        alike_BB: symmetric similarity of the batch's poses; equal values give label smoothing.
        temperature: of the softmax over these similarities.
        share: share of the mass that the softmax distributes; the rest stays on the own pose.
    """
    own_BB = torch.eye(len(alike_BB), device=alike_BB.device)
    return (1 - share) * own_BB + share * (alike_BB / temperature).softmax(dim=1)


@in_fp32
def affinities(pose_ND: Tensor, centre_KD: Tensor, keep: int, temperature: float) -> Tensor:
    """Return how much each pose belongs to each community, (N, K); each row sums to 1 (EMBridge).

    Args:
        pose_ND: pose embeddings.
        centre_KD: centres of the communities (k-means on pose embeddings).
        keep: how many communities a pose belongs to, the nearest; the others are 0.
        temperature: of the softmax over the cosines to the nearest.
    """
    cosine_NK = F.normalize(pose_ND, dim=-1) @ F.normalize(centre_KD, dim=-1).T
    best, index = cosine_NK.topk(min(keep, len(centre_KD)), dim=1)
    return torch.zeros_like(cosine_NK).scatter(1, index, (best / temperature).softmax(dim=1))


@in_fp32
def cascle(
    emg: Tensor, anchor_BD: Tensor, affinity_BK: Tensor, temperature: Tensor | float, target_temperature: float
) -> Tensor:
    """Return the community-aware soft contrastive loss of EMBridge (ICLR 2026).

    The similarity of two poses is the cosine of their affinities to communities. Its softmax over the *other*
    windows of the batch is the target; the softmax of EMG-pose similarities over the same windows is fitted to it,
    both ways. The own pose takes no part: InfoNCE is for that.

    Args:
        emg: as for ``info_nce``.
        anchor_BD: as for ``info_nce``.
        affinity_BK: see ``affinities``.
        temperature: temperature of the EMG-pose similarities.
        target_temperature: temperature of the similarities of poses.
    """
    own_BB = torch.eye(len(anchor_BD), dtype=torch.bool, device=anchor_BD.device)
    alike_BB = similarities(affinity_BK, affinity_BK) / target_temperature
    target_BB = alike_BB.masked_fill(own_BB, -math.inf).softmax(dim=1)
    logits_BB = similarities(emg, anchor_BD) / temperature
    total = logits_BB.new_zeros(())
    for way_BB in (logits_BB, logits_BB.T):
        share_BB = way_BB.masked_fill(own_BB, -math.inf).log_softmax(dim=1)
        total = total - (target_BB * share_BB.masked_fill(own_BB, 0.0)).sum(dim=1).mean() / 2
    return total


@in_fp32
def moment_distance(x_BD: Tensor, person_B: Tensor) -> Tensor:
    """Return the squared distance of each person's mean and covariance to the batch's, mean over people (CORAL).

    Source: Sun and Saenko 2016, "Deep CORAL", which is for two domains and for covariances alone.

    Args:
        x_BD: embeddings.
        person_B: person of each embedding.
    """
    people = torch.unique(person_B)
    whole_D, whole_DD = x_BD.mean(dim=0), torch.cov(x_BD.T, correction=0)
    total = x_BD.new_zeros(())
    for person in people:
        own_ND = x_BD[person_B == person]
        apart_D, apart_DD = own_ND.mean(dim=0) - whole_D, torch.cov(own_ND.T, correction=0) - whole_DD
        total = total + apart_D.square().sum() + apart_DD.square().sum()
    return total / len(people)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


def reversed_gradient(x: Tensor) -> Tensor:
    """Return ``x``; the gradient that comes back is reversed (Ganin et al. 2016)."""
    out: Tensor = _Reversed.apply(x)  # type: ignore[no-untyped-call]
    return out


@torch.no_grad()
def calibrated_info_nce(pairs: Sequence[tuple[Tensor, Tensor]], lowest: float, highest: float) -> float:
    """Return the mean InfoNCE of batches at the temperature, between two bounds, with the lowest loss.

    Training moves the temperature to the best value for training people. For other people this value is
    overconfident: the loss at it rises while the order of similarities still improves, and nearest neighbours depend
    on that order alone. InfoNCE is convex in 1 / temperature, so a line search finds the lowest loss (Guo et al.
    2017 fit the temperature of a classifier in the same way).

    Args:
        pairs: EMG embeddings (B, D) and pose embeddings (B, D) of the same windows, batch by batch.
        lowest: smallest temperature.
        highest: largest temperature.

    Raises:
        ValueError: there is no batch, or a batch is refused by ``info_nce``.
    """
    if not pairs:
        raise ValueError("needs a batch")
    for emg_BD, anchor_BD in pairs:
        _refuse_unpaired(emg_BD, anchor_BD)
    stacks: dict[int, list[Tensor]] = {}
    for emg_BD, anchor_BD in pairs:
        stacks.setdefault(len(emg_BD), []).append(similarities(emg_BD, anchor_BD))
    stacked = [torch.stack(found) for found in stacks.values()]  # batches of one size at once

    from scipy.optimize import minimize_scalar  # half a second, which who opens a checkpoint need not wait for

    def mean_at(inverse: float) -> float:
        return sum(float(_summed_info_nce(found_KBB * inverse)) for found_KBB in stacked) / len(pairs)

    return float(minimize_scalar(mean_at, bounds=(1 / highest, 1 / lowest), method="bounded").fun)


def _summed_info_nce(logits_KBB: Tensor) -> Tensor:
    """Return the sum over K batches of what ``info_nce`` is on these logits."""
    own = logits_KBB.diagonal(dim1=1, dim2=2).mean()
    both = logits_KBB.logsumexp(dim=2).mean() + logits_KBB.logsumexp(dim=1).mean()
    return len(logits_KBB) * (both / 2 - own)
