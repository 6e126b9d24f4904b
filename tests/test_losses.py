import math

import pytest
import torch

from cpep.losses import calibrated_info_nce, info_nce, masked_mse, pose_loss


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
