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
from cpep.data.recording import Device
from cpep.data.splits import Split
from cpep.data.store import Store, device_from_json
from cpep.data.transforms import Normaliser, shape_of_window
from cpep.files import atomic_path, read_json, write_json
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.types import FloatArray, Normalisation, UserError

FORMAT = 1
LOG_FLOOR = {"raw": 0.1, "envelope": 1.0}
"""Floor of log-RMS tokens by kind of EMG: an envelope's own floor differs between people and over time, and a
logarithm that magnifies it lets a model tell them apart instead of the gestures (LOG.md)."""

Kind = Literal["emg_mae", "pose_mae", "cpep"]


@dataclass(frozen=True)
class Card:
    """What is saved beside the weights.

    Attributes:
        kind: which model this is.
        encoders: constructor arguments of each encoder.
        device: what the model was trained on, and what it refuses to differ from.
        frame_rate: pose frames per second.
        window_s: length of a window.
        lag_frames: pose was read this much later than EMG.
        normalisation: scale of the EMG in training.
        vocabulary: names of the labels of the training data.
        split: who and what was held out, as plain values.
        config: the run's settings, as plain values.
        provenance: data name, seed, version, git commit, validation loss.
    """

    kind: Kind
    encoders: dict[str, dict[str, Any]]
    device: Device
    frame_rate: float
    window_s: float
    lag_frames: int
    normalisation: Normalisation
    vocabulary: tuple[str, ...]
    split: dict[str, Any]
    config: dict[str, Any]
    provenance: dict[str, Any]

    def held_out(self) -> Split:
        """Return the split that the model was trained under."""
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in self.split.items()}
        return Split(**plain)

    def refuse_other(self, store: Store) -> None:
        """Check that a store comes from the same kind of device.

        Raises:
            UserError: other channels, rate, kind or joints.
        """
        for what in ("channels", "emg_rate", "emg_kind", "pose_names"):
            mine, other = getattr(self.device, what), getattr(store.device, what)
            if mine != other and (what != "pose_names" or other):
                raise UserError(
                    f"the checkpoint was trained with {what} {_short(mine)}; {store.path} has {_short(other)}"
                )


def _short(value: Any) -> str:
    return f"{len(value)} joints" if isinstance(value, tuple) else str(value)


def make_card(kind: Kind, store: Store, split: Split, config: RunConfig, seed: int) -> Card:
    """Describe a model that is about to be trained."""
    frames = round(config.data.window_s * store.frame_rate)
    encoders = {"pose": encoder_arguments(config.pose, len(store.device.pose_names), frames, store.frame_rate)}
    samples, rate = frames * store.ratio, store.device.emg_rate
    emg = encoder_arguments(config.emg, store.device.channels, samples, rate, LOG_FLOOR[store.device.emg_kind])
    if kind == "emg_mae":
        encoders = {"emg": emg}
    elif kind == "cpep":
        encoders["emg"] = emg
    return Card(
        kind=kind,
        encoders=encoders,
        device=store.device,
        frame_rate=store.frame_rate,
        window_s=config.data.window_s,
        lag_frames=round(config.data.pose_lag_ms / 1000 * store.frame_rate),
        normalisation=config.data.normalisation.value,
        vocabulary=store.vocabulary,
        split=as_dict(split),
        config=as_dict(config),
        provenance={"data": store.name, "seed": seed, "version": __version__, "git": git_commit()},
    )


def encoder_arguments(
    config: EncoderConfig, channels: int, samples: int, rate: float, floor: float = 0.0
) -> dict[str, Any]:
    """Return the constructor arguments of an encoder for windows of that many samples."""
    bin_ms = config.bin_ms if config.tokens is Tokens.log_rms else 1000 / rate
    token, bin_samples = shape_of_window(samples, rate, config.token_ms, bin_ms)
    return {
        "channels": channels,
        "samples": samples,
        "token_samples": token,
        "bin_samples": bin_samples if config.tokens is Tokens.log_rms else 0,
        "floor": floor,
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
    """A checkpoint in use: encoders, the scale of the EMG, and the card.

    Args:
        card: what the model is.
    """

    prior_C: Tensor

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card
        self.register_buffer("prior_C", torch.ones(card.device.channels))
        encoders = {name: Encoder(**arguments) for name, arguments in card.encoders.items()}
        self.net: Cpep | Encoder
        if card.kind == "cpep":
            align = card.config["align"]
            bounds = (align["temperature"], align["temperature_min"], align["temperature_max"])
            self.net = Cpep(encoders["emg"], encoders["pose"], *bounds)
        else:
            (self.net,) = encoders.values()

    @property
    def normaliser(self) -> Normaliser:
        """Scale of the EMG as in training."""
        return Normaliser(self.card.normalisation, self.prior_C.numpy())

    @torch.no_grad()
    def encode_emg(self, emg_BCT: Tensor, scale_C: Tensor | FloatArray | None = None) -> Tensor:
        """Embed EMG windows.

        Args:
            emg_BCT: float, in the recording's unit; channels and samples as in training.
            scale_C: level of the recording, (C,) or (B, C), from ``cpep.data.transforms.recording_level``;
                without it the training users' median.

        Returns:
            (B, D), L2-normalised for an aligned model; [CLS] for a masked autoencoder.

        Raises:
            UserError: wrong shape, values that are not finite, or a model without an EMG encoder.
        """
        encoder = self.net.emg if isinstance(self.net, Cpep) else self.net
        if "emg" not in self.card.encoders:
            raise UserError(f"a {self.card.kind} checkpoint has no EMG encoder")
        _check(emg_BCT, (encoder.tokeniser.channels, encoder.tokeniser.samples), "EMG", "channels x samples")
        scale = self.prior_C if scale_C is None else torch.as_tensor(np.asarray(scale_C), dtype=torch.float32)
        scaled_BTC = emg_BCT.float().transpose(1, 2) / scale[..., None, :]
        signal = encoder.tokeniser.signal(scaled_BTC)
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
        _check(pose_BJT, (encoder.tokeniser.channels, encoder.tokeniser.samples), "pose", "joints x frames")
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
    """Write a checkpoint; the folder appears whole or not at all, and replaces an older one."""
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_file({name: t.contiguous() for name, t in model.state_dict().items()}, temporary / "model.safetensors")
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
    if plain.pop("format", 0) != FORMAT:
        raise UserError(f"{folder} has another checkpoint format; this version of cpep reads format {FORMAT}")
    device, vocabulary = device_from_json(plain.pop("device")), tuple(plain.pop("vocabulary"))
    model = Model(Card(**plain, device=device, vocabulary=vocabulary))
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise UserError(
            f"{folder}/model.safetensors is damaged or of another model: {str(error).splitlines()[0]}"
        ) from error
    return model.eval()
