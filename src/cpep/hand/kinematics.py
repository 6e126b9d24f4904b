"""Forward kinematics of a hand: joint angles in, landmarks in mm out, differentiable.

The hand is MyoHand (PyPI ``myo-sim``, Apache-2.0, see NOTICE) with its wrist at neutral; hand.csv holds all that
is needed of it. It is one right hand. Other hands have other bones. A left hand with the same angles has the mirror
image of these landmarks, so the distances between them are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpep.hand.joints import CHAIN, JOINTS, LANDMARKS, TURNS

FINGERS, LINKS = 5, 4


class Hand(nn.Module):
    """Landmarks of a hand from its joint angles.

    All five fingers are alike: two joints at the base, two hinges further out, and a tip. Poses are the last axis
    while it computes: this is three times as fast as a product of small matrices for each pose.
    """

    offset_RCF1: Tensor
    turn_L33F1: Tensor
    twice_L33F1: Tensor
    column_LF: Tensor

    def __init__(self) -> None:
        super().__init__()
        offset = [[float(row[key]) for key in ("x_mm", "y_mm", "z_mm")] for row in CHAIN]
        axis = [[float(row[key]) for key in ("axis_x", "axis_y", "axis_z")] for row in TURNS]
        axis_FLC = nn.functional.normalize(torch.tensor(axis), dim=-1).view(FINGERS, LINKS, 3)
        eye = torch.eye(3)
        turn_FL33 = torch.linalg.cross(axis_FLC[..., None, :], eye[None, None]).mT  # axis x v = turn @ v
        twice_FL33 = axis_FLC[..., :, None] * axis_FLC[..., None, :] - eye  # turn @ turn
        offset_FRC = torch.tensor(offset).view(FINGERS, LINKS + 1, 3)
        column_FL = torch.tensor([int(row["column"]) for row in TURNS]).view(FINGERS, LINKS)
        buffers = {
            "offset_RCF1": offset_FRC.permute(1, 2, 0)[..., None],
            "turn_L33F1": turn_FL33.permute(1, 2, 3, 0)[..., None],
            "twice_L33F1": twice_FL33.permute(1, 2, 3, 0)[..., None],
            "column_LF": column_FL.T,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.contiguous(), persistent=False)

    def forward(self, pose_XJ: Tensor) -> Tensor:
        """Return the landmarks (..., 20, 3), mm from the wrist: x radial, y proximal, z dorsal.

        Args:
            pose_XJ: joint angles (..., 20), rad, in the order of ``JOINTS``.
        """
        pose_NJ = pose_XJ.reshape(-1, len(JOINTS)).to(self.offset_RCF1.dtype)
        angle_LFN = pose_NJ.T[self.column_LF]
        N = angle_LFN.shape[-1]
        sin, cos = angle_LFN.sin()[:, None, None], angle_LFN.cos()[:, None, None]
        eye = torch.eye(3, device=sin.device, dtype=sin.dtype)[..., None, None]
        rotation_L33FN = eye + sin * self.turn_L33F1 + (1 - cos) * self.twice_L33F1  # Rodrigues
        # From the tip inwards: each joint turns all points beyond it. No matmul: autocast would round it to bf16.
        points_CPFN = self.offset_RCF1[LINKS, :, None].expand(-1, -1, -1, N)
        for link in reversed(range(LINKS)):
            rotation_33FN = rotation_L33FN[link]
            turned_CPFN = sum(rotation_33FN[:, i, None] * points_CPFN[i] for i in range(3))
            here_C1FN = self.offset_RCF1[link, :, None].expand(-1, -1, -1, N)
            points_CPFN = torch.cat([here_C1FN, here_C1FN + turned_CPFN], dim=1)
        # Both joints of the base are at one place, which is one landmark.
        landmarks_CPFN = torch.cat([points_CPFN[:, :1], points_CPFN[:, 2:]], dim=1)
        return landmarks_CPFN.permute(3, 2, 1, 0).reshape(*pose_XJ.shape[:-1], len(LANDMARKS), 3)
