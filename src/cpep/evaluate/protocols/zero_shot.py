"""Zero-shot: an EMG window takes the label of the training people's anchors with the nearest embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from cpep.evaluate.generalised import Generalised, answers, generalised
from cpep.evaluate.pose_readouts import PoseReadOut, Vote
from cpep.evaluate.protocols.base import ANSWERABLE, GALLERY, QUERY, Given, Outcome, Protocol, Scored, add, part
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
            "Zero-shot where seen and unseen gestures compete: what a system faces that knows all of them."
            if among_all
            else "No label of any EMG is used: a window takes the gesture of those hand poses of training people that"
            " lie nearest to its embedding."
        )

    def classes(self, given: Given, gestures: str) -> tuple[int, ...]:
        """Return the gestures whose anchors are in the gallery."""
        return given.gestures[ANSWERABLE if self.among_all else gestures]

    def run(self, given: Given) -> Iterator[Outcome]:
        """Answer test people's windows by the gesture whose anchors score highest."""
        readout = readout_of(given)
        asked = {name: self.scored(given, readout, name, labels) for name, labels in self.asked(given).items()}
        return self.answered(given, asked)

    def scored(self, given: Given, readout: PoseReadOut, gestures: str, labels: tuple[int, ...]) -> Scored:
        """Return the scores of the windows of one set of gestures."""
        test = given.part(QUERY, "test", labels)
        gallery = gallery_of(given, given.embeddings[GALLERY], self.classes(given, gestures))
        return Scored(test.without_vectors(), readout.scores(test, gallery), np.unique(gallery.label_N))

    def answered(self, given: Given, asked: Mapping[str, Scored], calibration: float = 0.0) -> Iterator[Outcome]:
        """Yield the outcome of each set of gestures, with the figures of both together where all gestures compete.

        Args:
            given: the input of the protocol.
            asked: scores by name of the set.
            calibration: constant that is taken from the scores of seen gestures, the same for both sets; 0 is the
                paper's read-out.
        """
        both = self._together(given, asked, calibration)
        for gestures, one in asked.items():
            predicted_N = answers(one.score_NK, one.labels_K, given.split.seen, calibration)
            yield replace(self.outcome(given, gestures, one.test, predicted_N), generalised=both)

    def _together(self, given: Given, asked: Mapping[str, Scored], calibration: float) -> Generalised | None:
        if not self.among_all or len(asked) < len(self.sets):
            return None
        parts = list(asked.values())
        label_N, user_N = (np.concatenate([getattr(p.test, name) for p in parts]) for name in ("label_N", "user_N"))
        return generalised(
            np.concatenate([one.score_NK for one in parts]),
            parts[0].labels_K,
            label_N,
            user_N,
            given.split.seen,
            calibration=calibration,
            draws=given.config.bootstrap,
            seed=given.seed,
        )


def readout_of(given: Given) -> PoseReadOut:
    """Return the read-out of a run: the paper's vote."""
    return Vote(given.config.neighbours)


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
