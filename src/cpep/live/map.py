"""The gallery of a book in a plane, and where the live embedding is among its vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpep.evaluate.knn import nearest_columns, unit_rows
from cpep.evaluate.plane import plane
from cpep.live.book.book import GestureBook
from cpep.types import FloatArray

MAPPED, AMID = 30, 5
"""Vectors of an entry on the map; number of nearest vectors whose median place is the live point's."""

FEWEST_MAPPED = 5


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
        cosine = unit_rows(x_D[None]) @ self.vector_MD.T
        near_k = nearest_columns(cosine.reshape(-1, len(self.vector_MD)).max(axis=0)[None], AMID)[0]
        x, y = np.median(self.place_M2[near_k], axis=0)
        return float(x), float(y)


def map_of(book: GestureBook) -> Map | None:
    """Lay out a book's gallery; ``None`` where too few vectors differ."""
    chosen = [np.flatnonzero(book.entry_G == entry)[:MAPPED] for entry in range(len(book.entries))]
    index_M = np.concatenate([np.zeros(0, int), *chosen])
    vector_MD = book.vector_GD[index_M]
    if len(np.unique(vector_MD.round(6), axis=0)) < FEWEST_MAPPED:
        return None
    names = tuple(book.names[entry] for entry in book.entry_G[index_M])
    return Map(plane(vector_MD.astype(np.float64), 0), names, vector_MD)
