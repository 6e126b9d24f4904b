"""The kinds of anchor that cpep brings; docs/explanation/anchors.md says why each is normalised as it is."""

from __future__ import annotations

import numpy as np

from cpep.data.anchor import ANCHORS, AnchorKind
from cpep.types import FloatArray

SMALLEST_SPREAD = 1e-6


def by_percentiles(anchor_MJ: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the median of each column, and half the distance from its 2nd to its 98th percentile."""
    low, centre, high = np.percentile(anchor_MJ, [2, 50, 98], axis=0).astype(np.float32)
    return centre, np.maximum((high - low) / 2, SMALLEST_SPREAD)


def by_size(anchor_MJ: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each column, and one spread for all, the RMS distance from it: the hand's size goes."""
    centre = anchor_MJ.mean(axis=0, dtype=np.float64)
    size = max(float(np.sqrt(np.square(anchor_MJ - centre).mean())), SMALLEST_SPREAD)
    return centre.astype(np.float32), np.full(anchor_MJ.shape[1], size, np.float32)


def by_moments(anchor_MJ: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and SD of each column."""
    centre, spread = anchor_MJ.mean(axis=0, dtype=np.float64), anchor_MJ.std(axis=0, dtype=np.float64)
    return centre.astype(np.float32), np.maximum(spread, SMALLEST_SPREAD).astype(np.float32)


for kind in (
    AnchorKind("joint_angles", "joints", ("rad",), hand=True, pose=True),
    AnchorKind(
        "glove", "sensors", ("count",), by_percentiles, pose=True,
        note="The pose is an uncalibrated glove's, scaled per session without labels: neither degrees nor radians.",
    ),
    AnchorKind(
        "landmarks", "coordinates", ("mm", "cm", "m"), by_size,
        note="Landmarks are centred per session and divided by one number, so that the size of a hand is not seen.",
    ),
    AnchorKind(
        "features", "columns", standardise=by_moments,
        note="Features are less their mean and over their SD per session, without labels.",
    ),
    AnchorKind("values", "columns"),
):  # fmt: skip
    ANCHORS.add(kind.name, kind)
