"""SwiGLU: a feed-forward layer whose hidden values each have a gate of their own."""

from typing import Any

from minilm.nn.activations import silu, silu_backward
from minilm.nn.checks import require_float, require_shape
from minilm.nn.linear import linear, linear_backward
from minilm.types import Array, Cache


def swiglu(x: Array, w_gate: Any, w_up: Any, w_down: Any) -> tuple[Array, Cache]:
    """y = (silu(x W_gate) ⊙ x W_up) W_down, at each position by itself; no biases.

    x: (..., D), w_gate and w_up: (D, F), w_down: (F, D)  ->  y: (..., D), cache
    Shazeer 2020, eq. 6 (W, V and W_2 there). With three weights for two, F = 8/3 D holds as many
    numbers as a plain layer with F = 4 D.
    TypeError if x is no float array, ValueError if the shapes do not meet.
    """
    require_float("x", x)
    D, F = x.shape[-1:], w_gate.shape[-1:]
    require_shape(D + F, w_gate=w_gate, w_up=w_up)
    require_shape(F + D, w_down=w_down)
    gate, gate_cache = linear(x, w_gate)
    up, up_cache = linear(x, w_up)
    active, silu_cache = silu(gate)
    y, down_cache = linear(active * up, w_down)
    return y, (gate_cache, up_cache, silu_cache, active, up, down_cache)


def swiglu_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array, Array]:
    """Gradients of swiglu, in its argument order: dx, dw_gate, dw_up, dw_down."""
    gate_cache, up_cache, silu_cache, active, up, down_cache = cache
    dproduct, dw_down, _ = linear_backward(dy, down_cache)
    # the hidden values are a product, active ⊙ up, and so are their gradients
    dx_gate, dw_gate, _ = linear_backward(silu_backward(dproduct * up, silu_cache), gate_cache)
    dx_up, dw_up, _ = linear_backward(dproduct * active, up_cache)
    return dx_gate + dx_up, dw_gate, dw_up, dw_down
