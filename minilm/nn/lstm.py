"""The LSTM: a memory cell that is written, kept and read through three gates.

Gates stand in the order i, f, g, o along the last axis of every fused array:

    a = x w_x + h w_h + b,   i, f, o = σ(a_i, a_f, a_o),   g = tanh(a_g)
    c' = f ⊙ c + i ⊙ g,      h' = o ⊙ tanh(c')               Hochreiter & Schmidhuber 1997,
                                                            with the forget gate of Gers 2000
"""

from typing import Any

import numpy as np

from minilm.nn.activations import sigmoid_in_place
from minilm.nn.checks import require_float, require_shape
from minilm.nn.linear import (
    input_gradient,
    linear,
    unpacked,
    unpacked_for_gradient,
    weight_gradient,
)
from minilm.nn.sums import sum_to_last
from minilm.types import Array, Cache


def split_gates(gates: Array) -> tuple[Array, Array, Array, Array]:
    """Views of i, f, g, o: (B, 4H) -> four of (B, H)."""
    H = gates.shape[-1] // 4
    return gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H : 3 * H], gates[:, 3 * H :]


def _cell(a: Array, c: Array, h_next: Array, c_next: Array, tanh_c: Array) -> None:
    """From a (B, 4H) and c (B, H): overwrites a by the gates, writes h', c' and tanh(c')."""
    i, f, g, o = split_gates(a)
    g *= 2  # tanh(a) = 2 σ(2a) − 1, so that one exp serves all four gates
    sigmoid_in_place(a)
    g *= 2
    g -= 1
    np.multiply(f, c, out=c_next)
    c_next += i * g
    np.tanh(c_next, out=tanh_c)
    np.multiply(o, tanh_c, out=h_next)


def _cell_backward(dh: Array, dc: Array, gates: Array, c: Array, tanh_c: Array, da: Array) -> Array:
    """From dh and dc, what comes back to h' and c': writes da (B, 4H), returns c's gradient.

    dc' = dc + dh o (1 − tanh²(c')),   di = dc' g,  df = dc' c,  dg = dc' i,  do = dh tanh(c'),
    da = each of the four times the slope of its gate;   the gradient of c is dc' f
    """
    i, f, g, o = split_gates(gates)
    da_i, da_f, da_g, da_o = split_gates(da)
    # first the slopes of the gates: σ' = σ (1 − σ), tanh' = 1 − tanh²
    np.subtract(1, gates, out=da)
    da *= gates
    np.multiply(g, g, out=da_g)
    np.subtract(1, da_g, out=da_g)
    # h' = o tanh(c')
    dtanh_c = dh * o
    dc_next = tanh_c * tanh_c
    np.subtract(1, dc_next, out=dc_next)
    dc_next *= dtanh_c
    dc_next += dc
    da_o *= dh
    da_o *= tanh_c
    # c' = f c + i g
    da_i *= dc_next
    da_i *= g
    da_f *= dc_next
    da_f *= c
    da_g *= dc_next
    da_g *= i
    dc_next *= f
    return dc_next


def lstm_step(
    x: Array, h: Array, c: Array, w_x: Any, w_h: Any, b: Array
) -> tuple[tuple[Array, Array], Cache]:
    """One step of the equations above: (h', c').

    x: (B, D), h and c: (B, H), w_x: (D, 4H), w_h: (H, 4H), b: (4H,)  ->  (h', c'), cache
    """
    require_float(h=h, c=c)
    _check_weights(w_x, w_h)
    require_shape((len(x), w_h.shape[0]), h=h, c=c)
    gates, _ = linear(x, w_x, b)
    gates += h @ w_h
    h_next, c_next, tanh_c = (np.empty_like(h) for _ in range(3))
    _cell(gates, c, h_next, c_next, tanh_c)
    return (h_next, c_next), (x, h, c, w_x, w_h, gates, tanh_c)


def lstm_step_backward(
    dstate: tuple[Array, Array], cache: Cache
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm_step, in its argument order: dx, dh, dc, dw_x, dw_h, db.

    dstate = (dh', dc').
    """
    x, h, c, w_x, w_h, gates, tanh_c = cache
    da = np.empty_like(gates)
    dc = _cell_backward(*dstate, gates, c, tanh_c, da)
    return (
        input_gradient(da, x, w_x),
        input_gradient(da, h, w_h),
        dc,
        weight_gradient(da, x, w_x),
        weight_gradient(da, h, w_h),
        sum_to_last(da),
    )


def lstm(
    x: Array, w_x: Any, w_h: Any, b: Array, h0: Array | None = None, c0: Array | None = None
) -> tuple[Array, Cache]:
    """h_t, c_t = lstm_step(x_t, h_{t−1}, c_{t−1}) for t = 1 … T.

    x: (B, T, D), w_x: (D, 4H), w_h: (H, 4H), b: (4H,), h0 and c0: (B, H) or None for zeros
    ->  hs: (B, T, H), cache; cache["state"] is (h_T, c_T), to be carried on as the next h0, c0.
    """
    if x.ndim != 3:
        raise ValueError(f"x must have shape (B, T, D), got {x.shape}")
    B, T, _ = x.shape
    H = w_h.shape[0]
    _check_weights(w_x, w_h)
    require_shape((B, H), h0=h0, c0=c0)
    by_time = np.ascontiguousarray(x.transpose(1, 0, 2))
    gates, _ = linear(by_time, w_x, b)  # (T, B, 4H): every input projection in one product
    hidden = np.empty((T + 1, B, H), gates.dtype)  # h_0 … h_T
    cells = np.empty_like(hidden)  # c_0 … c_T
    tanh_cells = np.empty_like(hidden[1:])
    hidden[0] = 0 if h0 is None else h0
    cells[0] = 0 if c0 is None else c0
    w = unpacked(w_h)
    for t in range(T):
        gates[t] += hidden[t] @ w
        _cell(gates[t], cells[t], hidden[t + 1], cells[t + 1], tanh_cells[t])
    cache = {
        "state": (hidden[T], cells[T]),
        "x": by_time, "weights": (w_x, w_h), "gates": gates,
        "hidden": hidden, "cells": cells, "tanh_cells": tanh_cells,
    }  # fmt: skip
    return hidden[1:].transpose(1, 0, 2), cache


def lstm_backward(
    dhs: Array, cache: Cache, dstate: tuple[Array, Array] | None = None
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm, in its argument order: dx, dw_x, dw_h, db, dh0, dc0.

    dhs: (B, T, H); dstate: (dh_T, dc_T), each (B, H), what a later piece of the sequence passes
    back, or None.
    """
    x, gates, hidden, cells = (cache[name] for name in ("x", "gates", "hidden", "cells"))
    w_x, w_h = cache["weights"]
    T = len(x)
    da = np.empty_like(gates)
    dh, dc = (np.zeros_like(hidden[0]), np.zeros_like(cells[0])) if dstate is None else dstate
    w = unpacked_for_gradient(w_h)
    for t in reversed(range(T)):
        dh = dh + dhs[:, t]
        dc = _cell_backward(dh, dc, gates[t], cells[t], cache["tanh_cells"][t], da[t])
        dh = input_gradient(da[t], hidden[t], w)
    dx = input_gradient(da, x, w_x).transpose(1, 0, 2)
    dw_x = weight_gradient(da, x, w_x)
    dw_h = weight_gradient(da, hidden[:T], w_h)
    return dx, dw_x, dw_h, sum_to_last(da), dh, dc


def _check_weights(w_x: Any, w_h: Any) -> None:
    H = w_h.shape[0]
    require_shape((H, 4 * H), w_h=w_h)
    require_shape((w_x.shape[0], 4 * H), w_x=w_x)
