"""A small GPT in torch with the choices of nanoGPT, and how it is trained: the peer of `recipe.py`.

What it does otherwise than minilm's Transformer: positions are learned, no map and no norm has a
bias, GELU is the exact one, and every weight begins as a draw from N(0, 0.02²), what closes a
residual step (its last map) from N(0, 0.02²/2L). Attention is `scaled_dot_product_attention` and
AdamW the fused one, as is fastest on a CPU without compiling.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.training import BETAS, CLIP_NORM, WEIGHT_DECAY
from minilm.training import Schedule
from minilm.types import Array, Batch

STD = 0.02


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_2 = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        batch, length, width = x.shape
        parts = self.qkv(self.norm_1(x)).split(width, dim=2)
        q, k, v = (p.view(batch, length, self.heads, -1).transpose(1, 2) for p in parts)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class NanoGPT(nn.Module):
    """Token and position tables, the blocks, a norm, and the token table again as the head."""

    def __init__(self, vocab_size: int, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                closes = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=STD / math.sqrt(2 * layers) if closes else STD)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)"""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return functional.linear(self.norm(self.blocks(x)), self.tokens.weight)


def train(
    model: nn.Module, batches: Callable[[int], Batch], schedule: Schedule, steps: int
) -> list[float]:
    """Train the model in place; the loss before each step.

    batches: step -> (inputs, targets), ids (B, T) each; schedule: step -> learning rate.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    losses = []
    for step in range(steps):
        inputs, targets = (torch.from_numpy(ids).long() for ids in batches(step))
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def logits(model: nn.Module, ids: Array) -> Array:
    """ids (B, T) -> (B, T, V)"""
    return model(torch.from_numpy(ids).long()).numpy()
