"""What parts of a card hold, as types that its JSON is checked against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from cpep.data.store.bins import STATISTICS
from cpep.runtime.checked import Count, Name, Positive, Size, Text
from cpep.types import EmgKind, Normalisation, UserError


@dataclass(frozen=True)
class FrontendSizes:
    """Constructor arguments of a front end, as a card holds them; see ``cpep.data.frontend.Frontend``."""

    channels: Size
    rate: Positive
    emg_kind: EmgKind
    bin_samples: Count
    rates: bool
    normalisation: Normalisation

    @property
    def columns(self) -> int:
        """Columns of the signal that the encoder reads."""
        return self.channels * (STATISTICS if self.rates else 1)


@dataclass(frozen=True)
class Tuned:
    """What a card notes of one fine-tuning: its data, its people and the gestures that it saw."""

    data: Text
    people: tuple[Name, ...]
    gestures: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Started:
    """What a card notes of a checkpoint that a stage started from: its data, how many people, gestures seen."""

    data: Text
    people: Annotated[int, Meta(ge=0)]
    gestures: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """What is read of the provenance in a card."""

    data: Text = ""
    seed: Annotated[int, Meta(ge=0)] = 0
    version: Text = ""
    git: Text = ""
    recordings: tuple[Name, ...] = ()
    finetuned: tuple[Tuned, ...] = ()
    started: tuple[Started, ...] = ()


@dataclass(frozen=True)
class RegressorSizes:
    """Constructor arguments of a network that predicts the pose from raw samples."""

    channels: Size
    rate: Positive
    samples: Size
    joints: Size


@dataclass(frozen=True)
class HeadSizes:
    """Constructor arguments of a head that predicts the pose from tokens."""

    joints: Size
    frames: Size
    window_s: Positive


def refuse_different(sizes: Any, own: Any, where: str) -> None:
    """Check that a part of a card fits its device and its window.

    Args:
        sizes: fields of the part.
        own: the same fields as device and window have them.
        where: name of the part, for the sentence.

    Raises:
        UserError: it does not; the sentence names the first field that differs.
    """
    for name, value in vars(own).items():
        if (found := getattr(sizes, name)) != value:
            raise UserError(f"{where}.{name} is {found}, and the device and the window have {value}")
