"""Writing a text token by token with a key–value cache: minilm's `generate` against torch.

Both take the likeliest token each time, begin with one token and stop when the window is full.
The peer is what a careful torch user writes: the network of gpt.py under `inference_mode`, keys
and values copied into room made beforehand, `scaled_dot_product_attention` for the one query,
tokens that stay tensors until the end. One text at a time leaves little to multiply: what is
measured is, at small sizes, what a call costs, and at large ones how fast weights are read.
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpt import Block, TorchGPT
from benchmarks.timing import Comparison, Run
from minilm import TransformerLanguageModel
from minilm.generation import generate

FIRST = 1  # the token that the text begins with

Room = tuple[Tensor, Tensor]  # keys and values of a layer, (1, H, context, d) each


def read(block: Block, x: Tensor, room: Room, place: int) -> Tensor:
    """A block of gpt.py for the token at one place, (1, 1, D), which looks back at those before."""
    width = x.shape[-1]
    parts = block.qkv(block.norm_1(x)).split(width, dim=2)
    q, k, v = (p.view(1, 1, block.heads, -1).transpose(1, 2) for p in parts)
    keys, values = room
    keys[:, :, place : place + 1] = k
    values[:, :, place : place + 1] = v
    y = functional.scaled_dot_product_attention(
        q, keys[:, :, : place + 1], values[:, :, : place + 1]
    )
    x = x + block.out(y.transpose(1, 2).reshape(1, 1, width))
    return x + block.down(functional.gelu(block.up(block.norm_2(x))))


@torch.inference_mode()
def torch_generate(gpt: TorchGPT, length: int) -> Tensor:
    """`length` ids after FIRST: (1, length)."""
    context, width = gpt.positions.shape
    blocks: list[Block] = list(gpt.blocks)  # type: ignore[arg-type]
    rooms = []
    for block in blocks:
        shape = 1, block.heads, context, width // block.heads
        rooms.append((torch.empty(shape), torch.empty(shape)))
    ids = [torch.tensor([[FIRST]])]
    for place in range(length):
        x = gpt.table(ids[-1]) * math.sqrt(width) + gpt.positions[place]
        for block, room in zip(blocks, rooms, strict=True):
            x = read(block, x, room, place)
        logits = functional.linear(gpt.norm(x), gpt.table.weight)
        ids.append(logits[:, -1].argmax(dim=-1, keepdim=True))
    return torch.cat(ids[1:], dim=1)


def make(**sizes: int) -> tuple[Run, Run]:
    """A full window of each."""
    length = sizes["context"] - 1
    ours, theirs = TransformerLanguageModel(**sizes), TorchGPT(**sizes)
    params = ours.init(0)
    return (
        lambda: generate(ours, params, [FIRST], length, temperature=0),
        lambda: torch_generate(theirs, length),
    )


def decoding(work: str, rounds: int, **sizes: int) -> Comparison:
    """`generate` in the place of the training step of these sizes."""
    return Comparison(
        work=work,
        sizes="{layers} layers, {heads} heads, width {width}, context {context}, "
        "one text, vocabulary {vocab_size}".format(**sizes),
        peer="torch, eager, with a cache", amount=sizes["context"] - 1, unit="tokens",
        at_most=0.55, rounds=rounds, make=partial(make, **sizes),
    )  # fmt: skip


COMPARISONS = (
    decoding("decode, nanoGPT's CPU recipe", 41,
             vocab_size=65, width=128, layers=4, heads=4, context=64),
    decoding("decode, larger", 9, vocab_size=65, width=384, layers=6, heads=6, context=256),
)  # fmt: skip
