"""Read-outs of zero-shot: scores of gestures for windows of EMG, from poses of training people in the same space.

A read-out is a frozen dataclass; one that is fitted holds what was fitted. Protocols take the gesture with the
highest score, after a constant was taken from the scores of seen gestures where both kinds compete.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from cpep.evaluate.knn import vote_scores
from cpep.types import EmbeddingSet, FloatArray


class PoseReadOut(ABC):
    """Scores gestures by their poses."""

    @abstractmethod
    def scores(self, query: EmbeddingSet, gallery: EmbeddingSet) -> FloatArray:
        """Return a finite score of every gesture of the gallery for every window, (N, K), float64.

        Args:
            query: embeddings of EMG windows; their labels are not read.
            gallery: embeddings of training people's poses, with labels. Columns of the result are these labels, each
                once, ascending; of equal scores the first column is the answer.
        """


@dataclass(frozen=True)
class Vote(PoseReadOut):
    """The paper's: the nearest poses vote, see ``cpep.evaluate.knn.vote_scores``.

    Attributes:
        neighbours: how many poses vote.
    """

    neighbours: int = 10

    def scores(self, query: EmbeddingSet, gallery: EmbeddingSet) -> FloatArray:
        """Return votes, and sums of similarities as fractions of a vote; a gesture without a vote has 0."""
        return vote_scores(query.x_ND, gallery.x_ND, gallery.label_N, self.neighbours)
