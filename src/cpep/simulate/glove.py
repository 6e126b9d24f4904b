"""An uncalibrated glove of 22 bend sensors, as NinaPro's people wore it: joint angles in counts."""

from __future__ import annotations

import numpy as np

from cpep.hand.muscles import ALL_JOINTS
from cpep.simulate.person import Person
from cpep.simulate.variability import generator
from cpep.types import FloatArray

COUNTS_PER_RAD, OFFSET = 55.0, 110.0
SPREAD = 0.2
"""SD, over people and sensors, of the log gain; and, over 100 counts, of the offset."""
NOISE = 0.6
"""SD of a reading, counts."""
BENDS: tuple[dict[str, float], ...] = (
    {"THUMB_CMC_FE": 1},
    {"THUMB_MCP_FE": 1},
    {"THUMB_IP_FE": 1},
    {"THUMB_CMC_AA": -1},
    {"INDEX_MCP_FE": 1},
    {"INDEX_PIP_FE": 1},
    {"INDEX_DIP_FE": 1},
    {"MIDDLE_MCP_FE": 1},
    {"MIDDLE_PIP_FE": 1},
    {"MIDDLE_DIP_FE": 1},
    {"INDEX_MCP_AA": 1, "MIDDLE_MCP_AA": -1},
    {"RING_MCP_FE": 1},
    {"RING_PIP_FE": 1},
    {"RING_DIP_FE": 1},
    {"MIDDLE_MCP_AA": 1, "RING_MCP_AA": -1},
    {"PINKY_MCP_FE": 1},
    {"PINKY_PIP_FE": 1},
    {"PINKY_DIP_FE": 1},
    {"RING_MCP_AA": 1, "PINKY_MCP_AA": -1},
    {"PINKY_MCP_FE": 0.4, "THUMB_CMC_FE": 0.4},
    {"WRIST_FE": 1},
    {"WRIST_DEV": 1},
)
"""What each sensor bends with, in the order of a CyberGlove II: the 20th is the arch of the palm."""


def glove_counts(person: Person, pose_SJ: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return what the glove of a person reads (S, 22), whole counts, float32, of the angles (S, 22) of all joints."""
    mix_JG = np.zeros((len(ALL_JOINTS), len(BENDS)))
    for sensor, joints in enumerate(BENDS):
        for joint, share in joints.items():
            mix_JG[ALL_JOINTS.index(joint), sensor] = share
    fit = generator(person.seed, "glove", person.user)
    gain_G = COUNTS_PER_RAD * np.exp(SPREAD * fit.standard_normal(len(BENDS)))
    offset_G = OFFSET + 100 * SPREAD * fit.standard_normal(len(BENDS))
    read_SG = offset_G + gain_G * (pose_SJ @ mix_JG) + NOISE * rng.standard_normal((len(pose_SJ), len(BENDS)))
    return np.asarray(np.clip(np.rint(read_SG), 0, 255).astype(np.float32))
