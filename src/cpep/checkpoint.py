"""Checkpoints: one folder of safetensors and json, written atomically, no pickle.

``model.safetensors`` holds the weights and the statistics that were fitted with them, ``config.json`` all
that is needed to rebuild and to judge the model: sizes, device, vocabulary, split, settings, provenance.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cpep import __version__
from cpep.configs import EncoderConfig, RunConfig, Tokens, as_dict
from cpep.data.frontend import Frontend
from cpep.data.recording import Device
from cpep.data.splits import Split
from cpep.data.standards import Standard
from cpep.data.store import Store, device_from_json
from cpep.data.transforms import divisor
from cpep.files import atomic_path, read_json, write_json
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.types import FloatArray, UserError

FORMAT = 3
WEIGHTS = "model.safetensors"
"""Name of the file of the weights in a checkpoint."""

Kind = Literal["emg_mae", "pose_mae", "cpep"]


@dataclass(frozen=True)
class Card:
    """What is saved beside the weights.

    Attributes:
        kind: which model this is.
        encoders: constructor arguments of each encoder.
        frontend: constructor arguments of the EMG front end; empty without an EMG encoder.
        device: what the model was trained on, and what it refuses to differ from.
        frame_rate: pose frames per second.
        window_s: length of a window.
        vocabulary: names of the labels of the training data.
        split: who and what was held out, as plain values.
        config: the run's settings, as plain values.
        provenance: data name, seed, version, git commit; steps, step of these weights, validation loss there.
    """

    kind: Kind
    encoders: dict[str, dict[str, Any]]
    frontend: dict[str, Any]
    device: Device
    frame_rate: float
    window_s: float
    vocabulary: tuple[str, ...]
    split: dict[str, Any]
    config: dict[str, Any]
    provenance: dict[str, Any]

    def held_out(self) -> Split:
        """Return the split that the model was trained under."""
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in self.split.items()}
        return Split(**plain)

    def refuse_other(self, store: Store, path: Path | None = None) -> None:
        """Check that a store comes from the same kind of device.

        Args:
            store: prepared recordings.
            path: what the user knows them by, if not by the store.

        Raises:
            UserError: other channels, rate, kind or joints.
        """
        for what in ("channels", "emg_rate", "emg_kind", "pose_names"):
            mine, other = getattr(self.device, what), getattr(store.device, what)
            if mine != other and (what != "pose_names" or other):
                raise UserError(
                    f"the checkpoint was trained with {what} {_short(mine)}; {path or store.path} has {_short(other)}"
                )


def _short(value: Any) -> str:
    return f"{len(value)} joints" if isinstance(value, tuple) else str(value)


def make_card(kind: Kind, store: Store, split: Split, config: RunConfig, seed: int) -> Card:
    """Describe a model that is about to be trained."""
    frames, device = round(config.data.window_s * store.frame_rate), store.device
    frontend: dict[str, Any] = {}
    encoders: dict[str, dict[str, Any]] = {}
    if kind != "emg_mae":
        encoders["pose"] = encoder_arguments(config.pose, len(device.pose_names), frames, store.frame_rate)
    if kind != "pose_mae":
        energy = config.emg.tokens is Tokens.log_rms
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
        encoders["emg"] = encoder_arguments(
            config.emg, Frontend(**frontend).columns, steps, steps / config.data.window_s
        )
    return Card(
        kind=kind,
        encoders=encoders,
        frontend=frontend,
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
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return ""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=top, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


class Model(nn.Module):
    """A checkpoint in use: front end, encoders, and the card.

    Args:
        card: what the model is.
    """

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card
        self.frontend = Frontend(**card.frontend) if card.frontend else None
        encoders = {name: Encoder(**arguments) for name, arguments in card.encoders.items()}
        self.net: Cpep | Encoder
        if card.kind == "cpep":
            align = card.config["align"]
            bounds = (align["temperature"], align["temperature_min"], align["temperature_max"])
            self.net = Cpep(encoders["emg"], encoders["pose"], *bounds)
        else:
            (self.net,) = encoders.values()

    def emg_side(self) -> tuple[Frontend, Encoder]:
        """Return the front end and the encoder of the EMG.

        Raises:
            UserError: a model of pose alone.
        """
        if self.frontend is None:
            raise UserError(f"a {self.card.kind} checkpoint has no EMG encoder")
        return self.frontend, self.net.emg if isinstance(self.net, Cpep) else self.net

    def calibrate(self, emg_CT: FloatArray) -> Standard:
        """Return centre and spread of one wearing, for ``encode_emg``; no label is needed.

        Args:
            emg_CT: a recording of some minutes in which the hand does many things, in the device's unit.

        Raises:
            UserError: wrong channels, or a model without an EMG encoder.
        """
        frontend, _ = self.emg_side()
        if emg_CT.ndim != 2 or len(emg_CT) != self.card.device.channels:
            raise UserError(
                f"a recording of shape {emg_CT.shape}; this checkpoint takes ({self.card.device.channels}, samples)"
            )
        return frontend.standard_of(np.asarray(emg_CT).T)

    @torch.no_grad()
    def encode_emg(self, emg_BCT: Tensor, standard: Standard | None = None) -> Tensor:
        """Embed EMG windows.

        Args:
            emg_BCT: float, in the device's unit; channels and samples as in training.
            standard: of their recording, from ``calibrate``; without it the training users' typical one,
                with which a new person is recognised less well.

        Returns:
            (B, D), L2-normalised for an aligned model; [CLS] for a masked autoencoder.

        Raises:
            UserError: wrong shape, values that are not finite, or a model without an EMG encoder.
        """
        frontend, encoder = self.emg_side()
        samples = encoder.tokeniser.steps * max(frontend.bin_samples, 1)
        _check(emg_BCT, (self.card.device.channels, samples), "EMG", "channels x samples")
        signal = frontend.signal(emg_BCT.float().transpose(1, 2), standard)
        return self.net.embed_emg(signal) if isinstance(self.net, Cpep) else self.net(signal)

    @torch.no_grad()
    def encode_pose(self, pose_BJT: Tensor) -> Tensor:
        """Embed pose windows (B, J, S) at the card's frame rate; joint angles in rad, a glove scaled.

        Returns:
            (B, D), L2-normalised for an aligned model; [CLS] for a masked autoencoder.

        Raises:
            UserError: wrong shape, values that are not finite, or a model without a pose encoder.
        """
        encoder = self.net.pose if isinstance(self.net, Cpep) else self.net
        if "pose" not in self.card.encoders:
            raise UserError(f"a {self.card.kind} checkpoint has no pose encoder")
        _check(pose_BJT, (encoder.tokeniser.columns, encoder.tokeniser.steps), "pose", "joints x frames")
        pose_BSJ = pose_BJT.float().transpose(1, 2).contiguous()
        return self.net.embed_pose(pose_BSJ) if isinstance(self.net, Cpep) else self.net(pose_BSJ)


def _check(x: Tensor, wanted: tuple[int, int], what: str, axes: str) -> None:
    if x.ndim != 3 or tuple(x.shape[1:]) != wanted:
        raise UserError(
            f"{what} of shape {tuple(x.shape)}; this checkpoint takes (windows, {wanted[0]}, {wanted[1]}): {axes}"
        )
    if not bool(torch.isfinite(x).all()):
        raise UserError(f"{what} is not finite; cut or interpolate the samples that are NaN or infinite")


def save(model: Model, folder: Path) -> None:
    """Write a checkpoint; the folder appears whole or not at all, and replaces an older checkpoint.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and not (folder / "config.json").is_file():
        raise UserError(f"{folder} exists and is no checkpoint; choose another folder")
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_file({name: t.contiguous() for name, t in model.state_dict().items()}, temporary / WEIGHTS)
        write_json(temporary / "config.json", {"format": FORMAT, **dataclasses.asdict(model.card)})
        if folder.exists():
            shutil.rmtree(folder)


def load(path: str | Path) -> Model:
    """Load a checkpoint folder, in evaluation mode.

    Raises:
        UserError: no checkpoint there, a newer format, or damaged files.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a checkpoint: it has no config.json")
    plain = read_json(folder / "config.json")
    if not isinstance(plain, dict) or plain.pop("format", 0) != FORMAT:
        raise UserError(f"{folder} has another checkpoint format; this version of cpep reads format {FORMAT}")
    try:
        device, vocabulary = device_from_json(plain.pop("device")), tuple(plain.pop("vocabulary"))
        model = Model(Card(**plain, device=device, vocabulary=vocabulary))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}/config.json is damaged: {error}") from error
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise UserError(f"{folder}/{WEIGHTS} is damaged or of another model: {str(error).splitlines()[0]}") from error
    return model.eval()
