import inspect
import math

import pytest
import torch

from cpep.models import losses
from cpep.models.losses import (
    affinities,
    calibrated_info_nce,
    cascle,
    info_nce,
    masked_mse,
    moment_distance,
    pose_loss,
    reversed_gradient,
    sigmoid_loss,
    similarities,
    soft_targets,
)


def info_nce_by_loops(emg, pose, temperature):
    """Each row's softmax over the batch, both ways, written out."""
    emg = [[float(v) / math.sqrt(float(row @ row)) for v in row] for row in emg]
    pose = [[float(v) / math.sqrt(float(row @ row)) for v in row] for row in pose]
    total = 0.0
    for one, other in ((emg, pose), (pose, emg)):
        for i, row in enumerate(one):
            scores = [sum(a * b for a, b in zip(row, candidate, strict=True)) / temperature for candidate in other]
            total += math.log(sum(math.exp(score) for score in scores)) - scores[i]
    return total / (2 * len(emg))


def cosine(one, other):
    return float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def batch(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_of_queries_the_best_one_counts():
    emg, pose = batch(4, 3, 5), batch(6, 5, seed=1)
    found = similarities(emg, pose)
    for b in range(4):
        for p in range(6):
            assert found[b, p].item() == pytest.approx(max(cosine(emg[b, q], pose[p]) for q in range(3)), abs=1e-6)
    assert torch.equal(similarities(emg[:, :1], pose), similarities(emg[:, 0], pose))


def test_info_nce_with_soft_targets_equals_the_loops():
    emg, pose = batch(5, 4), batch(5, 4, seed=1)
    target = soft_targets(similarities(pose, pose), 0.3, 0.4)
    total = 0.0
    for one, other in ((emg, pose), (pose, emg)):
        for i in range(5):
            scores = [cosine(one[i], other[j]) / 0.2 for j in range(5)]
            log_sum = math.log(sum(math.exp(score) for score in scores))
            total -= sum(float(target[i, j]) * (scores[j] - log_sum) for j in range(5))
    assert info_nce(emg, pose, 0.2, target).item() == pytest.approx(total / 10, 1e-5)


def test_soft_targets_equal_the_loops():
    pose = batch(4, 3)
    found = soft_targets(similarities(pose, pose), 0.5, 0.25)
    for i in range(4):
        weights = [math.exp(cosine(pose[i], pose[j]) / 0.5) for j in range(4)]
        for j in range(4):
            assert found[i, j].item() == pytest.approx(0.75 * (i == j) + 0.25 * weights[j] / sum(weights), abs=1e-6)
    even = soft_targets(torch.zeros(4, 4), 1.0, 0.2)
    assert torch.allclose(even, 0.8 * torch.eye(4) + 0.05)


def test_the_sigmoid_loss_equals_the_loops():
    emg, pose = batch(5, 4), batch(5, 4, seed=1)
    total = 0.0
    for i in range(5):
        for j in range(5):
            logit = (cosine(emg[i], pose[j]) / 0.2 - 3) * (1 if i == j else -1)
            total += math.log(1 + math.exp(-logit))
    assert sigmoid_loss(emg, pose, 0.2, -3).item() == pytest.approx(total / 5, 1e-5)


def affinities_by_loops(pose, centres, keep, temperature):
    rows = []
    for vector in pose:
        cosines = [cosine(vector, centre) for centre in centres]
        kept = sorted(range(len(centres)), key=lambda k: -cosines[k])[:keep]
        total = sum(math.exp(cosines[k] / temperature) for k in kept)
        rows.append([math.exp(cosines[k] / temperature) / total if k in kept else 0.0 for k in range(len(centres))])
    return rows


def test_affinities_and_cascle_equal_the_loops():
    emg, pose, centres = batch(6, 4), batch(6, 4, seed=1), batch(5, 4, seed=2)
    affinity = affinities_by_loops(pose, centres, 2, 0.3)
    found = affinities(pose, centres, 2, 0.3)
    assert torch.allclose(found, torch.tensor(affinity, dtype=found.dtype), atol=1e-6)
    total = 0.0
    for one, other in ((emg, pose), (pose, emg)):
        for i in range(6):
            others = [j for j in range(6) if j != i]  # the own pose takes no part
            alike = {j: cosine(torch.tensor(affinity[i]), torch.tensor(affinity[j])) / 0.2 for j in others}
            scores = {j: cosine(one[i], other[j]) / 0.1 for j in others}
            mass, log_sum = (
                sum(math.exp(value) for value in alike.values()),
                math.log(sum(math.exp(value) for value in scores.values())),
            )
            total -= sum(math.exp(alike[j]) / mass * (scores[j] - log_sum) for j in others)
    assert cascle(emg, pose, found, 0.1, 0.2).item() == pytest.approx(total / 12, 1e-5)


def test_cascle_does_not_ask_for_the_own_pose():
    """EMG windows at other poses feel no pull towards their own, which InfoNCE gives them."""
    pose = torch.eye(4, dtype=torch.float64)
    affinity = affinities(batch(4, 3), batch(3, 3, seed=1), 2, 0.3)

    def pull(loss_of):
        own = torch.zeros(4, dtype=torch.float64, requires_grad=True)  # of each window's own pose in its EMG
        (gradient,) = torch.autograd.grad(loss_of(pose.roll(1, 0) + own[:, None] * pose), own)
        return gradient

    assert pull(lambda emg: cascle(emg, pose, affinity, 0.1, 0.2)).abs().max() < 1e-9
    assert (pull(lambda emg: info_nce(emg, pose, 0.1)) < -0.1).all()


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_info_nce_equals_the_loops(temperature):
    emg, pose = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert info_nce(emg, pose, temperature).item() == pytest.approx(info_nce_by_loops(emg, pose, temperature), 1e-5)


def test_info_nce_is_symmetric_and_blind_to_length():
    emg, pose = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    assert torch.isclose(info_nce(emg, pose, 0.1), info_nce(pose, emg, 0.1))
    assert torch.isclose(info_nce(3 * emg, pose, 0.1), info_nce(emg, pose, 0.1))


def test_info_nce_of_equal_embeddings_is_log_of_batch():
    same = torch.ones(8, 3)
    assert info_nce(same, same, 0.02).item() == pytest.approx(math.log(8), 1e-5)


def test_info_nce_of_orthogonal_pairs_in_closed_form():
    eye = torch.eye(4)
    expected = math.log(math.exp(1 / 0.5) + 3) - 1 / 0.5
    assert info_nce(eye, eye, 0.5).item() == pytest.approx(expected, 1e-5)


def aligned_pairs(noise):
    generator = torch.Generator().manual_seed(2)
    pairs = []
    for _ in range(3):
        pose = torch.randn(32, 6, generator=generator)
        pairs.append((pose + noise * torch.randn(32, 6, generator=generator), pose))
    return pairs


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_calibrated_info_nce_is_the_lowest_of_all_temperatures(noise):
    pairs = aligned_pairs(noise)
    every = [
        sum(info_nce(emg, pose, float(t)).item() for emg, pose in pairs) / 3 for t in torch.logspace(-1.7, -0.3, 400)
    ]
    found = calibrated_info_nce(pairs, 10**-1.7, 10**-0.3)
    assert found == pytest.approx(min(every), 1e-4) and found < max(every) - 0.1


def test_calibrated_info_nce_stays_within_its_bounds():
    (own, _), (_, other), _ = aligned_pairs(0.3)
    strangers = [(own, other)]
    assert calibrated_info_nce(strangers, 0.02, 0.1) == pytest.approx(info_nce(own, other, 0.1).item(), 1e-3)
    exact = [(own, own)]
    assert calibrated_info_nce(exact, 0.2, 0.5) == pytest.approx(info_nce(own, own, 0.2).item(), 1e-3)


def test_calibrated_info_nce_needs_a_batch():
    with pytest.raises(ValueError, match="a batch"):
        calibrated_info_nce([], 0.02, 0.5)


def test_info_nce_refuses_one_pair():
    with pytest.raises(ValueError, match="two or more"):
        info_nce(torch.ones(1, 3), torch.ones(1, 3), 0.1)


def test_masked_mse_equals_the_loops_and_ignores_visible_tokens():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 3, 5, 4, generator=generator)
    masked = torch.rand(3, 5, generator=generator) < 0.5
    errors = [
        float(((prediction[b, n] - target[b, n]) ** 2).mean()) for b in range(3) for n in range(5) if masked[b, n]
    ]
    assert masked_mse(prediction, target, masked).item() == pytest.approx(sum(errors) / len(errors), 1e-5)
    changed = torch.where(masked[..., None], prediction, prediction + 100)
    assert torch.equal(masked_mse(changed, target, masked), masked_mse(prediction, target, masked))


def test_masked_mse_needs_a_masked_token():
    with pytest.raises(ValueError, match="no token"):
        masked_mse(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool))


def tips(pose_BSJ):
    """Three fingertips that are linear in two joints."""
    return torch.stack([pose_BSJ, 2 * pose_BSJ, -pose_BSJ], dim=-1).transpose(-1, -2)


def test_pose_loss_equals_the_loops():
    predicted, target = torch.randn(2, 3, 4, 2, generator=torch.Generator().manual_seed(0)).unbind(0)
    angles, distances = [], []
    for b in range(3):
        for s in range(4):
            angles += [abs(float(predicted[b, s, j] - target[b, s, j])) for j in range(2)]
            for one, other in zip(tips(predicted[b, s]), tips(target[b, s]), strict=True):
                distances.append(math.sqrt(sum(float(a - b) ** 2 for a, b in zip(one, other, strict=True))))
    angle, distance = sum(angles) / len(angles), sum(distances) / len(distances)
    assert float(pose_loss(predicted, target, tips, 0.01)) == pytest.approx(angle + 0.01 * distance, rel=1e-5)
    assert float(pose_loss(predicted, target, None, 0.01)) == pytest.approx(angle, rel=1e-5)
    assert float(pose_loss(predicted, target, tips, 0.0)) == pytest.approx(angle, rel=1e-5)


def test_moment_distance_equals_the_loops():
    x, person = batch(7, 3), torch.tensor([0, 4, 0, 4, 4, 0, 4])
    mean = [sum(float(x[n, d]) for n in range(7)) / 7 for d in range(3)]

    def moments(rows):
        own = [sum(float(x[n, d]) for n in rows) / len(rows) for d in range(3)]
        spread = [
            [sum(float((x[n, d] - own[d]) * (x[n, e] - own[e])) for n in rows) / len(rows) for e in range(3)]
            for d in range(3)
        ]
        return own, spread

    _, whole = moments(range(7))
    total = 0.0
    for rows in ([0, 2, 5], [1, 3, 4, 6]):
        own, spread = moments(rows)
        total += sum((own[d] - mean[d]) ** 2 for d in range(3))
        total += sum((spread[d][e] - whole[d][e]) ** 2 for d in range(3) for e in range(3))
    assert moment_distance(x, person).item() == pytest.approx(total / 2, 1e-6)


def test_a_reversed_gradient_is_reversed():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    out = reversed_gradient(x)
    (out * torch.tensor([3.0, 4.0])).sum().backward()
    assert torch.equal(out, x) and torch.equal(x.grad, torch.tensor([-3.0, -4.0]))


ANSWERS = {
    "affinities": lambda emg, pose: affinities(emg, pose, 3, 0.05),
    "calibrated_info_nce": lambda emg, pose: torch.tensor(calibrated_info_nce([(emg, pose)], 0.02, 0.5)),
    "cascle": lambda emg, pose: cascle(emg, pose, emg.detach().abs(), 0.02, 0.1),
    "info_nce": lambda emg, pose: info_nce(emg, pose, 0.02),
    "masked_mse": lambda emg, pose: masked_mse(emg[None], pose[None], torch.arange(24)[None] % 2 == 0),
    "moment_distance": lambda emg, pose: moment_distance(emg, torch.arange(24) % 3),
    "pose_loss": lambda emg, pose: pose_loss(emg[None], pose[None], lambda x: (x @ x.mT)[..., None], 0.01),
    "reversed_gradient": lambda emg, pose: reversed_gradient(emg),
    "sigmoid_loss": lambda emg, pose: sigmoid_loss(emg, pose, 0.02, -10.0),
    "similarities": similarities,
    "soft_targets": lambda emg, pose: soft_targets(emg, 0.1, 0.3),
}
"""Every function of cpep.models.losses, of embeddings (24, 24)."""


def with_gradient(answer, emg, pose, autocast):
    """Return what a loss says, and the gradient of a sum over it, taken outside of autocast, as in training."""
    emg = emg.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = answer(emg, pose)
    if found.requires_grad:
        (found * torch.linspace(1, 2, found.numel()).view_as(found)).sum().backward()
    return found.detach(), emg.grad


def test_no_loss_is_forgotten_below():
    public = {name for name, value in vars(losses).items() if inspect.isfunction(value) and name[0] != "_"}
    own = {name for name in public if vars(losses)[name].__module__ == "cpep.models.losses"}
    assert own - {"in_fp32"} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_under_autocast_a_loss_is_exactly_what_it_is_without(name):
    emg, pose = torch.nn.functional.normalize(batch(2, 24, 24).float(), dim=-1)
    value, gradient = with_gradient(ANSWERS[name], emg, pose, autocast=False)
    found, found_gradient = with_gradient(ANSWERS[name], emg, pose, autocast=True)
    assert found.dtype is value.dtype and torch.equal(found, value)
    assert gradient is found_gradient is None or torch.equal(found_gradient, gradient)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"reversed_gradient"}))
def test_a_loss_of_half_precision_is_computed_in_fp32(name, half):
    emg, pose = torch.nn.functional.normalize(batch(2, 24, 24), dim=-1).to(half)
    found = ANSWERS[name](emg, pose)
    assert found.dtype is torch.float32 and torch.equal(found, ANSWERS[name](emg.float(), pose.float()))
