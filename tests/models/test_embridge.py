import pytest
import torch

from cpep.models.cpep import Cpep
from cpep.models.embridge import PoseReconstruction, QueryFormer
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.transformer import Block, CrossAttention
from cpep.types import UserError


def encoder(columns, width=16, depth=4):
    return PatchEncoder(columns=columns, steps=40, token_steps=4, width=width, depth=depth, heads=2, dropout=0.0)


@pytest.fixture
def parts():
    torch.manual_seed(0)
    emg, pose = encoder(3, width=8), encoder(5)
    return emg, pose, QueryFormer(pose, emg.width, 6, 0.0), PoseReconstruction(pose, 0.5)


def test_tokens_that_attend_to_others_are_those_of_a_block_over_both():
    torch.manual_seed(0)
    block, x, beside = Block(8, 2, 0.0), torch.randn(3, 5, 8), torch.randn(3, 4, 8)
    assert torch.allclose(block(x, beside), block(torch.cat([beside, x], dim=1))[:, 4:], atol=1e-6)
    assert not torch.allclose(block(x, beside), block(x), atol=1e-3)


def test_cross_attention_equals_the_loops():
    torch.manual_seed(0)
    layer, x, other = CrossAttention(4, 6, 2, 0.0), torch.randn(2, 3, 4), torch.randn(2, 5, 6)
    query, both = layer.query(layer.norm(x)), layer.key_value(layer.norm_other(other))
    mixed = torch.zeros(2, 3, 4)
    for b in range(2):
        for n in range(3):
            for h in (slice(0, 2), slice(2, 4)):
                key, value = both[b, :, :4][:, h], both[b, :, 4:][:, h]
                weight = torch.stack([(query[b, n, h] @ k) / 2**0.5 for k in key]).softmax(0)
                mixed[b, n, h] = sum(w * v for w, v in zip(weight, value, strict=True))
    assert torch.allclose(layer(x, other), x + layer.out(mixed), atol=1e-6)


def test_queries_read_the_emg_and_begin_as_the_pose_encoder(parts):
    _, pose, former, _ = parts
    former.start_from(pose)
    for name, tensor in pose.blocks.state_dict().items():
        assert torch.equal(former.blocks.state_dict()[name], tensor)
    assert len(former.cross) == 2  # in every other of four blocks
    emg = torch.randn(2, 7, 8)
    states = former.states(emg)
    assert len(states) == 5 and all(state.shape == (2, 6, 16) for state in states)
    assert not torch.allclose(states[0], former.states(emg.flip(-1))[0])


def test_a_reconstruction_knows_the_emg_through_the_queries_alone(parts):
    emg, pose, former, mprl = parts
    tokens = torch.randn(2, 11, emg.width, requires_grad=True)
    pose_BSJ = torch.randn(2, 40, 5)
    states = former.states(tokens)
    mprl(former, states, pose, pose_BSJ).backward(retain_graph=True)
    assert tokens.grad.abs().max() > 0
    tokens.grad = None
    held = [state.detach() for state in states]
    mprl(former, held, pose, pose_BSJ).backward()
    assert tokens.grad is None
    assert not any(layer.key_value.weight.grad is None for layer in former.cross)  # of the first backward
    one, other = (former.states(torch.randn(2, 11, emg.width)) for _ in "ab")
    read = pose.tokens_of(pose_BSJ)
    hidden = torch.arange(10) % 2 == 0
    found = [mprl.reconstruct(former, held, pose, read, hidden.expand(2, 10)) for _ in (one, other)]
    assert torch.equal(*found)
    assert not torch.allclose(
        *(mprl.reconstruct(former, states, pose, read, hidden.expand(2, 10)) for states in (one, other))
    )


def test_a_reconstruction_does_not_read_what_is_hidden(parts):
    emg, pose, former, mprl = parts
    states = former.states(torch.randn(2, 11, emg.width))
    tokens, hidden = torch.randn(2, 10, 20), torch.zeros(2, 10, dtype=torch.bool)
    hidden[:, ::2] = True
    found = mprl.reconstruct(former, states, pose, tokens, hidden)
    other = mprl.reconstruct(former, states, pose, torch.where(hidden[..., None], 9.0, tokens), hidden)
    assert torch.equal(found, other)
    assert not torch.allclose(found, mprl.reconstruct(former, states, pose, tokens + 1, hidden))


def test_the_loss_is_of_hidden_tokens_alone(parts, monkeypatch):
    _, pose, former, mprl = parts
    seen = {}

    def noted(former, states, pose, tokens, hidden):
        seen["hidden"] = hidden
        return torch.where(hidden[..., None], tokens, tokens + 9)

    monkeypatch.setattr(mprl, "reconstruct", noted)
    assert float(mprl(former, [], pose, torch.randn(3, 40, 5))) == 0
    assert (seen["hidden"].sum(dim=1) == 5).all()


def test_all_or_nothing_cannot_be_hidden():
    with pytest.raises(UserError, match="hides 0"):
        PoseReconstruction(encoder(5), 0.01)


def test_a_pair_with_queries_embeds_each_of_them():
    torch.manual_seed(0)
    net = Cpep(encoder(3, width=8), encoder(5), 0.1, 0.02, 0.5, queries=6).eval()
    found = net.embed_emg(torch.randn(4, 40, 3))
    assert found.shape == (4, 6, 16) and torch.allclose(found.norm(dim=-1), torch.ones(4, 6))
    assert net.embed_anchor(torch.randn(4, 40, 5)).shape == (4, 16)
