"""The linear map, and the only two ways in which a derivative passes through a weight.

A weight is anything that answers `x @ w`, `w.T`, `.shape` and `.ndim`: an array, or a compressed
leaf. The gradients of every product with a weight go through `input_gradient` and
`weight_gradient`, so that a leaf whose product is not quite linear (one that also rounds x, say)
can say what its derivative is. A loop that multiplies by one weight many times asks `unpacked`.
"""

from typing import Any

import numpy as np

from minilm.nn.checks import describe, require_float
from minilm.nn.sums import flat, sum_to_last
from minilm.types import Array, Cache

LARGE = 1 << 24  # bytes: a weight that a core's caches do not hold from one product to the next
SHORT = 1 << 12  # bytes: a column that is read before it pays to read another beside it


def product(rows: Array, w: Any) -> Array:
    """rows w.        rows: (..., in), w: (in, out)  ->  (..., out)

    For one row the time goes into reading w. BLAS reads several columns side by side; where they
    lie one after the other, as in a tied head, which is a table transposed, are short, and come
    from memory, einsum needs half to three quarters of the time (float32, one thread), for it reads
    them as they lie. With longer columns it gains nothing.
    """
    is_large_table = isinstance(w, np.ndarray) and w.nbytes >= LARGE and w.flags.f_contiguous
    if is_large_table and w.strides[1] < SHORT and rows.size == len(w) and rows.dtype == w.dtype:
        return np.einsum("i,io->o", rows.reshape(-1), w).reshape(*rows.shape[:-1], w.shape[1])
    return rows @ w


def input_gradient(dy: Array, x: Array, w: Any) -> Array:
    """dx of y = x w: dx = dy wᵀ, or what the weight itself answers.

    dy: (..., out), x: (..., in), w: (in, out)  ->  dx: (..., in)
    """
    if hasattr(w, "input_gradient"):
        return w.input_gradient(dy, x)
    return (flat(dy) @ w.T).reshape(x.shape)


def weight_gradient(dy: Array, x: Array, w: Any) -> Array:
    """dw of y = x w: dw = xᵀ dy summed over all rows, or what the weight itself answers.

    dy: (..., out), x: (..., in), w: (in, out)  ->  dw: (in, out), always an array
    """
    if hasattr(w, "weight_gradient"):
        return w.weight_gradient(dy, x)
    return flat(x).T @ flat(dy)


def unpacked(w: Any) -> Any:
    """What a loop over time should multiply by: the weight, unpacked if it is a packed leaf."""
    return w.unpacked() if hasattr(w, "unpacked") else w


def linear(x: Array, w: Any, b: Array | None = None) -> tuple[Array, Cache]:
    """y = x w + b, over the last axis.

    x: (..., in), w: (in, out), b: (out,) or None  ->  y: (..., out), cache
    ValueError if the widths do not meet, TypeError if x is not a float array.
    """
    require_float("x", x)
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"w must have shape ({x.shape[-1] if x.ndim else 'in'}, out) to meet x of shape "
            f"{x.shape}, got {tuple(w.shape)}"
        )
    # All rows in one product. Those of one text are one as they stand, which spares a model that
    # writes token by token two reshapes for each of its maps.
    rows = x if len(x) == 1 else flat(x)
    y = product(rows, w)
    if b is not None:
        if b.shape != (w.shape[1],):
            raise ValueError(f"b must have shape ({w.shape[1]},), got {describe(b)}")
        # with as many axes as y has: one row plus b is then a sum of equal shapes, which NumPy
        # computes in half the time of a broadcast one
        y += b[(None,) * (y.ndim - 1)]
    return y if rows is x else y.reshape(*x.shape[:-1], w.shape[1]), (x, w, b is not None)


def linear_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array | None]:
    """Gradients of linear, in its argument order: dx, dw, db (None where b was None)."""
    x, w, has_bias = cache
    # y = x w + b
    dx = input_gradient(dy, x, w)
    dw = weight_gradient(dy, x, w)
    db = sum_to_last(dy) if has_bias else None
    return dx, dw, db
