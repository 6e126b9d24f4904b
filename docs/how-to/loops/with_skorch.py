"""Fine-tune a model as a scikit-learn estimator, with skorch or braindecode.

``pip install "cpep[sim,loops]"``, then ``python with_skorch.py``. With braindecode installed,
``python with_skorch.py --net ShallowFBCSPNet`` trains a network of braindecode on the same arrays, from random
weights.
"""

import argparse

import torch
from people import GESTURES, divided, people
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader

import cpep


class Tuned(nn.Module):
    """A model of cpep and a linear head; skorch calls it with the entries of a dictionary of arrays.

    Args:
        n_outputs: number of classes.
    """

    def __init__(self, n_outputs):
        super().__init__()
        self.model = cpep.load()
        self.head = nn.Linear(self.model.n_features, n_outputs)

    def forward(self, emg, standard):
        """Return the logits of windows."""
        return self.head(self.model(emg, standard))


def arrays(dataset):
    """Return all windows of a data set: EMG (N, C, T), standards (N, 2, F), and classes (N,)."""
    batch = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    classes = torch.tensor([GESTURES.index(name) if name in GESTURES else -1 for name in dataset.vocabulary])
    return batch["emg"].numpy(), batch["standard"].numpy(), classes[batch["label"]].numpy()


def network(name, model):
    """Return the estimator before it is fitted.

    Args:
        name: ``cpep``, or the name of a network of braindecode.
        model: a model, which knows what its windows are.
    """
    how = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.AdamW,
        "batch_size": 64,
        "train_split": None,
        "iterator_train__shuffle": True,
        "iterator_train__drop_last": False,
        "classes": range(len(GESTURES)),
    }
    if name == "cpep":
        return NeuralNetClassifier(Tuned, module__n_outputs=len(GESTURES), lr=3e-4, **how)
    from braindecode import EEGClassifier, models

    sizes = {"n_chans": model.n_chans, "n_times": model.n_times, "sfreq": model.sfreq, "n_outputs": len(GESTURES)}
    net = getattr(models, name)(**sizes)
    return EEGClassifier(net, lr=1e-3, **how)


def main(net="cpep", epochs=15, count=8, minutes=1.5):
    """Train, and return the loss of each epoch, and the accuracy on held-out people."""
    torch.manual_seed(0)
    store, model = people(count, minutes), cpep.load()
    split = divided(store)
    known = [name for name in GESTURES if name in store.vocabulary]
    train, test = (arrays(model.dataset(store, split=split, role=role, gestures=known)) for role in ("train", "test"))
    estimator = network(net, model)

    def given(emg, standard):
        return {"emg": emg, "standard": standard} if net == "cpep" else emg

    estimator.set_params(max_epochs=epochs, verbose=0)
    estimator.fit(given(*train[:2]), train[2])
    losses = estimator.history[:, "train_loss"]
    accuracy = float((estimator.predict(given(*test[:2])) == test[2]).mean())
    print(f"{net}: loss {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last")
    print(f"accuracy on people it never met: {accuracy:.3f}")
    return losses, accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="cpep")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=1.5)
    asked = parser.parse_args()
    main(asked.net, asked.epochs, asked.people, asked.minutes)
