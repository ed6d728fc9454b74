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

from benchmarks.gpt import Block
from benchmarks.training import torch_adamw, torch_update
from minilm.training import Schedule
from minilm.types import Array, Batch

STD = 0.02


class NanoGPT(nn.Module):
    """Token and position tables, the blocks, a norm, and the token table again as the head."""

    def __init__(self, vocab_size: int, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads, bias=False) for _ in range(layers)))
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
    optimizer, losses = torch_adamw(model), []
    for step in range(steps):
        inputs, targets = (torch.from_numpy(ids).long() for ids in batches(step))
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        losses.append(torch_update(model, optimizer, inputs, targets))
    return losses


@torch.no_grad()
def logits(model: nn.Module, ids: Array) -> Array:
    """ids (B, T) -> (B, T, V)"""
    return model(torch.from_numpy(ids).long()).numpy()
