"""The decoder's block: a Transformer block that also reads the memory of another sequence.

    pre-norm    x = x + attention(norm_1(x))                among what is written so far
                x = x + cross_attention(norm_2(x), memory)  what the encoder made of the source
                x = x + feed_forward(norm_3(x))
    post-norm   the norm of each sum, as in block.py        Vaswani et al. 2017, section 3.1

The memory's keys and values are made first, once, however many tokens are written: `block_memory`.

Its parameters are those of block.py under one prefix, and norm_3.gain, norm_3.bias (D,);
cross_attention.w_q (D, H·d), .b_q, .w_kv (D, 2·H·d), .b_kv, .w_out (H·d, D), .b_out.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilm.models.block import (
    ATTENTION,
    FEED_FORWARD,
    NORM,
    feed_forward,
    feed_forward_backward,
    named,
    new_block,
    new_norm,
    parts,
    residual_step,
    residual_step_backward,
)
from minilm.models.key_value_cache import KeyValueCache
from minilm.models.language_model import normal
from minilm.nn import (
    memory_keys_values,
    memory_keys_values_backward,
    multi_head_attention,
    multi_head_attention_backward,
    read_memory,
    read_memory_backward,
)
from minilm.types import Array, Cache, Params

MEMORY = ("w_kv", "b_kv")
READ = ("w_q", "b_q", "w_out", "b_out")


def new_decoder_block(
    rng: np.random.Generator, prefix: str, width: int, wide: int, outer: float
) -> Params:
    """A decoder block's fresh float32 parameters, drawn as new_block draws."""
    params = new_block(rng, prefix, width, wide, outer) | new_norm(f"{prefix}.norm_3", width)
    inner = 1 / math.sqrt(width)
    w_q, w_kv = normal(rng, (width, width), inner), normal(rng, (width, 2 * width), inner)
    w_out = normal(rng, (width, width), inner * outer)
    b_q, b_kv, b_out = (np.zeros(n * width, np.float32) for n in (1, 2, 1))
    prefix = f"{prefix}.cross_attention"
    params |= named(prefix, MEMORY, (w_kv, b_kv))
    return params | named(prefix, READ, (w_q, b_q, w_out, b_out))


def block_memory(memory: Array, params: Params, prefix: str, head_dim: int) -> tuple[Array, Cache]:
    """What this block reads of the memory: (B, S, D) -> kv: (2, B, H, S, head_dim), cache."""
    prefix = f"{prefix}.cross_attention"
    kv, cache = memory_keys_values(memory, *parts(params, prefix, MEMORY), head_dim=head_dim)
    return kv, (prefix, cache)


def block_memory_backward(dkv: Array, cache: Cache) -> tuple[Array, Params]:
    """Gradients of block_memory: dmemory, and those of its parameters by their full names."""
    prefix, kv_cache = cache
    dmemory, *dweights = memory_keys_values_backward(dkv, kv_cache)
    return dmemory, named(prefix, MEMORY, tuple(dweights))


def decoder_block(
    x: Array,
    kv: Array,
    params: Params,
    prefix: str,
    *,
    head_dim: int,
    norm: str,
    mask: Array | None,
    memory_mask: Array | None,
    attend: Any,
    key_values: KeyValueCache | None = None,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Cache]:
    """The three residual steps of one decoder block.

    x: (B, T, D), kv: (2, B, H, S, head_dim) of block_memory, mask: bool, broadcastable to
    (B, H, T, T), or None, memory_mask: the same to (B, H, T, S)  ->  y: (B, T, D), cache
    key_values: None, or what this block remembers of the tokens before x, which takes in x.
    rate: dropout of what each step adds, on exactly when an `rng` is passed.
    """

    def look(x: Array) -> tuple[Array, Cache]:
        weights = parts(params, f"{prefix}.attention", ATTENTION)
        back = attend if key_values is None else key_values.looking_back(attend)
        return multi_head_attention(x, *weights, head_dim=head_dim, mask=mask, attend=back)

    def read(x: Array) -> tuple[Array, Cache]:
        weights = parts(params, f"{prefix}.cross_attention", READ)
        return read_memory(x, kv, *weights, mask=memory_mask, attend=attend)

    def think(x: Array) -> tuple[Array, Cache]:
        return feed_forward(x, *parts(params, f"{prefix}.feed_forward", FEED_FORWARD))

    caches = []
    for number, step in enumerate((look, read, think), start=1):
        norm_weights = parts(params, f"{prefix}.norm_{number}", NORM)
        x, cache = residual_step(x, step, norm_weights, norm, rate, rng)
        caches.append(cache)
    return x, (prefix, norm, caches)


def decoder_block_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Params]:
    """Gradients of decoder_block: dx, dkv, and those of its parameters by their full names."""
    prefix, norm, caches = cache
    grads: Params = {}

    def back(
        dy: Array, number: int, step_backward: Callable[..., Any]
    ) -> tuple[Array, tuple[Any, ...]]:
        dx, dnorm, dstep = residual_step_backward(dy, caches[number - 1], step_backward, norm)
        grads.update(named(f"{prefix}.norm_{number}", NORM, dnorm))
        return dx, dstep

    dy, dweights = back(dy, 3, feed_forward_backward)
    grads |= named(f"{prefix}.feed_forward", FEED_FORWARD, dweights)
    dy, (dkv, *dread) = back(dy, 2, read_memory_backward)
    grads |= named(f"{prefix}.cross_attention", READ, tuple(dread))
    dx, dweights = back(dy, 1, multi_head_attention_backward)
    grads |= named(f"{prefix}.attention", ATTENTION, dweights)
    return dx, dkv, grads
