"""Names that every part of cpep shares.

Shape letters, used as suffixes of array names (``emg_BTC``):

    B batch          T EMG samples in time     C EMG channels
    S anchor frames  J anchor columns          N windows, or tokens of one window
    D embedding      K classes, blocks or rows U users
    Q queries        G gallery entries         M frames of a whole store
    E recordings of a store                    F columns of a signal
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
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


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move the cursor, end a line, turn its direction or cannot be written: they are part of no name."""
LONGEST_NAME = 1000
"""Characters of a name of a person, a session, a label, ..."""
LONGEST_SENTENCE = 2000
"""Characters of a sentence; of a longer one, which quotes a file, the middle is left out."""


def shown(text: str) -> str:
    r"""Return a text as a terminal may show it: what a file holds must not move the cursor, nor write lines.

    >>> print(shown("a\x1b[2Jb"), shown("\N{GREEK SMALL LETTER MU}V"))
    a\x1b[2Jb μV
    """
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown_lines(text: str) -> str:
    """Return a text of several lines, each as ``shown`` has it."""
    return "\n".join(map(shown, text.split("\n")))


class UserError(ValueError):
    """A mistake of the person at the keyboard: the command line prints its sentence and exits with 2."""

    def __str__(self) -> str:
        """Return the sentence; it may quote files, so it is escaped by ``shown``, but for its own ends of lines."""
        text = shown_lines(super().__str__())
        half = LONGEST_SENTENCE // 2
        return text if len(text) <= LONGEST_SENTENCE else f"{text[:half]} [...] {text[-half:]}"


def refuse_interpolation(value: Any, where: object) -> None:
    """Check that no text of plain values holds ``${``, by which other programs ask for a value from elsewhere.

    cpep takes every text as it stands and fills in nothing. A file from elsewhere must not bring environment
    variables of its reader into results or a model card, and nobody must believe that a setting was filled in.

    Args:
        value: plain values as JSON has them, or one text.
        where: what holds them, for the sentence: a file or an option.

    Raises:
        UserError: a text or a name holds it; the sentence says which.
    """
    found = _interpolated(value)
    if found is not None:
        field, text = found
        asked = text[text.index("${") :].partition("}")[0][:60] + "}"
        place = f"{where}: {field.lstrip('.')}" if field else where
        raise UserError(f"{place} holds {asked!r}; cpep puts in nothing for it; write the value itself")


def _interpolated(value: Any) -> tuple[str, str] | None:
    """Return the place and the text of the first text that holds ``${``; ``None`` where no text does."""
    for place, found in containers([value]):
        texts = (*found, *found.values()) if isinstance(found, dict) else found
        if "${" not in "".join([text for text in texts if isinstance(text, str)]):
            continue
        for name, inner in named(found):
            for text in (name, inner):
                if isinstance(text, str) and "${" in text:
                    return f"{place}{step(found, name)}".removeprefix("[0]"), text
    return None


NESTED = (dict, list, tuple)
"""What holds other plain values."""


def containers(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every object and list of plain values, however deeply they stand in each other.

    Args:
        value: an object or a list.

    Yields:
        Its place, such as ``.rows[3]``, and it.
    """
    yield "", value
    opened = [("", value, iter(named(value)))]
    while opened:
        place, container, rest = opened[-1]
        for name, inner in rest:
            if isinstance(inner, NESTED):
                at = f"{place}{step(container, name)}"
                yield at, inner
                opened.append((at, inner, iter(named(inner))))
                break
        else:
            opened.pop()


def step(container: Any, name: Any) -> str:
    """Return how the place of a value in an object or a list is written: ``.name``, ``[3]``."""
    return f".{name}" if isinstance(container, dict) else f"[{name}]"


def named(container: Any) -> Iterable[tuple[Any, Any]]:
    """Return the values of an object by their names, or those of a list by their numbers."""
    return container.items() if isinstance(container, dict) else enumerate(container)


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


Note = Callable[[str], None]
"""Called with a short text on the latest state, beside ``Progress``."""


def no_note(text: str) -> None:
    """Note nothing."""


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
        """Return one vector a window: the mean of its queries, as choosing one by its pose would use the pose."""
        return self if self.x_ND.ndim == 2 else self.with_x(self.x_ND.mean(axis=1))

    def refuse_shared(self, other: EmbeddingSet) -> None:
        """Assert that training and validation share no user."""
        shared = sorted(set(self.user_N.tolist()) & set(other.user_N.tolist()))
        assert not shared, f"users {shared} are in both training and validation"
