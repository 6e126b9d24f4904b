"""
Fine-tune on a new person
=========================

A model that never met you may read you worse than the people of its training. You make each gesture once. Is it
better to fit a read-out on that, or to go on training the encoder, too? Here the model that comes with cpep meets
three simulated people, in a loop of PyTorch of a few lines, with classical features beside it.

You need cpep with the simulator, which makes the data of this example: ``pip install "cpep[sim]"``.
"""

# %%
# What a new person shows
# -----------------------
# ``people`` gives windows in the order in which they were made. The first time that a gesture is made is *shown* to
# the model; all later times are the test. Between two times the hand rests, so that no window of one overlaps the
# other.

import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import cpep
from cpep.evaluate import Lda
from cpep.simulate import people
from cpep.sklearn import EmgFeatures

torch.manual_seed(0)
torch.set_num_threads(1)
everybody = people(users=3, minutes=1.5, seed=21)


def times_made(names):
    """Return for each window which time its gesture is made."""
    seen, times = {}, []
    for before, name in zip(["", *names[:-1]], names, strict=True):
        seen[name] = seen.get(name, 0) + (name != before)
        times.append(seen[name])
    return np.array(times)


new_people = {}
for person in np.unique(everybody.groups):
    own = everybody.groups == person
    gesture = own & (everybody.y != "rest")
    X, y = everybody.X[gesture], everybody.y[gesture]
    shown = times_made(y) == 1
    new_people[person] = everybody.X[own], X, np.unique(y, return_inverse=True)[1], shown
    print(f"{person}: {shown.sum()} windows shown, {(~shown).sum()} to test, {len(np.unique(y))} gestures")

# %%
# One step of the training
# ------------------------
# The head starts as the mean embedding of each gesture, so that it is a sensible classifier before the first step.
# ``standard`` is centre and spread of the person's EMG: no label is read for it. ``model.unfreeze`` lets the encoder
# learn, and ``parameter_groups`` gives it a smaller rate than the head.

model = cpep.load()


def head_of(model, emg, labels, standard):
    """Return a head whose weights are the mean embedding of each gesture."""
    with torch.no_grad():
        vectors = nn.functional.normalize(model.encode_emg(emg, standard), dim=1)
    head = nn.Linear(model.n_features, int(labels.max()) + 1, bias=False)
    head.weight.data = torch.stack([10 * vectors[labels == label].mean(dim=0) for label in labels.unique()])
    return head


def right(model, head, emg, labels, standard):
    """Return the share of windows whose gesture is told."""
    model.eval()
    with torch.no_grad():
        return (head(model(emg, standard)).argmax(dim=1) == labels).float().mean().item()


def train(model, head, emg, labels, standard, learns, steps=20, batch=24):
    """Train on what was shown, and return the loss of each step."""
    groups = model.parameter_groups(lr=1e-4, head=head, head_lr=1e-3) if learns else head.parameters()
    optimiser, losses = torch.optim.AdamW(groups, lr=1e-3), []
    for _ in range(steps):
        model.train(learns)  # without dropout where the encoder does not learn
        some = torch.randint(len(emg), (batch,))
        loss = nn.functional.cross_entropy(head(model(emg[some], standard)), labels[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %%
# Four ways, three people
# -----------------------
# Classical features with linear discriminant analysis; the head as it starts; a head that learns on a frozen encoder;
# and a head and an encoder that learn. All of them see the shown windows alone, and are asked about the same others.

scores, losses = {}, {}
for person, (recording, X, y, shown) in new_people.items():
    standard = model.calibrate(np.concatenate(list(recording[::4]), axis=1))
    emg, labels = torch.from_numpy(X), torch.from_numpy(y)
    seen, asked = (emg[shown], labels[shown], standard), (emg[~shown], labels[~shown], standard)

    features = EmgFeatures(sfreq=2000).fit_transform(X)
    lda = Lda().fit(features[shown], y[shown])
    row = [float((lda.predict(features[~shown]) == y[~shown]).mean())]

    for learns in (None, False, True):
        tuned = copy.deepcopy(model)
        head = head_of(tuned, *seen)
        if learns is not None:
            tuned.unfreeze() if learns else tuned.freeze()
            losses[person, learns] = train(tuned, head, *seen, learns)
        row.append(right(tuned, head, *asked))
    scores[person] = row
    print(person, [f"{one:.2f}" for one in row])

# %%
# Left, a dot is a person, and a line joins the dots of one person. Right is the loss on what was shown. A loss that
# goes down there says nothing alone: an encoder learns a few windows of each gesture by heart if it is given the
# steps.

table = np.array(list(scores.values()))
ways = ["features\n+ LDA", "mean\nembedding", "head\nlearns", "head and\nencoder learn"]
figure, (left, panel) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=[1.6, 1], layout="constrained")
left.plot(table.T, color="0.8", linewidth=1, zorder=1)
for place, (column, colour) in enumerate(zip(table.T, ["tab:orange", "0.5", "tab:cyan", "tab:blue"], strict=True)):
    left.scatter(np.full(len(column), place), column, color=colour, zorder=2)
    left.hlines(column.mean(), place - 0.2, place + 0.2, color=colour, linewidth=3)
chance = 1 / len(np.unique(y))
left.axhline(chance, color="0.5", linestyle=":")
left.text(-0.4, chance + 0.02, "chance", color="0.5")
left.set(xticks=range(4), xticklabels=ways, ylim=(0, 1.03), xlim=(-0.45, 3.45), ylabel="share of windows told right")
for learns, colour, label in ((False, "tab:cyan", "head learns"), (True, "tab:blue", "head and encoder learn")):
    panel.plot(np.mean([losses[person, learns] for person in scores], axis=0), color=colour, label=label)
panel.set(xlabel="step", ylabel="loss on what was shown (mean)", ylim=(0, None))
panel.legend(frameon=False)

for name, column in zip(ways, table.T, strict=True):
    print(f"{name.replace(chr(10), ' '):24s} {column.mean():.2f}")
for place in (0, 1):
    ahead = int((table[:, 3] > table[:, place]).sum())
    print(f"learning is ahead of {ways[place].replace(chr(10), ' ')!r} for {ahead} of {len(table)} people")

# %%
# What to do
# ----------
# Look at the spread before you look at the means. Where the mean embedding is as good as an encoder that learns, take
# it: it has nothing to tune, and gestures that are known by their pose alone stay as good as they were. Features are
# a strong rival as soon as the person shows something: compare with them every time.
#
# Whatever you train, choose its steps and rates on windows that are neither shown nor tested: on another time that
# the person made each gesture, or on other people. Here both were fixed before the first look at the test.
#
# These hands are simulated, and all windows of a person are of one wearing of the band. A new session is harder than
# a new repetition: :doc:`/results/enrolment`. :doc:`/how-to/loops` has the same loop with a store, with Lightning and
# with skorch.
