"""Confusion matrices of several runs as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cpep.types import FloatArray


def added(items: Sequence[dict[str, Any]]) -> tuple[list[str], FloatArray]:
    """Return the sum of confusion matrices and its classes: those of any of them, in the order of their first one.

    Folds may offer different answers, where training people of one of them lack a gesture.

    Args:
        items: entries of ``confusion`` of details.json: ``classes``, and ``matrix`` by true and answered gesture.
    """
    classes = list(dict.fromkeys(name for item in items for name in item["classes"]))
    total_KK = np.zeros((len(classes), len(classes)))
    for item in items:
        position = [classes.index(name) for name in item["classes"]]
        total_KK[np.ix_(position, position)] += np.array(item["matrix"], dtype=float)
    return classes, total_KK
