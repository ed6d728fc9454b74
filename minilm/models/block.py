"""One Transformer block: look at the other positions, then think at each one.

    pre-norm    x = x + attention(norm_1(x)),     x = x + feed_forward(norm_2(x))
    post-norm   x = norm_1(x + attention(x)),     x = norm_2(x + feed_forward(x))

Post-norm is Vaswani et al. 2017; pre-norm (Radford et al. 2019, Xiong et al. 2020) leaves a path
from the last block to the first that nothing rescales, and trains without a long warm-up.

A block's parameters stand in the model's dict under one prefix, for example "block.0":
norm_1.gain, norm_1.bias (D,); attention.w_qkv (D, (H + 2G)·d), .b_qkv, .w_out (H·d, D), .b_out;
norm_2.gain, norm_2.bias (D,); feed_forward.w_up (D, F), .b_up, .w_down (F, D), .b_down.
What kind of block it is, is read from what is there, so blocks may differ: the heads H, those of
keys and values G, and the width F from these shapes; a norm without a bias is an RMSNorm; with a
feed_forward.w_gate (D, F) it is SwiGLU; and any map's bias may be missing. What no shape can tell
is said by the caller: the activation of a feed-forward layer without a gate, and the norms' eps.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from minilm.models.language_model import normal
from minilm.nn import (
    dropout,
    dropout_backward,
    exact_gelu,
    exact_gelu_backward,
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    multi_head_attention,
    multi_head_attention_backward,
    relu,
    relu_backward,
    rms_norm,
    rms_norm_backward,
    swiglu,
    swiglu_backward,
)
from minilm.types import Array, Cache, Params

NORM = ("gain", "bias")
ATTENTION = ("w_qkv", "b_qkv", "w_out", "b_out")
FEED_FORWARD = ("w_up", "b_up", "w_down", "b_down")
SWIGLU = ("w_gate", "w_up", "w_down")

ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "gelu": (gelu, gelu_backward),
    "exact_gelu": (exact_gelu, exact_gelu_backward),
    "relu": (relu, relu_backward),
}


def parts(params: Params, prefix: str, names: tuple[str, ...]) -> list[Any]:
    """The parameters prefix.name, in the order of the names; None for a bias that is not there."""
    return [
        params.get(name) if is_bias else params[name] for name, is_bias in full_names(prefix, names)
    ]


@cache
def full_names(prefix: str, names: tuple[str, ...]) -> list[tuple[str, bool]]:
    """(prefix.name, whether it is a bias) for each; put together once."""
    return [(f"{prefix}.{name}", name.startswith("b")) for name in names]


def named(prefix: str, names: tuple[str, ...], grads: tuple[Any, ...]) -> Params:
    """The inverse of `parts`, for gradients: {prefix.name: gradient}, of what is there."""
    pairs = zip(names, grads, strict=True)
    return {f"{prefix}.{name}": grad for name, grad in pairs if grad is not None}


def new_norm(prefix: str, width: int, normalization: str = "layer") -> Params:
    """A norm's fresh parameters: gain 1 and, for "layer" and not for "rms", bias 0."""
    bias = np.zeros(width, np.float32) if normalization == "layer" else None
    return named(prefix, NORM, (np.ones(width, np.float32), bias))


def new_block(
    rng: np.random.Generator,
    prefix: str,
    width: int,
    wide: int,
    outer: float,
    *,
    key_value_width: int | None = None,
    normalization: str = "layer",
    activation: str = "gelu",
    biases: bool = True,
) -> Params:
    """A block's fresh float32 parameters: std 1/√fan_in, biases 0, gains 1.

    width: D, wide: F; outer: what the std of w_out and w_down, which write to x, is scaled by;
    key_value_width: G·d (None: D); normalization: "layer" or "rms"; activation: one of
    FEED_FORWARDS, of which "swiglu" has no biases; biases: whether the other maps have them.
    """
    inner = 1 / math.sqrt(width)

    def bias(n: int) -> Array | None:
        return np.zeros(n, np.float32) if biases else None

    qkv_width = width + 2 * (width if key_value_width is None else key_value_width)
    params = new_norm(f"{prefix}.norm_1", width, normalization)
    w_qkv = normal(rng, (width, qkv_width), inner)
    w_out = normal(rng, (width, width), inner * outer)
    attention_weights = (w_qkv, bias(qkv_width), w_out, bias(width))
    params |= named(f"{prefix}.attention", ATTENTION, attention_weights)
    params |= new_norm(f"{prefix}.norm_2", width, normalization)
    w_up = normal(rng, (width, wide), inner)
    w_down = normal(rng, (wide, width), outer / math.sqrt(wide))
    if activation == "swiglu":
        gated_weights = (normal(rng, (width, wide), inner), w_up, w_down)
        return params | named(f"{prefix}.feed_forward", SWIGLU, gated_weights)
    feed_forward_weights = (w_up, bias(wide), w_down, bias(width))
    return params | named(f"{prefix}.feed_forward", FEED_FORWARD, feed_forward_weights)


def normalize(
    x: Array, gain: Array, bias: Array | None, *, eps: float = 1e-5
) -> tuple[Array, Cache]:
    """layer_norm, or rms_norm if there is no bias.   x: (..., D)  ->  y: (..., D), cache"""
    if bias is None:
        y, cache = rms_norm(x, gain, eps)
        return y, (rms_norm_backward, cache)
    y, cache = layer_norm(x, gain, bias, eps)
    return y, (layer_norm_backward, cache)


def normalize_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array | None]:
    """Gradients of normalize: dx, dgain, dbias (None where there is none)."""
    backward, norm_cache = cache
    dx, dgain, *dbias = backward(dy, norm_cache)
    return dx, dgain, dbias[0] if dbias else None


def feed_forward(
    x: Array,
    w_up: Any,
    b_up: Array | None,
    w_down: Any,
    b_down: Array | None,
    *,
    activation: str = "gelu",
) -> tuple[Array, Cache]:
    """y = gelu(x W_up + b_up) W_down + b_down, at each position by itself.

    x: (..., D), w_up: (D, F), w_down: (F, D)  ->  y: (..., D), cache      Vaswani 2017, eq. 2
    activation: one of ACTIVATIONS, in the place of gelu.
    """
    activate, activate_backward = ACTIVATIONS[activation]
    up, up_cache = linear(x, w_up, b_up)
    active, active_cache = activate(up)
    y, down_cache = linear(active, w_down, b_down)
    return y, (up_cache, (activate_backward, active_cache), down_cache)


def feed_forward_backward(dy: Array, cache: Cache) -> tuple[Array | None, ...]:
    """Gradients of feed_forward, in its argument order: dx, dw_up, db_up, dw_down, db_down."""
    up_cache, (activate_backward, active_cache), down_cache = cache
    dactive, dw_down, db_down = linear_backward(dy, down_cache)
    dx, dw_up, db_up = linear_backward(activate_backward(dactive, active_cache), up_cache)
    return dx, dw_up, db_up, dw_down, db_down


FEED_FORWARDS: dict[str, tuple[tuple[str, ...], Callable[..., Any], Callable[..., Any]]] = {
    **{
        name: (FEED_FORWARD, partial(feed_forward, activation=name), feed_forward_backward)
        for name in ACTIVATIONS
    },
    "swiglu": (SWIGLU, swiglu, swiglu_backward),
}


def block(
    x: Array,
    params: Params,
    prefix: str,
    *,
    head_dim: int,
    norm: str,
    mask: Array | None,
    attend: Any,
    turn: Any = None,
    activation: str = "gelu",
    eps: float = 1e-5,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Cache]:
    """Both residual steps of one block.

    x: (B, T, D), mask: bool, broadcastable to (B, H, T, T_k), or None  ->  y: (B, T, D), cache
    attend, turn: as in multi_head_attention. activation: one of ACTIVATIONS, of a feed-forward
    layer without w_gate; eps: of the norms.
    rate: dropout of what each step adds, on exactly when an `rng` is passed.
    """
    norm_1, norm_2 = (parts(params, f"{prefix}.{name}", NORM) for name in ("norm_1", "norm_2"))
    attention_weights = parts(params, f"{prefix}.attention", ATTENTION)
    if f"{prefix}.feed_forward.w_gate" in params:
        activation = "swiglu"
    names, think_with, _ = FEED_FORWARDS[activation]
    feed_forward_weights = parts(params, f"{prefix}.feed_forward", names)

    def look(x: Array) -> tuple[Array, Cache]:
        return multi_head_attention(
            x, *attention_weights, head_dim=head_dim, mask=mask, attend=attend, turn=turn
        )

    def think(x: Array) -> tuple[Array, Cache]:
        return think_with(x, *feed_forward_weights)

    x, look_cache = residual_step(x, look, norm_1, norm, rate, rng, eps)
    x, think_cache = residual_step(x, think, norm_2, norm, rate, rng, eps)
    return x, (prefix, norm, activation, (look_cache, think_cache))


def residual_step(
    x: Array,
    step: Callable[[Array], tuple[Array, Cache]],
    norm_weights: Sequence[Any],
    norm: str,
    rate: float,
    rng: np.random.Generator | None,
    eps: float = 1e-5,
) -> tuple[Array, Cache]:
    """x + dropout(step(normalize(x))) for pre-norm, normalize(x + dropout(step(x))) for post."""
    if norm == "pre":
        normed, norm_cache = normalize(x, *norm_weights, eps=eps)
        added, step_cache = step(normed)
        added, dropout_cache = dropout(added, rate, rng)
        added += x  # its own array, made by the step
        return added, (norm_cache, step_cache, dropout_cache)
    added, step_cache = step(x)
    added, dropout_cache = dropout(added, rate, rng)
    added += x
    y, norm_cache = normalize(added, *norm_weights, eps=eps)
    return y, (norm_cache, step_cache, dropout_cache)


def residual_step_backward(
    dy: Array, cache: Cache, step_backward: Callable[..., tuple[Any, ...]], norm: str
) -> tuple[Array, tuple[Array, Array | None], tuple[Any, ...]]:
    """Gradients of residual_step: dx, those of the norm's weights, and those of the step's."""
    norm_cache, step_cache, dropout_cache = cache
    if norm == "pre":
        # y = x + dropout(step(norm(x))): dy reaches x directly, and by way of the step
        dnormed, *dweights = step_backward(dropout_backward(dy, dropout_cache), step_cache)
        dx, dgain, dbias = normalize_backward(dnormed, norm_cache)
    else:
        # y = norm(x + dropout(step(x))): the same, after the norm
        dy, dgain, dbias = normalize_backward(dy, norm_cache)
        dx, *dweights = step_backward(dropout_backward(dy, dropout_cache), step_cache)
    dx += dy
    return dx, (dgain, dbias), tuple(dweights)


def block_backward(dy: Array, cache: Cache) -> tuple[Array, Params]:
    """Gradients of block: dx, and those of its parameters by their full names."""
    prefix, norm, activation, caches = cache
    names, _, think_backward = FEED_FORWARDS[activation]
    steps: tuple[tuple[str, tuple[str, ...], Callable[..., Any]], ...] = (
        (f"{prefix}.attention", ATTENTION, multi_head_attention_backward),
        (f"{prefix}.feed_forward", names, think_backward),
    )
    grads: Params = {}
    for number in (2, 1):
        name, names, step_backward = steps[number - 1]
        dy, dnorm, dweights = residual_step_backward(dy, caches[number - 1], step_backward, norm)
        grads |= named(f"{prefix}.norm_{number}", NORM, dnorm)
        grads |= named(name, names, dweights)
    return dy, grads


def new_last_norm(prefix: str, width: int, norm: str, normalization: str = "layer") -> Params:
    """The fresh parameters of last_norm: none for post-norm."""
    return new_norm(prefix, width, normalization) if norm == "pre" else {}


def last_norm(
    x: Array, params: Params, prefix: str, norm: str, eps: float = 1e-5
) -> tuple[Array, Cache]:
    """The norm that ends a stack of pre-norm blocks; post-norm ones end in a norm already."""
    if norm == "post":
        return x, None
    y, norm_cache = normalize(x, *parts(params, prefix, NORM), eps=eps)
    return y, (prefix, norm_cache)


def last_norm_backward(dy: Array, cache: Cache) -> tuple[Array, Params]:
    """Gradients of last_norm: dx, and those of its parameters by their full names."""
    if cache is None:
        return dy, {}
    prefix, norm_cache = cache
    dx, dgain, dbias = normalize_backward(dy, norm_cache)
    return dx, named(prefix, NORM, (dgain, dbias))
