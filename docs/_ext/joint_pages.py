"""Joints, landmarks and gestures, as the code has them."""

import numpy as np

from cpep.hand import JOINTS, LANDMARKS
from cpep.simulate import GESTURES, SEEN, UNSEEN

MEANING = {"FE": "flexion", "AA": "abduction"}


def joints() -> str:
    """Return the joints of a pose in order."""
    lines = ["| column | joint | what it is | angles of the simulated gestures, degrees |", "|---|---|---|---|"]
    poses = np.degrees([gesture.pose_J[: len(JOINTS)] for gesture in GESTURES.values()])
    for column, name in enumerate(JOINTS):
        kind = MEANING.get(name.rpartition("_")[2], "")
        low, high = poses[:, column].min(), poses[:, column].max()
        lines.append(f"| {column} | `{name}` | {kind} | {low:.0f} to {high:.0f} |")
    return "\n".join(lines)


def landmarks() -> str:
    """Return the landmarks in order."""
    return ", ".join(f"`{name}`" for name in LANDMARKS)


def gestures() -> str:
    """Return the gestures of the simulator."""
    lines = ["| gesture | in a simulated cohort |", "|---|---|"]
    role = {name: "seen: training has it" for name in SEEN} | {
        name: "unseen: held out of training" for name in UNSEEN
    }
    lines += [f"| `{name}` | {role.get(name, 'extra')} |" for name in GESTURES]
    return "\n".join(lines)
