"""A stage, a term of the objective and two rows from outside the package: what docs/how-to/extending.md shows."""

import torch
import torch.nn.functional as F

from cpep.plugins import (
    MODELS,
    ROWS,
    STAGES,
    TERMS,
    Batches,
    EmgEncoderSpec,
    Lesson,
    Row,
    Stage,
    Term,
    Trained,
    augmentation,
    emg_signals,
    info_nce,
    part,
    part_draws,
    whole,
)


class TwoViews(Stage):
    """Two augmentations of an EMG window find each other among the batch (SimCLR)."""

    sections = ("emg", "emg_mae", "augment")

    def optim(self, config):
        return config.emg_mae.optim

    def windows(self, task, role):
        return task.windows(role, anchored=False)

    def trained(self, model, config, split):
        steps, columns = model.net.steps, model.net.columns
        return Trained(model.net, lambda count: model.net(torch.zeros(count, steps, columns)).sum())

    def lesson(self, task, model, starts):
        train, held = self.windows(task, "train"), self.windows(task, "val")
        read, augment = emg_signals(task, model), augmentation(task, model.emg_frontend)
        batches = Batches(train, train.users(task.store), self.optim(task.config).batch, task.seed)

        def loss_of(windows):
            signal, rows = read(windows), part(len(windows))
            views = [augment(signal, rows) for _ in range(2)]
            part_draws(rows)
            return info_nce(*(model.net(view) for view in views), 0.1)

        return Lesson(
            self.trained(model, task.config, task.split),
            lambda step: loss_of(train.select(batches.at(step))),
            lambda: float(loss_of(held.select(slice(0, 64)))),
        )


class Spread(Term):
    """The embedding keeps a standard deviation in every dimension (VICReg)."""

    def of_batch(self, batch):
        return F.relu(0.1 - whole(batch.emg).std(dim=0)).mean()


MODELS.add("two_views", EmgEncoderSpec("two_views", "EMG encoder, pre-trained on two views of each window"))
STAGES.add("two_views", TwoViews("two_views"))
TERMS.add("spread", Spread)
ROWS.add(
    "two_views",
    Row("two_views", "EMG encoder pre-trained on two views of each window", stage="two_views", group="all"),
)
ROWS.add(
    "cpep/spread",
    Row(
        "cpep/spread",
        "every dimension of the embedding keeps its spread",
        ["align.objective.terms=[spread=0.5]"],
        group="objectives",
    ),
)
