"""The Transformer's encoder: every position sees all others, but none sees padding.

    x = block(x)           once per layer, as in block.py, under a mask that hides padding
    y = norm(x)            pre-norm only: a post-norm block ends in a norm already

Sequences of different lengths stand in one array, filled up at their ends. What stands in the
filling has no influence on the rest, and what is computed there is not to be read.
Vaswani et al. 2017, section 3.1; Devlin et al. 2018.
"""

import math
from typing import Any

import numpy as np

from minilm.models.block import (
    block,
    block_backward,
    last_norm,
    last_norm_backward,
    new_block,
    new_last_norm,
)
from minilm.types import Array, Cache, Params


def new_encoder(
    rng: np.random.Generator, prefix: str, *, layers: int, width: int, wide: int, norm: str
) -> Params:
    """An encoder's fresh float32 parameters: prefix.l.* as in block.py, prefix.norm.* (D,).

    Each of the 2L steps writes to x with a std scaled by 1/√(2L), so that x keeps its size.
    """
    params: Params = {}
    for layer in range(layers):
        params |= new_block(rng, f"{prefix}.{layer}", width, wide, 1 / math.sqrt(2 * layers))
    return params | new_last_norm(f"{prefix}.norm", width, norm)


def encoder(
    x: Array,
    params: Params,
    prefix: str,
    *,
    layers: int,
    head_dim: int,
    norm: str,
    mask: Array | None,
    attend: Any,
    activation: str = "gelu",
    eps: float = 1e-5,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
    for_backward: bool = True,
) -> tuple[Array, Cache]:
    """A stack of blocks, and the last norm; the last part of the cache: what each block made.

    x: (B, S, D), mask: bool, broadcastable to (B, H, S, S), or None  ->  y: (B, S, D), cache
    activation, eps: of the blocks, as in block.py, and of the last norm.
    rate: dropout of what each step adds, on exactly when an `rng` is passed.
    for_backward=False lets go of a block's cache when the block is done.
    """
    block_caches, outputs = [], []
    for layer in range(layers):
        x, block_cache = block(
            x, params, f"{prefix}.{layer}", head_dim=head_dim, norm=norm, mask=mask,
            attend=attend, activation=activation, eps=eps, rate=rate, rng=rng,
        )  # fmt: skip
        outputs.append(x)
        if for_backward:
            block_caches.append(block_cache)
        del block_cache  # if it is not kept, the next block works in the memory that it took
    y, norm_cache = last_norm(x, params, f"{prefix}.norm", norm, eps)
    return y, (block_caches, norm_cache, outputs)


def encoder_backward(dy: Array, cache: Cache) -> tuple[Array, Params]:
    """Gradients of encoder: dx, and those of its parameters by their full names."""
    block_caches, norm_cache, _ = cache
    dx, grads = last_norm_backward(dy, norm_cache)
    for block_cache in reversed(block_caches):
        dx, block_grads = block_backward(dx, block_cache)
        grads |= block_grads
    return dx, grads
