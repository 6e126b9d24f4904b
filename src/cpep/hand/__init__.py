"""The hand: names of its joints and landmarks, its forward kinematics, and joint angles from landmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpep.runtime.lazy import exported

if TYPE_CHECKING:
    from cpep.hand.inverse import Angles as Angles
    from cpep.hand.inverse import joint_angles as joint_angles
    from cpep.hand.joints import JOINTS as JOINTS
    from cpep.hand.joints import LANDMARKS as LANDMARKS
    from cpep.hand.joints import TIPS as TIPS
    from cpep.hand.kinematics import Hand as Hand
else:
    __all__, __getattr__, __dir__ = exported(
        __name__,
        {
            "cpep.hand.inverse": "Angles joint_angles",
            "cpep.hand.joints": "JOINTS LANDMARKS TIPS",
            "cpep.hand.kinematics": "Hand",
        },
    )
