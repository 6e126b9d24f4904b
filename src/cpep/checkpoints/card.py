"""What is saved beside the weights of a model, and what it says about the next store that comes along."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cpep.config.schema import EncoderConfig, RunConfig, Tokens
from cpep.config.serialise import as_dict
from cpep.data.frontend import Frontend
from cpep.data.recording import Device
from cpep.data.resample import divisor
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.types import UserError
from cpep.version import __version__

Kind = Literal[
    "emg_mae",
    "pose_mae",
    "cpep",
    "supervised",
    "pose_t",
    "vemg2pose",
    "emg2pose",
    "neuropose",
    "sensing_dynamics",
]
RAW: tuple[Kind, ...] = ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics")
"""Kinds that read raw samples with layers of their own instead of the encoder's tokens."""


@dataclass(frozen=True)
class Card:
    """What is saved beside the weights.

    Attributes:
        kind: which model this is.
        encoders: constructor arguments of each encoder.
        frontend: constructor arguments of the EMG front end; empty without an EMG encoder.
        regressor: constructor arguments of a network that predicts pose; empty in the others.
        device: what the model was trained on, and what it refuses to differ from.
        frame_rate: pose frames per second.
        window_s: length of a window.
        vocabulary: names of the labels of the training data; empty where they are not known.
        split: who and what was held out, as plain values; empty where that is not known.
        config: the run's settings, as plain values.
        provenance: data name, seed, version, git commit; steps, step of these weights, validation loss there.
    """

    kind: Kind
    encoders: dict[str, dict[str, Any]]
    frontend: dict[str, Any]
    regressor: dict[str, Any]
    device: Device
    frame_rate: float
    window_s: float
    vocabulary: tuple[str, ...]
    split: dict[str, Any]
    config: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def samples(self) -> int:
        """EMG samples T of a window."""
        return round(round(self.window_s * self.frame_rate) * self.device.emg_rate / self.frame_rate)

    def held_out(self) -> Split:
        """Return the split that the model was trained under.

        Raises:
            UserError: the card has none, as that of an imported checkpoint.
        """
        if not self.split:
            raise UserError(f"this {self.kind} checkpoint does not say on whom it was trained; give one that does")
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in self.split.items()}
        return Split(**plain)

    def refuse_other(self, store: Store, path: Path | None = None) -> None:
        """Check that a store comes from the same kind of device.

        Args:
            store: prepared recordings.
            path: what the user knows them by, if not by the store.

        Raises:
            UserError: other channels, rate, kind or joints; or EMG or pose in another unit, where both are known.
        """
        mine, theirs, name = self.device, store.device, str(path or store.path)
        for what in ("channels", "emg_rate", "emg_kind", "anchor_names"):
            trained, given = getattr(mine, what), getattr(theirs, what)
            if trained != given and (what != "anchor_names" or given):
                raise UserError(
                    f"the checkpoint was trained with {what} {_short(trained)}; {name} has {_short(given)}"
                )
        refuse_other_unit("EMG", mine.emg_unit, theirs.emg_unit, name)
        refuse_other_unit("poses", mine.anchor_unit, theirs.anchor_unit, name)


def refuse_other_unit(what: str, trained: str, given: str, name: str) -> None:
    """Check a unit against that of a checkpoint.

    Args:
        what: EMG or poses.
        trained: unit of the checkpoint; empty where it is not known, which fits all.
        given: unit of what comes along, or empty.
        name: of what comes along, for the sentence.

    Raises:
        UserError: both are known and differ.
    """
    if trained and given and trained != given:
        raise UserError(
            f"the checkpoint was trained with {what} in {trained}; {name} has {what} in {given}; convert to "
            f"{trained} (a sidecar has scale and unit for that), or take a checkpoint that was trained in {given}"
        )


def _short(value: Any) -> str:
    return f"{len(value)} joints" if isinstance(value, tuple) else str(value)


def make_card(kind: Kind, store: Store, split: Split, config: RunConfig, seed: int) -> Card:
    """Describe a model that is about to be trained."""
    frames, device = round(config.data.window_s * store.frame_rate), store.device
    joints = len(device.anchor_names)
    frontend: dict[str, Any] = {}
    regressor: dict[str, Any] = {}
    encoders: dict[str, dict[str, Any]] = {}
    if kind in ("pose_mae", "cpep"):
        encoders["pose"] = encoder_arguments(config.pose, joints, frames, store.frame_rate)
    if kind in RAW:
        size = {"channels": device.channels, "rate": device.emg_rate, "samples": frames * store.ratio}
        regressor = {**size, "joints": joints}
    elif kind == "pose_t":
        regressor = {"joints": joints, "frames": frames, "window_s": config.data.window_s}
    if kind != "pose_mae":
        energy = config.emg.tokens is Tokens.log_rms and kind not in RAW
        bin_frames = divisor(frames, store.frame_rate * config.emg.bin_ms / 1000) if energy else 0
        frontend = {
            "channels": device.channels,
            "rate": device.emg_rate,
            "emg_kind": device.emg_kind,
            "bin_samples": bin_frames * store.ratio,
            "rates": energy and config.emg.rates and device.emg_kind == "raw",
            "normalisation": config.data.normalisation.value,
        }
        steps = frames // bin_frames if energy else frames * store.ratio
        if kind not in RAW:
            columns = Frontend(**frontend).columns
            encoders["emg"] = encoder_arguments(config.emg, columns, steps, steps / config.data.window_s)
    return Card(
        kind=kind,
        encoders=encoders,
        frontend=frontend,
        regressor=regressor,
        device=device,
        frame_rate=store.frame_rate,
        window_s=config.data.window_s,
        vocabulary=store.vocabulary,
        split=as_dict(split),
        config=as_dict(config),
        provenance={"data": store.name, "seed": seed, "version": __version__, "git": git_commit()},
    )


def encoder_arguments(config: EncoderConfig, columns: int, steps: int, rate: float) -> dict[str, Any]:
    """Return the constructor arguments of an encoder for windows of that many steps at that rate."""
    return {
        "columns": columns,
        "steps": steps,
        "token_steps": divisor(steps, rate * config.token_ms / 1000),
        "width": config.width,
        "depth": config.depth,
        "heads": config.heads,
        "dropout": config.dropout,
    }


def git_commit() -> str:
    """Return the commit of the code, or ``""`` where the package is not in a checkout of its own."""
    top = Path(__file__).resolve().parents[3]
    if not (top / ".git").exists():
        return ""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=top, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
