"""Stores in which some people lack some gestures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from cpep.data.store.store import Store


def without(store: Store, lacks: Mapping[str, Iterable[int]], label: int = 0) -> Store:
    """Return the store in which the gestures that each user lacks are labelled as something else: rest."""
    label_M, prompt_M = np.array(store.label_M), np.array(store.prompt_M)
    for entry in store.entries:
        own = slice(entry.start, entry.start + entry.frames)
        for array_M in (label_M, prompt_M):
            array_M[own][np.isin(array_M[own], list(lacks.get(entry.user, ())))] = label
    return dataclasses.replace(store, label_M=label_M, prompt_M=prompt_M)


def of_all(users: Iterable[str], labels: Iterable[int]) -> dict[str, list[int]]:
    """Return what ``without`` takes: the same gestures of several users."""
    return {user: list(labels) for user in users}
