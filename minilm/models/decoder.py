"""The Transformer's decoder: a stack of blocks that look back at what is written and read a memory.

    kv_l = keys and values of the memory         once per layer, however many tokens are written
    x = decoder_block(x, kv_l)                   once per layer, as in decoder_block.py
    y = norm(x)                                  pre-norm only: a post-norm block ends in a norm

Vaswani et al. 2017, section 3.1.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minilm.models.block import last_norm, last_norm_backward, new_last_norm
from minilm.models.decoder_block import (
    block_memory,
    block_memory_backward,
    decoder_block,
    decoder_block_backward,
    new_decoder_block,
)
from minilm.models.key_value_cache import KeyValueCache, TransformerState
from minilm.types import Array, Cache, Params


class DecoderState(NamedTuple):
    """What is known before the next token of the target: the source, and what is written so far.

    `written` is written on from once, as a TransformerState is; the memory is only read.
    """

    memory: tuple[Array, ...]  # its keys and values for each block, (2, B, H, S, d)
    memory_mask: Array  # (B, 1, 1, S): True where the source is not padding
    written: TransformerState | None  # None: the target comes in one piece

    def chosen(self, rows: Array) -> "DecoderState":
        """The state of the sources `rows` of the batch, and what is written to them."""
        return DecoderState(
            tuple(kv[:, rows] for kv in self.memory),
            self.memory_mask[rows],
            None if self.written is None else self.written.chosen(rows),
        )


def new_decoder(
    rng: np.random.Generator, prefix: str, *, layers: int, width: int, wide: int, norm: str
) -> Params:
    """A decoder's fresh float32 parameters: prefix.l.* as in decoder_block.py, prefix.norm.* (D,).

    Each of the 3L steps writes to x with a std scaled by 1/√(3L), so that x keeps its size.
    """
    params: Params = {}
    for layer in range(layers):
        outer = 1 / math.sqrt(3 * layers)
        params |= new_decoder_block(rng, f"{prefix}.{layer}", width, wide, outer)
    return params | new_last_norm(f"{prefix}.norm", width, norm)


def decoder_memory(
    memory: Array, params: Params, prefix: str, *, layers: int, head_dim: int
) -> tuple[tuple[Array, ...], Cache]:
    """What each block reads of the memory: (B, S, D) -> L times (2, B, H, S, head_dim), caches."""
    made = [
        block_memory(memory, params, f"{prefix}.{layer}", head_dim) for layer in range(layers)
    ]
    return tuple(kv for kv, _ in made), [cache for _, cache in made]


def decoder_memory_backward(dkvs: Sequence[Array], caches: Cache) -> tuple[Array, Params]:
    """Gradients of decoder_memory: dmemory, which every block reads, and the parameters'."""
    dmemory, grads = block_memory_backward(dkvs[0], caches[0])
    for dkv, cache in zip(dkvs[1:], caches[1:], strict=True):
        dread, block_grads = block_memory_backward(dkv, cache)
        dmemory += dread
        grads |= block_grads
    return dmemory, grads


def decoder(
    x: Array,
    kvs: Sequence[Array],
    params: Params,
    prefix: str,
    *,
    head_dim: int,
    norm: str,
    mask: Array | None,
    memory_mask: Array | None,
    attend: Any,
    caches: Sequence[KeyValueCache | None],
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Cache]:
    """A block for each layer of decoder_memory's kvs, and the last norm.

    x: (B, T, D), mask: bool, broadcastable to (B, H, T, T_k), or None, memory_mask: the same to
    (B, H, T, S)  ->  y: (B, T, D), cache
    caches: what each block remembers of the tokens before x; None: there were none.
    rate: dropout of what each step adds, on exactly when an `rng` is passed.
    """
    block_caches = []
    for layer, (kv, key_values) in enumerate(zip(kvs, caches, strict=True)):
        x, block_cache = decoder_block(
            x, kv, params, f"{prefix}.{layer}", head_dim=head_dim, norm=norm, mask=mask,
            memory_mask=memory_mask, attend=attend, key_values=key_values, rate=rate, rng=rng,
        )  # fmt: skip
        block_caches.append(block_cache)
    y, norm_cache = last_norm(x, params, f"{prefix}.norm", norm)
    return y, (block_caches, norm_cache)


def decoder_backward(dy: Array, cache: Cache) -> tuple[Array, list[Array], Params]:
    """Gradients of decoder: dx, dkvs, and those of its parameters by their full names."""
    block_caches, norm_cache = cache
    dx, grads = last_norm_backward(dy, norm_cache)
    dkvs = []
    for block_cache in reversed(block_caches):
        dx, dkv, block_grads = decoder_block_backward(dx, block_cache)
        dkvs.append(dkv)
        grads |= block_grads
    return dx, dkvs[::-1], grads
