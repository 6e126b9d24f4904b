"""The references of benchmarks/training.py: the steps as one would first write them, in fp32. Never made faster.

Transformer blocks with biases and SDPA, windows as (B, C, T), masking by a gather of three dimensions, AdamW as it
comes. Sizes and operations are those of the project's own step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        B, N, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (t.reshape(B, N, self.heads, D // self.heads).transpose(1, 2) for t in (q, k, v))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D))
        return x + self.mlp(self.norm2(x))


class PlainEncoder(nn.Module):
    """From (B, C, T) to [CLS] and tokens."""

    def __init__(self, columns: int, steps: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch, self.tokens = patch, steps // patch
        self.embed = nn.Linear(columns * patch, width)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.tokens, width))
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(PlainBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def patches(self, x_BCT: Tensor) -> Tensor:
        return x_BCT.unfold(2, self.patch, self.patch).permute(0, 2, 1, 3).flatten(2)

    def encode(self, patches: Tensor, keep: Tensor | None = None) -> Tensor:
        x = self.embed(patches) + self.position
        if keep is not None:
            x = x.gather(1, keep[:, :, None].expand(-1, -1, x.shape[2]))
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class PlainMae(nn.Module):
    def __init__(self, encoder: PlainEncoder, width: int, heads: int, mask: float = 0.5) -> None:
        super().__init__()
        self.encoder, self.hidden = encoder, round(mask * encoder.tokens)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, encoder.tokens, width))
        self.block, self.norm = PlainBlock(width, heads), nn.LayerNorm(width)
        self.out = nn.Linear(width, encoder.embed.in_features)

    def forward(self, x_BCT: Tensor) -> Tensor:
        patches = self.encoder.patches(x_BCT)
        order = torch.rand(patches.shape[:2]).argsort(dim=1)
        back, keep = order.argsort(dim=1), order[:, self.hidden :]
        seen = self.encoder.encode(patches, keep)
        masks = self.mask_token.expand(len(seen), self.hidden, -1)
        x = torch.cat([masks, seen[:, 1:]], dim=1)
        x = x.gather(1, back[:, :, None].expand(-1, -1, x.shape[2])) + self.position
        x = self.out(self.norm(self.block(torch.cat([seen[:, :1], x], dim=1)))[:, 1:])
        hidden = back < self.hidden
        return ((x - patches) ** 2).mean(dim=2)[hidden].mean()


class PlainPair(nn.Module):
    """Both encoders, a linear projection of the EMG, and InfoNCE; the pose is embedded anew in every step."""

    def __init__(self, emg: PlainEncoder, pose: PlainEncoder, width: int) -> None:
        super().__init__()
        self.emg, self.pose, self.project = emg, pose.requires_grad_(False), nn.Linear(width, width)
        self.log_temperature = nn.Parameter(torch.tensor(0.02).log())

    def forward(self, emg_BCT: Tensor, pose_BJS: Tensor) -> Tensor:
        with torch.no_grad():
            p = F.normalize(self.pose.encode(self.pose.patches(pose_BJS))[:, 0], dim=1)
        e = F.normalize(self.project(self.emg.encode(self.emg.patches(emg_BCT))[:, 0]), dim=1)
        logits = e @ p.T / self.log_temperature.exp()
        own = torch.arange(len(e))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


class PlainStep:
    """A step of training with AdamW as it comes."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.trained = model, [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=1e-4)

    def __call__(self, *batch: Tensor) -> None:
        loss = self.model(*batch)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
