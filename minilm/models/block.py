"""One Transformer block: look at the other positions, then think at each one.

    pre-norm    x = x + attention(norm_1(x)),     x = x + feed_forward(norm_2(x))
    post-norm   x = norm_1(x + attention(x)),     x = norm_2(x + feed_forward(x))

Post-norm is Vaswani et al. 2017; pre-norm (Radford et al. 2019, Xiong et al. 2020) leaves a path
from the last block to the first that nothing rescales, and trains without a long warm-up.

A block's parameters stand in the model's dict under one prefix, for example "block.0":
norm_1.gain, norm_1.bias (D,); attention.w_qkv (D, 3·H·d), .b_qkv, .w_out (H·d, D), .b_out;
norm_2.gain, norm_2.bias (D,); feed_forward.w_up (D, F), .b_up, .w_down (F, D), .b_down.
The number of heads H and the width F are read from these shapes, so blocks may differ.
"""

import math
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any

import numpy as np

from minilm.models.language_model import normal
from minilm.nn import (
    dropout,
    dropout_backward,
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    multi_head_attention,
    multi_head_attention_backward,
)
from minilm.types import Array, Cache, Params

NORM = ("gain", "bias")
ATTENTION = ("w_qkv", "b_qkv", "w_out", "b_out")
FEED_FORWARD = ("w_up", "b_up", "w_down", "b_down")


def parts(params: Params, prefix: str, names: tuple[str, ...]) -> tuple[Any, ...]:
    """The parameters prefix.name, in the order of the names."""
    return getter(prefix, names)(params)


@cache
def getter(prefix: str, names: tuple[str, ...]) -> Callable[[Params], tuple[Any, ...]]:
    """What looks these parameters up; their full names are put together once."""
    return itemgetter(*(f"{prefix}.{name}" for name in names))


def block_parts(params: Params, prefix: str) -> list[tuple[Any, ...]]:
    """The parameters of a block's first norm, attention, second norm and feed-forward."""
    return [get(params) for get in block_getters(prefix)]


@cache
def block_getters(prefix: str) -> list[Callable[[Params], tuple[Any, ...]]]:
    """What looks each of these up."""
    names = {"norm_1": NORM, "attention": ATTENTION, "norm_2": NORM, "feed_forward": FEED_FORWARD}
    return [getter(f"{prefix}.{part}", names[part]) for part in names]


def named(prefix: str, names: tuple[str, ...], grads: tuple[Any, ...]) -> Params:
    """The inverse of `parts`, for gradients: {prefix.name: gradient}."""
    return {f"{prefix}.{name}": grad for name, grad in zip(names, grads, strict=True)}


def new_norm(prefix: str, width: int) -> Params:
    """A norm's fresh parameters: gain 1, bias 0."""
    return named(prefix, NORM, (np.ones(width, np.float32), np.zeros(width, np.float32)))


def new_block(
    rng: np.random.Generator, prefix: str, width: int, wide: int, outer: float
) -> Params:
    """A block's fresh float32 parameters: std 1/√fan_in, biases 0, gains 1.

    width: D, wide: F; outer: what the std of w_out and w_down, which write to x, is scaled by.
    """
    inner = 1 / math.sqrt(width)
    params = new_norm(f"{prefix}.norm_1", width)
    w_qkv = normal(rng, (width, 3 * width), inner)
    w_out = normal(rng, (width, width), inner * outer)
    attention_weights = (w_qkv, np.zeros(3 * width, np.float32), w_out, np.zeros(width, np.float32))
    params |= named(f"{prefix}.attention", ATTENTION, attention_weights)
    params |= new_norm(f"{prefix}.norm_2", width)
    w_up = normal(rng, (width, wide), inner)
    w_down = normal(rng, (wide, width), outer / math.sqrt(wide))
    feed_forward_weights = (w_up, np.zeros(wide, np.float32), w_down, np.zeros(width, np.float32))
    return params | named(f"{prefix}.feed_forward", FEED_FORWARD, feed_forward_weights)


def feed_forward(
    x: Array, w_up: Any, b_up: Array, w_down: Any, b_down: Array
) -> tuple[Array, Cache]:
    """y = gelu(x W_up + b_up) W_down + b_down, at each position by itself.

    x: (..., D), w_up: (D, F), w_down: (F, D)  ->  y: (..., D), cache      Vaswani 2017, eq. 2
    """
    up, up_cache = linear(x, w_up, b_up)
    active, gelu_cache = gelu(up)
    y, down_cache = linear(active, w_down, b_down)
    return y, (up_cache, gelu_cache, down_cache)


def feed_forward_backward(dy: Array, cache: Cache) -> tuple[Array | None, ...]:
    """Gradients of feed_forward, in its argument order: dx, dw_up, db_up, dw_down, db_down."""
    up_cache, gelu_cache, down_cache = cache
    dactive, dw_down, db_down = linear_backward(dy, down_cache)
    dx, dw_up, db_up = linear_backward(gelu_backward(dactive, gelu_cache), up_cache)
    return dx, dw_up, db_up, dw_down, db_down


def block(
    x: Array,
    params: Params,
    prefix: str,
    *,
    head_dim: int,
    norm: str,
    mask: Array | None,
    attend: Any,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Cache]:
    """Both residual steps of one block.

    x: (B, T, D), mask: bool, broadcastable to (B, H, T, T_k), or None  ->  y: (B, T, D), cache
    rate: dropout of what each step adds, on exactly when an `rng` is passed.
    """

    norm_1, attention_weights, norm_2, feed_forward_weights = block_parts(params, prefix)

    def look(x: Array) -> tuple[Array, Cache]:
        return multi_head_attention(
            x, *attention_weights, head_dim=head_dim, mask=mask, attend=attend
        )

    def think(x: Array) -> tuple[Array, Cache]:
        return feed_forward(x, *feed_forward_weights)

    x, look_cache = residual_step(x, look, norm_1, norm, rate, rng)
    x, think_cache = residual_step(x, think, norm_2, norm, rate, rng)
    return x, (prefix, norm, (look_cache, think_cache))


def residual_step(
    x: Array,
    step: Callable[[Array], tuple[Array, Cache]],
    norm_weights: tuple[Array, Array],
    norm: str,
    rate: float,
    rng: np.random.Generator | None,
) -> tuple[Array, Cache]:
    """x + dropout(step(layer_norm(x))) for pre-norm, layer_norm(x + dropout(step(x))) for post."""
    if norm == "pre":
        normed, norm_cache = layer_norm(x, *norm_weights)
        added, step_cache = step(normed)
        added, dropout_cache = dropout(added, rate, rng)
        added += x  # its own array, made by the step
        return added, (norm_cache, step_cache, dropout_cache)
    added, step_cache = step(x)
    added, dropout_cache = dropout(added, rate, rng)
    added += x
    y, norm_cache = layer_norm(added, *norm_weights)
    return y, (norm_cache, step_cache, dropout_cache)


def residual_step_backward(
    dy: Array, cache: Cache, step_backward: Callable[..., tuple[Any, ...]], norm: str
) -> tuple[Array, tuple[Array, Array], tuple[Any, ...]]:
    """Gradients of residual_step: dx, those of the norm's weights, and those of the step's."""
    norm_cache, step_cache, dropout_cache = cache
    if norm == "pre":
        # y = x + dropout(step(norm(x))): dy reaches x directly, and by way of the step
        dnormed, *dweights = step_backward(dropout_backward(dy, dropout_cache), step_cache)
        dx, dgain, dbias = layer_norm_backward(dnormed, norm_cache)
    else:
        # y = norm(x + dropout(step(x))): the same, after the norm
        dy, dgain, dbias = layer_norm_backward(dy, norm_cache)
        dx, *dweights = step_backward(dropout_backward(dy, dropout_cache), step_cache)
    dx += dy
    return dx, (dgain, dbias), tuple(dweights)


def block_backward(dy: Array, cache: Cache) -> tuple[Array, Params]:
    """Gradients of block: dx, and those of its parameters by their full names."""
    prefix, norm, caches = cache
    steps: tuple[tuple[str, tuple[str, ...], Callable[..., Any]], ...] = (
        (f"{prefix}.attention", ATTENTION, multi_head_attention_backward),
        (f"{prefix}.feed_forward", FEED_FORWARD, feed_forward_backward),
    )
    grads: Params = {}
    for number in (2, 1):
        name, names, step_backward = steps[number - 1]
        dy, dnorm, dweights = residual_step_backward(dy, caches[number - 1], step_backward, norm)
        grads |= named(f"{prefix}.norm_{number}", NORM, dnorm)
        grads |= named(name, names, dweights)
    return dy, grads
