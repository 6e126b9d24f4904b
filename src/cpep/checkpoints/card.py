"""The card of a model, which is saved beside its weights, and checks whether another store fits the model."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from cpep.checkpoints.fields import FrontendSizes, Provenance, refuse_different
from cpep.config.presets import from_dict
from cpep.config.schema import EncoderConfig, RunConfig
from cpep.data.anchor_view import ViewedAnchor
from cpep.data.recording import Device, check_ring
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.models.encoder import ENCODERS
from cpep.runtime import checked
from cpep.runtime.checked import Finite, Name, Positive, Text
from cpep.signal.units import factor
from cpep.types import UserError

MOST_VALUES = 2**27
"""EMG values of a window: channels times samples."""


@dataclass(frozen=True)
class Card:
    """The description of a model that is saved beside its weights.

    Attributes:
        kind: kind of the model, a name of ``MODELS``.
        encoders: constructor arguments of each encoder.
        frontend: constructor arguments of the EMG front end; empty without an EMG encoder.
        regressor: constructor arguments of a network that predicts pose; empty in the others.
        device: device of the training data; other devices are refused.
        frame_rate: frames of the anchor per second.
        window_s: length of a window, seconds.
        vocabulary: names of the labels of the training data; empty where they are not known.
        split: held-out people and unseen gestures, as plain values; empty where they are not known.
        config: the run's settings, as plain values.
        provenance: data name, seed, version, git commit; steps made, step of these weights, their validation loss;
            hashes of some recordings of training and validation people (``cpep.data.store.noted``).
        anchor_range: smallest and largest usual value of each column of the anchor in training, as encoders read
            them; empty where the model reads none, and in older checkpoints.
    """

    kind: Name
    encoders: dict[str, dict[str, Any]]
    frontend: dict[str, Any]
    regressor: dict[str, Any]
    device: Device
    frame_rate: Positive
    window_s: Annotated[float, Meta(gt=0, le=3600)]
    vocabulary: tuple[Text, ...]
    split: dict[str, Any]
    config: dict[str, Any]
    provenance: dict[str, Any]
    anchor_range: list[Annotated[list[Finite], Meta(min_length=2, max_length=2)]] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_ring(self.device)
        if self.frame_rate > self.device.emg_rate or not 1 <= self.device.channels * self.samples <= MOST_VALUES:
            raise UserError(
                f"a window of {self.window_s:g} s at {self.frame_rate:g} frames/s has {self.samples:,} samples of "
                f"{self.device.channels} channels, as no window has"
            )
        if self.anchor_range and len(self.anchor_range) != len(self.device.anchor_names):
            raise UserError(
                f"anchor_range has {len(self.anchor_range)} columns, and the anchor {len(self.device.anchor_names)}"
            )
        self._check_frontend()
        checked.convert(self.provenance, Provenance, "provenance", remedy="", others=True)
        if self.split:
            split = checked.convert(self.split, Split, "split", remedy="")
            if unknown := {*split.seen, *split.unseen} - set(range(len(self.vocabulary))):
                raise UserError(f"split has the gesture {min(unknown)}, and there are {len(self.vocabulary)}")
        _ = self.settings  # refuses those out of range

    def _check_frontend(self) -> None:
        """Check that the front end is one of the device's EMG.

        Raises:
            UserError: it is not.
        """
        if not self.frontend:
            return
        sizes, device = self.frontend_sizes, self.device
        own = replace(sizes, channels=device.channels, rate=device.emg_rate, emg_kind=device.emg_kind)
        refuse_different(sizes, own, "frontend")
        if sizes.bin_samples > self.samples:
            raise UserError(f"frontend has bins of {sizes.bin_samples} samples, and a window has {self.samples}")

    @property
    def frontend_sizes(self) -> FrontendSizes:
        """Constructor arguments of the front end.

        Raises:
            UserError: there is none, or they are no such arguments.
        """
        return checked.convert(self.frontend, FrontendSizes, "frontend", remedy="")

    @cached_property
    def settings(self) -> RunConfig:
        """The settings of the run; those that it does not know are as in ``RunConfig()``.

        Raises:
            UserError: as ``cpep.config.presets.from_dict``.
        """
        return from_dict(self.config)

    @cached_property
    def anchor_view(self) -> ViewedAnchor:
        """From the anchor of the device to what the model's encoder of it reads.

        Raises:
            UserError: the settings ask for muscles, and the anchor is none from which they follow.
        """
        return ViewedAnchor(self.device.anchor, self.settings.data.anchor_view, self.frame_rate)

    @property
    def frames(self) -> int:
        """Frames of the anchor in a window."""
        return round(self.window_s * self.frame_rate)

    @property
    def samples(self) -> int:
        """EMG samples T of a window."""
        return round(self.frames * self.device.emg_rate / self.frame_rate)

    def held_out(self) -> Split:
        """Return the split that the model was trained under.

        Raises:
            UserError: the card has no split, as for an imported checkpoint.
        """
        if not self.split:
            raise UserError(f"this {self.kind} checkpoint does not say on whom it was trained; give one that does")
        return checked.convert(self.split, Split, "split", remedy="")

    def refuse_other(self, store: Store, path: Path | None = None) -> None:
        """Check that a store comes from the same kind of device.

        Args:
            store: prepared recordings.
            path: what the user gave, for the error, if it is not the store.

        Raises:
            UserError: other channels, rate or kind of EMG; EMG that was conditioned in another way; EMG in another
                unit, see ``refuse_other_unit``; or, of a model that reads or predicts an anchor, another one, see
                ``Anchor.refuse_other``.
        """
        mine, theirs, name = self.device, store.device, str(path or store.path)
        for what in ("channels", "emg_rate", "emg_kind"):
            trained, given = getattr(mine, what), getattr(theirs, what)
            if trained != given:
                raise UserError(f"the checkpoint was trained with {what} {trained}; {name} has {given}")
        if mine.conditioning != theirs.conditioning:
            raise UserError(
                f"the checkpoint was trained on EMG that is {mine.conditioning}; {name} has EMG that is "
                f"{theirs.conditioning}; prepare the recordings again with `cpep data prepare "
                f"{mine.conditioning.options}`, arrays with from_arrays(..., {mine.conditioning.arguments})"
            )
        refuse_other_unit("EMG", mine.emg_unit, theirs.emg_unit, name)
        if "pose" in self.encoders or self.regressor:  # else the model reads no anchor
            mine.anchor.refuse_other(theirs.anchor, name)


def refuse_other_unit(what: str, trained: str, given: str, name: str) -> None:
    """Check a unit against the unit of a checkpoint; units with a factor between them, as V and uV, fit each other.

    Args:
        what: signal that has the unit, for the error.
        trained: unit of the checkpoint; empty where it is not known, which fits all units.
        given: unit of the given recordings, or empty.
        name: name of the given recordings, for the error.

    Raises:
        UserError: both are known, and no factor leads from one to the other.
    """
    if trained and given and factor(given, trained) is None:
        raise UserError(
            f"the checkpoint was trained with {what} in {trained}; {name} has {what} in {given}; convert to "
            f"{trained} (a sidecar has scale and unit for that), or take a checkpoint that was trained in {given}"
        )


def encoder_arguments(config: EncoderConfig, columns: int, steps: int, rate: float) -> dict[str, Any]:
    """Return the constructor arguments of an encoder for windows of that many steps at that rate."""
    return ENCODERS.get(config.tokens).arguments(config, columns, steps, rate)


def git_commit() -> str:
    """Return the commit of the code, or ``""`` where the package is not in a checkout of its own."""
    top = Path(__file__).resolve().parents[3]
    if not (top / ".git").exists():
        return ""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=top, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
