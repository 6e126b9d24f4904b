"""A source of poses is one file: ``still.py`` beside this one, which nothing in the package knows."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

import tests.seams.still  # noqa: F401  as CPEP_PLUGINS or an entry point of the group cpep would import it
from cpep.live.poses.source import open_pose
from cpep.types import UserError


def test_poses_from_outside_come_like_any_others():
    poses = open_pose("still:0.3,side=left")
    first, second = islice(poses.frames(), 2)
    assert second.stamp_s > first.stamp_s and np.array_equal(second.pose_J, np.full(20, 0.3))
    poses.close()
    assert not list(poses.frames())


def test_what_can_be_written_names_it_too():
    with pytest.raises(UserError, match=r"lsl:NAME.* still:RAD"):
        open_pose("quiet:0.3")
    with pytest.raises(UserError, match=r"still has no option unit; it has side"):
        open_pose("still:0.3,unit=deg")
