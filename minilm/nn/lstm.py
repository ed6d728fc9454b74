"""The LSTM: a memory cell that is written, kept and read through three gates.

Gates stand in the order i, f, g, o along the last axis of every fused array:

    a = x w_x + h w_h + b,   i, f, o = σ(a_i, a_f, a_o),   g = tanh(a_g)
    c' = f ⊙ c + i ⊙ g,      h' = o ⊙ tanh(c')               Hochreiter & Schmidhuber 1997,
                                                            with the forget gate of Gers 2000

Over time, only h w_h has to wait for the step before; x w_x + b is one product for all steps.
`lstm_step` is written as the equations are. `lstm` does the same in place, and keeps a step's gates
as (4, B, H), four whole arrays, which NumPy walks faster than four strips of one.
"""

from typing import Any

import numpy as np

from minilm.nn.activations import sigmoid, sigmoid_in_place
from minilm.nn.checks import require_float, require_integers, require_shape
from minilm.nn.embedding import embedding, embedding_backward
from minilm.nn.linear import input_gradient, linear, weight_gradient
from minilm.nn.small_products import repeated_input_gradient, repeated_product
from minilm.nn.sums import sum_to_last
from minilm.types import Array, Cache


def lstm_step(
    x: Array, h: Array, c: Array, w_x: Any, w_h: Any, b: Array
) -> tuple[tuple[Array, Array], Cache]:
    """One step of the equations above: (h', c').

    x: (B, D), h and c: (B, H), w_x: (D, 4H), w_h: (H, 4H), b: (4H,)  ->  (h', c'), cache
    """
    require_float("h", h)
    require_float("c", c)
    _check_weights(w_x, w_h)
    require_shape((len(x), w_h.shape[0]), h=h, c=c)
    a = linear(x, w_x, b)[0] + h @ w_h
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, o = (sigmoid(a)[0] for a in (a_i, a_f, a_o))
    g = np.tanh(a_g)
    c_next = f * c + i * g
    tanh_c = np.tanh(c_next)
    return (o * tanh_c, c_next), (x, h, c, w_x, w_h, (i, f, g, o), tanh_c)


def lstm_step_backward(
    dstate: tuple[Array, Array], cache: Cache
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm_step, in its argument order: dx, dh, dc, dw_x, dw_h, db.

    dstate = (dh', dc').
    """
    dh_next, dc_next = dstate
    x, h, c, w_x, w_h, (i, f, g, o), tanh_c = cache
    # h' = o tanh(c')
    do = dh_next * tanh_c
    dc_next = dc_next + dh_next * o * (1 - tanh_c**2)
    # c' = f c + i g
    di, df, dg, dc = dc_next * g, dc_next * c, dc_next * i, dc_next * f
    # each gate's slope: σ' = σ (1 − σ), tanh' = 1 − tanh²
    da = np.concatenate(
        [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1
    )
    return (
        input_gradient(da, x, w_x),
        input_gradient(da, h, w_h),
        dc,
        weight_gradient(da, x, w_x),
        weight_gradient(da, h, w_h),
        sum_to_last(da),
    )


def by_gate(a: Array) -> Array:
    """A view with the gates in front: (B, 4H) -> (4, B, H)."""
    B, width = a.shape
    return a.reshape(B, 4, width // 4).transpose(1, 0, 2)


def _cell(gates: Array, c: Array, h_next: Array, c_next: Array, tanh_c: Array) -> None:
    """The equations in place. From a as (4, B, H) and c (B, H): overwrites a by the gates, writes
    h', c' and tanh(c')."""
    i, f, g, o = gates
    sigmoid_in_place(gates[:2])
    np.tanh(g, out=g)
    sigmoid_in_place(o)
    np.multiply(f, c, out=c_next)
    c_next += i * g
    np.tanh(c_next, out=tanh_c)
    np.multiply(o, tanh_c, out=h_next)


def _cell_backward(
    dh: Array, dc: Array, gates: Array, c: Array, tanh_c: Array
) -> tuple[Array, Array]:
    """Their gradients in place. From dh and dc, what comes back to h' and c': da as (4, B, H), and
    the gradient of c.

    dc' = dc + dh o (1 − tanh²(c')),   di = dc' g,  df = dc' c,  dg = dc' i,  do = dh tanh(c'),
    da = each of the four times the slope of its gate;   the gradient of c is dc' f
    """
    i, f, g, o = gates
    # first the slopes of the gates: σ' = σ (1 − σ), tanh' = 1 − tanh²
    da = 1 - gates
    da *= gates
    da_i, da_f, da_g, da_o = da
    np.multiply(g, g, out=da_g)
    np.subtract(1, da_g, out=da_g)
    # h' = o tanh(c')
    da_o *= dh
    da_o *= tanh_c
    dc_next = tanh_c * tanh_c
    np.subtract(1, dc_next, out=dc_next)
    dc_next *= dh
    dc_next *= o
    dc_next += dc
    # c' = f c + i g
    da[:3] *= dc_next
    da_i *= g
    da_f *= c
    da_g *= i
    dc_next *= f
    return da, dc_next


def lstm(
    x: Array,
    w_x: Any,
    w_h: Any,
    b: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    ids: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Array, Cache]:
    """h_t, c_t = lstm_step(x_t, h_{t−1}, c_{t−1}) for t = 1 … T.

    x: (B, T, D), w_x: (D, 4H), w_h: (H, 4H), b: (4H,), h0 and c0: (B, H) or None for zeros
    ->  hs: (B, T, H), cache; cache["state"] is (h_T, c_T), to be carried on as the next h0, c0.

    With ids, (B, T) integers in [0, V), x is (V, D), a vector for each token, and x[ids] is read.
    As x[ids] w_x = (x w_x)[ids], only V rows are multiplied by w_x: less work if V < B T.
    With lengths, (B,) integers in [1, T], a row ends after so many steps: its hs are 0 from there
    on, and its state is that after its last step.
    """
    _check_weights(w_x, w_h)
    if ids is None:
        if x.ndim != 3:
            raise ValueError(f"x must have shape (B, T, D), got {x.shape}")
        x = np.ascontiguousarray(x.transpose(1, 0, 2))
        a, ids_cache = linear(x, w_x, b)[0], None
    else:
        if x.ndim != 2 or ids.ndim != 2:
            raise ValueError(
                f"with ids (B, T), x must have shape (V, D), got {ids.shape} and {x.shape}"
            )
        a, ids_cache = embedding(ids.T, linear(x, w_x, b)[0])
    if lengths is not None:
        _end_rows(a, lengths)
    hs, cache = _over_time(a, w_h, h0, c0)
    if lengths is not None:  # c has been kept from there on, h is read from there
        cache["state"] = (cache["hidden"][lengths, np.arange(len(lengths))], cache["state"][1])
    return hs, cache | {"x": x, "w_x": w_x, "ids": ids_cache, "lengths": lengths}


def lstm_backward(
    dhs: Array, cache: Cache, dstate: tuple[Array, Array] | None = None
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm, in its argument order: dx, dw_x, dw_h, db, dh0, dc0.

    dhs: (B, T, H); dstate: (dh_T, dc_T), each (B, H), what a later piece of the sequence passes
    back, or None.
    """
    if dstate is not None and cache["lengths"] is not None:
        dhs, (dh, dc) = dhs.copy(), dstate
        dhs[np.arange(len(dhs)), cache["lengths"] - 1] += dh
        dstate = np.zeros_like(dh), dc
    da, dw_h, dh0, dc0 = _over_time_backward(dhs, cache, dstate)
    x, w_x, ids_cache = (cache[name] for name in ("x", "w_x", "ids"))
    if ids_cache is not None:
        da = embedding_backward(da, ids_cache)
    dx, dw_x = input_gradient(da, x, w_x), weight_gradient(da, x, w_x)
    if ids_cache is None:
        dx = dx.transpose(1, 0, 2)
    return dx, dw_x, dw_h, sum_to_last(da), dh0, dc0


def _end_rows(a: Array, lengths: Array) -> None:
    """Write ±∞ into a (T, B, 4H) where a row has ended, so that i = 0, f = 1 and o = 0.

    Then c' = c and h' = 0, and every gate's slope is 0: no gradient comes from there, either.
    """
    T, B, width = a.shape
    require_integers("lengths", lengths)
    require_shape((B,), lengths=lengths)
    if B and not (lengths.min() >= 1 and lengths.max() <= T):
        raise ValueError(f"lengths must lie in [1, {T}], got {lengths.min()} to {lengths.max()}")
    ended = np.arange(T)[:, None] >= lengths
    gates = a.reshape(T, B, 4, width // 4)
    for gate, limit in ((0, -np.inf), (1, np.inf), (3, -np.inf)):  # i, f, o
        gates[ended, gate] = limit


def _over_time(a: Array, w_h: Any, h0: Array | None, c0: Array | None) -> tuple[Array, Cache]:
    """hs and cache from a = x w_x + b, (T, B, 4H), which is overwritten by the gates."""
    T, B, _ = a.shape
    H = w_h.shape[0]
    require_shape((B, H), h0=h0, c0=c0)
    # The same bytes in another shape, not a transpose: gates[t] is written over a[t], which the
    # line before has read for the last time.
    gates = a.reshape(T, 4, B, H)
    hidden = np.empty((T + 1, B, H), a.dtype)  # h_0 … h_T
    cells = np.empty_like(hidden)  # c_0 … c_T
    tanh_cells = np.empty_like(hidden[1:])
    hidden[0] = 0 if h0 is None else h0
    cells[0] = 0 if c0 is None else c0
    times_w_h = repeated_product(w_h, rows=B, steps=T)
    for t in range(T):
        a_t = times_w_h(hidden[t])
        a_t += a[t]
        gates[t] = by_gate(a_t)
        _cell(gates[t], cells[t], hidden[t + 1], cells[t + 1], tanh_cells[t])
    cache = {
        "state": (hidden[T], cells[T]),
        "w_h": w_h, "gates": gates, "hidden": hidden, "cells": cells, "tanh_cells": tanh_cells,
    }  # fmt: skip
    return hidden[1:].transpose(1, 0, 2), cache


def _over_time_backward(
    dhs: Array, cache: Cache, dstate: tuple[Array, Array] | None
) -> tuple[Array, Array, Array, Array]:
    """da (T, B, 4H), dw_h, dh0, dc0."""
    w_h, gates, hidden, cells = (cache[name] for name in ("w_h", "gates", "hidden", "cells"))
    T, _, B, H = gates.shape
    da = np.empty((T, B, 4 * H), gates.dtype)
    dh, dc = (np.zeros_like(hidden[0]), np.zeros_like(cells[0])) if dstate is None else dstate
    back_through_w_h = repeated_input_gradient(w_h, rows=B, steps=T)
    for t in reversed(range(T)):
        dh = dh + dhs[:, t]
        da_t, dc = _cell_backward(dh, dc, gates[t], cells[t], cache["tanh_cells"][t])
        by_gate(da[t])[...] = da_t
        dh = back_through_w_h(da[t], hidden[t])
    return da, weight_gradient(da, hidden[:T], w_h), dh, dc


def _check_weights(w_x: Any, w_h: Any) -> None:
    H = w_h.shape[0]
    require_shape((H, 4 * H), w_h=w_h)
    require_shape((w_x.shape[0], 4 * H), w_x=w_x)
