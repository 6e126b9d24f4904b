"""Terms of the alignment: which ones a setting adds, from which poses, and that they can be learnt."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from cpep.checkpoints.checkpoint import load
from cpep.config.presets import preset
from cpep.experiments.rows import OBJECTIVES, VARIANTS
from cpep.models.cpep import Cpep
from cpep.models.encoder import Encoder
from cpep.models.losses import affinities, cascle, info_nce, moment_distance, similarities, soft_targets
from cpep.runtime.distributed import part
from cpep.train.objective import AnchorSide, Objective, communities
from cpep.train.stages import align, pretrain
from cpep.train.task import Task, build_model
from cpep.types import UserError


def objective(*sets, centres=None, people=1):
    torch.manual_seed(0)
    settings = preset("tiny", [f"align.{item}" for item in sets]).align
    emg, pose = (
        Encoder(columns=columns, steps=40, token_steps=4, width=16, depth=2, heads=2, dropout=0.0)
        for columns in (3, 5)
    )
    return Objective(Cpep(emg, pose, 0.1, 0.02, 0.5, queries=settings.queries), settings, centres, people).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in ((6, 40, 3), (6, 16), (6, 40, 5)))


CENTRES = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))


def test_without_settings_it_is_the_loss_of_the_paper(batch):
    signal, pose, _ = batch
    made = objective()
    assert torch.equal(made(signal, pose, None), info_nce(made.net.embed_emg(signal), pose, made.net.temperature))
    assert not made.reads_anchor and [name for name, _ in made.named_parameters()] == [
        f"net.{name}" for name, _ in made.net.named_parameters()
    ]


def test_soft_terms_are_those_of_the_functions(batch):
    signal, pose, _ = batch
    plain = objective()
    emg, temperature = plain.net.embed_emg(signal), plain.net.temperature
    affinity = affinities(pose, CENTRES, 3, 0.2)
    sets = ("objective.keep=3", "objective.target_temperature=0.2", "objective.share=0.4")
    found = objective("objective.cascle=0.5", *sets, centres=CENTRES)(signal, pose, None)
    assert torch.isclose(
        found, info_nce(emg, pose, temperature) + 0.5 * cascle(emg, pose, affinity, temperature, 0.2)
    )
    target = soft_targets(similarities(pose, pose), 0.2, 0.4)
    found = objective("objective.targets=pose", *sets)(signal, pose, None)
    assert torch.isclose(found, info_nce(emg, pose, temperature, target))
    same = affinity.argmax(1)[:, None] == affinity.argmax(1)
    target = 0.6 * torch.eye(6) + 0.4 * same / same.sum(1, keepdim=True)
    found = objective("objective.targets=community", *sets, centres=CENTRES)(signal, pose, None)
    assert torch.isclose(found, info_nce(emg, pose, temperature, target))
    found = objective("objective.targets=even", *sets)(signal, pose, None)
    assert torch.isclose(found, info_nce(emg, pose, temperature, 0.6 * torch.eye(6) + 0.4 / 6))


def test_the_pose_is_predicted_token_by_token_in_standard_deviations(batch):
    signal, pose, pose_BSJ = batch
    made = objective("objective.regress=2")
    made.net.anchor.tokeniser.fit(10 * pose_BSJ + 3)
    standard = (pose_BSJ - made.net.anchor.tokeniser.mean) / made.net.anchor.tokeniser.std
    predicted = made.regression(made.net.embed_emg(signal)).view(6, 10, 5)
    error = sum(
        ((predicted[b, n] - standard[b, 4 * n : 4 * n + 4].mean(0)) ** 2).mean() for b in range(6) for n in range(10)
    )
    wanted = info_nce(made.net.embed_emg(signal), pose, made.net.temperature) + 2 * error / 60
    assert made.reads_anchor and torch.isclose(made(signal, pose, pose_BSJ), wanted)


def test_the_reconstruction_is_weighted(batch):
    losses = []
    for weight in (1, 3):
        made = objective("queries=4", f"objective.reconstruct={weight}")
        torch.manual_seed(1)  # which tokens are hidden
        losses.append(made(*batch))
    contrast = info_nce(made.net.embed_emg(batch[0]), batch[1], made.net.temperature)
    assert torch.isclose((losses[0] - contrast) * 3, losses[1] - contrast)


def test_poses_that_are_trained_do_not_move_their_own_target(batch):
    signal, pose, _ = batch
    made, pose = objective("objective.targets=pose"), pose.clone().requires_grad_()
    emg, temperature = made.net.embed_emg(signal).detach(), made.net.temperature.detach()
    (found,) = torch.autograd.grad(made._contrast(emg, pose), pose)
    target = soft_targets(similarities(pose, pose), 0.1, 0.3).detach()
    (wanted,) = torch.autograd.grad(info_nce(emg, pose, temperature, target), pose)
    assert torch.allclose(found, wanted, atol=1e-7)


def test_people_are_told_apart_by_the_adversary_alone(batch):
    signal, pose, _ = batch
    person = torch.tensor([0, 1, 2, 0, 1, 2])
    made = objective("objective.adversary=0.5", "objective.moments=2", people=3)
    emg = made.net.embed_emg(signal)
    guess = torch.nn.functional.cross_entropy(made.adversary(emg), person)
    wanted = info_nce(emg, pose, made.net.temperature) + 0.5 * guess + 2 * moment_distance(emg, person)
    assert made.reads_people and torch.isclose(made(signal, pose, None, person), wanted)
    made.settings = dataclasses.replace(made.settings, moments=0.0)
    found, wanted = (
        torch.autograd.grad(loss, [made.adversary.weight, made.net.projection.weight])
        for loss in (
            made(signal, pose, None, person) - info_nce(made.net.embed_emg(signal), pose, made.net.temperature),
            0.5 * torch.nn.functional.cross_entropy(made.adversary(made.net.embed_emg(signal)), person),
        )
    )
    assert torch.allclose(found[0], wanted[0], atol=1e-6) and torch.allclose(found[1], -wanted[1], atol=1e-6)


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("objective.contrast=sigmoid",),
        ("objective.targets=pose",),
        ("objective.targets=community", "objective.cascle=1"),
        ("objective.adversary=0.5", "objective.moments=2", "objective.regress=1"),
        ("queries=4", "objective.targets=even", "objective.adversary=0.5", "objective.regress=1"),
    ],
)
def test_under_autocast_an_objective_of_the_same_embeddings_is_the_same(batch, monkeypatch, sets):
    signal, pose, pose_BSJ = batch
    made = objective(*sets, centres=CENTRES, people=3)
    shape = (6, 4, 16) if "queries=4" in sets else (6, 16)
    emg = torch.nn.functional.normalize(torch.randn(shape), dim=-1).requires_grad_()
    for name in ("embed_emg", "query_states", "of_queries"):  # networks may compute in bf16
        monkeypatch.setattr(made.net, name, lambda _: emg)
    person = torch.tensor([0, 1, 2, 0, 1, 2]) if made.reads_people else None

    def of(autocast):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = made(signal, pose, pose_BSJ if made.reads_anchor else None, person)
        leaves = [emg, *(p for p in made.parameters() if p.requires_grad)]
        return [loss, *torch.autograd.grad(loss, leaves, allow_unused=True)]

    for found, wanted in zip(of(True), of(False), strict=True):
        assert found is wanted is None or torch.equal(found, wanted)


def task(store, split, folder, *sets):
    return Task(store, split, preset("tiny", sets), 0, folder)


@pytest.mark.parametrize("name", ["embridge", *OBJECTIVES])
def test_every_objective_lowers_its_loss(store, split, tmp_path, name):
    sets = ("align.optim.steps=80", "align.optim.lr=3e-3", "align.optim.checks=2", *VARIANTS[name])
    align(task(store, split, tmp_path, *sets), None, None)
    (_, first, _), (_, last, _) = json.loads((tmp_path / "stage.json").read_text())["points"]
    assert last < first
    found = load(tmp_path / "checkpoint").encode_emg(torch.rand(2, 10, 200))
    assert found.shape == ((2, 16, 16) if "align.queries=16" in VARIANTS[name] else (2, 16))


def test_a_query_former_begins_as_the_pose_autoencoder(store, split, tmp_path):
    sets = ("align.queries=4", "align.optim.lr=1e-12")
    pose = pretrain(task(store, split, tmp_path / "pose"), "pose")
    net = load(align(task(store, split, tmp_path / "cpep", *sets), None, pose)).net
    for name, tensor in load(pose).net.blocks.state_dict().items():
        assert torch.allclose(net.former.blocks.state_dict()[name], tensor, atol=1e-6)


def test_communities_are_of_training_people(store, split, tmp_path):
    own = task(store, split, tmp_path, "align.objective.cascle=1", "align.objective.communities=3")
    side = AnchorSide(own, build_model(own, "cpep").net, own.windows("train", pose=True))
    assert set(side.windows.users(store)) == set(split.users_train)
    centre = communities(side, own.config.align, 0)
    nearest = torch.cdist(side.every(), centre).argmin(1)
    for k in range(3):
        assert torch.allclose(side.every()[nearest == k].mean(0), centre[k], atol=1e-3)
    assert communities(side, task(store, split, tmp_path).config.align, 0) is None


def test_poses_are_those_of_the_windows_that_are_chosen(store, split, tmp_path):
    own = task(store, split, tmp_path)
    net = build_model(own, "cpep").net.eval()
    side = AnchorSide(own, net, own.windows("train", pose=True))
    chosen = np.array([5, 2, 9])
    with torch.no_grad():
        assert torch.allclose(side.embed(chosen, part(len(chosen))), net.embed_anchor(side.pose(chosen)), atol=1e-6)


@pytest.mark.parametrize(
    "sets, says",
    [
        (["align.objective.reconstruct=1"], "set align.queries"),
        (["align.objective.cascle=1", "align.train_pose=true"], "frozen pose encoder"),
        (["align.objective.contrast=sigmoid", "align.objective.targets=pose"], "set align.objective.targets=own"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(sets, says):
    with pytest.raises(UserError, match=says):
        preset("tiny", sets)
