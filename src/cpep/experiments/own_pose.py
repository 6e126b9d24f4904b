"""The encoder of poses that comes with cpep, as the pose stage of one person's training."""

from __future__ import annotations

from typing import cast

from cpep.checkpoints.checkpoint import Model, load
from cpep.checkpoints.registry import make_card
from cpep.experiments.fold_jobs import FoldTask
from cpep.experiments.rows import stage_run
from cpep.live.demo import demo_paths
from cpep.models.cpep import Cpep
from cpep.train.schedule import History
from cpep.train.task import save_stage

STAGE = "pose_mae"


def begin_with_shipped(task: FoldTask) -> bool:
    """Put the shipped encoder of poses where the pose stage of a fold would be, if it reads these windows.

    It was trained on the hands of 80 simulated people: more poses than minutes of one person have.

    Returns:
        whether the pose stage is the shipped encoder; else it is trained.
    """
    one = stage_run(STAGE, task.config)
    own, folder = task.task(one), task.at(one)
    if not own.store.device.anchor.is_hand:
        return False
    key = own.key(STAGE, one.stage.settings(task.config))
    shipped = load(demo_paths()[0])
    card = make_card(STAGE, own.store, own.split, task.config, own.seed)
    sizes = shipped.card.encoders["pose"], shipped.card.settings.pose.tokens
    if (card.encoders["pose"], task.config.pose.tokens) != sizes:
        return False
    if not own.finished(key):
        model = Model(card)
        model.net.load_state_dict(cast(Cpep, shipped.net).anchor.state_dict())
        folder.mkdir(parents=True, exist_ok=True)
        save_stage(own, key, model, History(), gflop=0.0, stopped="shipped")
    return True
