"""Windows of other people whose anchors are alike: they share the gesture, and differ in the person."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpep.runtime import distributed
from cpep.types import IntArray, StrArray, UserError

NEIGHBOURS = 8
"""How many nearest windows of other people there are to draw one from."""
CANDIDATES = 20_000
"""Neighbours are searched among at most this many windows, at equal distances in the list."""
BLOCK = 2048


@torch.no_grad()
def neighbours_of(anchor_ND: Tensor, user_N: StrArray, keep: int = NEIGHBOURS) -> IntArray:
    """Return the positions (N, keep) of the windows of other people whose anchors are nearest by cosine.

    Args:
        anchor_ND: anchor embeddings of windows.
        user_N: person of each window; at least two people.
        keep: how many; fewer where other people have fewer windows.

    Raises:
        UserError: all windows are of one person.
    """
    if len(np.unique(user_N)) < 2:
        raise UserError("windows of other people are asked for, and only one person trains; leave mixup at 0")
    unit_ND = F.normalize(anchor_ND.float(), dim=-1)
    candidates = np.unique(np.linspace(0, len(anchor_ND) - 1, CANDIDATES).astype(int))
    counts = [int((user_N[candidates] != user).sum()) for user in np.unique(user_N)]
    found = np.empty((len(anchor_ND), min(keep, *counts)), dtype=np.int64)
    for user in np.unique(user_N):
        mine, others = np.flatnonzero(user_N == user), candidates[user_N[candidates] != user]
        gallery_DG = unit_ND[torch.from_numpy(others)].T
        for start in range(0, len(mine), BLOCK):
            block = mine[start : start + BLOCK]
            nearest = (unit_ND[torch.from_numpy(block)] @ gallery_DG).topk(found.shape[1], dim=1).indices
            found[block] = others[nearest.cpu().numpy()]
    return found


def drawn(neighbours_BK: IntArray) -> IntArray:
    """Return one neighbour of each window, drawn with the global generator, which the loop seeds at each step."""
    column_B = torch.randint(neighbours_BK.shape[1], (len(neighbours_BK),)).numpy()
    return np.asarray(neighbours_BK[np.arange(len(neighbours_BK)), column_B])


def mixed(signal_BNF: Tensor, other_BNF: Tensor, share: float, part: distributed.Part | None = None) -> Tensor:
    """Mix a share of the windows with those of their neighbours, at most half and half (Zhang et al. 2018).

    The result is EMG of a person between two, at the anchor of both; the window's own anchor stays its target.

    Args:
        signal_BNF: signals.
        other_BNF: signals of their neighbours.
        share: share of the windows that are mixed.
        part: which rows of a batch the windows are, if not all; random numbers are drawn for the whole batch.
    """
    part = part or distributed.Part(0, len(signal_BNF), len(signal_BNF))
    weight_B = (0.5 * torch.rand(part.whole) * (torch.rand(part.whole) < share))[part.rows]
    return signal_BNF.lerp(other_BNF, weight_B.to(signal_BNF)[:, None, None])
