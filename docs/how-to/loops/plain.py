"""Fine-tune a model in a plain PyTorch loop: ``python plain.py``, under a minute on one core.

It takes the model that comes with cpep and a head that starts as the mean embedding of each gesture. Accuracy is of
people whom neither has met. ``cpep finetune`` does this for you where you need no loop of your own.
"""

import argparse

import torch
from people import GESTURES, divided, people
from torch import nn
from torch.utils.data import DataLoader

import cpep


def target(batch, dataset):
    """Return the class of each window: its place among the gestures."""
    classes = torch.tensor([GESTURES.index(name) if name in GESTURES else -1 for name in dataset.vocabulary])
    return classes[batch["label"]]


@torch.no_grad()
def embedded(model, dataset):
    """Return the embeddings and classes of all windows."""
    model.eval()
    batches = list(DataLoader(dataset, batch_size=256))
    return (
        torch.cat([model(batch["emg"], batch["standard"]) for batch in batches]),
        torch.cat([target(batch, dataset) for batch in batches]),
    )


def accuracy(model, head, dataset):
    """Return the share of windows whose gesture is told."""
    vectors, classes = embedded(model, dataset)
    return (head(vectors).argmax(dim=1) == classes).float().mean().item()


def prototypes(model, dataset, scale=10.0):
    """Return a head whose weights are the mean embedding of each gesture."""
    vectors, classes = embedded(model, dataset)
    head = nn.Linear(model.n_features, len(GESTURES), bias=False)
    with torch.no_grad():
        for index in range(len(GESTURES)):
            mine = vectors[classes == index]
            head.weight[index] = scale * nn.functional.normalize(mine.mean(dim=0), dim=0) if len(mine) else 0.0
    return head


def main(steps=120, count=8, minutes=1.5):
    """Train, and return the losses and the held-out accuracy before and after."""
    torch.manual_seed(0)
    store = people(count, minutes)
    split = divided(store)
    model = cpep.load()
    train, val, test = (
        model.dataset(store, split=split, role=role, gestures=[g for g in GESTURES if g in store.vocabulary])
        for role in ("train", "val", "test")
    )
    print(f"{len(train)} windows to train on, {len(test)} of other people to test on")
    head = prototypes(model, train)
    before = accuracy(model, head, test)
    optimiser = torch.optim.AdamW(model.parameter_groups(lr=2e-4, head=head, head_lr=1e-3))
    losses = []
    loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=len(train) > 64)
    while len(losses) < steps:
        for batch in loader:
            model.train()  # after each look at the validation person
            logits = head(model(batch["emg"], batch["standard"]))
            loss = nn.functional.cross_entropy(logits, target(batch, train))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            if len(losses) % 30 == 0:
                loss_now, right = sum(losses[-30:]) / 30, accuracy(model, head, val)
                print(f"step {len(losses)}: loss {loss_now:.3f}, accuracy on the validation person {right:.3f}")
            if len(losses) == steps:
                break
    after = accuracy(model, head, test)
    print(f"accuracy on people it never met: {before:.3f} before, {after:.3f} after")
    return losses, before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=1.5)
    asked = parser.parse_args()
    main(asked.steps, asked.people, asked.minutes)
