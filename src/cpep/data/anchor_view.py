"""The columns of the anchor that models read: as recorded, what the pose asks of the forearm's muscles, or both."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cpep.config.schema import AnchorView
from cpep.data.anchor import Anchor
from cpep.hand.joints import JOINTS
from cpep.hand.muscles import FOREARM_V, HIGHEST_J, LOWEST_J, REST_J, demand
from cpep.types import FloatArray, UserError

KNOT_S = 0.1
"""Muscles are computed this often, and linearly in between: torques change no faster."""

SENSORS: dict[str, int] = {
    "THUMB_CMC_FE": 1,
    "THUMB_MCP_FE": 2,
    "THUMB_IP_FE": 3,
    "THUMB_CMC_AA": 4,
    "INDEX_MCP_FE": 5,
    "INDEX_PIP_FE": 6,
    "MIDDLE_MCP_FE": 8,
    "MIDDLE_PIP_FE": 9,
    "RING_MCP_FE": 12,
    "RING_PIP_FE": 13,
    "PINKY_MCP_FE": 16,
    "PINKY_PIP_FE": 17,
}
"""Sensors, from 1, of a CyberGlove II with 22 by the joint that they bend with, in the manufacturer's order.

Sensors are taken to rise as the joint flexes, and that of the thumb's base as the thumb is abducted; NinaPro says
nothing of signs, and the thumb of DB1 disagrees (docs/results/muscles.md). Not used: the sensors of the last
joints, which a small hand does not reach (NinaPro, instructions of DB9), of the angles between fingers, of the palm,
and of the wrist.
"""
GLOVE = tuple(f"glove_{sensor:02d}" for sensor in range(1, 23))
"""Names of the columns of that glove, as NinaPro's reader gives them."""
LAST_JOINT = 2 / 3
"""The last joint of a finger bends with the one before, by this share of its bend from rest."""


class ViewedAnchor:
    """Turns windows of an anchor, normalised as its kind says, into what models read.

    Muscles are those of ``cpep.hand.muscles.demand``: they need joint angles of a hand, which a glove's sensors stand
    for: the median of a session is the relaxed hand, and half the distance of the 2nd and 98th percentile of a sensor
    is half the joint's range of motion. This needs no label.

    Args:
        anchor: what is recorded.
        view: the columns that are read.
        rate: frames per second.

    Raises:
        UserError: muscles are asked for, and the anchor is neither a hand nor such a glove.
    """

    def __init__(self, anchor: Anchor, view: AnchorView, rate: float) -> None:
        self.anchor, self.view, self.rate = anchor, view, rate
        if view is not AnchorView.recorded and not anchor.is_hand and not is_glove(anchor):
            raise UserError(
                f"data.anchor_view={view.value} computes muscles from the angles of emg2pose's 20 joints, or from "
                f"the 22 sensors of a CyberGlove as NinaPro's files have them; here the anchor is {anchor}; leave "
                "data.anchor_view=recorded"
            )

    @property
    def columns(self) -> int:
        """Number of columns that models read."""
        recorded = len(self.anchor.names)
        return {
            AnchorView.recorded: recorded,
            AnchorView.muscles: len(FOREARM_V),
            AnchorView.both: recorded + len(FOREARM_V),
        }[self.view]

    def __call__(self, anchor_BSJ: Tensor) -> Tensor:
        """Return windows (B, S, columns) from windows (B, S, J) of the anchor; no gradient passes through muscles."""
        if self.view is AnchorView.recorded:
            return anchor_BSJ
        muscles_BSV = self._muscles(anchor_BSJ.detach().cpu().numpy()).to(anchor_BSJ)
        return muscles_BSV if self.view is AnchorView.muscles else torch.cat([anchor_BSJ, muscles_BSV], dim=-1)

    def _muscles(self, anchor_BSJ: FloatArray) -> Tensor:
        frames = anchor_BSJ.shape[1]
        apart = min(max(1, round(KNOT_S * self.rate)), max(1, frames - 1))
        knots = 1 + -(-(frames - 1) // apart)
        at_K = np.minimum(np.arange(knots) * apart, frames - 1)
        pose_BKJ = anchor_BSJ[:, at_K]
        joints_BKJ = pose_BKJ if self.anchor.is_hand else joints_of_glove(pose_BKJ)
        muscles_BKV = demand(joints_BKJ, at_K / self.rate)
        between_SK = np.stack([np.interp(np.arange(frames), at_K, one_K) for one_K in np.eye(knots)], axis=1)
        return torch.from_numpy(between_SK.astype(np.float32) @ muscles_BKV)


def is_glove(anchor: Anchor) -> bool:
    """Return whether the columns are the raw 22 sensors of a CyberGlove II, as NinaPro's files have them."""
    return anchor.names == GLOVE and anchor.kind.name == "glove"


def joints_of_glove(glove_XJ: FloatArray) -> FloatArray:
    """Return the angles (..., 20) of ``JOINTS``, rad, from a glove's sensors (..., 22), normalised by session."""
    measured = len(JOINTS)
    low_J, rest_J, high_J = LOWEST_J[:measured], REST_J[:measured], HIGHEST_J[:measured]
    bend_XJ = np.zeros((*glove_XJ.shape[:-1], measured))
    for joint, sensor in SENSORS.items():
        bend_XJ[..., JOINTS.index(joint)] = glove_XJ[..., sensor - 1]
    bend_XJ[..., JOINTS.index("THUMB_CMC_AA")] *= -1  # the angle falls as the thumb is abducted
    joints_XJ = rest_J + bend_XJ * (high_J - low_J) / 2
    for finger in ("INDEX", "MIDDLE", "RING", "PINKY"):
        last, before = JOINTS.index(f"{finger}_DIP_FE"), JOINTS.index(f"{finger}_PIP_FE")
        joints_XJ[..., last] += LAST_JOINT * (joints_XJ[..., before] - rest_J[before])
    return np.clip(joints_XJ, low_J, high_J)
