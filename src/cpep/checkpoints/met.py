"""The gestures that a checkpoint's training saw, and the people whom it met."""

from __future__ import annotations

from cpep.checkpoints.checkpoint import Model
from cpep.data.store.noted import recording_hashes
from cpep.data.store.store import Store


def trained_names(model: Model) -> set[str]:
    """Return the names of all gestures that a checkpoint's training did not leave out, evaluated or not.

    Those of the checkpoints that it started from are among them.
    """
    left_out = model.card.held_out().unseen
    before = {name for one in model.card.provenance.get("started", ()) for name in one["gestures"]}
    return before | {name for label, name in enumerate(model.card.vocabulary) if label not in left_out}


def met_people(model: Model, store: Store) -> set[str]:
    """Return the people of a store whom the training of a checkpoint met."""
    own = model.card.held_out()
    took_part = {*own.users_train, *own.users_val}
    met = took_part & set(store.users) if store.name == model.card.provenance.get("data", "") else set()
    return met | noted_people(model, store)


def noted_people(model: Model, store: Store) -> set[str]:
    """Return the people of a store whom a checkpoint notes: by a recording, or by the id of a fine-tuning."""
    provenance = model.card.provenance
    tuned = [one["people"] for one in provenance.get("finetuned", ()) if one["data"] == store.name]
    met = set(store.users) & {user for people in tuned for user in people}
    if known := set(provenance.get("recordings", ())):
        met |= {entry.user for entry in store.entries if recording_hashes(store, entry) & known}
    return met
