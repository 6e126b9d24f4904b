"""A kind of model as one object: its network, its embeddings and predictions, and its description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor, nn

from cpep.checkpoints.card import Card, git_commit
from cpep.config.schema import RunConfig
from cpep.config.serialise import as_dict
from cpep.data.splits import Split
from cpep.data.store.store import Store
from cpep.models.encoder import Encoder
from cpep.runtime.registry import Registry
from cpep.types import UserError
from cpep.version import __version__

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Parts:
    """Constructor arguments of the parts of a model, as a card holds them.

    Attributes:
        encoders: arguments of each encoder, ``emg`` and ``pose``, in the order in which their weights are drawn.
        frontend: arguments of the EMG front end; empty without EMG.
        regressor: arguments of a network that predicts the pose; empty in the others.
    """

    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    frontend: dict[str, Any] = field(default_factory=dict)
    regressor: dict[str, Any] = field(default_factory=dict)


class ModelSpec(ABC, Generic[N]):
    """One kind of model; ``MODELS`` holds one object of each kind, under the name that is in its cards.

    A method that a kind does not support raises a ``UserError``.

    Args:
        name: name in cards and on the command line.
        words: description of a checkpoint of this kind, for its model card.
    """

    evaluator: ClassVar[str] = "encoder"
    """Name of its evaluator in ``experiments.evaluators.EVALUATORS``."""
    embed_batch: ClassVar[int] = 256
    """Windows that are embedded at once."""
    reads_anchor: ClassVar[bool] = False
    """Whether it embeds EMG and anchor into one space, so that they can be compared."""
    exports: ClassVar[bool] = True
    """Whether its embedding of EMG can be exported."""

    def __init__(self, name: str, words: str) -> None:
        self.name, self.words = name, words

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of a table that a checkpoint of this kind is evaluated as."""
        return (self.name,)

    @abstractmethod
    def parts(self, store: Store, config: RunConfig) -> Parts:
        """Return the constructor arguments of a model for recordings like those of a store."""

    @abstractmethod
    def network(self, card: Card) -> N:
        """Build the network of a card, with random weights."""

    def embed(self, net: N, signal_BNF: Tensor) -> Tensor:
        """Return embeddings (B, D), or (B, Q, D) with queries, of the output of the EMG front end."""
        raise UserError(f"a {self.name} checkpoint has no EMG encoder")

    def unfreeze(self, net: N) -> None:
        """Let gradients change what embeds EMG: the whole network, unless a kind overrides it."""
        net.requires_grad_(True)

    def probed(self, net: N, signal_BNF: Tensor) -> Tensor:
        """Return the vectors (B, D) that a linear probe reads: the embeddings, unless a kind overrides it."""
        return self.embed(net, signal_BNF)

    def anchor_encoder(self, net: N) -> Encoder:
        """Return the encoder of the anchor."""
        raise UserError(f"a {self.name} checkpoint has no encoder of poses, nor of another anchor")

    def embed_anchor(self, net: N, anchor_BSJ: Tensor) -> Tensor:
        """Return embeddings (B, D) of anchor windows (B, S, J)."""
        found: Tensor = self.anchor_encoder(net)(anchor_BSJ)
        return found

    def predict(self, net: N, signal_BNF: Tensor, first_BJ: Tensor | None = None) -> Tensor:
        """Return the pose (B, S, J) that is predicted from the output of the EMG front end.

        Args:
            net: the network.
            signal_BNF: EMG windows.
            first_BJ: the pose to start from, for models that track.
        """
        raise UserError(f"a {self.name} checkpoint does not predict pose")


MODELS: Registry[ModelSpec[Any]] = Registry("kind of model", ["cpep.checkpoints.kinds"])
"""All kinds of models."""


def make_card(kind: str, store: Store, split: Split, config: RunConfig, seed: int) -> Card:
    """Return the card of a model before its training.

    Args:
        kind: a name of ``MODELS``.
        store: recordings that it is trained on.
        split: held-out people and unseen gestures.
        config: settings.
        seed: seed of the run.

    Raises:
        UserError: there is no such kind.
    """
    parts = MODELS.get(kind).parts(store, config)
    return Card(
        kind=kind,
        encoders=parts.encoders,
        frontend=parts.frontend,
        regressor=parts.regressor,
        device=store.device,
        frame_rate=store.frame_rate,
        window_s=config.data.window_s,
        vocabulary=store.vocabulary,
        split=as_dict(split),
        config=as_dict(config),
        provenance={"data": store.name, "seed": seed, "version": __version__, "git": git_commit()},
    )
