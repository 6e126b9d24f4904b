"""Zero-shot: an EMG window takes the label of the training people's anchors with the nearest embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cpep.evaluate.generalised import Generalised, answers, generalised
from cpep.evaluate.metrics import described, indexed
from cpep.evaluate.pose_readouts import PoseReadOut, Vote
from cpep.evaluate.protocols.base import ANSWERABLE, GALLERY, QUERY, Given, Outcome, Protocol, Scored, add, places
from cpep.types import EmbeddingSet, IntArray


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
        gallery, whole = voters(given, self.classes(given, gestures))
        drawn = (len(gallery), whole) if len(gallery) < whole else None
        return Scored(described(test), readout.scores(test, gallery), np.unique(gallery.label_N), drawn)

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
            yield replace(self.outcome(given, gestures, one.test, predicted_N), generalised=both, drawn=one.drawn)

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


def gallery_of(given: Given, anchors: EmbeddingSet, labels: Sequence[int]) -> EmbeddingSet:
    """Return the share ``evaluate.gallery`` of training people's anchors, at least one of each gesture."""
    return anchors.select(_shared(given, anchors, labels))


def voters(given: Given, labels: Sequence[int]) -> tuple[EmbeddingSet, int]:
    """Return the anchors of ``gallery_of`` that vote, and how many anchors there are to draw from.

    Every query is compared with all of them, so there are at most ``evaluate.gallery_most`` for all gestures that can
    be answered. Of more, the same share of each gesture is drawn, evenly over its people; at least one of each.
    An anchor that votes among all gestures votes in each set of them too.
    """
    anchors = given.embeddings[GALLERY]
    place_G = _shared(given, anchors, labels)
    whole, most = len(_shared(given, anchors, given.gestures[ANSWERABLE])), given.config.gallery_most
    if whole <= most:
        return anchors.select(place_G), len(place_G)
    person_G, random_G = indexed(anchors.user_N)[1], np.random.default_rng(given.seed).random(len(anchors))
    order_G = place_G[np.lexsort([key[place_G] for key in (random_G, person_G, anchors.label_N)])]
    ends = np.flatnonzero(np.diff(anchors.label_N[order_G])) + 1
    kept = [own[_spread(len(own), max(1, most * len(own) // whole))] for own in np.split(order_G, ends)]
    return anchors.select(np.sort(np.concatenate(kept))), len(place_G)


def _shared(given: Given, anchors: EmbeddingSet, labels: Sequence[int]) -> IntArray:
    """Return the positions of the anchors of ``gallery_of``."""
    place_G = places(anchors, given.split, "train", labels)
    if set(indexed(anchors.user_N[place_G])[0]) & set(given.split.users_test):
        raise AssertionError("the gallery holds anchors of test users")
    if given.config.gallery == 1:
        return place_G
    rng, label_G, kept = np.random.default_rng(given.seed), anchors.label_N[place_G], []
    for label in np.unique(label_G):
        mine = np.flatnonzero(label_G == label)
        kept.append(rng.choice(mine, max(1, round(given.config.gallery * len(mine))), replace=False))
    return np.asarray(place_G[np.sort(np.concatenate(kept))])


def _spread(length: int, count: int) -> IntArray:
    """Return positions at equal distances."""
    return np.asarray(((np.arange(count) + 0.5) * (length / count)).astype(np.int64))


ZERO_SHOT, ZERO_SHOT_ALL = add(ZeroShot(False)), add(ZeroShot(True))
