"""Names that every part of cpep shares.

Shape letters, used as suffixes of array names (``emg_BTC``):

    B batch          T EMG samples in time     C EMG channels
    S pose frames    J joints or glove sensors N windows, or tokens of one window
    D embedding      K classes                 U users
    Q queries        G gallery entries         M frames of a whole store
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.floating[Any]]
    IntArray = npt.NDArray[np.integer[Any]]
    BoolArray = npt.NDArray[np.bool_]
    StrArray = npt.NDArray[np.str_]
else:  # `cpep --help` need not wait for NumPy
    FloatArray = IntArray = BoolArray = StrArray = Any

UNKNOWN = -1
"""Label of a sample about which nothing is known."""

REST = 0
"""Label of rest: entry 0 of every vocabulary is ``"rest"``; gestures start at 1."""

Normalisation = Literal["none", "recording", "causal"]
EmgKind = Literal["raw", "envelope"]

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` by everything that takes long."""


class UserError(ValueError):
    """A mistake of the person at the keyboard: the command line prints its sentence and exits with 2."""


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Vectors of windows with what is known of each window.

    Attributes:
        x_ND: embeddings or features, float32; of a model with queries (N, Q, D).
        label_N: index into the vocabulary of the store that the windows come from.
        user_N: user id of every window.
        recording_N: name of the recording.
        time_N: start of the window in its recording, seconds.
        session_N: session of the user that the recording belongs to.
    """

    x_ND: FloatArray
    label_N: IntArray
    user_N: StrArray
    recording_N: StrArray
    time_N: FloatArray
    session_N: StrArray

    def __len__(self) -> int:
        return len(self.x_ND)

    def select(self, mask_N: BoolArray | IntArray) -> EmbeddingSet:
        """Return some of the windows, by mask or by index."""
        return EmbeddingSet(*(getattr(self, field.name)[mask_N] for field in fields(self)))

    def with_x(self, x_ND: FloatArray) -> EmbeddingSet:
        """Return the same windows with other vectors."""
        if len(x_ND) != len(self):
            raise ValueError(f"{len(x_ND)} vectors for {len(self)} windows")
        return replace(self, x_ND=x_ND)

    def averaged(self) -> EmbeddingSet:
        """Return one vector a window: with queries their mean, since the one nearest to the pose knows the pose."""
        return self if self.x_ND.ndim == 2 else self.with_x(self.x_ND.mean(axis=1))

    def refuse_shared(self, other: EmbeddingSet) -> None:
        """Assert that training and validation share no user."""
        shared = sorted(set(self.user_N.tolist()) & set(other.user_N.tolist()))
        assert not shared, f"users {shared} are in both training and validation"
