"""Fine-tune a model with Lightning: ``pip install "cpep[sim,loops]"``, then ``python with_lightning.py``."""

import argparse

import pytorch_lightning as pl
import torch
from people import GESTURES, divided, people
from torch import nn
from torch.utils.data import DataLoader

import cpep


class Tuned(pl.LightningModule):
    """A model of cpep and a linear head.

    Args:
        vocabulary: of the store, which the labels index.
        lr: learning rate of the model.
        head_lr: learning rate of the head.
    """

    def __init__(self, vocabulary, lr=2e-4, head_lr=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.model = cpep.load().train()  # it comes in evaluation mode, and Lightning keeps modes as they are
        self.head = nn.Linear(self.model.n_features, len(GESTURES))
        self.classes = [GESTURES.index(name) if name in GESTURES else -1 for name in vocabulary]
        self.losses = []

    def forward(self, batch):
        """Return the logits of a batch of a ``WindowDataset``."""
        return self.head(self.model(batch["emg"], batch["standard"]))

    def target(self, batch):
        """Return the class of each window."""
        return torch.tensor(self.classes, device=self.device)[batch["label"]]

    def training_step(self, batch, _):
        """Return the loss of a batch."""
        loss = nn.functional.cross_entropy(self(batch), self.target(batch))
        self.losses.append(loss.item())
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, _):
        """Log the accuracy on people who are held out."""
        right = (self(batch).argmax(dim=1) == self.target(batch)).float().mean()
        self.log("accuracy", right, prog_bar=True, batch_size=len(batch["emg"]))

    def configure_optimizers(self):
        """Return the optimiser: model and head learn at rates of their own."""
        groups = self.model.parameter_groups(self.hparams.lr, head=self.head, head_lr=self.hparams.head_lr)
        return torch.optim.AdamW(groups)


def main(steps=120, count=8, minutes=1.5):
    """Train, and return the losses, and the accuracy on the validation person after."""
    pl.seed_everything(0, verbose=False)
    store = people(count, minutes)
    split = divided(store)
    tuned = Tuned(store.vocabulary)
    known = [name for name in GESTURES if name in store.vocabulary]
    train, val = (tuned.model.dataset(store, split=split, role=role, gestures=known) for role in ("train", "val"))
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loaders = DataLoader(train, batch_size=64, shuffle=True), DataLoader(val, batch_size=256)
    trainer.fit(tuned, *loaders)
    (scores,) = trainer.validate(tuned, loaders[1], verbose=False)
    print(f"loss {tuned.losses[0]:.3f} at first, {tuned.losses[-1]:.3f} at last")
    print(f"accuracy on a person it did not learn from: {scores['accuracy']:.3f}")
    return tuned.losses, scores["accuracy"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=1.5)
    asked = parser.parse_args()
    main(asked.steps, asked.people, asked.minutes)
