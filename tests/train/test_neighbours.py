import numpy as np
import pytest
import torch

from cpep.train import neighbours as neighbours
from cpep.train.neighbours import drawn, mixed, neighbours_of
from cpep.types import UserError


@pytest.fixture
def poses():
    user = np.array(list("aabbbccccc" * 4))
    return torch.randn(40, 5, generator=torch.Generator().manual_seed(0)), user


@pytest.mark.parametrize("block", [3, 1000])
def test_mates_are_the_nearest_windows_of_other_people(poses, monkeypatch, block):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    pose, user = poses
    found = neighbours_of(pose, user, 4)
    for n in range(40):
        cosine = {
            m: float(pose[n] @ pose[m] / pose[n].norm() / pose[m].norm()) for m in range(40) if user[m] != user[n]
        }
        assert found[n].tolist() == sorted(cosine, key=lambda m: -cosine[m])[:4]


def test_of_few_windows_of_others_all_are_mates(poses):
    pose, user = poses
    assert neighbours_of(pose[:4], user[:4]).shape == (4, 2)


def test_one_person_has_no_mates(poses):
    pose, user = poses
    with pytest.raises(UserError, match="only one person"):
        neighbours_of(pose[:2], user[:2])


def test_one_mate_of_each_is_drawn(poses):
    found = neighbours_of(*poses, 4)
    torch.manual_seed(0)
    one = np.stack([drawn(found) for _ in range(50)])
    assert all(set(one[:, n]) == set(found[n]) for n in range(40))


def test_a_mixed_window_is_at_least_half_its_own():
    torch.manual_seed(0)
    own, other = torch.zeros(500, 2, 3), torch.ones(500, 2, 3)
    weight = mixed(own, other, 0.4)
    assert (weight == weight[:, :1, :1]).all() and weight.min() >= 0 and 0.45 < weight.max() < 0.5
    assert 0.3 < float((weight[:, 0, 0] > 0).float().mean()) < 0.5
    assert torch.equal(mixed(own, other, 0.0), own)
