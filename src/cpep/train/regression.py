"""Models that predict the pose from EMG, by the emg2pose recipe (arXiv 2412.02725)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from cpep.checkpoints.checkpoint import Model
from cpep.config.schema import OptimConfig, RunConfig
from cpep.data.augment import Augmentation
from cpep.data.sampler import Batches
from cpep.data.splits import Role, Split
from cpep.data.windows import Windows, anchor_at
from cpep.hand.joints import TIPS
from cpep.hand.kinematics import Hand
from cpep.models.baselines.pose_t import PoseT
from cpep.models.baselines.regressor import PoseRegressor
from cpep.models.cpep import Cpep
from cpep.models.losses import pose_loss
from cpep.runtime import checked, distributed
from cpep.runtime.checked import Finite
from cpep.runtime.files import write_json
from cpep.train.baseline import HELD_WINDOWS, Baseline, mean_error, own_windows
from cpep.train.loop import fit
from cpep.train.rng import part_draws
from cpep.train.running import run
from cpep.train.stage import STAGES, Lesson, Rehearsed, Trained
from cpep.train.task import STATE, STATISTICS_WINDOWS, Task, anchor_signals, autocast, emg_signals, paired, subsample
from cpep.types import Progress, UserError, no_progress

TRIAL = 0.1
"""Share of the steps that a short training for the choice of an output scale takes."""
TRIALS = "scales.json"
FURTHER = 0.25
"""Share of CPEP's operations that CPEP with a head for regression may spend more."""


class RegressionStage(Baseline):
    """Trains a regression model: Adam, L1 on joint angles, EMG rotated by up to one channel of the ring.

    For the pose of a known hand, ``baselines.fingertip`` times the mean distance of fingertips is added.
    """

    needs_anchor = True

    def settings(self, config: RunConfig) -> dict[str, Any]:
        """Return its settings, with the output scales even at their default: stages from before had no choice."""
        return {**super().settings(config), "scales": list(config.baselines.scales)}

    def optim(self, config: RunConfig) -> OptimConfig:
        """Return ``baselines.optim``."""
        return config.baselines.optim

    def windows(self, task: Task, role: Role) -> Windows:
        """Return the windows of the alignment."""
        return paired(task, role)

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the network of the model."""
        net, columns, device = cast(PoseRegressor, model.net), model.emg_frontend.columns, model.device
        return Trained(
            net,
            lambda count: net(torch.zeros(count, net.samples, columns, device=device)).sum(),
            net.tokens + 1 if net.tokens else 0,
            reads_anchor=True,
        )

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the error of the predicted pose; the chance loss is the error of the mean pose."""
        trained, settings, device = (
            self.trained(model, task.config, task.split),
            task.config.baselines,
            task.store.device,
        )
        net, optim = cast(PoseRegressor, model.net), settings.optim
        train, validation = (self.windows(task, role) for role in ("train", "val"))
        read, read_anchor, turn = emg_signals(task, model), anchor_signals(task), turned(task, model)
        some = subsample(train, STATISTICS_WINDOWS)
        net.fit(lambda: read(some), read_anchor(some))
        tips = _tips(model.device) if device.anchor.is_hand else None
        batches = Batches(train, train.users(task.store), optim.batch, task.seed)
        held = subsample(validation, HELD_WINDOWS)

        def error(windows: Windows, predict: Callable[[], Tensor]) -> Tensor:
            target_BSJ = anchor_at(read_anchor(windows), net.times_S, task.store.frame_rate)
            with autocast(task.config):
                predicted_BSJ = predict().float()
            return pose_loss(predicted_BSJ.expand_as(target_BSJ), target_BSJ, tips, settings.fingertip)

        def loss_at(step: int) -> Tensor:
            own, part = own_windows(train, batches.at(step))
            signal = turn(read(own), part)
            read.of_step(train, batches, step + 1)
            part_draws(part)
            return part.weighed(error(own, lambda: net(signal)))

        def validate() -> float:
            return mean_error(held, optim.batch, lambda part: error(part, lambda: net(read(part))))

        mean_pose = mean_error(held, optim.batch, lambda part: error(part, lambda: net.mean_J))
        return Lesson(trained, loss_at, validate, mean_pose)

    def rehearse(self, task: Task, key: str, lesson: Lesson, most: int) -> Rehearsed:
        """Choose the output scale on validation people, by a short training at each of ``baselines.scales``.

        Each takes ``TRIAL`` of the steps, with the same batches, and counts as compute. All start from one function,
        that of the smallest scale, near the mean pose: a large scale would else begin with large random poses, and
        lose every short training to a decoder that does not move. Where the steps do not suffice for all, there is no
        choice, and the usual scale is taken. A training that was stopped does not repeat those
        that were done.

        Raises:
            UserError: a scale is 0.
        """
        net, scales = cast(PoseRegressor, lesson.trained.net), task.config.baselines.scales
        if not all(scales):
            raise UserError("baselines.scales: an output scale of 0 is the mean pose; give scales above 0")
        each = max(1, round(TRIAL * most))
        if len(scales) < 2 or each * len(scales) >= most:
            net.scale = scales[0] if len(scales) == 1 else net.usual_scale
            return Rehearsed(finish=net.fold_scale)
        optim = dataclasses.replace(self.optim(task.config), steps=each, checks=1, patience=0)
        start = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}

        def begin(scale: float) -> None:
            net.load_state_dict(start)
            net.scale = scale
            net.multiply_last(min(scales) / scale)

        trials = Trials.of(task.folder / TRIALS, key)
        for scale in scales:
            if (name := f"{scale:g}") in trials.losses:
                continue
            begin(scale)
            state = task.folder / f"scale-{name}" / STATE
            history = fit(
                net, lesson.loss_at, lesson.validate, optim, seed=task.seed, state=state, key=f"{key} {name}"
            )
            trials = trials.and_of(name, history.lowest)
            trials.write(task.folder / TRIALS, state)
        begin(min(scales, key=lambda scale: trials.losses[f"{scale:g}"]))
        return Rehearsed(each * len(scales), {"scale": net.scale, "scales": trials.losses}, net.fold_scale)


class HeadStage(RegressionStage):
    """Trains CPEP's aligned EMG encoder further to predict the pose, with the head of ``PoseT``.

    With ``baselines.freeze`` the encoder stays as it is, and the head alone is trained. The compute comes on top of
    CPEP's: at most a share ``FURTHER`` of it, times ``baselines.compute``.
    """

    def starts(self, config: RunConfig) -> tuple[str, ...]:
        """Name the aligned pair."""
        return ("cpep",)

    def allowed(self, config: RunConfig) -> float:
        """Return a share ``FURTHER`` of what a baseline may spend."""
        return FURTHER * super().allowed(config)

    def trained(self, model: Model, config: RunConfig, split: Split) -> Trained:
        """Return the network; its encoder takes no gradient where it stays as it is."""
        encoder = cast(PoseT, model.net).encoder
        encoder.requires_grad_(not config.baselines.freeze)
        return super().trained(model, config, split)

    def lesson(self, task: Task, model: Model, starts: Mapping[str, Model]) -> Lesson:
        """Return the error of the predicted pose, from CPEP's weights."""
        found = super().lesson(task, model, starts)
        if "cpep" in starts:
            cast(PoseT, model.net).encoder.load_state_dict(cast(Cpep, starts["cpep"].net).emg.state_dict())
        return found


@dataclass(frozen=True)
class Trials:
    """The short trainings that are done: ``scales.json`` in the folder of an unfinished stage.

    Attributes:
        key: fingerprint of the stage.
        losses: lowest validation loss, by scale.
    """

    key: str
    losses: dict[str, Finite] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, key: str) -> Trials:
        """Read them; those of another stage, or of none, are none."""
        if not distributed.on_main_rank(path.exists):
            return cls(key)
        found = checked.read(path, cls, remedy="delete it, and the scales are tried again")
        return found if found.key == key else cls(key)

    def and_of(self, name: str, loss: float) -> Trials:
        """Return them with one more."""
        return dataclasses.replace(self, losses={**self.losses, name: loss})

    def write(self, path: Path, state: Path) -> None:
        """Write them, and remove the state of the last one."""

        def write() -> None:
            write_json(path, dataclasses.asdict(self))
            state.unlink(missing_ok=True)

        distributed.on_main_rank(write)


STAGES.add("cpep_pose_head", HeadStage("cpep_pose_head", "pose_t"))
for kind in ("vemg2pose", "emg2pose", "neuropose", "sensing_dynamics", "pose_t"):
    STAGES.add(kind, RegressionStage(kind))


def regress(task: Task, kind: str, progress: Progress = no_progress) -> Path:
    """Train a model that predicts the pose from EMG and return its checkpoint; see ``running.run``."""
    return run(STAGES.get(kind), task, progress=progress)


def turned(task: Task, model: Model) -> Augmentation:
    """Return the recipe's augmentation: it rotates a ring by up to one channel in either direction."""
    device = task.store.device
    degrees = 360 / len(device.ring) if device.ring else 0.0
    raw = not model.emg_frontend.bin_samples
    return Augmentation(0.0, 0.0, 0.0, degrees, 0.0, ring=device.ring, raw=raw, channels=device.channels)


def _tips(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return a function from poses to fingertips (..., 5, 3), mm."""
    hand = Hand().to(device)
    return lambda pose_BSJ: hand(pose_BSJ)[..., TIPS, :]
