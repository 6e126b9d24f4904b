"""A checkpoint in use, as a PyTorch module: EMG and poses in, embeddings out."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from cpep.checkpoints.card import Card, refuse_other_unit
from cpep.checkpoints.inputs import offset_in, recording_in, standard_in, tensor_in, windows_in
from cpep.checkpoints.on_hub import OnHub
from cpep.checkpoints.registry import MODELS
from cpep.data.anchor import refuse_degrees
from cpep.data.dataset import WindowDataset
from cpep.data.frontend import Frontend
from cpep.data.statistics import CentreSpread
from cpep.data.store.store import Store
from cpep.models.parameters import by_shape
from cpep.signal.conditioning import conditioned
from cpep.signal.units import factor
from cpep.types import FloatArray, UserError

WEIGHT_DECAY = 0.05


class Model(OnHub, nn.Module):
    """A checkpoint in use: front end, network, and the card.

    It is called as any PyTorch module, ``model(emg_BCT, standard)``, and gradients reach what requires them. Methods
    take lists, NumPy arrays and tensors of any kind of numbers, on any device. What ``encode_emg``, ``encode_anchor``
    and ``predict_pose`` return has a gradient in training mode (``model.train()``), and none in evaluation mode, in
    which ``cpep.load`` returns a model; their argument ``grad`` says otherwise.

    Args:
        card: what the model is.

    Attributes:
        frozen: whether ``freeze`` was called: nothing in it learns, and it has no dropout in training mode either.
    """

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card, self.frozen = card, False
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

    @property
    def n_chans(self) -> int:
        """EMG channels C of a window, as braindecode calls them."""
        return self.card.device.channels

    @property
    def n_times(self) -> int:
        """EMG samples T of a window, as braindecode calls them."""
        return self.card.samples

    @property
    def sfreq(self) -> float:
        """EMG samples per second, as MNE and braindecode call it."""
        return self.card.device.emg_rate

    @property
    def n_features(self) -> int:
        """Length D of an embedding."""
        mode = self.training
        with torch.no_grad():
            found = self.eval()(torch.zeros(1, self.n_chans, self.n_times))
        self.train(mode)
        return int(found.shape[-1])

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

    def condition(self, emg_TC: Any) -> FloatArray:
        """Return a whole recording filtered as the training data were, (samples, channels), float32.

        Offset, drift, jumps and, where the model was trained so, hum are taken out, from the first sample on.
        ``EmgStream`` does the same with a stream. Where the training data were not filtered, neither is this.

        Args:
            emg_TC: a recording as the device delivers it, samples x channels.

        Raises:
            UserError: another number of channels, or values that are not finite.
        """
        device = self.card.device
        takes = f"this checkpoint conditions (samples, {device.channels})"
        return conditioned(recording_in(emg_TC, device.channels, takes, 1), device.conditioning, device.emg_rate)

    def calibrate(self, emg_CT: Any) -> CentreSpread:
        """Return centre and spread of one session, for ``encode_emg``; no label is needed.

        Args:
            emg_CT: a recording of some minutes in which the hand does many things, in the device's unit, and filtered
                by ``condition``.

        Raises:
            UserError: wrong channels, values that are not finite, less than one window, EMG that was not filtered, or
                a model without an EMG encoder.
        """
        channels, samples = self.card.device.channels, self.card.samples
        emg_CT = recording_in(emg_CT, channels, f"this checkpoint takes ({channels}, samples)", 0)
        if emg_CT.shape[1] < samples:
            raise UserError(
                f"a recording of {emg_CT.shape[1]} samples is shorter than one window of {samples}; give one of some "
                "minutes"
            )
        self._refuse_unconditioned(tensor_in(emg_CT, "the recording")[None])
        return self.emg_frontend.standard_of(emg_CT.T)

    def dataset(self, store: Store, **options: Any) -> WindowDataset:
        """Return windows of a store for this model, with the ``standard`` of their sessions.

        Args:
            store: prepared recordings, or those of ``from_arrays``.
            options: see ``WindowDataset``: hop_s, split, role, gestures.

        Raises:
            UserError: the store is of another device or unit; or as ``WindowDataset``.
        """
        self.card.refuse_other(store)
        mine, unit = self.card.device.emg_unit, store.device.emg_unit
        if mine and unit and mine != unit:
            raise UserError(
                f"this model takes EMG in {mine}, and {store.path} has {unit}; use model.in_unit({unit!r})"
            )
        lag_s = self.card.settings.data.pose_lag_ms / 1000
        return WindowDataset(
            store, window_s=self.card.window_s, frontend=self.emg_frontend, pose_lag_s=lag_s, **options
        )

    def forward(self, emg_BCT: Any, standard: Any = None) -> Tensor:
        """Embed EMG windows; gradients reach the network wherever it requires them.

        Args:
            emg_BCT: in the device's unit; channels and samples as in training. Cut windows from a recording that
                ``condition`` has filtered, or take them from a store (``dataset``).
            standard: centre and spread of their session, from ``calibrate``; or those of the session of each window,
                as a list, or as an array (B, 2, F), such as ``batch["standard"]`` of a ``WindowDataset``. Without it,
                those typical of training people, with which a new person is recognised less well.

        Returns:
            (B, D); (B, Q, D) with queries. For an aligned model they are L2-normalised; for an EMG encoder they are
            [CLS]; for a model that predicts pose, the features that its decoder reads, averaged over time.

        Raises:
            UserError: wrong shape, values that are not finite, EMG that was not filtered, or a model without an EMG
                encoder.
        """
        return self.embed_signal(self._signal(emg_BCT, standard))

    def encode_emg(self, emg_BCT: Any, standard: Any = None, *, grad: bool | None = None) -> Tensor:
        """Embed EMG windows, as ``forward``; without a gradient in evaluation mode.

        Args:
            emg_BCT: as for ``forward``.
            standard: as for ``forward``.
            grad: whether gradients reach the network; in training mode alone unless given.

        Returns:
            as ``forward``.

        Raises:
            UserError: as ``forward``.
        """
        with self._gradients(grad):
            return self(emg_BCT, standard)  # type: ignore[no-any-return]

    def predict_pose(
        self, emg_BCT: Any, standard: Any = None, first_pose_BJ: Any = None, *, grad: bool | None = None
    ) -> Tensor:
        """Return the predicted pose of EMG windows, (B, J, S), at the times ``net.times_S`` of a window, seconds.

        Args:
            emg_BCT: as for ``forward``.
            standard: as for ``forward``.
            first_pose_BJ: the pose to start from (tracking; vemg2pose alone), rad.
            grad: as for ``encode_emg``.

        Raises:
            UserError: as ``forward``, or a model that does not predict pose.
        """
        with self._gradients(grad):
            signal, first = self._signal(emg_BCT, standard), None
            if first_pose_BJ is not None:
                first = tensor_in(first_pose_BJ, "first_pose_BJ").to(self.device)
            return self.spec.predict(self.net, signal, first).transpose(1, 2)

    def embed_signal(self, signal_BNF: Tensor) -> Tensor:
        """Embed the output of the front end; see ``forward``."""
        return self.spec.embed(self.net, signal_BNF)

    def encode_anchor(self, anchor_BJT: Any, *, grad: bool | None = None) -> Tensor:
        """Embed windows of the anchor (B, J, S) at the card's frame rate.

        Args:
            anchor_BJT: joint angles in rad; an anchor of a kind that is normalised, such as a glove's, normalised as
                in training.
            grad: as for ``encode_emg``.

        Returns:
            (B, D), L2-normalised for an aligned model; [CLS] for a masked autoencoder.

        Raises:
            UserError: wrong shape, values that are not finite, or a model without an encoder of the anchor.
        """
        encoder, anchor = self.spec.anchor_encoder(self.net), self.card.device.anchor
        axes = f"{anchor.kind.columns} x frames"
        with self._gradients(grad):
            found_BJS = windows_in(anchor_BJT, (len(anchor.names), encoder.steps), anchor.kind.words, axes)
            refuse_degrees(anchor, found_BJS.detach().cpu().numpy(), "the pose", "give radians: numpy.deg2rad(pose)")
            viewed_BSJ = self.card.anchor_view(found_BJS.transpose(1, 2).contiguous())
            return self.spec.embed_anchor(self.net, viewed_BSJ.to(self.device))

    def encode_pose(self, pose_BJT: Any, *, grad: bool | None = None) -> Tensor:
        """Embed windows of hand poses: the same as ``encode_anchor``."""
        return self.encode_anchor(pose_BJT, grad=grad)

    def freeze(self) -> Model:
        """Let nothing in the model learn, and no dropout disturb it, in training mode either; return the model."""
        self.requires_grad_(False)
        self.frozen = True
        return self.train(self.training)

    def unfreeze(self) -> Model:
        """Let what embeds EMG learn; the embeddings of poses stay where they are. Return the model."""
        self.spec.unfreeze(self.net)
        self.frozen = False
        return self.train(self.training)

    def train(self, mode: bool = True) -> Model:
        """Set training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.net.eval()
        return self

    def parameter_groups(
        self,
        lr: float,
        *,
        head: nn.Module | None = None,
        head_lr: float | None = None,
        weight_decay: float = WEIGHT_DECAY,
    ) -> list[dict[str, Any]]:
        """Return what an optimiser takes: a rate of the model and of a head; vectors and scalars are not decayed.

        ``torch.optim.AdamW(model.parameter_groups(1e-4, head=head, head_lr=1e-3))`` trains both.

        Args:
            lr: learning rate of the model.
            head: what is trained on its embeddings.
            head_lr: learning rate of the head; ``lr`` unless given.
            weight_decay: of matrices.

        Raises:
            UserError: the model is frozen, and there is no head.
        """
        if head is None and not any(p.requires_grad for p in self.net.parameters()):
            raise UserError("nothing in this model learns; call unfreeze(), or give the head that learns on it")
        parts = [("encoder", self.net, lr)]
        if head is not None:
            parts.append(("head", head, lr if head_lr is None else head_lr))
        groups = []
        for name, module, rate in parts:
            matrices, vectors, scalars = by_shape(module)
            for decay, params in ((weight_decay, matrices), (0.0, [*vectors, *scalars])):
                if params:
                    groups.append({"params": params, "lr": rate, "weight_decay": decay, "name": name})
        return groups

    def _gradients(self, grad: bool | None) -> torch.set_grad_enabled:
        """Return a context in which gradients are recorded as ``encode_emg`` says, and never against the caller's."""
        return torch.set_grad_enabled((self.training if grad is None else grad) and torch.is_grad_enabled())

    def _signal(self, emg_BCT: Any, standard: Any) -> Tensor:
        """Check EMG windows and return the input of the network; it is computed where the EMG is."""
        found_BCT = windows_in(emg_BCT, (self.n_chans, self.n_times), "EMG", "channels x samples")
        self._refuse_unconditioned(found_BCT)
        frontend = self.emg_frontend
        scale = standard_in(standard, len(found_BCT), frontend.columns)
        return frontend.signal(found_BCT.transpose(1, 2), scale).to(self.device)

    def _refuse_unconditioned(self, emg_BCT: Tensor) -> None:
        """Check that no channel of a window has an offset that a high-pass would have taken out.

        Raises:
            UserError: one has.
        """
        wanted = self.card.device.conditioning
        if wanted.highpass_hz and (found := offset_in(emg_BCT)):
            channel, offset = found
            raise UserError(
                f"channel {channel} has an offset of {offset:.3g} {self.card.device.emg_unit}, and this checkpoint "
                f"was trained on EMG that is {wanted}; filter the whole recording first, with "
                "Model.condition(emg_TC), and cut windows from that"
            )
