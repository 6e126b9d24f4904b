"""The objective of the alignment: the sum of the terms that the settings switch on."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from cpep.config.schema import AlignConfig
from cpep.models.cpep import Cpep
from cpep.runtime import distributed
from cpep.train.terms.term import TERMS, Batch, Known, OwnWindows, Term, weights_of

NOTHING_KNOWN = Known()


class Objective(nn.Module):
    """The network that is aligned, and the terms of its loss.

    Args:
        net: the pair of encoders.
        settings: settings of the alignment.
        known: what terms may know of the training data; without it, their sizes are for one person.

    Raises:
        UserError: see ``weights_of``; or a term does not fit the network.
    """

    def __init__(self, net: Cpep, settings: AlignConfig, known: Known = NOTHING_KNOWN) -> None:
        super().__init__()
        self.net, self.weights = net, weights_of(settings.objective)
        self.terms = nn.ModuleDict({name: TERMS.get(name)(net, settings.objective, known) for name in self.weights})

    @property
    def weighted(self) -> list[tuple[float, Term]]:
        """The terms with their weights."""
        return [(weight, cast(Term, self.terms[name])) for name, weight in self.weights.items()]

    @property
    def reads_anchor(self) -> bool:
        """Whether the loss needs the anchor windows themselves, not their embeddings alone."""
        return any(term.reads_anchor for _, term in self.weighted)

    @property
    def reads_people(self) -> bool:
        """Whether the loss needs the person of each window."""
        return any(term.reads_people for _, term in self.weighted)

    def forward(
        self,
        signal_BNF: Tensor,
        anchor_BD: Tensor,
        anchor_BSJ: Tensor | None = None,
        person_B: Tensor | None = None,
        part: distributed.Part | None = None,
    ) -> Tensor:
        """Return the loss of a batch; over ranks, a loss whose mean over ranks is the loss of the batch.

        Every rank embeds the EMG of its own windows; losses between windows are computed from the embeddings of all.

        Args:
            signal_BNF: EMG of this rank's windows.
            anchor_BD: embeddings of the anchors of the whole batch.
            anchor_BSJ: anchors of this rank's windows, where ``reads_anchor``.
            person_B: index of the person of each window of the batch, where ``reads_people``.
            part: which windows of the batch are this rank's, if not all.
        """
        emg, loss = self.embed(signal_BNF, anchor_BSJ)
        if part is not None:
            emg, loss = distributed.gathered(emg, part), part.weighed(loss)
        with torch.autocast(emg.device.type, enabled=False):  # bf16 would move a logit by up to 0.3
            batch = Batch(self.net, emg.float(), anchor_BD.float(), person_B)
            for weight, term in self.weighted:
                if (found := term.of_batch(batch)) is not None:
                    loss = loss + weight * found
        return loss

    def embed(self, signal_BNF: Tensor, anchor_BSJ: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return EMG embeddings, (B, D) or (B, Q, D), and the sum of the losses of windows by themselves."""
        asked = self.net.former is not None
        states = self.net.query_states(signal_BNF) if asked else []
        emg = self.net.of_queries(states) if asked else self.net.embed_emg(signal_BNF)
        own, loss = OwnWindows(self.net, emg, states, anchor_BSJ), signal_BNF.new_zeros(())
        for weight, term in self.weighted:
            if (found := term.of_windows(own)) is not None:
                loss = loss + weight * found
        return emg, loss
