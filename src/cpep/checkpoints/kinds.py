"""The kinds of models that cpep trains."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from cpep.checkpoints.card import Card, encoder_arguments
from cpep.checkpoints.fields import HeadSizes, RegressorSizes, refuse_different
from cpep.checkpoints.registry import MODELS, ModelSpec, Parts
from cpep.config.ranges import divisor
from cpep.config.rows import ROWS
from cpep.config.schema import RunConfig
from cpep.config.serialise import as_dict
from cpep.data.anchor_view import ViewedAnchor
from cpep.data.frontend import Frontend
from cpep.data.store.store import Store
from cpep.models.baselines.emg2pose import Emg2Pose
from cpep.models.baselines.neuropose import NeuroPose
from cpep.models.baselines.pose_t import PoseT
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.baselines.sensing_dynamics import SensingDynamics
from cpep.models.cpep import Cpep
from cpep.models.encoder import ENCODERS, Encoder, Sizes
from cpep.runtime import checked
from cpep.runtime.checked import Count, Positive, Text
from cpep.types import UserError

ALIGNMENT = (
    "temperature",
    "temperature_min",
    "temperature_max",
    "learn_temperature",
    "pool",
    "projection",
    "freeze_emg",
    "train_pose",
    "queries",
)
"""Settings of the alignment that ``Cpep`` is built with."""


PLAIN: dict[str, Any] = {"int": Count, "float": Positive, "bool": bool, "str": Text}
"""Types of an encoder's own arguments that are checked; it checks others itself."""


class EmgEncoderSpec(ModelSpec[Encoder]):
    """An EMG encoder alone: its embedding is [CLS]; a probe reads [CLS] and the mean token.

    Args:
        name: name in cards and on the command line.
        words: description of a checkpoint of this kind, for its model card.
    """

    @property
    def rows(self) -> tuple[str, ...]:
        """The model itself and, where the table has such a row, the model adapted to each person."""
        return tuple(name for name in (self.name, f"{self.name}/adapted") if name == self.name or name in ROWS)

    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the arguments of front end and encoder."""
        return emg_parts(store, config)

    def network(self, card: Card) -> Encoder:
        """Build the encoder."""
        return card_encoder(card, "emg")

    def embed(self, net: Encoder, signal_BNF: Tensor) -> Tensor:
        """Return [CLS]."""
        found: Tensor = net(signal_BNF)
        return found

    def probed(self, net: Encoder, signal_BNF: Tensor) -> Tensor:
        """Return [CLS] and the mean of the tokens."""
        return net.pooled(signal_BNF)


class AnchorEncoderSpec(ModelSpec[Encoder]):
    """An encoder of the anchor alone."""

    exports = False

    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the arguments of the encoder."""
        return Parts({"pose": anchor_arguments(store, config)})

    def network(self, card: Card) -> Encoder:
        """Build the encoder."""
        return card_encoder(card, "pose")

    def anchor_encoder(self, net: Encoder) -> Encoder:
        """Return the network itself."""
        return net


class AlignedSpec(ModelSpec[Cpep]):
    """An EMG encoder that is aligned to an encoder of the anchor."""

    evaluator, reads_anchor = "aligned", True

    @property
    def rows(self) -> tuple[str, ...]:
        """The model itself, the model adapted to each person, and its anchor encoder as the ceiling."""
        return (self.name, f"{self.name}/adapted", "pose")

    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the arguments of both encoders; the weights of the anchor's encoder are drawn first."""
        emg = emg_parts(store, config)
        return Parts({"pose": anchor_arguments(store, config), **emg.encoders}, emg.frontend)

    def network(self, card: Card) -> Cpep:
        """Build the pair."""
        encoders = {name: card_encoder(card, name) for name in card.encoders}
        if encoders.keys() != {"emg", "pose"}:
            raise UserError(f"encoders are of {' and '.join(encoders) or 'nothing'}; this kind has emg and pose")
        align = as_dict(card.settings.align)
        return Cpep(encoders["emg"], encoders["pose"], **{name: align[name] for name in ALIGNMENT})

    def embed(self, net: Cpep, signal_BNF: Tensor) -> Tensor:
        """Return L2-normalised embeddings of EMG."""
        return net.embed_emg(signal_BNF)

    def unfreeze(self, net: Cpep) -> None:
        """Let gradients change the EMG encoder, the queries and the projection, and not where poses are."""
        net.freeze_emg = False
        for part in (net.emg, net.former, net.projection):
            if part is not None:
                part.requires_grad_(True)

    def anchor_encoder(self, net: Cpep) -> Encoder:
        """Return the encoder of the anchor."""
        return net.anchor

    def embed_anchor(self, net: Cpep, anchor_BSJ: Tensor) -> Tensor:
        """Return L2-normalised embeddings of the anchor."""
        return net.embed_anchor(anchor_BSJ)


class RegressorSpec(ModelSpec[PoseRegressor]):
    """A network that predicts the pose from raw samples, without an encoder of CPEP.

    Args:
        name: see ``ModelSpec``.
        words: see ``ModelSpec``.
        make: builds the network from the arguments ``regressor`` of the card.
    """

    evaluator = "regression"
    embed_batch = 32  # activations are of the size of raw EMG or larger
    exports = False

    def __init__(self, name: str, words: str, make: Callable[..., PoseRegressor]) -> None:
        super().__init__(name, words)
        self.make = make

    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the arguments of the network, and of a front end without bins."""
        device = store.device
        samples = round(config.data.window_s * store.frame_rate) * store.ratio
        size = {"channels": device.channels, "rate": device.emg_rate, "samples": samples}
        regressor = {**size, "joints": len(device.anchor_names)}
        return Parts(frontend=frontend_arguments(store, config, 0), regressor=regressor)

    def network(self, card: Card) -> PoseRegressor:
        """Build the network."""
        sizes, device = checked.convert(card.regressor, RegressorSizes, "regressor", remedy=""), card.device
        own = RegressorSizes(device.channels, device.emg_rate, card.samples, len(device.anchor_names))
        refuse_different(sizes, own, "regressor")
        return self.make(**vars(sizes))

    def embed(self, net: PoseRegressor, signal_BNF: Tensor) -> Tensor:
        """Return the features that the decoder reads, averaged over time, (B, D)."""
        return net.features(signal_BNF).mean(dim=1)

    def predict(self, net: PoseRegressor, signal_BNF: Tensor, first_BJ: Tensor | None = None) -> Tensor:
        """Return the predicted pose (B, S, J) at ``net.times_S``."""
        found: Tensor = net(signal_BNF, first_BJ)
        return found


class TokenRegressorSpec(RegressorSpec):
    """CPEP's EMG encoder with a head that predicts the pose."""

    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the arguments of front end, encoder and head."""
        emg, window_s = emg_parts(store, config), config.data.window_s
        joints, frames = len(store.device.anchor_names), round(window_s * store.frame_rate)
        return Parts(emg.encoders, emg.frontend, {"joints": joints, "frames": frames, "window_s": window_s})

    def network(self, card: Card) -> PoseRegressor:
        """Build encoder and head."""
        sizes = checked.convert(card.regressor, HeadSizes, "regressor", remedy="")
        own = HeadSizes(len(card.device.anchor_names), card.frames, card.window_s)
        refuse_different(sizes, own, "regressor")
        return self.make(card_encoder(card, "emg"), **vars(sizes))


def card_encoder(card: Card, side: str) -> Encoder:
    """Build the ``emg`` or ``pose`` encoder of a card.

    Raises:
        UserError: the card has none, its arguments are no such encoder's, or it does not fit device and window.
    """
    if side not in card.encoders or side not in ("emg", "pose"):
        raise UserError(f"encoders: the field {side} is not known, or missing")
    chosen = card.settings.emg if side == "emg" else card.settings.pose
    encoder = _made(ENCODERS.get(chosen.tokens), card.encoders[side], f"encoders.{side}")
    if side == "pose":
        fits = (card.anchor_view.columns, card.frames)
    else:
        sizes = card.frontend_sizes
        fits = (sizes.columns, card.samples // (sizes.bin_samples or 1))
    if (encoder.columns, encoder.steps) != fits:
        raise UserError(
            f"encoders.{side} reads {encoder.steps} steps of {encoder.columns} columns, and a window has {fits[1]} "
            f"of {fits[0]}"
        )
    return encoder


def _made(kind: type[Encoder], arguments: dict[str, Any], where: str) -> Encoder:
    """Build an encoder from the arguments that a checkpoint keeps.

    Raises:
        UserError: one is missing, is of another type or out of range, or belongs to another encoder.
    """
    sizes = {name: value for name, value in arguments.items() if name in Sizes.__annotations__}
    checked.convert(sizes, Sizes, where, remedy="")
    own = {one.name: one for one in inspect.signature(kind).parameters.values() if one.kind is not one.VAR_KEYWORD}
    needed = {name for name, one in own.items() if one.default is one.empty}
    if wrong := (arguments.keys() - sizes.keys() - own.keys()) | (needed - arguments.keys()):
        raise UserError(f"{where}: the field {min(wrong)} is missing, or belongs to another encoder")
    for name in own.keys() & arguments.keys():
        annotation = own[name].annotation
        kinds = PLAIN.get(getattr(annotation, "__name__", annotation), Any)
        checked.convert(arguments[name], kinds, f"{where}.{name}", remedy="")
    return kind(**arguments)


def anchor_arguments(store: Store, config: RunConfig) -> dict[str, Any]:
    """Return the constructor arguments of the anchor's encoder."""
    frames = round(config.data.window_s * store.frame_rate)
    columns = ViewedAnchor(store.device.anchor, config.data.anchor_view, store.frame_rate).columns
    return encoder_arguments(config.pose, columns, frames, store.frame_rate)


def emg_parts(store: Store, config: RunConfig) -> Parts:
    """Return the constructor arguments of CPEP's EMG front end and encoder."""
    frames, energy = round(config.data.window_s * store.frame_rate), ENCODERS.get(config.emg.tokens).reads_bins
    bin_frames = divisor(frames, store.frame_rate * config.emg.bin_ms / 1000) if energy else 0
    frontend = frontend_arguments(store, config, bin_frames)
    steps = frames // bin_frames if energy else frames * store.ratio
    columns = Frontend(**frontend).columns
    encoder = encoder_arguments(config.emg, columns, steps, steps / config.data.window_s)
    return Parts({"emg": encoder}, frontend)


def frontend_arguments(store: Store, config: RunConfig, bin_frames: int) -> dict[str, Any]:
    """Return the constructor arguments of an EMG front end with bins of that many frames; 0 for raw samples."""
    device = store.device
    return {
        "channels": device.channels,
        "rate": device.emg_rate,
        "emg_kind": device.emg_kind,
        "bin_samples": bin_frames * store.ratio,
        "rates": bool(bin_frames) and config.emg.rates and device.emg_kind == "raw",
        "normalisation": config.data.normalisation.value,
    }


def velocity(**arguments: Any) -> Emg2Pose:
    """Return vemg2pose: the emg2pose network with the decoder that integrates velocities."""
    return Emg2Pose(**arguments, decoder="velocity")


def position(**arguments: Any) -> Emg2Pose:
    """Return emg2pose: the network with the decoder of positions."""
    return Emg2Pose(**arguments, decoder="position")


for spec in (
    EmgEncoderSpec("emg_mae", "EMG encoder, pre-trained as a masked autoencoder"),
    AnchorEncoderSpec("pose_mae", "Encoder of poses (or of another anchor), pre-trained as a masked autoencoder"),
    AlignedSpec("cpep", "An EMG encoder aligned to an encoder of poses (or of another anchor), with both of them"),
    EmgEncoderSpec("supervised", "EMG encoder trained to classify the seen gestures"),
    TokenRegressorSpec("pose_t", "EMG encoder trained to predict the pose, with its decoder", PoseT),
    RegressorSpec("vemg2pose", "vemg2pose, which predicts the pose from EMG", velocity),
    RegressorSpec("emg2pose", "emg2pose with its position decoder, which predicts the pose from EMG", position),
    RegressorSpec("neuropose", "NeuroPose, which predicts the pose from EMG", NeuroPose),
    RegressorSpec("sensing_dynamics", "SensingDynamics, which predicts the pose from EMG", SensingDynamics),
):
    MODELS.add(spec.name, spec)
