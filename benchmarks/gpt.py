"""A training step of a GPT: minilm's Transformer against the same network in torch.

The peer has the modules that a torch user would take, and leaves attention to
`scaled_dot_product_attention`, which never stores the T × T weights. Both are pre-norm, with
biases, fixed sinusoidal positions and a tied head. Each has the form of GELU that is quicker for
it: minilm the tanh form, torch the exact one, which takes it half as long as the other.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.timing import Comparison, Run
from benchmarks.training import minilm_step, random_batches, torch_step
from minilm import TransformerLanguageModel
from minilm.nn import sinusoidal_positions

VOCAB = 65  # characters of tiny Shakespeare


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        batch, length, width = x.shape
        parts = self.qkv(self.norm_1(x)).split(width, dim=2)
        q, k, v = (p.view(batch, length, self.heads, -1).transpose(1, 2) for p in parts)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class TorchGPT(nn.Module):
    """The network of `TransformerLanguageModel`."""

    positions: Tensor

    def __init__(self, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCAB, width)
        nn.init.normal_(self.table.weight, std=1 / (2 * math.sqrt(width)))
        self.register_buffer("positions", torch.tensor(sinusoidal_positions(context, width)))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)"""
        x = self.table(tokens)
        x = x * math.sqrt(x.shape[-1]) + self.positions[: tokens.shape[1]]
        return functional.linear(self.norm(self.blocks(x)), self.table.weight)


def make(width: int, layers: int, heads: int, context: int, batch_size: int) -> tuple[Run, Run]:
    """A step of each on the same batches."""
    batches = random_batches(VOCAB, batch_size, context)
    ours = TransformerLanguageModel(VOCAB, width, layers, heads, context)
    theirs = TorchGPT(width, layers, heads, context)
    return minilm_step(ours, batches), torch_step(theirs, batches)


COMPARISONS = (
    Comparison(
        work="GPT step, nanoGPT's CPU recipe",
        sizes="4 layers, 4 heads, width 128, context 64, batch 12, vocabulary 65",
        peer="torch, eager", amount=12 * 64, unit="tokens", at_most=0.90, rounds=41,
        make=partial(make, width=128, layers=4, heads=4, context=64, batch_size=12),
    ),
    Comparison(
        work="GPT step, larger",
        sizes="6 layers, 6 heads, width 384, context 128, batch 16, vocabulary 65",
        peer="torch, eager", amount=16 * 128, unit="tokens", at_most=1.0, rounds=9,
        make=partial(make, width=384, layers=6, heads=6, context=128, batch_size=16),
    ),
)  # fmt: skip
