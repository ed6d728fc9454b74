"""A Llama in torch as a careful user writes it for one text at a time: eager, nothing compiled.

Fewer calls than transformers makes, so it is the stricter peer: queries, keys and values by one
map, gate and up by another, the angles of all places made beforehand, keys and values copied into
room that waits for them, `scaled_dot_product_attention`. Its weights are those of a
TransformerLanguageModel of minilm.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Embedding, Linear, Module, ModuleList, RMSNorm
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from minilm import TransformerLanguageModel
from minilm.types import Params

Room = tuple[Tensor, Tensor]  # keys and values of a layer, (1, H, context, d) each


class Block(Module):
    """norm, attention, norm, SwiGLU; H heads of width d."""

    def __init__(self, width: int, wide: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = RMSNorm(width, eps), RMSNorm(width, eps)
        self.qkv = Linear(width, 3 * width, bias=False)
        self.out = Linear(width, width, bias=False)
        self.gate_up = Linear(width, 2 * wide, bias=False)
        self.down = Linear(wide, width, bias=False)

    def forward(self, x: Tensor, circles: tuple[Tensor, Tensor], room: Room, place: int) -> Tensor:
        """x: (1, T, D) at places from `place` on, which look back at those before."""
        _, T, width = x.shape
        qkv = self.qkv(self.norm_1(x)).view(1, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = turned(qkv[:2], *circles)
        keys, values = room
        keys[:, :, place : place + T], values[:, :, place : place + T] = k, qkv[2]
        y = scaled_dot_product_attention(
            q, keys[:, :, : place + T], values[:, :, : place + T], is_causal=T > 1
        )
        x = x + self.out(y.transpose(1, 2).reshape(1, T, width))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, dim=-1)
        return x + self.down(silu(gate) * up)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: x cos + (−b, a) sin, for the halves x = (a, b)."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class TorchLlama(Module):
    """Embedding, blocks, norm; the head is the table."""

    def __init__(self, model: TransformerLanguageModel, params: Params) -> None:
        super().__init__()
        assert model.feed_forward is not None
        self.context, self.heads, d = model.context, model.heads, model.head_dim
        self.table = Embedding(model.vocab_size, model.width)
        self.blocks = ModuleList(
            Block(model.width, model.feed_forward, model.heads, model.norm_eps)
            for _ in range(model.layers)
        )
        self.norm = RMSNorm(model.width, model.norm_eps)
        speeds = model.rotary_base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
        angles = (torch.arange(model.context)[:, None] * speeds).repeat(1, 2)
        self.cos, self.sin = angles.cos().float(), angles.sin().float()
        self.load_state_dict(state(params, model.layers))

    @torch.inference_mode()
    def generate(self, prompt: Tensor, length: int) -> Tensor:
        """The likeliest ids after a prompt: (1, N)  ->  (1, length)."""
        shape = 1, self.heads, self.context, self.cos.shape[1]
        rooms = [(torch.empty(shape), torch.empty(shape)) for _ in self.blocks]
        ids, new, place = [], prompt, 0
        for _ in range(length):
            end = place + new.shape[1]
            x, circles = self.table(new), (self.cos[place:end], self.sin[place:end])
            for block, room in zip(self.blocks, rooms, strict=True):
                x = block(x, circles, room, place)
            logits = linear(self.norm(x[:, -1:]), self.table.weight)
            new, place = logits[:, -1].argmax(dim=-1, keepdim=True), end
            ids.append(new)
        return torch.cat(ids, dim=1)


def state(params: Params, layers: int) -> dict[str, Tensor]:
    """minilm's parameters by the names above, (out, in) as torch keeps them."""
    named: dict[str, Any] = {"table.weight": params["token_embedding"].T}
    named["norm.weight"] = params["norm.gain"]
    for i in range(layers):
        attention, think = f"block.{i}.attention", f"block.{i}.feed_forward"
        gate, up = params[f"{think}.w_gate"], params[f"{think}.w_up"]
        named |= {
            f"blocks.{i}.norm_1.weight": params[f"block.{i}.norm_1.gain"],
            f"blocks.{i}.norm_2.weight": params[f"block.{i}.norm_2.gain"],
            f"blocks.{i}.qkv.weight": params[f"{attention}.w_qkv"],
            f"blocks.{i}.out.weight": params[f"{attention}.w_out"],
            f"blocks.{i}.gate_up.weight": np.concatenate((gate, up), axis=1),
            f"blocks.{i}.down.weight": params[f"{think}.w_down"],
        }
    return {name: torch.from_numpy(np.ascontiguousarray(w.T)) for name, w in named.items()}
