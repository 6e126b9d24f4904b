"""What test_over_ranks.py runs both in one process and as each of two ranks: every function returns tensors by name.

As a script: ``python -m tests.train.over_ranks STORE FOLDER``, under the variables that torchrun sets.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from benchmarks.one_table import STAGES, TINY
from safetensors.torch import load_file, save_file
from torch import nn

from cpep.checkpoints.checkpoint import load
from cpep.checkpoints.embed import embed_emg
from cpep.cli.main import main
from cpep.config.presets import preset
from cpep.config.schema import AlignConfig, Contrast, ObjectiveConfig, OptimConfig, RunConfig, Targets
from cpep.data.splits import make_splits
from cpep.data.store.store import open_store
from cpep.data.windows import windows_of
from cpep.experiments.pipeline import reproduce
from cpep.experiments.runs import Request
from cpep.models.cpep import Cpep
from cpep.models.dropout import Dropout
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.losses import info_nce, moment_distance
from cpep.runtime import distributed
from cpep.runtime.files import read_json
from cpep.train.align import align
from cpep.train.loop import fit
from cpep.train.pretrain import pretrain
from cpep.train.rng import part_draws
from cpep.train.supervised import supervise
from cpep.train.task import Task
from cpep.train.terms.objective import Objective
from cpep.train.terms.term import Known
from cpep.types import UserError

B = 7
OBJECTIVES = {
    "paper": AlignConfig(),
    "pose targets": AlignConfig(objective=ObjectiveConfig(targets=Targets.pose)),
    "queries": AlignConfig(queries=3, objective=ObjectiveConfig(targets=Targets.even)),
    "poses of queries": AlignConfig(queries=3, objective=ObjectiveConfig(reconstruct=0.5)),
    "cascle": AlignConfig(objective=ObjectiveConfig(targets=Targets.community, cascle=0.5)),
    "sigmoid": AlignConfig(objective=ObjectiveConfig(contrast=Contrast.sigmoid)),
    "people": AlignConfig(objective=ObjectiveConfig(adversary=0.5, moments=0.5, regress=0.5)),
    "pose encoder": AlignConfig(train_pose=True),
}
CONTRASTED = "contrasted"
"""Embeddings alone, where the ranks compute under autocast and the one process does not."""


def gradients(settings: AlignConfig) -> torch.Tensor:
    """Return loss and gradients of an alignment objective on a batch of which every rank has a part."""
    torch.manual_seed(0)
    emg, pose = (
        PatchEncoder(columns=columns, steps=40, token_steps=4, width=16, depth=2, heads=2, dropout=0.1)
        for columns in (3, 5)
    )
    net = Cpep(emg, pose, 0.1, 0.02, 0.5, queries=settings.queries, train_pose=settings.train_pose)
    centre_KD = torch.randn(4, 16)
    made = Objective(net, settings, Known(3, lambda: centre_KD))
    signal, pose_BSJ, person_B = torch.randn(B, 40, 3), torch.randn(B, 40, 5), torch.arange(B) % 3
    part = distributed.part(B)
    if settings.train_pose:
        anchor_BD = distributed.gathered(net.embed_anchor(pose_BSJ[part.rows]), part)
    else:
        anchor_BD = net.embed_anchor(pose_BSJ)
    person = person_B if made.reads_people else None
    part_draws(part)
    loss = made(signal[part.rows], anchor_BD, pose_BSJ[part.rows], person, part)
    loss.backward()
    value = distributed.Steps().average(made.parameters(), loss)
    found = [p.grad.flatten() for p in made.parameters() if p.grad is not None]
    return torch.cat([torch.tensor([value]), *found])


def contrasted(autocast: bool) -> torch.Tensor:
    """Return the value and the gradient of what contrasts embeddings of all ranks, computed under autocast or not."""
    torch.manual_seed(0)
    emg_BD, anchor_BD, person_B = torch.nn.Parameter(torch.randn(B, 16)), torch.randn(B, 16), torch.arange(B) % 3
    part = distributed.part(B)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        all_BD = distributed.gathered(emg_BD[part.rows], part)
        loss = info_nce(all_BD, anchor_BD, 0.02) + moment_distance(all_BD, person_B)
    loss.backward()
    value = distributed.Steps().average([emg_BD], loss)
    assert emg_BD.grad is not None
    return torch.cat([torch.tensor([value]), emg_BD.grad.flatten()])


def objectives() -> dict[str, torch.Tensor]:
    found = {name: gradients(settings) for name, settings in OBJECTIVES.items()}
    return found | {CONTRASTED: contrasted(autocast=distributed.world_size() > 1)}


def wrong(patch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The same where the rows of all ranks are gathered in ways that look right: the loss is."""
    gathered, found = distributed.gathered, {}
    patch.setattr(distributed, "gathered", lambda own, part: gathered(own.detach(), part))
    found["detached"] = gradients(AlignConfig())
    patch.setattr(distributed, "gathered", lambda own, part: with_own(gathered(own.detach(), part), own, part))
    found["counted once"] = gradients(AlignConfig())
    patch.undo()
    return found


def with_own(all_rows: torch.Tensor, own: torch.Tensor, part: distributed.Part) -> torch.Tensor:
    all_rows[part.rows] = own
    return all_rows


@cache
def config() -> RunConfig:
    batch = [f"{stage}.optim.batch=15" for stage in ("emg_mae", "pose_mae", "align", "baselines")]
    aligned = [f"align.{item}" for item in ("objective.targets=pose", "objective.mixup=0.5", "shuffled=true")]
    return preset("tiny", [*batch, *aligned])


def task_of(store: Path, folder: Path) -> Task:
    opened = open_store(store)
    (split,) = make_splits(opened, unseen=("3", "6", "9", "12"))
    return Task(opened, split, config(), 0, folder)


def stages(store: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Train every kind of stage, augmented, in batches that two ranks do not divide evenly; embed with the last."""
    mae = [pretrain(task_of(store, folder / name), name) for name in ("emg", "pose")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpep.train.align.VALIDATION_WINDOWS", 60)
        aligned = align(task_of(store, folder / "cpep"), *mae)
    classifier = supervise(task_of(store, folder / "supervised"))
    paths = {"emg_mae": mae[0], "pose_mae": mae[1], "cpep": aligned, "supervised": classifier}
    found = {f"{name}/{part}": t for name, path in paths.items() for part, t in weights(path).items()}
    for name, path in paths.items():
        found[f"{name}/points"] = torch.tensor(read_json(path.parent / "stage.json")["points"])
    task = task_of(store, folder)
    windows, model = windows_of(task.store, task.config.data), load(aligned)
    found["embedding"] = torch.from_numpy(embed_emg(model, task.store, windows).x_ND)
    found["one embedding"] = torch.from_numpy(embed_emg(model, task.store, windows.select(slice(0, 1))).x_ND)
    again = pretrain(task_of(store, folder / "emg"), "emg", progress=lambda *_: pytest.fail("it is finished"))
    assert again == mae[0]
    return found


def table(store: Path, folder: Path) -> None:
    """Make a row of the table at the paper preset."""
    few = [f"{stage}.optim.{much}" for stage in STAGES for much in ("steps=2", "batch=15", "checks=1")]
    settings = preset("paper", [*TINY, *few, "data.window_s=0.5", "evaluate.bootstrap=50"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cpep.experiments.pipeline.cores", lambda: 1)
        reproduce(Request(store, folder / "table", settings, models=("cpep",)), say=lambda _: None)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    (path,) = checkpoint.glob("*.safetensors")
    return {name: tensor.float() for name, tensor in load_file(path).items()}


def interrupted(store: Path, folder: Path, rank: int) -> None:
    """Rank 1 alone hears Ctrl-C, twice, in the third step: all stop after it, with the state saved."""

    def progress(done: int, total: int) -> None:
        if rank == 1 and done == 2 * 15:
            signal.raise_signal(signal.SIGINT), signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pretrain(task_of(store, folder / "interrupted"), "emg", progress)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def refusals(folder: Path, rank: int) -> None:
    """A mistake that one rank meets is every rank's."""

    def mistake() -> None:
        raise UserError(f"on rank {rank}")

    with pytest.raises(UserError, match="on rank 0"):
        distributed.on_main_rank(mistake)
    net = torch.nn.Linear(2, 1)

    def loss_at(step: int) -> torch.Tensor:
        return net(torch.full((1, 2), float("nan") if rank == step == 1 else 1.0)).sum()

    with pytest.raises(UserError, match="step 1 is nan"):
        fit(net, loss_at, lambda: 1.0, OptimConfig(steps=3), seed=0, state=folder / f"nan{rank}", key="")


def as_rank(store: Path, folder: Path) -> None:
    """Do all of it as one of two ranks, and save what was found."""
    rank = int(os.environ["RANK"])
    assert main(["embed", str(folder / "absent"), str(store), str(folder / "out.npz")]) == 2  # joins the ranks
    assert distributed.world_size() == 2 and distributed.is_main_rank() == (rank == 0)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        found = objectives() | wrong(patch)
    found |= stages(store, folder)
    table(store, folder)
    interrupted(store, folder, rank)
    refusals(folder, rank)
    torch.manual_seed(0)
    generator = part_draws(distributed.part(8), 20)
    found |= {"masks": torch.rand(4, 20, generator=generator), "dropout": Dropout(0.3)(torch.ones(4, 7, 3))}
    found |= {"others": nn.Dropout(0.3)(torch.ones(4, 7, 3))}
    save_file(found, folder / f"rank{rank}.safetensors")
    if rank == 1:
        os._exit(2)  # as a rank ends that has complained
    with pytest.raises(UserError, match="another rank ended"):
        distributed.total(1.0)
    assert not distributed.complains()
    os._exit(0)


if __name__ == "__main__":
    as_rank(Path(sys.argv[1]), Path(sys.argv[2]))
