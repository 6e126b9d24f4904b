"""A checkpoint of other people from which a stage goes on, and why one may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cpep.checkpoints.card import Card
from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.met import met_people, trained_names
from cpep.checkpoints.registry import make_card
from cpep.config.schema import RunConfig
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.runtime.hub import local
from cpep.types import UserError

Side = Literal["emg", "pose"]
BEFORE = "before"
"""Among the models that a stage starts from, the one of other people."""


@dataclass(frozen=True)
class Before:
    """A checkpoint of other people, and which of its encoders is taken."""

    path: Path
    side: Side

    @property
    def folder(self) -> Path:
        """Its folder on this machine."""
        return local(self.path)

    def opened(self, kind: str, store: Store, split: Split, config: RunConfig) -> Model:
        """Load it for a stage that trains a model of some kind on people of a store.

        Raises:
            UserError: it is no checkpoint, lacks the encoder, is of another device or other sizes, was trained on a
                gesture that is unseen here, or on a person who validates or tests here.
        """
        model = load(self.folder)
        if self.side not in model.card.encoders:
            raise UserError(
                f"{self.path} is a {model.card.kind} checkpoint: it has no {self.side} encoder to go on with"
            )
        encoder_of(model, self.side)
        self._of_side(model.card).refuse_other(store)
        self._refuse_other_sizes(model.card, make_card(kind, store, split, config, 0))
        unseen = {store.vocabulary[label] for label in split.unseen}
        if leaks := sorted(unseen & trained_names(model)):
            raise UserError(
                f"{self.path} was trained on EMG of {', '.join(leaks)}, unseen in this run; train it with the same "
                "--unseen"
            )
        held_out = {*split.users_val, *split.users_test}
        if met := sorted(held_out & met_people(model, store)):
            raise UserError(f"{self.path} was trained on user {', '.join(met)}, who validates or tests in this run")
        return model.in_unit(store.device.emg_unit)

    def _of_side(self, card: Card) -> Card:
        """Return the card of the one encoder: the pose of an EMG encoder may be any."""
        return dataclasses.replace(
            card, encoders={self.side: card.encoders[self.side]}, regressor={}, anchor_range=[]
        )

    def _refuse_other_sizes(self, card: Card, own: Card) -> None:
        same = card.encoders[self.side] == own.encoders[self.side]
        if self.side == "emg":
            same = same and card.frontend | {"normalisation": ""} == own.frontend | {"normalisation": ""}
        if not same or card.config[self.side]["tokens"] != own.config[self.side]["tokens"]:
            raise UserError(
                f"{self.path} has an encoder ({self.side}) of another kind, other sizes or other windows than this "
                "run; give the same --preset and --set to both"
            )


def encoder_of(model: Model, side: Side) -> Encoder:
    """Return an encoder of a model.

    Raises:
        UserError: the model is neither a masked autoencoder nor aligned.
    """
    if isinstance(model.net, Cpep):
        return model.net.emg if side == "emg" else model.net.anchor
    if not isinstance(model.net, Encoder):
        raise UserError(f"a {model.card.kind} checkpoint cannot be gone on with; give one of pretrain or align")
    return model.net


def carried(model: Model) -> dict[str, Any]:
    """Return the provenance of a checkpoint of other people, which is itself among what a stage started from."""
    split, provenance = model.card.held_out(), model.card.provenance
    entry = {
        "data": provenance.get("data", ""),
        "people": len({*split.users_train, *split.users_val}),
        "gestures": sorted(trained_names(model) - {"rest"}),
    }
    return {**provenance, "started": [*provenance.get("started", ()), entry]}


def joined(known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what provenances say of people before: what was started from, and recordings that were met then.

    It is empty where nothing was started from checkpoints of other people.
    """
    started = [one for provenance in known for one in provenance.get("started", ())]
    if not started:
        return {}
    met = {one for provenance in known for one in provenance.get("recordings", ())}
    return {"started": [one for n, one in enumerate(started) if one not in started[:n]], "recordings": sorted(met)}
