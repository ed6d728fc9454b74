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


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)), with the exact GELU.

    bias: whether maps and norms have one.
    """

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width, bias=bias)
        self.qkv = nn.Linear(width, 3 * width, bias)
        self.out = nn.Linear(width, width, bias)
        self.norm_2 = nn.LayerNorm(width, bias=bias)
        self.up = nn.Linear(width, 4 * width, bias)
        self.down = nn.Linear(4 * width, width, bias)

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

    def __init__(self, vocab_size: int, width: int, layers: int, heads: int, context: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, width)
        nn.init.normal_(self.table.weight, std=1 / (2 * math.sqrt(width)))
        self.register_buffer("positions", torch.tensor(sinusoidal_positions(context, width)))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)"""
        x = self.table(tokens)
        x = x * math.sqrt(x.shape[-1]) + self.positions[: tokens.shape[1]]
        return functional.linear(self.norm(self.blocks(x)), self.table.weight)


def minilm_gpt(batch_size: int, workers: int = 1, **shape: int) -> Run:
    """A step of minilm's. shape: vocab_size, width, layers, heads, context."""
    batches = random_batches(shape["vocab_size"], batch_size, shape["context"])
    model = TransformerLanguageModel(**shape)  # type: ignore[arg-type]
    return minilm_step(model, batches, workers)


def torch_gpt(batch_size: int, **shape: int) -> Run:
    """A step of torch's, on the same batches."""
    batches = random_batches(shape["vocab_size"], batch_size, shape["context"])
    return torch_step(TorchGPT(**shape), batches)


def flops(
    vocab_size: int, width: int, layers: int, heads: int, context: int, batch_size: int
) -> int:
    """Of the matrix products of a step, 2 for each multiply-add.

    For each token 3 (q, k, v) + 1 (out) + 4 (up) + 4 (down) = 12 times D² in a layer's maps, 2 T D
    in its attention (no triangle left out), V D in the head; the backward pass has two products
    for each one of the forward pass.
    """
    forward = layers * (12 * width**2 + 2 * context * width) + vocab_size * width
    return 3 * 2 * forward * batch_size * context


def step(work: str, rounds: int, threads: int, at_most: float | None, **sizes: int) -> Comparison:
    """Two steps of some sizes; minilm's second thread is a worker with half of the batch."""
    return Comparison(
        work=work,
        sizes="{layers} layers, {heads} heads, width {width}, context {context}, "
        "batch {batch_size}, vocabulary {vocab_size}".format(**sizes),
        peer="torch, eager", amount=sizes["batch_size"] * sizes["context"], unit="tokens",
        threads=threads, at_most=at_most, rounds=rounds, flops=flops(**sizes),
        make=partial(make, threads, **sizes),
    )  # fmt: skip


def make(threads: int, **sizes: int) -> tuple[Run, Run]:
    """A step of each on the same batches."""
    return minilm_gpt(workers=threads, **sizes), torch_gpt(**sizes)


NANO = {"vocab_size": 65, "width": 128, "layers": 4, "heads": 4, "context": 64, "batch_size": 12}
LARGER = {"vocab_size": 65, "width": 384, "layers": 6, "heads": 6, "context": 128, "batch_size": 16}

COMPARISONS = (
    step("GPT step, nanoGPT's CPU recipe", 101, threads=1, at_most=0.90, **NANO),
    step("GPT step, nanoGPT's CPU recipe", 101, threads=2, at_most=0.85, **NANO),
    step("GPT step, larger", 11, threads=1, at_most=1.0, **LARGER),
    step("GPT step, larger", 11, threads=2, at_most=None, **LARGER),
)
