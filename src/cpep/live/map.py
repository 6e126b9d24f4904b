"""The gallery of a book in a plane, and where the live embedding is among its vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.evaluate.knn import unit_rows
from cpep.evaluate.plane import plane
from cpep.live.book.book import GestureBook
from cpep.types import BoolArray, FloatArray

MAPPED, AMID = 30, 5
"""Vectors of an entry on the map; odd number of nearest vectors whose median place is the live point's."""

FEWEST_MAPPED = 5
SAME = 1 - 1e-5
"""Two unit vectors are the same one if their cosine is larger."""


@dataclass(frozen=True, eq=False)
class Map:
    """Some vectors of a book's gallery in a plane.

    Attributes:
        place_M2: where they lie.
        name_M: their entries.
        vector_MD: the vectors.
    """

    place_M2: FloatArray
    name_M: tuple[str, ...]
    vector_MD: FloatArray

    def point(self, x_D: FloatArray) -> tuple[float, float]:
        """Return the place of an embedding: the median place of the vectors that are nearest to it."""
        cosine_M = (unit_rows(x_D[None]) @ self.vector_MD.T).reshape(-1, len(self.vector_MD)).max(axis=0)
        near_k = np.argsort(-cosine_M, kind="stable")[:AMID]
        x, y = np.sort(self.place_M2[near_k], axis=0)[AMID // 2]  # np.median takes as long as all of this
        return float(x), float(y)


def map_of(book: GestureBook, before: Map | None = None) -> Map | None:
    """Lay out a book's gallery; ``None`` where too few vectors differ.

    Args:
        book: whose gallery it is.
        before: the map until now. The new one starts from it, and is turned and mirrored onto it, so that what was
            on the map stays about where it was.
    """
    chosen = [np.flatnonzero(book.entry_G == entry)[:MAPPED] for entry in range(len(book.entries))]
    index_M = np.concatenate([np.zeros(0, int), *chosen])
    vector_MD = book.vector_GD[index_M]
    if len(np.unique(vector_MD.round(6), axis=0)) < FEWEST_MAPPED:
        return None
    names = tuple(book.names[entry] for entry in book.entry_G[index_M])
    exact_MD = vector_MD.astype(np.float64)
    if before is None:
        return Map(plane(exact_MD, 0), names, vector_MD)
    cosine_MB = vector_MD @ before.vector_MD.T
    same_M, was_M2 = cosine_MB.max(axis=1) > SAME, before.place_M2[cosine_MB.argmax(axis=1)]
    start_M2 = was_M2.copy()
    start_M2[~same_M] = [before.point(vector_D) for vector_D in vector_MD[~same_M]] or np.zeros((0, 2))
    place_M2 = onto(plane(exact_MD, 0, start_M2), same_M, was_M2[same_M])
    return Map(place_M2, names, vector_MD)


def onto(place_M2: FloatArray, same_M: BoolArray, before_K2: FloatArray) -> FloatArray:
    """Return places turned, mirrored and moved so that some of them come nearest to where they were before.

    Orthogonal Procrustes (Schoenemann 1966), which leaves all distances as they are.

    Args:
        place_M2: places.
        same_M: which of them were there before.
        before_K2: where those were.
    """
    if same_M.sum() < 2:
        return place_M2
    middle_2, middle_before_2 = place_M2[same_M].mean(axis=0), before_K2.mean(axis=0)
    left_22, _, right_22 = np.linalg.svd((place_M2[same_M] - middle_2).T @ (before_K2 - middle_before_2))
    return np.asarray((place_M2 - middle_2) @ (left_22 @ right_22) + middle_before_2)
