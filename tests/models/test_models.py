import pytest
import torch

from cpep.models import transformer
from cpep.models.cpep import Cpep
from cpep.models.encoder import Tokeniser, take
from cpep.models.encoders.patches import PatchEncoder
from cpep.models.mae import MaskedAutoencoder
from cpep.models.transformer import attend, written_out


def encoder(dropout=0.0, width=16):
    torch.manual_seed(0)
    return PatchEncoder(columns=3, steps=8, token_steps=2, width=width, depth=2, heads=2, dropout=dropout)


def test_tokens_are_consecutive_steps():
    x = torch.randn(2, 40, 3)
    assert torch.equal(Tokeniser(3, 40, 10)(x), x.reshape(2, 4, 30))


def test_statistics_standardise_what_they_were_fitted_on():
    tokeniser = Tokeniser(3, 40, 10)
    signal = torch.randn(50, 40, 3) * torch.tensor([1.0, 5.0, 0.2]) + torch.tensor([0.0, 1.0, 2.0])
    tokeniser.fit(signal)
    values = tokeniser(signal).reshape(-1, 3)
    assert torch.allclose(values.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(values.std(0), torch.ones(3), atol=1e-3)


def test_tokens_must_divide_the_window():
    with pytest.raises(ValueError, match="do not divide"):
        Tokeniser(3, 41, 10)


def test_take_equals_gather():
    x = torch.randn(4, 6, 5)
    index = torch.stack([torch.randperm(6)[:3] for _ in range(4)])
    assert torch.equal(take(x, index), torch.gather(x, 1, index[..., None].expand(-1, -1, 5)))


def test_written_out_attention_equals_sdpa():
    q, k, v = torch.randn(3, 2, 2, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sdpa = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert (written_out(q, k, v) - sdpa).abs().max() < 1e-9


def test_bf16_takes_the_written_out_products_and_embeds_like_sdpa(monkeypatch):
    q, k, v = torch.randn(3, 2, 2, 9, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(attend(q, k, v), written_out(q, k, v))
    assert not torch.equal(attend(q, k, v), torch.nn.functional.scaled_dot_product_attention(q, k, v))
    model, signal = encoder(width=64).eval(), torch.rand(16, 8, 3)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        explicit = model(signal).float()
        monkeypatch.setattr(transformer, "attend", torch.nn.functional.scaled_dot_product_attention)
        fused = model(signal).float()
    assert (1 - torch.cosine_similarity(explicit, fused)).max() < 1e-3


def test_hidden_tokens_never_enter_the_encoder():
    model = MaskedAutoencoder(encoder(), 0.5, 1, 2)
    seen = []
    model.encoder.blocks[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    model(torch.rand(2, 8, 3))
    assert seen == [(2, 1 + 2, 16)]


def test_hidden_values_reach_the_loss_only_as_targets():
    model = MaskedAutoencoder(encoder(), 0.5, 1, 2).eval()
    signal = torch.rand(1, 8, 3)
    order = torch.tensor([[2, 0, 1, 3]])
    changed = signal.clone()
    changed[:, 4:6] += 1.0  # token 2
    changed[:, 0:2] += 1.0  # token 0
    tokens, other = (model.encoder.tokens_of(x) for x in (signal, changed))
    first, second = (model.reconstruct(model.encoder.encode(x, order[:, 2:]), order) for x in (tokens, other))
    assert torch.equal(first, second)


def test_reconstruction_keeps_the_place_of_each_token():
    """Without blocks, a visible token's reconstruction depends on that token and its place alone."""
    model = MaskedAutoencoder(encoder(), 0.5, 0, 2).eval()
    order = torch.tensor([[2, 0, 3, 1]])
    visible = torch.randn(1, 3, 16)
    out = model.reconstruct(visible, order)
    assert torch.allclose(out[0, 3], model.out(model.norm(visible[0, 1] + model.position[3])), atol=1e-6)
    assert torch.allclose(out[0, 1], model.out(model.norm(visible[0, 2] + model.position[1])), atol=1e-6)
    assert torch.allclose(out[0, 2], model.out(model.norm(model.mask_token + model.position[2])), atol=1e-6)


def test_mae_must_hide_some_and_not_all():
    with pytest.raises(ValueError, match="some, and not all"):
        MaskedAutoencoder(encoder(), 1.0, 1, 2)


def test_the_pose_encoder_is_frozen_and_without_dropout():
    net = Cpep(encoder(dropout=0.5), encoder(dropout=0.5), 0.02, 0.01, 0.5).train()
    assert not any(p.requires_grad for p in net.anchor.parameters())
    pose = torch.rand(3, 8, 3)
    assert torch.equal(net.embed_anchor(pose), net.embed_anchor(pose))
    assert not torch.equal(net.embed_emg(pose), net.embed_emg(pose))


def test_the_temperature_starts_at_its_value_and_stays_in_bounds():
    net = Cpep(encoder(), encoder(), 0.02, 0.01, 0.5)
    assert net.temperature.item() == pytest.approx(0.02)
    net.log_temperature.data.fill_(-100.0)
    assert net.temperature.item() == pytest.approx(0.01)
    net.log_temperature.data.fill_(100.0)
    assert net.temperature.item() == pytest.approx(0.5)


def test_embeddings_have_unit_length():
    net = Cpep(encoder(), encoder(), 0.02, 0.01, 0.5)
    signal = torch.rand(4, 8, 3)
    for embedding in (net.embed_emg(signal), net.embed_anchor(signal)):
        assert torch.allclose(embedding.norm(dim=-1), torch.ones(4), atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_embedding_is_the_first_state_though_the_last_block_computes_no_other(dropout):
    model, signal = encoder(dropout=dropout).eval(), torch.rand(5, 8, 3)
    wanted, found = model.states(signal)[:, 0], model(signal)
    assert torch.allclose(found, wanted, atol=1e-6)
    gradients = [torch.autograd.grad(x.square().sum(), list(model.parameters())) for x in (wanted, found)]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))
    computed = []
    model.blocks[-1].up.register_forward_hook(lambda module, inputs, output: computed.append(inputs[0].shape[1]))
    model(signal), model.states(signal)
    assert computed == [1, 5]


def test_pooled_is_cls_and_the_mean_of_the_other_tokens():
    model, signal = encoder().eval(), torch.rand(2, 8, 3)
    tokens = model.states(signal)
    pooled = model.pooled(signal)
    assert torch.equal(pooled[:, :16], tokens[:, 0])
    for b in range(2):
        assert torch.allclose(pooled[b, 16:], sum(tokens[b, n] for n in range(1, 5)) / 4, atol=1e-6)
