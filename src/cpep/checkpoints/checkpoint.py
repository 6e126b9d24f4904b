"""Checkpoints: one folder of safetensors and json, written atomically, no pickle.

``model.safetensors`` holds the weights and the statistics that were fitted with them. ``config.json`` holds all that
is needed to rebuild and to judge the model: sizes, device, vocabulary, split, settings, provenance.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cpep.checkpoints.card import Card, refuse_other_unit
from cpep.checkpoints.on_hub import OnHub
from cpep.checkpoints.registry import MODELS
from cpep.data.frontend import Frontend
from cpep.data.statistics import CentreSpread
from cpep.data.store.store import device_from_json
from cpep.runtime.files import atomic_path, read_json, write_json
from cpep.runtime.hub import local
from cpep.signal.conditioning import conditioned
from cpep.signal.units import factor
from cpep.types import FloatArray, UserError

FORMAT, READABLE = 6, (5, 6)
"""Format that is written, and formats that are read; in format 5 the anchor is called pose."""
MOST_OFFSET = 1.0
"""Largest offset of a window of high-passed EMG, over its SD; even a jump in it makes less."""
WEIGHTS = "model.safetensors"
"""Name of the file of the weights in a checkpoint."""
CHECKPOINT, BOOK = "checkpoint", "gestures.book"
"""Names of the checkpoint and of its book of gestures in a folder that holds both, such as `cpep train` writes."""


class Model(OnHub, nn.Module):
    """A checkpoint in use: front end, network, and the card.

    Args:
        card: what the model is.
    """

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card
        self.frontend = Frontend(**card.frontend) if card.frontend else None
        self.spec = MODELS.get(card.kind)
        self.net: nn.Module = self.spec.network(card)

    @property
    def emg_frontend(self) -> Frontend:
        """The front end of the EMG.

        Raises:
            UserError: the model has no EMG encoder.
        """
        if self.frontend is None:
            raise UserError(f"a {self.card.kind} checkpoint has no EMG encoder")
        return self.frontend

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.net.parameters()).device

    @property
    def parameter_count(self) -> int:
        """Parameters of the network."""
        return sum(p.numel() for p in self.net.parameters())

    def in_unit(self, unit: str) -> Model:
        """Return the model for EMG in another unit; it shares the network, and its front end is rescaled exactly.

        Args:
            unit: of the EMG, as ``cpep.signal.units`` spells it; empty where it is not known, which changes nothing.

        Raises:
            UserError: no factor leads from that unit to the checkpoint's.
        """
        mine = self.card.device.emg_unit
        refuse_other_unit("EMG", mine, unit, "what is given")
        times = factor(mine, unit) if mine and unit else 1.0
        assert times is not None
        if times == 1.0:
            return self
        other = copy.copy(self)
        other._modules = dict(self._modules)  # else the copy would put its front end into this model
        other.frontend = None if self.frontend is None else self.frontend.rescaled(times)
        other.card = dataclasses.replace(self.card, device=dataclasses.replace(self.card.device, emg_unit=unit))
        return other

    def condition(self, emg_TC: FloatArray) -> FloatArray:
        """Return a whole recording filtered as the training data were, (samples, channels), float32.

        Offset, drift, jumps and, where the model was trained so, hum are taken out, from the first sample on.
        ``EmgStream`` does the same with a stream. Where the training data were not filtered, neither is this.

        Args:
            emg_TC: a recording as the device delivers it, samples x channels.

        Raises:
            UserError: another number of channels, or values that are not finite.
        """
        device = self.card.device
        if emg_TC.ndim != 2 or emg_TC.shape[1] != device.channels:
            raise UserError(
                f"a recording of shape {emg_TC.shape}; this checkpoint conditions (samples, {device.channels})"
            )
        if not np.isfinite(emg_TC).all():
            raise UserError("the recording is not finite; cut or interpolate the samples that are NaN or infinite")
        return conditioned(emg_TC, device.conditioning, device.emg_rate)

    def calibrate(self, emg_CT: FloatArray) -> CentreSpread:
        """Return centre and spread of one session, for ``encode_emg``; no label is needed.

        Args:
            emg_CT: a recording of some minutes in which the hand does many things, in the device's unit, and filtered
                by ``condition``.

        Raises:
            UserError: wrong channels, values that are not finite, less than one window, EMG that was not filtered, or
                a model without an EMG encoder.
        """
        if emg_CT.ndim != 2 or len(emg_CT) != self.card.device.channels:
            raise UserError(
                f"a recording of shape {emg_CT.shape}; this checkpoint takes ({self.card.device.channels}, samples)"
            )
        if not np.isfinite(emg_CT).all():
            raise UserError("the recording is not finite; cut or interpolate the samples that are NaN or infinite")
        if emg_CT.shape[1] < self.card.samples:
            raise UserError(
                f"a recording of {emg_CT.shape[1]} samples is shorter than one window of {self.card.samples}; give "
                "one of some minutes"
            )
        self._refuse_unconditioned(np.asarray(emg_CT)[None])
        return self.emg_frontend.standard_of(np.asarray(emg_CT).T)

    @torch.no_grad()
    def encode_emg(self, emg_BCT: Tensor, standard: CentreSpread | None = None) -> Tensor:
        """Embed EMG windows.

        Args:
            emg_BCT: float, in the device's unit; channels and samples as in training. Cut windows from a recording
                that ``condition`` has filtered.
            standard: centre and spread of their session, from ``calibrate``; without it, those typical of training
                people, with which a new person is recognised less well.

        Returns:
            (B, D); (B, Q, D) with queries. For an aligned model they are L2-normalised; for an EMG encoder they are
            [CLS]; for a model that predicts pose, the features that its decoder reads, averaged over time.

        Raises:
            UserError: wrong shape, values that are not finite, EMG that was not filtered, or a model without an EMG
                encoder.
        """
        return self.embed_signal(self._signal(emg_BCT, standard))

    @torch.no_grad()
    def predict_pose(
        self, emg_BCT: Tensor, standard: CentreSpread | None = None, first_pose_BJ: Tensor | None = None
    ) -> Tensor:
        """Return the predicted pose of EMG windows, (B, J, S), at the times ``net.times_S`` of a window, seconds.

        Args:
            emg_BCT: as for ``encode_emg``.
            standard: as for ``encode_emg``.
            first_pose_BJ: the pose to start from (tracking; vemg2pose alone), rad.

        Raises:
            UserError: as ``encode_emg``, or a model that does not predict pose.
        """
        signal, first = self._signal(emg_BCT, standard), None
        if first_pose_BJ is not None:
            first = first_pose_BJ.float().to(self.device)
        return self.spec.predict(self.net, signal, first).transpose(1, 2)

    def embed_signal(self, signal_BNF: Tensor) -> Tensor:
        """Embed the output of the front end; see ``encode_emg``."""
        return self.spec.embed(self.net, signal_BNF)

    @torch.no_grad()
    def encode_anchor(self, anchor_BJT: Tensor) -> Tensor:
        """Embed windows of the anchor (B, J, S) at the card's frame rate.

        Args:
            anchor_BJT: joint angles in rad; an anchor of a kind that is normalised, such as a glove's, normalised as
                in training.

        Returns:
            (B, D), L2-normalised for an aligned model; [CLS] for a masked autoencoder.

        Raises:
            UserError: wrong shape, values that are not finite, or a model without an encoder of the anchor.
        """
        encoder, anchor = self.spec.anchor_encoder(self.net), self.card.device.anchor
        _check(anchor_BJT, (encoder.columns, encoder.steps), anchor.kind.words, f"{anchor.kind.columns} x frames")
        anchor_BSJ = anchor_BJT.float().transpose(1, 2).contiguous().to(self.device)
        return self.spec.embed_anchor(self.net, anchor_BSJ)

    def encode_pose(self, pose_BJT: Tensor) -> Tensor:
        """Embed windows of hand poses: the same as ``encode_anchor``."""
        return self.encode_anchor(pose_BJT)

    def _signal(self, emg_BCT: Tensor, standard: CentreSpread | None) -> Tensor:
        """Check EMG windows and return the input of the network."""
        _check(emg_BCT, (self.card.device.channels, self.card.samples), "EMG", "channels x samples")
        emg_BCT = emg_BCT.float().cpu()
        self._refuse_unconditioned(emg_BCT.numpy())
        return self.emg_frontend.signal(emg_BCT.transpose(1, 2), standard).to(self.device)

    def _refuse_unconditioned(self, emg_BCT: FloatArray) -> None:
        """Check that no channel of a window has an offset that a high-pass would have taken out.

        Raises:
            UserError: one has.
        """
        wanted = self.card.device.conditioning
        if not wanted.highpass_hz:
            return
        offset_BC = np.abs(emg_BCT.mean(axis=2, dtype=np.float64))
        found = np.argwhere(offset_BC > MOST_OFFSET * emg_BCT.std(axis=2, dtype=np.float64))
        if len(found):
            window, channel = found[0]
            raise UserError(
                f"channel {channel} has an offset of {offset_BC[window, channel]:.3g} {self.card.device.emg_unit}, "
                f"and this checkpoint was trained on EMG that is {wanted}; filter the whole recording first, with "
                "Model.condition(emg_TC), and cut windows from that"
            )


def _check(x: Tensor, wanted: tuple[int, int], what: str, axes: str) -> None:
    if x.ndim != 3 or tuple(x.shape[1:]) != wanted:
        raise UserError(
            f"{what} of shape {tuple(x.shape)}; this checkpoint takes (windows, {wanted[0]}, {wanted[1]}): {axes}"
        )
    if not bool(torch.isfinite(x).all()):
        raise UserError(f"{what} is not finite; cut or interpolate the samples that are NaN or infinite")


def save(model: Model, folder: Path, *, half: bool = False) -> None:
    """Write a checkpoint; the folder appears whole or not at all, and replaces an older checkpoint.

    Args:
        model: the model.
        folder: folder of the checkpoint.
        half: whether weights are written as 16-bit floats, which halves the file; they are read as 32-bit floats.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and not (folder / "config.json").is_file():
        raise UserError(f"{folder} exists and is no checkpoint; choose another folder")
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        tensors = {name: (t.half() if half else t).contiguous() for name, t in model.state_dict().items()}
        save_file(tensors, temporary / WEIGHTS)
        write_json(temporary / "config.json", {"format": FORMAT, **dataclasses.asdict(model.card)})
        if folder.exists():
            shutil.rmtree(folder)


def load(path: str | Path, *, revision: str | None = None) -> Model:
    """Load a checkpoint, in evaluation mode.

    Args:
        path: its folder, or the folder of `cpep train` that holds it; or ``hf://organisation/name`` or
            ``hf://organisation/name@revision`` (docs/how-to/sharing.md).
        revision: of an address, in place of ``@revision``.

    Raises:
        UserError: there is no checkpoint, it has another format, or files are damaged; a folder with a revision; see
            also ``hub.fetch``.
    """
    folder = local(path, revision)
    if (folder / CHECKPOINT / "config.json").is_file():
        folder = folder / CHECKPOINT
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a checkpoint: it has no config.json")
    plain = read_json(folder / "config.json")
    if not isinstance(plain, dict) or plain.pop("format", 0) not in READABLE:
        raise UserError(
            f"{folder} has another checkpoint format; this cpep reads formats {READABLE[0]} and {READABLE[1]}"
        )
    try:
        device, vocabulary = device_from_json(plain.pop("device")), tuple(plain.pop("vocabulary"))
        model = Model(Card(**plain, device=device, vocabulary=vocabulary))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}/config.json is damaged: {error}") from error
    try:
        model.load_state_dict(_renamed(load_file(folder / WEIGHTS)))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise UserError(f"{folder}/{WEIGHTS} is damaged or of another model: {str(error).splitlines()[0]}") from error
    return model.eval()


def book_beside(path: Path) -> Path | None:
    """Return the book that lies with a checkpoint, or in the folder that holds both; ``None`` where there is none."""
    places = [path / BOOK, *([path.parent / BOOK] if path.name == CHECKPOINT else [])]
    return next((place for place in places if place.is_file()), None)


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names of the written format; in format 5 the anchor encoder is ``net.pose``."""
    return {re.sub(r"^net\.pose\.", "net.anchor.", name): tensor for name, tensor in tensors.items()}
