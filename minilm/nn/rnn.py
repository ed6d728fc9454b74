"""The plain recurrent network: one state, mixed with each new input through a tanh."""

from typing import Any

import numpy as np

from minilm.nn.activations import tanh_backward
from minilm.nn.checks import require_float, require_shape
from minilm.nn.linear import (
    input_gradient,
    linear,
    weight_gradient,
)
from minilm.nn.small_products import repeated_input_gradient, repeated_product
from minilm.nn.sums import sum_to_last
from minilm.types import Array, Cache


def rnn_step(x: Array, h: Array, w_x: Any, w_h: Any, b: Array) -> tuple[Array, Cache]:
    """h' = tanh(x w_x + h w_h + b).        Elman 1990

    x: (B, D), h: (B, H), w_x: (D, H), w_h: (H, H), b: (H,)  ->  h': (B, H), cache
    """
    require_float("h", h)
    _check_weights(w_x, w_h)
    a, _ = linear(x, w_x, b)
    require_shape(a.shape, h=h)
    a += h @ w_h
    h_next = np.tanh(a, out=a)
    return h_next, (x, h, w_x, w_h, h_next)


def rnn_step_backward(dh: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of rnn_step, in its argument order: dx, dh, dw_x, dw_h, db.

    The dh that comes in, (B, H), is the gradient of h'; the one returned, of h.
    """
    x, h, w_x, w_h, h_next = cache
    da = tanh_backward(dh, h_next)  # h' = tanh(a)
    return (
        input_gradient(da, x, w_x),
        input_gradient(da, h, w_h),
        weight_gradient(da, x, w_x),
        weight_gradient(da, h, w_h),
        sum_to_last(da),
    )


def rnn(x: Array, w_x: Any, w_h: Any, b: Array, h0: Array | None = None) -> tuple[Array, Cache]:
    """h_t = tanh(x_t w_x + h_{t−1} w_h + b) for t = 1 … T.

    x: (B, T, D), w_x: (D, H), w_h: (H, H), b: (H,), h0: (B, H) or None for zeros
    ->  hs: (B, T, H), cache; cache["state"] is h_T, to be carried on as the next h0.
    """
    if x.ndim != 3:
        raise ValueError(f"x must have shape (B, T, D), got {x.shape}")
    B, T, _ = x.shape
    H = w_h.shape[0]
    _check_weights(w_x, w_h)
    require_shape((B, H), h0=h0)
    by_time = np.ascontiguousarray(x.transpose(1, 0, 2))
    inputs, _ = linear(by_time, w_x, b)  # (T, B, H): every input projection in one product
    states = np.empty((T + 1, B, H), inputs.dtype)  # h_0 … h_T
    states[0] = 0 if h0 is None else h0
    times_w_h = repeated_product(w_h, rows=B, steps=T)
    for t in range(T):
        inputs[t] += times_w_h(states[t])
        np.tanh(inputs[t], out=states[t + 1])
    cache = {"state": states[T], "x": by_time, "states": states, "w_x": w_x, "w_h": w_h}
    return states[1:].transpose(1, 0, 2), cache


def rnn_backward(
    dhs: Array, cache: Cache, dstate: Array | None = None
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of rnn, in its argument order: dx, dw_x, dw_h, db, dh0.

    dhs: (B, T, H); dstate: (B, H), what a later piece of the sequence passes back, or None.
    """
    x, states, w_x, w_h = (cache[name] for name in ("x", "states", "w_x", "w_h"))
    T, B, _ = x.shape
    da = np.empty_like(states[1:])
    dh = np.zeros_like(states[0]) if dstate is None else dstate
    back_through_w_h = repeated_input_gradient(w_h, rows=B, steps=T)
    for t in reversed(range(T)):
        da[t] = tanh_backward(dh + dhs[:, t], states[t + 1])
        dh = back_through_w_h(da[t], states[t])
    dx = input_gradient(da, x, w_x).transpose(1, 0, 2)
    dw_x = weight_gradient(da, x, w_x)
    dw_h = weight_gradient(da, states[:T], w_h)
    return dx, dw_x, dw_h, sum_to_last(da), dh


def _check_weights(w_x: Any, w_h: Any) -> None:
    H = w_h.shape[0]
    require_shape((H, H), w_h=w_h)
    require_shape((w_x.shape[0], H), w_x=w_x)
