"""Zero-shot: an EMG window takes the label of the training people's anchors with the nearest embeddings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cpep.evaluate.knn import knn_vote
from cpep.evaluate.protocols.base import ANSWERABLE, GALLERY, QUERY, Given, Outcome, Protocol, add, part
from cpep.types import EmbeddingSet


class ZeroShot(Protocol):
    """Names a window by the vote of the nearest anchors of training people.

    Args:
        among_all: whether seen and unseen gestures compete.
    """

    needs = (QUERY, GALLERY)
    default = True

    def __init__(self, among_all: bool) -> None:
        self.among_all = among_all
        self.name, self.title = ("zero_shot_all", "zero-shot among all") if among_all else ("zero_shot", "zero-shot")
        self.term = "Zero-shot among all" if among_all else "Zero-shot"
        self.words = (
            "Zero-shot where seen and unseen gestures compete."
            if among_all
            else "No label of any EMG is used: a window takes the gesture of those hand poses of training people that"
            " lie nearest to its embedding."
        )

    def classes(self, given: Given, gestures: str) -> tuple[int, ...]:
        """Return the gestures whose anchors are in the gallery."""
        return given.gestures[ANSWERABLE if self.among_all else gestures]

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer test people's windows by the vote of the nearest anchors."""
        for gestures, labels in self.asked(given).items():
            test = given.part(QUERY, "test", labels)
            gallery = gallery_of(given, given.embeddings[GALLERY], self.classes(given, gestures))
            voted_N = knn_vote(test.x_ND, gallery.x_ND, gallery.label_N, given.config.neighbours)
            yield self.outcome(given, gestures, test, voted_N)


def gallery_of(given: Given, anchors: EmbeddingSet, labels: tuple[int, ...]) -> EmbeddingSet:
    """Return the share ``evaluate.gallery`` of training people's anchors, at least one of each gesture."""
    gallery = part(anchors, given.split, "train", labels)
    if set(gallery.user_N) & set(given.split.users_test):
        raise AssertionError("the gallery holds anchors of test users")
    if given.config.gallery == 1:
        return gallery
    rng, mask_G = np.random.default_rng(given.seed), np.zeros(len(gallery), bool)
    for label in np.unique(gallery.label_N):
        mine = np.flatnonzero(gallery.label_N == label)
        count = max(1, round(given.config.gallery * len(mine)))
        mask_G[rng.choice(mine, count, replace=False)] = True
    return gallery.select(mask_G)


ZERO_SHOT, ZERO_SHOT_ALL = add(ZeroShot(False)), add(ZeroShot(True))
